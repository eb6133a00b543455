/* standing_world.h - a client's write that stands */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_STANDING_WORLD_H
#define QUIRE_TESTS_STANDING_WORLD_H

#include "server_stage.h"

/* One write that stands, or is to: of a user's file, mapped. */
struct standing {
	struct user *user;
	int fd;
	unsigned char *at;
	struct standing_words *words;
	int place;
	uint64_t id;
	bool stands;         /* by the last reply */
	uint64_t changed_ns; /* the file, before it was written; 0: not known */
};

static inline struct standing begin_standing(struct user *user)
{
	struct standing standing = { .user = user };

	standing.fd = open(user->world->file, O_RDWR | O_CLOEXEC);
	standing.at = user_map_fd(user, standing.fd, FILE_BYTES, true, NULL);
	expect(standing.at[0] != 0);
	return standing;
}

static inline void take_words(struct standing *standing, int memory)
{
	expect(!standing->words);
	standing->words = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED, memory, 0);
	expect(standing->words != MAP_FAILED);
	/* It is the server's, which looks at it. */
	expect(ftruncate(memory, 0) && errno == EPERM);
	close(memory);
}

/* END, after which it stands, if it may. */
static inline int end_standing(struct standing *standing, size_t offset,
			       size_t length, uint32_t flags)
{
	struct call call = { .request = { .type = REQUEST_WRITE_END,
					  .id = standing->id,
					  .address = standing->changed_ns,
					  .offset = offset,
					  .length = length,
					  .flags = flags | WRITE_STAND,
					  .advice = standing->place },
			     .fd = -1,
			     .bytes = "" };
	int error;

	if (!standing->words)
		call.request.flags |= WRITE_WANTS_WORDS;
	error = ask(standing->user, &call);
	standing->stands = call.reply.flags & REPLY_STANDS;
	expect(call.fd_count == (standing->stands && !standing->words));
	if (call.fd_count)
		take_words(standing, call.fds[0]);
	if (standing->stands) {
		expect(call.reply.id != standing->id);
		standing->id = call.reply.id;
	}
	return error;
}

static inline uint64_t word_of(const struct standing *standing)
{
	return atomic_load(&standing->words->word[standing->place]);
}

static inline bool take_word(struct standing *standing, size_t offset,
			     size_t length)
{
	uint64_t idle = STANDING_IDLE;

	return atomic_compare_exchange_strong(
		&standing->words->word[standing->place], &idle,
		standing_word(offset, length));
}

static inline void put(const struct standing *standing, size_t offset,
		       char byte)
{
	expect(pwrite(standing->fd, &byte, 1, (off_t)offset) == 1);
}

/* A write as any, which stands then. */
static inline void stand(struct standing *standing, size_t offset, char byte)
{
	standing->id = write_begin(standing->user, standing->fd, offset, 1);
	put(standing, offset, byte);
	expect(end_standing(standing, offset, 1, 0) == 0);
	expect(standing->at[offset] == byte);
}

static inline void must_stand(struct standing *standing)
{
	stand(standing, 5, 'a');
	expect(standing->stands);
	expect(word_of(standing) == STANDING_IDLE);
}

/* Begun by its word, and not ended. */
static inline void write_by_word(struct standing *standing, size_t offset,
				 char byte)
{
	expect(take_word(standing, offset, 1));
	put(standing, offset, byte);
}

#endif
