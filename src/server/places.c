/* A hash table with chains by number, so that it can grow; a queue of places to be forgotten. */
#include "server/places.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "server/limits.h"

#define CAPACITY_AT_FIRST 64
#define SHARE_OF_JOIN 1000 /* debts are counted in thousandths of a failed join */

__extension__ typedef unsigned __int128 uint128;

struct place {
    struct address address;
    uint32_t connections;
    uint32_t debt;       /* failed joins that are not forgotten, in thousandths */
    uint32_t debt_as_of; /* milliseconds */
    uint32_t budget;     /* that the debt is forgotten by */
    uint32_t next;       /* in the bucket, or of the free ones */
    uint32_t older;      /* among those without connections */
    uint32_t newer;
};

static bool allocate(struct places *places, uint32_t capacity)
{
    uint32_t *buckets = calloc(capacity, sizeof *buckets);
    struct place *items = realloc(places->items, capacity * sizeof *items);
    if (items != NULL)
        places->items = items;
    if (buckets == NULL || items == NULL) {
        free(buckets);
        return false;
    }
    free(places->buckets);
    places->buckets = buckets;
    places->capacity = capacity;
    return true;
}

bool places_init(struct places *places)
{
    *places = (struct places){.used = 1};
    ssize_t length = getrandom(places->keys, sizeof places->keys, 0);
    return length == (ssize_t)sizeof places->keys && allocate(places, CAPACITY_AT_FIRST) &&
           pthread_mutex_init(&places->lock, NULL) == 0;
}

void places_release(struct places *places)
{
    if (places->items != NULL)
        pthread_mutex_destroy(&places->lock);
    free(places->items);
    free(places->buckets);
    *places = (struct places){0};
}

static uint32_t *bucket_of(struct places *places, const struct address *address)
{
    uint64_t halves[2];
    memcpy(halves, address->octets, sizeof halves);
    uint128 product =
        (uint128)(halves[0] ^ places->keys[0]) * (uint128)(halves[1] ^ places->keys[1]);
    uint64_t hash = (uint64_t)product ^ (uint64_t)(product >> 64);
    return &places->buckets[hash & (places->capacity - 1)];
}

static bool grow(struct places *places)
{
    if (!allocate(places, places->capacity * 2))
        return false;
    /* All items are in use, or there would be no need to grow. */
    for (uint32_t i = 1; i < places->used; i++) {
        uint32_t *bucket = bucket_of(places, &places->items[i].address);
        places->items[i].next = *bucket;
        *bucket = i;
    }
    return true;
}

/* The link to the place with this address, or the end of its chain. */
static uint32_t *find(struct places *places, const struct address *address)
{
    uint32_t *at = bucket_of(places, address);
    while (*at != PLACE_NONE && !address_equal(places->items[*at].address, *address))
        at = &places->items[*at].next;
    return at;
}

static uint32_t add(struct places *places, struct address address)
{
    if (places->free == PLACE_NONE && places->used == places->capacity && !grow(places))
        return PLACE_NONE;
    uint32_t number = places->free;
    if (number != PLACE_NONE)
        places->free = places->items[number].next;
    else
        number = places->used++;
    uint32_t *bucket = bucket_of(places, &address);
    places->items[number] = (struct place){.address = address, .next = *bucket};
    *bucket = number;
    return number;
}

static void forget(struct places *places, uint32_t number)
{
    struct place *place = &places->items[number];
    uint32_t *link = find(places, &place->address);
    assert(*link == number);
    *link = place->next;
    place->next = places->free;
    places->free = number;
}

/* Takes a place out of the queue of those without connections. */
static void unlink_remembered(struct places *places, uint32_t number)
{
    struct place *place = &places->items[number];
    if (place->older != PLACE_NONE)
        places->items[place->older].newer = place->newer;
    else
        places->oldest = place->newer;
    if (place->newer != PLACE_NONE)
        places->items[place->newer].older = place->older;
    else
        places->newest = place->older;
    place->older = PLACE_NONE;
    place->newer = PLACE_NONE;
    places->remembered_count--;
}

static void forget_oldest(struct places *places)
{
    uint32_t number = places->oldest;
    unlink_remembered(places, number);
    forget(places, number);
}

static void remember(struct places *places, uint32_t number)
{
    struct place *place = &places->items[number];
    place->older = places->newest;
    place->newer = PLACE_NONE;
    if (places->newest != PLACE_NONE)
        places->items[places->newest].newer = number;
    else
        places->oldest = number;
    places->newest = number;
    places->remembered_count++;
    if (places->remembered_count > PLACES_REMEMBERED_MAX)
        forget_oldest(places);
}

static void forget_debt(struct place *place, uint32_t now_ms)
{
    uint32_t elapsed_ms = now_ms - place->debt_as_of;
    if (elapsed_ms > UINT32_MAX - PLACE_BUDGET_MS)
        return; /* another thread's clock was a little ahead */
    uint64_t forgotten = (uint64_t)elapsed_ms * place->budget * SHARE_OF_JOIN / PLACE_BUDGET_MS;
    if (forgotten == 0 && place->debt > 0)
        return; /* too short a time to count: it is kept for the next look */
    place->debt = forgotten >= place->debt ? 0 : place->debt - (uint32_t)forgotten;
    place->debt_as_of = now_ms;
}

uint32_t places_enter(struct places *places, struct address address, uint32_t *ret_connections)
{
    struct address base = address_place(address);
    pthread_mutex_lock(&places->lock);
    uint32_t number = *find(places, &base);
    if (number != PLACE_NONE && places->items[number].connections == 0)
        unlink_remembered(places, number);
    if (number == PLACE_NONE)
        number = add(places, base);
    if (number != PLACE_NONE)
        *ret_connections = ++places->items[number].connections;
    pthread_mutex_unlock(&places->lock);
    return number;
}

struct address places_address(struct places *places, uint32_t number)
{
    assert(number != PLACE_NONE);
    pthread_mutex_lock(&places->lock);
    struct address address = places->items[number].address;
    pthread_mutex_unlock(&places->lock);
    return address;
}

void places_leave(struct places *places, uint32_t number, uint32_t now_ms)
{
    if (number == PLACE_NONE)
        return;
    pthread_mutex_lock(&places->lock);
    struct place *place = &places->items[number];
    assert(place->connections > 0);
    place->connections--;
    if (place->connections == 0) {
        forget_debt(place, now_ms);
        if (place->debt > 0)
            remember(places, number);
        else
            forget(places, number);
    }
    pthread_mutex_unlock(&places->lock);
}

bool places_fail_join(struct places *places, uint32_t number, uint32_t budget, uint32_t now_ms)
{
    pthread_mutex_lock(&places->lock);
    struct place *place = &places->items[number];
    if (place->debt == 0)
        place->debt_as_of = now_ms;
    place->budget = budget;
    forget_debt(place, now_ms);
    /* Bounded, so that it is over in a bounded time, however much was tried. */
    uint32_t most = 2 * budget * SHARE_OF_JOIN;
    place->debt = place->debt + SHARE_OF_JOIN < most ? place->debt + SHARE_OF_JOIN : most;
    bool is_beyond = place->debt > budget * SHARE_OF_JOIN;
    pthread_mutex_unlock(&places->lock);
    return is_beyond;
}
