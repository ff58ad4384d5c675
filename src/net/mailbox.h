/*
 * Mail between threads: the only way in which objects pass from one thread to another.
 *
 * An entry is embedded in the object that is sent, so posting can't fail. The poster gives the
 * object up; the thread that takes the entry owns it. An entry is in one mailbox at a time.
 */
#ifndef PARTY_NET_MAILBOX_H
#define PARTY_NET_MAILBOX_H

#include <pthread.h>

#include "base/attributes.h"
#include "net/kernel.h"

struct mail {
    struct mail *next;
    int kind; /* the user's own enumeration */
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first;
    struct mail *last;
    const struct kernel *kernel;
    int wake_fd; /* readable while the mailbox has mail */
};

/* False: errno says why. */
MUST_CHECK bool mailbox_init(struct mailbox *mailbox, const struct kernel *kernel);
void mailbox_release(struct mailbox *mailbox);

/* Safe from any thread. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

/* Takes all mail, oldest first, linked by `next`; NULL: none. Only the owner's thread calls it. */
struct mail *mailbox_take_all(struct mailbox *mailbox);

#endif
