/* futex_rwlock.h - a read-write lock of two words, for signal handlers as well */
/* SPDX-License-Identifier: MIT */
/*
 * What base/lock.h makes a ranked lock of.  A writer that waits keeps new
 * readers out, so they cannot starve him.  Uncontended a hold takes two locked
 * instructions; POSIX lets no handler take a pthread_rwlock_t, and glibc's
 * takes nearly twice as long.
 *
 * The states, and who wakes whom, are those of the RwLock on futexes in Rust's
 * standard library; docs/models/rwlock.pml holds this one to them.
 */
#ifndef QUIRE_BASE_FUTEX_RWLOCK_H
#define QUIRE_BASE_FUTEX_RWLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero: free. */
struct futex_rwlock {
	_Atomic uint32_t state; /* readers sleep on it */
	_Atomic uint32_t turns; /* writers do; how often one was woken */
};

void futex_rwlock_read(struct futex_rwlock *lock);
/* False: a writer has it, or waits for it. */
bool futex_rwlock_try_read(struct futex_rwlock *lock);
void futex_rwlock_write(struct futex_rwlock *lock);
void futex_rwlock_end_read(struct futex_rwlock *lock);
void futex_rwlock_end_write(struct futex_rwlock *lock);
/* Nobody has it or waits for it. */
bool futex_rwlock_is_free(const struct futex_rwlock *lock);

#endif
