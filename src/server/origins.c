/* Origins are hostile input: their number and length are bounded, and readers escape them. */
#include "server/origins.h"

#include <stdlib.h>

#include "base/attributes.h"

static void name_item(struct origin_counts *item, struct bytes name)
{
    *item = (struct origin_counts){.name_length = (uint16_t)name.length};
    memcpy(item->name, name.data, name.length);
}

bool origins_init(struct origins *origins)
{
    *origins = (struct origins){.count = 1};
    origins->items = calloc(ORIGINS_MAX + 1, sizeof *origins->items);
    if (origins->items == NULL)
        return false;
    name_item(&origins->items[ORIGIN_OTHER], BYTES("__other__"));
    return pthread_mutex_init(&origins->lock, NULL) == 0;
}

void origins_release(struct origins *origins)
{
    free(origins->items);
    pthread_mutex_destroy(&origins->lock);
}

static bool is_live(const struct origin_counts *item)
{
    return item->clients > 0 || item->rooms > 0;
}

/* A place for a new name: unused, else the longest unused one; ORIGIN_OTHER when all are live. */
static uint16_t find_place(struct origins *origins)
{
    if (origins->count <= ORIGINS_MAX)
        return (uint16_t)origins->count++;
    uint16_t oldest = ORIGIN_OTHER;
    for (uint16_t i = 1; i < origins->count; i++) {
        const struct origin_counts *item = &origins->items[i];
        bool is_older =
            oldest == ORIGIN_OTHER || item->last_used < origins->items[oldest].last_used;
        if (!is_live(item) && is_older)
            oldest = i;
    }
    return oldest;
}

static uint16_t find_or_add(struct origins *origins, struct bytes name)
{
    for (uint16_t i = 1; i < origins->count; i++) {
        const struct origin_counts *item = &origins->items[i];
        if (bytes_equal(bytes_of(item->name, item->name_length), name))
            return i;
    }
    uint16_t number = find_place(origins);
    if (number != ORIGIN_OTHER)
        name_item(&origins->items[number], name);
    return number;
}

uint16_t origins_add_client(struct origins *origins, struct bytes origin)
{
    struct bytes name = origin.length == 0 ? BYTES("unknown") : origin;
    pthread_mutex_lock(&origins->lock);
    uint16_t number = ORIGIN_OTHER;
    if (name.length <= ORIGIN_BYTES_MAX)
        number = find_or_add(origins, name);
    origins->items[number].clients++;
    origins->items[number].last_used = ++origins->uses;
    pthread_mutex_unlock(&origins->lock);
    return number;
}

void origins_remove_client(struct origins *origins, uint16_t number)
{
    pthread_mutex_lock(&origins->lock);
    origins->items[number].clients--;
    pthread_mutex_unlock(&origins->lock);
}

void origins_add_room(struct origins *origins, uint16_t number)
{
    pthread_mutex_lock(&origins->lock);
    origins->items[number].rooms++;
    pthread_mutex_unlock(&origins->lock);
}

void origins_remove_room(struct origins *origins, uint16_t number)
{
    pthread_mutex_lock(&origins->lock);
    origins->items[number].rooms--;
    pthread_mutex_unlock(&origins->lock);
}

size_t origins_list(struct origins *origins, struct origin_counts *ret_items, size_t most)
{
    size_t count = 0;
    pthread_mutex_lock(&origins->lock);
    for (uint32_t i = 0; i < origins->count && count < most; i++) {
        if (is_live(&origins->items[i]))
            ret_items[count++] = origins->items[i];
    }
    pthread_mutex_unlock(&origins->lock);
    return count;
}
