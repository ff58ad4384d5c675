/*
 * URL templates for the page that controllers load. {room} and {instance} stand for values that a
 * room's creator can't know.
 */
#ifndef PARTY_RELAY_URL_TEMPLATE_H
#define PARTY_RELAY_URL_TEMPLATE_H

#include "base/writer.h"
#include "proto/json.h"
#include "relay/event.h"

#define URL_TEMPLATE_BYTES_MAX 512
#define INSTANCE_BYTES_MAX 64 /* of an instance id, and of a region */
/*
 * Each {instance} may become longer, each {room} twice as long (CODE_LENGTH_MAX), and each other
 * byte may be a quote that needs a backslash.
 */
#define URL_FILLED_BYTES_MAX (URL_TEMPLATE_BYTES_MAX * 7)

struct url_template {
    size_t length;
    uint8_t text[URL_TEMPLATE_BYTES_MAX];
};

/*
 * Reads the `url` of a `create`, and checks it in the protocol's order. `allows_near`: http will do
 * for a page in the same network; see URL_HTTP_NEAR. False: `ret_error` says what is wrong, and
 * `ret_detail`, which points into the template, which part.
 */
bool url_template_read(const struct json_value *value, struct bytes instance_id, bool allows_near,
                       struct url_template *ret_template, enum relay_error *ret_error,
                       struct bytes *ret_detail);

/* Fills the placeholders, and escapes the URL for a JSON string. Returns its length. */
size_t url_template_fill(const struct url_template *template, struct bytes room,
                         struct bytes instance_id, uint8_t ret_url[URL_FILLED_BYTES_MAX]);

/*
 * Reads what url_template_fill() has written, from a record. False: it is no http or https URL, or
 * is too long.
 */
bool url_template_read_filled(const struct json_value *value, uint8_t ret_url[URL_FILLED_BYTES_MAX],
                              size_t *ret_length);

/* Writes such a URL without the escapes. */
void url_template_write_address(struct writer *writer, struct bytes url);

#endif
