/* A loop gets a room of which the node's recorder has found the record. */
#ifndef PARTY_SERVER_REVIVAL_H
#define PARTY_SERVER_REVIVAL_H

#include "server/recorder.h"

/* Makes the room, unless the slice was lost meanwhile, and answers the recorder. */
void revival_receive(struct loop *loop, struct revival *revival);

#endif
