/*
 * A WebSocket as clients have it: a link, over which it shakes hands, frames and masks what is
 * said, and answers pings. It checks that the server keeps to RFC 6455.
 */
#ifndef PARTY_TESTS_WIRE_H
#define PARTY_TESTS_WIRE_H

#include "network.h"

struct wire;

/* Each may close or reset the wire. */
struct wire_events {
    void (*opened)(void *owner);
    /* The text ends with a zero byte, and is the callback's alone. */
    void (*heard)(void *owner, const char *text, size_t length);
    /* The same of a binary message; NULL: none may come. */
    void (*heard_bytes)(void *owner, struct bytes message);
    /* The server has sent a close frame; 1005: without a code. The owner closes the wire. */
    void (*closed)(void *owner, unsigned code, const char *reason);
    /* The connection ended without a close frame, which the owner closes or resets. */
    void (*ended)(void *owner, bool is_reset);
    /* The server has answered this, whole, and no WebSocket. The owner closes the wire. */
    void (*refused)(void *owner, const char *response);
};

struct wire *wire_open(struct address from, int protocol, const struct wire_events *events,
                       void *owner);
/* The same, but nothing goes out before wire_send_off(): the request and what is said meanwhile
 * are in one packet, unless the network cuts it. */
struct wire *wire_prepare(struct address from, int protocol, const struct wire_events *events,
                          void *owner);
void wire_send_off(struct wire *wire);
/* As wire_open(), to ask for a page. */
struct wire *wire_ask(struct address from, const char *path, const struct wire_events *events,
                      void *owner);
void wire_say(struct wire *wire, const char *text, size_t length);
/* A frame of any kind: the first byte of its header, and whether it is masked. */
void wire_send_frame(struct wire *wire, uint8_t first, bool is_masked, const void *data,
                     size_t length);
/* Says goodbye with a code, and ends the client's side. The wire is gone then. */
void wire_leave(struct wire *wire, unsigned code);
/* The client's side ends without a word, or with a reset. The wire is gone then. */
void wire_close(struct wire *wire);
void wire_reset(struct wire *wire);

/* The client is gone, see link_give_up(). The wire is gone then. */
void wire_give_up(struct wire *wire, uint64_t late_ns, bool has_end);

/* For faults: what is held or stalled. */
struct link *wire_link(struct wire *wire);
/* When the last ping came; 0: none has come. */
uint64_t wire_pinged_ns(const struct wire *wire);
/* How many pongs came: all that were asked for by pings, none else. */
uint32_t wire_pongs(const struct wire *wire);

#endif
