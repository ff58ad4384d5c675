/* Room codes and instance ids need no escapes in a URL. */
#include "relay/url_template.h"

#include "proto/url.h"

/* U+0000 to 0020 and 007F; C1 controls, which are C2 80 to C2 9F in UTF-8. */
static bool has_space_or_control(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        bool is_c1 = c == 0xC2 && i + 1 < text.length && text.data[i + 1] < 0xA0;
        if (c <= ' ' || c == 0x7F || is_c1)
            return true;
    }
    return false;
}

/* The placeholder that begins at `at`, with its braces; empty: none does. */
static struct bytes placeholder_at(struct bytes text, size_t at)
{
    if (text.data[at] != '{')
        return (struct bytes){0};
    for (size_t end = at + 1; end < text.length && text.data[end] != '{'; end++) {
        if (text.data[end] == '}')
            return bytes_of(text.data + at, end + 1 - at);
    }
    return (struct bytes){0};
}

static bool is_known(struct bytes placeholder)
{
    return bytes_equal(placeholder, BYTES("{room}")) ||
           bytes_equal(placeholder, BYTES("{instance}"));
}

/* False: a placeholder is unknown, or a brace belongs to none. */
static bool check_placeholders(struct bytes text, enum relay_error *ret_error,
                               struct bytes *ret_detail)
{
    bool has_stray_brace = false;
    for (size_t at = 0; at < text.length;) {
        struct bytes placeholder = placeholder_at(text, at);
        if (placeholder.length > 0 && !is_known(placeholder)) {
            *ret_error = ERROR_URL_PLACEHOLDER;
            *ret_detail = placeholder;
            return false;
        }
        bool is_brace = text.data[at] == '{' || text.data[at] == '}';
        if (is_brace && placeholder.length == 0)
            has_stray_brace = true;
        at += placeholder.length > 0 ? placeholder.length : 1;
    }
    *ret_error = ERROR_URL_BRACE;
    return !has_stray_brace;
}

static void put_filled(struct writer *writer, struct bytes text, struct bytes room,
                       struct bytes instance_id, bool is_json)
{
    for (size_t at = 0; at < text.length;) {
        struct bytes placeholder = placeholder_at(text, at);
        if (placeholder.length > 0) {
            writer_put(writer, bytes_equal(placeholder, BYTES("{room}")) ? room : instance_id);
            at += placeholder.length;
            continue;
        }
        if (is_json && (text.data[at] == '"' || text.data[at] == '\\'))
            writer_put_byte(writer, '\\');
        writer_put_byte(writer, text.data[at++]);
    }
}

bool url_template_read(const struct json_value *value, struct bytes instance_id, bool allows_near,
                       struct url_template *ret_template, enum relay_error *ret_error,
                       struct bytes *ret_detail)
{
    *ret_detail = (struct bytes){0};
    *ret_error = ERROR_URL_NO_STRING;
    if (value->kind != JSON_STRING)
        return false;
    struct json_string_sizes sizes;
    uint8_t canonical[URL_FILLED_BYTES_MAX];
    *ret_error = ERROR_URL_TOO_LARGE;
    if (!json_string_canonicalize(value, canonical, sizeof canonical, &sizes) ||
        sizes.decoded > URL_TEMPLATE_BYTES_MAX)
        return false;
    *ret_error = ERROR_URL_INVALID; /* a URL has no lone surrogates */
    if (!json_string_decode(value, ret_template->text, sizeof ret_template->text,
                            &ret_template->length))
        return false;
    struct bytes text = bytes_of(ret_template->text, ret_template->length);
    *ret_error = ERROR_URL_SPACES;
    if (has_space_or_control(text) || !check_placeholders(text, ret_error, ret_detail))
        return false;
    struct writer writer = writer_over(canonical, sizeof canonical);
    put_filled(&writer, text, BYTES("ABCDEF"), instance_id, false);
    enum url_kind kind = url_classify(writer_view(&writer));
    *ret_error = kind == URL_INVALID ? ERROR_URL_INVALID : ERROR_URL_NOT_HTTPS;
    return kind == URL_HTTPS || (allows_near && kind == URL_HTTP_NEAR);
}

size_t url_template_fill(const struct url_template *template, struct bytes room,
                         struct bytes instance_id, uint8_t ret_url[URL_FILLED_BYTES_MAX])
{
    struct writer writer = writer_over(ret_url, URL_FILLED_BYTES_MAX);
    put_filled(&writer, bytes_of(template->text, template->length), room, instance_id, true);
    return writer.length;
}

bool url_template_read_filled(const struct json_value *value, uint8_t ret_url[URL_FILLED_BYTES_MAX],
                              size_t *ret_length)
{
    uint8_t decoded[URL_FILLED_BYTES_MAX];
    struct json_string_sizes sizes;
    size_t length;
    if (value->kind != JSON_STRING ||
        !json_string_decode(value, decoded, sizeof decoded, &length) ||
        !json_string_canonicalize(value, ret_url, URL_FILLED_BYTES_MAX, &sizes))
        return false;
    /* What {room} stands for may have made it a URL that browsers refuse; it was told all the same.
     */
    struct bytes text = bytes_of(decoded, length);
    *ret_length = sizes.written;
    return !has_space_or_control(text) &&
           (bytes_have_prefix(text, BYTES("https:")) || bytes_have_prefix(text, BYTES("http:")));
}

void url_template_write_address(struct writer *writer, struct bytes url)
{
    for (size_t i = 0; i < url.length; i++) {
        if (url.data[i] == '\\')
            i++; /* url_template_fill() escapes only quotes and backslashes */
        writer_put_byte(writer, url.data[i]);
    }
}
