/*
 * Room codes of protocol 1: 4 characters of an alphabet of 32, which are 20 bits.
 *
 * A room's code says which loop the room lives on: the code's number modulo the number of loops.
 */
#ifndef PARTY_RELAY_CODE_H
#define PARTY_RELAY_CODE_H

#include "base/bytes.h"

#define CODE_LENGTH 4
#define CODE_COUNT (1u << 20) /* 32 to the power of CODE_LENGTH */

/* Writes the code of a number below CODE_COUNT, most significant character first. */
void code_write(uint32_t number, uint8_t ret_code[CODE_LENGTH]);

/*
 * Reads what somebody typed: lower case letters are raised first. False when no room can ever have
 * such a code.
 */
bool code_read(struct bytes text, uint32_t *ret_number);

/* Whether a code reads as one of the words of obscene_codes.txt, look-alikes folded. */
bool code_is_obscene(const uint8_t code[CODE_LENGTH]);

static inline uint32_t code_owner(uint32_t number, uint32_t loop_count)
{
    return number % loop_count;
}

#endif
