/*
 * Protocol 3: clients tell the server what they have seen, as the SDK's do, so that rooms need not
 * keep it. Who sends messages tells it each second, and who only listens every five seconds.
 */
#ifndef PARTY_BENCH_CONFIRMING_H
#define PARTY_BENCH_CONFIRMING_H

#include "worker.h"

/* The client has got its seat: it has seen what `joined` says, or nothing if it has no such field.
 */
void confirming_begin(struct client *client, struct bytes text);

/* The client has seen an event that is counted, or `skipped`, which stands for several. */
static inline void confirming_note(struct client *client)
{
    client->seen++;
}
void confirming_note_skipped(struct client *client, struct bytes text);

/* Sends a confirmation now. */
void confirming_tell(struct worker *worker, struct client *client);

/* Sends what is due. Each turn calls it; it looks at each client once a second. */
void confirming_go_on(struct worker *worker);

#endif
