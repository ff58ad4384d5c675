/* The validator. Strings as values (comparing, canonical form) are in json_string.c. */
#include "proto/json.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

struct scanner {
    const uint8_t *at;
    const uint8_t *end;
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static void skip_white(struct scanner *scanner)
{
    while (scanner->at < scanner->end && (*scanner->at == ' ' || *scanner->at == '\n' ||
                                          *scanner->at == '\r' || *scanner->at == '\t'))
        scanner->at++;
}

static bool take_byte(struct scanner *scanner, uint8_t byte)
{
    if (scanner->at == scanner->end || *scanner->at != byte)
        return false;
    scanner->at++;
    return true;
}

static bool take_word(struct scanner *scanner, struct bytes word)
{
    if ((size_t)(scanner->end - scanner->at) < word.length)
        return false;
    if (memcmp(scanner->at, word.data, word.length) != 0)
        return false;
    scanner->at += word.length;
    return true;
}

static bool take_digits(struct scanner *scanner)
{
    const uint8_t *first = scanner->at;
    while (scanner->at < scanner->end && is_digit(*scanner->at))
        scanner->at++;
    return scanner->at > first;
}

/* RFC 8259 6: no leading zeros, digits on both sides of the point, at least one in the exponent. */
static bool take_number(struct scanner *scanner)
{
    (void)take_byte(scanner, '-');
    if (!take_byte(scanner, '0') && !take_digits(scanner))
        return false;
    if (take_byte(scanner, '.') && !take_digits(scanner))
        return false;
    if (take_byte(scanner, 'e') || take_byte(scanner, 'E')) {
        if (!take_byte(scanner, '+'))
            (void)take_byte(scanner, '-');
        return take_digits(scanner);
    }
    return true;
}

static bool is_hex_digit(uint8_t c)
{
    uint8_t lower = ascii_lower(c);
    return is_digit(c) || (lower >= 'a' && lower <= 'f');
}

static bool take_hex_digits(struct scanner *scanner)
{
    for (int i = 0; i < 4; i++) {
        if (scanner->at == scanner->end || !is_hex_digit(*scanner->at))
            return false;
        scanner->at++;
    }
    return true;
}

static bool is_short_escape(uint8_t letter)
{
    static const bool short_escapes[256] = {
        ['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
        ['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true,
    };
    return short_escapes[letter];
}

/* Escapes in a row; `at` is at the first backslash. Surrogates may stand alone (RFC 8259 8.2). */
static bool take_escapes(struct scanner *scanner)
{
    while (scanner->end - scanner->at >= 2 && scanner->at[0] == '\\') {
        uint8_t letter = scanner->at[1];
        scanner->at += 2;
        if (!is_short_escape(letter) && (letter != 'u' || !take_hex_digits(scanner)))
            return false;
    }
    return true;
}

#define EACH_BYTE(value) (0x0101010101010101u * (value))
#define HIGH_BITS EACH_BYTE(0x80)

/*
 * The bytes of a word that end a run of plain text: quotes, backslashes, controls. Each has its
 * high bit set; so may bytes above the first have by mistake (a borrow goes upwards only).
 */
static uint64_t find_special_bytes(uint64_t word)
{
    uint64_t quote = word ^ EACH_BYTE('"');
    uint64_t backslash = word ^ EACH_BYTE('\\');
    uint64_t found = (word - EACH_BYTE(0x20)) & ~word;
    found |= (quote - EACH_BYTE(1)) & ~quote;
    found |= (backslash - EACH_BYTE(1)) & ~backslash;
    return found & HIGH_BITS;
}

/* The same for sixteen bytes at a time, and only whether there are any. */
static bool has_special_bytes(const uint8_t *at)
{
    typedef uint8_t vector __attribute__((vector_size(16)));
    vector bytes;
    memcpy(&bytes, at, sizeof bytes);
    vector found = (vector)((bytes == '"') | (bytes == '\\') | (bytes < 0x20));
    uint64_t halves[2];
    memcpy(halves, &found, sizeof found);
    return (halves[0] | halves[1]) != 0;
}

/* Most strings are keys, which end in the first word, or long ones. */
static const uint8_t *skip_plain_text(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= (ptrdiff_t)sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t special = find_special_bytes(le64toh(word));
        if (special != 0)
            return at + __builtin_ctzll(special) / 8;
        at += sizeof word;
        while (end - at >= 16 && !has_special_bytes(at))
            at += 16;
    }
    while (at < end && *at >= 0x20 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* `at` is behind the opening quote. */
static bool take_string_rest(struct scanner *scanner, bool *ret_has_escapes)
{
    *ret_has_escapes = false;
    for (;;) {
        scanner->at = skip_plain_text(scanner->at, scanner->end);
        if (take_byte(scanner, '"'))
            return true;
        const uint8_t *escapes = scanner->at;
        if (!take_escapes(scanner) || scanner->at == escapes)
            return false; /* the end, or a control character */
        *ret_has_escapes = true;
    }
}

/* `nesting` is of what is within the walk's object, which is a level of its own. */
static bool nesting_enter(struct json_nesting *nesting, uint32_t depth_max, bool is_object)
{
    if (nesting->depth == depth_max)
        return false;
    uint64_t bit = (uint64_t)1 << (nesting->depth % 64);
    uint64_t *word = &nesting->is_object[nesting->depth / 64];
    if (nesting->depth % 64 == 0)
        *word =
            0; /* the bits above are set on the way up; a text seldom nests past the first word */
    *word = is_object ? *word | bit : *word & ~bit;
    nesting->depth++;
    return true;
}

static bool nesting_is_in_object(const struct json_nesting *nesting)
{
    uint32_t level = nesting->depth - 1;
    return (nesting->is_object[level / 64] >> (level % 64) & 1) != 0;
}

static bool take_key(struct scanner *scanner)
{
    bool has_escapes;
    skip_white(scanner);
    if (!take_byte(scanner, '"') || !take_string_rest(scanner, &has_escapes))
        return false;
    skip_white(scanner);
    return take_byte(scanner, ':');
}

/* A value that contains no other, or the opening of one that does (kind ARRAY or OBJECT). */
static enum json_kind take_simple(struct scanner *scanner, bool *ret_has_escapes)
{
    if (scanner->at == scanner->end)
        return JSON_ABSENT;
    switch (*scanner->at) {
    case '"':
        scanner->at++;
        return take_string_rest(scanner, ret_has_escapes) ? JSON_STRING : JSON_ABSENT;
    case '{':
        scanner->at++;
        return JSON_OBJECT;
    case '[':
        scanner->at++;
        return JSON_ARRAY;
    case 't':
        return take_word(scanner, BYTES("true")) ? JSON_TRUE : JSON_ABSENT;
    case 'f':
        return take_word(scanner, BYTES("false")) ? JSON_FALSE : JSON_ABSENT;
    case 'n':
        return take_word(scanner, BYTES("null")) ? JSON_NULL : JSON_ABSENT;
    default:
        return take_number(scanner) ? JSON_NUMBER : JSON_ABSENT;
    }
}

enum step {
    STEP_INVALID,
    STEP_VALUE, /* a value comes next */
    STEP_AFTER, /* a value has just ended */
};

/* Behind the opening bracket of a container that was just entered: it may be empty. */
static enum step begin_container(struct scanner *scanner, struct json_nesting *nesting)
{
    bool is_object = nesting_is_in_object(nesting);
    skip_white(scanner);
    if (take_byte(scanner, is_object ? '}' : ']')) {
        nesting->depth--;
        return STEP_AFTER;
    }
    if (is_object && !take_key(scanner))
        return STEP_INVALID;
    return STEP_VALUE;
}

/* Behind a value within a container: a comma and more, or the end of the container. */
static enum step continue_container(struct scanner *scanner, struct json_nesting *nesting)
{
    bool is_object = nesting_is_in_object(nesting);
    skip_white(scanner);
    if (take_byte(scanner, is_object ? '}' : ']')) {
        nesting->depth--;
        return STEP_AFTER;
    }
    if (!take_byte(scanner, ','))
        return STEP_INVALID;
    if (is_object && !take_key(scanner))
        return STEP_INVALID;
    return STEP_VALUE;
}

/* The last go has no end but the text's. */
static bool go_is_over(const struct json_walk *walk, const uint8_t *at)
{
    return at >= walk->pause && walk->pause < walk->end;
}

/*
 * What is inside a container, from `walk->step` on, until it ends or the go does. MEMBER: it ended.
 */
static enum json_next continue_value(struct json_walk *walk, struct scanner *scanner)
{
    uint32_t depth_max = walk->is_object ? JSON_DEPTH_MAX - 1 : JSON_DEPTH_MAX;
    struct json_nesting *nesting = &walk->nesting;
    enum step step = walk->step;
    while (nesting->depth > 0 && step != STEP_INVALID) {
        if (go_is_over(walk, scanner->at)) {
            walk->step = (uint8_t)step;
            return JSON_NEXT_PAUSED;
        }
        if (step == STEP_AFTER) {
            step = continue_container(scanner, nesting);
            continue;
        }
        bool has_escapes;
        skip_white(scanner);
        enum json_kind kind = take_simple(scanner, &has_escapes);
        if (kind == JSON_ABSENT)
            return JSON_NEXT_INVALID;
        step = STEP_AFTER;
        if (kind == JSON_ARRAY || kind == JSON_OBJECT) {
            if (!nesting_enter(nesting, depth_max, kind == JSON_OBJECT))
                return JSON_NEXT_INVALID;
            step = begin_container(scanner, nesting);
        }
    }
    return step == STEP_INVALID ? JSON_NEXT_INVALID : JSON_NEXT_MEMBER;
}

/* One value with all that is in it. MEMBER: `walk->value` is it. */
static enum json_next take_value(struct json_walk *walk, struct scanner *scanner)
{
    struct json_value *value = &walk->value;
    value->has_escapes = false;
    value->raw = bytes_of(scanner->at, 0);
    value->kind = take_simple(scanner, &value->has_escapes);
    if (value->kind == JSON_ABSENT)
        return JSON_NEXT_INVALID;
    if (value->kind != JSON_ARRAY && value->kind != JSON_OBJECT)
        return JSON_NEXT_MEMBER;
    walk->is_in_container = true;
    walk->nesting.depth = 0;
    if (!nesting_enter(&walk->nesting, JSON_DEPTH_MAX - 1, value->kind == JSON_OBJECT))
        return JSON_NEXT_INVALID;
    walk->step = (uint8_t)begin_container(scanner, &walk->nesting);
    return continue_value(walk, scanner);
}

void json_walk_begin(struct json_walk *walk, struct bytes text)
{
    struct scanner scanner = {text.data, text.data + text.length};
    skip_white(&scanner);
    walk->is_object = take_byte(&scanner, '{');
    walk->at = scanner.at;
    walk->end = scanner.end;
    walk->pause = scanner.end;
    walk->is_first = true;
    walk->is_in_container = false;
}

void json_walk_allow(struct json_walk *walk, size_t length)
{
    size_t left = (size_t)(walk->end - walk->at);
    walk->pause = walk->at + (length < left ? length : left);
}

/* The text's one value is over: only white space may follow. */
static enum json_next end_of_text(struct scanner *scanner)
{
    skip_white(scanner);
    return scanner->at == scanner->end ? JSON_NEXT_END : JSON_NEXT_INVALID;
}

/* A comma where one must be, a key and its colon; MEMBER: a value comes next. */
static enum json_next begin_member(struct json_walk *walk, struct scanner *scanner)
{
    skip_white(scanner);
    if (take_byte(scanner, '}'))
        return end_of_text(scanner);
    if (!walk->is_first && !take_byte(scanner, ','))
        return JSON_NEXT_INVALID;
    walk->is_first = false;

    skip_white(scanner);
    struct json_value *key = &walk->key;
    const uint8_t *first = scanner->at;
    if (!take_byte(scanner, '"') || !take_string_rest(scanner, &key->has_escapes))
        return JSON_NEXT_INVALID;
    key->kind = JSON_STRING;
    key->raw = bytes_of(first, (size_t)(scanner->at - first));
    skip_white(scanner);
    if (!take_byte(scanner, ':'))
        return JSON_NEXT_INVALID;
    skip_white(scanner);
    return JSON_NEXT_MEMBER;
}

enum json_next json_walk_next(struct json_walk *walk, struct json_value *ret_key,
                              struct json_value *ret_value)
{
    struct scanner scanner = {walk->at, walk->end};
    enum json_next next = JSON_NEXT_MEMBER;
    if (go_is_over(walk, walk->at))
        return JSON_NEXT_PAUSED;
    if (walk->is_in_container)
        next = continue_value(walk, &scanner);
    else if (walk->is_object)
        next = begin_member(walk, &scanner);
    if (next == JSON_NEXT_MEMBER && !walk->is_in_container)
        next = take_value(walk, &scanner);
    walk->at = scanner.at;
    if (next != JSON_NEXT_MEMBER)
        return next;

    walk->is_in_container = false;
    walk->value.raw.length = (size_t)(scanner.at - walk->value.raw.data);
    if (!walk->is_object)
        return end_of_text(&scanner);
    *ret_key = walk->key;
    *ret_value = walk->value;
    return JSON_NEXT_MEMBER;
}

enum json_kind json_validate(struct bytes text)
{
    struct json_walk walk;
    struct json_value key;
    struct json_value value;
    enum json_next next;
    json_walk_begin(&walk, text);
    do
        next = json_walk_next(&walk, &key, &value);
    while (next == JSON_NEXT_MEMBER);
    if (next != JSON_NEXT_END)
        return JSON_ABSENT;
    return walk.is_object ? JSON_OBJECT : walk.value.kind;
}

double json_member_number(const struct json_value *value)
{
    assert(value->kind == JSON_NUMBER);
    /*
     * The grammar has been checked, and a comma, a bracket or white space stands behind a member of
     * an object, so strtod() stops there. No locale is ever set.
     */
    return strtod((const char *)value->raw.data, NULL);
}
