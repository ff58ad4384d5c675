/*
 * The makers of rooms: what the rooms of one address, or of one IPv6 /48, may use in common.
 *
 * A maker may have VACANT_ROOMS_MAX rooms without members, on all loops together. When there are
 * more, the room that has been vacant for longest is over, and its loop must end it. What the rooms
 * of a public address retain has a ceiling. Rooms of a private address have none, since all clients
 * may come from behind it.
 *
 * For the whole process and safe from any thread. A call takes a lock when a room begins or ends,
 * and when its last member leaves or a member returns. A maker is remembered while it has rooms.
 * All functions but makers_enter() accept NULL for an unknown maker, which has no bounds.
 */
#ifndef PARTY_SERVER_MAKERS_H
#define PARTY_SERVER_MAKERS_H

#include <pthread.h>

#include "base/address.h"
#include "relay/room.h"
#include "server/limits.h"

struct makers {
    pthread_mutex_t lock;
    void *tree;                  /* of struct maker, by address (tsearch) */
    struct list over[LOOPS_MAX]; /* by loop: vacancies of rooms that the loop must end */
};

/* False: errno says why. */
MUST_CHECK bool makers_init(struct makers *makers);

/* Call it when there are no rooms any more. */
void makers_release(struct makers *makers);

/* Counts a room of this address. NULL: memory is short. */
struct maker *makers_enter(struct makers *makers, struct address address);

/* The address that the maker has; a wider network's first one. */
struct address makers_address(const struct maker *maker);

/* Counts a room less. */
void makers_leave(struct makers *makers, struct maker *maker);

/* Counts bytes that a room retains. False: they would exceed `limit`, and are not counted. */
MUST_CHECK bool makers_admit_bytes(struct maker *maker, size_t count, size_t limit);
void makers_dismiss_bytes(struct maker *maker, size_t count);

/*
 * Lists a room whose last member has left. True: the maker has too many such rooms, and the loop
 * `ret_loop` must end the one that has been vacant for longest.
 */
MUST_CHECK bool makers_add_vacancy(struct makers *makers, struct maker *maker,
                                   struct vacancy *vacancy, uint32_t *ret_loop);

/* Takes a room off the list, if it is there: a member has returned, or the room ends. */
void makers_remove_vacancy(struct makers *makers, struct maker *maker, struct vacancy *vacancy);

/* Returns a vacancy whose room the loop must end, and takes it off the list; NULL: none. */
struct vacancy *makers_take_over(struct makers *makers, uint32_t loop);

#endif
