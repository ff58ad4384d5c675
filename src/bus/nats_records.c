/* Records by key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/nats_parts.h"

#define EXPECTED_REVISION "Nats-Expected-Last-Subject-Sequence"
#define NUMBER_TEXT 24

static enum bus_outcome run_record_read(struct nats_bus *bus, struct nats_call *call)
{
    struct nats_bucket *records = &bus->records;
    natsMsg *message = NULL;
    jsOptions options = nats_options_until(bus, call->end_ms);
    nats_bucket_forget(bus, records, records->count);
    natsStatus status = bus->library.js_GetLastMsg(&message, bus->stream_context, records->stream,
                                                   call->subject, &options, NULL);
    if (status == NATS_OK) {
        nats_bucket_keep(bus, records, message);
    } else if (status != NATS_NOT_FOUND) {
        nats_note_why(&bus->library, "the record was not read", status, call->why);
        return BUS_UNKNOWN;
    }
    call->entries = (struct bus_entries){
        .last_revision = records->count == 0 ? 0 : records->entries[0].revision,
        .count = records->count,
        .entries = records->entries,
    };
    return BUS_DONE;
}

static enum bus_outcome run_record_write(struct nats_bus *bus, struct nats_call *call)
{
    char number[NUMBER_TEXT];
    snprintf(number, sizeof number, "%llu", (unsigned long long)call->expected);
    natsStatus status = bus->library.natsMsgHeader_Set(call->message, EXPECTED_REVISION, number);
    if (status != NATS_OK) {
        nats_note_why(&bus->library, "the write was not tried", status, call->why);
        return BUS_REFUSED;
    }
    return nats_run_write(bus, call);
}

static enum bus_outcome run_record_remove(struct nats_bus *bus, struct nats_call *call)
{
    return nats_purge(bus, &bus->records, call, 0);
}

void nats_list_forget(struct nats_bus *bus)
{
    free(bus->list);
    if (bus->list_info != NULL)
        bus->library.jsStreamInfo_Destroy(bus->list_info);
    bus->list = NULL;
    bus->list_info = NULL;
}

/* The leader tells the subjects of its stream, which hold the keys. */
static enum bus_outcome run_records_list(struct nats_bus *bus, struct nats_call *call)
{
    nats_list_forget(bus);
    bus->list_info = nats_ask_stream(bus, &bus->records, call->subject, call);
    if (bus->list_info == NULL)
        return BUS_UNKNOWN;
    const jsStreamStateSubjects *subjects = bus->list_info->State.Subjects;
    size_t count = subjects == NULL ? 0 : (size_t)subjects->Count;
    if (count > BUS_RECORDS_LISTED_MAX) {
        snprintf(call->why, BUS_WHY_MAX, "there are %zu records, which are too many", count);
        return BUS_UNKNOWN;
    }
    bus->list = calloc(count + 1, sizeof *bus->list);
    if (bus->list == NULL) {
        snprintf(call->why, BUS_WHY_MAX, "memory is short");
        return BUS_UNKNOWN;
    }
    for (size_t i = 0; i < count; i++)
        bus->list[i].key = nats_bucket_key(&bus->records, subjects->List[i].Subject);
    call->entries = (struct bus_entries){.last_revision = bus->list_info->State.LastSeq,
                                         .count = (uint32_t)count,
                                         .entries = bus->list};
    return BUS_DONE;
}

/* Begins a call about the key. False: the key is none. */
static bool name_record(struct bus *bus, struct nats_call *call, const char *key)
{
    if (bus_name_key(nats_bus_of(bus)->records.name, key, call->subject))
        return true;
    snprintf(bus->why, BUS_WHY_MAX, "the key is none");
    return false;
}

enum bus_outcome nats_record_read(struct bus *bus, const char *key, uint32_t most_ms,
                                  struct bus_entries *ret_entries)
{
    struct nats_call call = {.run = run_record_read, .end_ms = nats_now_ms() + most_ms};
    return name_record(bus, &call, key) ? nats_read_entries(bus, &call, ret_entries) : BUS_REFUSED;
}

enum bus_outcome nats_record_write(struct bus *bus, const char *key, struct bytes text,
                                   uint64_t expected_revision, uint32_t most_ms,
                                   uint64_t *ret_revision)
{
    struct nats_call call = {
        .run = run_record_write, .end_ms = nats_now_ms() + most_ms, .expected = expected_revision};
    if (text.length > BUS_RECORD_TEXT_MAX) {
        snprintf(bus->why, BUS_WHY_MAX, "the record is too long");
        return BUS_REFUSED;
    }
    return name_record(bus, &call, key)
               ? nats_write_text(bus, &call, call.subject, text, ret_revision)
               : BUS_REFUSED;
}

enum bus_outcome nats_records_list(struct bus *bus, const char *prefix, uint32_t most_ms,
                                   struct bus_entries *ret_entries)
{
    struct nats_call call = {.run = run_records_list, .end_ms = nats_now_ms() + most_ms};
    if (!name_record(bus, &call, prefix))
        return BUS_REFUSED;
    strcat(call.subject, ".>");
    return nats_read_entries(bus, &call, ret_entries);
}

enum bus_outcome nats_record_remove(struct bus *bus, const char *key, uint32_t most_ms)
{
    struct nats_call call = {.run = run_record_remove, .end_ms = nats_now_ms() + most_ms};
    return name_record(bus, &call, key) ? nats_worker_run(nats_bus_of(bus), &call) : BUS_REFUSED;
}
