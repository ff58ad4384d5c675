/* Each series begins with the labels of the process. Texts that clients have chosen are escaped. */
#include "server/http/metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/attributes.h"
#include "server/version.h"

/* A metric, as its HELP and TYPE lines describe it. */
struct family {
    const char *name;
    const char *type;
    const char *help;
};

static void begin(struct writer *writer, const struct family *family)
{
    WRITER_PUT(writer, "# HELP ");
    writer_put_string(writer, family->name);
    writer_put_byte(writer, ' ');
    writer_put_string(writer, family->help);
    WRITER_PUT(writer, "\n# TYPE ");
    writer_put_string(writer, family->name);
    writer_put_byte(writer, ' ');
    writer_put_string(writer, family->type);
    writer_put_byte(writer, '\n');
}

/* Escapes backslash, quote and line feed. */
static void write_escaped(struct writer *writer, struct bytes text)
{
    size_t written = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (c != '\\' && c != '"' && c != '\n')
            continue;
        writer_put(writer, bytes_of(text.data + written, i - written));
        writer_put_byte(writer, '\\');
        writer_put_byte(writer, c == '\n' ? 'n' : c);
        written = i + 1;
    }
    writer_put(writer, bytes_of(text.data + written, text.length - written));
}

static void write_label(struct writer *writer, const char *name, struct bytes value)
{
    writer_put_byte(writer, ',');
    writer_put_string(writer, name);
    WRITER_PUT(writer, "=\"");
    write_escaped(writer, value);
    writer_put_byte(writer, '"');
}

static void write_upper(struct writer *writer, struct bytes text)
{
    for (size_t i = 0; i < text.length; i++)
        writer_put_byte(writer, ascii_upper(text.data[i]));
}

/* Writes the name of a series, and the labels that all series have. */
static void begin_series(struct writer *writer, const struct metrics *metrics, const char *name)
{
    const struct instance *instance = &metrics->instance;
    writer_put_string(writer, name);
    WRITER_PUT(writer, "{instance=\"");
    writer_put(writer, instance->id.length > 0 ? instance->id : BYTES("local"));
    WRITER_PUT(writer, "\",region=\"");
    write_upper(writer, instance->region.length > 0 ? instance->region : BYTES("LOCAL"));
    WRITER_PUT(writer, "\",version=\"" PARTY_SOCKETS_VERSION "\"");
}

static void end_series(struct writer *writer, uint64_t value)
{
    WRITER_PUT(writer, "} ");
    writer_put_decimal(writer, value);
    writer_put_byte(writer, '\n');
}

/* Writes a metric that has one series. */
static void write_one(struct writer *writer, const struct metrics *metrics,
                      const struct family *family, uint64_t value)
{
    begin(writer, family);
    begin_series(writer, metrics, family->name);
    end_series(writer, value);
}

static void write_gauges(struct writer *writer, const struct metrics *metrics)
{
    const struct loop_stats *total = metrics->total;
    const struct peers_view *cluster = metrics->cluster;
    const struct {
        struct family family;
        uint64_t value;
    } gauges[] = {
        {{"party_sockets_clients", "gauge", "Members of rooms."}, metrics->members},
        {{"party_sockets_websockets", "gauge", "Open WebSockets, in a room or not."},
         total->clients},
        {{"party_sockets_rooms", "gauge", "Live rooms."}, total->rooms},
        {{"party_sockets_connections", "gauge", "Connections of any kind."}, total->connections},
        {{"party_sockets_origins_tracked", "gauge", "Origins that are remembered."},
         metrics->origins_tracked},
        {{"party_sockets_queue_bytes", "gauge",
          "Bytes buffered for all clients, as --max-buffered-bytes counts them; the states that "
          "rooms keep are among them."},
         total->buffered},
        {{"party_sockets_kept_bytes", "gauge",
          "Bytes that rooms keep: states, URLs, members who are gone."},
         metrics->retained_bytes},
        {{"party_sockets_loops", "gauge", "Event loops."}, metrics->loop_count},
        {{"party_sockets_draining", "gauge", "1 after SIGTERM, while rooms end."},
         metrics->is_draining},
        {{"party_sockets_cluster_slices", "gauge", "Slices of the rooms that this node serves."},
         cluster != NULL ? cluster->own_slices : 0},
        {{"party_sockets_cluster_peers", "gauge", "Other nodes that renew their leases."},
         cluster != NULL ? cluster->live_peers : 0},
        {{"party_sockets_cluster_connected", "gauge", "1 while this node is connected to NATS."},
         cluster != NULL && cluster->is_connected},
        {{"process_resident_memory_bytes", "gauge", "Memory of the process, by the kernel."},
         metrics->resident_bytes},
        {{"process_heap_used_bytes", "gauge",
          "Bytes allocated and not freed, looked at every 10 s at most."},
         metrics->heap_bytes},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(gauges); i++)
        write_one(writer, metrics, &gauges[i].family, gauges[i].value);
    const struct family uptime = {"process_uptime_seconds", "counter", "Since the start."};
    write_one(writer, metrics, &uptime, metrics->uptime_s);
    const struct family started = {"process_start_time_seconds", "gauge",
                                   "When the process began, since 1970. An upgrade is no start."};
    write_one(writer, metrics, &started, metrics->started_s);
    const struct family upgrades = {"party_sockets_upgrades_total", "counter",
                                    "Programs that replaced the one before without a restart."};
    write_one(writer, metrics, &upgrades, metrics->upgrades);
}

/* A server without a store has none of these. */
static void write_store(struct writer *writer, const struct metrics *metrics)
{
    const struct store_status *store = metrics->store;
    if (store == NULL)
        return;
    const struct {
        struct family family;
        uint64_t value;
    } values[] = {
        {{"party_sockets_store_pending_records", "gauge", "Rooms with changes to be written."},
         metrics->total->changed + store->pending},
        {{"party_sockets_store_pending_bytes", "gauge",
          "Bytes of them, as far as the store has them."},
         store->pending_bytes},
        {{"party_sockets_store_written_total", "counter", "Records written or removed."},
         store->written},
        {{"party_sockets_store_failures_total", "counter",
          "Commits that failed and were repeated."},
         store->failures},
        {{"party_sockets_store_dropped_total", "counter", "Changes that had to come again later."},
         store->dropped},
        {{"party_sockets_store_failing", "gauge", "1 while changes can't be written."},
         store->is_failing},
        {{"party_sockets_store_stale_milliseconds", "gauge", "How long the oldest change waits."},
         store->stale_ms},
        {{"party_sockets_store_slowest_commit_milliseconds", "gauge", "The slowest commit so far."},
         store->slowest_ms},
        {{"party_sockets_store_records_set_aside", "gauge", "Records that the start set aside."},
         store->set_aside},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        write_one(writer, metrics, &values[i].family, values[i].value);
}

static void write_poller(struct writer *writer, const struct metrics *metrics)
{
    const struct family family = {"party_sockets_poller", "gauge",
                                  "1 for the poller in use, 0 for the other."};
    begin(writer, &family);
    for (enum poller_kind kind = 0; kind < POLLER_KINDS; kind++) {
        begin_series(writer, metrics, family.name);
        write_label(writer, "poller", bytes_of_string(poller_name(kind)));
        end_series(writer, metrics->poller == kind);
    }
}

/* Writes the counters that have a metric of their own. */
static void write_counters(struct writer *writer, const struct metrics *metrics)
{
#define NONE(...)
#define FAMILY(name, text, metric, help) \
    {{"party_sockets_" metric, "counter", help}, COUNTER_##name},
    static const struct {
        struct family family;
        enum counter counter;
    } counters[] = {FOR_EACH_COUNTER(FAMILY, NONE, NONE)};
#undef FAMILY
    for (size_t i = 0; i < ARRAY_LENGTH(counters); i++)
        write_one(writer, metrics, &counters[i].family,
                  metrics->total->counters[counters[i].counter]);
}

struct reason {
    const char *name;
    enum counter counter;
};

/* Writes counters that are series of one metric, by reason. */
static void write_reasons(struct writer *writer, const struct metrics *metrics,
                          const struct family *family, const struct reason *reasons, size_t count)
{
    begin(writer, family);
    for (size_t i = 0; i < count; i++) {
        begin_series(writer, metrics, family->name);
        write_label(writer, "reason", bytes_of_string(reasons[i].name));
        end_series(writer, metrics->total->counters[reasons[i].counter]);
    }
}

static void write_ends(struct writer *writer, const struct metrics *metrics)
{
#define REASON(name, text, reason) {reason, COUNTER_##name},
    static const struct reason closes[] = {FOR_EACH_COUNTER(NONE, REASON, NONE)};
    static const struct reason refusals[] = {FOR_EACH_COUNTER(NONE, NONE, REASON)};
#undef REASON
#undef NONE
    const struct family closed = {"party_sockets_closes_total", "counter",
                                  "Connections closed, by reason."};
    const struct family refused = {"party_sockets_refusals_total", "counter",
                                   "Connections refused, by reason."};
    write_reasons(writer, metrics, &closed, closes, ARRAY_LENGTH(closes));
    write_reasons(writer, metrics, &refused, refusals, ARRAY_LENGTH(refusals));
}

static void write_errors(struct writer *writer, const struct metrics *metrics)
{
    const struct family family = {"party_sockets_errors_total", "counter",
                                  "Error events told to clients, by their text."};
    begin(writer, &family);
    for (enum relay_error error = 0; error < RELAY_ERRORS; error++) {
        begin_series(writer, metrics, family.name);
        write_label(writer, "message", bytes_of_string(relay_error_text(error)));
        end_series(writer, metrics->total->errors[error]);
    }
}

static void write_seconds(struct writer *writer, uint64_t ns)
{
    char text[40];
    snprintf(text, sizeof text, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
    writer_put_string(writer, text);
}

static void write_turns(struct writer *writer, const struct metrics *metrics)
{
    static const uint32_t bounds_us[TURN_CLASSES - 1] = TURN_BOUNDS_US;
    const struct family family = {"party_sockets_turn_seconds", "histogram",
                                  "Time that a loop's turn takes, waiting excluded."};
    uint64_t count = 0;
    begin(writer, &family);
    for (int i = 0; i < TURN_CLASSES; i++) {
        char bound[24] = "+Inf";
        if (i < TURN_CLASSES - 1)
            snprintf(bound, sizeof bound, "%g", bounds_us[i] / 1e6);
        count += metrics->total->turns[i];
        begin_series(writer, metrics, "party_sockets_turn_seconds_bucket");
        write_label(writer, "le", bytes_of_string(bound));
        end_series(writer, count);
    }
    begin_series(writer, metrics, "party_sockets_turn_seconds_sum");
    WRITER_PUT(writer, "} ");
    write_seconds(writer, metrics->total->turns_ns);
    writer_put_byte(writer, '\n');
    begin_series(writer, metrics, "party_sockets_turn_seconds_count");
    end_series(writer, count);
}

static uint64_t members_of(const struct origin_counts *origin)
{
    return origin->members;
}

static uint64_t rooms_of(const struct origin_counts *origin)
{
    return origin->rooms;
}

static uint64_t connections_total_of(const struct origin_counts *origin)
{
    return origin->connections_total;
}

static uint64_t rooms_total_of(const struct origin_counts *origin)
{
    return origin->rooms_total;
}

static void write_origins(struct writer *writer, const struct metrics *metrics)
{
    static const struct {
        struct family family;
        uint64_t (*value)(const struct origin_counts *origin);
    } families[] = {
        {{"party_sockets_clients_by_origin", "gauge",
          "Members of rooms, by the origin of the room's creator."},
         members_of},
        {{"party_sockets_rooms_by_origin", "gauge", "Live rooms, by their creator's origin."},
         rooms_of},
        {{"party_sockets_connections_total", "counter", "WebSockets opened, by origin."},
         connections_total_of},
        {{"party_sockets_rooms_created_total", "counter", "Rooms created, by origin."},
         rooms_total_of},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
        begin(writer, &families[i].family);
        for (size_t j = 0; j < metrics->origin_count; j++) {
            const struct origin_counts *origin = &metrics->origins[j];
            begin_series(writer, metrics, families[i].family.name);
            write_label(writer, "origin", bytes_of(origin->name, origin->name_length));
            end_series(writer, families[i].value(origin));
        }
    }
}

void metrics_write(struct writer *writer, const struct metrics *metrics)
{
    write_gauges(writer, metrics);
    write_store(writer, metrics);
    write_poller(writer, metrics);
    write_counters(writer, metrics);
    write_ends(writer, metrics);
    write_errors(writer, metrics);
    write_turns(writer, metrics);
    write_origins(writer, metrics);
}
