/* page_sleep.h - threads that sleep, in a signal handler, until a page is shown */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OS_PAGE_SLEEP_H
#define QUIRE_OS_PAGE_SLEEP_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Sleepers stand in one of 1024 places of the process, by their page.  Each has
 * a count of wake-ups, read before the page is looked at: a wake-up after that
 * look ends the sleep.  Whoever is woken for a neighbour's sake traps again.
 *
 * All is fit for a signal handler: atomics and system calls.  A handler that
 * interrupts the sleep may leave it by a long jump: then one sleeper too many
 * is counted, and wake-ups of that place cost a system call.
 */
struct page_sleep {
	struct page_sleep_place *place;
	uint32_t wakes; /* until now */
};

/* Before the page is looked at.  Who then need not sleep does no more. */
void page_sleep_prepare(struct page_sleep *sleep, uint64_t address);
/* Until somebody wakes the page, or has since it was prepared. */
void page_sleep(struct page_sleep *sleep);

/* Whoever sleeps on a page of the range tries again. */
void page_sleep_wake(uint64_t start, uint64_t length);

#endif
