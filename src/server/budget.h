/*
 * One budget for everything that is buffered in the process (--max-buffered-bytes): unfinished
 * input, output queues, and what the kernel keeps for peers that do not read or are not read.
 *
 * A loop counts exactly what it holds, in `held`, and takes its part of the budget in leases, so
 * that loops share a counter without touching it for a message. When the budget is spent, two
 * rounds of mail go to all loops: first each weighs its connections, then each closes those, with
 * 1013, who of all in the process hold most for longest.
 */
#ifndef PARTY_SERVER_BUDGET_H
#define PARTY_SERVER_BUDGET_H

#include "server/loop.h"

/* Leases for what the loop holds now, or gives back what it does not need. */
void budget_settle(struct loop *loop);

/* Mail of kind MAIL_WEIGH, then MAIL_SHED. */
void budget_weigh(struct loop *loop);
void budget_shed(struct loop *loop);

#endif
