/* The validator. Strings as values (comparing, canonical form) are in json_string.c. */
#include "proto/json.h"

#include <assert.h>
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

/* `at` is behind the backslash. Surrogates may stand alone (RFC 8259 8.2). */
static bool take_escape(struct scanner *scanner)
{
    if (scanner->at == scanner->end)
        return false;
    uint8_t letter = *scanner->at++;
    if (letter != 'u')
        return letter != 0 && strchr("\"\\/bfnrt", letter) != NULL;
    for (int i = 0; i < 4; i++) {
        if (scanner->at == scanner->end || !is_hex_digit(*scanner->at))
            return false;
        scanner->at++;
    }
    return true;
}

#define EACH_BYTE(value) (0x0101010101010101u * (value))
#define HIGH_BITS EACH_BYTE(0x80)

/* Whether a word holds a byte that ends a run of plain text: a quote, a backslash or a control. */
static bool has_special_byte(uint64_t word)
{
    uint64_t quote = word ^ EACH_BYTE('"');
    uint64_t backslash = word ^ EACH_BYTE('\\');
    uint64_t found = (word - EACH_BYTE(0x20)) & ~word;
    found |= (quote - EACH_BYTE(1)) & ~quote;
    found |= (backslash - EACH_BYTE(1)) & ~backslash;
    return (found & HIGH_BITS) != 0;
}

static const uint8_t *skip_plain_text(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= (ptrdiff_t)sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        if (has_special_byte(word))
            break;
        at += sizeof word;
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
        if (scanner->at == scanner->end)
            return false;
        uint8_t special = *scanner->at++;
        if (special == '"')
            return true;
        if (special != '\\' || !take_escape(scanner))
            return false;
        *ret_has_escapes = true;
    }
}

/* Which container each level of nesting is, one bit a level. */
struct nesting {
    uint32_t depth;
    uint64_t is_object[JSON_DEPTH_MAX / 64];
};

static bool nesting_enter(struct nesting *nesting, uint32_t depth_max, bool is_object)
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

static bool nesting_is_in_object(const struct nesting *nesting)
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
static enum step begin_container(struct scanner *scanner, struct nesting *nesting)
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
static enum step continue_container(struct scanner *scanner, struct nesting *nesting)
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

/* What is inside a container whose opening bracket has been taken, and its end. */
static bool take_container_rest(struct scanner *scanner, uint32_t depth_max, bool is_object)
{
    struct nesting nesting;
    nesting.depth = 0;
    if (!nesting_enter(&nesting, depth_max, is_object))
        return false;

    enum step step = begin_container(scanner, &nesting);
    while (nesting.depth > 0 && step != STEP_INVALID) {
        if (step == STEP_AFTER) {
            step = continue_container(scanner, &nesting);
            continue;
        }
        bool has_escapes;
        skip_white(scanner);
        enum json_kind kind = take_simple(scanner, &has_escapes);
        if (kind == JSON_ABSENT)
            return false;
        step = STEP_AFTER;
        if (kind == JSON_ARRAY || kind == JSON_OBJECT) {
            if (!nesting_enter(&nesting, depth_max, kind == JSON_OBJECT))
                return false;
            step = begin_container(scanner, &nesting);
        }
    }
    return step != STEP_INVALID;
}

/* One value with all that is in it; `depth_max` levels of nesting may open within. */
static bool take_value(struct scanner *scanner, uint32_t depth_max, struct json_value *ret_value)
{
    const uint8_t *first = scanner->at;
    ret_value->has_escapes = false;
    ret_value->kind = take_simple(scanner, &ret_value->has_escapes);
    if (ret_value->kind == JSON_ABSENT)
        return false;
    if (ret_value->kind == JSON_ARRAY || ret_value->kind == JSON_OBJECT) {
        if (!take_container_rest(scanner, depth_max, ret_value->kind == JSON_OBJECT))
            return false;
    }
    ret_value->raw = bytes_of(first, (size_t)(scanner->at - first));
    return true;
}

enum json_kind json_validate(struct bytes text)
{
    struct scanner scanner = {text.data, text.data + text.length};
    struct json_value value;
    skip_white(&scanner);
    if (!take_value(&scanner, JSON_DEPTH_MAX, &value))
        return JSON_ABSENT;
    skip_white(&scanner);
    return scanner.at == scanner.end ? value.kind : JSON_ABSENT;
}

bool json_object_begin(struct json_object *object, struct bytes text)
{
    struct scanner scanner = {text.data, text.data + text.length};
    skip_white(&scanner);
    if (!take_byte(&scanner, '{'))
        return false;
    *object = (struct json_object){.at = scanner.at, .end = scanner.end, .is_first = true};
    return true;
}

/* The closing bracket was taken: only white space may follow. */
static enum json_next end_of_text(struct scanner *scanner)
{
    skip_white(scanner);
    return scanner->at == scanner->end ? JSON_NEXT_END : JSON_NEXT_INVALID;
}

enum json_next json_object_next(struct json_object *object, struct json_value *ret_key,
                                struct json_value *ret_value)
{
    struct scanner scanner = {object->at, object->end};
    skip_white(&scanner);
    if (take_byte(&scanner, '}'))
        return end_of_text(&scanner);
    if (!object->is_first && !take_byte(&scanner, ','))
        return JSON_NEXT_INVALID;
    object->is_first = false;

    skip_white(&scanner);
    if (!take_value(&scanner, 0, ret_key) || ret_key->kind != JSON_STRING)
        return JSON_NEXT_INVALID;
    skip_white(&scanner);
    if (!take_byte(&scanner, ':'))
        return JSON_NEXT_INVALID;
    skip_white(&scanner);
    if (!take_value(&scanner, JSON_DEPTH_MAX - 1, ret_value))
        return JSON_NEXT_INVALID;
    object->at = scanner.at;
    return JSON_NEXT_MEMBER;
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
