/*
 * A bundle: one message of the bus to a loop, with letters of this node's loops for it. Each
 * message wakes five threads and nats-server on its way, so those that wait at the same moment go
 * together.
 *
 * A letter follows its length, of eight bytes. What it says is no matter of the bundle: see link.h.
 */
#ifndef PARTY_CLUSTER_BUNDLE_H
#define PARTY_CLUSTER_BUNDLE_H

#include "base/bytes.h"
#include "base/writer.h"

#define BUNDLE_LENGTH_BYTES 8 /* before each letter */

static inline size_t bundle_bytes(struct bytes letter)
{
    return BUNDLE_LENGTH_BYTES + letter.length;
}

void bundle_put(struct writer *writer, struct bytes letter);

/*
 * Takes the next letter off the bundle, into which it points. False: there is none, or the rest is
 * no bundle, since anybody may have written it.
 */
bool bundle_next(struct bytes *bundle, struct bytes *ret_letter);

#endif
