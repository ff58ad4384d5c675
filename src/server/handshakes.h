/*
 * TLS handshakes that wait to be served. One takes 0.1 to 6 ms (with a key of RSA 4096), which is
 * many messages' time; so a hello waits until its loop has time for it. In a turn they have
 * HANDSHAKES_NS_PER_TURN, or one of them if that takes longer; then, if anybody plays here, there
 * is none for twice as long as they took. So they have a third of each loop's time and, together, a
 * third of the process's. Hellos of addresses that had few handshakes lately come first; that is
 * counted for the process, see places_ask_handshake(). Those of trusted proxies come first, too:
 * their clients are not known yet.
 */
#ifndef PARTY_SERVER_HANDSHAKES_H
#define PARTY_SERVER_HANDSHAKES_H

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct loop;

/* A loop's; touched by its thread alone. */
struct handshakes {
    const struct conn *served; /* whose turn it is */
    uint64_t due_ns;           /* not before */
};

/* The connection's hello is there: its deadline is in the queue that its address deserves. */
void handshakes_await(struct loop *loop, struct conn *conn);

/* Serves those whose time has come. */
void handshakes_serve(struct loop *loop);

/* Milliseconds until the next may be served; -1: none waits. */
int handshakes_wait_ms(const struct loop *loop);

#endif
