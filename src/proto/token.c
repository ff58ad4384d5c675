/* Splits tokens, and picks the members out of their two JSON objects. */
#include "proto/token.h"

#include <math.h>

#include "proto/base64url.h"
#include "proto/json.h"
#include "proto/origin.h"
#include "proto/utf8.h"

#define PART_BYTES_MAX BASE64URL_DECODED_MAX(TOKEN_BYTES_MAX)

/* A member that is looked for; `value` is where its value goes. */
struct wanted {
    struct bytes name;
    struct json_value *value;
};

static void take_member(const struct wanted *wanted, size_t count, const struct json_value *key,
                        const struct json_value *value)
{
    for (size_t i = 0; i < count; i++) {
        if (json_string_equals(key, wanted[i].name))
            *wanted[i].value = *value;
    }
}

/* Finds members of a JSON text, which has none unless it is an object. False: it is no JSON. */
static bool read_object(struct bytes text, const struct wanted *wanted, size_t count)
{
    struct json_walk walk;
    struct json_value key;
    struct json_value value;
    enum json_next next;
    if (!utf8_is_valid(text))
        return false;
    json_walk_begin(&walk, text);
    while ((next = json_walk_next(&walk, &key, &value)) == JSON_NEXT_MEMBER)
        take_member(wanted, count, &key, &value);
    return next == JSON_NEXT_END;
}

static enum token_verdict judge_header(struct bytes header, struct bytes algorithm)
{
    uint8_t text[PART_BYTES_MAX];
    size_t length;
    struct json_value alg = {0};
    struct json_value crit = {0};
    const struct wanted wanted[] = {{BYTES("alg"), &alg}, {BYTES("crit"), &crit}};
    if (!base64url_decode(header, text, sizeof text, &length) ||
        !read_object(bytes_of(text, length), wanted, ARRAY_LENGTH(wanted)))
        return TOKEN_VERDICT_MALFORMED;
    if (alg.kind != JSON_STRING || crit.kind != JSON_ABSENT)
        return TOKEN_VERDICT_MALFORMED;
    return json_string_equals(&alg, algorithm) ? TOKEN_VERDICT_OK : TOKEN_VERDICT_BAD_SIGNATURE;
}

/* Takes what is before the first dot, and the dot, off the text. False: there is no dot. */
static bool take_part(struct bytes *text, struct bytes *ret_part)
{
    const uint8_t *dot = text->length > 0 ? memchr(text->data, '.', text->length) : NULL;
    if (dot == NULL)
        return false;
    *ret_part = bytes_of(text->data, (size_t)(dot - text->data));
    *text = bytes_of(dot + 1, text->length - ret_part->length - 1);
    return true;
}

enum token_verdict token_open(struct bytes token, struct bytes algorithm,
                              struct token_parts *ret_parts)
{
    struct bytes header;
    struct bytes signature = token;
    if (token.length > TOKEN_BYTES_MAX || !take_part(&signature, &header) ||
        !take_part(&signature, &ret_parts->payload))
        return TOKEN_VERDICT_MALFORMED;
    ret_parts->signed_text = bytes_of(token.data, token.length - signature.length - 1);
    enum token_verdict verdict = judge_header(header, algorithm);
    if (verdict != TOKEN_VERDICT_OK)
        return verdict;
    bool is_decoded = base64url_decode(signature, ret_parts->signature, sizeof ret_parts->signature,
                                       &ret_parts->signature_length);
    return is_decoded ? TOKEN_VERDICT_OK : TOKEN_VERDICT_MALFORMED;
}

/* Reads a time in seconds, fractions too (RFC 7519 2, NumericDate). False: it is none. */
static bool read_time(const struct json_value *value, double *ret_time_s)
{
    if (value->kind != JSON_NUMBER)
        return false;
    *ret_time_s = json_member_number(value);
    return !isnan(*ret_time_s);
}

static enum token_verdict judge_times(const struct json_value *exp, const struct json_value *nbf,
                                      int64_t now_s)
{
    double end_s;
    double begin_s = 0;
    if (!read_time(exp, &end_s))
        return TOKEN_VERDICT_MALFORMED;
    bool has_begin = nbf->kind != JSON_ABSENT;
    if (has_begin && !read_time(nbf, &begin_s))
        return TOKEN_VERDICT_MALFORMED;
    bool has_begun = !has_begin || (double)now_s >= begin_s;
    return has_begun && (double)now_s < end_s ? TOKEN_VERDICT_OK : TOKEN_VERDICT_EXPIRED;
}

static bool read_max_clients(const struct json_value *value, struct token_claims *claims)
{
    if (value->kind == JSON_ABSENT)
        return true;
    double number = value->kind == JSON_NUMBER ? json_member_number(value) : 0;
    if (!(number >= 1))
        return false;
    /* A room admits members while their count is below the number: 1.5 admits two. */
    return json_member_ceiling(value, UINT32_MAX, &claims->max_clients);
}

static bool read_origin(const struct json_value *value, struct token_claims *claims)
{
    size_t length;
    if (value->kind == JSON_ABSENT)
        return true;
    if (value->kind != JSON_STRING ||
        !json_string_decode(value, claims->origin, sizeof claims->origin, &length))
        return false;
    claims->origin_length = (uint16_t)length;
    return origin_pattern_fault(bytes_of(claims->origin, length)) == NULL;
}

enum token_verdict token_read_claims(struct bytes payload, int64_t now_s,
                                     struct token_claims *ret_claims)
{
    uint8_t text[PART_BYTES_MAX];
    size_t length;
    struct json_value exp = {0};
    struct json_value nbf = {0};
    struct json_value aud = {0};
    struct json_value max_clients = {0};
    struct json_value origin = {0};
    const struct wanted wanted[] = {
        {BYTES("exp"), &exp},       {BYTES("nbf"), &nbf},
        {BYTES("aud"), &aud},       {BYTES("maxClients"), &max_clients},
        {BYTES("origin"), &origin},
    };
    ret_claims->max_clients = 0;
    ret_claims->origin_length = 0;
    if (!base64url_decode(payload, text, sizeof text, &length) ||
        !read_object(bytes_of(text, length), wanted, ARRAY_LENGTH(wanted)))
        return TOKEN_VERDICT_MALFORMED;
    if (aud.kind != JSON_ABSENT || !read_max_clients(&max_clients, ret_claims) ||
        !read_origin(&origin, ret_claims))
        return TOKEN_VERDICT_MALFORMED;
    return judge_times(&exp, &nbf, now_s);
}
