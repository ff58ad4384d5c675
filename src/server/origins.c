/*
 * Origins are hostile input: their number and length are bounded, and whoever shows them escapes
 * them.
 */
#include "server/origins.h"

#include <stdlib.h>

#include "base/attributes.h"
#include "base/writer.h"
#include "proto/utf8.h"

static void name_item(struct origin_counts *item, struct bytes name)
{
    *item = (struct origin_counts){.name_length = (uint16_t)name.length};
    memcpy(item->name, name.data, name.length);
}

bool origins_init(struct origins *origins, bool needs_no_proof)
{
    *origins = (struct origins){.count = 1, .needs_no_proof = needs_no_proof};
    origins->items = calloc(ORIGINS_MAX + 1, sizeof *origins->items);
    if (origins->items == NULL)
        return false;
    name_item(&origins->items[ORIGIN_OTHER], BYTES(ORIGIN_OTHER_NAME));
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

/*
 * The least recently used origin without clients and rooms, among the listed or among all;
 * ORIGIN_OTHER: none.
 */
static uint16_t find_idle(const struct origins *origins, bool is_of_listed)
{
    uint16_t oldest = ORIGIN_OTHER;
    for (uint16_t i = 1; i < origins->count; i++) {
        const struct origin_counts *item = &origins->items[i];
        if (is_live(item) || (is_of_listed && !item->is_listed))
            continue;
        if (oldest == ORIGIN_OTHER || item->last_used < origins->items[oldest].last_used)
            oldest = i;
    }
    return oldest;
}

/* Adds the origin's totals to those of ORIGIN_OTHER. */
static void unlist(struct origins *origins, struct origin_counts *item)
{
    struct origin_counts *other = &origins->items[ORIGIN_OTHER];
    if (!item->is_listed)
        return;
    other->connections_total += item->connections_total;
    other->rooms_total += item->rooms_total;
    item->connections_total = 0;
    item->rooms_total = 0;
    item->is_listed = false;
    origins->listed_count--;
}

/* Each name that ever was a series costs monitoring something, so few are replaced. */
static bool may_replace(struct origins *origins, uint32_t now_ms)
{
    uint32_t *tenth_last =
        &origins->replaced_ms[origins->replacement_count % ORIGINS_REPLACED_AN_HOUR];
    if (origins->replacement_count >= ORIGINS_REPLACED_AN_HOUR && now_ms - *tenth_last < HOUR_MS)
        return false;
    *tenth_last = now_ms;
    origins->replacement_count++;
    return true;
}

static void list_if_possible(struct origins *origins, struct origin_counts *item, uint32_t now_ms)
{
    if (item->is_listed || !(item->is_proven || origins->needs_no_proof))
        return;
    if (origins->listed_count == ORIGINS_LISTED_MAX) {
        uint16_t idle = find_idle(origins, true);
        if (idle == ORIGIN_OTHER || !may_replace(origins, now_ms))
            return;
        unlist(origins, &origins->items[idle]);
    }
    item->is_listed = true;
    origins->listed_count++;
}

/* A place for a new name; ORIGIN_OTHER when all origins have clients or rooms. */
static uint16_t find_place(struct origins *origins)
{
    if (origins->count <= ORIGINS_MAX)
        return (uint16_t)origins->count++;
    uint16_t place = find_idle(origins, false);
    if (place != ORIGIN_OTHER)
        unlist(origins, &origins->items[place]);
    return place;
}

/* An origin that calls itself `__other__` is counted as ORIGIN_OTHER. */
static uint16_t find_or_add(struct origins *origins, struct bytes name)
{
    for (uint32_t i = ORIGIN_OTHER; i < origins->count; i++) {
        const struct origin_counts *item = &origins->items[i];
        if (bytes_equal(bytes_of(item->name, item->name_length), name))
            return (uint16_t)i;
    }
    uint16_t number = find_place(origins);
    if (number != ORIGIN_OTHER)
        name_item(&origins->items[number], name);
    return number;
}

/* The entry that counts an origin's totals. */
static struct origin_counts *totals_of(struct origins *origins, struct origin_counts *item)
{
    return item->is_listed ? item : &origins->items[ORIGIN_OTHER];
}

/*
 * Writes the same name for headers that readers would see as the same text. A name that is too long
 * overflows the writer.
 */
static void write_name(struct writer *writer, struct bytes origin)
{
    if (origin.length == 0)
        WRITER_PUT(writer, "unknown");
    else if (utf8_is_valid(origin))
        writer_put(writer, origin);
    else
        writer_put_latin_1(writer, origin);
}

/* `opened` connections are counted as well: 1, or 0 for a client that was there before. */
static uint16_t add_client(struct origins *origins, struct bytes origin, uint32_t opened,
                           uint32_t now_ms)
{
    uint8_t name[ORIGIN_BYTES_MAX];
    struct writer writer = writer_over(name, sizeof name);
    uint16_t number = ORIGIN_OTHER;
    write_name(&writer, origin);
    pthread_mutex_lock(&origins->lock);
    if (writer_fits(&writer))
        number = find_or_add(origins, writer_view(&writer));
    struct origin_counts *item = &origins->items[number];
    if (number != ORIGIN_OTHER)
        list_if_possible(origins, item, now_ms);
    item->clients++;
    item->last_used = ++origins->uses;
    totals_of(origins, item)->connections_total += opened;
    pthread_mutex_unlock(&origins->lock);
    return number;
}

uint16_t origins_add_client(struct origins *origins, struct bytes origin, uint32_t now_ms)
{
    return add_client(origins, origin, 1, now_ms);
}

uint16_t origins_restore_client(struct origins *origins, struct bytes origin, uint32_t now_ms)
{
    return add_client(origins, origin, 0, now_ms);
}

void origins_remove_client(struct origins *origins, uint16_t number)
{
    pthread_mutex_lock(&origins->lock);
    origins->items[number].clients--;
    pthread_mutex_unlock(&origins->lock);
}

void origins_prove(struct origins *origins, uint16_t number, uint32_t now_ms)
{
    if (number == ORIGIN_OTHER)
        return;
    pthread_mutex_lock(&origins->lock);
    origins->items[number].is_proven = true;
    list_if_possible(origins, &origins->items[number], now_ms);
    pthread_mutex_unlock(&origins->lock);
}

void origins_add_room(struct origins *origins, uint16_t number)
{
    pthread_mutex_lock(&origins->lock);
    origins->items[number].rooms++;
    totals_of(origins, &origins->items[number])->rooms_total++;
    pthread_mutex_unlock(&origins->lock);
}

void origins_remove_room(struct origins *origins, uint16_t number)
{
    pthread_mutex_lock(&origins->lock);
    origins->items[number].rooms--;
    pthread_mutex_unlock(&origins->lock);
}

uint16_t origins_name(struct origins *origins, uint16_t number, uint8_t ret_name[ORIGIN_BYTES_MAX])
{
    const struct origin_counts *item = &origins->items[number];
    pthread_mutex_lock(&origins->lock);
    uint16_t length = item->name_length;
    memcpy(ret_name, item->name, length);
    pthread_mutex_unlock(&origins->lock);
    return length;
}

bool origins_is_proven(struct origins *origins, uint16_t number)
{
    pthread_mutex_lock(&origins->lock);
    bool is_proven = origins->items[number].is_proven;
    pthread_mutex_unlock(&origins->lock);
    return is_proven;
}

size_t origins_report(struct origins *origins, const uint32_t *crowds,
                      struct origin_counts *ret_items, uint32_t *ret_tracked)
{
    size_t count = 0;
    pthread_mutex_lock(&origins->lock);
    struct origin_counts other = origins->items[ORIGIN_OTHER];
    other.members = crowds[ORIGIN_OTHER];
    for (uint32_t i = 1; i < origins->count; i++) {
        const struct origin_counts *item = &origins->items[i];
        if (item->is_listed) {
            ret_items[count] = *item;
            ret_items[count++].members = crowds[i];
        } else {
            other.members += crowds[i];
            other.clients += item->clients;
            other.rooms += item->rooms;
        }
    }
    *ret_tracked = origins->count - 1;
    pthread_mutex_unlock(&origins->lock);
    if (is_live(&other) || other.members > 0 || other.connections_total > 0)
        ret_items[count++] = other;
    return count;
}

size_t origins_list(struct origins *origins, struct origin_counts *ret_items, size_t limit)
{
    size_t count = 0;
    pthread_mutex_lock(&origins->lock);
    for (uint32_t i = 0; i < origins->count && count < limit; i++) {
        if (is_live(&origins->items[i]))
            ret_items[count++] = origins->items[i];
    }
    pthread_mutex_unlock(&origins->lock);
    return count;
}
