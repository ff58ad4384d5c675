/*
 * A tree of makers by address. Each has a list of its vacant rooms, in the order in which they
 * became vacant.
 */
#include "server/makers.h"

#include <assert.h>
#include <search.h>
#include <stdatomic.h>
#include <stdlib.h>

struct maker {
    struct address address; /* must be the first field, which the tree compares */
    uint32_t rooms;
    uint32_t vacant_count;
    bool has_ceiling;
    atomic_size_t retained_bytes; /* sum of its rooms */
    struct list vacant;
};

static int compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct address));
}

bool makers_init(struct makers *makers)
{
    makers->tree = NULL;
    for (uint32_t i = 0; i < LOOPS_MAX; i++)
        list_init(&makers->over[i]);
    return pthread_mutex_init(&makers->lock, NULL) == 0;
}

void makers_release(struct makers *makers)
{
    tdestroy(makers->tree, free);
    makers->tree = NULL;
}

static struct maker *find_or_add(struct makers *makers, struct address address)
{
    void *found = tfind(&address, &makers->tree, compare_addresses);
    if (found != NULL)
        return *(struct maker **)found;
    struct maker *maker = calloc(1, sizeof *maker);
    if (maker == NULL)
        return NULL;
    maker->address = address;
    maker->has_ceiling = !address_is_private(address);
    list_init(&maker->vacant);
    if (tsearch(maker, &makers->tree, compare_addresses) != NULL)
        return maker;
    free(maker);
    return NULL;
}

/* A client that has an IPv6 /48 has 65,536 /64s: the whole /48 is one maker. */
static struct address maker_address(struct address address)
{
    bool is_one = address_is_ipv4(address) || address_is_loopback(address);
    return is_one ? address : address_network(address, MAKER_PREFIX_BITS);
}

struct maker *makers_enter(struct makers *makers, struct address address)
{
    pthread_mutex_lock(&makers->lock);
    struct maker *maker = find_or_add(makers, maker_address(address));
    if (maker != NULL)
        maker->rooms++;
    pthread_mutex_unlock(&makers->lock);
    return maker;
}

struct address makers_address(const struct maker *maker)
{
    return maker->address;
}

void makers_leave(struct makers *makers, struct maker *maker)
{
    if (maker == NULL)
        return;
    pthread_mutex_lock(&makers->lock);
    assert(maker->rooms > 0);
    if (--maker->rooms == 0) {
        assert(maker->vacant_count == 0);
        tdelete(maker, &makers->tree, compare_addresses);
        free(maker);
    }
    pthread_mutex_unlock(&makers->lock);
}

bool makers_admit_bytes(struct maker *maker, size_t count, size_t limit)
{
    if (maker == NULL)
        return true;
    size_t before = atomic_fetch_add_explicit(&maker->retained_bytes, count, memory_order_relaxed);
    if (!maker->has_ceiling || before + count <= limit)
        return true;
    atomic_fetch_sub_explicit(&maker->retained_bytes, count, memory_order_relaxed);
    return false;
}

void makers_dismiss_bytes(struct maker *maker, size_t count)
{
    if (maker != NULL)
        atomic_fetch_sub_explicit(&maker->retained_bytes, count, memory_order_relaxed);
}

bool makers_add_vacancy(struct makers *makers, struct maker *maker, struct vacancy *vacancy,
                        uint32_t *ret_loop)
{
    if (maker == NULL)
        return false;
    pthread_mutex_lock(&makers->lock);
    list_append(&maker->vacant, &vacancy->link);
    bool is_beyond = ++maker->vacant_count > VACANT_ROOMS_MAX;
    if (is_beyond) {
        struct list *first = list_pop_first(&maker->vacant);
        assert(first != NULL);
        struct vacancy *oldest = CONTAINER_OF(first, struct vacancy, link);
        maker->vacant_count--;
        oldest->is_over = true;
        list_append(&makers->over[oldest->loop], &oldest->link);
        *ret_loop = oldest->loop;
    }
    pthread_mutex_unlock(&makers->lock);
    return is_beyond;
}

void makers_remove_vacancy(struct makers *makers, struct maker *maker, struct vacancy *vacancy)
{
    if (maker == NULL)
        return;
    pthread_mutex_lock(&makers->lock);
    bool was_counted = !list_is_empty(&vacancy->link) && !vacancy->is_over;
    list_remove(&vacancy->link);
    maker->vacant_count -= was_counted;
    vacancy->is_over = false;
    pthread_mutex_unlock(&makers->lock);
}

struct vacancy *makers_take_over(struct makers *makers, uint32_t loop)
{
    pthread_mutex_lock(&makers->lock);
    struct list *link = list_pop_first(&makers->over[loop]);
    pthread_mutex_unlock(&makers->lock);
    return link == NULL ? NULL : CONTAINER_OF(link, struct vacancy, link);
}
