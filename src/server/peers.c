/* A word has the place in its lowest byte, and the term above that: see peers_place(). */
#include "server/peers.h"

#define PLACE_BITS 8

void peers_init(struct peers *peers, uint64_t incarnation)
{
    *peers = (struct peers){.incarnation = incarnation};
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++)
        atomic_init(&peers->slices[slice], PEER_NOBODY);
}

uint8_t peers_find(const struct peers *peers, uint64_t incarnation)
{
    for (uint32_t place = 0; place < peers->count; place++) {
        if (atomic_load(&peers->peers[place].incarnation) == incarnation)
            return (uint8_t)place;
    }
    return PEER_NOBODY;
}

uint8_t peers_add(struct peers *peers, uint64_t incarnation, uint32_t loops)
{
    uint8_t place = peers_find(peers, incarnation);
    if (place != PEER_NOBODY) {
        atomic_store(&peers->peers[place].loops, loops);
        return place;
    }
    if (peers->count == PEERS_MAX)
        return PEER_NOBODY;
    struct peer *peer = &peers->peers[peers->count];
    atomic_store(&peer->incarnation, incarnation);
    atomic_store(&peer->loops, loops);
    return (uint8_t)peers->count++;
}

void peers_set_owner(struct peers *peers, uint32_t slice, uint8_t place, uint64_t term)
{
    atomic_store(&peers->slices[slice], term << PLACE_BITS | place);
}

void peers_publish_changes(struct peers *peers)
{
    atomic_fetch_add(&peers->changes, 1);
}

struct ownership_word peers_owner(const struct peers *peers, uint32_t slice)
{
    return (struct ownership_word){atomic_load(&peers->slices[slice])};
}
