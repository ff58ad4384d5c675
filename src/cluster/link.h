/*
 * A link: an ordered stream of bytes each way, between a loop of this node and a loop of another
 * one, over messages that may be lost, late, doubled or forged.
 *
 * A pure machine: it knows no bus and no clock. It numbers messages, and notices that some were
 * lost. It repeats none: what was lost voids the link, which then begins anew. Whoever uses it has
 * to be able to begin anew, too.
 *
 * A *session* is the life of one end. The end draws it, and draws another one when it begins anew.
 * A message has its sender's session, and *answers* the receiver's session that the sender knows,
 * or 0. So whoever answers an end's session has heard that end since the session began. Rules:
 *
 * - A link *opens* at an end when a message answers the end's session. The peer's session is fixed
 *   from then on. Before that, the end sends no bytes: it says its session, and answers the session
 *   of the peer that it heard last, which may be over. So the stream begins one round trip after
 *   the link, and no byte ever answers 0.
 * - An end takes bytes only from a message that answers its session, of the session that it is open
 *   with, with the next number. So each session takes bytes of one other session at most, in the
 *   order in which they were sent, all from the first on.
 * - Two things void a link: a gap in the numbers, and a message of another session that answers
 *   this one, since then the peer has begun anew. The end begins anew, too: both sessions live and
 *   end together.
 * - A message that does not answer an open end's session may be years old, and proves nothing. It
 *   voids nothing. If it is of another session than the peer's, the end speaks soon: a peer that
 *   has begun anew answers that, and a peer that has not is not disturbed.
 *
 * Two ends that lost each other in another way, each open with a session that is over, hear nothing
 * that counts. LINK_SILENT_MS later each begins anew.
 *
 * All functions take the same few steps for any message. Times are milliseconds of a monotonic
 * clock.
 */
#ifndef PARTY_CLUSTER_LINK_H
#define PARTY_CLUSTER_LINK_H

#include "base/bytes.h"
#include "base/writer.h"

#define LINK_HEADER_BYTES 46        /* of a message; what follows is its part of the stream */
#define LINK_OPENING_MS 250         /* an end that is not open says its session so often */
#define LINK_ACKNOWLEDGE_MS 250     /* at most, until what came is acknowledged */
#define LINK_IDLE_MS 1000           /* an idle link says so often that nothing was lost */
#define LINK_UNACKNOWLEDGED_MS 2000 /* then what was sent is lost */
#define LINK_SILENT_MS 5000         /* then the peer is lost, or has never been there */

/*
 * The link of a message is found by `from` and `loop`, which the link does not look at. A peer that
 * was restarted has another incarnation, and so another link; if it had the same one, its first
 * messages would void the old link.
 */
struct link_header {
    uint64_t from;    /* the sender's incarnation */
    uint8_t loop;     /* the sender's loop */
    uint64_t session; /* the sender's; not 0 */
    uint64_t answers; /* the receiver's session that the sender knows; 0: none */
    /*
     * Messages with bytes are numbered from 1 on. A message without bytes repeats the last number,
     * 0 before the first.
     */
    uint64_t number;
    uint64_t received; /* the last number of `answers` that the sender has taken */
};

/*
 * Reads a message's header. False: it is none of this version. The rest is the message's part of
 * the stream, and points into the message.
 */
bool link_header_read(struct bytes message, struct link_header *ret_header,
                      struct bytes *ret_stream);
void link_header_write(struct writer *writer, const struct link_header *header);

/* To be read by its functions only. */
struct link {
    uint64_t session;
    uint64_t peer_session; /* open: the peer's; else the one heard last; 0: none */
    bool is_open;
    bool is_urgent;        /* there is news that the peer waits for */
    bool owes;             /* something came that is to be answered in time */
    uint64_t sent;         /* number of the last message with bytes */
    uint64_t received;     /* number of the last one that was taken */
    uint64_t acknowledged; /* number of the last one that the peer has taken, as far as known */
    uint64_t heard_ms;     /* when the open link heard the peer last; else when it began */
    uint64_t sent_ms;      /* when the last message went out */
    uint64_t unacknowledged_ms; /* since when something sent waits, or more was acknowledged */
    uint64_t owed_ms;           /* since when the link owes */
};

/*
 * Begins the link, or begins it anew: with another session than ever before, which is not 0. So it
 * is drawn at random.
 */
void link_begin(struct link *link, uint64_t session, uint64_t now_ms);

/*
 * Whether messages may have bytes. Until then whoever has some keeps them. Once open, a link is
 * open until it begins anew.
 */
bool link_is_open(const struct link *link);

enum link_verdict {
    LINK_IGNORED, /* it has no bytes to take: none at all, doubled, late, or of a session that is
                     over */
    LINK_TAKEN,   /* take its part of the stream */
    LINK_VOID,    /* the link is void: call link_begin(), and then link_receive() once more, which
                     ignores the message, but learns from it that the peer is there */
};

/* Afterwards link_check() may say that a message is to be sent. */
enum link_verdict link_receive(struct link *link, const struct link_header *header, bool has_bytes,
                               uint64_t now_ms);

/*
 * The header of the next message to send, which has bytes or has none. It has none while the link
 * is not open. The caller fills in `from` and `loop`.
 */
struct link_header link_next(struct link *link, bool has_bytes, uint64_t now_ms);

enum link_due {
    LINK_NOTHING_DUE,
    LINK_MUST_SPEAK, /* send a message, without bytes if there are none */
    LINK_LOST,       /* the peer, or what was sent: the link is void, call link_begin() */
};

/*
 * To be called after whatever has come was received: what waits unread for long looks like silence.
 */
enum link_due link_check(const struct link *link, uint64_t now_ms);

/*
 * Milliseconds until link_check() may say something else; 0: it has something to say. It changes
 * with each other call.
 */
uint64_t link_wait_ms(const struct link *link, uint64_t now_ms);

#endif
