/* guard.h - a signal becomes a return value */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_GUARD_H
#define QUIRE_FAULT_GUARD_H

#include "fault/fault.h"

/* What stopped a guarded body; all 0 if nothing did. */
struct guard_report {
	void *address;
	int signal;
	int code;
	int error;
};

/*
 * Runs body(argument); leaves it by a long jump when it touches what cannot be
 * had in the handler's space.  The error, with its sentence, or 0.
 */
int guard_run(struct fault_handler *handler, void (*body)(void *),
	      void *argument, struct guard_report *report);

/*
 * How much of [start, start+length) is mapped in the handler's space without a
 * hole, from start on; what grows downwards grows for it.
 */
size_t guard_covered(struct fault_handler *handler, uint64_t start,
		     size_t length);

/* Copies length bytes between the space and a buffer outside it. */
int guard_copy_out(struct fault_handler *handler, const void *address,
		   void *out, size_t length);
int guard_copy_in(struct fault_handler *handler, void *address, const void *in,
		  size_t length);

#endif
