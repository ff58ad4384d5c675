/* A word has the place in its lowest byte, and the term above that: see peers_place(). */
#include "server/peers.h"

#include <string.h>

#define PLACE_BITS 8

void peers_init(struct peers *peers, uint64_t incarnation)
{
    *peers = (struct peers){.incarnation = incarnation};
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++)
        atomic_init(&peers->slices[slice], PEER_NOBODY);
    for (uint32_t place = 0; place < PEERS_MAX; place++)
        atomic_init(&peers->peers[place].round_trip_us, PEER_NO_ROUND_TRIP);
}

uint8_t peers_find(const struct peers *peers, uint64_t incarnation)
{
    for (uint32_t place = 0; incarnation != 0 && place < PEERS_MAX; place++) {
        uint64_t there = atomic_load(&peers->peers[place].incarnation);
        if (there == incarnation)
            return (uint8_t)place;
        if (there == 0) /* so are all behind it */
            break;
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
    if (incarnation == 0 || peers->count == PEERS_MAX)
        return PEER_NOBODY;
    struct peer *peer = &peers->peers[peers->count];
    atomic_store(&peer->incarnation, incarnation);
    atomic_store(&peer->loops, loops);
    return (uint8_t)peers->count++;
}

bool peers_is_idle(const struct peers *peers, uint8_t place)
{
    bool is_idle = atomic_load(&peers->peers[place].state) == PEER_UNLISTED;
    for (uint32_t slice = 0; slice < MAP_SLICES && is_idle; slice++)
        is_idle = peers_place(peers_owner(peers, slice)) != place;
    return is_idle;
}

void peers_replace(struct peers *peers, uint8_t place, uint64_t incarnation, uint32_t loops)
{
    struct peer *peer = &peers->peers[place];
    peer->name[0] = '\0';
    atomic_store(&peer->incarnation, incarnation);
    atomic_store(&peer->loops, loops);
}

static void forget_silent_namesake(struct peers *peers, uint8_t place)
{
    for (uint32_t i = 0; i < peers->count; i++) {
        struct peer *peer = &peers->peers[i];
        if (i != place && atomic_load(&peer->state) == PEER_SILENT &&
            strcmp(peer->name, peers->peers[place].name) == 0)
            atomic_store(&peer->state, PEER_UNLISTED);
    }
}

void peers_list(struct peers *peers, uint8_t place, const struct lease *lease)
{
    struct peer *peer = &peers->peers[place];
    /* A stranger may write a lease with the incarnation of another one: the first name stays. */
    if (peer->name[0] == '\0')
        memcpy(peer->name, lease->node.name, sizeof peer->name);
    atomic_store(&peer->rooms, lease->rooms);
    atomic_store(&peer->clients, lease->clients);
    peers_set_state(peers, place, lease->is_draining ? PEER_LEAVING : PEER_SERVING);
    forget_silent_namesake(peers, place);
}

void peers_set_state(struct peers *peers, uint8_t place, enum peer_state state)
{
    atomic_store(&peers->peers[place].state, (unsigned)state);
}

void peers_set_round_trip(struct peers *peers, uint8_t place, uint64_t round_trip_us)
{
    atomic_store(&peers->peers[place].round_trip_us, round_trip_us);
}

bool peers_look(const struct peers *peers, uint32_t place, struct peer_view *ret_view)
{
    const struct peer *peer = &peers->peers[place];
    enum peer_state state = (enum peer_state)atomic_load(&peer->state);
    if (state == PEER_UNLISTED)
        return false;
    *ret_view = (struct peer_view){
        .name = peer->name,
        .state = state,
        .rooms = atomic_load(&peer->rooms),
        .clients = atomic_load(&peer->clients),
        .round_trip_us = atomic_load(&peer->round_trip_us),
    };
    return true;
}

void peers_look_at_all(const struct peers *peers, struct peers_view *ret_view)
{
    ret_view->name = peers->name;
    ret_view->own_slices = atomic_load(&peers->own_slices);
    ret_view->live_peers = atomic_load(&peers->live_peers);
    ret_view->is_connected = atomic_load(&peers->is_connected);
    ret_view->count = 0;
    for (uint32_t place = 0; place < PEERS_MAX; place++)
        ret_view->count += peers_look(peers, place, &ret_view->peers[ret_view->count]);
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
