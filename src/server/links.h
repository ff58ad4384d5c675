/*
 * The links of a loop to loops of other nodes: what one turn has for a peer goes out as one message
 * at its end. Only the loop's thread uses them.
 *
 * An *end* is this loop's end of a link. What can't be queued or is not understood makes it void;
 * the caller then tells all who are behind it, and begins it anew.
 */
#ifndef PARTY_SERVER_LINKS_H
#define PARTY_SERVER_LINKS_H

#include "cluster/bundle.h"
#include "cluster/link.h"
#include "cluster/link_item.h"
#include "server/loop.h"

#define LINKS_MAX 4096                        /* of a loop: peers times their loops */
#define LINK_OUT_BYTES_MAX ((size_t)64 << 20) /* that wait for the end of a turn; */
/* clients of the edge are read on only while fewer wait. */
#define LINK_OUT_BYTES_ENOUGH ((size_t)8 << 20)
#define LINK_ITEM_BYTES_MAX ((size_t)32 << 20) /* of a message or frame, and what is around it */
#define LINKS_IN_BYTES_MAX                                                       \
    ((size_t)48 << 20)       /* that have come on all ends and are no whole item \
                              */
#define LINK_UNUSED_MS 60000 /* then an end without clients and peer is freed */
#define LINK_MESSAGE_BYTES_MAX (((size_t)512 << 10) - BUNDLE_LENGTH_BYTES)

struct link_end {
    uint64_t incarnation; /* of the peer's process */
    uint32_t peer_loop;
    struct link link;
    uint32_t clients;   /* that are behind it, on either side */
    uint32_t returning; /* of these, so many wait for an answer to LINK_RETURN */
    uint64_t used_ms;   /* when it last had an item, or a message came */
    struct buf out;
    /*
     * Where the last item in `out` begins, if it is a frame; SIZE_MAX: it is none. The frame is in
     * a payload, to which the end has a reference, or it is short.
     */
    size_t frame_begin;
    size_t frame_length;
    uint64_t frame_counts;
    struct payload *frame_payload;
    struct buf in;   /* what has come and was not handled */
    size_t taken;    /* of these bytes, so many were handled */
    size_t in_bytes; /* of `in`, as they were counted last */
    size_t charged;  /* bytes of the budget */
    bool is_void;
};

/*
 * Where a client is whose room is at another node, or who asks for such a room, by the index of its
 * connection's handle.
 */
struct attachment {
    struct link_end *end;    /* NULL: the room is here, or there is none */
    struct gather *question; /* of who asks; NULL: it is a client */
    uint32_t client;         /* the home's handle; LINK_HANDLE_NONE: it has not answered yet */
    uint32_t slice;
    struct ownership_word owner; /* when the client entered */
    /*
     * With what the client gets its seat again if this home is lost; NULL: it can't; from malloc().
     * Without an end it is adrift: it has lost its home, and no other one is asked at this moment.
     */
    struct join *way_back;
    uint32_t adrift_ms;   /* when it lost its home */
    uint32_t refused_ms;  /* when a home that was asked for its seat did not give it, */
    uint32_t patience_ms; /* after which none is asked for so long */
    bool is_told;         /* it has got something of the home that it asked, but not the answer */
    bool is_leaving;      /* it has left its room; the home is to say that it knows no more */
    bool is_held_back;    /* what it says waits for that, or for its seat */
    bool is_returning;    /* it waits for the answer to LINK_RETURN: the end counts it */
    bool is_listed;       /* in links.adrift */
    bool is_sent_away;    /* this node closes it, since another one takes it */
};

/*
 * Clients that are adrift, and some that are not any more, by their handles. All of them are looked
 * at when it is due: from `at` on, if a turn was not enough.
 */
struct adrift {
    uint32_t *clients;
    uint32_t count;
    uint32_t capacity;
    uint32_t at;
    uint32_t due_ms;
};

/* Codes of new rooms, see codes.h. */
#define CODES_KEPT 128
#define CODES_ASKED 64
#define CODES_RETRY_MS 250
#define CODES_WAIT_MS 5000 /* for the other slices of a node that has its first ones */

enum code_kind { CODES_1, CODES_2, CODES_3, CODES_3_NEAR, CODE_KINDS };

/* A code that no other node gives away, as long as this one serves the slice at this term. */
struct known_code {
    uint64_t code;
    uint64_t term; /* 0 in an answer: it was not confirmed */
};

struct code_stock {
    uint32_t count;
    struct known_code codes[CODES_KEPT];
};

/* Codes that are to be confirmed. It goes to the recorder and comes back. */
struct code_request {
    struct mail mail; /* MAIL_CODES */
    enum code_kind kind;
    uint32_t loop;
    bool is_out;
    uint32_t due_ms; /* the next one is not asked for before */
    uint32_t count;
    struct known_code codes[CODES_ASKED];
};

struct links {
    struct link_end *ends[LINKS_MAX];
    uint32_t count;
    struct attachment *attachments;
    uint32_t attachment_count;
    size_t in_bytes;       /* of all ends */
    uint32_t next_create;  /* the slice at which to look for a place for the next room */
    uint64_t now_ms;       /* as the loop's, which wraps */
    uint32_t advanced_ms;  /* the loop's time when this one was advanced */
    unsigned changes_seen; /* of the peers' picture */
    struct ownership_word owners[MAP_SLICES]; /* as they were then */
    uint32_t own_slices;                      /* of these, so many are PEER_HERE, */
    uint32_t opening_slices;                  /* and so many PEER_OPENING */
    uint32_t opened_ms;                       /* when there were the first own ones */
    struct code_stock codes[CODE_KINDS];
    bool had_codes;    /* of each kind, once */
    bool has_new_link; /* one has opened, and who waits for it was not told yet */
    struct code_request code_requests[CODE_KINDS];
    struct adrift adrift;
    enum link_outcome entering; /* of the client that is entering just now */
    /* Rooms end here whose slices were lost: they are their new owner's, and so is their record. */
    bool gives_up;
    uint8_t message[LINK_MESSAGE_BYTES_MAX];
};

/* For a server of a cluster. False: memory is short. */
MUST_CHECK bool links_init(struct loop *loop);
void links_release(struct loop *loop);

/* A name that is too long for a link is that of the origins that are not listed. */
static inline struct bytes links_origin(struct bytes name)
{
    return name.length <= LINK_ORIGIN_MAX ? name : BYTES(ORIGIN_OTHER_NAME);
}

/* Takes the turn's time. */
void links_advance(struct loop *loop);

/* This loop's end of the link to a loop of a peer. NULL: memory is short, or there are too many. */
struct link_end *links_find(struct loop *loop, uint64_t incarnation, uint32_t peer_loop);

/* Where this connection is. NULL: memory is short. It is known already for one that is somewhere.
 */
struct attachment *links_attachment(struct loop *loop, const struct conn *conn);

/* The same for a client that is away (conn.is_away). */
static inline struct attachment *links_attachment_of(const struct loop *loop,
                                                     const struct conn *conn)
{
    return &loop->links->attachments[conn->handle & HANDLE_INDEX_MASK];
}

/* With what a client gets its seat again, as an item tells it. The item refers to the join's id. */
void links_tell_join(struct link_item *item, const struct join *join);
void links_read_join(const struct link_item *item, struct join *ret_join);

/*
 * This loop's end of the link to the loop that has a code, by the picture of this turn. NULL: it is
 * nobody's, or memory is short. Not for codes of slices that are served here.
 */
struct link_end *links_find_home(struct loop *loop, uint32_t slice, uint64_t code);

/*
 * Append an item to what the end has for its peer in this turn; what can't be queued makes the end
 * void.
 */
void links_put_enter(struct link_end *end, const struct link_item *item);
void links_put_say(struct link_end *end, uint32_t client, bool is_binary, struct bytes text);
void links_put_leave(struct link_end *end, uint32_t client, uint8_t departure);
void links_put_return(struct link_end *end, const struct link_item *item);
void links_put_entered(struct link_end *end, const struct link_item *item);
void links_put_close(struct link_end *end, uint32_t client, uint16_t code, struct bytes reason);

void links_put_ask(struct link_end *end, const struct link_item *item);
void links_put_answer(struct link_end *end, const struct link_item *item);

/*
 * A frame that the last item has already goes once, with one client more. `counts`: so many
 * numbered events are in it.
 */
void links_put_frame(struct link_end *end, uint32_t client, struct bytes frame, uint64_t counts,
                     struct payload *payload);

/*
 * Takes a message of a peer. NULL: it brings nothing. The end may be void afterwards: then the
 * caller voids it, and takes the message once more.
 */
struct link_end *links_take(struct loop *loop, struct bytes message);

/* The next item that has come whole. False: there is none. */
bool links_next_item(struct loop *loop, struct link_end *end, struct link_item *ret_item);

/* The first end that is void; NULL: there is none. */
struct link_end *links_find_void(struct loop *loop);

/* Begins a void end anew. The caller has seen to it that nobody is behind it any more. */
void links_begin_anew(struct loop *loop, struct link_end *end);

/* Sends what is due, at the end of a turn, and frees ends whose peers are gone for long. */
void links_flush(struct loop *loop);

/* Milliseconds until links_flush() has something to do; -1: it is not known. */
int links_wait_ms(const struct loop *loop);

#endif
