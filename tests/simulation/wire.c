/* What has arrived and is not handled yet stays in one buffer, frame after frame. */
#include "wire.h"
#include "refusals.h"
#include "secrets.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 14
#define MASK_LENGTH 4
#define PLAIN_MAX (16 * 1024)

struct wire {
    struct link *link; /* NULL: closed, and freed when no callback is under way */
    const struct wire_events *events;
    void *owner;
    bool is_open;
    bool is_busy;     /* with callbacks */
    bool is_prepared; /* nothing goes out yet */
    uint8_t *unread;
    size_t unread_length;
    size_t unread_capacity;
    uint64_t pinged_ns;
    uint32_t pings;  /* that it sent, */
    uint32_t pongs;  /* and that were answered */
    SSL *ssl;        /* NULL: plain text */
    uint8_t *unsent; /* until it is sent off, and hands are shaken */
    size_t unsent_length;
};

static _Noreturn void fail(const struct wire *wire, const char *sentence, const uint8_t *data,
                           size_t length)
{
    fflush(stdout);
    fprintf(stderr, "a client %sat %.6f gets %s:", wire->is_open ? "" : "that is not open yet ",
            (double)network_now_ns() / 1e9, sentence);
    for (size_t i = 0; i < length && i < 16; i++)
        fprintf(stderr, " %02x", data[i]);
    fputc('\n', stderr);
    abort();
}

/* What OpenSSL wants to be sent. */
static void flush(struct wire *wire)
{
    uint8_t *data;
    long length = BIO_get_mem_data(SSL_get_wbio(wire->ssl), &data);
    if (length > 0)
        link_send(wire->link, bytes_of(data, (size_t)length));
    (void)BIO_reset(SSL_get_wbio(wire->ssl));
}

/* What could not be encrypted before. */
static void encrypt(struct wire *wire)
{
    if (wire->unsent_length > 0 && SSL_is_init_finished(wire->ssl)) {
        if (SSL_write(wire->ssl, wire->unsent, (int)wire->unsent_length) <= 0)
            fail(wire, "an error of OpenSSL for", wire->unsent, wire->unsent_length);
        wire->unsent_length = 0;
    }
    flush(wire);
}

static void put_out(struct wire *wire, const uint8_t *data, size_t length)
{
    if (wire->ssl == NULL && !wire->is_prepared) {
        link_send(wire->link, bytes_of(data, length));
        return;
    }
    wire->unsent = certain_realloc(wire->unsent, wire->unsent_length + length);
    memcpy(wire->unsent + wire->unsent_length, data, length);
    wire->unsent_length += length;
    if (!wire->is_prepared)
        encrypt(wire);
}

void wire_send_off(struct wire *wire)
{
    wire->is_prepared = false;
    if (wire->ssl != NULL) {
        encrypt(wire);
        return;
    }
    link_send(wire->link, bytes_of(wire->unsent, wire->unsent_length));
    wire->unsent_length = 0;
}

void wire_send_frame(struct wire *wire, uint8_t first, bool is_masked, const void *data,
                     size_t length)
{
    uint8_t *frame = certain_malloc(HEADER_MAX + length);
    uint8_t bit = is_masked ? 0x80 : 0;
    size_t at = 0;
    assert(wire->link != NULL);
    wire->pings += first == 0x89;
    frame[at++] = first;
    if (length < 126) {
        frame[at++] = bit | (uint8_t)length;
    } else if (length <= UINT16_MAX) {
        frame[at++] = bit | 126;
        frame[at++] = (uint8_t)(length >> 8);
        frame[at++] = (uint8_t)length;
    } else {
        frame[at++] = bit | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            frame[at++] = (uint8_t)((uint64_t)length >> shift);
    }
    uint8_t mask[MASK_LENGTH] = {0};
    for (int i = 0; is_masked && i < MASK_LENGTH; i++)
        frame[at++] = mask[i] = (uint8_t)network_random();
    for (size_t i = 0; i < length; i++)
        frame[at++] = ((const uint8_t *)data)[i] ^ mask[i % MASK_LENGTH];
    put_out(wire, frame, at);
    free(frame);
}

void wire_say(struct wire *wire, const char *text, size_t length)
{
    wire_send_frame(wire, 0x81, true, text, length);
}

/* The frame at the beginning of what is unread: where its payload is. False: it is not whole. */
static bool find_payload(const struct wire *wire, const uint8_t *data, size_t left,
                         size_t *ret_header, size_t *ret_length)
{
    static const size_t headers[] = {2, 4, 10};
    if (left < 2)
        return false;
    int kind = (data[1] & 0x7F) < 126 ? 0 : (data[1] & 0x7F) - 125;
    if ((data[1] & 0x80) != 0 || (data[0] & 0xF0) != 0x80)
        fail(wire, "a frame that is masked, or not whole", data, left);
    *ret_header = headers[kind];
    if (left < *ret_header)
        return false;
    size_t length = kind == 0 ? data[1] : 0;
    for (size_t i = 2; i < *ret_header; i++)
        length = length << 8 | data[i];
    *ret_length = length;
    return left - *ret_header >= length;
}

static void handle_close(struct wire *wire, const uint8_t *payload, size_t length)
{
    char reason[128] = "";
    if (length == 1 || length > 125)
        fail(wire, "a close frame of a wrong length", payload, length);
    unsigned code = length >= 2 ? (unsigned)payload[0] << 8 | payload[1] : 1005;
    if (length > 2)
        memcpy(reason, payload + 2, length - 2);
    wire->events->closed(wire->owner, code, reason);
    if (wire->link != NULL)
        fail(wire, "a close frame that nobody answered", payload, length);
}

static void handle_frame(struct wire *wire, uint8_t opcode, uint8_t *payload, size_t length)
{
    uint8_t behind = payload[length]; /* there is a byte more in the buffer than it holds */
    if (opcode == 0x2 && wire->events->heard_bytes == NULL)
        fail(wire, "a binary message", payload, length);
    switch (opcode) {
    case 0x1:
        payload[length] = '\0';
        wire->events->heard(wire->owner, (const char *)payload, length);
        payload[length] = behind;
        break;
    case 0x2:
        wire->events->heard_bytes(wire->owner, bytes_of(payload, length));
        break;
    case 0x8:
        handle_close(wire, payload, length);
        break;
    case 0x9:
        wire->pinged_ns = network_now_ns();
        wire_send_frame(wire, 0x8A, true, payload, length);
        break;
    case 0xA:
        if (++wire->pongs > wire->pings)
            fail(wire, "a pong that it did not ask for", payload, length);
        break;
    default:
        fail(wire, "a frame of another opcode", &opcode, 1);
    }
}

/* What is no WebSocket, when all of it is there. */
static size_t handle_refusal(struct wire *wire, size_t head_length)
{
    wire->unread[wire->unread_length] = '\0';
    const char *field = strstr((const char *)wire->unread, "Content-Length: ");
    if (field == NULL)
        fail(wire, "a response without a length", wire->unread, head_length);
    if (wire->unread_length < head_length + strtoul(field + 16, NULL, 10))
        return 0;
    wire->events->refused(wire->owner, (const char *)wire->unread);
    return wire->unread_length;
}

/* Returns how much of what is unread it has handled. */
static size_t handle_response(struct wire *wire)
{
    const char *end = memmem(wire->unread, wire->unread_length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    if (strncmp((const char *)wire->unread, "HTTP/1.1 101 ", 13) != 0)
        return handle_refusal(wire, (size_t)((const uint8_t *)end - wire->unread) + 4);
    wire->is_open = true;
    wire->events->opened(wire->owner);
    return (size_t)((const uint8_t *)end - wire->unread) + 4;
}

static size_t handle_some(struct wire *wire, size_t at)
{
    size_t header, length;
    uint8_t *data = wire->unread + at;
    if (!wire->is_open)
        return handle_response(wire);
    if (!find_payload(wire, data, wire->unread_length - at, &header, &length))
        return 0;
    handle_frame(wire, data[0] & 0x0F, data + header, length);
    return header + length;
}

static void free_wire(struct wire *wire)
{
    SSL_free(wire->ssl);
    free(wire->unsent);
    free(wire->unread);
    free(wire);
}

static void take_in(struct wire *wire, struct bytes data)
{
    size_t needed = wire->unread_length + data.length + 1;
    if (needed > wire->unread_capacity) {
        wire->unread_capacity = needed * 2;
        wire->unread = certain_realloc(wire->unread, wire->unread_capacity);
    }
    memcpy(wire->unread + wire->unread_length, data.data, data.length);
    wire->unread_length += data.length;
    size_t at = 0;
    for (size_t taken = 1; taken > 0 && wire->link != NULL; at += taken)
        taken = handle_some(wire, at);
    memmove(wire->unread, wire->unread + at, wire->unread_length - at);
    wire->unread_length -= at;
}

static void decrypt(struct wire *wire, struct bytes data)
{
    static uint8_t text[PLAIN_MAX];
    int length = 0;
    if (BIO_write(SSL_get_rbio(wire->ssl), data.data, (int)data.length) != (int)data.length)
        fail(wire, "more than OpenSSL takes", data.data, data.length);
    while (wire->link != NULL && (length = SSL_read(wire->ssl, text, sizeof text)) > 0)
        take_in(wire, bytes_of(text, (size_t)length));
    if (wire->link == NULL)
        return;
    bool is_good =
        SSL_want_read(wire->ssl) || (SSL_get_shutdown(wire->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    if (is_good)
        encrypt(wire);
    else
        wire->events->ended(wire->owner, true); /* the server has given it up */
}

static void received(void *client, struct bytes data)
{
    struct wire *wire = client;
    wire->is_busy = true;
    /* OpenSSL's queue of errors is the thread's: what servers leave there is theirs to find. */
    ERR_set_mark();
    if (wire->ssl != NULL)
        decrypt(wire, data);
    else
        take_in(wire, data);
    ERR_pop_to_mark();
    wire->is_busy = false;
    if (wire->link == NULL)
        free_wire(wire);
}

static void ended(void *client, bool is_reset)
{
    struct wire *wire = client;
    wire->is_busy = true;
    wire->events->ended(wire->owner, is_reset);
    wire->is_busy = false;
    assert(wire->link == NULL);
    free_wire(wire);
}

static const struct link_events events_of_link = {received, ended};

static void begin_tls(struct wire *wire, SSL_CTX *context)
{
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    wire->ssl = SSL_new(context);
    if (in == NULL || out == NULL || wire->ssl == NULL)
        abort();
    SSL_set_bio(wire->ssl, in, out);
    SSL_set_connect_state(wire->ssl);
    (void)SSL_do_handshake(wire->ssl);
}

static struct wire *connect_wire(struct address from, const struct wire_events *events, void *owner)
{
    struct wire *wire = certain_calloc(1, sizeof *wire);
    *wire = (struct wire){.events = events, .owner = owner};
    wire->link = link_open(from, &events_of_link, wire);
    if (secrets_of_clients() != NULL)
        begin_tls(wire, secrets_of_clients());
    return wire;
}

struct wire *wire_prepare(struct address from, int protocol, const struct wire_events *events,
                          void *owner)
{
    char request[256];
    struct wire *wire = connect_wire(from, events, owner);
    wire->is_prepared = true;
    int length = snprintf(request, sizeof request,
                          "GET / HTTP/1.1\r\nHost: simulated\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Protocol: party-sockets.v%d\r\n\r\n",
                          protocol);
    put_out(wire, (const uint8_t *)request, (size_t)length);
    return wire;
}

struct wire *wire_open(struct address from, int protocol, const struct wire_events *events,
                       void *owner)
{
    struct wire *wire = wire_prepare(from, protocol, events, owner);
    wire_send_off(wire);
    return wire;
}

struct wire *wire_ask(struct address from, const char *path, const struct wire_events *events,
                      void *owner)
{
    char request[128];
    struct wire *wire = connect_wire(from, events, owner);
    int length =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: simulated\r\n\r\n", path);
    put_out(wire, (const uint8_t *)request, (size_t)length);
    return wire;
}

/* Nothing is heard from now on. */
static void end(struct wire *wire)
{
    wire->link = NULL;
    if (!wire->is_busy)
        free_wire(wire);
}

void wire_close(struct wire *wire)
{
    link_close(wire->link);
    end(wire);
}

void wire_reset(struct wire *wire)
{
    link_reset(wire->link);
    end(wire);
}

void wire_give_up(struct wire *wire, uint64_t late_ns, bool has_end)
{
    link_give_up(wire->link, late_ns, has_end);
    end(wire);
}

void wire_leave(struct wire *wire, unsigned code)
{
    const uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    wire_send_frame(wire, 0x88, true, payload, sizeof payload);
    if (wire->ssl != NULL && SSL_shutdown(wire->ssl) >= 0)
        flush(wire);
    wire_close(wire);
}

struct link *wire_link(struct wire *wire)
{
    return wire->link;
}

uint32_t wire_pongs(const struct wire *wire)
{
    return wire->pongs;
}

uint64_t wire_pinged_ns(const struct wire *wire)
{
    return wire->pinged_ns;
}
