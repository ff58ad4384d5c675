/*
 * UTF-8, JSON and envelopes against the simple references of this folder.
 *
 * - utf8_feed() reports a fault at the very byte that makes the text impossible, however the text
 *   is cut; utf8_is_valid() agrees with the reference on any bytes.
 * - On valid UTF-8, json_validate() and envelope_parse() accept what the reference accepts, with
 *   the same kinds, fields and spans; each span is JSON by itself.
 * - Strings have the canonical form that JSON.stringify gives them, which is its own canonical
 *   form; the sizes are right, and a buffer that is one byte too small is refused.
 * - Strings decode to the UTF-8 that the reference has, unless a surrogate stands alone.
 * - The compact length of a value is that of the text which JSON.stringify would make of it.
 * - Numbers have the value that strtod() gives them, but for the longest, which have none.
 */
#include <math.h>

#include "fuzz/fuzz_input.h"
#include "fuzz/simple_json.h"
#include "fuzz/simple_utf8.h"
#include "proto/envelope.h"
#include "proto/utf8.h"

static void check_utf8(struct bytes text)
{
    size_t possible = simple_utf8_possible_length(text);
    struct utf8_state state = {0};
    size_t fed = 0;
    while (fed < text.length && utf8_feed(&state, bytes_of(text.data + fed, 1)))
        fed++;
    assert(fed == possible);

    /* In two parts, cut wherever the bytes happen to say. */
    struct utf8_state halves = {0};
    size_t sum = 0;
    for (size_t i = 0; i < text.length; i++)
        sum += text.data[i];
    size_t cut = sum % (text.length + 1);
    bool is_possible = utf8_feed(&halves, bytes_of(text.data, cut)) &&
                       utf8_feed(&halves, bytes_of(text.data + cut, text.length - cut));
    assert(is_possible == (possible == text.length));
    assert(utf8_is_valid(text) == simple_utf8_is_valid(text));
}

static bool span_is_within(struct bytes span, struct bytes text)
{
    return span.data >= text.data && span.data + span.length <= text.data + text.length;
}

/* `canonical`, quotes around it, is a string of the same canonical form. */
static void check_is_its_own_form(struct bytes canonical)
{
    size_t length = canonical.length + 2;
    uint8_t *quoted = malloc(length);
    uint8_t *again = malloc(canonical.length);
    assert(quoted != NULL && again != NULL);
    quoted[0] = '"';
    memcpy(quoted + 1, canonical.data, canonical.length);
    quoted[length - 1] = '"';
    struct json_value string = {JSON_STRING, true, bytes_of(quoted, length)};
    assert(json_validate(string.raw) == JSON_STRING);
    struct json_string_sizes sizes;
    assert(json_string_canonicalize(&string, again, canonical.length, &sizes));
    assert(bytes_equal(bytes_of(again, sizes.written), canonical));
    free(again);
    free(quoted);
}

static bool has_lone_surrogate(const struct simple_string *string)
{
    for (size_t i = 0; i < string->length; i++) {
        uint16_t unit = string->units[i];
        bool is_high = unit >= 0xD800 && unit <= 0xDBFF;
        bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
        bool is_pair = is_high && i + 1 < string->length && string->units[i + 1] >= 0xDC00 &&
                       string->units[i + 1] <= 0xDFFF;
        if (is_pair)
            i++;
        else if (is_high || is_low)
            return true;
    }
    return false;
}

/* The canonical form of what was decoded, escaped where it must be, is that of the string. */
static void check_is_form_of(struct bytes text, const char *canonical)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            assert((uint8_t)*canonical++ == c);
            continue;
        }
        assert(*canonical++ == '\\');
        canonical += *canonical == 'u' ? 5 : 1;
    }
    assert(*canonical == '\0');
}

static void check_decoded(const struct json_value *string, const struct simple_string *expected,
                          const char *canonical)
{
    size_t length = simple_string_utf8_length(expected);
    uint8_t *text = malloc(length);
    assert(text != NULL);
    size_t written;
    bool is_decoded = json_string_decode(string, text, length, &written);
    assert(is_decoded != has_lone_surrogate(expected));
    assert(written <= length);
    if (is_decoded) {
        assert(written == length && simple_utf8_is_valid(bytes_of(text, length)));
        check_is_form_of(bytes_of(text, length), canonical);
        if (length > 0)
            assert(!json_string_decode(string, text, length - 1, &written));
    }
    free(text);
}

static void check_string(const struct json_value *string)
{
    bool has_backslash = memchr(string->raw.data, '\\', string->raw.length) != NULL;
    assert(string->has_escapes == has_backslash);
    struct simple_string decoded = simple_json_decode(string->raw);
    char *expected = simple_string_stringify(&decoded);
    size_t length = strlen(expected);

    uint8_t *form = malloc(length);
    assert(form != NULL);
    struct json_string_sizes sizes;
    assert(json_string_canonicalize(string, form, length, &sizes));
    assert(bytes_equal(bytes_of(form, sizes.written), bytes_of(expected, length)));
    assert(sizes.decoded == simple_string_utf8_length(&decoded));
    assert(sizes.written <= 6 * sizes.decoded);
    if (length > 0)
        assert(!json_string_canonicalize(string, form, length - 1, &sizes));
    check_is_its_own_form(bytes_of(form, length));
    check_decoded(string, &decoded, expected);
    assert(json_string_equals(string, BYTES("data")) == simple_string_equals(&decoded, "data"));

    free(form);
    free(expected);
    simple_string_release(&decoded);
}

static void check_number(const struct json_value *number)
{
    char *text = strndup((const char *)number->raw.data, number->raw.length);
    assert(text != NULL);
    double expected = number->raw.length > JSON_NUMBER_BYTES_MAX ? (double)NAN : strtod(text, NULL);
    double value = json_member_number(number);
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): the same bits, NAN too */
    assert(memcmp(&value, &expected, sizeof value) == 0);
    free(text);
}

/* What the walk yields is what the reference finds in the same place. */
static void check_value(const struct json_value *value, struct bytes text)
{
    assert(span_is_within(value->raw, text));
    struct simple_value alone = simple_json_parse(value->raw);
    assert(alone.kind == value->kind && bytes_equal(alone.raw, value->raw));
    assert(json_compact_length(value->raw) == simple_json_compact_length(value->raw));
    if (value->kind == JSON_STRING)
        check_string(value);
}

static void check_walk(struct bytes text, bool is_valid)
{
    struct json_walk walk;
    json_walk_begin(&walk, text);
    struct json_value key;
    struct json_value value;
    enum json_next next;
    while ((next = json_walk_next(&walk, &key, &value)) == JSON_NEXT_MEMBER) {
        /* Until a fault is reached, what was yielded is sound. */
        assert(key.kind == JSON_STRING);
        check_value(&key, text);
        check_value(&value, text);
        /* Only in a valid text is there something behind a number that ends it. */
        if (is_valid && value.kind == JSON_NUMBER)
            check_number(&value);
    }
    assert((next == JSON_NEXT_END && walk.is_object) == is_valid);
}

static void check_field(struct bytes text, const char *name, const struct json_value *field)
{
    struct simple_value expected = simple_json_member(text, name);
    assert(field->kind == expected.kind);
    if (expected.kind != JSON_ABSENT)
        assert(field->raw.data == expected.raw.data && field->raw.length == expected.raw.length);
}

/* The name of the type that the last `type` of an object spells, or NULL. */
static const char *expected_type(struct bytes text)
{
    static const char *const names[] = {"create",     "join",          "send",     "set_state",
                                        "close_room", "ping",          "set_room", "set_host",
                                        "kick",       "mute_audience", "leave",    "resumed"};
    struct simple_value type = simple_json_member(text, "type");
    const char *found = NULL;
    if (type.kind != JSON_STRING)
        return NULL;
    struct simple_string decoded = simple_json_decode(type.raw);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (simple_string_equals(&decoded, names[i]))
            found = names[i];
    }
    simple_string_release(&decoded);
    return found;
}

static bool same_value(const struct json_value *a, const struct json_value *b)
{
    return a->kind == b->kind && a->has_escapes == b->has_escapes && a->raw.data == b->raw.data &&
           a->raw.length == b->raw.length;
}

/* In goes of whatever length the same comes out as at once. */
static void check_goes(struct bytes text, enum envelope_result expected_result,
                       const struct envelope *expected)
{
    for (size_t length = 1; length < 300; length = length * 3 + 1) {
        struct envelope_parser parser;
        envelope_begin(&parser, text);
        enum envelope_result result = envelope_continue(&parser, length);
        /* Every go advances, so there are at most as many as there are bytes. */
        for (size_t goes = 0; result == ENVELOPE_PAUSED; goes++) {
            assert(goes < text.length);
            result = envelope_continue(&parser, length);
        }
        assert(result == expected_result);
        if (result != ENVELOPE_OK)
            continue;
        assert(parser.envelope.type == expected->type);
        assert(same_value(&parser.envelope.client_id, &expected->client_id));
        assert(same_value(&parser.envelope.max_clients, &expected->max_clients));
        assert(same_value(&parser.envelope.room, &expected->room));
        assert(same_value(&parser.envelope.to, &expected->to));
        assert(same_value(&parser.envelope.url, &expected->url));
        assert(same_value(&parser.envelope.data, &expected->data));
        for (uint32_t i = 0; i < ENVELOPE_FIELDS; i++) {
            struct json_value field = envelope_field(&parser.envelope, (enum envelope_field)i);
            struct json_value other = envelope_field(expected, (enum envelope_field)i);
            assert(same_value(&field, &other));
        }
    }
}

static void check_envelope(struct bytes text, enum json_kind kind)
{
    static const char *const names[] = {
        [ENVELOPE_CREATE] = "create",
        [ENVELOPE_JOIN] = "join",
        [ENVELOPE_SEND] = "send",
        [ENVELOPE_SET_STATE] = "set_state",
        [ENVELOPE_CLOSE_ROOM] = "close_room",
        [ENVELOPE_PING] = "ping",
        [ENVELOPE_SET_ROOM] = "set_room",
        [ENVELOPE_SET_HOST] = "set_host",
        [ENVELOPE_KICK] = "kick",
        [ENVELOPE_MUTE_AUDIENCE] = "mute_audience",
        [ENVELOPE_LEAVE] = "leave",
        [ENVELOPE_RESUMED] = "resumed",
    };
    static const char *const fields[ENVELOPE_FIELDS] = {
        [FIELD_VOLATILE] = "volatile",
        [FIELD_SEEN] = "seen",
        [FIELD_SESSION] = "session",
        [FIELD_ATTEMPT] = "attempt",
        [FIELD_EPOCH] = "epoch",
        [FIELD_ROLE] = "role",
        [FIELD_PASSWORD] = "password",
        [FIELD_HOLD] = "hold",
        [FIELD_ON_HOST_LEFT] = "onHostLeft",
        [FIELD_MAX_AUDIENCE] = "maxAudience",
        [FIELD_TOKEN] = "token",
        [FIELD_PRIVATE] = "private",
        [FIELD_LOCKED] = "locked",
        [FIELD_INDEX] = "index",
        [FIELD_REASON] = "reason",
        [FIELD_BAN] = "ban",
        [FIELD_MUTED] = "muted",
        [FIELD_UNASKED] = "unasked",
    };
    struct envelope envelope;
    enum envelope_result result = envelope_parse(text, &envelope);
    check_goes(text, result, &envelope);
    if (kind == JSON_ABSENT) {
        assert(result == ENVELOPE_INVALID_JSON);
        return;
    }
    const char *type = kind == JSON_OBJECT ? expected_type(text) : NULL;
    assert(result == (type == NULL ? ENVELOPE_UNKNOWN_TYPE : ENVELOPE_OK));
    if (result != ENVELOPE_OK)
        return;
    assert(strcmp(names[envelope.type], type) == 0);
    check_field(text, "clientId", &envelope.client_id);
    check_field(text, "maxClients", &envelope.max_clients);
    check_field(text, "room", &envelope.room);
    check_field(text, "to", &envelope.to);
    check_field(text, "url", &envelope.url);
    check_field(text, "data", &envelope.data);
    for (uint32_t i = 0; i < ENVELOPE_FIELDS; i++) {
        struct json_value field = envelope_field(&envelope, (enum envelope_field)i);
        check_field(text, fields[i], &field);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes_mut copy = fuzz_copy(bytes_of(data, size));
    struct bytes text = bytes_of(copy.data, copy.length);
    check_utf8(text);
    /* The server lets nothing else near the validator: ws_message checks text, conn_in binary. */
    if (simple_utf8_is_valid(text)) {
        enum json_kind kind = simple_json_parse(text).kind;
        assert(json_validate(text) == kind);
        check_walk(text, kind == JSON_OBJECT);
        check_envelope(text, kind);
    }
    free(copy.data);
    return 0;
}
