/*
 * Room codes: 4 characters of an alphabet of 32 in protocol 1, 6 characters of base58 in protocol
 * 2, 4 to 12 letters of an alphabet of 20 in protocol 3.
 *
 * In memory a code is a number: below CODE_1_COUNT for protocol 1, from CODE_2_FIRST on for
 * protocol 2, from CODE_3_FIRST on for protocol 3, where the codes of each length follow those of
 * the shorter lengths. So the number tells which protocol the room speaks. The number modulo the
 * number of loops tells which loop owns the room.
 *
 * A text is a code of one protocol only: 4 to 12 letters of protocol 3 are a code of protocol 3,
 * though protocol 1 or 2 could spell them, too. So some numbers of protocols 1 and 2 do not read
 * back, and no room may have them: see code_reads_back().
 */
#ifndef PARTY_RELAY_CODE_H
#define PARTY_RELAY_CODE_H

#include "base/bytes.h"
#include "relay/protocol.h"

#define CODE_1_LENGTH 4
#define CODE_2_LENGTH 6
#define CODE_3_LENGTH_LEAST 4
#define CODE_3_LENGTH_MOST 12
#define CODE_LENGTH_MAX CODE_3_LENGTH_MOST

/* A text that is longer, with its spaces and hyphens, is no code. */
#define CODE_TYPED_BYTES_MAX 64

#define CODE_1_COUNT ((uint64_t)1 << 20) /* 32 to the power of CODE_1_LENGTH */
#define CODE_2_COUNT ((uint64_t)1 << 35)
#define CODE_2_FIRST CODE_2_COUNT
#define CODE_3_FIRST (CODE_2_FIRST + CODE_2_COUNT)

#define CODE_REGION_NONE 32 /* no known region: the five bits, or the first letter, are random */

static inline enum protocol code_protocol(uint64_t code)
{
    if (code >= CODE_3_FIRST)
        return PROTOCOL_3;
    return code < CODE_1_COUNT ? PROTOCOL_1 : PROTOCOL_2;
}

static inline uint32_t code_owner(uint64_t code, uint32_t loop_count)
{
    return (uint32_t)(code % loop_count);
}

/*
 * Makes a code of protocol 1 or 2 from 64 random bits. In protocol 2, the five highest bits are the
 * region's index, unless it is CODE_REGION_NONE. The caller draws again when the code does not read
 * back.
 */
uint64_t code_from_random(enum protocol protocol, uint32_t region, uint64_t random);

/*
 * Makes a code of protocol 3 with `length` letters (CODE_3_LENGTH_LEAST to CODE_3_LENGTH_MOST) from
 * 64 random bits. The first letter is that of the region's index, unless the index is
 * CODE_REGION_NONE. No code is more probable than another by more than one part in 4,000.
 */
uint64_t code_3_from_random(uint32_t length, uint32_t region, uint64_t random);

/*
 * The number of letters that a new code of protocol 3 needs, so that a random text of so many
 * letters names one of `room_count` live rooms (the new room included) with a chance below 1 in
 * 20,000 when the creator `is_near` (its address is private or loopback), else below 1 in
 * 1,000,000. The first letter does not count as random, unless the region's index is
 * CODE_REGION_NONE. At most CODE_3_LENGTH_MOST, also when that is too few.
 */
uint32_t code_length_needed(uint64_t room_count, bool is_near, uint32_t region);

/* Writes a code, most significant character first, and returns its length. */
size_t code_write(uint64_t code, uint8_t ret_text[CODE_LENGTH_MAX]);

/*
 * Reads a code that a person has typed. Lower case letters are accepted in a code of protocol 1 or
 * 3; in one of protocol 2 they are different letters. Spaces and hyphens may be anywhere in a code
 * of protocol 3, and nowhere in another. False: no room can have such a code.
 */
bool code_read(struct bytes text, uint64_t *ret_code);

/* Reads a code in the path of a URL, which may have percent-escapes. False as in code_read(). */
bool code_read_escaped(struct bytes text, uint64_t *ret_code);

/*
 * Whether the text of a code is read as this code. False for a code of protocol 1 or 2 that
 * consists of letters of protocol 3 alone, in any case; no room may have such a code.
 */
bool code_reads_back(uint64_t code);

/* Whether people may read a word of obscene_codes.txt in a code, also by look-alike characters. */
bool code_is_obscene(uint64_t code);

/* The index of a region among those that codes can name; CODE_REGION_NONE: it is not among them. */
uint32_t code_region_index(struct bytes region);

/*
 * The region that a code names; empty: none. A code of protocol 2 or 3 that was made without a
 * region names a random one or none. So a server goes by the result only if its own region is
 * known: it has made no such code, and takes it that its neighbours have regions, too.
 */
struct bytes code_region(uint64_t code);

#endif
