/* protocol.h - what a client and the server say to each other */
/* SPDX-License-Identifier: MIT */
/*
 * Over a SOCK_SEQPACKET socket: one struct request, one struct reply to it,
 * and so on; descriptors by SCM_RIGHTS.  A client has as many channels as it
 * has requests at once: the first is made by connect(), each other one is the
 * half of a socketpair that REQUEST_CHANNEL brings.  docs/protocol.md says it
 * in full.  This header is all that the preload library has of the server.
 */
#ifndef QUIRE_SERVER_PROTOCOL_H
#define QUIRE_SERVER_PROTOCOL_H

#include <stdatomic.h>
#include <stdint.h>

#define PROTOCOL_VERSION 1u
#define PROTOCOL_BYTES_MAX 32768u /* behind a request or a reply */

/* In the environment of a client. */
#define PROTOCOL_SOCKET_VARIABLE "QUIRE_SOCKET"

enum request_type {
	/* First on a connection.  Reply: the settings' text; descriptors: the
	 * taken table, read-only, and, if the server has it to give, the open
	 * /dev/userfaultfd (REPLY_HAS_DEVICE), and the client's own end of a
	 * pipe that hangs up when nobody can go on (REPLY_HAS_LIFELINE). */
	REQUEST_HELLO = 1,
	/* A userfaultfd fresh from the kernel, without UFFDIO_API.  Reply: the
	 * server has done it; REPLY_FOLLOWS_FORKS: a fork is an event. */
	REQUEST_ATTACH,
	/* A socket: a further channel of this client.  Reply on the old one. */
	REQUEST_CHANNEL,
	/* The next fork has the number id.  Reply: the layout was noted, if
	 * forks are no events. */
	REQUEST_FORKING,
	/* The child of fork id says so on its parent's channel, with a socket:
	 * its own first one.  No reply here; one there, as if to HELLO.
	 * Where forks are no events it attaches a userfaultfd of its own then,
	 * and registers what it has inherited. */
	REQUEST_FORKED,
	/* The file to be mapped, as the program has opened it; [offset,
	 * +length): what of it, if that is known.  Reply: id of
	 * the object, value its size in bytes, and its memfd (read-only if
	 * REPLY_READ_ONLY: then to be mapped MAP_PRIVATE, without PROT_WRITE
	 * for a shared mapping); or -EAGAIN: to be left to the kernel.
	 * The id holds the object until REQUEST_RELEASE. */
	REQUEST_OPEN,
	/* id is mapped from offset on at [address, +length), registered, and
	 * not accessible yet.  flags: MAPPED_... */
	REQUEST_MAPPED,
	REQUEST_RELEASE, /* id; what it maps stays */
	/* [address, +length) has flags of msync(2).  Reply: its error. */
	REQUEST_SYNC,
	/* A file.  What is dirty of it in [offset, +length) goes home; with
	 * FILE_DURABLE also past the device's cache.  length 0: to its end. */
	REQUEST_FILE_SYNC,
	/* A file open for writing: its bytes [offset, +length) are about to
	 * be changed by the kernel; length 0: all behind.  address, if it is
	 * not 0: the id of a write of this client's that stands no more.
	 * Reply: id, 0 if the file is not taken. */
	REQUEST_WRITE_BEGIN,
	/* They were: id; [offset, +length) as it came to be.  The file's size
	 * may have grown.  With WRITE_REPEATS: -ESTALE: it took so long that
	 * others' pages have gone home meanwhile, and may have gone over these
	 * bytes: they are to be written once more, between BEGIN and END.
	 * With WRITE_STAND it may stand from then on, by the word number
	 * advice (struct standing_words); address: when the file had changed
	 * last before it was written, in ns, 0: not known.  Reply, if it does:
	 * REPLY_STANDS, and its next id; with WRITE_WANTS_WORDS their memory. */
	REQUEST_WRITE_END,
	/* A file open for writing gets length bytes.  -EAGAIN: it is not
	 * taken. */
	REQUEST_TRUNCATE,
	/* [address, +length) stays in memory (flags: of mlock2), or need not
	 * any more. */
	REQUEST_LOCK,
	REQUEST_UNLOCK,
	/* [address, +length): advice of madvise(2). */
	REQUEST_ADVISE,
	/* A file that this client maps shared by the kernel from now on, for
	 * as long as it lives.  -EBUSY: it is taken already. */
	REQUEST_KERNELS,
	/* The words of a user: what could not be taken, for the summary. */
	REQUEST_NOTE,
	/* The path behind the request was bound to an object (--bind); flags
	 * as of open(2).  Reply: id, value the size, and a descriptor to stand
	 * for it: a memfd of that length with no bytes. */
	REQUEST_BOUND_OPEN,
	/* A bound file (its stand-in's descriptor comes along): bytes at
	 * offset.  Reply: value, how many; the bytes behind the reply. */
	REQUEST_BOUND_READ,
	/* The bytes are behind the request; writing behind the end grows it.
	 * FILE_APPEND: at its end.  Reply: value how many, id the offset. */
	REQUEST_BOUND_WRITE,
	/* The page at address, of a shared mapping, is to be one that the
	 * kernel can store to at the process's end, as long as it is mapped:
	 * once the process has stored to it, it traps no more. */
	REQUEST_KEEP,
	REQUEST_TYPES
};

/*
 * After the server was lost, and there is one again.  id, if it is not 0: this
 * process is the child of that fork of the process address, and has not said
 * FORKED.  Reply: as to HELLO; if the userfaultfd that it had, or that a fork
 * has given it, is known: REPLY_RETURNED; in the latter case it comes last
 * (REPLY_HAS_USERFAULT).  Ids that were held are held no more.
 */
#define HELLO_AGAIN 0x1u
/* The userfaultfd was sent before: that it is known already is no error. */
#define ATTACH_AGAIN 0x1u
#define MAPPED_SHARED 0x1u
#define MAPPED_WRITABLE 0x2u /* its protection, or what it may become */
#define FILE_DURABLE 0x1u
#define TRUNCATE_SAW_SIZE 0x1u /* offset: the file's size before */
#define WRITE_REPEATS 0x1u
#define WRITE_UNSURE 0x2u /* perhaps other bytes as well */
#define WRITE_STAND 0x4u
#define WRITE_WANTS_WORDS 0x8u
#define FILE_APPEND 0x2u

struct request {
	uint32_t version;
	uint32_t type; /* enum request_type */
	uint64_t id;
	uint64_t address;
	uint64_t offset;
	uint64_t length;
	uint32_t flags;
	int32_t advice;
};

#define REPLY_HAS_DEVICE 0x1u
#define REPLY_FOLLOWS_FORKS 0x2u
#define REPLY_READ_ONLY 0x4u
#define REPLY_HAS_USERFAULT 0x8u /* FORKED: the child's own, last */
#define REPLY_RETURNED 0x10u     /* HELLO_AGAIN: your userfaultfd is known */
#define REPLY_HAS_LIFELINE 0x20u
#define REPLY_STANDS 0x40u

struct reply {
	uint32_t version;
	int32_t error; /* 0 or a negative errno */
	uint64_t id;
	uint64_t value;
	uint32_t flags;
	uint32_t unused;
};

/*
 * The settings behind HELLO's reply: lines of text.
 *
 *	least BYTES     mappings shorter than that are the kernel's
 *	map GLOB        only files that match one of these; none: all
 *	bind PATH       a path that is bound
 */

/*
 * The taken table: which files the server has, in memory that every client
 * maps read-only.  An entry is that of its device and inode for the server's
 * life; it is found from taken_slot() on, TAKEN_PROBES entries at most.  Who
 * finds it in use must tell the server of reads and writes by descriptor.
 */
#define TAKEN_SLOTS (UINT32_C(1) << 20)
#define TAKEN_PROBES 64u

#define TAKEN_USED UINT64_C(1)
#define TAKEN_BOUND UINT64_C(2) /* a stand-in: all I/O is the server's */

struct taken_entry {
	_Atomic uint64_t inode; /* 0: free, and the search ends */
	_Atomic uint64_t device;
	_Atomic uint64_t state; /* TAKEN_...; stored last */
	_Atomic uint64_t dirty; /* pages that the file does not have yet */
};

struct taken_table {
	_Atomic uint64_t count; /* of entries in use */
	uint64_t unused[3];
	struct taken_entry entry[TAKEN_SLOTS];
};

static inline uint32_t taken_slot(uint64_t device, uint64_t inode)
{
	uint64_t hash = (inode ^ (device << 40) ^ (device >> 24)) *
			UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(hash >> 44) & (TAKEN_SLOTS - 1);
}

static inline struct taken_entry *taken_find(struct taken_table *table,
					     uint64_t device, uint64_t inode)
{
	uint32_t slot = taken_slot(device, inode);

	for (uint32_t i = 0; i < TAKEN_PROBES; i++) {
		struct taken_entry *entry =
			&table->entry[(slot + i) & (TAKEN_SLOTS - 1)];
		uint64_t found = atomic_load(&entry->inode);

		if (found == 0)
			return 0;
		if (found == inode && atomic_load(&entry->device) == device)
			return entry;
	}
	return 0;
}

/*
 * A write that stands needs no BEGIN.  Its client takes the word from IDLE to
 * the pages that it is about to change, writes, and says END; what else becomes
 * of the word is the server's.  NONE: it does not stand any more, and must be
 * begun as any.  Nobody else has this memory.
 */
#define STANDING_WORDS 64u
#define STANDING_NONE UINT64_C(0)
#define STANDING_IDLE UINT64_C(0xffff)
#define STANDING_BYTES UINT64_C(65536) /* of one write, at most */

struct standing_words {
	_Atomic uint64_t word[STANDING_WORDS];
};

/* Pages of [offset, +length); length is not 0. */
static inline uint64_t standing_word(uint64_t offset, uint64_t length)
{
	uint64_t first = offset >> 12;

	return first << 16 | (((offset + length - 1) >> 12) - first + 1);
}

#endif
