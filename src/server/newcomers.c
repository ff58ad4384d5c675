/*
 * A hash table of small sets. The hash is keyed, so nobody can predict which addresses and rooms
 * share a set.
 */
#include "server/newcomers.h"

#define MINUTE_MS 60000

void newcomers_init(struct newcomers *newcomers, const struct kernel *kernel)
{
    kernel->random(newcomers->keys, sizeof newcomers->keys);
}

static struct newcomer_count *set_of(struct newcomers *newcomers, uint64_t code,
                                     struct address subnet)
{
    uint64_t hash = address_hash(subnet, newcomers->keys) ^ code * 0x9E3779B97F4A7C15u;
    hash = (hash ^ newcomers->keys[0]) * (newcomers->keys[1] | 1);
    return newcomers->sets[(hash >> 32) % NEWCOMER_SETS];
}

static bool is_of(const struct newcomer_count *count, uint64_t code, struct address subnet)
{
    return count->code == code && address_equal(count->subnet, subnet);
}

/* The count of this address for this room, or the count with the lowest level to replace. */
static struct newcomer_count *find(struct newcomer_count *set, uint64_t code, struct address subnet,
                                   uint32_t now_ms)
{
    struct newcomer_count *least = &set[0];
    for (uint32_t i = 0; i < NEWCOMER_WAYS; i++) {
        bucket_leak(&set[i].bucket, set[i].limit, now_ms);
        if (is_of(&set[i], code, subnet))
            return &set[i];
        if (set[i].bucket.level < least->bucket.level)
            least = &set[i];
    }
    return least;
}

/* The count of this address for this room, which begins at 0 if it is new. */
static struct newcomer_count *count_of(struct newcomers *newcomers, uint64_t code, uint32_t limit,
                                       struct address address, uint32_t now_ms)
{
    struct address subnet = address_subnet(address);
    struct newcomer_count *set = set_of(newcomers, code, subnet);
    struct newcomer_count *count = find(set, code, subnet, now_ms);
    if (!is_of(count, code, subnet))
        *count = (struct newcomer_count){
            .code = code,
            .subnet = subnet,
            .limit = limit,
            .bucket.as_of_ms = now_ms,
        };
    return count;
}

static bool has_room(const struct newcomer_count *count)
{
    return count->bucket.level + MINUTE_MS <= (uint64_t)count->limit * MINUTE_MS;
}

bool newcomers_admit(struct newcomers *newcomers, uint64_t code, uint32_t seats,
                     struct address address, uint32_t now_ms)
{
    uint32_t limit = seats > NEWCOMERS_LEAST ? seats : NEWCOMERS_LEAST;
    struct newcomer_count *count = count_of(newcomers, code, limit, address, now_ms);
    if (!has_room(count))
        return false;
    count->bucket.level += MINUTE_MS;
    return true;
}

bool newcomers_may_guess(struct newcomers *newcomers, uint64_t code, struct address address,
                         uint32_t now_ms)
{
    return has_room(count_of(newcomers, code, PASSWORD_GUESSES_MAX, address, now_ms));
}

void newcomers_note_guess(struct newcomers *newcomers, uint64_t code, struct address address,
                          uint32_t now_ms)
{
    count_of(newcomers, code, PASSWORD_GUESSES_MAX, address, now_ms)->bucket.level += MINUTE_MS;
}
