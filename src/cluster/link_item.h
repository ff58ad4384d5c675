/*
 * What the two ends of a link say to each other: items, one after the other in the link's stream.
 *
 * The *edge* is the node that has a client's connection; its *home* is the node that has the room.
 * A client is named by a handle of the receiver's: 32 bits that mean nothing to the sender. The
 * edge's handle of a client is told with LINK_ENTER, the home's with LINK_ENTERED.
 *
 * An item is its length (4 bytes, of what follows), its kind (1 byte), and its fields, of which the
 * last one takes what is left. Numbers are little-endian. Each kind's fields, with their bytes:
 *
 *     ENTER    client 4, protocol 1, is binary 1, has an address 1, the address 16 or 0,
 *              the origin's length 1, the origin, the text
 *     SAY      client 4, is binary 1, the text
 *     LEAVE    client 4, departure 1
 *     ENTERED  client 4, entered 4, outcome 1, has a seat 1, the seat 32 or 0, the clientId
 *     FRAME    counts 8, the frame's length 4, the frame, each client 4
 *     CLOSE    client 4, code 2, the reason
 *     ASK      client 4, the room's code 8, has an address 1, the address 16 or 0
 *     ANSWER   client 4, five flags 1 each and the protocol 1 (in the order of struct link_room),
 * its four counts 4 each, the origin's length 1, the origin, the URL
 *     RETURN   client 4, has an address 1, the address 16 or 0, the origin's length 1, the origin,
 *              the number of the answer 4, the seat 32, the clientId
 *
 * Nobody trusts an item. The reader checks each field by itself: its range, and that a text is
 * UTF-8 (not the origin of ENTER, which is a client's header). A frame is not looked into. Whether
 * there is such a client is for its caller to check. A field more would be another version, which
 * the header of a message tells (link.h).
 */
#ifndef PARTY_CLUSTER_LINK_ITEM_H
#define PARTY_CLUSTER_LINK_ITEM_H

#include "base/address.h"
#include "base/buf.h"
#include "base/bytes.h"

#define LINK_HANDLE_NONE UINT32_MAX /* no client has this handle */
#define LINK_ORIGIN_MAX 255         /* bytes of an origin's name */
#define LINK_REASON_MAX 123         /* bytes of a close frame's reason (RFC 6455 5.5) */
#define LINK_CLIENTS_MAX 4096       /* of one LINK_FRAME; more clients get the frame once more */
#define LINK_PROTOCOL_MAX 3
#define LINK_DEPARTURES 4
#define LINK_ID_MAX 6144 /* bytes of a clientId in its canonical form */
/* An item is at most so much longer than the message or frame in it. */
#define LINK_ITEM_OVERHEAD (4 * LINK_CLIENTS_MAX + 512)

enum link_item_kind {
    /* To the home. */
    LINK_ENTER = 1, /* a client wants to create or join a room: `text` is what it said */
    LINK_SAY,       /* a client that has entered says something more */
    LINK_LEAVE,     /* a client's connection has ended */
    /* To the edge. */
    /*
     * The answer to LINK_ENTER and LINK_RETURN, behind what the client is told. Of a member: see
     * server/home.h.
     */
    LINK_ENTERED,
    LINK_FRAME, /* a frame for some clients, as they are sent it */
    LINK_CLOSE, /* a client is to be closed */
    /* To the home, and back. */
    LINK_ASK,    /* somebody asks for a room over HTTP */
    LINK_ANSWER, /* the answer */
    /* To the home. */
    LINK_RETURN, /* a client's home was lost, and it has not asked: seat it again */
    LINK_KINDS
};

/* What became of LINK_ENTER. */
enum link_outcome {
    LINK_OUTCOME_SEATED,
    LINK_OUTCOME_REFUSED,        /* the client was told why */
    LINK_OUTCOME_NOT_FOUND,      /* it was told nothing yet: the edge counts this miss, too */
    LINK_OUTCOME_WRONG_PASSWORD, /* likewise */
    LINK_OUTCOME_UNTOLD,         /* it has asked too often, and may hear nothing of the room */
    LINK_OUTCOMES
};

/*
 * With what a member of protocol 3 gets its seat again over the connection that it has: as much as
 * its own `join` would say, in the relay's terms (relay/effect.h). The clientId is the item's text.
 */
struct link_seat {
    uint64_t code;
    uint64_t epoch;
    uint64_t seen;
    uint32_t session;
    uint32_t attempt;
};

/* What anybody may know of a room; its origin is the item's `origin`, its URL the `text`. */
struct link_room {
    bool is_unknown; /* memory is short, or the home has not got the slice any more */
    bool is_untold;  /* the address has asked too often */
    bool is_found;   /* if not, the following mean nothing */
    bool is_locked;
    bool has_password;
    uint8_t protocol; /* 1, 2 or 3 */
    uint32_t clients;
    uint32_t away;
    uint32_t audience;
    uint32_t members_max;
};

struct link_item {
    enum link_item_kind kind;
    /* The receiver's handle; ENTER, RETURN, ASK: the sender's; FRAME: see `clients`. */
    uint32_t client;
    uint32_t entered;      /* ENTERED: the sender's handle; LINK_HANDLE_NONE unless it is seated */
    uint8_t outcome;       /* ENTERED: enum link_outcome */
    uint8_t protocol;      /* ENTER: 1, 2 or 3; RETURN: 3 */
    bool has_seat;         /* ENTERED: it is seated, and can be again */
    struct link_seat seat; /* RETURN, ENTERED */
    uint32_t unasked;      /* RETURN: the number that `joined` has; not 0 */
    uint64_t counts;       /* FRAME: so many numbered events, for the seats that it is for */
    bool has_address;      /* ENTER, RETURN, ASK: its address is known */
    struct address address;
    struct bytes origin; /* ENTER, RETURN, ANSWER; empty: it has none */
    bool is_binary;      /* SAY, ENTER */
    /*
     * SAY, ENTER: a whole message. FRAME: a whole frame, not empty. CLOSE: the reason. RETURN, and
     * ENTERED with a seat: the clientId, not empty. ANSWER: the room's URL, as JSON has it, in
     * which quotes and backslashes alone are escaped; empty: it has none.
     */
    struct bytes text;
    uint8_t departure;     /* LEAVE: in the order of the relay's enum departure */
    uint16_t code;         /* CLOSE; 0: cut it off without a word, for no reason */
    uint32_t client_count; /* FRAME: at least one; read them with link_item_client() */
    const uint8_t *clients;
    uint64_t room_code;    /* ASK */
    struct link_room room; /* ANSWER */
};

/* The client at this place of a FRAME's. */
uint32_t link_item_client(const struct link_item *item, uint32_t place);

/*
 * Append an item to a buffer. False: memory is short, or the buffer may not be so long; nothing was
 * appended then. The fields are as the reader wants them. A message's text is UTF-8 unless it is
 * binary; this is not checked here.
 */
bool link_put_enter(struct buf *buf, const struct link_item *item);
bool link_put_say(struct buf *buf, uint32_t client, bool is_binary, struct bytes text);
bool link_put_leave(struct buf *buf, uint32_t client, uint8_t departure);
bool link_put_return(struct buf *buf, const struct link_item *item);
bool link_put_entered(struct buf *buf, const struct link_item *item);
bool link_put_ask(struct buf *buf, const struct link_item *item);
bool link_put_answer(struct buf *buf, const struct link_item *item);
bool link_put_close(struct buf *buf, uint32_t client, uint16_t code, struct bytes reason);

/*
 * A frame and its first client. Returns where the item begins in the buffer, or SIZE_MAX. As long
 * as nothing else was appended since, link_add_client() adds clients to it; if it can't, another
 * frame may be possible, since the item may have LINK_CLIENTS_MAX.
 */
size_t link_put_frame(struct buf *buf, struct bytes frame, uint64_t counts, uint32_t client);
bool link_add_client(struct buf *buf, size_t item_begin, uint32_t client);

/* The frame of such an item, of as many bytes as were put. */
const uint8_t *link_frame_at(const struct buf *buf, size_t item_begin);

enum link_reading {
    LINK_ITEM,
    LINK_NEEDS_MORE, /* the stream ends within an item, or before one */
    LINK_BROKEN, /* no item of this version, or, with its length, longer than `item_bytes_max` */
};

/*
 * Takes the next item off the stream. Its views point into the stream. After LINK_NEEDS_MORE the
 * stream is what the caller has to keep, to be followed by what comes next; it has less than
 * `item_bytes_max` bytes. After LINK_BROKEN nothing of the stream can be read any more.
 */
enum link_reading link_item_next(struct bytes *stream, size_t item_bytes_max,
                                 struct link_item *ret_item);

#endif
