/* Handles the mail of other threads to a loop, see `enum mail_kind`. */
#ifndef PARTY_SERVER_MAIL_H
#define PARTY_SERVER_MAIL_H

#include "server/loop.h"

void mail_handle(struct loop *loop, struct mail *mail);

/* Frees what the mail holds, after the loops have ended. */
void mail_drop(struct loop *loop, struct mail *mail);

#endif
