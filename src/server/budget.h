/*
 * One budget for all that is buffered in the process (--max-buffered-bytes): unfinished input,
 * output queues, TLS sessions, and what the kernel holds for connections that are blocked or
 * paused.
 *
 * A loop counts exactly what it uses, in `charged`, and leases its part of the budget in multiples
 * of LEASE_BYTES. So loops share a counter, but do not touch it for each message. When the budget
 * is spent, two rounds of mail go to all loops. In the first each loop weighs its connections; in
 * the second each closes, with 1013, its part of those that hold most bytes for longest in the
 * process.
 */
#ifndef PARTY_SERVER_BUDGET_H
#define PARTY_SERVER_BUDGET_H

#include "server/loop.h"

/* Leases what the loop uses now, or gives back what it does not need. */
void budget_settle(struct loop *loop);

/* Handle MAIL_WEIGH and MAIL_SHED. */
void budget_weigh(struct loop *loop);
void budget_shed(struct loop *loop);

#endif
