/*
 * The origin at which a browser reaches this server, for links that other people open: scheme and
 * host of the request, and the path below which a proxy has the server. A trusted proxy may report
 * all three. A phone can't open `localhost`, so the machine's own address takes its place.
 */
#ifndef PARTY_SERVER_HTTP_PAGE_ORIGIN_H
#define PARTY_SERVER_HTTP_PAGE_ORIGIN_H

#include "base/writer.h"
#include "proto/http_request.h"
#include "server/loop.h"

#define PAGE_HOST_BYTES_MAX 272 /* `https://`, a domain name of 253 bytes, a port */
#define PAGE_ORIGIN_BYTES_MAX (PAGE_HOST_BYTES_MAX + HTTP_PATH_PREFIX_MAX)

struct page_origin {
    bool is_asked_here; /* from this machine, and others reach it */
    uint16_t length;
    uint8_t text[PAGE_ORIGIN_BYTES_MAX]; /* `http://192.0.2.7:3000`, `https://example.com/relay` */
};

/*
 * Writes a link, which is a valid URL. If it leads by http to the machine that follows it, and the
 * request came from this one, the machine's own address takes the host's place.
 */
void page_origin_write_link(struct writer *writer, const struct page_origin *origin,
                            struct bytes link);

/* False: the request has no valid host. */
bool page_origin_of(const struct loop *loop, const struct conn *conn,
                    const struct http_request *request, struct page_origin *ret_origin);

#endif
