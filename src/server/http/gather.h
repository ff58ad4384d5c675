/*
 * Asks the loops something on behalf of a connection, by mail, and puts together what comes back.
 * No loop reads another's memory.
 */
#ifndef PARTY_SERVER_HTTP_GATHER_H
#define PARTY_SERVER_HTTP_GATHER_H

#include "server/http/page_origin.h"

enum question_kind {
    QUESTION_COUNTS, /* all loops: their counters */
    QUESTION_METRICS,
    QUESTION_STATS, /* and their last minutes */
    QUESTION_ROOM,  /* the owner of a code: its room */
};

struct question {
    enum question_kind kind;
    uint64_t code;                  /* ROOM */
    bool wants_picture;             /* ROOM: of the link to it, */
    struct page_origin page_origin; /* which is to this server if the room has none of its own */
};

struct room_answer {
    bool is_found;
    bool is_unknown; /* memory was short */
    uint32_t clients;
    uint32_t members_max;
    uint16_t origin_length;
    uint16_t url_length;
    uint8_t *url; /* the answer's: see gather_release() */
    char origin[ORIGIN_BYTES_MAX];
};

struct answer {
    struct question question;
    struct loop_stats total;          /* COUNTS, METRICS, STATS */
    uint32_t crowds[ORIGINS_MAX + 1]; /* METRICS: members of rooms, by the rooms' origin */
    struct history history;           /* STATS */
    struct room_answer room;          /* ROOM */
};

/*
 * Starts asking; the connection becomes WAITING until gather_collect() has the answer. False:
 * memory is short, nothing was started.
 */
MUST_CHECK bool gather_begin(struct loop *loop, struct conn *conn, struct question question);

/* Mail of kind SNAPSHOT_REQUEST: adds what this loop knows and sends the part back. */
void gather_answer(struct loop *loop, struct mail *mail);

/*
 * Mail of kind SNAPSHOT_REPLY: one part is back. The connection when that was the last part and it
 * still waits: then `ret_answer` is the whole, for gather_release(). Else NULL.
 */
MUST_CHECK struct conn *gather_collect(struct loop *loop, struct mail *mail,
                                       struct answer *ret_answer);
void gather_release(struct answer *answer);

/* Either kind of that mail, after the loops have ended: one part less. */
void gather_drop(struct mail *mail);

#endif
