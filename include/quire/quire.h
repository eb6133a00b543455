/* quire.h - mmap as a library: map anything, within a memory budget */
/* SPDX-License-Identifier: MIT */
/*
 * An engine (struct quire) has a memory budget, threads that resolve traps,
 * and a cache of pages.  An object (struct quire_object) is something that can
 * be mapped: a file, memory, or whatever a caller's pager serves.  A space
 * (struct quire_space) is an address space that objects are mapped into.
 *
 * One cache, three ways in, coherent with each other at every moment:
 *
 *   mapped   quire_mmap() gives a pointer; a touch brings the page in.
 *   pinned   quire_object_pin() gives a pointer that cannot fault.
 *   copied   quire_object_pread(), quire_object_pwrite(), quire_peek(),
 *            quire_poke(): an error where a load would raise a signal.
 *
 * Errors.  The functions that carry the name of a system call right after
 * "quire_" (quire_mmap, _munmap, _mprotect, _msync, _mremap, _madvise,
 * _mincore, _mlock, _mlock2, _munlock, _mlockall, _munlockall) return what that
 * returns: MAP_FAILED or -1, and errno.  quire_posix_madvise returns the error
 * number, and quire_brk where the segment ends.  All others return 0, or a
 * count, or a negative errno.  After any failure quire_strerror_last() has the
 * sentence behind it.
 *
 * Threads.  Every function may be called from every thread at any time, but
 * for the functions that end a thing's life (close), whose argument nobody
 * else may be using.  "Blocks" means: may wait for the store.
 *
 * Fork.  Mappings, windows and pins do not exist in a child: an access there
 * is SIGSEGV, never zeros.  Every function called there fails with ECHILD, in
 * the way above; quire_brk() returns NULL.
 */
#ifndef QUIRE_H
#define QUIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUIRE_API __attribute__((visibility("default")))
#define QUIRE_PAGE_SIZE 4096u

struct quire;
struct quire_object;
struct quire_space;

/* ---- engine ---- */

enum quire_io {
	QUIRE_IO_AUTO,  /* io_uring where the kernel allows it, else threads */
	QUIRE_IO_URING, /* io_uring, or quire_open() fails */
	QUIRE_IO_THREADS, /* a pool of blocking threads */
};

/* How an access to a page that is absent reaches the engine. */
enum quire_trap {
	QUIRE_TRAP_AUTO,        /* userfaultfd; else signals */
	QUIRE_TRAP_USERFAULTFD, /* that, or quire_open() fails */
	QUIRE_TRAP_SIGNALS,     /* mprotect() and SIGSEGV; see quire(7) */
	QUIRE_TRAP_SIGBUS, /* userfaultfd, but the thread whose access it is
			      reads the page itself, in a handler of SIGBUS;
			      not for memory that system calls are handed */
};

enum quire_log_level {
	QUIRE_LOG_ERROR = 1,
	QUIRE_LOG_WARNING,
	QUIRE_LOG_INFO,
	QUIRE_LOG_DEBUG,
};

/* One line without its end.  Called from any thread, the engine's own among
 * them: must not block for long, touch mapped memory, or call the library. */
typedef void quire_log_function(void *context, enum quire_log_level level,
				const char *line);

/*
 * One station that an operation passed ("gap found", "vma split"), and a line
 * about it.  Called on the thread that is there, with locks of the library
 * held: must not block, touch mapped memory, or call the library.  There is
 * one sink a process: that of the engine opened last with one, and none once
 * that engine is closed.
 */
typedef void quire_trace_function(void *context, const char *station,
				  const char *line);

#define QUIRE_NO_REPORT 0x1u /* do not answer `quire maps` and `quire stat` */

/* A zeroed struct with its size set is valid: 0 means the default. */
struct quire_options {
	size_t size;     /* sizeof(struct quire_options) */
	uint64_t budget; /* bytes resident at most; default 256 MiB */
	enum quire_io io;
	uint32_t trap_threads;  /* default 1, which with io_uring is one
				   with the thread that ends reads */
	uint32_t io_threads;    /* of the blocking pool; default 8 */
	uint32_t dirty_percent; /* of the budget, dirty at most; default 25 */
	uint32_t flush_interval_ms; /* how often dirty pages go home; 1000 */
	uint32_t full_wait_ms; /* how long a newcomer waits in a budget full
				      of pins; default 2000 */
	uint32_t flags;        /* QUIRE_NO_REPORT */
	const char *swap_directory; /* of anon: objects; default /var/tmp */
	quire_log_function *log;    /* default: warnings to standard error */
	void *log_context;
	enum quire_log_level log_level; /* default QUIRE_LOG_WARNING */
	quire_trace_function *trace;    /* default: none */
	void *trace_context;
	enum quire_trap trap; /* of the host's space */
};

/*
 * Opens an engine.  options may be NULL.  Does not block.
 * -EINVAL: a budget below one page, or an option out of range.
 * -ENOSYS, -EPERM: QUIRE_TRAP_USERFAULTFD, and there is none to be had.
 * -EAGAIN: too many engines (64) by signals.  -ENOMEM, -EMFILE.
 */
QUIRE_API int quire_open(const struct quire_options *options,
			 struct quire **quire);

/*
 * Writes all dirty pages back, unmaps everything, ends the threads.  Blocks.
 * 0, or the first error of a write that could not be done (the engine is
 * gone all the same).  -EBUSY, and nothing done: an object is still open, or
 * pinned, or a space that quire_space_create() or quire_space_fork() made is.
 */
QUIRE_API int quire_close(struct quire *quire);

/* How traps are delivered here, in words; what it costs if not the best. */
QUIRE_API const char *quire_trap_mode(const struct quire *quire);

/* The sentence behind the calling thread's last error; never NULL. */
QUIRE_API const char *quire_strerror_last(void);

/* "1.2.3" of the library that runs. */
QUIRE_API const char *quire_version(void);

/* ---- objects ---- */

enum quire_policy {
	QUIRE_WRITEBACK, /* dirty pages go home by flusher, msync and close */
	QUIRE_DISCARD,   /* scratch: not flushed at close */
};

enum quire_error_policy {
	QUIRE_ERROR_SIGNAL,   /* SIGBUS, as the kernel does */
	QUIRE_ERROR_ZERO,     /* loads see zeros; stores are SIGBUS, and loads
				 of that page too for some 250 ms then; the
				 error is kept for the next sync or close */
	QUIRE_ERROR_WAIT,     /* the access waits; the read is tried again */
	QUIRE_ERROR_CALLBACK, /* ask */
};

/*
 * Asked when a page cannot be had: returns one of the other three policies.
 * Called on a thread of the engine; by QUIRE_TRAP_SIGBUS on the one that touched
 * the page, in a handler with all signals blocked: must not block, take a lock
 * that is held when mapped memory is touched, nor touch that itself.
 */
typedef enum quire_error_policy quire_error_function(void *context,
						     uint64_t offset,
						     int error);

struct quire_map_hooks;

/* What an object does not allow whoever maps it; see mmap(2).  A sealed one is
 * not written by quire_object_pwrite(), _zero(), _append() or a pin either:
 * -EPERM. */
#define QUIRE_OBJECT_NOEXEC 0x1u      /* as on a file system mounted so */
#define QUIRE_OBJECT_APPEND_ONLY 0x2u /* not shared, if open for writing */
#define QUIRE_OBJECT_SEAL_WRITE 0x4u  /* as F_SEAL_WRITE */
#define QUIRE_OBJECT_SEAL_FUTURE_WRITE 0x8u /* as F_SEAL_FUTURE_WRITE */
#define QUIRE_OBJECT_BUSY 0x10u       /* as a swap file: no shared stores */
#define QUIRE_OBJECT_UNMAPPABLE 0x20u /* ENODEV */

/* A zeroed struct with its size set is valid. */
struct quire_object_options {
	size_t size; /* sizeof(struct quire_object_options) */
	enum quire_policy policy;
	enum quire_error_policy error_policy;
	quire_error_function *error_function;
	void *error_context;
	uint64_t capacity;   /* bytes it may grow to; default: twice its size,
				   16 GiB at least */
	uint32_t readahead;  /* bytes read ahead of a sequential reader at
				   most; default 1 MiB; one page: none */
	mode_t mode;         /* of a file that O_CREAT makes; default 0644 */
	uint32_t flags;      /* QUIRE_OBJECT_...; a file's own are found out */
	uint32_t huge_shift; /* of its pages, as MAP_HUGE_SHIFT says: 21, 30;
				0: ordinary ones */
	const struct quire_map_hooks *hooks; /* copied */
	void *hook_context;
};

/*
 * Opens what uri names.  A plain path or file:PATH is a file; anon:SIZE is
 * memory that leaves for an unlinked file in the swap directory when the
 * budget is short; mem:SIZE keeps its bytes in memory outside the budget.
 * open_flags: O_RDONLY or O_RDWR, with O_CREAT, O_EXCL, O_TRUNC.  The same
 * file opened twice is one object in the cache; the options of the first hold.
 * Blocks.  The errors of open(2); -EINVAL: an unknown scheme, a wrong size,
 * O_WRONLY; -EISDIR; -ENODEV: something that cannot be mapped; -EFBIG: larger
 * than an object can be, or than RLIMIT_FSIZE, which holds for what the cache
 * has in memory as well.
 */
QUIRE_API int quire_object_open(struct quire *quire, const char *uri,
				int open_flags,
				const struct quire_object_options *options,
				struct quire_object **object);

/*
 * As above, for a file that the caller has open; the descriptor is duplicated
 * and remains the caller's.  -EBADF: not open, or open for writing only.
 */
QUIRE_API int quire_object_open_fd(struct quire *quire, int fd,
				   const struct quire_object_options *options,
				   struct quire_object **object);

/* Zeros, size bytes long, readable and writable: what anon:SIZE opens.
 * -EFBIG as above. */
QUIRE_API int quire_object_create_anonymous(
	struct quire *quire, uint64_t size,
	const struct quire_object_options *options,
	struct quire_object **object);

/*
 * A caller's own pager.  Called on worker threads of the engine, several at a
 * time; may block; must not touch memory mapped through the same engine.
 * offset and length are multiples of the page size, but for the last page of
 * the object.  Return the count of bytes moved, or a negative errno.  Less is an
 * end of data when reading: zeros behind it in its page, pages behind that are
 * -EIO; an end inside a page is asked for twice, from the page's start.  What is
 * left when writing is tried again, from whatever offset that is.
 */
struct quire_pager_ops {
	size_t size; /* sizeof(struct quire_pager_ops) */
	ssize_t (*read)(void *context, void *buffer, size_t length,
			uint64_t offset);
	ssize_t (*write)(void *context, const void *buffer, size_t length,
			 uint64_t offset);           /* NULL: read-only */
	int (*flush)(void *context);                 /* NULL: nothing to do */
	int (*resize)(void *context, uint64_t size); /* NULL: fixed size */
	void (*close)(void *context);                /* NULL: nothing to do */
};

/* An object of size bytes served by ops.  name appears in reports.
 * -EINVAL: ops; -EFBIG as above. */
QUIRE_API int quire_object_create(struct quire *quire, const char *name,
				  uint64_t size,
				  const struct quire_pager_ops *ops,
				  void *context,
				  const struct quire_object_options *options,
				  struct quire_object **object);

/*
 * Drops the handle.  Mappings made through it stay until they are unmapped.
 * The last one to go writes dirty pages back.  Blocks.  0, or the error of a
 * write that no sync through this handle had reported yet.  NULL is allowed.
 */
QUIRE_API int quire_object_close(struct quire_object *object);

/* Bytes. */
QUIRE_API uint64_t quire_object_size(const struct quire_object *object);

/*
 * Changes the size in place: mappings stay, addresses stay.  Pages past the
 * new end are SIGBUS until the object grows again; new bytes are zero.
 * Blocks.  -EACCES: opened read-only.  -EFBIG: beyond its capacity, or beyond
 * RLIMIT_FSIZE.  -EBUSY: a page to go is pinned, nothing done.  The store's own
 * errors.
 */
QUIRE_API int quire_object_resize(struct quire_object *object, uint64_t size);

/*
 * Has the store allocate [offset, offset+length), growing the object if need
 * be, so that no later write-back can fail for want of space.  Blocks.
 * -ENOSPC, -EOPNOTSUPP, and as for resize.
 */
QUIRE_API int quire_object_allocate(struct quire_object *object,
				    uint64_t offset, uint64_t length);

/*
 * Extends the object by length bytes: allocates, writes, and with MS_SYNC in
 * flags makes them durable.  *offset, if not NULL, gets where they went.
 * Appends through one engine do not overlap.  On failure the size is as it
 * was, unless nothing but MS_SYNC failed, or the bytes could not be taken back:
 * quire_object_size() tells.  Blocks.  -EPERM: sealed; and as for allocate.
 */
QUIRE_API int quire_object_append(struct quire_object *object,
				  const void *bytes, size_t length, int flags,
				  uint64_t *offset);

/*
 * MS_SYNC: every store and write finished before the call, in [offset,
 * offset+length), is durable when it returns 0.  Blocks.  MS_ASYNC: has the
 * flusher begin.  MS_INVALIDATE: clean pages of the range are dropped and read
 * anew.  length 0: to the end.  A write that failed since this handle's last
 * sync is reported here, once; the page stays dirty and is tried again.  So are
 * those written since the last flush that succeeded, where a flush fails and
 * they are still in memory.
 */
QUIRE_API int quire_object_sync(struct quire_object *object, uint64_t offset,
				uint64_t length, int flags);

struct quire_range {
	uint64_t offset;
	uint64_t length;
};

/*
 * Starts to read the ranges.  Does not wait for them: a hint.  Returns the
 * count of pages whose read was started, or a negative errno.
 */
QUIRE_API ssize_t quire_object_prefetch(struct quire_object *object,
					const struct quire_range *ranges,
					size_t count);

/*
 * Copies between buffer and object; short only at the object's end.  pwrite
 * does not grow the object: bytes past the end are not written.  Blocks.
 * -EACCES: write of a read-only handle; -EPERM: of a sealed object; -EIO and
 * what else the store says; -ENOMEM: the budget is full of pins.
 */
QUIRE_API ssize_t quire_object_pread(struct quire_object *object, void *buffer,
				     size_t length, uint64_t offset);
QUIRE_API ssize_t quire_object_pwrite(struct quire_object *object,
				      const void *buffer, size_t length,
				      uint64_t offset);

/*
 * Makes the ranges zeros, as quire_object_pwrite() of zeros would.  For what is
 * about to be written anew: pages that lie in a range whole are not read, and
 * where this process maps them, they can be stored to without a trap, mostly
 * (not where traps are signals).  Durable by a sync, as all that is stored; what is written home before the caller has
 * stored there is zeros.  Blocks.  0, or the error of the first range that has
 * one, as for quire_object_pwrite(): those before it are zeros, of that one some
 * bytes may be.
 */
QUIRE_API int quire_object_zero(struct quire_object *object,
				const struct quire_range *ranges, size_t count);

/* Bytes of an object that stay where they are until unpinned. */
struct quire_pin {
	void *address; /* of the byte at offset; the whole length is contiguous */
	size_t length;
	struct quire_object *object;
	uint64_t offset;
	int access; /* PROT_READ, or PROT_READ | PROT_WRITE */
	void *slot; /* the library's own */
};

/*
 * Brings [offset, offset+length) in and holds it.  The memory behind
 * pin->address cannot fault, and counts against the budget.  With PROT_WRITE
 * the pages are dirty while pinned; the stores are visible everywhere at once.
 * Without it nothing may be stored there (SIGSEGV, mostly).  Blocks.
 * -EINVAL: past the object's end, or no length; -EACCES: write of a read-only
 * handle; -EPERM: of a sealed object; -ENOMEM: it does not fit in the budget
 * beside what else is pinned; -EAGAIN: pinned too many times at once; the
 * store's errors.
 */
QUIRE_API int quire_object_pin(struct quire_object *object, uint64_t offset,
			       size_t length, int access,
			       struct quire_pin *pin);

/*
 * Lets go.  Zeroes *pin; a zeroed pin is allowed.  Does not block, but for the
 * last pin of a handle that was closed meanwhile: that ends the handle.
 */
QUIRE_API void quire_object_unpin(struct quire_pin *pin);

/* ---- address spaces ---- */

/* The engine's space of real pointers in this process; lives as long as it. */
QUIRE_API struct quire_space *quire_host_space(struct quire *quire);

/*
 * mmap(2) over an object.  address is a hint, or with MAP_FIXED or
 * MAP_FIXED_NOREPLACE the place.  flags: MAP_SHARED, MAP_SHARED_VALIDATE or
 * MAP_PRIVATE (or MAP_DROPPABLE), MAP_ANONYMOUS (object is ignored), and all
 * others of mmap(2): what each does here is in quire_mmap(3).  The mapping may
 * be longer than the object: pages past its end are SIGBUS until it grows.
 * Anonymous memory lies in the budget, and so do all private pages of a space
 * on the software MMU; private pages of an object that were stored to on the
 * host's space are the program's own memory, outside it.  While MAP_FIXED
 * replaces a mapping, another thread's access there may be SIGSEGV.  May block,
 * with MAP_POPULATE or MAP_LOCKED.
 * MAP_FAILED and errno: EACCES, EAGAIN (the locked limit), EBADF, EEXIST,
 * EINVAL, EMFILE, ENODEV, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM (sealed, not to
 * be executed, not to be locked, or too low an address), ETXTBSY, and what a
 * hook of the object's returns.
 */
QUIRE_API void *quire_mmap(struct quire_space *space, void *address,
			   size_t length, int prot, int flags,
			   struct quire_object *object, off_t offset);

/* munmap(2): may cut mappings, may span several and holes.  EINVAL, ENOMEM. */
QUIRE_API int quire_munmap(struct quire_space *space, void *address,
			   size_t length);

/* mprotect(2).  EACCES, EINVAL, ENOMEM (a hole in the range). */
QUIRE_API int quire_mprotect(struct quire_space *space, void *address,
			     size_t length, int prot);

/*
 * msync(2): as quire_object_sync() for all objects mapped in the range.
 * EINVAL: flags or address; ENOMEM: a hole in the range (the rest is synced);
 * EIO, ENOSPC, and what else the store says.
 */
QUIRE_API int quire_msync(struct quire_space *space, void *address,
			  size_t length, int flags);

/*
 * A load or store of length bytes that cannot raise a signal.  -EFAULT: not
 * mapped or not allowed; -ENXIO: past the object's end; else the store's
 * error.  What was copied before the error stays copied.  Blocks.
 */
QUIRE_API int quire_peek(struct quire_space *space, const void *address,
			 void *out, size_t length);
QUIRE_API int quire_poke(struct quire_space *space, void *address,
			 const void *in, size_t length);

/* What stopped a guarded body. */
struct quire_fault_report {
	void *address; /* that could not be accessed */
	int signal;    /* SIGBUS or SIGSEGV */
	int code;      /* si_code */
	int error;     /* as quire_peek() would return; 0 if nothing happened */
};

/*
 * Runs body(argument).  If it touches mapped memory of the space that cannot
 * be had, it is left on the spot (by a long jump: it must hold no lock and own
 * nothing that must be freed), and the error is returned.  report may be NULL.
 * Faults outside the space go to whoever had the signals before.  May nest.
 */
QUIRE_API int quire_guard(struct quire_space *space, void (*body)(void *),
			  void *argument, struct quire_fault_report *report);

enum quire_report {
	QUIRE_REPORT_MAPS,  /* as /proc/PID/maps */
	QUIRE_REPORT_TREE,  /* the tree of VMAs, with the free gaps */
	QUIRE_REPORT_SMAPS, /* as /proc/PID/smaps */
	QUIRE_REPORT_PAGES, /* the page table of a space on the software MMU */
};

QUIRE_API int quire_space_report(struct quire_space *space,
				 enum quire_report kind, FILE *stream);

/* ---- the rest of mmap ---- */

/*
 * mremap(2): shrinks, grows in place, moves (MREMAP_MAYMOVE, MREMAP_FIXED),
 * leaves the old mapping (MREMAP_DONTUNMAP), duplicates a shared one (an old
 * length of 0).  EAGAIN (the locked limit), EFAULT, EINVAL, ENOMEM, EPERM (too
 * low an address).  May block.
 */
QUIRE_API void *quire_mremap(struct quire_space *space, void *old_address,
			     size_t old_length, size_t new_length, int flags,
			     void *new_address);

/*
 * madvise(2): every advice of Linux; what each does here is in quire(7).
 * EINVAL, ENOMEM (a hole), EACCES, EAGAIN, EIO, EPERM, EFAULT (a page that
 * cannot be populated), EOPNOTSUPP (MADV_REMOVE).  May block.
 */
QUIRE_API int quire_madvise(struct quire_space *space, void *address,
			    size_t length, int advice);

/* posix_madvise(3): 0 or an error number; errno is not set. */
QUIRE_API int quire_posix_madvise(struct quire_space *space, void *address,
				  size_t length, int advice);

/*
 * mincore(2): bit 0 of one byte a page: it is in memory now.
 * EINVAL, ENOMEM (a hole), EFAULT.
 */
QUIRE_API int quire_mincore(struct quire_space *space, void *address,
			    size_t length, unsigned char *vector);

/*
 * mlock(2) and its kin: the pages stay within the budget until they are
 * unlocked.  (A private page that a space on the software MMU shares with one
 * forked from it has one lock: the first of them to unlock it ends that.)  flags of mlock2: MLOCK_ONFAULT; of mlockall: MCL_CURRENT,
 * MCL_FUTURE, MCL_ONFAULT.  ENOMEM (a hole, the limit, or more than the budget
 * has room for), EAGAIN (a page could not be had), EPERM, EINVAL.  Blocks.
 */
QUIRE_API int quire_mlock(struct quire_space *space, const void *address,
			  size_t length);
QUIRE_API int quire_mlock2(struct quire_space *space, const void *address,
			   size_t length, unsigned flags);
QUIRE_API int quire_munlock(struct quire_space *space, const void *address,
			    size_t length);
QUIRE_API int quire_mlockall(struct quire_space *space, int flags);
QUIRE_API int quire_munlockall(struct quire_space *space);

/* ---- an address space without the kernel ---- */

enum quire_overcommit {          /* as vm.overcommit_memory */
	QUIRE_OVERCOMMIT_GUESS,  /* refuses what is more than all there is */
	QUIRE_OVERCOMMIT_ALWAYS, /* refuses nothing */
	QUIRE_OVERCOMMIT_NEVER,  /* refuses what exceeds the commit limit */
};

#define QUIRE_SPACE_READ_IMPLIES_EXEC 0x1u /* as the personality */
#define QUIRE_SPACE_MAY_LOCK 0x2u /* as CAP_IPC_LOCK: no locked limit */

/* A zeroed struct with its size set is valid. */
struct quire_space_options {
	size_t size;   /* sizeof(struct quire_space_options) */
	uint64_t base; /* the lowest address; default 64 KiB */
	uint64_t end;  /* behind the highest; default 0x7ffffffff000 */
	/* Where free ranges are looked for, downwards; default: all of it. */
	uint64_t arena;
	uint64_t arena_end;
	uint64_t break_start; /* where quire_brk() begins; 0: it has none */
	uint32_t flags;       /* QUIRE_SPACE_... */
	enum quire_overcommit overcommit;
	uint32_t stack_guard_gap; /* pages; default 256 */
};

/*
 * Makes a space on the software MMU: its addresses are numbers, not pointers,
 * and quire_access(), quire_peek(), quire_poke() are its loads and stores.  No
 * help of the kernel's is needed for it.  All other functions on spaces work
 * on it as on the host's.  -EINVAL: options; -ENOMEM.
 */
QUIRE_API int quire_space_create(struct quire *quire,
				 const struct quire_space_options *options,
				 struct quire_space **space);

/* Unmaps all and ends a space that was created.  NULL is allowed.  Blocks. */
QUIRE_API void quire_space_close(struct quire_space *space);

/*
 * fork(2) for a space on the software MMU: shared mappings stay shared,
 * private ones diverge at the next store; MADV_DONTFORK, MADV_WIPEONFORK and
 * locks are as in Linux.  Costs the page table, not the pages.
 * -EOPNOTSUPP: the host's space.  -ENOMEM.
 */
QUIRE_API int quire_space_fork(struct quire_space *space,
			       struct quire_space **child);

/* As setrlimit(2) and sysctl have them; UINT64_MAX: none. */
enum quire_limit {
	QUIRE_LIMIT_MAPPINGS,      /* vm.max_map_count; default 65530 */
	QUIRE_LIMIT_ADDRESS_SPACE, /* RLIMIT_AS, bytes */
	QUIRE_LIMIT_DATA,          /* RLIMIT_DATA, bytes */
	QUIRE_LIMIT_LOCKED,        /* RLIMIT_MEMLOCK, bytes */
	QUIRE_LIMIT_STACK,         /* RLIMIT_STACK, bytes; default 8 MiB */
	QUIRE_LIMIT_COMMIT,        /* CommitLimit, bytes */
};
/* What is mapped already stays.  -EINVAL: no such limit. */
QUIRE_API int quire_space_set_limit(struct quire_space *space,
				    enum quire_limit limit, uint64_t value);

/*
 * brk(2) as the kernel has it: moves the end of the data segment and returns
 * where it is then; with an address that cannot be, where it was.  NULL in a
 * child of the process.  After mlockall(MCL_FUTURE) it blocks: what comes is
 * brought in.
 */
QUIRE_API void *quire_brk(struct quire_space *space, void *address);

enum quire_access {
	QUIRE_LOAD,
	QUIRE_STORE,
	QUIRE_FETCH, /* of an instruction: a load that needs PROT_EXEC */
};

/*
 * An access of length bytes.  0, or as quire_peek(), and then report (NULL is
 * allowed) has the signal, code and address that Linux would deliver.  What
 * was copied before that stays copied.  bytes may be NULL for a load or fetch
 * whose bytes do not matter.  Blocks.
 */
QUIRE_API int quire_access(struct quire_space *space, enum quire_access access,
			   void *address, void *bytes, size_t length,
			   struct quire_fault_report *report);

/* ---- objects that are devices ---- */

/* A mapping in the making. */
struct quire_area {
	size_t size;      /* sizeof(struct quire_area) */
	uint64_t address; /* in place(): what was asked for */
	uint64_t length;
	int prot;
	int flags; /* of quire_mmap() */
	uint64_t offset;
	/* map() may set these: the frames that are shown, in place of the
	 * object's own pages (as remap_pfn_range()); borrowed. */
	struct quire_object *frames;
	uint64_t frames_offset;
};

/*
 * As a device driver's get_unmapped_area and mmap; either may be NULL.  Called
 * on the thread that maps, with the space locked: must not block or call the
 * library.  A negative errno is the mapping's; nothing has changed then.
 */
struct quire_map_hooks {
	size_t size; /* sizeof(struct quire_map_hooks) */
	/* Where to map what is not fixed: sets *address. */
	int (*place)(void *context, const struct quire_area *area,
		     uint64_t *address);
	int (*map)(void *context, struct quire_area *area);
};

/* ---- seeing what happens ---- */

/* Counts since quire_open(), but for the first group.  Pages are 4 KiB. */
struct quire_statistics {
	size_t size;              /* set it before the call */
	uint64_t budget;          /* bytes */
	uint64_t resident;        /* bytes now, reads in flight included */
	uint64_t resident_peak;   /* bytes */
	uint64_t dirty;           /* bytes now */
	uint64_t reads_in_flight; /* now */
	uint64_t reads_in_flight_peak;
	uint64_t traps;       /* taken by the trap threads */
	uint64_t write_traps; /* of these, for stores */
	uint64_t hits; /* accesses (traps, pins, copies) that found the page */
	uint64_t misses; /* ... that did not */
	uint64_t parked; /* faults that had to wait for something */
	uint64_t reads;  /* requests to the stores */
	uint64_t pages_read;
	uint64_t pages_ahead; /* of these, read ahead of need */
	uint64_t read_errors;
	uint64_t writes; /* requests */
	uint64_t pages_written;
	uint64_t write_errors;
	uint64_t flushes;
	uint64_t evictions; /* pages */
	uint64_t throttled; /* stores that waited for the dirty bound */
	uint64_t starved;   /* newcomers that waited for the budget */
	uint64_t refused;   /* accesses that ended in an error */
	/* Pages that left memory without having been shown, pinned or copied
	 * since they were read: ahead of need, and in vain. */
	uint64_t pages_ahead_unused;
	/* Pages that were read into anonymous memory of the mapping that shows
	 * them, as nobody may store there and the object is mapped once; and of
	 * these, moved to where everybody has them. */
	uint64_t pages_lodged;
	uint64_t pages_brought_home;
	/* Pages that were shown writable before a store came, as stores went on
	 * there; and of these, that nobody had stored to when they were to be
	 * written, and so were not. */
	uint64_t stores_foreseen;
	uint64_t stores_foreseen_unused;
};

QUIRE_API int quire_get_statistics(struct quire *quire,
				   struct quire_statistics *statistics);

/* Where a page is between its object's store and memory. */
enum quire_page_state {
	QUIRE_PAGE_ABSENT,   /* in the store only */
	QUIRE_PAGE_READING,  /* on its way in */
	QUIRE_PAGE_FAILED,   /* the last read failed */
	QUIRE_PAGE_CLEAN,    /* in memory, as in the store */
	QUIRE_PAGE_DIRTY,    /* in memory, and may be newer than the store */
	QUIRE_PAGE_WRITING,  /* on its way home */
	QUIRE_PAGE_EVICTING, /* on its way out */
	QUIRE_PAGE_PAST_END, /* behind the object's size: no page */
};

/*
 * One byte, an enum quire_page_state, for each page of [offset,
 * offset+length): states that were true one after the other, and may have
 * changed.  Brings nothing in.  -EINVAL: offset is not a multiple of the page
 * size.  Does not block.
 */
QUIRE_API int quire_object_pages(struct quire_object *object, uint64_t offset,
				 size_t length, unsigned char *states);

/* What an entry of the page table shows. */
enum quire_page_source {
	QUIRE_SOURCE_NONE,    /* nothing yet: the next access is a fault */
	QUIRE_SOURCE_ZEROS,   /* the page of zeros, that all share */
	QUIRE_SOURCE_OBJECT,  /* the object's page */
	QUIRE_SOURCE_PRIVATE, /* a page of the program's own */
	QUIRE_SOURCE_GUARD,   /* MADV_GUARD_INSTALL: never a page */
};

struct quire_page {
	enum quire_page_source source;
	enum quire_page_state state; /* of the page that is shown, if one is */
	int prot;                    /* what may be done without a fault */
	uint64_t index;              /* of the page in what it belongs to */
	uint32_t holders; /* of a private page: more than 1 after a fork */
	bool accessed;    /* since the entry was made */
	bool stored;      /* to, through this entry */
};

/*
 * The page table's entry of address, in a space on the software MMU, and the
 * state of what it shows.  Changes nothing.  -ENOMEM: nothing is mapped there;
 * -EOPNOTSUPP: the host's space.  Does not block.
 */
QUIRE_API int quire_space_page(struct quire_space *space, const void *address,
			       struct quire_page *page);

/*
 * Writes all that is dirty now to where it belongs, scratch and private pages
 * too, and waits: afterwards they can leave memory at once.  Not a promise that
 * anything is durable: quire_object_sync() is.  0, or the first error of a
 * write, which its holders are told as well.  Blocks.
 */
QUIRE_API int quire_flush(struct quire *quire);

#ifdef __cplusplus
}
#endif
#endif
