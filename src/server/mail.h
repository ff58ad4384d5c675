/* What other threads ask of a loop, see `enum mail_kind`. */
#ifndef PARTY_SERVER_MAIL_H
#define PARTY_SERVER_MAIL_H

#include "server/loop.h"

void mail_handle(struct loop *loop, struct mail *mail);

/* The same mail after the loops have ended: what it holds is freed. */
void mail_drop(struct loop *loop, struct mail *mail);

#endif
