/* interpreter.h - is a program one that ld.so loads? */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_INTERPRETER_H
#define QUIRE_CLI_INTERPRETER_H

#include <stdbool.h>

/* The program of that name, or the interpreter of a script, is linked statically.
 * False also where that cannot be told. */
bool interpreter_lacks(const char *name);

#endif
