/* The JSON validator. json_string.c compares and canonicalises strings. */
#include "proto/json.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <stdlib.h>

/*
 * Scans one slice of a text. If the slice ends before the text, `end` is the slice's end. A step
 * that fails there for want of bytes is repeated from its beginning in the next slice. The walk
 * notes how far the step has read a run of digits, white space or string. So a long run does not
 * make the repetition slow.
 */
struct scanner {
    const uint8_t *at;
    const uint8_t *end;
    struct json_walk *notes; /* NULL: the text has one slice, so nothing needs notes */
    bool has_more_text;      /* the text continues behind `end` */
};

#define CUT_BYTES 8         /* the longest that a step looks ahead: \uXXXX */
#define PLAIN_DIGITS_MAX 15 /* digits of a number that a double has exactly */

/* Whether a step that has failed may have failed because the slice ends. */
static bool is_cut(const struct scanner *scanner)
{
    return scanner->has_more_text && scanner->end - scanner->at < CUT_BYTES;
}

enum run_kind {
    RUN_WHITE,
    RUN_DIGITS,
    RUN_STRING,
};

/* What is known of a run that begins here; NULL: nothing. */
static struct json_run *find_run(const struct scanner *scanner, enum run_kind kind)
{
    struct json_walk *notes = scanner->notes;
    for (int i = 0; notes != NULL && i < notes->run_count; i++) {
        if (notes->runs[i].from == scanner->at && notes->runs[i].kind == kind)
            return &notes->runs[i];
    }
    return NULL;
}

static void note_run(const struct scanner *scanner, struct json_run run, struct json_run *known)
{
    struct json_walk *notes = scanner->notes;
    if (!is_cut(scanner))
        return;
    if (known == NULL && notes->run_count == JSON_RUNS_MAX)
        return;
    if (known == NULL)
        known = &notes->runs[notes->run_count++];
    *known = run;
    known->to = scanner->at;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_white(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_white_run(struct scanner *scanner)
{
    const uint8_t *from = scanner->at;
    struct json_run *known = find_run(scanner, RUN_WHITE);
    if (known != NULL)
        scanner->at = known->to;
    while (scanner->at < scanner->end && is_white(*scanner->at))
        scanner->at++;
    note_run(scanner, (struct json_run){.from = from, .kind = RUN_WHITE}, known);
}

/* Inlined for the common case without white space. */
static void skip_white(struct scanner *scanner)
{
    if (scanner->at < scanner->end && *scanner->at <= ' ')
        skip_white_run(scanner);
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
    const uint8_t *from = scanner->at;
    struct json_run *known = find_run(scanner, RUN_DIGITS);
    if (known != NULL)
        scanner->at = known->to;
    while (scanner->at < scanner->end && is_digit(*scanner->at))
        scanner->at++;
    if (scanner->at > from)
        note_run(scanner, (struct json_run){.from = from, .kind = RUN_DIGITS}, known);
    return scanner->at > from;
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

/*
 * Reads consecutive escapes. `at` is at the first backslash; at the end it is behind the last
 * escape, or at the backslash of a malformed or cut one. Surrogates may stand alone (RFC 8259 8.2).
 */
static bool take_escapes(struct scanner *scanner)
{
    while (scanner->end - scanner->at >= 2 && scanner->at[0] == '\\') {
        const uint8_t *backslash = scanner->at;
        uint8_t letter = scanner->at[1];
        scanner->at += 2;
        if (!is_short_escape(letter) && (letter != 'u' || !take_hex_digits(scanner))) {
            scanner->at = backslash;
            return false;
        }
    }
    return true;
}

#define EACH_BYTE(value) (0x0101010101010101u * (value))
#define HIGH_BITS EACH_BYTE(0x80)

/*
 * Finds the bytes of a word that end plain text: quotes, backslashes and control characters. The
 * high bit of each is set in the result. It may also be set for bytes above the first one, since a
 * borrow goes upwards; callers use only the first.
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

/* Whether any of sixteen bytes is special. */
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

/* Most strings are keys, which end within the first word, or long. */
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

/* Reads the rest of a string; `at` is behind the opening quote. */
static bool take_string_rest(struct scanner *scanner, bool *ret_has_escapes)
{
    const uint8_t *from = scanner->at;
    struct json_run *known = find_run(scanner, RUN_STRING);
    *ret_has_escapes = known != NULL && known->has_escapes;
    if (known != NULL)
        scanner->at = known->to;
    for (;;) {
        scanner->at = skip_plain_text(scanner->at, scanner->end);
        if (take_byte(scanner, '"'))
            return true;
        const uint8_t *escapes = scanner->at;
        bool are_good = take_escapes(scanner);
        *ret_has_escapes |= scanner->at > escapes;
        if (!are_good || scanner->at == escapes)
            break; /* the end of the slice, or a control character */
    }
    note_run(scanner, (struct json_run){from, NULL, RUN_STRING, *ret_has_escapes}, known);
    return false;
}

/* Enters a container. The outermost object of a walk is a level that `nesting` does not count. */
static bool nesting_enter(struct json_nesting *nesting, uint32_t depth_max, bool is_object)
{
    if (nesting->depth == depth_max)
        return false;
    uint64_t bit = (uint64_t)1 << (nesting->depth % 64);
    uint64_t *word = &nesting->is_object[nesting->depth / 64];
    if (nesting->depth % 64 == 0)
        *word = 0; /* the levels above are set when they are entered; few texts nest beyond the
                      first word */
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

/*
 * Reads a value that contains no other, or the opening bracket of a container (kind ARRAY or
 * OBJECT).
 */
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
        break;
    }
    bool is_number = take_number(scanner);
    /* A number at the end of a slice may continue in the next one. */
    bool is_whole = !scanner->has_more_text || scanner->at < scanner->end;
    return is_number && is_whole ? JSON_NUMBER : JSON_ABSENT;
}

/* The next part of a container. */
enum step {
    STEP_INVALID,
    STEP_BEGIN, /* the container was just entered */
    STEP_VALUE, /* a value comes next */
    STEP_AFTER, /* a value has just ended */
};

/* Reads on behind the opening bracket of a container, which may be empty. */
static enum step begin_container(struct scanner *scanner, struct json_nesting *nesting)
{
    bool is_object = nesting_is_in_object(nesting);
    skip_white(scanner);
    if (take_byte(scanner, is_object ? '}' : ']')) {
        nesting->depth--;
        return STEP_AFTER;
    }
    if (scanner->at == scanner->end || (is_object && !take_key(scanner)))
        return STEP_INVALID;
    return STEP_VALUE;
}

/* Reads on behind a value within a container: a comma and more, or the closing bracket. */
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

/* Reads a value, or enters a container. */
static enum step take_nested(struct json_walk *walk, struct scanner *scanner)
{
    bool has_escapes;
    skip_white(scanner);
    enum json_kind kind = take_simple(scanner, &has_escapes);
    if (kind == JSON_ABSENT)
        return STEP_INVALID;
    if (kind != JSON_ARRAY && kind != JSON_OBJECT)
        return STEP_AFTER;
    uint32_t depth_max = walk->is_object ? JSON_DEPTH_MAX - 1 : JSON_DEPTH_MAX;
    return nesting_enter(&walk->nesting, depth_max, kind == JSON_OBJECT) ? STEP_BEGIN
                                                                         : STEP_INVALID;
}

static enum step take_step(struct json_walk *walk, struct scanner *scanner, enum step step)
{
    if (step == STEP_AFTER)
        return continue_container(scanner, &walk->nesting);
    if (step == STEP_BEGIN)
        return begin_container(scanner, &walk->nesting);
    return take_nested(walk, scanner);
}

/* Parts of a text that is an object or another value. */
enum stage {
    STAGE_START,  /* white space, and the opening brace of an object */
    STAGE_MEMBER, /* a comma if one is needed, and a key; or the closing brace */
    STAGE_VALUE,  /* the value of a member, or of the text */
    STAGE_WITHIN, /* inside a value that is a container */
    STAGE_YIELD,  /* the value has ended */
    STAGE_END,    /* only white space may follow */
};

/*
 * Ends a slice, or the walk: a step has failed. The next slice repeats the step, which began at
 * `first`.
 */
static enum json_next stop(struct json_walk *walk, const struct scanner *scanner,
                           const uint8_t *first)
{
    if (!is_cut(scanner))
        return JSON_NEXT_INVALID;
    walk->at = first;
    walk->reached = walk->pause;
    return JSON_NEXT_PAUSED;
}

/* Reads a container from `walk->step` on. MEMBER: the container has ended. */
static enum json_next continue_value(struct json_walk *walk, struct scanner *scanner)
{
    enum step step = walk->step;
    while (walk->nesting.depth > 0) {
        const uint8_t *first = scanner->at;
        enum step next = take_step(walk, scanner, step);
        if (next == STEP_INVALID) {
            walk->step = (uint8_t)step;
            return stop(walk, scanner, first);
        }
        step = next;
        walk->run_count = 0;
    }
    return JSON_NEXT_MEMBER;
}

/* Finds out whether the text is an object. False: the slice ends before that is known. */
static bool take_start(struct json_walk *walk, struct scanner *scanner)
{
    skip_white(scanner);
    if (scanner->at == scanner->end)
        return false;
    walk->is_object = take_byte(scanner, '{');
    walk->stage = walk->is_object ? STAGE_MEMBER : STAGE_VALUE;
    return true;
}

/* Reads a key and colon, or the object's end. False: it is neither. */
static bool begin_member(struct json_walk *walk, struct scanner *scanner)
{
    skip_white(scanner);
    if (take_byte(scanner, '}')) {
        walk->stage = STAGE_END;
        return true;
    }
    if (!walk->is_first && !take_byte(scanner, ','))
        return false;
    skip_white(scanner);
    struct json_value *key = &walk->key;
    const uint8_t *first = scanner->at;
    if (!take_byte(scanner, '"') || !take_string_rest(scanner, &key->has_escapes))
        return false;
    key->kind = JSON_STRING;
    key->raw = bytes_of(first, (size_t)(scanner->at - first));
    skip_white(scanner);
    if (!take_byte(scanner, ':'))
        return false;
    walk->is_first = false;
    walk->stage = STAGE_VALUE;
    return true;
}

/* Reads a value, or enters it if it is a container. False: it is invalid or cut. */
static bool begin_value(struct json_walk *walk, struct scanner *scanner)
{
    struct json_value *value = &walk->value;
    skip_white(scanner);
    value->has_escapes = false;
    value->raw = bytes_of(scanner->at, 0);
    value->kind = take_simple(scanner, &value->has_escapes);
    walk->stage = STAGE_YIELD;
    if (value->kind != JSON_ARRAY && value->kind != JSON_OBJECT)
        return value->kind != JSON_ABSENT;
    walk->stage = STAGE_WITHIN;
    walk->step = STEP_BEGIN;
    walk->nesting.depth = 0;
    return nesting_enter(&walk->nesting, JSON_DEPTH_MAX - 1, value->kind == JSON_OBJECT);
}

/* Whether only white space follows up to the end of the text. */
static bool take_end(struct scanner *scanner)
{
    skip_white(scanner);
    return scanner->at == scanner->end && !scanner->has_more_text;
}

/* Reads one stage. False: it is invalid or cut. */
static bool take_stage(struct json_walk *walk, struct scanner *scanner)
{
    switch ((enum stage)walk->stage) {
    case STAGE_START:
        return take_start(walk, scanner);
    case STAGE_MEMBER:
        return begin_member(walk, scanner);
    case STAGE_VALUE:
        return begin_value(walk, scanner);
    default:
        return take_end(scanner);
    }
}

void json_walk_begin(struct json_walk *walk, struct bytes text)
{
    walk->at = text.data;
    walk->end = text.data + text.length;
    walk->pause = walk->end;
    walk->reached = walk->at;
    walk->is_object = false;
    walk->is_first = true;
    walk->stage = STAGE_START;
    walk->run_count = 0;
}

void json_walk_allow(struct json_walk *walk, size_t length)
{
    const uint8_t *from = walk->reached > walk->at ? walk->reached : walk->at;
    size_t left = (size_t)(walk->end - from);
    walk->pause = from + (length < left ? length : left);
}

enum json_next json_walk_next(struct json_walk *walk, struct json_value *ret_key,
                              struct json_value *ret_value)
{
    bool has_more_text = walk->pause < walk->end;
    struct scanner scanner = {
        .at = walk->at,
        .end = walk->pause,
        .notes = has_more_text || walk->run_count > 0 ? walk : NULL,
        .has_more_text = has_more_text,
    };
    for (;;) {
        const uint8_t *first = scanner.at;
        if (walk->stage == STAGE_WITHIN) {
            enum json_next next = continue_value(walk, &scanner);
            if (next != JSON_NEXT_MEMBER)
                return next;
            walk->stage = STAGE_YIELD;
        } else if (walk->stage == STAGE_YIELD) {
            walk->value.raw.length = (size_t)(scanner.at - walk->value.raw.data);
            walk->stage = walk->is_object ? STAGE_MEMBER : STAGE_END;
            walk->at = scanner.at;
            if (!walk->is_object)
                continue;
            *ret_key = walk->key;
            *ret_value = walk->value;
            return JSON_NEXT_MEMBER;
        } else {
            uint8_t stage = walk->stage;
            if (!take_stage(walk, &scanner)) {
                walk->stage = stage;
                return stop(walk, &scanner, first);
            }
            if (stage == STAGE_END)
                return JSON_NEXT_END;
            walk->run_count = 0;
        }
    }
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
    if (value->raw.length > JSON_NUMBER_BYTES_MAX)
        return NAN;
    /*
     * strtod() stops at the byte behind the number: after a member of an object there is always a
     * comma, a bracket or white space, since the walk has validated the text. The process never
     * sets a locale.
     */
    return strtod((const char *)value->raw.data, NULL);
}

/* Reads a number that is nothing but a few digits, as most are. */
static bool read_digits(struct bytes raw, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (raw.length > PLAIN_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < raw.length; i++) {
        if (raw.data[i] < '0' || raw.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(raw.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

bool json_member_whole(const struct json_value *value, uint64_t most, uint64_t *ret_number)
{
    uint64_t digits;
    if (value->kind == JSON_NUMBER && read_digits(value->raw, &digits)) {
        *ret_number = digits;
        return digits <= most;
    }
    double number = value->kind == JSON_NUMBER ? json_member_number(value) : -1;
    if (!(number >= 0 && number <= (double)most))
        return false;
    *ret_number = (uint64_t)number;
    return (double)*ret_number == number;
}

bool json_member_ceiling(const struct json_value *value, uint32_t most, uint32_t *ret_number)
{
    double number = value->kind == JSON_NUMBER ? json_member_number(value) : -1;
    if (!(number >= 0))
        return false;
    *ret_number = number < most ? (uint32_t)number : most;
    *ret_number += *ret_number < most && *ret_number < number;
    return true;
}

static bool is_white_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The end of the string at `at`, which begins with its quote. */
static const uint8_t *end_of_string(const uint8_t *at)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at + 1;
}

/* The end of the value at `at`, with white space behind it. The text is known to be valid. */
static const uint8_t *end_of_element(const uint8_t *at)
{
    uint32_t depth = 0;
    for (;;) {
        switch (*at) {
        case '"':
            at = end_of_string(at);
            continue;
        case '[':
        case '{':
            depth++;
            break;
        case ']':
        case '}':
            if (depth == 0)
                return at;
            depth--;
            break;
        case ',':
            if (depth == 0)
                return at;
            break;
        default:
            break;
        }
        at++;
    }
}

static enum json_kind kind_of_first(uint8_t c)
{
    switch (c) {
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

bool json_array_next(struct bytes *rest, struct json_value *ret_element)
{
    const uint8_t *end = rest->data + rest->length;
    const uint8_t *at = rest->data + 1; /* behind the bracket or the comma */
    if (rest->length == 0)
        return false;
    while (at < end && is_white_space(*at))
        at++;
    if (at >= end || *at == ']')
        return false;
    const uint8_t *behind = end_of_element(at);
    *rest = bytes_of(behind, (size_t)(end - behind));
    while (is_white_space(behind[-1]))
        behind--;
    *ret_element = (struct json_value){
        .kind = kind_of_first(*at),
        .raw = bytes_of(at, (size_t)(behind - at)),
    };
    ret_element->has_escapes = memchr(at, '\\', ret_element->raw.length) != NULL;
    return true;
}
