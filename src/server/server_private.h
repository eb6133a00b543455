/* server_private.h - what the files of server/ share */
/* SPDX-License-Identifier: MIT */
/*
 * Letters: [I] immutable, [l] the loop's own: the thread in server_run(),
 * [s] the server's lock, [a] atomic.
 */
#ifndef QUIRE_SERVER_SERVER_PRIVATE_H
#define QUIRE_SERVER_SERVER_PRIVATE_H

#include "engine/engine.h"
#include "server/facts.h"
#include "server/file.h"
#include "server/keeper.h"
#include "server/ledger.h"
#include "server/protocol.h"
#include "server/record.h"
#include "mmu/mmu_remote.h"
#include "server/server.h"

#include <sys/types.h>

#define SERVER_LEAST UINT64_C(65536) /* bytes of a mapping, by default */
#define SERVER_CHANNELS 64u          /* of a client */
#define SERVER_IDS 65536u            /* of a client */
#define SERVER_AT_ONCE 65536u        /* bytes of a write that needs no worker */
#define SERVER_WRITES 256u           /* of a client, begun and not ended */
#define SERVER_STANDING 4096u        /* writes of all, of LEDGER_WRITES */
#define SERVER_CLAIMS 4096u          /* of a client: KERNELS */
#define SERVER_SNAPSHOTS 16u         /* of a client: FORKING */
#define SERVER_ROBUST 64u            /* pages of a client: KEEP */
#define SERVER_CLIENTS 16384u
#define SERVER_JOBS 6u    /* of a client, in the hands of one kind of workers */
#define SERVER_NOTES 256u /* that differ */
#define SERVER_NOTE_BYTES 512u
#define SERVER_IDLE_FILES 64u
#define SERVER_RECORDS 4096u  /* of files that are closed by now */
#define SERVER_DESCRIPTORS 4u /* with one request, at most */
#define SERVER_BUCKETS 4096u

/* ---- the loop: loop.c ---- */

/* A descriptor in the loop's epoll. */
struct watch {
	int fd; /* [l] -1: not watched */
	void (*ready)(struct watch *watch);
};

struct client;
struct channel;
struct job;
struct server_file;

struct note {
	struct list link;
	uint64_t times;
	char text[];
};

struct server {
	struct server_options options; /* [I] */
	struct quire *quire;           /* [I] */
	struct recorder *recorder;     /* [I] or NULL */
	struct worker_pool *workers;   /* [I] until server_finish() */
	struct worker_pool *slow;      /* the same: what may wait for stores,
					  or for somebody else's write */
	struct worker_pool *enders;    /* the same: nobody waits there for
					  what another request must end */
	uint64_t patience_ns;          /* [I] with a write that was begun */
	char *settings;                /* [I] the text behind HELLO's reply */
	int device;                    /* [I] /dev/userfaultfd, or -1 */
	int epoll;                     /* [I] */
	struct watch listening;
	struct watch wake; /* eventfd: stop, or a job is done */
	_Atomic unsigned stops;
	_Atomic bool leaving; /* for another server's sake */
	uint64_t leave_ns;    /* [l] at the latest; 0: not yet */
	bool left;            /* [l] */
	_Atomic int failed;   /* the first error of a write home */

	struct asking *asking; /* [I] */
	struct list clients;   /* [l] */
	/* [l] what is freed after the batch, by its first member */
	struct list graves;
	struct server_facts facts; /* [s] */
	struct list notes;         /* [s] */
	unsigned note_count;       /* [s] */
	uint64_t next_probe_ns;    /* [l] */
	uint64_t probes;           /* [l] */
	bool resting;        /* [l] the door is shut until the next probe */
	uint64_t next_write; /* [l] ids */
	unsigned standing;   /* [l] writes that do */
	void *buffer;        /* [l] of one message */
	void *written;       /* [l] pages of a write, SERVER_AT_ONCE and one */

	_Atomic uint64_t next_number;    /* the keeper's, of what it holds */
	struct lock keeper_lock;         /* LOCK_RANK_KEEPER */
	uint64_t keeper_sequence;        /* [keeper_lock] */
	bool keeper_lost;                /* [keeper_lock] */
	struct inheritance *inheritance; /* [I] while it begins; or NULL */
	struct ledger *ledger;           /* [I] written under [s] */
	int ledger_memory;               /* [I] */

	struct taken_table *taken; /* [I] written under [s] */
	int taken_memory;          /* [I] */
	int taken_readable;        /* [I] for clients */

	struct lock lock;                     /* LOCK_RANK_SERVER */
	struct condition settled;             /* a file's state has changed */
	struct list done;                     /* [s] jobs */
	struct list files[SERVER_BUCKETS];    /* [s] by device and inode */
	struct list handles[SERVER_BUCKETS];  /* [s] by handle */
	struct list memories[SERVER_BUCKETS]; /* [s] by their memfd's inode */
	struct list claims[SERVER_BUCKETS];   /* [s] by device and inode */
	struct list idle;                     /* [s] oldest first */
	unsigned idle_count;                  /* [s] */
	uint64_t next_file;                   /* [s] ids */
	uint64_t room;                        /* [s] of all files; room.c */
	struct list closed;                   /* [s] records, oldest first */
	unsigned closed_count;                /* [s] */
	struct file_facts forgotten;          /* [s] */
	struct server_file **bound;           /* [s] one a binding */
	bool binding;                         /* [s] one is being opened */
	struct work sweeper;
	bool sweeping;         /* [s] */
	uint64_t robust_count; /* [s] pages, of all clients */
};

int loop_watch(struct server *server, struct watch *watch, int fd,
	       void (*ready)(struct watch *watch));
/* The descriptor remains open. */
void loop_unwatch(struct server *server, struct watch *watch);
/* Not looked at for a while. */
void loop_pause(struct server *server, struct watch *watch);
int loop_resume(struct server *server, struct watch *watch);
void loop_wake(struct server *server);
/* One batch of events; at most so many milliseconds; -1: as long as it lasts. */
int loop_turn(struct server *server, int most_ms);

/* ---- layouts: layout.c, reconcile.c ---- */

/* What of a client is mapped, and who resolves its traps. */
struct layout {
	struct list grave; /* [l] the first member */
	struct quire_space space;
	struct fault_handler faults;
	struct watch traps;
	struct watch wakes;
	struct client *client;
	uint64_t due_ns; /* when the handler wants to be called; UINT64_MAX */
	uint64_t number; /* [I] the keeper's, since it was told */
	bool follows_forks;
	bool ended;
	struct list robust; /* [l] */
	unsigned robust_count;
};

/* The userfaultfd, enabled, is taken over, also when it fails. */
int layout_create(struct client *client, int descriptor,
		  const struct mmu_remote_features *features,
		  struct layout **layout);
/* Applies what was read of events, and takes traps. */
void layout_turn(struct layout *layout);
/* The same of events alone: before a request of the client is looked at. */
void layout_follow(struct layout *layout);
/* Its process is gone: unmaps all.  True: nothing waits any more, and it may be
 * destroyed. */
bool layout_end(struct layout *layout);
void layout_destroy(struct layout *layout);
bool layout_is_empty(struct layout *layout);

struct layout_piece {
	struct server_file *file;
	uint64_t address;
	uint64_t length;
	uint64_t offset;
	bool shared;
	bool writable;
	bool locked;
};

int layout_map(struct layout *layout, const struct layout_piece *piece);
int layout_unmap(struct layout *layout, uint64_t start, uint64_t end);
/* Copies parent's at this moment; on failure the child has a part. */
int layout_fork(struct layout *parent, struct layout *child);
/* The mapping at address, or the first one behind it below end. */
bool layout_next(struct layout *layout, uint64_t address, uint64_t end,
		 struct layout_piece *piece);
/* Pages that are unmapped need not be kept: robust.c. */
void robust_forget(struct layout *layout, uint64_t start, uint64_t end);
/* What the client's kernel says of the mapping at address comes into the
 * layout.  True: something has changed. */
bool layout_reconcile(struct layout *layout, uint64_t address);
/* All that the client's kernel has mapped comes into the layout.  0, or why it
 * cannot be known, or served. */
int layout_rebuild(struct layout *layout);
/* Whoever waits for a page traps again. */
void layout_wake(struct layout *layout);

/* ---- clients: client.c, channel.c, fork.c ---- */

/* Which workers: server->workers, server->slow. */
enum job_kind {
	JOB_QUICK,
	JOB_SLOW,
	JOB_KINDS
};

/* An object that a client holds; it is named by its file's id. */
struct client_id {
	struct server_file *file;
	uint64_t holds;
	bool writable;
};

struct client {
	struct list link; /* [l] as all that follow */
	struct server *server;
	pid_t pid;          /* 0: not known */
	struct watch alive; /* the pidfd, open until destroyed */
	struct list channels;
	unsigned channel_count;
	struct layout *layout; /* NULL: not attached */
	struct client_id *ids;
	uint32_t id_count;
	uint32_t id_room;
	struct list writes; /* foreign ones that were begun */
	unsigned write_count;
	unsigned working; /* jobs, until they are answered */
	/* By kind of workers: those of them that are in their hands, and
	 * those that wait for their turn. */
	unsigned begun[JOB_KINDS];
	struct list queued[JOB_KINDS];
	struct standing_words *words; /* NULL: none of its writes has stood */
	int words_fd;
	bool greeted;
	bool gone;    /* its process has ended, or executes another program */
	bool awaited; /* it has not come back yet since there is this server */
	_Atomic uint64_t forking; /* the number of the next fork */
	struct client *parent;    /* NULL: it has a channel of its own */
	uint64_t fork_number;
	struct list snapshots; /* FORKING's, where forks are no events */
	struct snapshot *inherited;
	struct list claims;   /* [s] */
	unsigned claim_count; /* [s] */
	struct list told;     /* [s] */
	unsigned told_count;  /* [s] */
};

struct channel {
	struct list link;
	struct client *client;
	struct watch watch;
	struct job *job; /* NULL: it may send a request */
	bool paused;     /* it is not watched: a worker has its job */
};

/* The pidfd is taken over; -1: none. */
struct client *client_create(struct server *server, pid_t pid, int pidfd);
/* The descriptor is taken over, also when it fails. */
int client_add_channel(struct client *client, int descriptor,
		       struct channel **channel);
void client_accept(struct watch *watch);
/* Has it ended?  Sees to what is due. */
void client_probe(struct client *client);
/* Its address space is gone. */
void client_end(struct client *client);
/* The process of that number; NULL: none that lives. */
struct client *client_find(struct server *server, pid_t pid);
/* Says HELLO_AGAIN: its channel, and the job, become those of the client that
 * it was before this server began.  returned.c */
void client_return(struct job *job);
/* Ends the process itself: it cannot be served any more. */
void client_kill(struct client *client);
/* Frees it if nothing is left of it. */
void client_settle(struct client *client);
void client_watch_process(struct client *client, int pidfd);
/* Any thread, as long as a job of it is under way.  Its process has ended: its
 * locks may be another's already, and nothing of it is to be done any more. */
bool client_has_ended(const struct client *client);
/* One hold more; takes the caller's use of the file over if this succeeds.
 * -EMFILE, -ENOMEM. */
int client_hold(struct client *client, struct server_file *file, bool writable);
struct client_id *client_find_id(struct client *client, uint64_t id);
int client_release_holds(struct client *client, uint64_t id, uint64_t count);
void client_release_ids(struct client *client);

void channel_destroy(struct channel *channel);
/* It speaks for another client from now on. */
void channel_move(struct channel *channel, struct client *client);
void client_hang_up(struct client *client);
/* Whose other end is who: process and user. */
int channel_peer(int descriptor, pid_t *pid, uid_t *uid, int *pidfd);
/* False: it does not take them. */
bool channel_send(struct channel *channel, struct job *job);
/* The job in hand has its reply; the next request may come. */
void channel_reply(struct channel *channel, struct job *job);
/* Its job is for a worker: the next request waits in the socket. */
void channel_pause(struct channel *channel);
/* False: it cannot be watched. */
bool channel_resume(struct channel *channel);

/* The child of a fork event, whose userfaultfd is taken over. */
void fork_happened(struct client *parent, const struct mmu_event *event);
/* The child of parent's fork of that number that has not said who it is. */
struct client *fork_find_child(struct client *parent, uint64_t number);
/* The only child of parent's that has not; NULL: there is none, or several. */
struct client *fork_find_only_child(struct client *parent);
/* It has: the pidfd is taken over. */
void fork_identify(struct client *child, pid_t pid, int pidfd);
int fork_announced(struct client *client, uint64_t number);
/* The socket is taken over. */
int fork_claimed(struct client *parent, uint64_t number, int descriptor);
/* The new layout gets what the snapshot has. */
int fork_inherit(struct client *client);
void fork_forget(struct client *client);
bool fork_awaited(const struct client *client);

/* ---- requests: request.c, requests_*.c, bound.c ---- */

/* A request, from its receipt to its reply. */
struct job {
	struct work work;
	struct list link; /* queued, or done [s] */
	struct client *client;
	struct channel *channel; /* NULL: hung up meanwhile */
	struct request request;
	struct reply reply;
	int fds[SERVER_DESCRIPTORS]; /* those of the request */
	unsigned fd_count;
	int reply_fds[SERVER_DESCRIPTORS]; /* remain their owners', */
	int own_fd;                        /* but for this one; -1 */
	unsigned reply_fd_count;
	bool last;       /* after its reply the client's channels end */
	uint32_t length; /* of bytes: behind the request */
	uint32_t reply_length;
	char *bytes;
	char *reply_bytes; /* freed with the job */
	/* Made by a worker, for end(). */
	struct server_file *file;
	bool writable;
	struct server_write *write;
	struct robust *robust;
	bool at_once; /* prepare() has done all of it */
	/* On a worker; the error is the reply's. */
	int (*run)(struct job *job);
	/* On the loop afterwards, also if nobody is there to reply to; NULL:
	 * nothing to do. */
	void (*end)(struct job *job);
};

/* A foreign write that was begun. */
struct server_write {
	struct list link;
	struct work work;        /* of one whose client is gone */
	struct channel *channel; /* [l] over which it was begun */
	struct server *server;
	struct server_file *file; /* one user is this write's */
	struct foreign_write foreign;
	uint64_t id;
	uint64_t token; /* the client's; 0: none */
	struct ledger_write *place;
	uint64_t offset;
	uint64_t length;
	struct list begun;             /* [m] in its file */
	struct remembered *remembered; /* [m] what pages were */
	unsigned remembered_count;     /* [m] */
	uint64_t begun_ns;
	struct work overtake;
	bool doubtful;   /* [I] it was overtaken while another server was */
	bool overdue;    /* [l] it was asked to be overtaken, or will not be */
	bool overtaking; /* [s] a worker does it */
	bool overtaken;  /* [s] it excludes nobody any more */
	uint64_t writes; /* that the object had begun by then */
	_Atomic uint64_t *word; /* [l] by which it may stand, or does; NULL */
	bool seen;              /* [l] under way, by that word */
};

/* ---- standing.c; [l] ---- */

/* By what word the job's write may stand when it has ended; NULL: not at all. */
_Atomic uint64_t *standing_place(struct job *job);
/* It has ended, and stands. */
void write_stands(struct job *job);
static inline bool write_is_standing(const struct server_write *write)
{
	return write->foreign.word != NULL;
}
/* It is one as any, of the pages of its word: begun, and changes the file.
 * changed_ns: when that had changed last before; 0: not known. */
void write_stop(struct server_write *write, uint64_t changed_ns);
/* True: nobody waits for it; it has ended if it is of no use.  Else it has begun
 * by now. */
bool write_see_to_standing(struct client *client, struct server_write *write,
			   uint64_t now);
void standing_destroy(struct client *client);
/* The words that another server has made, which become its own; -1: there are
 * none.  None of them is idle after that. */
void standing_adopt(struct client *client, int memory);
/* Nothing is under way by the word of that number, nor will be. */
bool standing_is_over(const struct client *client, uint64_t word);

/* ---- overtaken.c ---- */

/* [l] Those that others have waited for too long. */
void writes_overtake(struct client *client, uint64_t now);
/* On a worker: it excludes others, again if it was overtaken. */
void write_take_back(struct server_write *write);
/* Have pages gone home past it since? */
bool write_is_stale(const struct server_write *write);

/* ---- at_once.c ---- */

/* On a worker.  Asking for what is known of the file waits for nobody. */
bool file_is_local(int fd);
/* On the loop.  Sets job->at_once if that was all; else a worker goes on where
 * they ended. */
void write_begin_at_once(struct job *job);
void write_end_at_once(struct job *job);

/* ---- merge.c; on workers ---- */

/* Between object_foreign_begin() and the client's write. */
void write_remember(struct server_write *write);
void write_forget(struct server_write *write);
/* It ends: nobody tells it anything any more. */
void write_forget_all(struct server_write *write);
/* Memory follows what the file has got of it, which nobody knows. */
void write_recover(struct server_write *write);
/* Bytes [offset, +length) were written, within the range or, if the client did
 * not say the truth, without.  As object_refresh(). */
int write_merge(struct server_write *write, uint64_t offset, uint64_t length);
/* The same and write_remember() where nothing of the range is dirty, on the
 * loop.  False: not so, or somebody is at it; a worker must do all of it.  The
 * write stands then, if it may. */
bool write_remember_at_once(struct server_write *write);
bool write_merge_at_once(struct server_write *write, uint64_t offset,
			 uint64_t length, const void *(*fetch)(void *context),
			 void *context);

/* ---- back to jobs ---- */

/* What HELLO is answered. */
void request_fill_hello(struct job *job);
/* A request was received whole: takes the job over. */
void request_take(struct job *job);
/* What workers have done. */
void request_finish_done(struct server *server);
void job_destroy(struct job *job);
/* Closing may wait for a file system: a worker does it. */
void server_close_later(struct server *server, int fd);

int file_open_run(struct job *job);
void file_open_end(struct job *job);
int file_sync_run(struct job *job);
int write_begin_run(struct job *job);
/* A write of the file, whose user becomes its own, is listed: job->write.  What
 * is dirty of it has still to be waited for.  Never blocks.  -ENOMEM. */
int write_make(struct job *job, struct server_file *file);
/* After what its pages are is remembered. */
void write_has_begun(struct server_write *write);
/* => memory is as the file, and what its pages were is forgotten.  Frees it. */
void write_has_ended(struct server_write *write);
void write_begin_end(struct job *job);
int write_end_run(struct job *job);
int truncate_run(struct job *job);
int kernels_run(struct job *job);
int write_begin_prepare(struct job *job);
int write_end_prepare(struct job *job);
int layout_prepare(struct job *job);
int sync_run(struct job *job);
int lock_run(struct job *job);
int unlock_run(struct job *job);
int release_request(struct job *job);
int mapped_request(struct job *job);
int advise_run(struct job *job);
int keep_prepare(struct job *job);
int keep_run(struct job *job);
void keep_end(struct job *job);
int bound_open_run(struct job *job);
void bound_open_end(struct job *job);
int bound_read_run(struct job *job);
int bound_write_run(struct job *job);
/* Ends a write whose client is gone, on a worker. */
void write_abandon(struct server_write *write);
/* [l] The client says no more of it. */
void write_give_up(struct client *client, struct server_write *write);
/* [l] Those that were begun on a channel which ends: by a child with its
 * parent's memory it is the only sign that it has died. */
void writes_hung_up(struct client *client, const struct channel *channel);
/* What was appended has pages then, as far as the object may grow.  Nobody is
 * refused for it: failures go to the summary. */
void write_follow_size(struct server *server, struct server_file *file);

/* ---- failed writes: told.c; on workers ---- */

/* The client uses the file: it is told of what fails from now on. */
void told_meet(struct client *client, struct server_file *file);
/* The error of writes that the client was not told of, once; or 0. */
int told_tell(struct client *client, struct server_file *file);
/* [l] */
void told_forget_all(struct client *client);

/* ---- the keeper: keeper.c ---- */

/* All on any thread; never block. */

/* pidfd -1: not known.  With its words, if it has any.  Once more: instead of
 * what it was told before. */
void keeper_keep(struct server *server, struct layout *layout, pid_t pid,
		 int pidfd);
/* A userfaultfd that a fork of parent's has just brought; its number. */
uint64_t keeper_keep_child(struct layout *parent, int descriptor);
void keeper_let_go(struct server *server, uint64_t number);
/* Once more: it has a writer by now. */
void keeper_keep_file(struct server *server, struct server_file *file);
void keeper_let_go_of_file(struct server *server, struct server_file *file);
void keeper_keep_tables(struct server *server);

/* ---- what an earlier server has left: restart.c ---- */

/* What the keeper says first.  -EPROTO: that it cannot be used. */
int restart_receive(struct server *server);
/* Descriptors of the tables, which become the caller's; -1: there are none. */
void restart_tables(struct server *server, int *taken, int *ledger);
/* All of it is served again; the loop does not run yet. */
void restart_restore(struct server *server);
void restart_forget(struct server *server);
/* [l] A write that an earlier server had begun. */
struct server_write *write_restore(struct client *client,
				   struct server_file *file,
				   struct ledger_write *place);

/* ---- who has what mapped, asked from outside: ask.c ---- */

int ask_begin(struct server *server);
/* The loop runs no more: nobody is kept waiting. */
void ask_end(struct server *server);
/* The engine is closed. */
void ask_destroy(struct server *server);

/* ---- notes.c ---- */

void note_add(struct server *server, const char *text, size_t length);
int settings_create(struct server *server);

/* Reopens what a descriptor shows, with other rights. */
int server_reopen(int fd, int flags);

#endif
