/* kernel_child.c - does what an op says, by the kernel's own calls */
/* SPDX-License-Identifier: MIT */
#include "model/judge/kernel_child.h"

#include "model/judge/access.h"
#include "model/judge/files.h"
#include "model/judge/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPINS 200

/* ---- turns ---- */

bool slot_wait(struct slot *slot, uint32_t turn, unsigned seconds)
{
	const struct timespec patience = { .tv_sec = seconds };

	for (int i = 0; i < SPINS; i++)
		if (atomic_load(&slot->turn) == turn)
			return true;
	while (atomic_load(&slot->turn) != turn)
		if (syscall(SYS_futex, &slot->turn, FUTEX_WAIT, !turn,
			    &patience, NULL, 0) &&
		    errno == ETIMEDOUT)
			return false;
	return true;
}

void slot_give(struct slot *slot, uint32_t turn)
{
	atomic_store(&slot->turn, turn);
	syscall(SYS_futex, &slot->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---- a process ---- */

static struct kernel_slots *shared;
static struct file_set files;
/* What the process had before anything was in its window, in pages. */
static uint64_t base_total, base_data;
static bool locks_to_come; /* MCL_FUTURE */

static int handle_of(const struct op *op)
{
	return op->file < HANDLES ? files.handle[op->file] : -1;
}

static void read_base(void)
{
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t length = read(fd, text, sizeof(text) - 1);
	const char *size, *data;

	close(fd);
	text[length > 0 ? length : 0] = '\0';
	size = strstr(text, "VmSize:");
	data = strstr(text, "VmData:");
	if (!size || !data)
		_exit(4);
	base_total = strtoull(size + 7, NULL, 10) / 4;
	base_data = strtoull(data + 7, NULL, 10) / 4;
}

static int64_t set_limit(const struct op *op)
{
	static const __rlimit_resource_t resources[LIMITS] = {
		RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK
	};
	uint64_t base = op->flags == LIMIT_ADDRESS_SPACE ? base_total
			: op->flags == LIMIT_DATA        ? base_data
							 : 0;
	struct rlimit limit;

	if (getrlimit(resources[op->flags], &limit))
		return -1;
	limit.rlim_cur = op->length == NO_LIMIT ? limit.rlim_max
						: (base + op->length) * PAGE;
	if (op->flags == LIMIT_LOCKED && op->length == NO_LIMIT)
		limit.rlim_cur = LOCKED_PAGES * PAGE;
	return setrlimit(resources[op->flags], &limit);
}

/* Bytes that are all the same unique word. */
static void fill_words(uint64_t *words, size_t length, uint64_t value)
{
	for (size_t i = 0; i < length / 8; i++)
		words[i] = value;
}

static bool is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals > 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
}

/* As quire_object_pwrite(): does not grow the file. */
static int64_t write_file(const struct op *op)
{
	static uint64_t words[2 * PAGE / 8];
	uint64_t length = op->length;
	struct stat status;

	if (fstat(handle_of(op), &status))
		return -1;
	if (op->offset >= (uint64_t)status.st_size) {
		errno = EPERM;
		return is_sealed(handle_of(op)) ? -1 : 0;
	}
	if (length > (uint64_t)status.st_size - op->offset)
		length = (uint64_t)status.st_size - op->offset;
	fill_words(words, sizeof(words), op->value);
	return pwrite(handle_of(op), words, length, (off_t)op->offset);
}

static int64_t read_file(const struct op *op, struct outcome *outcome)
{
	static unsigned char bytes[2 * PAGE];
	ssize_t got =
		pread(handle_of(op), bytes, op->length, (off_t)op->offset);

	if (got > 0)
		outcome->value = hash_bytes(bytes, (size_t)got);
	return got;
}

static int64_t ask_core(const struct op *op, struct outcome *outcome)
{
	static unsigned char vector[WINDOW_PAGES + 1];
	int result;

	memset(vector, 0, sizeof(vector));
	result = (int)syscall(SYS_mincore, op->address, op->length, vector);
	if (!result)
		outcome->value = vector_bits(vector);
	return result;
}

/* Nobody outlives the judge, who may have been killed.  (A death signal would
 * come from the parent, who may end before the child by an op.) */
static void wait_for_judge(struct slot *slot)
{
	while (!slot_wait(slot, TURN_CHILD, 1))
		if (kill(shared->judge, 0))
			_exit(0);
}

static void reply_forever(struct slot *slot);

/* The child goes on with the next slot. */
static int64_t fork_process(const struct op *op)
{
	struct slot *slot = &shared->slot[op->length];
	pid_t child = fork();

	if (child != 0)
		return child < 0 ? -1 : (int64_t)op->length;
	locks_to_come = false;
	reply_forever(slot);
	_exit(0);
}

/* Of what is mapped in the window. */
static uint64_t window_pages(void)
{
	char text[64];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t length = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[length > 0 ? length : 0] = '\0';
	return strtoull(text, NULL, 10) - base_total;
}

/*
 * All of a run of neighbours is locked before the first of them is brought in,
 * as by mlockall(): whether two will be one is found at their first private
 * page, and goes by their flags.  Errors end what mlock2() brings in, and are
 * ignored by mlockall(): so each line once more, by itself.
 */
static void lock_window(unsigned flags)
{
	static char text[MAPS_BYTES];
	static struct maps_line lines[MAPS_LINES];
	size_t first = 0;
	size_t count;

	kernel_read_maps(&files, text);
	count = maps_parse(text, lines);
	for (size_t i = 0; i < count; i++) {
		if (i + 1 < count && lines[i].end == lines[i + 1].start)
			continue;
		syscall(SYS_mlock2, lines[first].start,
			lines[i].end - lines[first].start, flags);
		for (; first <= i; first++)
			syscall(SYS_mlock2, lines[first].start,
				lines[first].end - lines[first].start, flags);
	}
}

static int64_t unlock_all(void)
{
	locks_to_come = false;
	return syscall(SYS_munlockall);
}

/* What is mapped from now on. */
static int64_t lock_to_come(int flags)
{
	int64_t result = syscall(SYS_mlockall, flags);

	if (!result)
		locks_to_come = true;
	return result;
}

/*
 * What is locked now is locked in the window alone: all that the process has
 * would exceed every limit.  The rest of mlockall() is the kernel's.  Only
 * munlockall() says that what is to come is no longer locked; it makes one of
 * neighbours that mlockall() may keep apart, and so is left out where it can.
 */
static int64_t lock_all(int flags)
{
	const int known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
	struct rlimit limit;

	if (!(flags & MCL_CURRENT) || (flags & ~known) ||
	    getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == 0)
		return lock_to_come(flags);
	if (window_pages() > limit.rlim_cur / PAGE) {
		errno = ENOMEM;
		return -1;
	}
	if (flags & MCL_FUTURE)
		lock_to_come(flags & ~MCL_CURRENT);
	else if (locks_to_come)
		unlock_all();
	lock_window(flags & MCL_ONFAULT ? MLOCK_ONFAULT : 0);
	return 0;
}

static void access_by(const struct op *op, struct outcome *outcome)
{
	struct access access = { .kind = op->kind,
				 .address = op->address,
				 .value = op->value };

	access_try(&access, outcome);
	if (op->kind == OP_LOAD && !outcome->signal)
		outcome->value = access.value;
}

/*
 * Where the lowest addresses could not be reserved (see kernel_reserve.c), the
 * kernel finds a place there when there is no other, and then refuses it.
 */
static bool finds_forbidden_place(const struct op *op)
{
	void *place = (void *)syscall(SYS_mmap, op->address, op->length,
				      PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
				      -1, 0);

	if (place == MAP_FAILED)
		return errno == EPERM;
	syscall(SYS_munmap, place, op->length);
	return false;
}

static int64_t map(const struct op *op)
{
	int64_t place = syscall(SYS_mmap, op->address, op->length, op->prot,
				op->flags, handle_of(op), op->offset);

	if (place == -1 && errno == EPERM && op_is_placed_freely(op))
		errno = finds_forbidden_place(op) ? ENOMEM : EPERM;
	return place;
}

/* Not by the functions of the C library: sanitizers have their own of some,
 * that do something else. */
static int64_t call(const struct op *op)
{
	switch (op->kind) {
	case OP_MMAP:
		return map(op);
	case OP_MUNMAP:
		return syscall(SYS_munmap, op->address, op->length);
	case OP_MPROTECT:
		return syscall(SYS_mprotect, op->address, op->length, op->prot);
	case OP_MREMAP:
		return syscall(SYS_mremap, op->address, op->length,
			       op->new_length, op->flags, op->new_address);
	case OP_MSYNC:
		return syscall(SYS_msync, op->address, op->length, op->flags);
	case OP_MADVISE:
		return syscall(SYS_madvise, op->address, op->length, op->flags);
	case OP_MLOCK:
		return syscall(SYS_mlock, op->address, op->length);
	case OP_MLOCK2:
		return syscall(SYS_mlock2, op->address, op->length, op->flags);
	case OP_MUNLOCK:
		return syscall(SYS_munlock, op->address, op->length);
	default:
		return -1;
	}
}

static int64_t call_other(const struct op *op, struct outcome *outcome)
{
	switch (op->kind) {
	case OP_MLOCKALL:
		return lock_all(op->flags);
	case OP_MUNLOCKALL:
		return unlock_all();
	case OP_MINCORE:
		return ask_core(op, outcome);
	case OP_RESIZE:
		return ftruncate(handle_of(op), (off_t)op->length);
	case OP_PWRITE:
		return write_file(op);
	case OP_PREAD:
		return read_file(op, outcome);
	case OP_FORK:
		return fork_process(op);
	case OP_EXIT:
		_exit(0);
	case OP_LIMIT:
		return set_limit(op);
	default:
		return call(op);
	}
}

static void execute(struct slot *slot)
{
	const struct op *op = &slot->op;
	struct outcome *outcome = &slot->outcome;

	memset(outcome, 0, sizeof(*outcome));
	if (op->kind == OP_LOAD || op->kind == OP_STORE ||
	    op->kind == OP_FETCH) {
		access_by(op, outcome);
		return;
	}
	errno = 0;
	outcome->result = call_other(op, outcome);
	outcome->error = outcome->result == -1 ? errno : 0;
}

static void look(struct slot *slot)
{
	static uint64_t bytes[PAGE / 8];

	for (uint64_t i = 0; i < WINDOW_PAGES; i++) {
		struct page_look *page = &slot->pages[i];

		if (!page->wanted)
			continue;
		page->signal = access_copy_page(bytes, WINDOW + i * PAGE);
		if (!page->signal)
			look_at_bytes(page, bytes);
	}
}

static void reply_forever(struct slot *slot)
{
	for (;;) {
		wait_for_judge(slot);
		if (slot->request == REQUEST_END) {
			atomic_store(&slot->turn, TURN_JUDGE);
			return;
		}
		if (slot->request == REQUEST_OP)
			execute(slot);
		if (slot->request == REQUEST_LOOK)
			look(slot);
		else
			kernel_read_maps(&files, slot->maps);
		slot_give(slot, TURN_JUDGE);
	}
}

/* ---- the server ---- */

static void run_sequence(void)
{
	const struct op no_locked_limit = { .flags = LIMIT_LOCKED,
					    .length = NO_LIMIT };
	struct slot *slot = &shared->slot[0];

	files_make(&files);
	kernel_drop_rights();
	read_base();
	set_limit(&no_locked_limit);
	reply_forever(slot);
	_exit(0);
}

void kernel_server(struct kernel_slots *slots)
{
	struct slot *slot = &slots->slot[SLOT_SERVER];

	shared = slots;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	access_init();
	access_catch();
	slot->outcome.result = kernel_reserve() ? 0 : -1;
	slot_give(slot, TURN_JUDGE);
	for (;;) {
		wait_for_judge(slot);
		/* All of the last sequence's processes were told to end. */
		while (wait(NULL) > 0)
			;
		if (slot->request == REQUEST_END)
			_exit(0);
		for (unsigned i = 0; i < PROCESSES; i++)
			atomic_store(&slots->slot[i].turn, TURN_JUDGE);
		if (fork() == 0)
			run_sequence();
		slot_give(slot, TURN_JUDGE);
	}
}
