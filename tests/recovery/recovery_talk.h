/* What players of protocol 3 say, as random numbers choose it: messages, faults, what hosts say. */
#ifndef PARTY_TESTS_RECOVERY_TALK_H
#define PARTY_TESTS_RECOVERY_TALK_H

#include "recovery/recovery_player.h"

#define TALK_CHOICES 28 /* of talk_some() */

struct talk {
    uint32_t (*below)(void *context, uint32_t bound); /* a random number */
    void *context;
    uint32_t lacks;       /* enum recovery_lack */
    uint32_t large_bytes; /* of the padding that a few messages have; 0: none has any */
};

/* One of the kinds of things to say, with a player that may talk: it knows a room, or that there is
 * one. `choice` is below TALK_CHOICES. */
void talk_some(const struct talk *talk, struct player *player, uint32_t choice);

#endif
