/* A hash table with chains by number, so that it can grow; and a queue of subnets to forget. */
#include "server/subnets.h"

#include <assert.h>
#include <stdlib.h>

#include "server/bucket.h"
#include "server/limits.h"

#define CAPACITY_AT_FIRST 64

/* Units of a miss: misses_max of them leak in a millisecond. */
#define MISS_LEVEL SUBNET_BUDGET_MS
/* Units of a handshake: HANDSHAKES_PER_S of them leak in a millisecond. */
#define HANDSHAKE_LEVEL 1000

struct subnet {
    struct address key; /* the network; the last octet of an IPv6 network is its prefix length */
    struct bucket misses;
    struct bucket costs;
    struct bucket handshakes;
    uint32_t budgets; /* multiple of an address's budgets of misses, costs and handshakes */
    uint32_t width;   /* multiple of an address's limit of connections: 1, 4 or 16 */
    uint32_t wider;   /* number of the subnet around this one */
    uint32_t holders; /* connections, requests, rounds of eviction and narrower subnets */
    uint32_t connections[SUBNETS_KINDS];
    uint32_t waiting;
    uint32_t next;  /* in the chain of its hash, or of free items */
    uint32_t older; /* in the queue of subnets that nobody holds */
    uint32_t newer;
};

/* The networks that count an IPv6 address, the narrowest first. */
static const struct {
    uint8_t prefix_length;
    uint8_t width;
} networks[] = {{64, 1}, {56, 4}, {48, 16}};

static bool allocate(struct subnets *subnets, uint32_t capacity)
{
    uint32_t *buckets = calloc(capacity, sizeof *buckets);
    struct subnet *items = realloc(subnets->items, capacity * sizeof *items);
    if (items != NULL)
        subnets->items = items;
    if (buckets == NULL || items == NULL) {
        free(buckets);
        return false;
    }
    free(subnets->buckets);
    subnets->buckets = buckets;
    subnets->capacity = capacity;
    return true;
}

bool subnets_init(struct subnets *subnets, uint32_t misses_max, const struct kernel *kernel)
{
    *subnets = (struct subnets){.used = 1, .misses_max = misses_max};
    kernel->random(subnets->keys, sizeof subnets->keys);
    return allocate(subnets, CAPACITY_AT_FIRST) && pthread_mutex_init(&subnets->lock, NULL) == 0;
}

void subnets_release(struct subnets *subnets)
{
    if (subnets->items != NULL)
        pthread_mutex_destroy(&subnets->lock);
    free(subnets->items);
    free(subnets->buckets);
    *subnets = (struct subnets){0};
}

static uint32_t *bucket_of(struct subnets *subnets, const struct address *key)
{
    uint64_t hash = address_hash(*key, subnets->keys);
    return &subnets->buckets[hash & (subnets->capacity - 1)];
}

static bool grow(struct subnets *subnets)
{
    if (!allocate(subnets, subnets->capacity * 2))
        return false;
    /* All items are in use; else the table would not grow. */
    for (uint32_t i = 1; i < subnets->used; i++) {
        uint32_t *bucket = bucket_of(subnets, &subnets->items[i].key);
        subnets->items[i].next = *bucket;
        *bucket = i;
    }
    return true;
}

/* The link to the subnet with this key, or to the end of its chain. */
static uint32_t *find(struct subnets *subnets, const struct address *key)
{
    uint32_t *at = bucket_of(subnets, key);
    while (*at != SUBNET_NONE && !address_equal(subnets->items[*at].key, *key))
        at = &subnets->items[*at].next;
    return at;
}

static uint32_t add(struct subnets *subnets, struct address key)
{
    if (subnets->free == SUBNET_NONE && subnets->used == subnets->capacity && !grow(subnets))
        return SUBNET_NONE;
    uint32_t number = subnets->free;
    if (number != SUBNET_NONE)
        subnets->free = subnets->items[number].next;
    else
        number = subnets->used++;
    uint32_t *bucket = bucket_of(subnets, &key);
    subnets->items[number] = (struct subnet){.key = key, .next = *bucket};
    *bucket = number;
    return number;
}

/* Takes a subnet out of the queue of subnets that nobody holds. */
static void unlink_remembered(struct subnets *subnets, uint32_t number)
{
    struct subnet *subnet = &subnets->items[number];
    if (subnet->older != SUBNET_NONE)
        subnets->items[subnet->older].newer = subnet->newer;
    else
        subnets->oldest = subnet->newer;
    if (subnet->newer != SUBNET_NONE)
        subnets->items[subnet->newer].older = subnet->older;
    else
        subnets->newest = subnet->older;
    subnet->older = SUBNET_NONE;
    subnet->newer = SUBNET_NONE;
    subnets->remembered_count--;
}

static void remember(struct subnets *subnets, uint32_t number)
{
    struct subnet *subnet = &subnets->items[number];
    subnet->older = subnets->newest;
    subnet->newer = SUBNET_NONE;
    if (subnets->newest != SUBNET_NONE)
        subnets->items[subnets->newest].newer = number;
    else
        subnets->oldest = number;
    subnets->newest = number;
    subnets->remembered_count++;
}

static void leak(const struct subnets *subnets, struct subnet *subnet, uint32_t now_ms)
{
    bucket_leak(&subnet->misses, (uint64_t)subnets->misses_max * subnet->budgets, now_ms);
    bucket_leak(&subnet->costs, (uint64_t)COST_PER_MS * subnet->budgets, now_ms);
}

static void forget(struct subnets *subnets, uint32_t number)
{
    struct subnet *subnet = &subnets->items[number];
    uint32_t *link = find(subnets, &subnet->key);
    assert(*link == number);
    *link = subnet->next;
    subnet->next = subnets->free;
    subnets->free = number;
}

/* Whether its misses or costs must be remembered. The caller has called leak(). */
static bool must_be_remembered(const struct subnet *subnet)
{
    return subnet->misses.level > 0 || subnet->costs.level >= COST_REMEMBERED;
}

/*
 * Gives a hold back. A subnet that nobody holds is remembered as long as its misses or costs count;
 * else it is forgotten, and its hold on the wider subnet is given back as well.
 */
static void let_go(struct subnets *subnets, uint32_t number, uint32_t now_ms)
{
    while (number != SUBNET_NONE) {
        struct subnet *subnet = &subnets->items[number];
        assert(subnet->holders > 0);
        if (--subnet->holders > 0)
            return;
        leak(subnets, subnet, now_ms);
        if (must_be_remembered(subnet)) {
            remember(subnets, number);
            return;
        }
        uint32_t wider = subnet->wider;
        forget(subnets, number);
        number = wider;
    }
}

/*
 * Forgets subnets that nobody holds: those whose misses and costs no longer count, and the oldest
 * when there are too many. The subnets around them may join the queue by that.
 */
static void forget_some(struct subnets *subnets, uint32_t now_ms)
{
    while (subnets->oldest != SUBNET_NONE) {
        uint32_t number = subnets->oldest;
        leak(subnets, &subnets->items[number], now_ms);
        bool is_one_too_many = subnets->remembered_count > SUBNETS_REMEMBERED_MAX;
        if (!is_one_too_many && must_be_remembered(&subnets->items[number]))
            return;
        uint32_t wider = subnets->items[number].wider;
        unlink_remembered(subnets, number);
        forget(subnets, number);
        let_go(subnets, wider, now_ms);
    }
}

/* Holds the subnet with this key, and adds it if it is new. SUBNET_NONE: memory is short. */
static uint32_t hold(struct subnets *subnets, struct address key, uint32_t budgets, uint32_t width)
{
    uint32_t number = *find(subnets, &key);
    if (number == SUBNET_NONE) {
        number = add(subnets, key);
        if (number == SUBNET_NONE)
            return SUBNET_NONE;
        subnets->items[number].budgets = budgets;
        subnets->items[number].width = width;
    } else if (subnets->items[number].holders == 0) {
        unlink_remembered(subnets, number);
    }
    subnets->items[number].holders++;
    return number;
}

/* Holds an IPv6 /64 for the caller; each of its subnets holds the wider one. */
static uint32_t hold_all(struct subnets *subnets, struct address address)
{
    uint32_t first = SUBNET_NONE;
    uint32_t narrower = SUBNET_NONE;
    for (size_t i = 0; i < ARRAY_LENGTH(networks); i++) {
        struct address key = address_network(address, networks[i].prefix_length);
        key.octets[sizeof key.octets - 1] = networks[i].prefix_length;
        uint32_t number = hold(subnets, key, networks[i].width, networks[i].width);
        if (number == SUBNET_NONE) {
            let_go(subnets, first, 0);
            return SUBNET_NONE;
        }
        if (narrower == SUBNET_NONE)
            first = number;
        else
            subnets->items[narrower].wider = number;
        if (subnets->items[number].wider != SUBNET_NONE)
            return first;
        narrower = number;
    }
    return first;
}

uint32_t subnets_enter(struct subnets *subnets, struct address address)
{
    uint32_t number;
    pthread_mutex_lock(&subnets->lock);
    if (address_is_private(address))
        number = hold(subnets, address_subnet(address), PRIVATE_SUBNET_BUDGETS, 1);
    else if (address_is_ipv4(address))
        number = hold(subnets, address, 1, 1);
    else
        number = hold_all(subnets, address);
    pthread_mutex_unlock(&subnets->lock);
    return number;
}

struct address subnets_address(struct subnets *subnets, uint32_t number)
{
    assert(number != SUBNET_NONE);
    pthread_mutex_lock(&subnets->lock);
    struct address address = subnets->items[number].key;
    pthread_mutex_unlock(&subnets->lock);
    return address;
}

void subnets_hold(struct subnets *subnets, uint32_t number)
{
    if (number == SUBNET_NONE)
        return;
    pthread_mutex_lock(&subnets->lock);
    assert(subnets->items[number].holders > 0);
    subnets->items[number].holders++;
    pthread_mutex_unlock(&subnets->lock);
}

void subnets_leave(struct subnets *subnets, uint32_t number, uint32_t now_ms)
{
    if (number == SUBNET_NONE)
        return;
    pthread_mutex_lock(&subnets->lock);
    let_go(subnets, number, now_ms);
    forget_some(subnets, now_ms);
    pthread_mutex_unlock(&subnets->lock);
}

/* Visits a subnet and the subnets around it. */
#define FOR_EACH_SUBNET(subnet, subnets, number)                                        \
    for (struct subnet *subnet = &(subnets)->items[number]; subnet != (subnets)->items; \
         subnet = &(subnets)->items[subnet->wider])

static uint64_t all_connections(const struct subnet *subnet)
{
    uint64_t sum = 0;
    for (int kind = 0; kind < SUBNETS_KINDS; kind++)
        sum += subnet->connections[kind];
    return sum;
}

/* Whether one more fits; `limit` is that of an address, 0: any number. */
static bool has_room(const struct subnet *subnet, uint64_t count, uint32_t limit)
{
    return limit == 0 || count < (uint64_t)limit * subnet->width;
}

enum subnets_entry subnets_add_connection(struct subnets *subnets, uint32_t number,
                                          enum subnets_kind kind, struct subnets_limits limits)
{
    enum subnets_entry entry = SUBNETS_ENTERED;
    pthread_mutex_lock(&subnets->lock);
    FOR_EACH_SUBNET(subnet, subnets, number)
    {
        uint32_t handshakes = subnet->connections[SUBNETS_HANDSHAKE];
        if (kind == SUBNETS_HANDSHAKE && !has_room(subnet, handshakes, limits.handshakes))
            entry = SUBNETS_TOO_MANY_HANDSHAKES;
        if (!has_room(subnet, all_connections(subnet), limits.connections))
            entry = SUBNETS_TOO_MANY;
    }
    FOR_EACH_SUBNET(subnet, subnets, number)
    {
        subnet->connections[kind] += entry == SUBNETS_ENTERED ? 1 : 0;
    }
    pthread_mutex_unlock(&subnets->lock);
    return entry;
}

static void remove_connection(struct subnets *subnets, uint32_t number, enum subnets_kind kind)
{
    FOR_EACH_SUBNET(subnet, subnets, number)
    {
        assert(subnet->connections[kind] > 0);
        subnet->connections[kind]--;
    }
}

void subnets_remove_connection(struct subnets *subnets, uint32_t number, enum subnets_kind kind)
{
    pthread_mutex_lock(&subnets->lock);
    remove_connection(subnets, number, kind);
    pthread_mutex_unlock(&subnets->lock);
}

void subnets_change_kind(struct subnets *subnets, uint32_t number, enum subnets_kind from,
                         enum subnets_kind to)
{
    pthread_mutex_lock(&subnets->lock);
    remove_connection(subnets, number, from);
    FOR_EACH_SUBNET(subnet, subnets, number)
    {
        subnet->connections[to]++;
    }
    pthread_mutex_unlock(&subnets->lock);
}

/* Connections in no room, divided by the subnet's width. */
static uint32_t weight_of(const struct subnet *subnet)
{
    return (subnet->connections[SUBNETS_HANDSHAKE] + subnet->connections[SUBNETS_OUTSIDE]) /
           subnet->width;
}

static void look_for_heaviest(struct subnets *subnets, uint32_t now_ms)
{
    uint32_t highest = 0;
    if (now_ms - subnets->looked_ms < SUBNETS_LOOK_INTERVAL_MS)
        return;
    subnets->looked_ms = now_ms;
    for (uint32_t number = 1; number < subnets->used; number++) {
        const struct subnet *subnet = &subnets->items[number];
        if (subnet->holders > 0 && weight_of(subnet) > highest) {
            highest = weight_of(subnet);
            subnets->heaviest = number;
        }
    }
}

uint32_t subnets_find_heaviest(struct subnets *subnets, uint32_t newcomer, uint32_t now_ms)
{
    uint32_t own = 0;
    pthread_mutex_lock(&subnets->lock);
    FOR_EACH_SUBNET(subnet, subnets, newcomer)
    {
        own = weight_of(subnet) > own ? weight_of(subnet) : own;
    }
    look_for_heaviest(subnets, now_ms);
    uint32_t number = subnets->heaviest;
    struct subnet *heaviest = &subnets->items[number];
    if (number != SUBNET_NONE && heaviest->holders > 0 && weight_of(heaviest) > own)
        heaviest->holders++;
    else
        number = SUBNET_NONE;
    pthread_mutex_unlock(&subnets->lock);
    return number;
}

uint32_t subnets_count(struct subnets *subnets, uint32_t number, enum subnets_kind kind)
{
    pthread_mutex_lock(&subnets->lock);
    uint32_t count = subnets->items[number].connections[kind];
    pthread_mutex_unlock(&subnets->lock);
    return count;
}

struct address subnets_first_address(struct subnets *subnets, uint32_t number)
{
    pthread_mutex_lock(&subnets->lock);
    const struct subnet *subnet = &subnets->items[number];
    bool is_whole = address_is_ipv4(subnet->key) || subnet->budgets == PRIVATE_SUBNET_BUDGETS;
    struct address address = is_whole ? subnet->key : address_network(subnet->key, 64);
    pthread_mutex_unlock(&subnets->lock);
    return address;
}

bool subnets_is_within(struct subnets *subnets, uint32_t number, uint32_t outer)
{
    pthread_mutex_lock(&subnets->lock);
    while (number != SUBNET_NONE && number != outer)
        number = subnets->items[number].wider;
    pthread_mutex_unlock(&subnets->lock);
    return number != SUBNET_NONE;
}

/* Whether one more miss fits into the budgets of the subnet and the subnets around it. */
static bool has_budget(struct subnets *subnets, uint32_t number, uint32_t now_ms)
{
    FOR_EACH_SUBNET(subnet, subnets, number)
    {
        leak(subnets, subnet, now_ms);
        if (subnet->misses.level + MISS_LEVEL >
            (uint64_t)subnets->misses_max * subnet->budgets * MISS_LEVEL)
            return false;
    }
    return true;
}

bool subnets_may_ask(struct subnets *subnets, uint32_t number, uint32_t now_ms)
{
    if (subnets->misses_max == 0)
        return true;
    pthread_mutex_lock(&subnets->lock);
    bool may_ask = has_budget(subnets, number, now_ms);
    pthread_mutex_unlock(&subnets->lock);
    return may_ask;
}

bool subnets_may_tell(struct subnets *subnets, uint32_t number, bool is_miss, uint32_t now_ms)
{
    if (subnets->misses_max == 0)
        return true;
    pthread_mutex_lock(&subnets->lock);
    bool may_tell = has_budget(subnets, number, now_ms);
    if (may_tell && is_miss) {
        FOR_EACH_SUBNET(subnet, subnets, number)
        {
            subnet->misses.level += MISS_LEVEL;
        }
    }
    pthread_mutex_unlock(&subnets->lock);
    return may_tell;
}

bool subnets_may_spend(struct subnets *subnets, uint32_t number, uint32_t now_ms)
{
    bool may_spend = true;
    pthread_mutex_lock(&subnets->lock);
    FOR_EACH_SUBNET(subnet, subnets, number)
    {
        leak(subnets, subnet, now_ms);
        if (subnet->costs.level > (uint64_t)COST_AT_ONCE * subnet->budgets)
            may_spend = false;
    }
    pthread_mutex_unlock(&subnets->lock);
    return may_spend;
}

void subnets_spend(struct subnets *subnets, uint32_t number, uint64_t cost, uint32_t now_ms)
{
    pthread_mutex_lock(&subnets->lock);
    FOR_EACH_SUBNET(subnet, subnets, number)
    {
        leak(subnets, subnet, now_ms);
        subnet->costs.level += cost;
    }
    pthread_mutex_unlock(&subnets->lock);
}

bool subnets_ask_handshake(struct subnets *subnets, uint32_t number, uint32_t now_ms)
{
    bool are_few = true;
    pthread_mutex_lock(&subnets->lock);
    FOR_EACH_SUBNET(subnet, subnets, number)
    {
        uint64_t few = (uint64_t)HANDSHAKES_FEW * HANDSHAKE_LEVEL * subnet->budgets;
        bucket_leak(&subnet->handshakes, (uint64_t)HANDSHAKES_PER_S * subnet->budgets, now_ms);
        if (subnet->handshakes.level + HANDSHAKE_LEVEL > few)
            are_few = false;
        if (subnet->handshakes.level < HANDSHAKES_REMEMBERED * few)
            subnet->handshakes.level += HANDSHAKE_LEVEL;
    }
    pthread_mutex_unlock(&subnets->lock);
    return are_few;
}

bool subnets_begin_waiting(struct subnets *subnets, uint32_t number)
{
    pthread_mutex_lock(&subnets->lock);
    struct subnet *subnet = &subnets->items[number];
    bool may_wait = subnets->waiting_count < WAITING_MAX &&
                    (number == SUBNET_NONE || subnet->waiting < WAITING_PER_SUBNET_MAX);
    if (may_wait) {
        subnets->waiting_count++;
        subnet->waiting += number == SUBNET_NONE ? 0 : 1;
    }
    pthread_mutex_unlock(&subnets->lock);
    return may_wait;
}

void subnets_end_waiting(struct subnets *subnets, uint32_t number)
{
    pthread_mutex_lock(&subnets->lock);
    assert(subnets->waiting_count > 0);
    subnets->waiting_count--;
    if (number != SUBNET_NONE) {
        assert(subnets->items[number].waiting > 0);
        subnets->items[number].waiting--;
    }
    pthread_mutex_unlock(&subnets->lock);
}
