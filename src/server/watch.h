/* What the main thread does while the loops run. */
#ifndef PARTY_SERVER_WATCH_H
#define PARTY_SERVER_WATCH_H

#include "server/server.h"

enum watch_end {
    WATCH_STOP,
    WATCH_UPGRADE, /* the loops have come to rest: see upgrade_hold() */
};

/*
 * Reads signals from `signal_fd`, accepts for --admin-listen, prints notices, and keeps the heap
 * small. Ends with the first signal to stop if rooms outlive the process; otherwise drains until no
 * room is left to wait for, a second signal comes, or the time is over. Or ends when the process
 * can replace itself.
 */
enum watch_end watch(struct server *server, int signal_fd);

#endif
