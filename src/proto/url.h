/*
 * What an absolute URL is, by the rules of browsers (the WHATWG URL Standard, url.spec.whatwg.org).
 *
 * Stricter than the standard:
 * - A text with U+0000 to U+0020 is invalid, and so is one above URL_LENGTH_MAX. The standard would
 *   drop the white space at the ends, and tabs and line breaks anywhere, so that what is shown to
 *   somebody and what is followed were not the same text.
 * - A host of a special scheme (http, https, ws, wss, ftp, file) that is not ASCII, as written or
 *   once its percent-encoding is undone, is invalid: that needs the tables of IDNA. A browser's
 *   `location` gives the ASCII form (`xn--`) of such a host, and that is accepted.
 *
 * Laxer than the standard:
 * - Whether a label that begins with `xn--` can be decoded is not asked, for want of the same
 * tables.
 */
#ifndef PARTY_PROTO_URL_H
#define PARTY_PROTO_URL_H

#include "base/bytes.h"

#define URL_LENGTH_MAX 4096 /* bytes */

enum url_kind {
    URL_INVALID, /* where `new URL(text)`, without a base, throws */
    URL_HTTPS,
    URL_HTTP,
    URL_OTHER, /* valid, of any other scheme */
};

/* Pure; safe for any bytes, those that are not UTF-8 included: they count as not ASCII. */
enum url_kind url_classify(struct bytes text);

#endif
