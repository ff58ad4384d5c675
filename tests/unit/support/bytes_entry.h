/* For tables of cases: a view of a literal that may initialise static storage, NULs included. */
#ifndef PARTY_TESTS_BYTES_ENTRY_H
#define PARTY_TESTS_BYTES_ENTRY_H

#include "base/bytes.h"

#define BYTES_ENTRY(literal)                            \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }

#endif
