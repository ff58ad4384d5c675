#include "keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "refusals.h"
#include "world.h"

#define FAULT_ONCE_IN \
    400 /* calls: a request for codes makes 32, and an opening waits after each fault */

struct kept {
    char *key;
    uint8_t *text;
    size_t length;
    uint64_t revision;
};

static struct {
    struct kept *records;
    size_t count;
    size_t capacity;
    uint64_t revision;
    bool has_faults;
} keys;

struct key_bus {
    struct bus bus;
    bool is_unplugged;
    struct bus_entry *entries; /* of the last call; their keys and texts are owned */
    uint32_t count;
};

static struct key_bus *bus_of(struct bus *bus)
{
    return CONTAINER_OF(bus, struct key_bus, bus);
}

void keys_begin(void)
{
    memset(&keys, 0, sizeof keys);
}

static void drop(size_t at)
{
    free(keys.records[at].key);
    free(keys.records[at].text);
    keys.records[at] = keys.records[--keys.count];
}

void keys_end(void)
{
    while (keys.count > 0)
        drop(keys.count - 1);
    free(keys.records);
    memset(&keys, 0, sizeof keys);
}

void keys_begin_faults(void)
{
    keys.has_faults = true;
}

void keys_end_faults(void)
{
    keys.has_faults = false;
}

static size_t find(const char *key)
{
    size_t at = 0;
    while (at < keys.count && strcmp(keys.records[at].key, key) != 0)
        at++;
    return at;
}

static bool has_fault(void)
{
    return keys.has_faults && network_once_in(FAULT_ONCE_IN);
}

/* Whether the call reaches the engine. */
static bool arrives(struct bus *bus)
{
    bool is_lost = bus_of(bus)->is_unplugged || has_fault();
    if (is_lost)
        snprintf(bus->why, BUS_WHY_MAX, "no answer");
    return !is_lost;
}

/* The answer to a call that was carried out may be lost. */
static enum bus_outcome outcome_of(enum bus_outcome outcome)
{
    return has_fault() ? BUS_UNKNOWN : outcome;
}

static struct bytes copy(struct bytes text)
{
    uint8_t *bytes = certain_malloc(text.length + 1);
    memcpy(bytes, text.data, text.length);
    bytes[text.length] = 0;
    return bytes_of(bytes, text.length);
}

static void forget_entries(struct key_bus *bus)
{
    for (uint32_t i = 0; i < bus->count; i++) {
        free((void *)(uintptr_t)bus->entries[i].key.data);
        free((void *)(uintptr_t)bus->entries[i].text.data);
    }
    free(bus->entries);
    bus->entries = NULL;
    bus->count = 0;
}

static void give_entries(struct key_bus *bus, struct bus_entries *ret_entries)
{
    *ret_entries = (struct bus_entries){
        .last_revision = keys.revision, .count = bus->count, .entries = bus->entries};
}

static enum bus_outcome read_record(struct bus *bus, const char *key, uint32_t most_ms,
                                    struct bus_entries *ret_entries)
{
    struct key_bus *own = bus_of(bus);
    size_t at = find(key);
    (void)most_ms;
    forget_entries(own);
    if (!arrives(bus))
        return BUS_UNKNOWN;
    own->entries = certain_malloc(sizeof *own->entries);
    if (at < keys.count) {
        const struct kept *kept = &keys.records[at];
        own->entries[0] = (struct bus_entry){.key = copy(bytes_of_string(key)),
                                             .text = copy(bytes_of(kept->text, kept->length)),
                                             .revision = kept->revision};
        own->count = 1;
    }
    give_entries(own, ret_entries);
    return outcome_of(BUS_DONE);
}

static enum bus_outcome write_record(struct bus *bus, const char *key, struct bytes text,
                                     uint64_t expected_revision, uint32_t most_ms,
                                     uint64_t *ret_revision)
{
    size_t at = find(key);
    (void)most_ms;
    if (text.length > BUS_RECORD_TEXT_MAX)
        return BUS_REFUSED;
    if (!arrives(bus))
        return BUS_UNKNOWN;
    if ((at < keys.count ? keys.records[at].revision : 0) != expected_revision)
        return outcome_of(BUS_REFUSED);
    if (at == keys.count && keys.count == keys.capacity) {
        size_t capacity = keys.capacity == 0 ? 64 : 2 * keys.capacity;
        struct kept *records = certain_malloc(capacity * sizeof *records);
        if (keys.count > 0)
            memcpy(records, keys.records, keys.count * sizeof *records);
        free(keys.records);
        keys.records = records;
        keys.capacity = capacity;
    }
    if (at == keys.count)
        keys.records[keys.count++] =
            (struct kept){.key = (char *)(uintptr_t)copy(bytes_of_string(key)).data};
    free(keys.records[at].text);
    keys.records[at].text = (uint8_t *)(uintptr_t)copy(text).data;
    keys.records[at].length = text.length;
    keys.records[at].revision = ++keys.revision;
    enum bus_outcome outcome = outcome_of(BUS_DONE);
    if (outcome == BUS_DONE)
        *ret_revision = keys.revision;
    return outcome;
}

static enum bus_outcome remove_record(struct bus *bus, const char *key, uint32_t most_ms)
{
    (void)most_ms;
    if (!arrives(bus))
        return BUS_UNKNOWN;
    size_t at = find(key);
    if (at < keys.count)
        drop(at);
    return outcome_of(BUS_DONE);
}

static enum bus_outcome list_records(struct bus *bus, const char *prefix, uint32_t most_ms,
                                     struct bus_entries *ret_entries)
{
    struct key_bus *own = bus_of(bus);
    size_t length = strlen(prefix);
    (void)most_ms;
    forget_entries(own);
    if (!arrives(bus))
        return BUS_UNKNOWN;
    own->entries = certain_malloc((keys.count + 1) * sizeof *own->entries);
    for (size_t i = 0; i < keys.count; i++) {
        const char *key = keys.records[i].key;
        if (strncmp(key, prefix, length) == 0 && key[length] == '.')
            own->entries[own->count++] =
                (struct bus_entry){.key = copy(bytes_of_string(key)), .text = {0}};
    }
    give_entries(own, ret_entries);
    return outcome_of(BUS_DONE);
}

static void close_bus(struct bus *bus)
{
    forget_entries(bus_of(bus));
    free(bus);
}

static const struct bus_functions functions = {
    .record_read = read_record,
    .record_write = write_record,
    .record_remove = remove_record,
    .records_list = list_records,
    .close = close_bus,
};

struct bus *keys_open(void)
{
    struct key_bus *bus = certain_malloc(sizeof *bus);
    memset(bus, 0, sizeof *bus);
    bus->bus.functions = &functions;
    return &bus->bus;
}

void keys_unplug(struct bus *bus)
{
    bus_of(bus)->is_unplugged = true;
}

void keys_visit(void (*visit)(void *context, const char *key, struct bytes text), void *context)
{
    for (size_t i = 0; i < keys.count; i++)
        visit(context, keys.records[i].key, bytes_of(keys.records[i].text, keys.records[i].length));
}
