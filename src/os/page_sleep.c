/* page_sleep.c - threads that sleep, in a signal handler, until a page is shown */
/* SPDX-License-Identifier: MIT */
#include "os/page_sleep.h"

#include "base/base.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLACES 1024u

struct page_sleep_place {
	_Atomic uint32_t wakes; /* a futex */
	_Atomic uint32_t sleepers;
};

static struct page_sleep_place places[PLACES];

static struct page_sleep_place *place_of(uint64_t address)
{
	uint64_t hash = (address >> PAGE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15);

	return &places[hash >> 54];
}

static void wake_place(struct page_sleep_place *place)
{
	atomic_fetch_add(&place->wakes, 1); /* page_sleep() */
	if (atomic_load(&place->sleepers))
		syscall(SYS_futex, &place->wakes, FUTEX_WAKE_PRIVATE, INT_MAX,
			NULL, NULL, 0);
}

void page_sleep_wake(uint64_t start, uint64_t length)
{
	if (length >> PAGE_SHIFT >= PLACES) {
		for (unsigned i = 0; i < PLACES; i++)
			wake_place(&places[i]);
		return;
	}
	for (uint64_t at = start; at < start + length; at += PAGE_SIZE)
		wake_place(place_of(at));
}

void page_sleep_prepare(struct page_sleep *sleep, uint64_t address)
{
	sleep->place = place_of(address);
	sleep->wakes = atomic_load(&sleep->place->wakes);
}

/* Either the sleeper sees the wake-up, or who wakes sees the sleeper. */
void page_sleep(struct page_sleep *sleep)
{
	atomic_fetch_add(&sleep->place->sleepers, 1); /* wake_place() */
	while (atomic_load(&sleep->place->wakes) == sleep->wakes)
		syscall(SYS_futex, &sleep->place->wakes, FUTEX_WAIT_PRIVATE,
			sleep->wakes, NULL, NULL, 0);
	atomic_fetch_sub(&sleep->place->sleepers, 1); /* the same */
}
