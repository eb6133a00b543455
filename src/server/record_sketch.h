/* record_sketch.h - about how many distinct pages, in a kilobyte */
/* SPDX-License-Identifier: MIT */
/*
 * HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, 2007) with 1024 registers: a
 * standard error of 3 %.  The sketch of two sets together is the greater of
 * each register, so bins of time merge without loss.
 */
#ifndef QUIRE_SERVER_RECORD_SKETCH_H
#define QUIRE_SERVER_RECORD_SKETCH_H

#include <stdint.h>

#define SKETCH_REGISTERS 1024u

/* hash: of distance_hash(). */
void sketch_add(uint8_t *sketch, uint64_t hash);
void sketch_merge(uint8_t *sketch, const uint8_t *other);
double sketch_count(const uint8_t *sketch);

#endif
