/*
 * The client's side of RFC 6455, as far as a benchmark needs it. A client reads frames cheaply and
 * looks at messages in place. It copies only the beginning of a message that came in parts. It
 * gives up on a server that fragments messages, and offers no extensions.
 */
#include "client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "give_up.h"
#include "message.h"
#include "proto/ws_frame.h"

#define PARTS_PER_SEND 64
#define FINAL_BIT 0x80
#define RESERVED_BITS 0x70
#define OPCODE_BITS 0x0F
#define MASK_BIT 0x80
#define STASH_BYTES (WS_FRAME_HEADER_OUT_MAX + CLIENT_LOOK_BYTES)
#define KEY "cGFydHktYmVuY2gga2V5IQ==" /* any 16 bytes; the key protects nobody here */

/* The beginning of a frame, or of the answer to the handshake, that comes in parts. */
struct stash {
    struct stash *next; /* in the hub's list of spare ones */
    uint64_t consumed;  /* bytes of the frame seen so far */
    size_t length;      /* bytes that are kept in `bytes` */
    bool is_told;       /* the message was reported; the next call drops the stash */
    uint8_t bytes[STASH_BYTES];
};

void greeting_init(struct greeting *greeting)
{
    ws_handshake_accept(BYTES(KEY), greeting->accept);
}

void entrance_init(struct entrance *entrance, const char *subprotocol)
{
    snprintf(entrance->request, sizeof entrance->request,
             "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Protocol: %s\r\n\r\n",
             entrance->target.path, entrance->target.authority, subprotocol);
}

void hub_init(struct hub *hub, struct poller *poller, const struct entrance *entrances,
              uint32_t entrance_count, const struct greeting *greeting)
{
    *hub = (struct hub){.poller = poller,
                        .entrances = entrances,
                        .entrance_count = entrance_count,
                        .greeting = greeting,
                        .waits_to_connect = true};
    hub->outboxes.account = &hub->held;
    list_init(&hub->unsent);
}

void hub_release(struct hub *hub)
{
    outbox_pool_release(&hub->outboxes);
    for (struct stash *stash = hub->spare; stash != NULL; stash = hub->spare) {
        hub->spare = stash->next;
        free(stash);
    }
}

/* What goes to the socket. */
static struct outbox *wire(struct client *client)
{
    return client->tls == NULL ? &client->out : client_tls_output(client->tls);
}

static void flush(struct hub *hub, struct client *client)
{
    struct outbox *out = wire(client);
    if (client->tls != NULL)
        client_tls_seal(client->tls, &client->out);
    while (out->length > 0 && !client->is_blocked) {
        struct iovec parts[PARTS_PER_SEND];
        int count = outbox_parts(out, parts, PARTS_PER_SEND);
        size_t wanted = 0;
        for (int i = 0; i < count; i++)
            wanted += parts[i].iov_len;
        ssize_t sent = poller_send(hub->poller, &client->socket, parts, count);
        if (sent == POLLER_SEND_FAILED)
            return; /* the poller reports next that the connection is broken */
        client->is_blocked = sent == POLLER_SEND_BEGUN || (size_t)sent < wanted;
        if (sent > 0)
            outbox_consume(out, &hub->outboxes, (size_t)sent);
    }
}

void hub_flush(struct hub *hub)
{
    for (struct list *link; (link = list_pop_first(&hub->unsent)) != NULL;)
        flush(hub, CONTAINER_OF(link, struct client, unsent));
}

void client_sent(struct hub *hub, struct client *client, const struct outcome *outcome)
{
    if (outcome->kind == OUTCOME_SENT)
        outbox_consume(wire(client), &hub->outboxes, outcome->sent);
    client->is_blocked = outcome->kind == OUTCOME_SENT && outcome->is_full;
    if (client->state != CLIENT_ENDING)
        flush(hub, client);
}

static void let_flush(struct hub *hub, struct client *client)
{
    if (list_is_empty(&client->unsent))
        list_append(&hub->unsent, &client->unsent);
}

static void queue_bytes(struct hub *hub, struct client *client, struct bytes bytes)
{
    if (!outbox_append(&client->out, &hub->outboxes, bytes))
        give_up("not enough memory");
    let_flush(hub, client);
}

void client_queue(struct hub *hub, struct client *client, struct bytes bytes)
{
    client->has_sent = true;
    queue_bytes(hub, client, bytes);
}

static void queue_frame(struct hub *hub, struct client *client, uint8_t opcode,
                        struct bytes payload)
{
    uint8_t frame[MASKED_FRAME_HEADER_MAX + 512];
    assert(payload.length <= 512);
    queue_bytes(hub, client, bytes_of(frame, masked_frame_write(frame, opcode, payload)));
}

void client_queue_text(struct hub *hub, struct client *client, struct bytes text)
{
    queue_frame(hub, client, WS_OPCODE_TEXT, text);
}

static void open_tls(struct hub *hub, struct client *client)
{
    if (hub->tls_context == NULL)
        return;
    if (client->tls == NULL)
        client->tls = client_tls_new(hub->tls_context);
    client_tls_open(client->tls, &hub->outboxes);
}

enum client_tls_result client_decrypt(struct hub *hub, struct client *client,
                                      struct bytes_mut *input, struct bytes_mut *ret_text)
{
    size_t length = 0;
    if (client->tls == NULL) {
        *ret_text = *input;
        *input = (struct bytes_mut){0};
        return ret_text->length > 0 ? CLIENT_TLS_TEXT : CLIENT_TLS_NEED_MORE;
    }
    enum client_tls_result result = client_tls_read(client->tls, input, hub->text, &length);
    *ret_text = (struct bytes_mut){hub->text, length};
    if (client->out.length > 0 || client_tls_output(client->tls)->length > 0)
        let_flush(hub, client); /* the end of a handshake lets output go */
    return result;
}

void client_release(struct client *client)
{
    client_tls_free(client->tls);
    client->tls = NULL;
}

void client_open(struct hub *hub, struct client *client, uint64_t number, uint32_t room_number)
{
    const struct entrance *entrance =
        &hub->entrances[(room_number + client->member) % hub->entrance_count];
    int fd = target_connect(&entrance->target, number, hub->waits_to_connect);
    client->socket = (struct poller_socket){.fd = fd};
    client->out = (struct outbox){0};
    client->stash = NULL;
    client->state = CLIENT_ARRIVING;
    client->is_blocked = false;
    list_init(&client->unsent);
    if (!poller_attach(hub->poller, &client->socket))
        give_up("a connection can't be polled: %s", strerror(errno));
    open_tls(hub, client);
    if (hub->greeting->is_floor) {
        uint8_t room[4] = {(uint8_t)room_number, (uint8_t)(room_number >> 8),
                           (uint8_t)(room_number >> 16), (uint8_t)(room_number >> 24)};
        queue_bytes(hub, client, bytes_of(room, sizeof room));
    } else {
        queue_bytes(hub, client, bytes_of_string(entrance->request));
    }
}

void client_leave(struct hub *hub, struct client *client)
{
    static const uint8_t normal[2] = {WS_CLOSE_NORMAL >> 8, WS_CLOSE_NORMAL & 0xff};
    queue_frame(hub, client, WS_OPCODE_CLOSE, bytes_of(normal, sizeof normal));
    client->state = CLIENT_LEAVING;
}

static struct stash *stash_take(struct hub *hub)
{
    struct stash *stash = hub->spare;
    if (stash != NULL)
        hub->spare = stash->next;
    else
        stash = allocate_or_give_up(1, sizeof *stash);
    stash->consumed = 0;
    stash->length = 0;
    stash->is_told = false;
    return stash;
}

static void stash_drop(struct hub *hub, struct client *client)
{
    if (client->stash == NULL)
        return;
    client->stash->next = hub->spare;
    hub->spare = client->stash;
    client->stash = NULL;
}

bool client_close(struct hub *hub, struct client *client)
{
    list_remove(&client->unsent);
    stash_drop(hub, client);
    client->is_seated = false;
    client->state = CLIENT_ENDING;
    if (!poller_detach(hub->poller, &client->socket))
        return false;
    client_ended(hub, client);
    return true;
}

void client_ended(struct hub *hub, struct client *client)
{
    outbox_clear(&client->out, &hub->outboxes);
    if (client->tls != NULL)
        client_tls_close(client->tls);
    close(client->socket.fd);
    client->state = CLIENT_CLOSED;
}

struct frame {
    uint8_t opcode;
    uint8_t header_length;
    uint64_t payload_length;
};

static uint64_t read_big_endian(const uint8_t *data, size_t length)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value << 8 | data[i];
    return value;
}

/* Reads a header. False: it needs more bytes. */
static bool read_header(struct bytes in, struct frame *ret_frame)
{
    if (in.length < 2)
        return false;
    if ((in.data[0] & RESERVED_BITS) != 0 || (in.data[1] & MASK_BIT) != 0)
        give_up("the server sent an invalid frame (%02x %02x)", in.data[0], in.data[1]);
    if ((in.data[0] & FINAL_BIT) == 0)
        give_up("the server sent a message in fragments, which party-bench doesn't read");
    uint64_t length = in.data[1];
    size_t extended = length < 126 ? 0 : length == 126 ? 2 : 8;
    if (in.length < 2 + extended)
        return false;
    *ret_frame = (struct frame){
        .opcode = in.data[0] & OPCODE_BITS,
        .header_length = (uint8_t)(2 + extended),
        .payload_length = extended == 0 ? length : read_big_endian(in.data + 2, extended),
    };
    return true;
}

static size_t least(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

/* Moves the beginning of the input to the stash. Bytes that have no place there are only counted.
 */
static void stash_fill(struct stash *stash, struct bytes_mut *input, uint64_t wanted)
{
    size_t taken = least(input->length, wanted);
    size_t kept = least(taken, sizeof stash->bytes - stash->length);
    memcpy(stash->bytes + stash->length, input->data, kept);
    stash->length += kept;
    stash->consumed += taken;
    bytes_mut_skip(input, taken);
}

/* Reads on in a frame that comes in parts. True: the frame is whole, and its beginning is stashed.
 */
static bool gather_frame(struct hub *hub, struct client *client, struct bytes_mut *input,
                         struct frame *ret_frame)
{
    if (client->stash == NULL)
        client->stash = stash_take(hub);
    struct stash *stash = client->stash;
    while (!read_header(bytes_of(stash->bytes, stash->length), ret_frame)) {
        if (input->length == 0)
            return false;
        stash_fill(stash, input, 1);
    }
    uint64_t length = ret_frame->header_length + ret_frame->payload_length;
    stash_fill(stash, input, length - stash->consumed);
    stash->is_told = stash->consumed == length;
    return stash->is_told;
}

/* The next frame, once it is whole. `ret_payload` is its payload, or the beginning of its payload.
 */
static bool next_frame(struct hub *hub, struct client *client, struct bytes_mut *input,
                       struct frame *ret_frame, struct bytes *ret_payload)
{
    if (client->stash == NULL) {
        struct bytes in = bytes_of(input->data, input->length);
        if (in.length == 0)
            return false;
        if (read_header(in, ret_frame) &&
            in.length - ret_frame->header_length >= ret_frame->payload_length) {
            *ret_payload =
                bytes_of(in.data + ret_frame->header_length, (size_t)ret_frame->payload_length);
            bytes_mut_skip(input, ret_frame->header_length + ret_payload->length);
            return true;
        }
    }
    if (!gather_frame(hub, client, input, ret_frame))
        return false;
    const struct stash *stash = client->stash;
    *ret_payload =
        bytes_of(stash->bytes + ret_frame->header_length, stash->length - ret_frame->header_length);
    return true;
}

/* The value of a header field of the response; empty when the response has no such field. */
static struct bytes header_value(struct bytes head, struct bytes name)
{
    for (size_t at = 0; at + name.length < head.length; at++) {
        struct bytes here = bytes_of(head.data + at, name.length);
        if (head.data[at + name.length] != ':' || !bytes_equal_ignore_case(here, name))
            continue;
        const uint8_t *value = here.data + name.length + 1;
        const uint8_t *end = head.data + head.length;
        while (value < end && *value == ' ')
            value++;
        const uint8_t *line_end = memchr(value, '\r', (size_t)(end - value));
        return bytes_of(value, (size_t)((line_end == NULL ? end : line_end) - value));
    }
    return (struct bytes){0};
}

static void check_response(const struct greeting *greeting, struct bytes head)
{
    struct bytes accept = header_value(head, BYTES("sec-websocket-accept"));
    if (head.length < 12 || memcmp(head.data, "HTTP/1.1 101", 12) != 0)
        give_up("the server refused the WebSocket: %.*s",
                (int)(strcspn((const char *)head.data, "\r")), (const char *)head.data);
    if (!bytes_equal(accept, bytes_of(greeting->accept, sizeof greeting->accept)))
        give_up("the server's handshake is wrong: its Sec-WebSocket-Accept doesn't fit");
    struct bytes chosen = header_value(head, BYTES("sec-websocket-protocol"));
    const char *wanted = greeting->subprotocol;
    if (wanted != NULL && !bytes_equal(chosen, bytes_of_string(wanted)))
        give_up("the server didn't choose the subprotocol %s", wanted);
}

/* Reads the answer to the greeting. True: the answer is whole. */
static bool take_answer(struct hub *hub, struct client *client, struct bytes_mut *input)
{
    static const char end[] = "\r\n\r\n";
    if (hub->greeting->is_floor) {
        bytes_mut_skip(input, 1);
        return true;
    }
    if (client->stash == NULL)
        client->stash = stash_take(hub);
    struct stash *stash = client->stash;
    while (input->length > 0) {
        stash_fill(stash, input, 1);
        if (stash->length >= strlen(end) &&
            memcmp(stash->bytes + stash->length - strlen(end), end, strlen(end)) == 0) {
            check_response(hub->greeting, bytes_of(stash->bytes, stash->length));
            stash->is_told = true;
            return true;
        }
        if (stash->length == sizeof stash->bytes)
            give_up("the server's answer to the handshake is too long");
    }
    return false;
}

enum client_event_kind client_next(struct hub *hub, struct client *client, struct bytes_mut *input,
                                   struct client_event *ret_event)
{
    struct frame frame;
    if (client->stash != NULL && client->stash->is_told)
        stash_drop(hub, client);
    *ret_event = (struct client_event){.kind = CLIENT_NEEDS_MORE};
    if (client->state == CLIENT_ARRIVING && input->length > 0 && take_answer(hub, client, input)) {
        client->state = CLIENT_OPEN;
        ret_event->kind = CLIENT_OPENED;
        return CLIENT_OPENED;
    }
    while (client->state != CLIENT_ARRIVING &&
           next_frame(hub, client, input, &frame, &ret_event->text)) {
        if (frame.opcode == WS_OPCODE_TEXT)
            ret_event->kind = CLIENT_TEXT;
        else if (frame.opcode == WS_OPCODE_CLOSE)
            ret_event->kind = CLIENT_WAS_CLOSED;
        else if (frame.opcode == WS_OPCODE_PING && client->state == CLIENT_OPEN)
            queue_frame(hub, client, WS_OPCODE_PONG, ret_event->text);
        else if (frame.opcode == WS_OPCODE_BINARY)
            give_up("the server sent a binary message");
        if (ret_event->kind != CLIENT_NEEDS_MORE)
            return ret_event->kind;
        if (client->stash != NULL)
            stash_drop(hub, client);
    }
    return CLIENT_NEEDS_MORE;
}
