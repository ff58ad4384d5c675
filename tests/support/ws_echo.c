/*
 * An echo server on the project's own layers, for WebSocket conformance suites: one loop, no rooms.
 *
 *     ws_echo --port N [--poller epoll|io_uring]      (0: the kernel chooses; the port is printed)
 *
 * It never checks Origin, has no timeouts and keeps one record a descriptor. Not for production.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"
#include "net/outbox.h"
#include "net/poller.h"
#include "proto/ws_handshake.h"
#include "proto/ws_message.h"

#define DESCRIPTORS_MAX 1024
#define MESSAGE_BYTES_MAX (64u * 1024 * 1024)

struct peer {
    struct poller_socket socket;
    struct buf head; /* the request, until the handshake is done */
    struct ws_reader reader;
    struct outbox out;
    bool is_open;
    bool is_full;
    bool is_closing;
    bool is_ended;
};

static struct poller *poller;
static size_t held; /* counted, and not limited */
static struct outbox_pool pool = {.account = &held};
static struct peer peers[DESCRIPTORS_MAX];

static void end(struct peer *peer)
{
    peer->is_ended = true;
    if (!poller_detach(poller, &peer->socket))
        return; /* OUTCOME_DETACHED calls it again */
    close(peer->socket.fd);
    buf_release(&peer->head);
    ws_reader_release(&peer->reader);
    outbox_clear(&peer->out, &pool);
}

static void require(bool is_good)
{
    if (!is_good) {
        perror("ws_echo");
        exit(EXIT_FAILURE);
    }
}

static void queue(struct peer *peer, struct bytes bytes)
{
    require(outbox_append(&peer->out, &pool, bytes));
}

static void queue_frame(struct peer *peer, enum ws_opcode opcode, struct bytes payload)
{
    uint8_t header[WS_FRAME_HEADER_OUT_MAX];
    queue(peer, bytes_of(header, ws_frame_write_header(header, opcode, payload.length)));
    queue(peer, payload);
}

static void queue_close(struct peer *peer, uint16_t code, struct bytes reason)
{
    uint8_t payload[WS_CONTROL_PAYLOAD_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    if (reason.length > 0)
        memcpy(payload + 2, reason.data, reason.length);
    size_t length = code == WS_CLOSE_NO_STATUS ? 0 : 2 + reason.length;
    queue_frame(peer, WS_OPCODE_CLOSE, bytes_of(payload, length));
    peer->is_closing = true;
}

/* Sends what is queued; what is left goes on when the poller tells that it may. */
static void flush(struct peer *peer)
{
    while (peer->out.length > 0 && !peer->is_full && peer->socket.sending == 0) {
        struct iovec parts[64];
        int count = outbox_parts(&peer->out, parts, 64);
        ssize_t sent = poller_send(poller, &peer->socket, parts, count);
        if (sent == POLLER_SEND_FAILED) {
            end(peer);
            return;
        }
        if (sent != POLLER_SEND_BEGUN) {
            outbox_consume(&peer->out, &pool, (size_t)sent);
            peer->is_full = sent == 0;
        }
    }
    if (peer->out.length == 0 && peer->is_closing)
        shutdown(peer->socket.fd, SHUT_WR);
}

static void shake_hands(struct peer *peer, struct bytes_mut *in)
{
    struct http_request request;
    size_t length;
    int status = 0;
    require(buf_append(&peer->head, bytes_of(in->data, in->length)) == BUF_OK);
    struct bytes head = buf_view(&peer->head);
    enum http_parse_result result =
        http_request_parse(head, HTTP_REQUEST_HEAD_MAX, &request, &length, &status);
    if (result == HTTP_PARSE_NEED_MORE) {
        in->length = 0;
        return;
    }
    if (result == HTTP_PARSE_INVALID || ws_handshake_check(&request) != 101) {
        queue(peer, BYTES("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
        peer->is_closing = true;
        return;
    }
    uint8_t response[1024];
    struct writer writer = writer_over(response, sizeof response);
    ws_handshake_write_response(&writer, &request, (struct bytes){0});
    queue(peer, writer_view(&writer));
    bytes_mut_skip(in, in->length - (head.length - length));
    peer->is_open = true;
}

static void echo(struct peer *peer, struct bytes_mut in)
{
    struct ws_read read;
    if (!peer->is_open && !peer->is_closing)
        shake_hands(peer, &in);
    while (peer->is_open && !peer->is_closing &&
           ws_reader_next(&peer->reader, &in, &read) != WS_READ_NEED_MORE) {
        if (read.kind == WS_READ_MESSAGE)
            queue_frame(peer, read.is_binary ? WS_OPCODE_BINARY : WS_OPCODE_TEXT, read.payload);
        else if (read.kind == WS_READ_PING)
            queue_frame(peer, WS_OPCODE_PONG, read.payload);
        else if (read.kind == WS_READ_CLOSE || read.kind == WS_READ_ERROR)
            queue_close(peer, read.close_code, read.payload);
    }
    flush(peer);
}

static void welcome(int fd)
{
    if (fd >= DESCRIPTORS_MAX) {
        close(fd);
        return;
    }
    struct peer *peer = &peers[fd];
    *peer = (struct peer){.socket.fd = fd};
    buf_init(&peer->head, 64 * 1024 + HTTP_REQUEST_HEAD_MAX);
    ws_reader_init(&peer->reader, MESSAGE_BYTES_MAX);
    require(poller_attach(poller, &peer->socket));
}

static void handle_peer(struct peer *peer, const struct outcome *outcome)
{
    if (peer->is_ended && outcome->kind != OUTCOME_DETACHED)
        return;
    switch (outcome->kind) {
    case OUTCOME_RECEIVED:
        echo(peer, outcome->data);
        break;
    case OUTCOME_SENT:
        outbox_consume(&peer->out, &pool, outcome->sent);
        peer->is_full = outcome->is_full;
        flush(peer);
        break;
    case OUTCOME_WRITABLE:
        peer->is_full = false;
        flush(peer);
        break;
    default:
        end(peer);
        break;
    }
}

static void serve(void)
{
    struct outcome outcome;
    poller_wait(poller, -1);
    while (poller_next(poller, &outcome)) {
        if (outcome.kind == OUTCOME_ACCEPTED)
            welcome(outcome.fd);
        else if (outcome.kind == OUTCOME_OVERFLOWED)
            close(outcome.fd);
        else if (outcome.kind == OUTCOME_ACCEPT_FAILED)
            require(false);
        else
            handle_peer(CONTAINER_OF(outcome.socket, struct peer, socket), &outcome);
    }
}

int main(int argument_count, char **arguments)
{
    char why[256];
    bool has_poller = argument_count == 5 && strcmp(arguments[3], "--poller") == 0;
    if ((argument_count != 3 && !has_poller) || strcmp(arguments[1], "--port") != 0) {
        fprintf(stderr, "usage: ws_echo --port N [--poller epoll|io_uring]\n");
        return 2;
    }
    bool is_io_uring = has_poller && strcmp(arguments[4], "io_uring") == 0;
    signal(SIGPIPE, SIG_IGN);
    int listener = listener_open(NULL, (uint16_t)atoi(arguments[2]), why, sizeof why);
    if (listener < 0) {
        fprintf(stderr, "ws_echo: %s\n", why);
        return EXIT_FAILURE;
    }
    poller = poller_new(is_io_uring ? POLLER_IO_URING : POLLER_EPOLL);
    require(poller != NULL && poller_listen(poller, listener));
    poller_start(poller);
    printf("ws_echo listening on ws://localhost:%u\n", listener_port(listener));
    fflush(stdout);
    for (;;)
        serve();
}
