/* Creates, runs and frees a loop. */
#ifndef PARTY_SERVER_LOOP_THREAD_H
#define PARTY_SERVER_LOOP_THREAD_H

#include "server/loop.h"

/* NULL: memory is short or the kernel refuses; errno says why. */
MUST_CHECK struct loop *loop_thread_new(struct server *server, uint32_t index);
void loop_thread_free(struct loop *loop);

/*
 * The body of a loop's thread. Takes turns until MAIL_STOP has come and all connections are freed,
 * or the time to stop is over.
 */
void *loop_thread_run(void *loop);

#endif
