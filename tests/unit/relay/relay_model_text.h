/*
 * What both models of rooms read in messages: values of JSON, codes and URLs. Slow and simple, and
 * with no function of the relay.
 */
#ifndef PARTY_TESTS_RELAY_MODEL_TEXT_H
#define PARTY_TESTS_RELAY_MODEL_TEXT_H

#include "base/attributes.h"
#include "fuzz/simple_json.h"
#include "relay/event.h"

/* No code of protocol 1 or 2 consists of these letters alone, large or small. */
#define LETTERS_3 "BCDFGHJKLMNPQRSTVWXZ"

/* What is expected, as text; to be freed. */
PRINTF_LIKE(1, 2) char *format_text(const char *format, ...);

/* The canonical form of a string; to be freed. */
char *canonical_form(struct simple_value string);

bool is_non_empty_string(struct simple_value value);

/* The bytes that a string has in UTF-8. */
size_t decoded_length(struct simple_value string);

/* What the number of a value is for JavaScript. */
double number_of(struct simple_value value);

/* The code that somebody typed, and the number that it stands for. False: no room can have it. */
bool read_code(struct simple_value typed, char ret_code[CODE_LENGTH_MAX + 1], uint64_t *ret_number);

/* Whether a surrogate stands alone, which UTF-8 does not have. */
bool has_half(const struct simple_string *string);

/* What is wrong with the `url` of a `create`, to be freed; or NULL. In protocol 3 http may do. */
char *url_fault(const struct instance *instance, struct simple_value url, bool allows_near);

/* What is told of the url in a room that has this code, when nothing is wrong; to be freed. */
char *filled_url(const struct instance *instance, struct simple_value url, const char *code);

#endif
