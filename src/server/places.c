/* A hash table with chains by number, so that it can grow; a queue of places to be forgotten. */
#include "server/places.h"

#include <assert.h>
#include <stdlib.h>

#include "server/bucket.h"
#include "server/limits.h"

#define CAPACITY_AT_FIRST 64

/* Leaks from the budget's bucket are whole numbers in this unit. */
#define MISS_LEVEL PLACE_BUDGET_MS
#define HANDSHAKE_LEVEL 1000 /* thousandths, since so many a second leak */

struct place {
    struct address key; /* the network; of IPv6 with its prefix length as the last octet */
    struct bucket misses;
    struct bucket costs;
    struct bucket handshakes;
    uint32_t budgets; /* of both: how often it has what one address has */
    uint32_t width;   /* how often it may have the connections of one address */
    uint32_t wider;   /* the place that this one is a part of */
    uint32_t holders; /* connections, requests, and narrower places */
    uint32_t connections[PLACES_KINDS];
    uint32_t waiting;
    uint32_t next;  /* in the bucket, or of the free ones */
    uint32_t older; /* among those that nobody holds */
    uint32_t newer;
};

/* An IPv6 address is counted in each of these; the narrowest first. */
static const struct {
    uint8_t prefix_length;
    uint8_t width;
} networks[] = {{64, 1}, {56, 4}, {48, 16}};

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

bool places_init(struct places *places, uint32_t misses_max, const struct kernel *kernel)
{
    *places = (struct places){.used = 1, .misses_max = misses_max};
    kernel->random(places->keys, sizeof places->keys);
    return allocate(places, CAPACITY_AT_FIRST) && pthread_mutex_init(&places->lock, NULL) == 0;
}

void places_release(struct places *places)
{
    if (places->items != NULL)
        pthread_mutex_destroy(&places->lock);
    free(places->items);
    free(places->buckets);
    *places = (struct places){0};
}

static uint32_t *bucket_of(struct places *places, const struct address *key)
{
    uint64_t hash = address_hash(*key, places->keys);
    return &places->buckets[hash & (places->capacity - 1)];
}

static bool grow(struct places *places)
{
    if (!allocate(places, places->capacity * 2))
        return false;
    /* All items are in use, or there would be no need to grow. */
    for (uint32_t i = 1; i < places->used; i++) {
        uint32_t *bucket = bucket_of(places, &places->items[i].key);
        places->items[i].next = *bucket;
        *bucket = i;
    }
    return true;
}

/* The link to the place with this key, or the end of its chain. */
static uint32_t *find(struct places *places, const struct address *key)
{
    uint32_t *at = bucket_of(places, key);
    while (*at != PLACE_NONE && !address_equal(places->items[*at].key, *key))
        at = &places->items[*at].next;
    return at;
}

static uint32_t add(struct places *places, struct address key)
{
    if (places->free == PLACE_NONE && places->used == places->capacity && !grow(places))
        return PLACE_NONE;
    uint32_t number = places->free;
    if (number != PLACE_NONE)
        places->free = places->items[number].next;
    else
        number = places->used++;
    uint32_t *bucket = bucket_of(places, &key);
    places->items[number] = (struct place){.key = key, .next = *bucket};
    *bucket = number;
    return number;
}

/* Takes a place out of the queue of those that nobody holds. */
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
}

static void leak(const struct places *places, struct place *place, uint32_t now_ms)
{
    bucket_leak(&place->misses, (uint64_t)places->misses_max * place->budgets, now_ms);
    bucket_leak(&place->costs, (uint64_t)COST_PER_MS * place->budgets, now_ms);
}

static void forget(struct places *places, uint32_t number)
{
    struct place *place = &places->items[number];
    uint32_t *link = find(places, &place->key);
    assert(*link == number);
    *link = place->next;
    place->next = places->free;
    places->free = number;
}

/* Whether what was done there must not be forgotten; it has leaked up to now. */
static bool counts_still(const struct place *place)
{
    return place->misses.level > 0 || place->costs.level >= COST_REMEMBERED;
}

/* One holder less. A place that nobody holds is remembered as long as its misses or costs
 * count. */
static void let_go(struct places *places, uint32_t number, uint32_t now_ms)
{
    while (number != PLACE_NONE) {
        struct place *place = &places->items[number];
        assert(place->holders > 0);
        if (--place->holders > 0)
            return;
        leak(places, place, now_ms);
        if (counts_still(place)) {
            remember(places, number);
            return;
        }
        uint32_t wider = place->wider;
        forget(places, number);
        number = wider;
    }
}

/*
 * Those who need not be remembered any longer, and the longest unheld when there are too many. The
 * wider ones of those may be remembered by that.
 */
static void forget_some(struct places *places, uint32_t now_ms)
{
    while (places->oldest != PLACE_NONE) {
        uint32_t number = places->oldest;
        leak(places, &places->items[number], now_ms);
        bool is_one_too_many = places->remembered_count > PLACES_REMEMBERED_MAX;
        if (!is_one_too_many && counts_still(&places->items[number]))
            return;
        uint32_t wider = places->items[number].wider;
        unlink_remembered(places, number);
        forget(places, number);
        let_go(places, wider, now_ms);
    }
}

/* Holds the place with this key, which is new if need be; PLACE_NONE: memory is short. */
static uint32_t hold(struct places *places, struct address key, uint32_t budgets, uint32_t width)
{
    uint32_t number = *find(places, &key);
    if (number == PLACE_NONE) {
        number = add(places, key);
        if (number == PLACE_NONE)
            return PLACE_NONE;
        places->items[number].budgets = budgets;
        places->items[number].width = width;
    } else if (places->items[number].holders == 0) {
        unlink_remembered(places, number);
    }
    places->items[number].holders++;
    return number;
}

/* A network of IPv6 with those around it, the narrowest of which is held by the caller. */
static uint32_t hold_networks(struct places *places, struct address address)
{
    uint32_t first = PLACE_NONE;
    uint32_t narrower = PLACE_NONE;
    for (size_t i = 0; i < ARRAY_LENGTH(networks); i++) {
        struct address key = address_network(address, networks[i].prefix_length);
        key.octets[sizeof key.octets - 1] = networks[i].prefix_length;
        uint32_t number = hold(places, key, networks[i].width, networks[i].width);
        if (number == PLACE_NONE) {
            let_go(places, first, 0);
            return PLACE_NONE;
        }
        if (narrower == PLACE_NONE)
            first = number;
        else
            places->items[narrower].wider = number;
        if (places->items[number].wider != PLACE_NONE)
            return first;
        narrower = number;
    }
    return first;
}

uint32_t places_enter(struct places *places, struct address address)
{
    uint32_t number;
    pthread_mutex_lock(&places->lock);
    if (address_is_private(address))
        number = hold(places, address_place(address), PRIVATE_PLACE_BUDGETS, 1);
    else if (address_is_ipv4(address))
        number = hold(places, address, 1, 1);
    else
        number = hold_networks(places, address);
    pthread_mutex_unlock(&places->lock);
    return number;
}

struct address places_address(struct places *places, uint32_t number)
{
    assert(number != PLACE_NONE);
    pthread_mutex_lock(&places->lock);
    struct address address = places->items[number].key;
    pthread_mutex_unlock(&places->lock);
    return address;
}

void places_hold(struct places *places, uint32_t number)
{
    if (number == PLACE_NONE)
        return;
    pthread_mutex_lock(&places->lock);
    assert(places->items[number].holders > 0);
    places->items[number].holders++;
    pthread_mutex_unlock(&places->lock);
}

void places_leave(struct places *places, uint32_t number, uint32_t now_ms)
{
    if (number == PLACE_NONE)
        return;
    pthread_mutex_lock(&places->lock);
    let_go(places, number, now_ms);
    forget_some(places, now_ms);
    pthread_mutex_unlock(&places->lock);
}

/* Visits a place and those around it. */
#define FOR_EACH_NETWORK(place, places, number)                                    \
    for (struct place *place = &(places)->items[number]; place != (places)->items; \
         place = &(places)->items[place->wider])

static uint64_t all_connections(const struct place *place)
{
    uint64_t sum = 0;
    for (int kind = 0; kind < PLACES_KINDS; kind++)
        sum += place->connections[kind];
    return sum;
}

/* Whether there is room for one more; `most` are those of an address, 0: any number. */
static bool has_room(const struct place *place, uint64_t count, uint32_t most)
{
    return most == 0 || count < (uint64_t)most * place->width;
}

enum places_entry places_add_connection(struct places *places, uint32_t number,
                                        enum places_kind kind, struct places_limits limits)
{
    enum places_entry entry = PLACES_ENTERED;
    pthread_mutex_lock(&places->lock);
    FOR_EACH_NETWORK(place, places, number)
    {
        uint32_t handshakes = place->connections[PLACES_HANDSHAKE];
        if (kind == PLACES_HANDSHAKE && !has_room(place, handshakes, limits.handshakes))
            entry = PLACES_TOO_MANY_HANDSHAKES;
        if (!has_room(place, all_connections(place), limits.connections))
            entry = PLACES_TOO_MANY;
    }
    FOR_EACH_NETWORK(place, places, number)
    {
        place->connections[kind] += entry == PLACES_ENTERED ? 1 : 0;
    }
    pthread_mutex_unlock(&places->lock);
    return entry;
}

static void remove_connection(struct places *places, uint32_t number, enum places_kind kind)
{
    FOR_EACH_NETWORK(place, places, number)
    {
        assert(place->connections[kind] > 0);
        place->connections[kind]--;
    }
}

void places_remove_connection(struct places *places, uint32_t number, enum places_kind kind)
{
    pthread_mutex_lock(&places->lock);
    remove_connection(places, number, kind);
    pthread_mutex_unlock(&places->lock);
}

void places_change_kind(struct places *places, uint32_t number, enum places_kind from,
                        enum places_kind to)
{
    pthread_mutex_lock(&places->lock);
    remove_connection(places, number, from);
    FOR_EACH_NETWORK(place, places, number)
    {
        place->connections[to]++;
    }
    pthread_mutex_unlock(&places->lock);
}

/* Connections in no room, of as many addresses as the place counts for. */
static uint32_t weight_of(const struct place *place)
{
    return (place->connections[PLACES_HANDSHAKE] + place->connections[PLACES_OUTSIDE]) /
           place->width;
}

static void look_for_heaviest(struct places *places, uint32_t now_ms)
{
    uint32_t most = 0;
    if (now_ms - places->looked_ms < PLACES_LOOK_INTERVAL_MS)
        return;
    places->looked_ms = now_ms;
    for (uint32_t number = 1; number < places->used; number++) {
        const struct place *place = &places->items[number];
        if (place->holders > 0 && weight_of(place) > most) {
            most = weight_of(place);
            places->heaviest = number;
        }
    }
}

uint32_t places_find_heaviest(struct places *places, uint32_t newcomer, uint32_t now_ms)
{
    uint32_t own = 0;
    pthread_mutex_lock(&places->lock);
    FOR_EACH_NETWORK(place, places, newcomer)
    {
        own = weight_of(place) > own ? weight_of(place) : own;
    }
    look_for_heaviest(places, now_ms);
    uint32_t number = places->heaviest;
    struct place *heaviest = &places->items[number];
    if (number != PLACE_NONE && heaviest->holders > 0 && weight_of(heaviest) > own)
        heaviest->holders++;
    else
        number = PLACE_NONE;
    pthread_mutex_unlock(&places->lock);
    return number;
}

uint32_t places_count(struct places *places, uint32_t number, enum places_kind kind)
{
    pthread_mutex_lock(&places->lock);
    uint32_t count = places->items[number].connections[kind];
    pthread_mutex_unlock(&places->lock);
    return count;
}

struct address places_first_address(struct places *places, uint32_t number)
{
    pthread_mutex_lock(&places->lock);
    const struct place *place = &places->items[number];
    bool is_whole = address_is_ipv4(place->key) || place->budgets == PRIVATE_PLACE_BUDGETS;
    struct address address = is_whole ? place->key : address_network(place->key, 64);
    pthread_mutex_unlock(&places->lock);
    return address;
}

bool places_is_within(struct places *places, uint32_t number, uint32_t outer)
{
    pthread_mutex_lock(&places->lock);
    while (number != PLACE_NONE && number != outer)
        number = places->items[number].wider;
    pthread_mutex_unlock(&places->lock);
    return number != PLACE_NONE;
}

/* Whether one miss more would be within the budgets of the place and of those around it. */
static bool has_budget(struct places *places, uint32_t number, uint32_t now_ms)
{
    FOR_EACH_NETWORK(place, places, number)
    {
        leak(places, place, now_ms);
        if (place->misses.level + MISS_LEVEL >
            (uint64_t)places->misses_max * place->budgets * MISS_LEVEL)
            return false;
    }
    return true;
}

bool places_may_ask(struct places *places, uint32_t number, uint32_t now_ms)
{
    if (places->misses_max == 0)
        return true;
    pthread_mutex_lock(&places->lock);
    bool may_ask = has_budget(places, number, now_ms);
    pthread_mutex_unlock(&places->lock);
    return may_ask;
}

bool places_may_tell(struct places *places, uint32_t number, bool is_miss, uint32_t now_ms)
{
    if (places->misses_max == 0)
        return true;
    pthread_mutex_lock(&places->lock);
    bool may_tell = has_budget(places, number, now_ms);
    if (may_tell && is_miss) {
        FOR_EACH_NETWORK(place, places, number)
        {
            place->misses.level += MISS_LEVEL;
        }
    }
    pthread_mutex_unlock(&places->lock);
    return may_tell;
}

bool places_may_spend(struct places *places, uint32_t number, uint32_t now_ms)
{
    bool may_spend = true;
    pthread_mutex_lock(&places->lock);
    FOR_EACH_NETWORK(place, places, number)
    {
        leak(places, place, now_ms);
        if (place->costs.level > (uint64_t)COST_AT_ONCE * place->budgets)
            may_spend = false;
    }
    pthread_mutex_unlock(&places->lock);
    return may_spend;
}

void places_spend(struct places *places, uint32_t number, uint64_t cost, uint32_t now_ms)
{
    pthread_mutex_lock(&places->lock);
    FOR_EACH_NETWORK(place, places, number)
    {
        leak(places, place, now_ms);
        place->costs.level += cost;
    }
    pthread_mutex_unlock(&places->lock);
}

bool places_ask_handshake(struct places *places, uint32_t number, uint32_t now_ms)
{
    bool are_few = true;
    pthread_mutex_lock(&places->lock);
    FOR_EACH_NETWORK(place, places, number)
    {
        uint64_t few = (uint64_t)HANDSHAKES_FEW * HANDSHAKE_LEVEL * place->budgets;
        bucket_leak(&place->handshakes, (uint64_t)HANDSHAKES_PER_S * place->budgets, now_ms);
        if (place->handshakes.level + HANDSHAKE_LEVEL > few)
            are_few = false;
        if (place->handshakes.level < HANDSHAKES_REMEMBERED * few)
            place->handshakes.level += HANDSHAKE_LEVEL;
    }
    pthread_mutex_unlock(&places->lock);
    return are_few;
}

bool places_begin_waiting(struct places *places, uint32_t number)
{
    pthread_mutex_lock(&places->lock);
    struct place *place = &places->items[number];
    bool may_wait = places->waiting_count < WAITING_MAX &&
                    (number == PLACE_NONE || place->waiting < WAITING_PER_PLACE_MAX);
    if (may_wait) {
        places->waiting_count++;
        place->waiting += number == PLACE_NONE ? 0 : 1;
    }
    pthread_mutex_unlock(&places->lock);
    return may_wait;
}

void places_end_waiting(struct places *places, uint32_t number)
{
    pthread_mutex_lock(&places->lock);
    assert(places->waiting_count > 0);
    places->waiting_count--;
    if (number != PLACE_NONE) {
        assert(places->items[number].waiting > 0);
        places->items[number].waiting--;
    }
    pthread_mutex_unlock(&places->lock);
}
