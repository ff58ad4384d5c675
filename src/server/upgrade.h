/*
 * How the process replaces itself by the program that is now at its path, and goes on with all
 * rooms and connections; see "Upgrade" in ARCHITECTURE.md. Only the main thread calls these.
 */
#ifndef PARTY_SERVER_UPGRADE_H
#define PARTY_SERVER_UPGRADE_H

#include "net/process.h"
#include "server/handover.h"
#include "server/server.h"

/*
 * Has the new program rehearse, and the loops come to rest. `signal_fd` becomes readable when
 * another signal comes, which ends the rehearsal. False: nothing has changed, and a line on stderr
 * says why.
 */
MUST_CHECK bool upgrade_prepare(struct server *server, int signal_fd);

/* Has the loops hold everything; their threads end then. */
void upgrade_hold(struct server *server);

/* Executes the new program, or this one again. Returns only if neither is possible. */
void upgrade_execute(struct server *server);

/* What a process that has a handover begins with. */
struct upgrade {
    struct process_start start;
    struct handover_header header;
    struct bytes text;
};

/* Reads the handover of this start. False: a line on stderr says why. */
MUST_CHECK bool upgrade_read(struct upgrade *upgrade, struct process_start start);

/* The context, or NULL if there is no TLS any more, gets the former program's keys of tickets. */
void upgrade_give_ticket_keys(struct upgrade *upgrade, struct tls_context *tls);

/* Restores it in the server's loops, which do not run yet. False: a line on stderr says why. */
MUST_CHECK bool upgrade_restore(struct server *server, struct upgrade *upgrade,
                                struct handover_counts *ret_counts);

/*
 * From now on this program has what it restored, and the way back is over. Descriptors are closed
 * on execution only from here on: who goes back needs them.
 */
void upgrade_settle(const struct server *server, struct upgrade *upgrade);

#endif
