/*
 * Notices for the operator, each printed on stderr once in the life of the process. A loop raises a
 * notice, and the main thread prints it: stderr may be a pipe that is full, and no loop may wait
 * for it.
 */
#ifndef PARTY_SERVER_NOTICES_H
#define PARTY_SERVER_NOTICES_H

#include <stdatomic.h>

#include "base/address.h"
#include "base/attributes.h"

enum notice {
    NOTICE_UNTRUSTED_FORWARDER, /* a private peer sends X-Forwarded-For and is no trusted proxy */
    NOTICE_SILENT_PROXY,        /* a trusted proxy does not report its client's address */
    /* A private peer sends PROXY headers, and is not configured as such a proxy. */
    NOTICE_UNREAD_INTRODUCTION,
    NOTICE_PLACES_TAKEN, /* all places are taken, and connections are closed for a newcomer */
    NOTICES,
};

struct notices {
    atomic_bool is_raised[NOTICES];
    atomic_bool is_due[NOTICES];
    struct address about[NOTICES]; /* the address that the notice is about; valid when is_due */
};

/* Whether a loop has raised the notice before: then the caller need not check for it again. */
static inline bool notices_is_raised(struct notices *notices, enum notice notice)
{
    return atomic_load_explicit(&notices->is_raised[notice], memory_order_relaxed);
}

/* From any loop. True: it is the first time, and the caller must wake the main thread. */
MUST_CHECK bool notices_raise(struct notices *notices, enum notice notice, struct address about);

/* Prints the notices that are due. The main thread calls it. */
void notices_say(struct notices *notices);

#endif
