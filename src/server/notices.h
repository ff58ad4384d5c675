/*
 * What an operator should know, said on stderr once in the life of the process. A loop raises a
 * notice, the main thread says it: stderr may be a pipe that nobody reads, and no loop waits for
 * that.
 */
#ifndef PARTY_SERVER_NOTICES_H
#define PARTY_SERVER_NOTICES_H

#include <stdatomic.h>

#include "base/address.h"
#include "base/attributes.h"

enum notice {
    NOTICE_UNTRUSTED_FORWARDER, /* a private peer sends X-Forwarded-For and is no trusted proxy */
    NOTICE_SILENT_PROXY,        /* a trusted proxy does not say whose a request is */
    NOTICE_UNREAD_INTRODUCTION, /* a private peer sends PROXY headers, and is not said to */
    NOTICE_PLACES_TAKEN,        /* all places are, and some are closed for a newcomer */
    NOTICES,
};

struct notices {
    atomic_bool is_raised[NOTICES];
    atomic_bool is_due[NOTICES];
    struct address about[NOTICES]; /* whom it is about; read once it is due */
};

/* Whether it has been raised before: then it need not be found out again. */
static inline bool notices_is_raised(struct notices *notices, enum notice notice)
{
    return atomic_load_explicit(&notices->is_raised[notice], memory_order_relaxed);
}

/* From any loop. True: it is the first time, and the main thread is to be told that it is due. */
MUST_CHECK bool notices_raise(struct notices *notices, enum notice notice, struct address about);

/* From the main thread: says what has been raised. */
void notices_say(struct notices *notices);

#endif
