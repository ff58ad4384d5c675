/* --show-state: prints the records of a state directory, without their secrets. */
#ifndef PARTY_SERVER_SHOW_STATE_H
#define PARTY_SERVER_SHOW_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

/*
 * Prints each record as one JSON object on a line of its own, and changes nothing. False: not all
 * could be read or printed, and `ret_why` says why.
 */
MUST_CHECK bool show_state(const char *directory, char *ret_why, size_t why_capacity);

#endif
