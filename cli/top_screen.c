/* top_screen.c - the frames of `quire top` on a terminal */
/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "peer.h"
#include "top.h"

#include <errno.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

#define HELP_LINE "q ends; sort by: i m r w e d h f s, p: path"

/* A sentence, and false, where nothing can be drawn. */
static bool screen_begin(void)
{
	const char *name = getenv("TERM");
	char *move;
	int found;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fail("top needs a terminal; --once prints one frame");
		return false;
	}
	if (!name || setupterm(NULL, STDOUT_FILENO, &found) != OK) {
		fail("the kind of terminal is not known (TERM is '%s'); --once "
		     "prints one frame",
		     name ? name : "");
		return false;
	}
	move = tigetstr("cup");
	if (!move || move == (char *)-1) {
		fail("a terminal of the kind '%s' cannot be drawn on; --once "
		     "prints one frame",
		     name);
		return false;
	}
	del_curterm(cur_term); /* the screen has its own */
	initscr();
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	return true;
}

/* Line by line, as the frame's text goes further than the screen. */
static void draw_text(char *text, int rows)
{
	char *line;

	erase();
	for (int row = 0; row < rows - 1 && (line = strsep(&text, "\n"));
	     row++) {
		if (line[0] == '*' || strstr(line, " PATH"))
			attron(A_BOLD);
		mvaddstr(row, 0, line);
		attroff(A_BOLD);
	}
	attron(A_REVERSE);
	mvaddnstr(rows - 1, 0, HELP_LINE, getmaxx(stdscr) - 1);
	attroff(A_REVERSE);
	refresh();
}

static void draw(struct top_view *view, const struct top_sample *before,
		 struct top_sample *sample)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	int rows, width;

	if (!stream)
		return; /* the next frame, perhaps */
	getmaxyx(stdscr, rows, width);
	/* The last line is the help's. */
	view->height = rows > 1 ? (unsigned int)rows - 1 : 1;
	view->width = width > 1 ? (unsigned int)width : 1;
	top_sort(sample, view->sorted);
	top_frame(view, before->engines ? before : NULL, sample, stream);
	fclose(stream);
	if (text && rows > 0)
		draw_text(text, rows);
	free(text);
}

static uint64_t milliseconds_left(uint64_t end_ns, uint64_t now_ns)
{
	return end_ns > now_ns ? (end_ns - now_ns) / 1000000 + 1 : 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Keys until the interval is over.  false: the user has seen enough. */
static bool wait_for_keys(struct top_view *view,
			  const struct top_sample *before,
			  struct top_sample *sample, uint64_t end_ns)
{
	uint64_t left;

	while ((left = milliseconds_left(end_ns, now_ns())) > 0) {
		int key;

		timeout((int)left);
		errno = 0;
		key = getch();
		if (key == 'q' || key == 'Q')
			return false;
		if (key == KEY_RESIZE || top_key(key, &view->sorted))
			draw(view, before, sample);
		/* The terminal has gone. */
		if (key == ERR && (errno == EIO || !isatty(STDIN_FILENO)))
			return false;
	}
	return true;
}

static int show(pid_t pid, uint32_t interval_s, struct top_sample *sample,
		unsigned int *engine)
{
	const uint64_t interval_ns = (uint64_t)interval_s * 1000000000;
	struct top_view view = { .pid = pid };
	struct top_sample before = { .engines = 0 };
	int error = 0;

	while (!error) {
		draw(&view, &before, sample);
		if (!wait_for_keys(&view, &before, sample,
				   sample->time_ns + interval_ns))
			break;
		top_forget(&before);
		before = *sample;
		*sample = (struct top_sample){ .engines = 0 };
		error = top_ask(pid, sample, engine);
	}
	top_forget(&before);
	top_forget(sample);
	return error;
}

int top_screen(pid_t pid, uint32_t interval_s)
{
	struct top_sample sample = { .engines = 0 };
	unsigned int engine = 0;
	int error = top_ask(pid, &sample, &engine);

	/* Before the screen is another: the sentence stays on it. */
	if (error)
		return peer_failed(pid, engine, error);
	if (!screen_begin()) {
		top_forget(&sample);
		return EXIT_FAILURE;
	}
	error = show(pid, interval_s, &sample, &engine);
	endwin();
	return error ? peer_failed(pid, engine, error) : EXIT_SUCCESS;
}
