/*
 * Room codes: 4 characters of an alphabet of 32 in protocol 1, 6 characters of base58 in
 * protocol 2.
 *
 * A code is kept as a number: below CODE_1_COUNT for protocol 1, from CODE_2_FIRST on for protocol
 * 2, so that it says which protocol its room speaks, and the number modulo the number of loops says
 * which loop the room lives on.
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

#define CODE_REGION_NONE 32 /* no known region; the five bits are random */

static inline enum protocol code_protocol(uint64_t code)
{
    return code < CODE_1_COUNT ? PROTOCOL_1 : PROTOCOL_2;
}

static inline uint32_t code_owner(uint64_t code, uint32_t loop_count)
{
    return (uint32_t)(code % loop_count);
}

/*
 * The code that 64 random bits make. Of protocol 2, the five highest bits are the region's index,
 * where there is one.
 */
uint64_t code_from_random(enum protocol protocol, uint32_t region, uint64_t random);

/* Writes a code, most significant character first, and returns its length. */
size_t code_write(uint64_t code, uint8_t ret_text[CODE_LENGTH_MAX]);

/*
 * Reads what somebody typed: lower case letters of a short code are raised first, a long one is
 * taken as it is. False when no room can ever have such a code.
 */
bool code_read(struct bytes text, uint64_t *ret_code);

/* Whether a code reads as one of the words of obscene_codes.txt, look-alikes folded. */
bool code_is_obscene(uint64_t code);

/* The place of a region in the list of those that codes can tell; CODE_REGION_NONE: not in it. */
uint32_t code_region_index(struct bytes region);

/* The region that a code tells; empty for none. */
struct bytes code_region(uint64_t code);

#endif
