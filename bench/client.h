/*
 * One client: a connection, its TLS if the URL is wss://, its WebSocket, and its unsent output. A
 * client knows frames, but no rooms; the worker knows what a text means.
 *
 * Bytes in, events out, one at a time, as in proto/ws_message.h:
 *
 *     while (client_decrypt(hub, client, &input, &text) == CLIENT_TLS_TEXT)
 *         while (client_next(hub, client, &text, &event) != CLIENT_NEEDS_MORE)
 *             ... event.kind, event.text ...
 *
 * Clients of one thread share a hub; nothing here is shared between threads.
 */
#ifndef PARTY_BENCH_CLIENT_H
#define PARTY_BENCH_CLIENT_H

#include "base/list.h"
#include "client_tls.h"
#include "net/outbox.h"
#include "net/poller.h"
#include "proto/ws_handshake.h"
#include "target.h"

#define CLIENT_LOOK_BYTES \
    1024 /* the client keeps only so much of a long message that came in parts */

struct room;
struct stash;

enum client_state {
    CLIENT_CLOSED,
    CLIENT_ARRIVING, /* connected; waits for the answer to the greeting */
    CLIENT_OPEN,
    CLIENT_LEAVING, /* has sent a close frame, and waits for the server to close */
    CLIENT_ENDING,  /* waits for the poller to let go of the socket */
};

struct client {
    struct poller_socket socket;
    struct outbox out;      /* over TLS: not encrypted yet */
    struct client_tls *tls; /* NULL: the client speaks plain text, or was never opened */
    struct list unsent;     /* in the hub's list, while there is output to send */
    struct stash *stash;    /* a frame that comes in parts; NULL between frames */
    struct room *room;
    uint32_t member;    /* place in the room: 0 is the host */
    uint32_t next;      /* number of the next broadcast that it must hear */
    uint8_t state;      /* enum client_state */
    uint8_t looks;      /* at it since it confirmed what it has seen; see confirming.c */
    bool has_sent;      /* scenario's frames, since then */
    bool is_blocked;    /* a send is under way, or the socket is full */
    bool is_seated;     /* in its room */
    bool returns;       /* has a seat already; see seating_return() */
    char epoch[16 + 1]; /* protocol 3: of the seat's counts */
    uint64_t seen;      /* protocol 3: events of this epoch */
    uint64_t told_seen; /* what the server knows of that */
};

/* How a connection begins; the same for all connections. */
struct greeting {
    uint8_t accept[WS_ACCEPT_LENGTH];
    const char *subprotocol; /* the server must choose it; NULL: any */
    bool is_floor; /* no handshake: the client sends 4 bytes with the room's number, and gets one
                      byte */
};

/*
 * One of the addresses at which clients come in. Member M of room R takes number R + M, modulo
 * their count.
 */
struct entrance {
    struct target target;
    char request[1024]; /* of the WebSocket handshake */
};

void greeting_init(struct greeting *greeting);

/* Writes the request; `target` must be there. */
void entrance_init(struct entrance *entrance, const char *subprotocol);

struct hub {
    struct poller *poller;
    const struct entrance *entrances;
    uint32_t entrance_count;
    const struct greeting *greeting;
    struct outbox_pool outboxes;
    size_t held; /* bytes of output; they are counted, but not limited */
    struct list unsent;
    struct stash *spare;                    /* stashes for reuse */
    struct client_tls_context *tls_context; /* NULL: plain text */
    bool waits_to_connect;                  /* client_open() returns when the connection is there */
    uint8_t text[CLIENT_TLS_TEXT_BYTES];    /* decrypted, of one client at a time */
};

void hub_init(struct hub *hub, struct poller *poller, const struct entrance *entrances,
              uint32_t entrance_count, const struct greeting *greeting);

/* Frees what the hub keeps for reuse. All clients must be closed. */
void hub_release(struct hub *hub);

/* Sends the queued output of all clients, with one send for each client if its socket takes all. */
void hub_flush(struct hub *hub);

/* Frees what a closed client keeps for its next connection. */
void client_release(struct client *client);

/* Connects. `number` counts connections in this process. */
void client_open(struct hub *hub, struct client *client, uint64_t number, uint32_t room_number);

/* Queues finished frames. The next hub_flush() sends them. */
void client_queue(struct hub *hub, struct client *client, struct bytes bytes);

/* Queues a text message, masked; for texts of up to 512 bytes. */
void client_queue_text(struct hub *hub, struct client *client, struct bytes text);

/* Sends a close frame with 1000. */
void client_leave(struct hub *hub, struct client *client);

/* Ends the connection at once. False: CLIENT_ENDING until OUTCOME_DETACHED; see client_ended(). */
bool client_close(struct hub *hub, struct client *client);
void client_ended(struct hub *hub, struct client *client);

/* Takes OUTCOME_SENT and OUTCOME_WRITABLE. */
void client_sent(struct hub *hub, struct client *client, const struct outcome *outcome);

/* The next plain text of the input; without TLS that is the input itself, as CLIENT_TLS_TEXT. */
enum client_tls_result client_decrypt(struct hub *hub, struct client *client,
                                      struct bytes_mut *input, struct bytes_mut *ret_text);

enum client_event_kind {
    CLIENT_NEEDS_MORE, /* all input is consumed */
    CLIENT_OPENED,     /* the handshake is done */
    CLIENT_TEXT,       /* a whole message has come; `text` is its beginning */
    CLIENT_WAS_CLOSED, /* the server's close frame: `text` is its payload */
};

struct client_event {
    enum client_event_kind kind;
    struct bytes text; /* valid until the next call */
};

/* Consumes the next event of the input, and answers pings on the way. Gives up when the input is no
 * WebSocket. Also returns ret_event->kind. */
enum client_event_kind client_next(struct hub *hub, struct client *client, struct bytes_mut *input,
                                   struct client_event *ret_event);

#endif
