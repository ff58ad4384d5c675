/*
 * What a process hands over to the program that replaces it: rooms and connections, as lines of
 * JSON, and logs of rooms in bytes. Descriptors stay open across execve(), so a connection is known
 * by its descriptor.
 *
 *     {"handover":2,"listener":5,"admin":-1,"startedNs":...,"restedNs":...,
 *      "upgrades":0,"startedS":...,"listensOn":"...","ticketKeys":"...",
 *      "parts":[81734,79211]} so many bytes follow for each loop
 *     {"roomCode":"BBBC","maker":"192.0.2.1","origin":"https://a.example","logBytes":153}
 *     {"version":1,"protocol":3,"code":"BBBC",...} the record of this room
 *     ... its log, of so many bytes; behind it is the next line
 *     {"payload":1,"bytes":"..."} that queues share; see handover_output
 *     {"connection":17,"state":"open",...}
 *
 * A field that the reader does not know means nothing to it. What can't be done without a field
 * needs another number behind "handover", which older programs refuse. In version 1 there are no
 * logs in bytes, but records have the events; and a room's line has no `roomCode`.
 */
#ifndef PARTY_SERVER_HANDOVER_H
#define PARTY_SERVER_HANDOVER_H

#include <pthread.h>

#include "net/tls_tickets.h"
#include "server/loop.h"

#define HANDOVER_VERSION 2
#define HANDOVER_VERSION_LEAST 1             /* that this program reads */
#define HANDOVER_BYTES_MAX ((size_t)1 << 31) /* of a loop's part */

struct handover_header {
    int listener_fd;
    int admin_fd; /* -1: none */
    uint64_t started_ns;
    uint64_t rested_ns;                    /* when the loops came to rest */
    uint64_t upgrades;                     /* before this one; 0 if an older program did not tell */
    uint64_t started_s;                    /* the same */
    char listens_on[LISTENS_ON_BYTES_MAX]; /* empty: an older program did not tell */
    uint32_t part_count; /* of the loops, in their order; 0: an older program did not tell */
    uint64_t part_bytes[LOOPS_MAX];
    bool has_ticket_keys;
    struct ticket_keys_copy ticket_keys; /* secret: whoever has such a header wipes it */
};

/* The text of the header is secret, too. */
#define HANDOVER_HEADER_BYTES_MAX 8192
void handover_write_header(struct writer *writer, const struct handover_header *header);

/* Makes a part empty, and keeps its memory for the next one. */
static inline void handover_empty_part(struct buf *part)
{
    part->length = 0;
    part->maximum = HANDOVER_BYTES_MAX;
}

/*
 * Appends the loop's rooms, and then its connections, as far as they can be handed over; see
 * handover_may_take() and output_take(). For a rehearsal it leaves output out, which may be much,
 * and which any program can restore. Changes nothing. False: memory is short.
 */
MUST_CHECK bool handover_write(const struct loop *loop, bool is_rehearsal, struct buf *text);

/*
 * Whether the connection can be handed over if it has not too much output: it has no TLS, and waits
 * for no other loop.
 */
bool handover_may_take(const struct conn *conn);

#define HANDOVER_WHY_MAX 512

/* Reads the first line. False: `ret_why` says what is wrong. */
MUST_CHECK bool handover_read_header(struct bytes text, struct handover_header *ret_header,
                                     char ret_why[HANDOVER_WHY_MAX]);

/* How much was restored. */
struct handover_counts {
    uint32_t rooms;
    uint32_t connections;
};

/*
 * Makes all rooms and connections of a handover in the server's loops, which do not run yet, and
 * attaches no socket. `is_rehearsal`: the descriptors are not there, and those who can't be handed
 * over are still in their rooms. False: `ret_why` says why; the server is of no use then.
 */
MUST_CHECK bool handover_restore(struct server *server, struct bytes text, bool is_rehearsal,
                                 struct handover_counts *ret_counts,
                                 char ret_why[HANDOVER_WHY_MAX]);

/* No process hands over more output than this, which is the least that its loops may have. */
#define HANDED_OVER_OUTPUT_MAX (LOOPS_MAX * RESTING_OUTPUT_MAX)

/* What is behind the header. */
struct bytes handover_lines(struct bytes text);

/* What a thread restores of a handover. */
struct handover_part {
    struct bytes lines;      /* all but the header */
    struct loop *loop;       /* that they are for, which no other thread touches; NULL: for any */
    pthread_mutex_t *claims; /* for a place in the table of connections, which others may want */
    size_t output_bytes_max;
    bool is_rehearsal;
};

/* Restores a part, as above; who has restored all of them calls handover_check() then. */
MUST_CHECK bool handover_restore_part(struct server *server, const struct handover_part *part,
                                      struct handover_counts *ret_counts,
                                      char ret_why[HANDOVER_WHY_MAX]);

/* Whether each member who is in a room has its connection. */
MUST_CHECK bool handover_check(const struct server *server, char ret_why[HANDOVER_WHY_MAX]);

#endif
