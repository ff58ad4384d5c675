/*
 * What the players of protocol 3 need of a server, whichever it is: JSON text in, JSON text out.
 *
 * To plug a server in, write an adapter of one file that fills in a `struct recovery_server`, and
 * give it to recovery_play() (tests/unit/relay/recovery_play.h). The play sets `hearer` before its
 * first call. The server calls the hearer back from within receive(), close(), pass(), seat_anew()
 * or crash(), and at no other time. recovery_reference.c is such a server.
 *
 * Players send these texts and no others, members in this order:
 *
 *     {"type":"create","clientId":"...","session":"...","maxClients":8,"hold":20,
 *      "onHostLeft":"migrate"}                                  (or "close")
 *     {"type":"join","clientId":"...","session":"...","attempt":1,"room":"..."}
 *     {"type":"join",...,"room":"...","epoch":"...","seen":7}   (a client that has its counts)
 *     {"type":"send","data":[PLAYER,LIFE,ID]}                   (to everyone else)
 *     {"type":"send","to":T,"data":[PLAYER,LIFE,ID],"volatile":true}   ("to" and "volatile" if any)
 *     {"type":"set_state","data":[PLAYER,LIFE,ID]}
 *     {"type":"set_room","maxClients":N}    {"type":"set_host","index":N}
 *     {"type":"kick","index":N}    {"type":"leave"}
 *     {"type":"ping","seen":N}     {"type":"resumed","unasked":N}
 *
 * T is an index, an array of indices or "host". PLAYER, LIFE and ID are numbers; LIFE tells what a
 * client said before a reload from what it said later. A fourth item of `data`, a string, makes
 * some messages too large for the log. A clientId has 22 bytes, a session 12. Some texts are
 * faults, each of which is an error with a number: `nonsense`, {"type":"dance"}, a `send` to
 * "nobody", and a `join` of who has joined already.
 *
 * Of what the server says, they read the members that protocol 3 names, in any order. Of errors
 * they read `n`, and the codes `room-not-found` and `kicked`.
 */
#ifndef PARTY_TESTS_RECOVERY_SERVER_H
#define PARTY_TESTS_RECOVERY_SERVER_H

#include "base/attributes.h"
#include "base/bytes.h"

#define RECOVERY_CONNECTIONS 48 /* at once; their numbers begin with 0 */
#define RECOVERY_PLAYERS 6
#define RECOVERY_NONE UINT32_MAX /* no connection, no index */
#define RECOVERY_HOLD_MS 20000u  /* of a seat, as players create rooms */
#define RECOVERY_HOST_GRACE_MS 120000u
#define RECOVERY_HOLD_LEAST_MS 5000 /* a seat is held at least so long */

/* Codes with which connections end. */
enum recovery_close {
    CLOSE_RESET = 0, /* the connection broke: there was no close frame */
    CLOSE_FAREWELL = 1000,
    CLOSE_UNLOADED = 1001,
    CLOSE_REPLACED = 4000,
    CLOSE_ROOM_CLOSED = 4001,
    CLOSE_KICKED = 4002,
    CLOSE_ASLEEP = 4100,
    CLOSE_GIVEN_UP = 4101,
};

/* Whom a server tells what comes out of it. */
struct recovery_hearer {
    /* The text is the caller's, and need not outlive the call. */
    void (*told)(void *context, uint32_t connection, struct bytes text);
    /* The server has closed the connection, and gets nothing of it any more, no close() either. */
    void (*closed)(void *context, uint32_t connection, uint16_t code);
    void *context;
};

/* What a server does not do yet, and players then don't ask for. */
enum recovery_lack {
    LACKS_SET_ROOM = 1 << 0,
    LACKS_SET_HOST = 1 << 1,
    LACKS_KICK = 1 << 2,
    LACKS_END_WITH_HOST = 1 << 3, /* "onHostLeft":"close" */
};

struct recovery_server {
    const struct recovery_hearer *hearer; /* set by the play, which owns it */
    void *context;                        /* first argument of the functions below */
    /*
     * The server has at least the last so many events of a room for whoever missed them, unless one
     * of them was too large. A member who missed fewer must be recovered.
     */
    uint32_t kept_events;
    uint32_t lacks;       /* enum recovery_lack */
    uint32_t large_bytes; /* a message of this length is too large for the log; 0: none is sent */
    /* Of a seat that is gone, the server doesn't know which sessions its client had. */
    bool forgets_sessions;
    /*
     * The server knows a session to be older than another, though it has never heard of it. If not,
     * the first join of a session doesn't arrive behind that of a later session of its client: to
     * the server it would be the later one.
     */
    bool orders_sessions;
    /* The number names a new connection; it may have named one before that is over. */
    void (*open)(void *context, uint32_t connection);
    void (*receive)(void *context, uint32_t connection, struct bytes text);
    /* The connection is over, and the server sees it only now. `code` is in the client's close
     * frame, or CLOSE_RESET. */
    void (*close)(void *context, uint32_t connection, uint16_t code);
    void (*pass)(void *context, uint32_t ms);
    /*
     * Seats the member of this connection anew, unasked: `joined` with `unasked`. `seen` is how
     * many numbered events have gone out, in all of the epoch. NULL: the server doesn't do that.
     */
    void (*seat_anew)(void *context, uint32_t connection, uint64_t seen);
    /* All connections and counts are lost, rooms and seats are not. NULL: they are. */
    void (*crash)(void *context);
};

#endif
