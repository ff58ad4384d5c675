/*
 * Memory that a server asks for and does not get, where the seed wants it: the program is linked
 * with --wrap, so that malloc() of all but the C library comes by here. Only what is asked for in a
 * loop's turn is ever refused; the network and the clients, which are called in a turn, too, use
 * certain memory.
 */
#ifndef PARTY_TESTS_REFUSALS_H
#define PARTY_TESTS_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* None is refused until refusals_next(). */
void refusals_begin(void);

/* The one that is asked for after so many others, in a turn, is refused; 0: none is. */
void refusals_next(uint64_t number);

/* Whether that is so now. */
bool refusals_are_in_turn(void);

/* A turn begins or ends. */
void refusals_enter_turn(void);
void refusals_leave_turn(void);

/* How many were refused so far. */
uint64_t refusals_count(void);

/* The process ends when there is none. */
void *certain_malloc(size_t size);
void *certain_calloc(size_t count, size_t size);
void *certain_realloc(void *pointer, size_t size);

#endif
