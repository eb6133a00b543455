/* file.h - a file that is taken, and one that must not be */
/* SPDX-License-Identifier: MIT */
/*
 * Letters as in server_private.h.  In file.c, file_close.c, file_stamp.c,
 * room.c, taken.c, claim.c.
 */
#ifndef QUIRE_SERVER_FILE_H
#define QUIRE_SERVER_FILE_H

#include "object/object.h"
#include "server/facts.h"
#include "server/server.h"

#include <time.h>

struct client;
struct ledger_claim;
struct taken_entry;

enum file_state {
	FILE_OPENING, /* somebody opens it, or joins a writer */
	FILE_OPEN,
	FILE_CLOSING,
	FILE_CLOSED, /* a record */
};

struct file_stamp {
	uint64_t size;
	struct timespec modified;
	struct timespec changed;
};

/* Tells a file that the engine writes to it. */
struct file_watch {
	struct write_watch watch;
	struct server *server;
	struct server_file *file;
};

struct handle_link {
	struct list link; /* [s] */
	struct quire_object *handle;
	struct server_file *file;
};

/* One for each inode that is, or was, taken. */
struct server_file {
	struct list link;   /* [s] in its bucket */
	struct list idle;   /* [s] among the idle, or the closed */
	struct list memory; /* [s] */
	uint64_t id;        /* [I] never another's */
	uint64_t device;    /* [I] */
	uint64_t inode;     /* [I] */
	char *path;         /* [I] */
	const struct server_binding *binding; /* [I] NULL: a file */
	enum file_state state;                /* [s] */
	bool listed;                          /* [s] idle or closed */
	unsigned users;            /* [s] ids, jobs, writes, snapshots */
	uint64_t mapped;           /* [s] bytes, in all layouts */
	uint64_t mapped_peak;      /* [s] */
	struct handle_link reader; /* [s] the first; may be writable */
	struct handle_link writer; /* [s] handle NULL: none, or the first */
	bool writable;             /* [s] the first one is */
	int own_fd;                /* for reading; or the stand-in */
	int kept_fd;     /* for the keeper alone: for writing, or what is
			    bound; -1 */
	uint64_t number; /* the keeper's; 0: it was not told */
	struct foreign_write hold; /* while the server begins */
	int memory_readable;       /* the memfd, for readers; -1 */
	int memory_writable;       /* and for writers; -1 */
	uint64_t memory_device;
	uint64_t memory_inode;
	struct taken_entry *entry; /* [I] */
	struct file_stamp stamp;   /* [s] */
	bool doubtful; /* [s] an outsider's change may hide behind our own */
	unsigned changing;       /* [s] changes from here that are under way */
	struct file_watch watch; /* [I] */
	uint64_t room;           /* [s] addresses that were asked for */
	_Atomic bool beyond;     /* it has grown beyond the object's capacity */
	struct file_counts past; /* [s] of objects that have ended */
	uint64_t size;           /* [s] when it was closed */
	bool local;              /* [I] file_is_local() */
	struct lock sizing;      /* LOCK_RANK_SIZE: one look, one change */
	struct lock merging;     /* LOCK_RANK_MERGE */
	struct list begun;    /* [merging] writes past it that have not ended */
	struct list robust;   /* [s] pages of clients */
	uint64_t generation;  /* [s] of its object: the how manieth */
	uint64_t errors_told; /* [s] of the object's: somebody was told */
};

/* How a descriptor may be used. */
struct file_access {
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	uint64_t reach; /* to where it is to be mapped; 0: not known */
	bool readable;
	bool writable;
};

/* Workers; all may block. */

/* -EBADF: O_PATH or worse; -EAGAIN: the kernel's business. */
int file_access(int fd, struct file_access *access);
/* The taken file of the descriptor, one user more; NULL: it is not taken. */
struct server_file *file_find(struct server *server,
			      const struct file_access *access);
/* The same on the loop: NULL also if it is being opened or closed, or asking
 * for it may wait for somebody. */
struct server_file *file_find_local(struct server *server,
				    const struct file_access *access);
/* The same, taken now if need be.  -EAGAIN: to be left to the kernel. */
int file_take(struct server *server, int fd, const struct file_access *access,
	      struct server_file **file);
/* What outsiders have changed is seen. */
void file_check_stamp(struct server *server, struct server_file *file);
/* The object has the file's size, or its capacity.  0 or a negative errno:
 * -EFBIG is none. */
int file_follow_size(struct server *server, struct server_file *file);
/* The file is about to end at size: what is kept behind is let go.  robust.c */
void robust_cut(struct server *server, struct server_file *file, uint64_t size);
/* The engine's own writes are no outsider's either; of an object just opened
 * for the file. */
void file_watch(struct server *server, struct server_file *file);
/* Before and after a client's own write: that is no outsider's. */
void file_begin_change(struct server *server, struct server_file *file);
/* The same after one, of a file that had changed last at that time before. */
void file_begin_seen_change(struct server *server, struct server_file *file,
			    uint64_t changed_ns);
void file_end_change(struct server *server, struct server_file *file);
/* A descriptor of the memfd for clients; remains the file's. */
int file_memory(struct server *server, struct server_file *file, bool writable);
/* [s] No state but CLOSED is passed over: NULL, or waits until it is OPEN. */
struct server_file *file_await(struct server *server, uint64_t device,
			       uint64_t inode);
/* [s] */
struct server_file *file_lookup(struct server *server, uint64_t device,
				uint64_t inode);
struct server_file *file_create(struct server *server, uint64_t device,
				uint64_t inode, const char *path);
void file_add_handle(struct server *server, struct server_file *file,
		     struct handle_link *handle, struct quire_object *object);
/* [s] */
static inline bool file_has_writer(const struct server_file *file)
{
	return file->writable || file->writer.handle;
}

/* It was not opened as it should have been; one user less. */
void file_give_up(struct server *server, struct server_file *file);
void file_unlist(struct server *server, struct server_file *file);
/* The file is open, or not: those who wait look again. */
void file_settle(struct server *server, struct server_file *file,
		 enum file_state state);
/* Of an object that was just opened for it. */
int file_learn_memory(struct server *server, struct server_file *file);
/* What an object counted is part of the past, and its handles are closed. */
void file_close(struct server *server, struct server_file *file);
struct object *file_object(const struct server_file *file);
struct quire_object *file_handle(const struct server_file *file, bool writable);
void file_name(int fd, char *name, size_t size);
/* Bound to uri, by the binding's number. */
int file_take_bound(struct server *server, size_t number,
		    struct server_file **file);

/* Any thread; never block. */

void file_use(struct server *server, struct server_file *file);
void file_release(struct server *server, struct server_file *file);
struct server_file *file_of_handle(struct server *server,
				   const struct quire_object *handle);
/* The same, one user more; NULL: the file is being closed. */
struct server_file *file_use_of_handle(struct server *server,
				       const struct quire_object *handle);
struct server_file *file_of_memory(struct server *server, uint64_t device,
				   uint64_t inode);
/* So many bytes of it are mapped, more or less than before. */
void file_mapped(struct server *server, struct server_file *file, uint64_t more,
		 uint64_t less);
/* Has a worker close what is idle and must go. */
void file_sweep(struct server *server);
bool file_any_idle(struct server *server);
/* At the end; blocks. */
void file_close_all(struct server *server);
/* Nobody uses any file, nor asks for facts. */
void file_forget_all(struct server *server);
void file_facts(const struct server_file *file, struct file_facts *facts);
/* The first handle, of an object that may grow. */
int room_open(struct server *server, struct server_file *file, int fd,
	      const struct file_access *access, struct quire_object **handle);
/* [s] It is closed. */
void room_return(struct server *server, struct server_file *file);
/* A bucket's number. */
uint32_t server_bucket(uint64_t one, uint64_t other);

/* memory: an earlier server's, taken over; -1: there was none. */
int taken_create(struct server *server, int memory);
/* Entries that no file stands behind go, and the count is right. */
void taken_restore(struct server *server);
void taken_destroy(struct server *server);
/* [s]; NULL: no room near its slot. */
struct taken_entry *taken_entry(struct server *server, uint64_t device,
				uint64_t inode);
void taken_set(struct server *server, struct taken_entry *entry,
	       uint64_t state);

/* A file that a client has mapped by the kernel. */
struct claim {
	struct list link;        /* [s] in its bucket */
	struct list client_link; /* [s] */
	struct ledger_claim *place;
	uint64_t device;
	uint64_t inode;
};

/* [s] */
bool claim_exists(struct server *server, uint64_t device, uint64_t inode);
/* [s] True also while it is being opened or closed. */
bool file_is_taken(struct server *server, uint64_t device, uint64_t inode);
/* -EBUSY: it is taken. */
int claim_add(struct client *client, uint64_t device, uint64_t inode);
/* A forked child has what its parent has mapped.  -ENOMEM. */
int claim_inherit(struct client *child, const struct client *parent);
/* [s] As add(), where a ledger has it already. */
int claim_restore(struct client *client, struct ledger_claim *place);
/* Its process is known by now. */
void claim_identify(struct client *client);
void claim_drop_all(struct client *client);

#endif
