/*
 * UTF-8 for the tests: slow, and written so that it can be seen to be right. It shares no idea with
 * src/proto/utf8.c: characters are put together by arithmetic, then judged by their code point.
 */
#ifndef PARTY_TESTS_SIMPLE_UTF8_H
#define PARTY_TESTS_SIMPLE_UTF8_H

#include "base/bytes.h"

/* The length of the longest prefix of `text` that more bytes could make valid UTF-8. */
size_t simple_utf8_possible_length(struct bytes text);

bool simple_utf8_is_valid(struct bytes text);

/*
 * The character that `text` begins with: its length in bytes, and its code point. 0 when there is
 * no whole one.
 */
size_t simple_utf8_decode(struct bytes text, uint32_t *ret_code_point);

#endif
