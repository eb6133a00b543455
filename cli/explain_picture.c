/* explain_picture.c - what spaces, page tables, cache and files look like */
/* SPDX-License-Identifier: MIT */
/*
 * Looking changes nothing: only bytes that are in memory are asked for, by
 * addresses that would not fault.
 */
#include "explain_picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool in_memory(enum quire_page_state state)
{
	return state == QUIRE_PAGE_CLEAN || state == QUIRE_PAGE_DIRTY ||
	       state == QUIRE_PAGE_WRITING;
}

const char *picture_state_name(enum quire_page_state state)
{
	static const char *const names[] = {
		[QUIRE_PAGE_ABSENT] = "absent",
		[QUIRE_PAGE_READING] = "reading",
		[QUIRE_PAGE_FAILED] = "failed",
		[QUIRE_PAGE_CLEAN] = "clean",
		[QUIRE_PAGE_DIRTY] = "dirty",
		[QUIRE_PAGE_WRITING] = "writing",
		[QUIRE_PAGE_EVICTING] = "leaving",
		[QUIRE_PAGE_PAST_END] = "past the end",
	};

	return names[state];
}

const char *picture_source_name(enum quire_page_source source)
{
	static const char *const names[] = {
		[QUIRE_SOURCE_NONE] = "none",
		[QUIRE_SOURCE_ZEROS] = "zeros",
		[QUIRE_SOURCE_OBJECT] = "object",
		[QUIRE_SOURCE_PRIVATE] = "private",
		[QUIRE_SOURCE_GUARD] = "guard",
	};

	return names[source];
}

const char *picture_page_state(const struct page_picture *page)
{
	if (page->page.source != QUIRE_SOURCE_OBJECT &&
	    page->page.source != QUIRE_SOURCE_PRIVATE)
		return "";
	return page->swapped ? "swapped" : picture_state_name(page->page.state);
}

/* ---- bytes ---- */

/* Where a page has something to show: its first byte that is not zero. */
static unsigned int first_set(const unsigned char *bytes, size_t length)
{
	size_t i = 0;

	while (i < length && !bytes[i])
		i++;
	return i == length ? 0 : (unsigned int)(i & ~(size_t)7);
}

static struct glimpse glimpse_at(const unsigned char *bytes, size_t length,
				 unsigned int at)
{
	struct glimpse glimpse = { .known = true };

	if (at < length)
		glimpse.length = (unsigned int)(length - at);
	if (glimpse.length > PICTURE_BYTES)
		glimpse.length = PICTURE_BYTES;
	memcpy(glimpse.bytes, bytes + at, glimpse.length);
	return glimpse;
}

static bool same_glimpse(const struct glimpse *one, const struct glimpse *other)
{
	return one->known == other->known && one->length == other->length &&
	       memcmp(one->bytes, other->bytes, one->length) == 0;
}

/* ---- page tables ---- */

static const struct page_picture *find_page(const struct space_picture *space,
					    uint64_t address)
{
	for (size_t i = 0; space && i < space->area_count; i++) {
		const struct area_picture *area = &space->areas[i];
		uint64_t index = (address - area->start) / QUIRE_PAGE_SIZE;

		if (address >= area->start && address < area->end)
			return index < area->page_count ? &area->pages[index]
							: NULL;
	}
	return NULL;
}

static bool page_changed(const struct page_picture *now,
			 const struct page_picture *before)
{
	if (!before)
		return now->page.source != QUIRE_SOURCE_NONE;
	return now->page.source != before->page.source ||
	       now->page.prot != before->page.prot ||
	       now->page.index != before->page.index ||
	       now->page.holders != before->page.holders ||
	       now->page.state != before->page.state || now->at != before->at ||
	       !same_glimpse(&now->glimpse, &before->glimpse);
}

static bool is_file(const struct scene *scene, const char *name)
{
	for (size_t i = 0; i < scene->script->file_count; i++)
		if (strcmp(scene->script->files[i], name) == 0)
			return true;
	return false;
}

/* A page that has been in memory, is not now, and has no home in a file. */
static bool page_swapped(bool file, const struct page_picture *now,
			 const struct page_picture *before)
{
	if (now->page.state != QUIRE_PAGE_ABSENT)
		return false;
	if (now->page.source == QUIRE_SOURCE_PRIVATE)
		return true;
	return now->page.source == QUIRE_SOURCE_OBJECT && before && !file &&
	       (before->swapped || in_memory(before->page.state));
}

static void take_page(struct quire_space *space, struct page_picture *page)
{
	unsigned char bytes[QUIRE_PAGE_SIZE];
	void *address = (void *)(uintptr_t)page->address;

	if (quire_space_page(space, address, &page->page))
		return;
	if (!(page->page.prot & PROT_READ) || !in_memory(page->page.state) ||
	    (page->page.source != QUIRE_SOURCE_OBJECT &&
	     page->page.source != QUIRE_SOURCE_PRIVATE) ||
	    quire_peek(space, address, bytes, sizeof(bytes)))
		return;
	page->at = first_set(bytes, sizeof(bytes));
	page->glimpse = glimpse_at(bytes, sizeof(bytes), page->at);
}

static int take_pages(const struct scene *scene, uint32_t process,
		      struct area_picture *area,
		      const struct space_picture *before)
{
	uint64_t count = (area->end - area->start) / QUIRE_PAGE_SIZE;
	bool file = is_file(scene, area->object);

	if (count > PICTURE_PAGES) {
		area->more_pages = count - PICTURE_PAGES;
		count = PICTURE_PAGES;
	}
	area->pages = calloc(count, sizeof(*area->pages));
	if (!area->pages)
		return -ENOMEM;
	area->page_count = count;
	for (size_t i = 0; i < count; i++) {
		struct page_picture *page = &area->pages[i];
		const struct page_picture *old;

		page->address = area->start + i * QUIRE_PAGE_SIZE;
		old = find_page(before, page->address);
		take_page(scene->engine->spaces[process], page);
		page->swapped = page_swapped(file, page, old);
		page->changed = page_changed(page, old);
	}
	return 0;
}

static bool area_is_new(const struct area_picture *area,
			const struct space_picture *before)
{
	for (size_t i = 0; before && i < before->area_count; i++) {
		const struct area_picture *old = &before->areas[i];

		if (old->start == area->start && old->end == area->end &&
		    old->offset == area->offset &&
		    strcmp(old->rights, area->rights) == 0 &&
		    strcmp(old->object, area->object) == 0)
			return false;
	}
	return true;
}

static bool area_changed(const struct area_picture *area)
{
	for (size_t i = 0; i < area->page_count; i++)
		if (area->pages[i].changed)
			return true;
	return area->changed;
}

static int take_space(const struct scene *scene, uint32_t process,
		      const struct space_picture *before,
		      struct space_picture *space)
{
	int error;

	if (!scene->engine->spaces[process])
		return 0;
	space->there = true;
	error = space_picture_areas(scene, process, space);
	for (size_t i = 0; i < space->area_count && !error; i++) {
		struct area_picture *area = &space->areas[i];

		area->changed = area_is_new(area, before);
		error = take_pages(scene, process, area, before);
		space->changed = space->changed || area_changed(area);
	}
	if (!before || before->area_count != space->area_count)
		space->changed = true;
	return error;
}

/* ---- files ---- */

/* Past the kernel's cache where that is possible. */
static size_t read_file(int fd, uint64_t offset, unsigned char *bytes)
{
	ssize_t length = pread(fd, bytes, QUIRE_PAGE_SIZE, (off_t)offset);

	return length > 0 ? (size_t)length : 0;
}

static size_t size_in_page(uint64_t size, uint64_t index)
{
	uint64_t left = size - index * QUIRE_PAGE_SIZE;

	return left < QUIRE_PAGE_SIZE ? (size_t)left : QUIRE_PAGE_SIZE;
}

static unsigned int first_difference(const unsigned char *one,
				     const unsigned char *other, size_t length)
{
	size_t i = 0;

	while (i < length && one[i] == other[i])
		i++;
	return (unsigned int)(i & ~(size_t)7);
}

static void take_cached(const struct scene *scene, uint32_t file, uint64_t size,
			struct cached_picture *page)
{
	static _Alignas(QUIRE_PAGE_SIZE) unsigned char home[QUIRE_PAGE_SIZE];
	unsigned char cache[QUIRE_PAGE_SIZE];
	struct quire_object *object = scene->engine->files[file];
	uint64_t offset = page->index * QUIRE_PAGE_SIZE;
	size_t length = size_in_page(size, page->index), got;
	unsigned char state = 0;

	quire_object_pages(object, offset, 1, &state);
	page->state = (enum quire_page_state)state;
	memset(home, 0, sizeof(home));
	got = read_file(scene->descriptors[file], offset, home);
	if (got > length)
		got = length;
	page->at = first_set(home, got);
	if (in_memory(page->state) &&
	    quire_object_pread(object, cache, length, offset) ==
		    (ssize_t)length) {
		page->differs = memcmp(cache, home, length) != 0;
		if (page->differs)
			page->at = first_difference(cache, home, length);
		page->cache = glimpse_at(cache, length, page->at);
	}
	page->file = glimpse_at(home, got, page->at);
}

static bool cached_changed(const struct cached_picture *now,
			   const struct file_picture *before)
{
	const struct cached_picture *old;

	if (!before || now->index >= before->page_count)
		return true;
	old = &before->pages[now->index];
	return now->state != old->state || now->differs != old->differs ||
	       !same_glimpse(&now->cache, &old->cache) ||
	       !same_glimpse(&now->file, &old->file);
}

static int take_file(const struct scene *scene, uint32_t file,
		     const struct file_picture *before,
		     struct file_picture *picture)
{
	struct quire_object *object = scene->engine->files[file];
	uint64_t count;

	if (!object)
		return 0;
	picture->there = true;
	picture->size = quire_object_size(object);
	count = (picture->size + QUIRE_PAGE_SIZE - 1) / QUIRE_PAGE_SIZE;
	if (count > PICTURE_PAGES) {
		picture->more_pages = count - PICTURE_PAGES;
		count = PICTURE_PAGES;
	}
	picture->pages = calloc(count + 1, sizeof(*picture->pages));
	if (!picture->pages)
		return -ENOMEM;
	picture->page_count = count;
	for (size_t i = 0; i < count; i++) {
		picture->pages[i].index = i;
		take_cached(scene, file, picture->size, &picture->pages[i]);
		picture->pages[i].changed =
			cached_changed(&picture->pages[i], before);
	}
	return 0;
}

/* ---- all of it ---- */

int picture_take(const struct scene *scene, const struct picture *before,
		 struct picture *picture)
{
	int error = 0;

	*picture = (struct picture){
		.statistics.size = sizeof(picture->statistics),
	};
	for (uint32_t i = 0; i < SCRIPT_PROCESSES && !error; i++)
		error = take_space(scene, i, before ? &before->spaces[i] : NULL,
				   &picture->spaces[i]);
	for (uint32_t i = 0; i < SCRIPT_FILES && !error; i++)
		error = take_file(scene, i, before ? &before->files[i] : NULL,
				  &picture->files[i]);
	if (!error)
		error = quire_get_statistics(scene->engine->quire,
					     &picture->statistics);
	return error;
}

static void free_space(struct space_picture *space)
{
	for (size_t i = 0; i < space->area_count; i++) {
		free(space->areas[i].object);
		free(space->areas[i].names);
		free(space->areas[i].pages);
	}
	free(space->areas);
	free(space->nodes);
}

void picture_free(struct picture *picture)
{
	for (size_t i = 0; i < SCRIPT_PROCESSES; i++)
		free_space(&picture->spaces[i]);
	for (size_t i = 0; i < SCRIPT_FILES; i++)
		free(picture->files[i].pages);
	*picture = (struct picture){ .statistics.size = 0 };
}
