/* QR codes as SVG pictures, drawn with libqrencode. */
#ifndef PARTY_SERVER_HTTP_QR_H
#define PARTY_SERVER_HTTP_QR_H

#include "base/payload.h"
#include "base/writer.h"

/* Longer links take a millisecond to draw, and no phone reads them. */
#define QR_LINK_BYTES_MAX 512

/*
 * Draws a link's QR code, with the link as the title, into a payload that is charged to `account`.
 * NULL: the link is empty or too long, or memory is short.
 */
MUST_CHECK struct payload *qr_draw(struct bytes link, size_t *account);

#endif
