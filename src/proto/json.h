/*
 * A strict JSON validator (RFC 8259) that yields views.
 *
 * It makes one pass, without tree, recursion or allocation. The text must be known to be UTF-8. A
 * value is described by its kind and by the bytes that it was written in, so another text can
 * contain it unchanged.
 *
 *     struct json_walk walk;
 *     json_walk_begin(&walk, text);
 *     while (json_walk_next(&walk, &key, &value) == JSON_NEXT_MEMBER) ...
 */
#ifndef PARTY_PROTO_JSON_H
#define PARTY_PROTO_JSON_H

#include "base/bytes.h"

#define JSON_DEPTH_MAX 1024 /* nested arrays and objects, including the outermost one */

enum json_kind {
    JSON_ABSENT, /* no such value; the kind of a zeroed json_value */
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
    struct bytes raw; /* as written, without white space around it; a string has its quotes */
};

/*
 * Returns the kind of a whole text, which may have white space around it. JSON_ABSENT: it is not
 * JSON, or nested too deeply.
 */
enum json_kind json_validate(struct bytes text);

/* The kind of container at each level of nesting, one bit for a level. */
struct json_nesting {
    uint32_t depth;
    uint64_t is_object[JSON_DEPTH_MAX / 64];
};

/*
 * How far a slice has read a run of white space, digits or string at its end. The next slice skips
 * that part.
 */
struct json_run {
    const uint8_t *from;
    const uint8_t *to;
    uint8_t kind;     /* enum run_kind */
    bool has_escapes; /* of a string */
};

#define JSON_RUNS_MAX 8 /* in one step: the key of a member, and white space around it */

/*
 * Walks over a text, validates it, and yields the members if the text is an object. A long text may
 * be walked over in several slices: see json_walk_allow().
 */
struct json_walk {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *pause;   /* where the slice ends */
    const uint8_t *reached; /* where the last slice ended, within a step */
    /* Whether the text is an object, once that is known; if not, it yields no members. */
    bool is_object;
    bool is_first; /* no member was read yet */
    uint8_t stage; /* enum stage */
    uint8_t step;  /* enum step, within a container */
    uint8_t run_count;
    struct json_run runs[JSON_RUNS_MAX]; /* the runs of the step in which the last slice ended */
    struct json_value key;
    struct json_value value;
    struct json_nesting nesting;
};

enum json_next {
    JSON_NEXT_MEMBER,
    JSON_NEXT_END,     /* the end of the text, all of which is valid */
    JSON_NEXT_INVALID, /* the text is not JSON, or nested too deeply */
    JSON_NEXT_PAUSED,  /* the slice has ended: call json_walk_allow() and repeat */
};

void json_walk_begin(struct json_walk *walk, struct bytes text);

/*
 * Sets the length of the next slice, at least 1. Without this call, one slice contains the whole
 * text. A slice may end anywhere, even within a number, string or white space.
 */
void json_walk_allow(struct json_walk *walk, size_t length);

enum json_next json_walk_next(struct json_walk *walk, struct json_value *ret_key,
                              struct json_value *ret_value);

/* json_string_equals() for strings with escapes. */
bool json_string_equals_decoded(const struct json_value *string, struct bytes text);

/* Whether a string, with its escapes decoded, equals `text`, which must be plain ASCII. */
static inline bool json_string_equals(const struct json_value *string, struct bytes text)
{
    if (string->has_escapes)
        return json_string_equals_decoded(string, text);
    return string->raw.length == text.length + 2 &&
           memcmp(string->raw.data + 1, text.data, text.length) == 0;
}

/*
 * Yields the elements of an array, one by one. `rest` is the `raw` of a value of the kind
 * JSON_ARRAY at first, and belongs to this function then. False: there are no more.
 */
bool json_array_next(struct bytes *rest, struct json_value *ret_element);

#define JSON_NUMBER_BYTES_MAX 1024 /* the longest number that is converted */

/*
 * Converts a number to the nearest double, as JavaScript does (1e400 is infinite). A number longer
 * than JSON_NUMBER_BYTES_MAX is NaN: nobody means it, and conversion would take long. `value` must
 * be a member of an object whose text was walked over to its end, since the conversion needs a byte
 * behind the number that ends it. The same holds for an element of an array that is such a
 * member.
 */
double json_member_number(const struct json_value *value);

/*
 * Reads a whole number from 0 to `most`, which is at most 2^53; the same holds for `value`. False:
 * the value is no such number, or no number at all.
 */
bool json_member_whole(const struct json_value *value, uint64_t most, uint64_t *ret_number);

/*
 * Reads a number of 0 or more, and rounds it up; `most` stands for any that is larger. False: the
 * value is no such number.
 */
bool json_member_ceiling(const struct json_value *value, uint32_t most, uint32_t *ret_number);

/* Sizes that canonicalising a string yields. */
struct json_string_sizes {
    size_t written; /* bytes of the canonical form */
    size_t decoded; /* bytes of the decoded string in UTF-8; a lone surrogate counts as three */
};

/*
 * Writes a string's canonical form, without quotes, into `out`: escapes only where JSON needs them
 * (quote, backslash, controls, lone surrogates), as JavaScript's JSON.stringify writes them. Two
 * strings are equal if and only if their canonical forms are the same bytes. The form has at most
 * six bytes for each decoded byte. False: `capacity` is too small.
 */
bool json_string_canonicalize(const struct json_value *string, uint8_t *out, size_t capacity,
                              struct json_string_sizes *ret_sizes);

/*
 * Writes the decoded string in UTF-8, without quotes. False: `capacity` is too small, or the string
 * has a lone surrogate, which UTF-8 can't represent; `*ret_length` is then the length written
 * before.
 */
bool json_string_decode(const struct json_value *string, uint8_t *out, size_t capacity,
                        size_t *ret_length);

/*
 * The length of a value's compact form: without white space outside of strings, and with strings in
 * canonical form. Numbers count as they are written.
 */
size_t json_compact_length(struct bytes raw);

#endif
