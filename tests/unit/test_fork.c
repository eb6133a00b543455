/* test_fork.c - a child finds nothing of its parent's engine, and spoils nothing */
/* SPDX-License-Identifier: MIT */
/*
 * The trap: a child that touches an inherited mapping of a memfd is answered
 * by the kernel with zeros, which then stand in the parent's memory as well.
 */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define PAGES 64 /* of the file */
#define BOTH (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *space;
static struct test_file file;
static struct quire_object *object;
static unsigned char *shared, *private;
static struct quire_pin pin; /* of page 10 */

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(256 * PAGE);
	space = quire_host_space(quire);
	make_file(&file, PAGES * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	shared = map_object(quire, object, PAGES * PAGE, BOTH);
	private = quire_mmap(space, NULL, PAGES * PAGE, BOTH, MAP_PRIVATE,
			     object, 0);
	assert_ptr_not_equal(private, MAP_FAILED);
	shared[0] = 0xa0;
	private[PAGE] = 0xa1;
	assert_int_equal(shared[2 * PAGE], byte_at(2 * PAGE));
	assert_int_equal(quire_object_pin(object, 10 * PAGE, PAGE, BOTH, &pin),
			 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

/* Everything is as set_up() left it, and as the file has it. */
static void assert_undisturbed(void)
{
	assert_int_equal(shared[0], 0xa0);
	assert_int_equal(private[PAGE], 0xa1);
	assert_int_equal(*(unsigned char *)pin.address, byte_at(10 * PAGE));
	for (size_t i = 1; i < PAGES * PAGE; i++)
		assert_int_equal(shared[i], byte_at(i));
	for (size_t i = 2 * PAGE; i < PAGES * PAGE; i++)
		assert_int_equal(private[i], byte_at(i));
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	for (size_t i = 1; i < PAGES * PAGE; i += 100)
		assert_int_equal(byte_in_file(file.fd, i), byte_at(i));
}

/* ---- ways to make a child ---- */

typedef pid_t fork_function(void);

static pid_t by_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static fork_function *const ways[] = { fork, _Fork, by_clone };
#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* How a child ended that runs body(argument); 0: well. */
static int end_of_child(fork_function *make, void (*body)(void *),
			void *argument)
{
	const struct rlimit none = { 0, 0 };
	pid_t child = make();
	int status;

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		setrlimit(RLIMIT_CORE, &none);
		body(argument);
		_exit(0);
	}
	assert_return_code(child, errno);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* Of memory that threads of the parent store to: not theirs to find out. */
__attribute__((no_sanitize("thread"))) static void load(void *address)
{
	(void)*(volatile unsigned char *)address;
}

static void store(void *address)
{
	*(volatile unsigned char *)address = 0xee;
}

static void assert_killed(fork_function *make, void (*body)(void *),
			  void *argument)
{
	int status = end_of_child(make, body, argument);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

/* ---- the memory ---- */

static void test_memory_is_gone(void **state)
{
	unsigned char *const places[] = {
		shared,              /* stored to */
		shared + 2 * PAGE,   /* loaded */
		shared + 20 * PAGE,  /* never touched */
		private + PAGE,      /* a copy of the program's own */
		private + 2 * PAGE,  /* never touched, but in memory */
		private + 21 * PAGE, /* never touched at all */
		pin.address,         /* the window, pinned */
		(unsigned char *)pin.address + 20 * PAGE,
	};

	(void)state;
	for (size_t way = 0; way < WAYS; way++)
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]);
		     i++) {
			assert_killed(ways[way], load, places[i]);
			assert_killed(ways[way], store, places[i]);
		}
	assert_undisturbed();
}

static void kernel_reads(void *argument)
{
	int ends[2];

	(void)argument;
	need(pipe(ends) == 0);
	need(write(ends[1], shared + 30 * PAGE, 1) == -1 && errno == EFAULT);
	need(write(ends[1], pin.address, 1) == -1 && errno == EFAULT);
	need(write(ends[1], "x", 1) == 1);
	need(read(ends[0], shared + 31 * PAGE, 1) == -1 && errno == EFAULT);
}

/* Nor does a system call bring zeros there. */
static void test_system_calls_find_nothing(void **state)
{
	(void)state;
	for (size_t way = 0; way < WAYS; way++)
		assert_int_equal(end_of_child(ways[way], kernel_reads, NULL),
				 0);
	assert_undisturbed();
}

/* A child may use the addresses for something of its own. */
static void map_anew(void *argument)
{
	unsigned char *own = mmap(shared, PAGES * PAGE, BOTH,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				  0);

	(void)argument;
	need(own == shared);
	memset(own, 0x55, PAGES * PAGE);
}

static void test_addresses_are_free(void **state)
{
	(void)state;
	for (size_t way = 0; way < WAYS; way++)
		assert_int_equal(end_of_child(ways[way], map_anew, NULL), 0);
	assert_undisturbed();
}

/* ---- the functions ---- */

static ssize_t no_read(void *context, void *buffer, size_t length,
		       uint64_t offset)
{
	(void)context;
	(void)buffer;
	(void)offset;
	return (ssize_t)length;
}

static void call_object_functions(void)
{
	struct quire_range range = { 0, PAGE };
	struct quire_pin other;
	char byte;

	need(quire_object_resize(object, PAGE) == -ECHILD);
	need(quire_object_allocate(object, 0, PAGE) == -ECHILD);
	need(quire_object_append(object, "x", 1, 0, NULL) == -ECHILD);
	need(quire_object_sync(object, 0, 0, MS_SYNC) == -ECHILD);
	need(quire_object_prefetch(object, &range, 1) == -ECHILD);
	need(quire_object_pread(object, &byte, 1, 0) == -ECHILD);
	need(quire_object_pwrite(object, "x", 1, 0) == -ECHILD);
	need(quire_object_zero(object, &range, 1) == -ECHILD);
	need(quire_object_pin(object, 0, 1, PROT_READ, &other) == -ECHILD);
	quire_object_unpin(&pin);
	need(quire_object_close(object) == -ECHILD);
	need(quire_object_close(NULL) == 0);
}

static void call_open_functions(void)
{
	const struct quire_pager_ops ops = { .size = sizeof(ops),
					     .read = no_read };
	struct quire_object *other;

	need(quire_object_open(quire, file.path, O_RDWR, NULL, &other) ==
	     -ECHILD);
	need(quire_object_open_fd(quire, file.fd, NULL, &other) == -ECHILD);
	need(quire_object_create_anonymous(quire, PAGE, NULL, &other) ==
	     -ECHILD);
	need(quire_object_create(quire, "x", PAGE, &ops, NULL, NULL, &other) ==
	     -ECHILD);
}

static void call_space_functions(void)
{
	struct quire_fault_report report;
	char byte;

	need(quire_mmap(space, NULL, PAGE, PROT_READ, MAP_SHARED, object, 0) ==
		     MAP_FAILED &&
	     errno == ECHILD);
	need(quire_munmap(space, shared, PAGE) == -1 && errno == ECHILD);
	need(quire_mprotect(space, shared, PAGE, PROT_READ) == -1 &&
	     errno == ECHILD);
	need(quire_msync(space, shared, PAGE, MS_SYNC) == -1 &&
	     errno == ECHILD);
	need(quire_peek(space, shared, &byte, 1) == -ECHILD);
	need(quire_poke(space, shared, &byte, 1) == -ECHILD);
	need(quire_guard(space, load, shared, &report) == -ECHILD);
	need(quire_space_report(space, QUIRE_REPORT_MAPS, stderr) == -ECHILD);
}

static void call_everything(void *argument)
{
	struct quire_statistics counts = { .size = sizeof(counts) };

	(void)argument;
	call_object_functions();
	call_open_functions();
	call_space_functions();
	need(quire_get_statistics(quire, &counts) == -ECHILD);
	need(quire_close(quire) == -ECHILD);
	need(strstr(quire_strerror_last(), "parent"));
	/* These need nothing that a child has not. */
	need(quire_object_size(object) == PAGES * PAGE);
	need(quire_trap_mode(quire));
	need(quire_version());
	need(quire_host_space(quire) == space);
}

static void of_a_child_of_a_child(void *argument)
{
	(void)argument;
	need(end_of_child(fork, call_everything, NULL) == 0);
}

static void test_functions_say_so(void **state)
{
	(void)state;
	assert_int_equal(end_of_child(fork, call_everything, NULL), 0);
	assert_int_equal(end_of_child(fork, of_a_child_of_a_child, NULL), 0);
	assert_undisturbed();
}

/* ---- the child's own ---- */

/* The thread sanitizer knows no threads in the child of a process with many. */
#if defined(__SANITIZE_THREAD__)
#define CHILD_MAY_HAVE_THREADS 0
#else
#define CHILD_MAY_HAVE_THREADS 1
#endif

static void use_own_engine(void *argument)
{
	struct quire_object *same;
	unsigned char *bytes;
	struct quire *own;

	(void)argument;
	if (!CHILD_MAY_HAVE_THREADS)
		return;
	own = open_engine(16 * PAGE);
	need(own);
	need(quire_object_open(own, file.path, O_RDONLY, NULL, &same) == 0);
	bytes = quire_mmap(quire_host_space(own), NULL, PAGES * PAGE, PROT_READ,
			   MAP_SHARED, same, 0);
	need(bytes != MAP_FAILED);
	for (size_t i = PAGE; i < PAGES * PAGE; i += 100)
		need(bytes[i] == byte_at(i));
	need(quire_peek(quire_host_space(own), bytes + PAGES * PAGE,
			&(char){ 0 }, 1) == -EFAULT);
	need(quire_object_close(same) == 0);
	need(quire_close(own) == 0);
	need(quire_close(quire) == -ECHILD);
}

static void use_own_engine_and_its_child(void *argument)
{
	use_own_engine(argument);
	need(end_of_child(fork, use_own_engine, NULL) == 0);
	use_own_engine(argument);
}

static void test_own_engine(void **state)
{
	(void)state;
	assert_int_equal(end_of_child(fork, use_own_engine, NULL), 0);
	assert_int_equal(end_of_child(fork, use_own_engine_and_its_child, NULL),
			 0);
	assert_undisturbed();
}

/* ---- other programs ---- */

static void test_spawned_programs(void **state)
{
	char *const arguments[] = { (char[]){ "true" }, NULL };
	char *const environment[] = { NULL };
	pid_t child;
	int status;

	(void)state;
	child = vfork();
	if (child == 0) {
		execve("/bin/true", arguments, environment);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(posix_spawn(&child, "/bin/true", NULL, NULL, arguments,
				     environment),
			 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(system("exit 7"), 7 << 8);
	assert_undisturbed();
}

/* ---- with threads at work ---- */

struct work {
	unsigned char *bytes;
	size_t pages;
	_Atomic bool stop;
	_Atomic unsigned rounds;
	_Atomic unsigned wrong;
};

/* Its own third of the pages, again and again. */
static void *work_on_pages(void *argument)
{
	struct work *work = argument;
	static _Atomic unsigned next;
	unsigned number = atomic_fetch_add(&next, 1) % 3;
	unsigned char value = 0;

	do {
		for (size_t i = number; i < work->pages; i += 3)
			if (work->bytes[i * PAGE] != value)
				atomic_fetch_add(&work->wrong, 1);
			else
				work->bytes[i * PAGE] =
					(unsigned char)(value + 1);
		value++;
		atomic_fetch_add(&work->rounds, 1);
	} while (!atomic_load(&work->stop));
	return NULL;
}

static void find_nothing(void *argument)
{
	struct work *work = argument;
	struct quire_statistics counts = { .size = sizeof(counts) };

	need(quire_get_statistics(quire, &counts) == -ECHILD);
	need(quire_msync(space, work->bytes, PAGE, MS_SYNC) == -1);
	load(work->bytes + 5 * PAGE);
}

/* Eight times the budget is stored to all the while. */
static void test_fork_among_faults(void **state)
{
	struct work work = { .pages = 2048 };
	pthread_t threads[3];

	(void)state;
	work.bytes = quire_mmap(space, NULL, work.pages * PAGE, BOTH,
				MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
	assert_ptr_not_equal(work.bytes, MAP_FAILED);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						work_on_pages, &work),
				 0);
	for (size_t i = 0; i < 20; i++) {
		assert_killed(ways[i % WAYS], load, work.bytes + 7 * PAGE);
		assert_killed(fork, find_nothing, &work);
	}
	assert_int_equal(end_of_child(fork, use_own_engine, NULL), 0);
	atomic_store(&work.stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_true(work.rounds >= 3);
	assert_int_equal(work.wrong, 0);
	assert_int_equal(quire_munmap(space, work.bytes, work.pages * PAGE), 0);
	assert_undisturbed();
}

/* The layout changes, engines come and go, and the process forks.  Engines
 * without a ring: its memory is liburing's, and the thread sanitizer does not
 * see it go. */
static void *change_things(void *argument)
{
	struct work *work = argument;

	do {
		struct quire_options options = { .size = sizeof(options),
						 .io = QUIRE_IO_THREADS };
		struct quire *own = NULL;
		unsigned char *bytes = quire_mmap(space, NULL, 8 * PAGE, BOTH,
						  MAP_SHARED, object, 0);

		if (quire_open(&options, &own) || bytes == MAP_FAILED ||
		    bytes[5 * PAGE] != byte_at(5 * PAGE) ||
		    quire_mprotect(space, bytes, PAGE, PROT_READ) ||
		    quire_munmap(space, bytes, 8 * PAGE) || quire_close(own))
			atomic_fetch_add(&work->wrong, 1);
		atomic_fetch_add(&work->rounds, 1);
	} while (!atomic_load(&work->stop));
	return NULL;
}

static void test_fork_among_changes(void **state)
{
	struct work work = { .bytes = shared };
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						change_things, &work),
				 0);
	for (int i = 0; i < 20; i++)
		assert_killed(fork, find_nothing, &work);
	atomic_store(&work.stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(work.wrong, 0);
	assert_undisturbed();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_memory_is_gone),
		TEST(test_system_calls_find_nothing),
		TEST(test_addresses_are_free),
		TEST(test_functions_say_so),
		TEST(test_own_engine),
		TEST(test_spawned_programs),
		TEST(test_fork_among_faults),
		TEST(test_fork_among_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
