/* What a turn has to do with other nodes: their messages, and changes of who owns what. */
#ifndef PARTY_SERVER_REMOTE_H
#define PARTY_SERVER_REMOTE_H

#include "server/links.h"

/* A message of another node, in a loop's mail; from malloc(). */
struct remote_mail {
    struct mail mail; /* MAIL_REMOTE */
    size_t length;
    uint8_t message[];
};

/* Handles a message and frees it. */
void remote_receive(struct loop *loop, struct remote_mail *mail);

/*
 * look (cluster/ownership.h): a process that stood still for 2 s handles nothing before the map has
 * been read, which takes 2 s at most, and the picture of who owns what has been taken. Behind each
 * wait of the loop.
 */
void remote_look_after_pause(struct loop *loop);

/* Takes the picture of who owns what if it has changed, with all that follows from it. */
void remote_look_at_owners(struct loop *loop);

/* Does what is due without a message: once a turn, before the flush. */
void remote_check(struct loop *loop);

#endif
