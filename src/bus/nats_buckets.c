/*
 * Buckets of JetStream, as NATS' own tools see them: how they are made, read and written.
 *
 * Whoever reads asks the leader of a bucket's stream: for a message by its number (js_GetMsg), or
 * for the last one of a subject (js_GetLastMsg). A direct get, which kvStore_Get() makes, may be
 * answered by a replica that lags; so may a consumer, which reads from its own replica.
 */
#include <stdio.h>
#include <string.h>

#include "bus/nats_parts.h"

#define HEADERS_MAX 512 /* bytes, of the headers that a write has */
/*
 * The map's stream must remember the id of its last message for good. After a restart it knows
 * those that are younger than this. A hundred years, in nanoseconds.
 */
#define MAP_REMEMBERS_NS (INT64_C(100) * 365 * 86400 * 1000000000)
#define REMEMBERS_NS \
    (INT64_C(120) * 1000000000) /* as NATS has it by itself; nothing relies on it */

void nats_bucket_forget(struct nats_bus *bus, struct nats_bucket *bucket, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bus->library.natsMsg_Destroy(bucket->messages[i]);
    bucket->count -= count;
    memmove(bucket->messages, bucket->messages + count, bucket->count * sizeof *bucket->messages);
    memmove(bucket->entries, bucket->entries + count, bucket->count * sizeof *bucket->entries);
}

struct bytes nats_bucket_key(const struct nats_bucket *bucket, const char *subject)
{
    char prefix[BUS_NAME_MAX + sizeof "$KV.."];
    int length = snprintf(prefix, sizeof prefix, "$KV.%s.", bucket->name);
    if (strncmp(subject, prefix, (size_t)length) == 0)
        return bytes_of_string(subject + length);
    return BYTES("");
}

void nats_bucket_keep(struct nats_bus *bus, struct nats_bucket *bucket, natsMsg *message)
{
    const struct nats_library *nats = &bus->library;
    struct bytes text =
        bytes_of(nats->natsMsg_GetData(message), (size_t)nats->natsMsg_GetDataLength(message));
    if (text.length > bucket->shape->text_max)
        text = BYTES("");
    bucket->messages[bucket->count] = message;
    bucket->entries[bucket->count++] = (struct bus_entry){
        .key = nats_bucket_key(bucket, nats->natsMsg_GetSubject(message)),
        .text = text,
        .revision = nats->natsMsg_GetSequence(message),
    };
}

jsOptions nats_options_until(struct nats_bus *bus, uint64_t end_ms)
{
    jsOptions options;
    bus->library.jsOptions_Init(&options);
    options.Wait = nats_left_ms(end_ms);
    return options;
}

static void describe(struct nats_bus *bus, const struct nats_bucket *bucket, uint32_t replicas,
                     const char **subject, jsStreamConfig *ret_config)
{
    bus->library.jsStreamConfig_Init(ret_config);
    ret_config->Name = bucket->stream;
    ret_config->Subjects = subject;
    ret_config->SubjectsLen = 1;
    ret_config->Replicas = replicas;
    ret_config->Storage = js_FileStorage;
    ret_config->MaxMsgsPerSubject = bucket->shape->history;
    ret_config->MaxMsgs = bucket->shape->entries_max;
    ret_config->MaxMsgSize = (int32_t)(bucket->shape->text_max + HEADERS_MAX);
    ret_config->Discard = js_DiscardOld;
    ret_config->DenyDelete = true;
    ret_config->AllowRollup = true; /* as NATS' tools want it of a bucket */
    ret_config->Duplicates = bucket->shape->remembers_ns;
}

/* Whether the bucket is as all nodes rely on it; another program may have made it. */
static bool is_fit(const struct nats_bucket *bucket, const jsStreamConfig *config)
{
    const struct nats_bucket_shape *shape = bucket->shape;
    return config->MaxAge == 0 && config->MaxBytes == -1 &&
           config->MaxMsgsPerSubject == shape->history && config->MaxMsgs == shape->entries_max &&
           config->Duplicates == shape->remembers_ns;
}

static bool open_bucket(struct nats_bus *bus, struct nats_bucket *bucket, uint32_t replicas,
                        uint64_t end_ms, char why[BUS_WHY_MAX])
{
    const struct nats_library *nats = &bus->library;
    jsOptions options = nats_options_until(bus, end_ms);
    jsStreamInfo *info = NULL;
    natsStatus status =
        nats->js_GetStreamInfo(&info, bus->stream_context, bucket->stream, &options, NULL);
    if (status == NATS_NOT_FOUND) {
        char subjects[BUS_NAME_MAX + sizeof "$KV..>"];
        const char *subject = subjects;
        jsStreamConfig config;
        snprintf(subjects, sizeof subjects, "$KV.%s.>", bucket->name);
        describe(bus, bucket, replicas, &subject, &config);
        options = nats_options_until(bus, end_ms);
        /* Nothing is wrong when another node makes the same meanwhile. */
        status = nats->js_AddStream(&info, bus->stream_context, &config, &options, NULL);
    }
    if (status != NATS_OK) {
        nats_note_why(nats, "the cluster's buckets can't be had", status, why);
        return false;
    }
    bool is_usable = is_fit(bucket, info->Config);
    nats->jsStreamInfo_Destroy(info);
    if (!is_usable)
        snprintf(why, BUS_WHY_MAX, "the bucket %.96s is not as the relay makes it", bucket->name);
    return is_usable;
}

/* False: `why` says why. */
static bool open_buckets(struct nats_bus *bus, uint32_t replicas, uint64_t end_ms,
                         char why[BUS_WHY_MAX])
{
    return open_bucket(bus, &bus->map, replicas, end_ms, why) &&
           open_bucket(bus, &bus->leases, replicas, end_ms, why) &&
           open_bucket(bus, &bus->records, replicas, end_ms, why);
}

void nats_buckets_init(struct nats_bus *bus)
{
    static const struct nats_bucket_shape shapes[] = {
        {"map", BUS_MAP_TEXT_MAX, BUS_MAP_HISTORY_MAX, -1, MAP_REMEMBERS_NS},
        /* One message is one lease: the oldest go when there are too many, and those are of the
           dead. */
        {"leases", BUS_LEASE_TEXT_MAX, 1, BUS_LEASES_MAX, REMEMBERS_NS},
        {"records", BUS_RECORD_TEXT_MAX, 1, -1, REMEMBERS_NS},
    };
    struct nats_bucket *buckets[] = {&bus->map, &bus->leases, &bus->records};
    for (size_t i = 0; i < ARRAY_LENGTH(buckets); i++) {
        buckets[i]->shape = &shapes[i];
        bus_name_bucket(bus->cluster, shapes[i].purpose, buckets[i]->name);
        bus_name_stream(buckets[i]->name, buckets[i]->stream);
    }
}

bool nats_buckets_open(struct nats_bus *bus, uint32_t replicas, uint64_t end_ms,
                       char why[BUS_WHY_MAX])
{
    natsStatus status =
        bus->library.natsConnection_JetStream(&bus->stream_context, bus->keys.connection, NULL);
    if (status != NATS_OK) {
        nats_note_why(&bus->library, "no JetStream", status, why);
        return false;
    }
    return open_buckets(bus, replicas, end_ms, why);
}

void nats_buckets_close(struct nats_bus *bus)
{
    nats_bucket_forget(bus, &bus->map, bus->map.count);
    nats_bucket_forget(bus, &bus->leases, bus->leases.count);
    nats_bucket_forget(bus, &bus->records, bus->records.count);
    nats_list_forget(bus);
    if (bus->stream_context != NULL)
        bus->library.jsCtx_Destroy(bus->stream_context);
}

/* What the stream's leader says of the stream; to be destroyed. NULL: no answer. */
jsStreamInfo *nats_ask_stream(struct nats_bus *bus, struct nats_bucket *bucket,
                              const char *subjects, struct nats_call *call)
{
    jsStreamInfo *info = NULL;
    jsOptions options = nats_options_until(bus, call->end_ms);
    options.Stream.Info.SubjectsFilter = subjects;
    natsStatus status =
        bus->library.js_GetStreamInfo(&info, bus->stream_context, bucket->stream, &options, NULL);
    if (status == NATS_OK)
        return info;
    nats_note_why(&bus->library, "the bucket was not read", status, call->why);
    return NULL;
}

/*
 * Publishes the message to its stream. Only what the stream says of its last message is a refusal:
 * after any other error, such as a change of leaders, the message may be in the stream.
 */
enum bus_outcome nats_run_write(struct nats_bus *bus, struct nats_call *call)
{
    const struct nats_library *nats = &bus->library;
    jsPubOptions options = {.MaxWait = nats_left_ms(call->end_ms)};
    jsErrCode code = (jsErrCode)0; /* none */
    jsPubAck *answer = NULL;
    natsStatus status =
        nats->js_PublishMsg(&answer, bus->stream_context, call->message, &options, &code);
    if (status == NATS_OK) {
        call->number = answer->Sequence;
        nats->jsPubAck_Destroy(answer);
        return BUS_DONE;
    }
    nats_note_why(nats, "the write was not done", status, call->why);
    bool is_refusal = code == JSStreamWrongLastSequenceErr || code == JSStreamWrongLastMsgIDErr;
    return is_refusal ? BUS_REFUSED : BUS_UNKNOWN;
}

enum bus_outcome nats_purge(struct nats_bus *bus, const struct nats_bucket *bucket,
                            struct nats_call *call, uint64_t sequence)
{
    jsOptions options = nats_options_until(bus, call->end_ms);
    options.Stream.Purge.Subject = call->subject;
    options.Stream.Purge.Sequence = sequence;
    natsStatus status =
        bus->library.js_PurgeStream(bus->stream_context, bucket->stream, &options, NULL);
    if (status == NATS_OK)
        return BUS_DONE;
    nats_note_why(&bus->library, "the entry was not removed", status, call->why);
    return BUS_UNKNOWN;
}

enum bus_outcome nats_read_entries(struct bus *bus, struct nats_call *call,
                                   struct bus_entries *ret_entries)
{
    enum bus_outcome outcome = nats_worker_run(nats_bus_of(bus), call);
    if (outcome == BUS_DONE)
        *ret_entries = call->entries;
    return outcome;
}

/* The call has all but its message, which copies the text. */
enum bus_outcome nats_write_text(struct bus *bus, struct nats_call *call, const char *subject,
                                 struct bytes text, uint64_t *ret_revision)
{
    struct nats_bus *nats_bus = nats_bus_of(bus);
    if (nats_bus->library.natsMsg_Create(&call->message, subject, NULL, (const char *)text.data,
                                         (int)text.length) != NATS_OK) {
        snprintf(bus->why, BUS_WHY_MAX, "memory is short");
        return BUS_REFUSED;
    }
    enum bus_outcome outcome = nats_worker_run(nats_bus, call);
    if (outcome == BUS_DONE)
        *ret_revision = call->number;
    return outcome;
}
