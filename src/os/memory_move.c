/* memory_move.c - a private mapping goes to another place, whole or not */
/* SPDX-License-Identifier: MIT */
/*
 * What was one mapping once may be several for the kernel: private pages of
 * their own keep it from joining what was cut.  It moves one of them in a call
 * (since 6.17 several, but none that userfaultfd watches), and says EFAULT to
 * more.  So what it refuses goes in halves.
 *
 *   from  [ moved so far |  piece  |   rest    ]
 *   to    [ moved so far |        reserved     |  tail, mapped anew ]
 *
 * The place is reserved first, so that nobody's memory is replaced.  (A kernel
 * before 6.17 has given a piece's place up when it says EFAULT: who maps there
 * by address in that moment loses it.)
 */
#include "os/memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY_PAGE UINT64_C(4096)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static int move_piece(const struct memory_move *move, uint64_t at,
		      uint64_t length)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	if (move->keep)
		flags |= MREMAP_DONTUNMAP;
	return syscall(SYS_mremap, move->from + at, length, length, flags,
		       move->to + at) == -1
		       ? -errno
		       : 0;
}

static int reserve(uint64_t address, uint64_t length, bool replace)
{
	return memory_map_at(address, length, PROT_NONE, false, -1, 0, replace);
}

/* Not the reserve, and not nothing: this advice is for anonymous memory. */
static bool shows_file(uint64_t address)
{
	return syscall(SYS_madvise, address, MEMORY_PAGE, MADV_WIPEONFORK) &&
	       errno == EINVAL;
}

/* A call that moves several mappings may fail after the first of them. */
static uint64_t arrived(uint64_t to, uint64_t length)
{
	uint64_t low = 0, high = length / MEMORY_PAGE;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (shows_file(to + middle * MEMORY_PAGE))
			low = middle + 1;
		else
			high = middle;
	}
	return low * MEMORY_PAGE;
}

/* The place is reserved.  *moved: how far it came, from the start on. */
static int move_pieces(const struct memory_move *move, uint64_t *moved)
{
	uint64_t piece = move->length;
	int error = 0;

	*moved = 0;
	while (*moved < move->length) {
		if (piece > move->length - *moved)
			piece = move->length - *moved;
		error = move_piece(move, *moved, piece);
		if (!error) {
			*moved += piece;
			piece *= 2;
		} else if (error == -EFAULT && piece > MEMORY_PAGE) {
			piece = (piece / MEMORY_PAGE + 1) / 2 * MEMORY_PAGE;
		} else {
			*moved += arrived(move->to + *moved, piece);
			break;
		}
	}
	return error;
}

/*
 * The first moved bytes go back.  Where somebody has come meanwhile, or the
 * kernel has no room, they are lost, and nothing is mapped.
 */
static int go_back(const struct memory_move *move, uint64_t moved)
{
	struct memory_move back = {
		.from = move->to,
		.length = moved,
		.to = move->from,
	};
	uint64_t done = 0;
	int error = 0;

	if (moved > 0)
		error = reserve(back.to, moved, move->keep);
	if (!error && moved > 0) {
		error = move_pieces(&back, &done);
		if (error)
			memory_unmap_at(back.to + done, moved - done);
	}
	memory_unmap_at(move->to, move->new_length);
	return error;
}

int memory_move(const struct memory_move *move)
{
	uint64_t tail = move->new_length - move->length, moved;
	int error = reserve(move->to, move->new_length, move->replace);

	if (error)
		return error;
	error = move_pieces(move, &moved);
	if (!error && tail > 0)
		error = memory_map_at(move->to + moved, tail, PROT_NONE, false,
				      move->fd, move->offset + moved, true);
	if (error)
		go_back(move, moved);
	return error;
}

int memory_move_back(const struct memory_move *move)
{
	return go_back(move, move->length);
}
