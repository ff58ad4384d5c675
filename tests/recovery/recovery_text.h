/*
 * The texts of players and servers: objects of JSON that hold what the tests need, read member by
 * member. A member that is absent, or of another kind, reads as nothing.
 */
#ifndef PARTY_TESTS_RECOVERY_TEXT_H
#define PARTY_TESTS_RECOVERY_TEXT_H

#include "base/attributes.h"
#include "proto/json.h"

#define TEXT_NO_NUMBER UINT64_MAX
#define TEXT_STRING_MAX 64 /* of a string that is read, with its NUL */
#define TEXT_LIST_MAX 64   /* numbers in a list */

/* The member with this name; JSON_ABSENT: there is none, or the text is no object. */
struct json_value text_member(struct bytes text, const char *name);

/* A whole number from 0 on. */
uint64_t text_number(struct bytes text, const char *name);

bool text_is_true(struct bytes text, const char *name);
bool text_has_string(struct bytes text, const char *name, const char *value);

/* A string without escapes. One that is longer than TEXT_STRING_MAX reads as nothing. */
void text_string(struct bytes text, const char *name, char out[TEXT_STRING_MAX]);

/* The numbers at the beginning of a list. Returns how many there are, at most TEXT_LIST_MAX. */
uint32_t text_list(struct bytes text, const char *name, uint32_t out[TEXT_LIST_MAX]);

/* What printf() prints, to be freed. */
PRINTF_LIKE(1, 2) char *text_format(const char *format, ...);

#endif
