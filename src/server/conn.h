/*
 * One connection: what it is, as plain data, and the states it goes through.
 *
 * A connection belongs to one loop's thread at a time; it moves to another as a whole, by mail.
 * All connections of the process are in one table by their descriptor's number, so that a
 * connection's place, too, moves nowhere.
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

/* What a socket that the loop's poller reports about belongs to: poller_socket.owner. */
enum socket_owner {
    OWNER_NONE,
    OWNER_CONNECTION, /* a struct conn */
};

enum conn_state {
    CONN_FREE,    /* no connection */
    CONN_HTTP,    /* requests are being read */
    CONN_WAITING, /* other loops are asked, or the answer is held back as in DELAYED; input waits */
    CONN_OPEN,    /* a WebSocket */
    CONN_DELAYED, /* the answer to one join too many is held back; then it is closed */
    CONN_MOVING,  /* on its way to another loop; input waits */
    CONN_CLOSING, /* what is queued goes out, input is discarded */
    CONN_LINGERING, /* our side is shut; the peer is read until it ends, and discarded */
    CONN_DEAD,      /* freed at the end of the turn */
};

/* Why a connection may only ask for pages, and is closed after the answer. */
enum conn_refusal {
    REFUSAL_NONE,
    REFUSAL_FULL,    /* --max-connections */
    REFUSAL_ADDRESS, /* --max-connections-per-address */
};

/* What a connection has only while something is incomplete. */
struct conn_input {
    struct ws_reader reader;
    struct envelope_parser *parser; /* of the reader's message, when that takes several turns */
    struct http_progress head;      /* HTTP: of the request's head in `unread` */
    struct buf unread; /* input that waits: part of a request head, or all that came meanwhile */
    struct join *join; /* MOVING: what the new loop carries out first; from malloc() */
    uint32_t since_ms; /* the last message was complete, or this began */
};

#define CONN_ORIGIN_BITS 10

struct conn {
    struct poller_socket socket;
    uint8_t state;        /* enum conn_state; changed by conn_set_state() alone */
    atomic_bool is_taken; /* the place is; published by conn_end(), seen by conn_begin() */
    bool peer_has_ended : 1;
    bool is_dirty : 1;         /* in the loop's list of connections with new output */
    bool is_ending : 1;        /* in the loop's list of connections that leave or die */
    bool is_pinged : 1;        /* and has not been heard of since */
    bool is_blocked : 1;       /* output waits for the socket to take more */
    bool is_paused : 1;        /* input waits, and the socket is not read */
    bool is_awaited : 1;       /* its place must be kept until a snapshot is back */
    bool is_lost : 1;          /* nothing that is still to be sent matters: reset, do not close */
    bool response_is_head : 1; /* WAITING: the request was HEAD */
    bool response_closes : 1;  /* WAITING: and the connection ends with the response */
    bool is_client : 1;        /* counted by `origin_number` */
    bool is_proxied : 1;       /* a trusted proxy's: what it says of the client's address counts */
    bool is_introduced : 1;    /* its PROXY header was read: another one would be the client's */
    bool is_begun : 1;         /* its first bytes have been looked at */
    uint8_t refusal : 2;       /* enum conn_refusal */
    uint8_t failed_joins;      /* stops at its largest value */
    uint8_t loop : 6;          /* whose it is; kept for assertions */
    bool is_behind : 1;        /* it has sent more than may be read */
    bool speaks_2 : 1;         /* protocol 2, not 1 */
    uint16_t origin_number : CONN_ORIGIN_BITS; /* in the server's origins */
    bool said_farewell : 1; /* its close frame means that it leaves: 1000, or no code */
    bool is_admin : 1;      /* of --admin-listen */
    bool is_counted : 1;    /* among the connections of its subnet, as `kind` */
    uint8_t kind : 2;       /* enum subnets_kind; changed by admission alone */
    uint32_t subnet;        /* in the server's subnets; SUBNET_NONE: a proxy has not told it */
    uint32_t last_alive_ms; /* last sign of life */
    uint32_t due_ms;        /* when its entry in `deadline` is looked at */
    struct list deadline;
    union {
        struct {
            struct conn *next_dirty; /* an address, since each delivery may need it */
            uint32_t next_ending;    /* a handle, since there is no room for another address */
            uint32_t handle;         /* among the connections of its loop; see handles */
        };
        struct mail mail; /* MOVING: in no list, and without a handle */
    };
    struct member *seat;
    struct conn_input *input; /* NULL most of the time */
    struct tls_session *tls;  /* NULL: plain TCP */
    struct outbox out;
    union {
        uint32_t rate_tokens; /* OPEN: thousandths of a frame that may be read */
        uint32_t asker;       /* HTTP, WAITING: the subnet of who asks for a room, held */
    };
    uint32_t rate_filled_ms; /* when tokens were counted */
    int32_t byte_tokens;     /* bytes of frames that may be read; below 0: a debt */
    uint32_t progress_ms;    /* when output advanced last, while it waits */
    uint32_t acknowledged;   /* by the peer's kernel, when it was asked last */
    union {
        uint32_t ping_end;    /* is_pinged: where, in the same measure, the last ping ends */
        uint32_t behind_ms;   /* is_behind: since when */
        uint32_t move_target; /* MOVING: the loop that it goes to */
    };
} __attribute__((aligned(64)));

_Static_assert(ORIGINS_MAX < 1 << CONN_ORIGIN_BITS, "the number of an origin has so many bits");
_Static_assert(sizeof(struct conn) == 128, "an idle connection has two cache lines");

static inline struct conn *conn_of_deadline(struct list *link)
{
    return CONTAINER_OF(link, struct conn, deadline);
}

static inline enum protocol conn_protocol(const struct conn *conn)
{
    return conn->speaks_2 ? PROTOCOL_2 : PROTOCOL_1;
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

/* Bytes that wait to be sent, in clear and encrypted. */
static inline size_t conn_waiting(const struct conn *conn)
{
    size_t encrypted = conn->tls == NULL ? 0 : tls_session_output(conn->tls)->length;
    return conn->out.length + encrypted;
}

/*
 * A place begins to be a connection (state HTTP), and ends to be one (state FREE). The kernel hands
 * a descriptor's number from the loop that closed it to the one that accepts it next; these two
 * hand on the memory with it, so conn_end() comes right before close().
 */
void conn_begin(struct conn *conn, int fd);
void conn_end(struct conn *conn);

/* Moves from one state to the next; asserts that there is such a way. */
void conn_set_state(struct conn *conn, enum conn_state state);

/* The connection's input record, made when there is none; NULL when memory is short. */
MUST_CHECK struct conn_input *conn_need_input(struct conn *conn, size_t message_bytes_max,
                                              uint32_t now_ms);

/* Frees the input record. */
void conn_drop_input(struct conn *conn);

/*
 * Bytes that are charged for the connection beside what its queues hold: unfinished input, and what
 * the kernel may keep of a peer that does not read or is not read. Who changes any of it asks
 * before and after, and charges the difference.
 */
size_t conn_charge_all(const struct conn *conn);

/* Nearly always that is nothing, and it is asked twice for each connection that is sent to. */
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

/* Reserves address space for so many connections. False: errno says why. */
MUST_CHECK bool conn_table_init(struct conn_table *table, uint32_t capacity);
void conn_table_release(struct conn_table *table);

/* The place of a descriptor; NULL when the table does not reach that far. */
static inline struct conn *conn_table_at(const struct conn_table *table, uint32_t fd)
{
    return fd < table->capacity ? &table->items[fd] : NULL;
}

#endif
