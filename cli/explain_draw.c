/* explain_draw.c - spaces, page tables, cache and files as drawings of text */
/* SPDX-License-Identifier: MIT */
#include "explain_show.h"

#include <string.h>
#include <sys/mman.h>

#define BOX_WIDTH 70

/* What a box is drawn with: corners above and below, a line, a side. */
struct strokes {
	const char *above_left, *above_right, *below_left, *below_right;
	const char *joint_left, *joint_right;
	const char *line, *side;
};

static const struct strokes *strokes_of(const struct paper *paper)
{
	static const struct strokes fine = { "┌", "┐", "└", "┘",
					     "├", "┤", "─", "│" };
	static const struct strokes plain = { "+", "+", "+", "+",
					      "+", "+", "-", "|" };

	return paper->unicode ? &fine : &plain;
}

static void draw_line(const struct paper *paper, const char *left,
		      const char *right)
{
	fprintf(paper->stream, "    %s", left);
	for (int i = 0; i < BOX_WIDTH; i++)
		fputs(strokes_of(paper)->line, paper->stream);
	fprintf(paper->stream, "%s\n", right);
}

static void begin_mark(const struct paper *paper, bool changed)
{
	fprintf(paper->stream, "  %s%c ",
		changed ? paper_colour(paper, COLOUR_CHANGED) : "",
		changed ? '*' : ' ');
}

static void end_mark(const struct paper *paper, bool changed)
{
	fputs(changed ? paper_colour(paper, COLOUR_END) : "", paper->stream);
}

/* ---- the address space ---- */

static void describe_area(const struct area_picture *area, char *text,
			  size_t size)
{
	uintmax_t pages = (area->end - area->start) / QUIRE_PAGE_SIZE;

	if (area->object[0])
		snprintf(text, size, "%jx-%jx %s %4ju page%s %s+%ju  %s",
			 (uintmax_t)area->start, (uintmax_t)area->end,
			 area->rights, pages, pages == 1 ? " " : "s",
			 area->object, (uintmax_t)area->offset, area->names);
	else
		snprintf(text, size, "%jx-%jx %s %4ju page%s anonymous  %s",
			 (uintmax_t)area->start, (uintmax_t)area->end,
			 area->rights, pages, pages == 1 ? " " : "s",
			 area->names);
}

static void draw_area(const struct paper *paper,
		      const struct area_picture *area)
{
	const struct strokes *strokes = strokes_of(paper);
	char text[BOX_WIDTH];

	describe_area(area, text, sizeof(text));
	begin_mark(paper, area->changed);
	fprintf(paper->stream, "%s %-*s%s", strokes->side, BOX_WIDTH - 1, text,
		strokes->side);
	end_mark(paper, area->changed);
	fputc('\n', paper->stream);
}

/* The areas that touch share a line; others have a gap between. */
static void draw_areas(const struct paper *paper,
		       const struct space_picture *space)
{
	const struct strokes *strokes = strokes_of(paper);

	for (size_t i = 0; i < space->area_count; i++) {
		const struct area_picture *area = &space->areas[i];
		bool touches = i && area[-1].end == area->start;

		if (i && !touches) {
			draw_line(paper, strokes->below_left,
				  strokes->below_right);
			fprintf(paper->stream, "      %ju free page%s\n",
				(uintmax_t)(area->start - area[-1].end) /
					QUIRE_PAGE_SIZE,
				area->start - area[-1].end == QUIRE_PAGE_SIZE
					? ""
					: "s");
		}
		draw_line(paper,
			  touches ? strokes->joint_left : strokes->above_left,
			  touches ? strokes->joint_right
				  : strokes->above_right);
		draw_area(paper, area);
	}
	if (space->area_count)
		draw_line(paper, strokes->below_left, strokes->below_right);
	else
		fputs("      nothing is mapped\n", paper->stream);
}

static void draw_node(const struct paper *paper,
		      const struct node_picture *node)
{
	fprintf(paper->stream, "      %*s%jx-%jx, gaps of %ju pages at most\n",
		(int)node->depth * 4, "", (uintmax_t)node->start,
		(uintmax_t)node->end, (uintmax_t)node->gap_pages);
}

/* Each node stands above what it holds. */
static void draw_tree(const struct paper *paper,
		      const struct space_picture *space)
{
	size_t node = 0;

	if (space->area_count < 2)
		return;
	fputs("    as a tree, its root leftmost\n", paper->stream);
	for (size_t i = 0; i < space->area_count; i++) {
		const struct area_picture *area = &space->areas[i];

		while (node < space->node_count &&
		       space->nodes[node].start <= area->start)
			draw_node(paper, &space->nodes[node++]);
		fprintf(paper->stream, "      %*s%jx-%jx %s\n",
			(int)area->depth * 4, "", (uintmax_t)area->start,
			(uintmax_t)area->end, area->rights);
	}
}

/* ---- pages ---- */

static void draw_glimpse(const struct paper *paper,
			 const struct glimpse *glimpse, unsigned int at)
{
	static const unsigned char zeros[PICTURE_BYTES];

	size_t length = glimpse->length;

	if (!glimpse->known)
		return;
	if (memcmp(glimpse->bytes, zeros, length) == 0) {
		fputs("zeros", paper->stream);
		return;
	}
	if (at)
		fprintf(paper->stream, "+%u ", at);
	while (!glimpse->bytes[length - 1])
		length--;
	bytes_print(paper->stream, glimpse->bytes, length);
	if (length < glimpse->length)
		fputs(" zeros", paper->stream);
}

static const char *prot_name(int prot)
{
	static const char *const names[] = { "---", "r--", "-w-", "rw-",
					     "--x", "r-x", "-wx", "rwx" };

	return names[prot & (PROT_READ | PROT_WRITE | PROT_EXEC)];
}

/* "rw- object  page 2   dirty", without blanks behind. */
static void describe_page(const struct page_picture *page, char *text,
			  size_t size)
{
	const struct quire_page *entry = &page->page;
	char which[24] = "";

	if (entry->source == QUIRE_SOURCE_OBJECT)
		snprintf(which, sizeof(which), "page %ju",
			 (uintmax_t)entry->index);
	else if (entry->holders > 1)
		snprintf(which, sizeof(which), "%u hold", entry->holders);
	snprintf(text, size, "%s %-7s %-9s%-8s", prot_name(entry->prot),
		 picture_source_name(entry->source), which,
		 picture_page_state(page));
	for (size_t end = strlen(text); end && text[end - 1] == ' '; end--)
		text[end - 1] = '\0';
}

static void draw_page(const struct paper *paper,
		      const struct page_picture *page)
{
	char text[80] = "no entry";

	if (page->page.source != QUIRE_SOURCE_NONE)
		describe_page(page, text, sizeof(text));
	begin_mark(paper, page->changed);
	fprintf(paper->stream, "  %-9jx", (uintmax_t)page->address);
	if (page->glimpse.known) {
		fprintf(paper->stream, "%-30s ", text);
		draw_glimpse(paper, &page->glimpse, page->at);
	} else {
		fputs(text, paper->stream);
	}
	end_mark(paper, page->changed);
	fputc('\n', paper->stream);
}

/* Several entries in a row that are not there are one line. */
static void draw_pages(const struct paper *paper,
		       const struct area_picture *area)
{
	for (size_t i = 0; i < area->page_count; i++) {
		size_t empty = i;

		while (empty < area->page_count &&
		       area->pages[empty].page.source == QUIRE_SOURCE_NONE &&
		       !area->pages[empty].changed)
			empty++;
		if (empty > i + 1) {
			fprintf(paper->stream,
				"      %-9jxno entry, %zu pages\n",
				(uintmax_t)area->pages[i].address, empty - i);
			i = empty - 1;
		} else {
			draw_page(paper, &area->pages[i]);
		}
	}
	if (area->more_pages)
		fprintf(paper->stream, "      %ju more pages are not shown\n",
			(uintmax_t)area->more_pages);
}

static void draw_space(const struct paper *paper, const char *name,
		       const struct space_picture *space)
{
	if (!space->changed && space->area_count) {
		fprintf(paper->stream, "  address space of the %s: as before\n",
			name);
		return;
	}
	fprintf(paper->stream, "  address space of the %s\n", name);
	draw_areas(paper, space);
	draw_tree(paper, space);
	if (space->area_count)
		fputs("    its page table\n", paper->stream);
	for (size_t i = 0; i < space->area_count; i++)
		draw_pages(paper, &space->areas[i]);
}

/* ---- cache and files ---- */

static void draw_cached(const struct paper *paper,
			const struct cached_picture *page)
{
	begin_mark(paper, page->changed);
	fprintf(paper->stream, "  page %-3ju %-8s", (uintmax_t)page->index,
		picture_state_name(page->state));
	if (page->cache.known) {
		fputs(" cache ", paper->stream);
		draw_glimpse(paper, &page->cache, page->at);
	}
	fputs(" file ", paper->stream);
	draw_glimpse(paper, &page->file, page->at);
	if (page->cache.known)
		fputs(page->differs ? "  they DIFFER" : "  equal",
		      paper->stream);
	end_mark(paper, page->changed);
	fputc('\n', paper->stream);
}

static void draw_file(const struct paper *paper, const char *name,
		      const struct file_picture *file)
{
	fprintf(paper->stream, "  pages of %s, %ju bytes, in cache and file\n",
		name, (uintmax_t)file->size);
	for (size_t i = 0; i < file->page_count; i++)
		draw_cached(paper, &file->pages[i]);
	if (file->more_pages)
		fprintf(paper->stream, "      %ju more pages are not shown\n",
			(uintmax_t)file->more_pages);
}

void paper_picture(const struct paper *paper, const struct script *script,
		   const struct picture *picture)
{
	const struct quire_statistics *now = &picture->statistics;

	for (size_t i = 0; i < script->process_count; i++)
		if (picture->spaces[i].there)
			draw_space(paper, script->processes[i],
				   &picture->spaces[i]);
	for (size_t i = 0; i < script->file_count; i++)
		if (picture->files[i].there)
			draw_file(paper, script->files[i], &picture->files[i]);
	fprintf(paper->stream,
		"  memory: %ju pages of %ju, %ju dirty; so far %ju read, "
		"%ju written, %ju evicted\n",
		(uintmax_t)now->resident / QUIRE_PAGE_SIZE,
		(uintmax_t)now->budget / QUIRE_PAGE_SIZE,
		(uintmax_t)now->dirty / QUIRE_PAGE_SIZE,
		(uintmax_t)now->pages_read, (uintmax_t)now->pages_written,
		(uintmax_t)now->evictions);
}
