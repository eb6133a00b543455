/* mmu_world.h - a host mmu, a memory to map, a thread that touches a byte */
/* SPDX-License-Identifier: MIT */
/*
 * An object is a memfd here: page i begins with 'a' + i when it is resident.
 * A thread of the test touches one byte; the test reads its trap and answers.
 */
#ifndef QUIRE_TESTS_MMU_WORLD_H
#define QUIRE_TESTS_MMU_WORLD_H

#include "mmu/mmu.h"
#include "os/memory.h"
#include "unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

#define PAGES 8
#define LENGTH (PAGES * PAGE_SIZE)

static struct mmu *mmu;
static uint64_t base; /* where everything is mapped */

/* The program has put handlers of its own in place: ours go before them. */
static void (*arm_traps)(void);

/* ---- a thread that touches a byte ---- */

struct touch {
	pthread_t thread;
	uint64_t address;
	bool write;
	unsigned char byte; /* loaded, or to be stored */
	int signal;         /* that it got; 0: none */
	int code;
};

static _Thread_local sigjmp_buf after_signal;
static _Thread_local struct touch *touching;

static inline void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)context;
	touching->signal = signal;
	touching->code = info->si_code;
	siglongjmp(after_signal, 1);
}

static inline void *touch_it(void *argument)
{
	struct touch *touch = argument;
	volatile unsigned char *byte =
		(unsigned char *)(uintptr_t)touch->address;

	touching = touch;
	if (sigsetjmp(after_signal, 1))
		return NULL;
	if (touch->write)
		*byte = touch->byte;
	else
		touch->byte = *byte;
	return NULL;
}

/* cmocka puts its own handlers in place before each test. */
static inline void start(struct touch *touch)
{
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	if (arm_traps)
		arm_traps();
	assert_int_equal(pthread_create(&touch->thread, NULL, touch_it, touch),
			 0);
}

static inline void start_load(struct touch *touch, uint64_t address)
{
	*touch = (struct touch){ .address = address };
	start(touch);
}

static inline void start_store(struct touch *touch, uint64_t address,
			       unsigned char byte)
{
	*touch = (struct touch){ .address = address,
				 .write = true,
				 .byte = byte };
	start(touch);
}

/* Waits for its end; what it loaded. */
static inline unsigned char finish(struct touch *touch)
{
	pthread_join(touch->thread, NULL);
	assert_int_equal(touch->signal, 0);
	return touch->byte;
}

static inline void finish_by(struct touch *touch, int signal)
{
	pthread_join(touch->thread, NULL);
	assert_int_equal(touch->signal, signal);
}

/* Returns whether the page was shown. */
static inline bool expect_trap(uint64_t address, bool write)
{
	struct pollfd poll_fd = { .fd = mmu_traps_fd(mmu), .events = POLLIN };
	struct mmu_trap trap;

	assert_int_equal(poll(&poll_fd, 1, -1), 1);
	assert_int_equal(mmu_take_traps(mmu, &trap, 1), 1);
	assert_int_equal(trap.address & ~PAGE_MASK, address & ~PAGE_MASK);
	assert_int_equal(trap.write, write);
	return trap.shown;
}

static inline void expect_no_trap(void)
{
	struct mmu_trap trap;

	assert_int_equal(mmu_take_traps(mmu, &trap, 1), 0);
}

/* These need no answer: a trap would be left, or the test would hang. */
static inline unsigned char load(uint64_t address)
{
	struct touch touch;

	start_load(&touch, address);
	return finish(&touch);
}

static inline void store(uint64_t address, unsigned char byte)
{
	struct touch touch;

	start_store(&touch, address, byte);
	finish(&touch);
}

/* ---- the memory ---- */

static inline int close_mmu(void **state)
{
	(void)state;
	mmu_destroy(mmu);
	mmu_destroy(NULL);
	return 0;
}

static inline void fill_page(int memory, unsigned page)
{
	unsigned char byte = (unsigned char)('a' + page);

	assert_int_equal(memory_file_write(memory, &byte, 1, page * PAGE_SIZE),
			 0);
}

static inline int open_memory(void **state)
{
	static int memory;

	assert_int_equal(memory_file_create("test", &memory), 0);
	assert_int_equal(memory_file_resize(memory, LENGTH), 0);
	*state = &memory;
	return 0;
}

static inline int close_memory(void **state)
{
	expect_no_trap();
	assert_int_equal(mmu_unmap(mmu, base, 2 * LENGTH), 0);
	close(*(int *)*state);
	return 0;
}

static inline unsigned char byte_of(int memory, uint64_t offset)
{
	unsigned char byte;

	assert_int_equal(memory_file_read(memory, &byte, 1, offset), 0);
	return byte;
}

static inline struct mmu_mapping mapping_of(int memory, bool shared)
{
	return (struct mmu_mapping){
		.start = base,
		.length = LENGTH,
		.prot = PROT_READ | PROT_WRITE,
		.shared = shared,
		.memory = memory,
	};
}

static inline void map(int memory, bool shared)
{
	struct mmu_mapping mapping = mapping_of(memory, shared);

	assert_int_equal(mmu_map(mmu, &mapping), 0);
}

/* As the object does it when a page leaves. */
static inline void punch(int memory, uint64_t page, uint64_t count)
{
	uint64_t offset = page * PAGE_SIZE, length = count * PAGE_SIZE;

	if (mmu_must_hide(mmu))
		assert_int_equal(mmu_hide(mmu, base + offset, length), 0);
	assert_int_equal(memory_file_punch(memory, offset, length), 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_memory, close_memory)

#endif
