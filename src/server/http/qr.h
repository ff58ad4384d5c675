/* QR codes as SVG pictures, drawn with libqrencode. */
#ifndef PARTY_SERVER_HTTP_QR_H
#define PARTY_SERVER_HTTP_QR_H

#include "base/payload.h"
#include "base/writer.h"

#define QR_LINK_BYTES_MAX                                                  \
    512 /* longer ones take a millisecond to draw, and no phone reads them \
         */

/*
 * The picture of a link, its text as the title, in memory that is charged to `account`; or NULL: it
 * is too long, or memory is short.
 */
MUST_CHECK struct payload *qr_draw(struct bytes link, size_t *account);

#endif
