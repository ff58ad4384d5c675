/*
 * Mail between loops: the only way anything crosses threads.
 *
 * An entry is embedded in what is sent, so that posting can't fail. Who posts gives up ownership of
 * what the entry is part of; who takes it has it. An entry is in one mailbox at a time.
 */
#ifndef PARTY_NET_MAILBOX_H
#define PARTY_NET_MAILBOX_H

#include <pthread.h>

#include "base/attributes.h"
#include "net/kernel.h"

struct mail {
    struct mail *next;
    int kind; /* the users' own enumeration */
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first;
    struct mail *last;
    const struct kernel *kernel;
    int wake_fd; /* readable while there is mail */
};

/* False: errno says why. */
MUST_CHECK bool mailbox_init(struct mailbox *mailbox, const struct kernel *kernel);
void mailbox_release(struct mailbox *mailbox);

/* From any thread. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

/* The owner's thread: takes all mail, oldest first, linked by `next`; NULL when there is none. */
struct mail *mailbox_take_all(struct mailbox *mailbox);

#endif
