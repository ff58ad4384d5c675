/* Members of a JSON object by their known names. */
#ifndef PARTY_PROTO_JSON_FIELDS_H
#define PARTY_PROTO_JSON_FIELDS_H

#include "proto/json.h"

/* The place of this name among `count` ones, which are plain ASCII; `count`: it is none of them. */
uint32_t json_field_find(const char *const *names, uint32_t count, const struct json_value *key);

/*
 * Reads the members of a text that have one of these names; of two with one name the last counts. A
 * value that is not there is JSON_ABSENT. Also adds up the bytes of `,"name":value` for all other
 * members. The result is JSON_NEXT_END, or JSON_NEXT_INVALID; ret_is_object says if the text is an
 * object.
 */
enum json_next json_fields_read(struct bytes text, const char *const *names, uint32_t count,
                                struct json_value *ret_values, size_t *ret_unknown_length,
                                bool *ret_is_object);

#endif
