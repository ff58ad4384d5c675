/*
 * A strict JSON validator (RFC 8259) that yields views.
 *
 * One pass, no tree, no recursion, no allocation. It takes a text that is known to be UTF-8. A
 * value is described by its kind and by the span of bytes that it was written in, so that it can
 * be spliced into another text verbatim.
 *
 *     struct json_walk walk;
 *     json_walk_begin(&walk, text);
 *     while (json_walk_next(&walk, &key, &value) == JSON_NEXT_MEMBER) ...
 */
#ifndef PARTY_PROTO_JSON_H
#define PARTY_PROTO_JSON_H

#include "base/bytes.h"

#define JSON_DEPTH_MAX 1024 /* nested arrays and objects, the outermost counted */

enum json_kind {
    JSON_ABSENT, /* no such value; what a zeroed json_value says */
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_value {
    enum json_kind kind;
    bool has_escapes; /* of a string: it contains a backslash */
    struct bytes raw; /* as written, without white space around it; strings with their quotes */
};

/* What a whole text is, white space around it allowed. JSON_ABSENT: it is not JSON, or too deep. */
enum json_kind json_validate(struct bytes text);

/* Which container each level of nesting is, one bit a level. */
struct json_nesting {
    uint32_t depth;
    uint64_t is_object[JSON_DEPTH_MAX / 64];
};

/*
 * What a go that ended within a run of one kind had read of it: white space, digits, or a string.
 * The next go passes over it at once.
 */
struct json_run {
    const uint8_t *from;
    const uint8_t *to;
    uint8_t kind;     /* enum run_kind */
    bool has_escapes; /* of a string */
};

#define JSON_RUNS_MAX 8 /* in one step: a member's key, and what is around it */

/*
 * Walks over a text, validating as it goes, and yields the members of the object that it consists
 * of. A long text may be walked over in several goes: see json_walk_allow().
 */
struct json_walk {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *pause;   /* where a go ends */
    const uint8_t *reached; /* where the last one ended, in the middle of a step */
    bool is_object;         /* what the text consists of, once it is known; if not, no members */
    bool is_first;          /* no member has been read yet */
    uint8_t stage;          /* enum stage */
    uint8_t step;           /* enum step, within a container */
    uint8_t run_count;
    struct json_run runs[JSON_RUNS_MAX]; /* that the last go ended in, or passed in the same step */
    struct json_value key;
    struct json_value value;
    struct json_nesting nesting;
};

enum json_next {
    JSON_NEXT_MEMBER,
    JSON_NEXT_END,     /* the text ended: all of it was valid */
    JSON_NEXT_INVALID, /* the text is not JSON, or too deep */
    JSON_NEXT_PAUSED,  /* the go is over: allow more, and ask again */
};

void json_walk_begin(struct json_walk *walk, struct bytes text);

/*
 * The next go may read so many bytes, at least one; without it there is one, to the end. It ends
 * anywhere: in the middle of a number, of a string or of white space, too.
 */
void json_walk_allow(struct json_walk *walk, size_t length);

enum json_next json_walk_next(struct json_walk *walk, struct json_value *ret_key,
                              struct json_value *ret_value);

/* For json_string_equals(), where the string has escapes. */
bool json_string_equals_decoded(const struct json_value *string, struct bytes text);

/* Whether a string, its escapes decoded, equals `text`, which is plain ASCII. */
static inline bool json_string_equals(const struct json_value *string, struct bytes text)
{
    if (string->has_escapes)
        return json_string_equals_decoded(string, text);
    return string->raw.length == text.length + 2 &&
           memcmp(string->raw.data + 1, text.data, text.length) == 0;
}

#define JSON_NUMBER_BYTES_MAX 1024 /* that a number may have to be converted */

/*
 * Decodes a number to the nearest double, as JavaScript would (1e400 is infinite). One of more than
 * JSON_NUMBER_BYTES_MAX is none (NaN): nobody means it, and it would take long. `value` must be
 * a member of an object whose text was walked over to its end: the conversion relies on a byte
 * behind the number that ends it.
 */
double json_member_number(const struct json_value *value);

/* The result of canonicalising a string. */
struct json_string_sizes {
    size_t written; /* bytes of the canonical form */
    size_t decoded; /* bytes of the string itself in UTF-8; a lone surrogate counts three */
};

/*
 * Writes a string's one canonical form, without quotes, into `out`: escaped only where it must be
 * (quote, backslash, controls, lone surrogates), as JavaScript's JSON.stringify writes it. Two
 * strings are equal if and only if their canonical forms are the same bytes. It is never longer
 * than six bytes for each decoded byte. False when `capacity` is too small.
 */
bool json_string_canonicalize(const struct json_value *string, uint8_t *out, size_t capacity,
                              struct json_string_sizes *ret_sizes);

/*
 * Writes what a string is, in UTF-8, without quotes. False when `capacity` is too small, or when
 * the string has a surrogate that stands alone, which UTF-8 can't tell; `*ret_length` is then what
 * had been written before.
 */
bool json_string_decode(const struct json_value *string, uint8_t *out, size_t capacity,
                        size_t *ret_length);

/*
 * The length of a value's compact form: without white space outside of strings, and strings in
 * their canonical form. Numbers count as they are written.
 */
size_t json_compact_length(struct bytes raw);

#endif
