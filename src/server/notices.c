/* The sentences of the notices. */
#include "server/notices.h"

#include <stdio.h>

static const char *const sentences[NOTICES] = {
    [NOTICE_UNTRUSTED_FORWARDER] =
        "party-sockets: %s sends X-Forwarded-For but is no trusted proxy, so all who come through "
        "it count as one address; if it is your proxy, start with --trust-proxy %s\n",
    [NOTICE_SILENT_PROXY] =
        "party-sockets: the trusted proxy %s does not tell its clients' addresses in "
        "X-Forwarded-For, so all who come through it count as one address\n",
    [NOTICE_UNREAD_INTRODUCTION] =
        "party-sockets: %s begins with a PROXY header, which is not read; if it is your proxy, "
        "start with --trust-proxy proxy:%s\n",
    [NOTICE_PLACES_TAKEN] =
        "party-sockets: all connections that --max-connections allows are taken; those of %s that "
        "are in no room are closed first, for it has most\n",
};

bool notices_raise(struct notices *notices, enum notice notice, struct address about)
{
    if (atomic_exchange(&notices->is_raised[notice], true))
        return false;
    notices->about[notice] = about;
    atomic_store(&notices->is_due[notice], true);
    return true;
}

void notices_say(struct notices *notices)
{
    for (int notice = 0; notice < NOTICES; notice++) {
        char text[ADDRESS_TEXT_BYTES_MAX];
        if (!atomic_exchange(&notices->is_due[notice], false))
            continue;
        address_write(notices->about[notice], text);
        fprintf(stderr, sentences[notice], text, text);
    }
}
