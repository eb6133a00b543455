/* report.c - answers `quire maps`, `quire stat` and `quire top` */
/* SPDX-License-Identifier: MIT */
/*
 * Each engine listens on the abstract socket "quire/PID/N", N from 0 on.  A
 * peer of the same user, or root, sends one line, "maps", "stat" or "files", and
 * reads text until the end.  One peer at a time, for a second at most: a report is
 * for people.
 */
#include "engine/engine.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ENGINES_MAX 16

static int listen_at(unsigned number)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = snprintf(address.sun_path + 1,
			      sizeof(address.sun_path) - 1, "quire/%d/%u",
			      (int)getpid(), number);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				     1 + (size_t)length);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4)) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static int listen_anywhere(void)
{
	int fd = -EADDRINUSE;

	for (unsigned n = 0; n < ENGINES_MAX && fd == -EADDRINUSE; n++)
		fd = listen_at(n);
	return fd;
}

static bool may_ask(int peer)
{
	struct ucred who;
	socklen_t length = sizeof(who);

	return getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 &&
	       (who.uid == geteuid() || who.uid == 0);
}

#define LINE(name) \
	fprintf(out, #name " %llu\n", (unsigned long long)statistics.name)

static void write_statistics(struct quire *quire, FILE *out)
{
	struct quire_statistics statistics = { .size = sizeof(statistics) };

	if (quire_get_statistics(quire, &statistics))
		return;
	LINE(budget);
	LINE(resident);
	LINE(resident_peak);
	LINE(dirty);
	LINE(reads_in_flight);
	LINE(reads_in_flight_peak);
	LINE(traps);
	LINE(write_traps);
	LINE(hits);
	LINE(misses);
	LINE(parked);
	LINE(reads);
	LINE(pages_read);
	LINE(pages_ahead);
	LINE(read_errors);
	LINE(writes);
	LINE(pages_written);
	LINE(write_errors);
	LINE(flushes);
	LINE(evictions);
	LINE(throttled);
	LINE(starved);
	LINE(refused);
	LINE(pages_ahead_unused);
	LINE(pages_lodged);
	LINE(pages_brought_home);
	LINE(stores_foreseen);
	LINE(stores_foreseen_unused);
}

/* A name may hold anything: what would end a field or a line does not. */
static void put_name(const char *name, FILE *out)
{
	for (; *name; name++)
		fputc((unsigned char)*name < ' ' ? '?' : *name, out);
}

#define FIELD(name)                                       \
	fprintf(out, "\t%llu",                            \
		(unsigned long long)atomic_load_explicit( \
			&counts->name, memory_order_relaxed))

static void write_file(struct object *object, FILE *out)
{
	struct object_counts *counts = object_counts(object);

	fputs("file\t", out);
	put_name(object_identity(object)->name, out);
	fprintf(out, "\t%llu", (unsigned long long)object_mapped_bytes(object));
	FIELD(resident);
	FIELD(resident_peak);
	FIELD(hits);
	FIELD(misses);
	FIELD(reads);
	FIELD(pages_read);
	FIELD(writes);
	FIELD(pages_written);
	FIELD(evictions);
	FIELD(stalled_ns);
	fprintf(out, "\t%llu\n",
		(unsigned long long)object_dirty_pages(object));
}

/* The first line names the fields: pages but for mapped, which is bytes. */
static void write_files(struct quire *quire, FILE *out)
{
	struct object *object = NULL;

	fputs("fields\tname\tmapped\tresident\tresident_peak\thits\tmisses\t"
	      "reads\tpages_read\twrites\tpages_written\tevictions\t"
	      "stalled_ns\tdirty\n",
	      out);
	while ((object = object_next(&quire->host, object)))
		write_file(object, out);
}

void report_add(struct quire *quire, const struct report_more *more)
{
	/* release; acquire in answer_more(): what it points to is complete */
	atomic_store_explicit(&quire->report_more, more, memory_order_release);
}

static bool answer_more(struct quire *quire, const char *question, FILE *out)
{
	const struct report_more *more =
		atomic_load_explicit(&quire->report_more, memory_order_acquire);

	return more && more->answer(more->context, question, out);
}

static void write_answer(struct quire *quire, const char *question, FILE *out)
{
	if (answer_more(quire, question, out))
		return;
	if (!strcmp(question, "maps\n"))
		quire_space_report(&quire->host_space, QUIRE_REPORT_MAPS, out);
	else if (!strcmp(question, "stat\n"))
		write_statistics(quire, out);
	else if (!strcmp(question, "files\n"))
		write_files(quire, out);
}

static char *make_answer(struct quire *quire, const char *question,
			 size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	if (!out)
		return NULL;
	write_answer(quire, question, out);
	fclose(out);
	return text;
}

static void answer(struct quire *quire, int peer)
{
	struct timeval second = { .tv_sec = 1 };
	char question[16] = "";
	size_t length = 0, sent = 0;
	char *text = NULL;

	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	if (may_ask(peer) && recv(peer, question, sizeof(question) - 1, 0) > 0)
		text = make_answer(quire, question, &length);
	while (text && sent < length) {
		ssize_t n =
			send(peer, text + sent, length - sent, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	free(text);
	close(peer);
}

static void *report_thread(void *argument)
{
	struct quire *quire = argument;
	struct pollfd polled[] = {
		{ .fd = quire->report_socket, .events = POLLIN },
		{ .fd = quire->report_stop, .events = POLLIN },
	};

	while (poll(polled, 2, -1) >= 0 || errno == EINTR) {
		int peer;

		if (polled[1].revents)
			break;
		if (!(polled[0].revents & POLLIN))
			continue;
		peer = accept4(quire->report_socket, NULL, NULL, SOCK_CLOEXEC);
		if (peer >= 0)
			answer(quire, peer);
	}
	return NULL;
}

static int start(struct quire *quire)
{
	int error;

	quire->report_socket = listen_anywhere();
	if (quire->report_socket < 0)
		return quire->report_socket;
	quire->report_stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (quire->report_stop < 0) {
		error = -errno;
		goto undo_socket;
	}
	error = thread_start(&quire->report_thread, "quire-report",
			     report_thread, quire);
	if (!error)
		return 0;
	close(quire->report_stop);
undo_socket:
	close(quire->report_socket);
	return error;
}

void report_start(struct quire *quire)
{
	int error = start(quire);

	if (!error)
		return;
	quire->report_socket = -1;
	log_line(&quire->log, LOG_INFO, "this engine cannot be asked: %s",
		 strerror(-error));
}

void report_stop(struct quire *quire)
{
	uint64_t one = 1;

	if (quire->report_socket < 0)
		return;
	check(write(quire->report_stop, &one, sizeof(one)) == sizeof(one),
	      "an eventfd takes a one");
	pthread_join(quire->report_thread, NULL);
	close(quire->report_stop);
	close(quire->report_socket);
	quire->report_socket = -1;
}
