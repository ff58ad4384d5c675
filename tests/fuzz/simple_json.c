/* The reference for JSON. Functions that take_ something move on behind it, or return false. */
#include "fuzz/simple_json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/simple_utf8.h"

struct parser {
    const uint8_t *at;
    const uint8_t *end;
    unsigned depth;
    void (*visit)(void *context, struct simple_value key, struct simple_value value);
    void *context; /* for `visit`, which hears of what the outermost object or array has */
};

static bool take_value(struct parser *parser, struct simple_value *ret_value);

/* The next byte, or -1 at the end. */
static int peek(const struct parser *parser)
{
    return parser->at < parser->end ? *parser->at : -1;
}

static bool take(struct parser *parser, char byte)
{
    if (peek(parser) != (uint8_t)byte)
        return false;
    parser->at++;
    return true;
}

static bool take_word(struct parser *parser, const char *word)
{
    for (; *word != '\0'; word++) {
        if (!take(parser, *word))
            return false;
    }
    return true;
}

static void skip_white(struct parser *parser)
{
    while (take(parser, ' ') || take(parser, '\t') || take(parser, '\n') || take(parser, '\r'))
        continue;
}

static bool take_digit(struct parser *parser)
{
    for (const char *digit = "0123456789"; *digit != '\0'; digit++) {
        if (take(parser, *digit))
            return true;
    }
    return false;
}

static bool take_digits(struct parser *parser)
{
    if (!take_digit(parser))
        return false;
    while (take_digit(parser))
        continue;
    return true;
}

/* number = [ minus ] int [ frac ] [ exp ] */
static bool take_number(struct parser *parser)
{
    take(parser, '-');
    if (!take(parser, '0') && !take_digits(parser))
        return false;
    if (take(parser, '.') && !take_digits(parser))
        return false;
    if (take(parser, 'e') || take(parser, 'E')) {
        if (!take(parser, '+'))
            take(parser, '-');
        return take_digits(parser);
    }
    return true;
}

static int hex_value(int byte)
{
    const char *digits = "0123456789abcdefABCDEF";
    const char *found = byte <= 0 ? NULL : strchr(digits, byte);
    if (found == NULL)
        return -1;
    int index = (int)(found - digits);
    return index < 16 ? index : index - 6;
}

/* The four digits of \uXXXX. */
static bool take_unit(struct parser *parser, uint16_t *ret_unit)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        int value = hex_value(peek(parser));
        if (value < 0)
            return false;
        unit = unit * 16 + (unsigned)value;
        parser->at++;
    }
    *ret_unit = (uint16_t)unit;
    return true;
}

/* The unit that an escape stands for; `at` is behind the backslash. */
static bool take_escape(struct parser *parser, uint16_t *ret_unit)
{
    static const struct {
        char letter;
        uint16_t unit;
    } escapes[] = {
        {'"', 0x22}, {'\\', 0x5C}, {'/', 0x2F}, {'b', 0x08},
        {'f', 0x0C}, {'n', 0x0A},  {'r', 0x0D}, {'t', 0x09},
    };
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        if (take(parser, escapes[i].letter)) {
            *ret_unit = escapes[i].unit;
            return true;
        }
    }
    return take(parser, 'u') && take_unit(parser, ret_unit);
}

/* One character of a string as one or two units. */
static bool take_character(struct parser *parser, uint16_t ret_units[2], size_t *ret_count)
{
    *ret_count = 1;
    if (take(parser, '\\'))
        return take_escape(parser, &ret_units[0]);
    uint32_t code_point;
    struct bytes rest = bytes_of(parser->at, (size_t)(parser->end - parser->at));
    size_t length = simple_utf8_decode(rest, &code_point);
    if (length == 0 || code_point < 0x20)
        return false;
    parser->at += length;
    if (code_point < 0x10000) {
        ret_units[0] = (uint16_t)code_point;
        return true;
    }
    *ret_count = 2;
    ret_units[0] = (uint16_t)(0xD800 + (code_point - 0x10000) / 0x400);
    ret_units[1] = (uint16_t)(0xDC00 + (code_point - 0x10000) % 0x400);
    return true;
}

static bool take_string(struct parser *parser)
{
    if (!take(parser, '"'))
        return false;
    while (!take(parser, '"')) {
        uint16_t units[2];
        size_t count;
        if (!take_character(parser, units, &count))
            return false;
    }
    return true;
}

static bool take_array(struct parser *parser)
{
    struct simple_value element;
    skip_white(parser);
    if (take(parser, ']'))
        return true;
    do {
        if (!take_value(parser, &element))
            return false;
        if (parser->depth == 1 && parser->visit != NULL)
            parser->visit(parser->context, (struct simple_value){0}, element);
    } while (take(parser, ','));
    return take(parser, ']');
}

static bool take_member(struct parser *parser)
{
    struct simple_value key;
    struct simple_value value;
    if (!take_value(parser, &key) || key.kind != JSON_STRING)
        return false;
    if (!take(parser, ':') || !take_value(parser, &value))
        return false;
    if (parser->depth == 1 && parser->visit != NULL)
        parser->visit(parser->context, key, value);
    return true;
}

static bool take_object(struct parser *parser)
{
    skip_white(parser);
    if (take(parser, '}'))
        return true;
    do {
        if (!take_member(parser))
            return false;
    } while (take(parser, ','));
    return take(parser, '}');
}

/* A value that begins with `at`, whose first byte has not been taken. */
static enum json_kind take_bare_value(struct parser *parser)
{
    switch (peek(parser)) {
    case 'n':
        return take_word(parser, "null") ? JSON_NULL : JSON_ABSENT;
    case 'f':
        return take_word(parser, "false") ? JSON_FALSE : JSON_ABSENT;
    case 't':
        return take_word(parser, "true") ? JSON_TRUE : JSON_ABSENT;
    case '"':
        return take_string(parser) ? JSON_STRING : JSON_ABSENT;
    case '[':
        parser->at++;
        return take_array(parser) ? JSON_ARRAY : JSON_ABSENT;
    case '{':
        parser->at++;
        return take_object(parser) ? JSON_OBJECT : JSON_ABSENT;
    default:
        return take_number(parser) ? JSON_NUMBER : JSON_ABSENT;
    }
}

/* A value and the white space on both of its sides. */
static bool take_value(struct parser *parser, struct simple_value *ret_value)
{
    skip_white(parser);
    const uint8_t *first = parser->at;
    bool is_nested = peek(parser) == '[' || peek(parser) == '{';
    if (is_nested && parser->depth == SIMPLE_JSON_DEPTH_MAX)
        return false;
    parser->depth += is_nested;
    ret_value->kind = take_bare_value(parser);
    parser->depth -= is_nested;
    ret_value->raw = bytes_of(first, (size_t)(parser->at - first));
    skip_white(parser);
    return ret_value->kind != JSON_ABSENT;
}

struct simple_value simple_json_parse(struct bytes text)
{
    struct parser parser = {.at = text.data, .end = text.data + text.length};
    struct simple_value value;
    if (!take_value(&parser, &value) || parser.at != parser.end)
        return (struct simple_value){0};
    return value;
}

void simple_json_each_member(struct bytes object_or_array,
                             void (*visit)(void *context, struct simple_value key,
                                           struct simple_value value),
                             void *context)
{
    struct parser parser = {
        .at = object_or_array.data,
        .end = object_or_array.data + object_or_array.length,
        .visit = visit,
        .context = context,
    };
    struct simple_value value;
    bool is_valid = take_value(&parser, &value);
    assert(is_valid && (value.kind == JSON_OBJECT || value.kind == JSON_ARRAY));
}

struct search {
    const char *name;
    struct simple_value found;
};

static void note_when_wanted(void *context, struct simple_value key, struct simple_value value)
{
    struct search *search = context;
    struct simple_string decoded = simple_json_decode(key.raw);
    if (simple_string_equals(&decoded, search->name))
        search->found = value;
    simple_string_release(&decoded);
}

struct simple_value simple_json_member(struct bytes object, const char *name)
{
    struct search search = {.name = name};
    simple_json_each_member(object, note_when_wanted, &search);
    return search.found;
}

struct simple_string simple_json_decode(struct bytes raw)
{
    struct parser parser = {.at = raw.data, .end = raw.data + raw.length};
    /* No character takes more units than it has bytes. */
    struct simple_string string = {.units = malloc(raw.length * sizeof *string.units)};
    assert(string.units != NULL);
    bool is_valid = take(&parser, '"');
    while (is_valid && !take(&parser, '"')) {
        size_t count;
        is_valid = take_character(&parser, string.units + string.length, &count);
        string.length += count;
    }
    assert(is_valid && parser.at == parser.end);
    return string;
}

void simple_string_release(struct simple_string *string)
{
    free(string->units);
    *string = (struct simple_string){0};
}

bool simple_string_equals(const struct simple_string *string, const char *ascii)
{
    if (string->length != strlen(ascii))
        return false;
    for (size_t i = 0; i < string->length; i++) {
        if (string->units[i] != (uint8_t)ascii[i])
            return false;
    }
    return true;
}

/* The code point at a unit; a surrogate that stands alone is itself. Moves `at` behind it. */
static uint32_t next_code_point(const struct simple_string *string, size_t *at)
{
    uint32_t unit = string->units[(*at)++];
    if (unit < 0xD800 || unit > 0xDBFF || *at == string->length)
        return unit;
    uint32_t low = string->units[*at];
    if (low < 0xDC00 || low > 0xDFFF)
        return unit;
    (*at)++;
    return 0x10000 + (unit - 0xD800) * 0x400 + (low - 0xDC00);
}

static size_t utf8_length(uint32_t code_point)
{
    return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

size_t simple_string_utf8_length(const struct simple_string *string)
{
    size_t length = 0;
    for (size_t at = 0; at < string->length;)
        length += utf8_length(next_code_point(string, &at));
    return length;
}

/* Writes a code point; returns the number of bytes. */
static int write_utf8(char *out, uint32_t code_point)
{
    static const uint8_t marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t length = utf8_length(code_point);
    for (size_t i = length; i > 1; i--) {
        out[i - 1] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    out[0] = (char)(marks[length] | code_point);
    return (int)length;
}

void simple_string_write_utf8(const struct simple_string *string, char *out)
{
    for (size_t at = 0; at < string->length;)
        out += write_utf8(out, next_code_point(string, &at));
}

/* QuoteJSONString of ECMA-262 25.5.2.3 for one code point. `out` has room for seven bytes. */
static int stringify_code_point(char *out, uint32_t code_point)
{
    static const char short_escapes[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    for (size_t i = 0; i < sizeof short_escapes - 1; i += 2) {
        if (code_point == (uint8_t)short_escapes[i])
            return snprintf(out, 7, "\\%c", short_escapes[i + 1]);
    }
    if (code_point < 0x20 || (code_point >= 0xD800 && code_point <= 0xDFFF))
        return snprintf(out, 7, "\\u%04x", code_point);
    return write_utf8(out, code_point);
}

char *simple_string_stringify(const struct simple_string *string)
{
    char *text = malloc(6 * string->length + 7);
    assert(text != NULL);
    size_t length = 0;
    for (size_t at = 0; at < string->length;)
        length += (size_t)stringify_code_point(text + length, next_code_point(string, &at));
    text[length] = '\0';
    return text;
}

/* The string that begins here. */
static struct bytes string_at(struct bytes raw, size_t at)
{
    size_t end = at + 1;
    while (raw.data[end] != '"')
        end += raw.data[end] == '\\' ? 2 : 1;
    return bytes_of(raw.data + at, end + 1 - at);
}

static size_t stringified_length(struct bytes raw)
{
    struct simple_string decoded = simple_json_decode(raw);
    char *form = simple_string_stringify(&decoded);
    size_t length = strlen(form) + 2;
    free(form);
    simple_string_release(&decoded);
    return length;
}

size_t simple_json_compact_length(struct bytes raw)
{
    size_t length = 0;
    for (size_t at = 0; at < raw.length;) {
        if (raw.data[at] == '"') {
            struct bytes string = string_at(raw, at);
            length += stringified_length(string);
            at += string.length;
        } else {
            length += strchr(" \t\n\r", raw.data[at]) == NULL;
            at++;
        }
    }
    return length;
}
