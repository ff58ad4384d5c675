/* Numbers in the binary messages between nodes: eight bytes each, the lowest one first. */
#ifndef PARTY_CLUSTER_NUMBERS_H
#define PARTY_CLUSTER_NUMBERS_H

#include "base/writer.h"

/* Reads the eight bytes there. */
static inline uint64_t number_read(const uint8_t *data)
{
    uint64_t number = 0;
    for (uint32_t i = 8; i-- > 0;)
        number = number << 8 | data[i];
    return number;
}

static inline void number_write(struct writer *writer, uint64_t number)
{
    for (uint32_t i = 0; i < 8; i++)
        writer_put_byte(writer, (uint8_t)(number >> 8 * i));
}

#endif
