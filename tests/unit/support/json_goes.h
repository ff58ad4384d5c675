/* Walks over a JSON text as a long message is: a part at a time. */
#ifndef PARTY_TESTS_JSON_GOES_H
#define PARTY_TESTS_JSON_GOES_H

#include "proto/json.h"

/* What the text is when it is walked over in goes of `length` bytes. */
static inline enum json_kind json_kind_in_goes(struct bytes text, size_t length)
{
    struct json_walk walk;
    struct json_value key;
    struct json_value value;
    enum json_next next;
    json_walk_begin(&walk, text);
    do {
        json_walk_allow(&walk, length);
        next = json_walk_next(&walk, &key, &value);
    } while (next == JSON_NEXT_MEMBER || next == JSON_NEXT_PAUSED);
    if (next == JSON_NEXT_INVALID)
        return JSON_ABSENT;
    return walk.is_object ? JSON_OBJECT : walk.value.kind;
}

#endif
