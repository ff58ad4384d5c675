/*
 * Asks loops a question for a connection, by mail, and adds up their parts of the answer. No loop
 * reads another one's memory.
 */
#ifndef PARTY_SERVER_HTTP_GATHER_H
#define PARTY_SERVER_HTTP_GATHER_H

#include "server/http/page_origin.h"
#include "server/links.h"

enum question_kind {
    QUESTION_COUNTS, /* all loops: their counters */
    QUESTION_METRICS,
    QUESTION_STATS, /* all loops: their counters and histories */
    QUESTION_ROOM,  /* the loop that owns a code: its room */
};

struct question {
    enum question_kind kind;
    uint64_t code;                  /* ROOM */
    bool wants_picture;             /* ROOM: answer with a QR code of the link to the room */
    struct page_origin page_origin; /* ROOM: start of that link if the room has no URL */
};

struct room_answer {
    bool is_found;
    bool is_unknown; /* memory was short, or another node can't say it now */
    bool is_untold;  /* by another node, where the address has asked too often */
    bool is_locked;  /* this and the following of protocol 3 */
    bool has_password;
    uint32_t away;
    uint32_t audience;
    uint32_t clients;
    uint32_t members_max;
    enum protocol protocol;
    uint16_t origin_length;
    uint16_t url_length;
    uint8_t *url; /* gather_release() frees it */
    char origin[ORIGIN_BYTES_MAX];
};

struct answer {
    struct question question;
    struct loop_stats total;          /* COUNTS, METRICS, STATS */
    uint32_t crowds[ORIGINS_MAX + 1]; /* METRICS: members of rooms, by the origin of the room */
    struct history history;           /* STATS */
    struct room_answer room;          /* ROOM */
};

/*
 * Begins to ask. The connection becomes WAITING until gather_collect() has the answer. False:
 * memory is short, and nothing was begun.
 */
MUST_CHECK bool gather_begin(struct loop *loop, struct conn *conn, struct question question);

/*
 * Answers LINK_ASK of another node, and takes its LINK_ANSWER: the answer then comes as a reply by
 * mail. So it does when the link is void, and says that it is unknown.
 */
void gather_tell(struct loop *loop, struct link_end *end, const struct link_item *item);
void gather_take(struct loop *loop, const struct link_end *end, const struct link_item *item);
void gather_void(struct loop *loop, const struct link_end *end); /* NULL: all are */

/* Handles MAIL_SNAPSHOT_REQUEST: fills this loop's part and sends it back. */
void gather_answer(struct loop *loop, struct mail *mail);

/*
 * Handles MAIL_SNAPSHOT_REPLY: one part is back. Returns the connection if it was the last part and
 * the connection still waits; then `ret_answer` has the answer, which gather_release() frees. Else
 * returns NULL.
 */
MUST_CHECK struct conn *gather_collect(struct loop *loop, struct mail *mail,
                                       struct answer *ret_answer);
void gather_release(struct answer *answer);

/* Drops either kind of that mail, after the loops have ended. */
void gather_drop(struct mail *mail);

#endif
