/* A loop from its beginning to its end. */
#ifndef PARTY_SERVER_LOOP_THREAD_H
#define PARTY_SERVER_LOOP_THREAD_H

#include "server/loop.h"

/* NULL with errno set when memory or the kernel refuses. */
MUST_CHECK struct loop *loop_thread_new(struct server *server, uint32_t index);
void loop_thread_free(struct loop *loop);

/* Takes turns until MAIL_STOP has come and everybody is gone, or told and given up. A thread's
 * body.
 */
void *loop_thread_run(void *loop);

#endif
