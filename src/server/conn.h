/*
 * One connection: plain data, and its states.
 *
 * A connection belongs to one loop's thread at a time. It moves to another loop as a whole, by
 * mail. All connections of the process are in one table, at the index of their descriptor, so a
 * move copies nothing.
 */
#ifndef PARTY_SERVER_CONN_H
#define PARTY_SERVER_CONN_H

#include <assert.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/list.h"
#include "net/mailbox.h"
#include "net/outbox.h"
#include "net/poller.h"
#include "net/tls.h"
#include "proto/http_request.h"
#include "proto/ws_message.h"
#include "relay/relay.h"
#include "server/limits.h"

/* The type of the object around a poller_socket: poller_socket.owner. */
enum socket_owner {
    OWNER_NONE,
    OWNER_CONNECTION, /* a struct conn */
};

enum conn_state {
    CONN_FREE,    /* no connection */
    CONN_HTTP,    /* the connection's requests are read */
    CONN_WAITING, /* other loops are asked, or the answer is delayed as a penalty; input waits */
    CONN_OPEN,    /* a WebSocket */
    CONN_REMOTE,  /* a WebSocket at another node, whose client is in a room here: see home */
    /* The answer to one failed join too many is delayed; then the connection is closed. */
    CONN_DELAYED,
    CONN_MOVING,    /* on its way to another loop; input waits */
    CONN_CLOSING,   /* queued output is sent, input is discarded */
    CONN_LINGERING, /* our side is shut; the peer is read until it ends, and its input discarded */
    CONN_DEAD,      /* freed at the end of the turn */
};

/*
 * The limit that the connection exceeds: it may only ask for pages, and is closed after the
 * response.
 */
enum conn_refusal {
    REFUSAL_NONE,
    REFUSAL_FULL,    /* --max-connections */
    REFUSAL_ADDRESS, /* --max-connections-per-address */
};

struct link_end;

/*
 * A short `create` or `join` that this node could not answer when it came: another node is to, or
 * this one when it can. It is kept until it is answered, since it may be that no node can yet.
 */
struct entrance {
    uint32_t since_ms;    /* when the client sent it */
    uint32_t refused_ms;  /* when a home said last that it can't answer yet */
    uint32_t patience_ms; /* for so long no home is asked after that; 0: none has said so */
    bool is_waiting;      /* no node can be asked: it is handled once more; else one was asked */
    uint32_t length;
    uint8_t text[];
};

/* State that a connection has only while some input is incomplete or waits. */
struct conn_input {
    struct ws_reader reader;
    /* Of the reader's message, when parsing it takes several turns. */
    struct envelope_parser *parser;
    struct http_progress head; /* how far the request head in `unread` was read */
    /* Part of a request head, or all input that came while the connection was not read. */
    struct buf unread;
    /* The join that is carried out before anything else is read; from malloc(). */
    struct join *join;
    struct entrance *entrance; /* NULL: it waits for no node; from malloc() */
    /*
     * The number of the `joined` that the client gets or got unasked. What it says is dropped until
     * it has answered this one; 0: nothing is.
     */
    uint32_t unasked;
    uint32_t unasked_ms; /* when it got that, once it has its seat */
    uint32_t since_ms;   /* when the last message was complete, or when this record was created */
};

#define CONN_ORIGIN_BITS 10

struct conn {
    struct poller_socket socket;
    uint8_t state : 4;            /* enum conn_state; changed by conn_set_state() alone */
    uint8_t protocol : 2;         /* enum protocol, of an open WebSocket */
    bool closed_without_code : 1; /* the client closed, and did not say why */
    bool lacks_password : 1;      /* DELAYED: its last join named a room, but not the password */
    /* The place is in use; conn_end() publishes that it is not, conn_begin() checks it. */
    atomic_bool is_taken;
    bool peer_has_ended : 1;
    bool is_dirty : 1;   /* in the loop's list of connections with new output */
    bool is_ending : 1;  /* in the loop's list of connections that leave their room or are freed */
    bool is_pinged : 1;  /* a ping was sent, and nothing was received since */
    bool is_blocked : 1; /* the socket was full: output waits for it */
    bool is_paused : 1;  /* input waits, and the socket is not read */
    bool is_awaited : 1; /* a snapshot that other loops fill refers to it: its place must be kept */
    bool is_lost : 1;    /* close with a reset: nothing that is still queued matters */
    bool response_is_head : 1; /* WAITING: the request was HEAD */
    bool response_closes : 1;  /* WAITING: the connection is closed after the response */
    bool is_client : 1;        /* an open WebSocket, counted by `origin_number` */
    bool is_proxied : 1;       /* the peer is a trusted proxy, which reports its client's address */
    /* A PROXY header was read; the proxy's client would have sent another one. */
    bool is_introduced : 1;
    bool is_begun : 1;    /* its first bytes have told whether it speaks TLS */
    uint8_t refusal : 2;  /* enum conn_refusal */
    uint8_t failed_joins; /* saturates at UINT8_MAX */
    uint8_t loop : 6;     /* its loop's index; for assertions */
    bool is_behind : 1;   /* it has sent more than it may at its rate or in its share of a turn */
    bool is_away : 1;     /* its client is in a room of another node, or enters one: see edge */
    uint16_t origin_number : CONN_ORIGIN_BITS; /* its origin's number in server.origins */
    bool said_farewell : 1;                    /* the client closed with 1000 */
    bool is_admin : 1;                         /* accepted on --admin-listen */
    bool
        is_detaching : 1; /* its loop gives it up, as soon as the poller has let go of the socket */
    bool is_counted : 1;  /* counted in its subnet, as `kind` */
    uint8_t kind : 2;     /* enum subnets_kind; only admission changes it */
    uint32_t subnet; /* in server.subnets; SUBNET_NONE: a proxy has not reported the address yet */
    uint32_t last_alive_ms; /* when the peer showed the last sign of life */
    uint32_t due_ms;        /* when its deadline in `deadline` is due */
    union {
        struct list deadline;
        struct {
            struct link_end *end; /* of the link to the node that has the connection */
            uint32_t client;      /* that node's handle of it */
            bool is_handed_over;  /* that node sends it to another one */
        } remote;                 /* REMOTE, or what was so */
    };
    union {
        struct {
            struct conn *next_dirty; /* an address, since each delivery may need it */
            uint32_t next_ending;    /* a handle, since another address would not fit */
            uint32_t handle;         /* in loop.connections; see handles */
        };
        struct mail mail; /* MOVING: the connection is in no list and has no handle */
    };
    struct member *seat;
    struct conn_input *input; /* NULL most of the time */
    struct tls_session *tls;  /* NULL: plain TCP */
    struct outbox out;
    union {
        uint32_t rate_tokens; /* OPEN: tokens for frames, in thousandths of a frame */
        uint32_t asker;       /* HTTP, WAITING: the subnet that asks for a room; held */
    };
    uint32_t rate_filled_ms; /* when tokens were added last */
    int32_t byte_tokens;     /* tokens for bytes of frames; below 0: a debt */
    uint32_t progress_ms;    /* when blocked output advanced last */
    uint32_t acknowledged;   /* bytes that the peer's kernel had acknowledged when last asked */
    union {
        uint32_t ping_end;    /* is_pinged: where the last ping ends, counted as `acknowledged` */
        uint32_t behind_ms;   /* is_behind: since when */
        uint32_t move_target; /* MOVING: index of the loop that it goes to */
    };
} __attribute__((aligned(64)));

_Static_assert(ORIGINS_MAX < 1 << CONN_ORIGIN_BITS, "the number of an origin has so many bits");
_Static_assert(sizeof(struct conn) == 128, "an idle connection has two cache lines");

static inline struct conn *conn_of_deadline(struct list *link)
{
    return CONTAINER_OF(link, struct conn, deadline);
}

/* It has no socket: it is REMOTE, or was. */
static inline bool conn_is_remote(const struct conn *conn)
{
    return conn->socket.fd < 0;
}

static inline enum protocol conn_protocol(const struct conn *conn)
{
    return (enum protocol)conn->protocol;
}

static inline struct conn *conn_of_socket(struct poller_socket *socket)
{
    assert(socket->owner == OWNER_CONNECTION);
    return CONTAINER_OF(socket, struct conn, socket);
}

static inline void conn_set_origin(struct conn *conn, uint16_t origin_number)
{
    conn->origin_number = origin_number & ((1u << CONN_ORIGIN_BITS) - 1);
}

/* Bytes of output that wait, as plain text and as TLS records. */
static inline size_t conn_waiting(const struct conn *conn)
{
    size_t encrypted = conn->tls == NULL ? 0 : tls_session_output(conn->tls)->length;
    return conn->out.length + encrypted;
}

/*
 * conn_begin() makes a place a connection (state HTTP), conn_end() makes it free (state FREE). The
 * kernel passes a descriptor's number from the loop that closes it to the loop that accepts it
 * next. These two functions pass the memory of the place with it, so a caller calls conn_end()
 * right before close().
 */
void conn_begin(struct conn *conn, int fd);
void conn_end(struct conn *conn);

/*
 * Creates a REMOTE connection, which has no place in the table. NULL: memory is short. The second
 * frees it when it is DEAD.
 */
MUST_CHECK struct conn *conn_new_remote(struct link_end *end, uint32_t client);
void conn_free_remote(struct conn *conn);

/* Changes the state; asserts that the transition is legal. */
void conn_set_state(struct conn *conn, enum conn_state state);

/* Returns the input record, and creates it if there is none. NULL: memory is short. */
MUST_CHECK struct conn_input *conn_need_input(struct conn *conn, size_t message_bytes_max,
                                              uint32_t now_ms);

/* Frees the input record. */
void conn_drop_input(struct conn *conn);

/* The bytes of a join that is kept; 0 without one. The copy is the caller's to free; NULL: memory
 * is short. */
size_t join_bytes(const struct join *join);
MUST_CHECK struct join *join_copy(const struct join *join);

/*
 * Bytes that the budget charges for the connection, without its queues: unfinished input, its TLS
 * session, and what the kernel may hold while the connection is blocked or paused. Code that
 * changes any of these calls conn_charge() before and after, and adds the difference to
 * loop.charged.
 */
size_t conn_charge_all(const struct conn *conn);

/* Inlined for the common case, in which the charge is 0: each delivery calls it twice. */
static ALWAYS_INLINE size_t conn_charge(const struct conn *conn)
{
    bool may_be_charged =
        conn->input != NULL || conn->tls != NULL || conn->is_paused || conn->is_blocked;
    return may_be_charged ? conn_charge_all(conn) : 0;
}

/* The table of all connections of the process. */
struct conn_table {
    struct conn *items;
    uint32_t capacity;
};

/* Reserves address space for this number of connections. False: errno says why. */
MUST_CHECK bool conn_table_init(struct conn_table *table, uint32_t capacity);
void conn_table_release(struct conn_table *table);

/* The place of a descriptor; NULL: the table is too short for it. */
static inline struct conn *conn_table_at(const struct conn_table *table, uint32_t fd)
{
    return fd < table->capacity ? &table->items[fd] : NULL;
}

#endif
