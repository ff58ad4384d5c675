/* The map, and leases. */
#include <stdio.h>
#include <sys/random.h>

#include "bus/nats_parts.h"

#define MAP_KEY "map"
#define NUMBER_TEXT 24
#define ID_BYTES 16
#define ID_TEXT (2 * ID_BYTES + 1)

/* Names of headers. */
#define EXPECTED_REVISION "Nats-Expected-Last-Sequence"
#define EXPECTED_ID "Nats-Expected-Last-Msg-Id"
#define ID "Nats-Msg-Id"

/* Reads entries of the map that were not read before. False: no answer. */
static bool read_newer(struct nats_bus *bus, uint64_t first, uint64_t last, struct nats_call *call)
{
    for (uint64_t revision = first; revision <= last; revision++) {
        natsMsg *message = NULL;
        jsOptions options = nats_options_until(bus, call->end_ms);
        natsStatus status = bus->library.js_GetMsg(&message, bus->stream_context, bus->map.stream,
                                                   revision, &options, NULL);
        if (status == NATS_OK) {
            nats_bucket_keep(bus, &bus->map, message);
        } else if (status != NATS_NOT_FOUND) { /* newer ones may have pushed it out meanwhile */
            nats_note_why(&bus->library, "the map was not read", status, call->why);
            return false;
        }
    }
    return true;
}

/* Forgets what is no longer in the stream, or was in another one of that name. */
static void forget_older(struct nats_bus *bus, const jsStreamInfo *info, uint64_t first)
{
    struct nats_bucket *map = &bus->map;
    uint32_t count = 0;
    if (info->Created != bus->map_created ||
        (map->count > 0 && map->entries[map->count - 1].revision > info->State.LastSeq))
        count = map->count;
    while (count < map->count && map->entries[count].revision < first)
        count++;
    nats_bucket_forget(bus, map, count);
    bus->map_created = info->Created;
}

/* The map has one key, so the numbers of its stream's messages are its revisions, one after the
 * other. */
static enum bus_outcome run_map_read(struct nats_bus *bus, struct nats_call *call)
{
    struct nats_bucket *map = &bus->map;
    jsStreamInfo *info = nats_ask_stream(bus, map, NULL, call);
    if (info == NULL)
        return BUS_UNKNOWN;
    uint64_t last = info->State.LastSeq;
    uint64_t first = last < BUS_MAP_HISTORY_MAX ? 1 : last - BUS_MAP_HISTORY_MAX + 1;
    if (info->State.FirstSeq > first)
        first = info->State.FirstSeq;
    forget_older(bus, info, first);
    bus->library.jsStreamInfo_Destroy(info);
    if (map->count > 0)
        first = map->entries[map->count - 1].revision + 1;
    if (!read_newer(bus, first, last, call))
        return BUS_UNKNOWN;
    call->entries =
        (struct bus_entries){.last_revision = last, .count = map->count, .entries = map->entries};
    return BUS_DONE;
}

/* Reads the last message of each subject. */
static bool read_leases(struct nats_bus *bus, const jsStreamStateSubjects *subjects,
                        struct nats_call *call)
{
    int count = subjects == NULL ? 0 : subjects->Count;
    for (int i = 0; i < count && bus->leases.count < BUS_LEASES_MAX; i++) {
        natsMsg *message = NULL;
        jsOptions options = nats_options_until(bus, call->end_ms);
        natsStatus status =
            bus->library.js_GetLastMsg(&message, bus->stream_context, bus->leases.stream,
                                       subjects->List[i].Subject, &options, NULL);
        if (status == NATS_OK) {
            nats_bucket_keep(bus, &bus->leases, message);
        } else if (status != NATS_NOT_FOUND) { /* newer leases may have pushed it out meanwhile */
            nats_note_why(&bus->library, "the leases were not read", status, call->why);
            return false;
        }
    }
    return true;
}

static enum bus_outcome run_leases_read(struct nats_bus *bus, struct nats_call *call)
{
    struct nats_bucket *leases = &bus->leases;
    nats_bucket_forget(bus, leases, leases->count);
    jsStreamInfo *info = nats_ask_stream(bus, leases, ">", call);
    if (info == NULL)
        return BUS_UNKNOWN;
    bool is_read = read_leases(bus, info->State.Subjects, call);
    call->entries = (struct bus_entries){
        .last_revision = info->State.LastSeq, .count = leases->count, .entries = leases->entries};
    bus->library.jsStreamInfo_Destroy(info);
    return is_read ? BUS_DONE : BUS_UNKNOWN;
}

static enum bus_outcome run_lease_remove(struct nats_bus *bus, struct nats_call *call)
{
    return nats_purge(bus, &bus->leases, call, call->expected + 1);
}

/* The id of the entry of that revision; NULL: it was not read, or has none. */
static const char *find_id(struct nats_bus *bus, uint64_t revision)
{
    const char *id = NULL;
    for (uint32_t i = 0; i < bus->map.count; i++) {
        if (bus->map.entries[i].revision == revision)
            (void)bus->library.natsMsgHeader_Get(bus->map.messages[i], ID, &id);
    }
    return id;
}

static natsStatus draw_id(struct nats_bus *bus, natsMsg *message)
{
    uint8_t bits[ID_BYTES];
    char text[ID_TEXT];
    if (getrandom(bits, sizeof bits, GRND_NONBLOCK) != sizeof bits)
        return NATS_SYS_ERROR;
    for (size_t i = 0; i < sizeof bits; i++)
        snprintf(text + 2 * i, 3, "%02x", bits[i]);
    return bus->library.natsMsgHeader_Set(message, ID, text);
}

/*
 * Writes if the last revision is the expected one. The number alone would not do: in a stream that
 * was made anew, another entry may have it. libnats' options for it leave 0 out, so these are the
 * headers.
 */
static enum bus_outcome run_map_write(struct nats_bus *bus, struct nats_call *call)
{
    const struct nats_library *nats = &bus->library;
    char number[NUMBER_TEXT];
    const char *id = find_id(bus, call->expected);
    snprintf(number, sizeof number, "%llu", (unsigned long long)call->expected);
    natsStatus status = draw_id(bus, call->message);
    if (status == NATS_OK)
        status = nats->natsMsgHeader_Set(call->message, EXPECTED_REVISION, number);
    if (status == NATS_OK && id != NULL)
        status = nats->natsMsgHeader_Set(call->message, EXPECTED_ID, id);
    if (status != NATS_OK) {
        nats_note_why(nats, "the write was not tried", status, call->why);
        return BUS_REFUSED;
    }
    return nats_run_write(bus, call);
}

enum bus_outcome nats_map_read(struct bus *bus, uint32_t most_ms, struct bus_entries *ret_entries)
{
    struct nats_call call = {.run = run_map_read, .end_ms = nats_now_ms() + most_ms};
    return nats_read_entries(bus, &call, ret_entries);
}

enum bus_outcome nats_leases_read(struct bus *bus, uint32_t most_ms,
                                  struct bus_entries *ret_entries)
{
    struct nats_call call = {.run = run_leases_read, .end_ms = nats_now_ms() + most_ms};
    return nats_read_entries(bus, &call, ret_entries);
}

enum bus_outcome nats_map_write(struct bus *bus, struct bytes text, uint64_t expected_revision,
                                uint32_t most_ms, uint64_t *ret_revision)
{
    struct nats_call call = {
        .run = run_map_write, .end_ms = nats_now_ms() + most_ms, .expected = expected_revision};
    char subject[BUS_NAME_MAX];
    if (text.length > BUS_MAP_TEXT_MAX ||
        !bus_name_key(nats_bus_of(bus)->map.name, MAP_KEY, subject)) {
        snprintf(bus->why, BUS_WHY_MAX, "the map is too long");
        return BUS_REFUSED;
    }
    return nats_write_text(bus, &call, subject, text, ret_revision);
}

enum bus_outcome nats_lease_write(struct bus *bus, const char *key, struct bytes text,
                                  uint32_t most_ms, uint64_t *ret_revision)
{
    struct nats_call call = {.run = nats_run_write, .end_ms = nats_now_ms() + most_ms};
    char subject[BUS_NAME_MAX];
    if (text.length > BUS_LEASE_TEXT_MAX ||
        !bus_name_key(nats_bus_of(bus)->leases.name, key, subject)) {
        snprintf(bus->why, BUS_WHY_MAX, "the lease is too long, or its key is none");
        return BUS_REFUSED;
    }
    return nats_write_text(bus, &call, subject, text, ret_revision);
}

enum bus_outcome nats_lease_remove(struct bus *bus, const char *key, uint64_t revision,
                                   uint32_t most_ms)
{
    struct nats_call call = {
        .run = run_lease_remove, .end_ms = nats_now_ms() + most_ms, .expected = revision};
    if (!bus_name_key(nats_bus_of(bus)->leases.name, key, call.subject)) {
        snprintf(bus->why, BUS_WHY_MAX, "the key is none");
        return BUS_REFUSED;
    }
    return nats_worker_run(nats_bus_of(bus), &call);
}
