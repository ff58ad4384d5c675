/*
 * Room codes: 4 characters of an alphabet of 32 in protocol 1, 6 characters of base58 in protocol
 * 2.
 *
 * In memory a code is a number: below CODE_1_COUNT for protocol 1, from CODE_2_FIRST on for
 * protocol 2. So the number tells which protocol the room speaks. The number modulo the number of
 * loops tells which loop owns the room.
 */
#ifndef PARTY_RELAY_CODE_H
#define PARTY_RELAY_CODE_H

#include "base/bytes.h"
#include "relay/protocol.h"

#define CODE_1_LENGTH 4
#define CODE_2_LENGTH 6
#define CODE_LENGTH_MAX CODE_2_LENGTH

#define CODE_1_COUNT ((uint64_t)1 << 20) /* 32 to the power of CODE_1_LENGTH */
#define CODE_2_COUNT ((uint64_t)1 << 35)
#define CODE_2_FIRST CODE_2_COUNT

#define CODE_REGION_NONE 32 /* no known region: the five bits are random */

static inline enum protocol code_protocol(uint64_t code)
{
    return code < CODE_1_COUNT ? PROTOCOL_1 : PROTOCOL_2;
}

static inline uint32_t code_owner(uint64_t code, uint32_t loop_count)
{
    return (uint32_t)(code % loop_count);
}

/*
 * Makes a code from 64 random bits. In protocol 2, the five highest bits are the region's index,
 * unless it is CODE_REGION_NONE.
 */
uint64_t code_from_random(enum protocol protocol, uint32_t region, uint64_t random);

/* Writes a code, most significant character first, and returns its length. */
size_t code_write(uint64_t code, uint8_t ret_text[CODE_LENGTH_MAX]);

/*
 * Reads a code that a person has typed. Lower case letters are accepted in a code of protocol 1; in
 * one of protocol 2 they are different letters. False: no room can have such a code.
 */
bool code_read(struct bytes text, uint64_t *ret_code);

/* Whether people may read a word of obscene_codes.txt in a code, also by look-alike characters. */
bool code_is_obscene(uint64_t code);

/* The index of a region among those that codes can name; CODE_REGION_NONE: it is not among them. */
uint32_t code_region_index(struct bytes region);

/* The region that a code names; empty: none. */
struct bytes code_region(uint64_t code);

#endif
