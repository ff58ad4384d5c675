/*
 * Who makes rooms: what the rooms of one address, or of one IPv6 /48, may have in common.
 *
 * An address may have VACANT_ROOMS_MAX rooms in which nobody is, on whatever loops they live;
 * beyond that the one that has been so the longest is over, and its loop is to end it. What the
 * rooms of a public address keep has a ceiling; behind a private one there may be everybody.
 *
 * For the whole process and safe from any thread; a lock is taken when a room comes or goes, and
 * when the last one leaves it or the first one comes back. A maker is remembered while it has
 * rooms. All but the first accept NULL for a maker that is not known, and has no bounds.
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
    struct list over[LOOPS_MAX]; /* vacancies of rooms that each loop is to end */
};

/* False: errno says why. */
MUST_CHECK bool makers_init(struct makers *makers);

/* When there are no rooms any more. */
void makers_release(struct makers *makers);

/* Counts a room of this address. NULL when memory is short. */
struct maker *makers_enter(struct makers *makers, struct address address);

/* The room is no more. */
void makers_leave(struct makers *makers, struct maker *maker);

/* Counts what a room keeps. False: that would be more than `most`; it is not counted. */
MUST_CHECK bool makers_admit_bytes(struct maker *maker, size_t count, size_t most);
void makers_dismiss_bytes(struct maker *maker, size_t count);

/*
 * Nobody is in a room of `maker` any more. True: there are too many such rooms, and the one that
 * has been so the longest is to be ended by loop `ret_loop`.
 */
MUST_CHECK bool makers_add_vacancy(struct makers *makers, struct maker *maker,
                                   struct vacancy *vacancy, uint32_t *ret_loop);

/* Somebody is there again, or the room ends. */
void makers_remove_vacancy(struct makers *makers, struct maker *maker, struct vacancy *vacancy);

/* One of those that the loop is to end, or NULL. It is not given again. */
struct vacancy *makers_take_over(struct makers *makers, uint32_t loop);

#endif
