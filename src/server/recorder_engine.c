/* The store's engine: what loops hand over goes to the keyed store. It knows no transactions. */
#include <stdio.h>
#include <string.h>

#include "server/recorder_parts.h"

static struct recorder *recorder_of(struct store_engine *engine)
{
    return CONTAINER_OF(engine, struct recorder, engine);
}

static void note_why(struct recorder *recorder)
{
    snprintf(recorder->engine.why, STORE_WHY_MAX, "%s", recorder->bus->why);
}

/* What an engine without files and transactions has nothing to do for. */

static bool begin(struct store_engine *engine)
{
    (void)engine;
    return true;
}

static bool commit(struct store_engine *engine, bool is_durable)
{
    (void)engine;
    (void)is_durable;
    return true;
}

static void roll_back(struct store_engine *engine)
{
    (void)engine;
}

static bool set_mark(struct store_engine *engine, enum store_mark mark, uint32_t value)
{
    (void)engine;
    (void)mark;
    (void)value;
    return true;
}

static void close_engine(struct store_engine *engine)
{
    (void)engine; /* the recorder's owner frees it */
}

/* Takes the revision of a record that is there already. False: the keyed store does not answer. */
static bool look_at_revision(struct recorder *recorder, const char *key, struct recorded *recorded)
{
    struct bus *bus = recorder->bus;
    struct bus_entries entries;
    if (bus->functions->record_read(bus, key, RECORDER_CALLS_MS, &entries) != BUS_DONE)
        return false;
    recorded->revision = entries.count == 0 ? 0 : entries.entries[0].revision;
    return true;
}

enum bus_outcome recorder_write(struct recorder *recorder, struct recorded *recorded,
                                struct bytes text)
{
    struct bus *bus = recorder->bus;
    const struct record_key key = {.kind = RECORD_KIND_ROOM,
                                   .slice = peers_slice_of(recorded->code),
                                   .code = recorded->code,
                                   .term = recorded->term};
    char name[RECORDER_KEY_MAX];
    record_key_write(&key, name);
    for (int tries = 0; tries < 2; tries++) {
        enum bus_outcome outcome = bus->functions->record_write(
            bus, name, text, recorded->revision, RECORDER_CALLS_MS, &recorded->revision);
        if (outcome != BUS_REFUSED)
            return outcome;
        if (!look_at_revision(recorder, name, recorded))
            return BUS_UNKNOWN;
    }
    return BUS_REFUSED;
}

static void tell_of_length(struct recorder *recorder, uint64_t code)
{
    uint8_t text[CODE_LENGTH_MAX];
    if (recorder->is_length_told)
        return;
    recorder->is_length_told = true;
    fprintf(stderr,
            "party-sockets: room %.*s is too large to be recorded in the cluster (%d KiB), and "
            "others may be: such a room ends with its node\n",
            (int)code_write(code, text), (const char *)text, BUS_RECORD_TEXT_MAX / 1024);
}

/* The end is there before the record goes, so nobody revives the room. */
static bool write_end(struct recorder *recorder, struct recorded *recorded)
{
    struct bus *bus = recorder->bus;
    struct record_key key = {.kind = RECORD_KIND_END,
                             .slice = peers_slice_of(recorded->code),
                             .code = recorded->code,
                             .term = recorded->term};
    char name[RECORDER_KEY_MAX];
    uint64_t revision;
    record_key_write(&key, name);
    /* Refused: it is there. */
    if (bus->functions->record_write(bus, name, BYTES("{}"), 0, RECORDER_CALLS_MS, &revision) ==
        BUS_UNKNOWN)
        return false;
    recorder_discard(&recorder->ends, &key, recorder->now_ms + RECORDER_END_MS);
    key.kind = RECORD_KIND_ROOM;
    recorder_discard(&recorder->others, &key, recorder->now_ms);
    recorded->has_ended = true;
    return true;
}

static bool put(struct store_engine *engine, uint64_t code, struct bytes text)
{
    struct recorder *recorder = recorder_of(engine);
    struct recorded *recorded = recorder_find(recorder, code);
    uint64_t term;
    memcpy(&term, text.data, RECORDER_TERM_BYTES);
    if (recorded == NULL || recorded->term != term || recorded->has_ended)
        return true; /* the slice is somebody else's by now, or was */
    struct bytes record =
        bytes_of(text.data + RECORDER_TERM_BYTES, text.length - RECORDER_TERM_BYTES);
    if (record.length > BUS_RECORD_TEXT_MAX) {
        tell_of_length(recorder, code);
        return true;
    }
    bool is_done = record.length == 0 ? write_end(recorder, recorded)
                                      : recorder_write(recorder, recorded, record) != BUS_UNKNOWN;
    if (!is_done)
        note_why(recorder);
    return is_done;
}

static const struct store_engine_functions functions = {
    .begin = begin,
    .put = put,
    .set_mark = set_mark,
    .commit = commit,
    .roll_back = roll_back,
    .close = close_engine,
};

void recorder_init_engine(struct recorder *recorder)
{
    recorder->engine.functions = &functions;
}
