/* space_world.h - steps on a space over the stage, and pictures of it */
/* SPDX-License-Identifier: MIT */
/*
 * A picture has one character for each page: '.' is free, '#' a stranger's,
 * a letter is the object's, upper case if the page may be written; 'n' is
 * memory of no object, on the software MMU; '|' stands between two VMAs that
 * touch.
 */
#ifndef QUIRE_TESTS_SPACE_WORLD_H
#define QUIRE_TESTS_SPACE_WORLD_H

#include "unit/space_stage.h"

#include <ctype.h>

static inline void clear_log(void)
{
	world.log[0] = '\0';
	world.discards[0] = '\0';
	world.calls = 0;
}

/* Pages [first, first+count) get the object's from index on. */
static inline int map_pages(unsigned object, uint64_t first, uint64_t count,
			    uint64_t index, int prot, int flags)
{
	struct space_map_request request = {
		.address = at(first),
		.length = count * PAGE_SIZE,
		.prot = prot,
		.flags = flags | MAP_FIXED,
		.handle = &world.handle[object],
		.offset = index * PAGE_SIZE,
	};
	uint64_t address = 0;
	int error;

	clear_log();
	error = space_map(&world.space, &request, &address);
	if (!error)
		assert_int_equal(address, at(first));
	world_rest();
	return error;
}

/* As mmap(2) with MAP_ANONYMOUS; flags say the rest. */
static inline int map_anonymous(uint64_t first, uint64_t count, int prot,
				int flags)
{
	struct space_map_request request = {
		.address = at(first),
		.length = count * PAGE_SIZE,
		.prot = prot,
		.flags = flags | MAP_ANONYMOUS | MAP_FIXED,
	};
	uint64_t address = 0;
	int error;

	clear_log();
	error = space_map(&world.space, &request, &address);
	if (!error)
		assert_int_equal(address, at(first));
	world_rest();
	return error;
}

static inline int unmap_pages(uint64_t first, uint64_t count)
{
	int error;

	clear_log();
	error = space_unmap(&world.space, at(first), count * PAGE_SIZE);
	world_rest();
	return error;
}

static inline int protect_pages(uint64_t first, uint64_t count, int prot)
{
	int error;

	clear_log();
	error = space_protect(&world.space, at(first), count * PAGE_SIZE, prot,
			      NULL);
	world_rest();
	return error;
}

/*
 * Makes what the picture says: letters a to c are the objects, page n of the
 * space shows page n of the object, upper case may be written; shared.
 */
static inline void draw_map(const char *picture)
{
	for (uint64_t first = 0; picture[first];) {
		char letter = picture[first];
		uint64_t count =
			strspn(picture + first, (char[]){ letter, '\0' });
		int prot = isupper(letter) ? PROT_READ | PROT_WRITE : PROT_READ;

		if (letter == '#')
			for (uint64_t i = first; i < first + count; i++)
				world.page[i] = (struct host_page){
					.mapped = true,
					.stranger = true,
				};
		else if (letter != '.')
			assert_int_equal(
				map_pages((unsigned)(tolower(letter) - 'a'),
					  first, count, first, prot,
					  MAP_SHARED),
				0);
		first += count;
	}
	clear_log();
}

static inline char letter_at(const struct vma *vma)
{
	char letter = vma->handle ? vma->handle->object->identity.name[0] : 'n';

	return vma->flags & VM_WRITE ? (char)toupper(letter) : letter;
}

/* The first pages of the space as a picture, in static memory. */
static inline const char *picture(uint64_t pages)
{
	static char text[2 * WORLD_PAGES + 1];
	struct vma *before = NULL;
	size_t length = 0;

	for (uint64_t page = 0; page < pages; page++) {
		struct vma *vma = space_find(&world.space, at(page));

		if (vma && before && vma != before)
			text[length++] = '|';
		if (vma)
			text[length++] = letter_at(vma);
		else
			text[length++] = world.page[page].stranger ? '#' : '.';
		before = vma;
	}
	text[length] = '\0';
	return text;
}

#define assert_picture(expected) \
	assert_string_equal(picture(page_count(expected)), expected)

/* Of a picture: all but the borders. */
static inline uint64_t page_count(const char *expected)
{
	uint64_t count = 0;

	for (; *expected; expected++)
		count += *expected != '|';
	return count;
}

/* The report as text; the caller frees it. */
static inline char *report_text(enum space_report_kind kind)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	assert_int_equal(space_report(&world.space, kind, stream), 0);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static inline struct vma *vma_of_page(uint64_t page)
{
	struct vma *vma = space_find(&world.space, at(page));

	assert_non_null(vma);
	return vma;
}

/* In pages, where it counts bytes. */
static inline uint64_t flags_at(uint64_t page)
{
	return vma_of_page(page)->flags;
}

static inline void set_limit(enum space_limit limit, uint64_t pages)
{
	space_set_limit(&world.space, limit, pages << PAGE_SHIFT);
}

static inline void assert_same_host(const struct host_page *before)
{
	for (unsigned i = 0; i < WORLD_PAGES; i++) {
		assert_int_equal(world.page[i].mapped, before[i].mapped);
		assert_int_equal(world.page[i].shared, before[i].shared);
		assert_int_equal(world.page[i].prot, before[i].prot);
		assert_int_equal(world.page[i].memory, before[i].memory);
		assert_int_equal(world.page[i].index, before[i].index);
	}
}

/*
 * step() must refuse once for each of its calls to the host, and leave all as
 * it was; then it succeeds.  Returns how many calls it makes.
 */
static inline unsigned fail_each_call(int (*step)(void))
{
	struct host_page before[WORLD_PAGES];
	char *text = report_text(SPACE_REPORT_MAPS);
	unsigned calls = 0;
	int error;

	memcpy(before, world.page, sizeof(before));
	for (;;) {
		char *now;

		world.fail_at = ++calls;
		error = step();
		world.fail_at = 0;
		if (error == 0)
			break;
		assert_int_equal(error, -ENOMEM);
		now = report_text(SPACE_REPORT_MAPS);
		assert_string_equal(now, text);
		assert_same_host(before);
		free(now);
	}
	free(text);
	return calls - 1;
}

#endif
