/* Every series has the labels of the process first. What clients say of themselves is escaped. */
#include "server/http/metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/attributes.h"
#include "server/version.h"

/* What a metric is, for its two lines of introduction. */
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

/* Backslash, quote and line feed have escapes. */
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

/* The name of a series, and the labels that all have. */
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

/* A metric of one series. */
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
         metrics->kept_bytes},
        {{"party_sockets_loops", "gauge", "Event loops."}, metrics->loop_count},
        {{"party_sockets_draining", "gauge", "1 after SIGTERM, while rooms end."},
         metrics->is_draining},
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
}

static void write_poller(struct writer *writer, const struct metrics *metrics)
{
    const struct family family = {"party_sockets_poller", "gauge",
                                  "1 for the poller in use, 0 for the other."};
    static const struct {
        enum poller_kind kind;
        const char *name;
    } pollers[] = {{POLLER_EPOLL, "epoll"}, {POLLER_IO_URING, "io_uring"}};
    begin(writer, &family);
    for (size_t i = 0; i < ARRAY_LENGTH(pollers); i++) {
        begin_series(writer, metrics, family.name);
        write_label(writer, "poller", bytes_of_string(pollers[i].name));
        end_series(writer, metrics->poller == pollers[i].kind);
    }
}

/* Counters with a metric of their own. */
static void write_counters(struct writer *writer, const struct metrics *metrics)
{
    static const struct {
        struct family family;
        enum counter counter;
    } counters[] = {
        {{"party_sockets_messages_received_total", "counter", "Messages of clients."},
         COUNTER_MESSAGES_IN},
        {{"party_sockets_messages_sent_total", "counter",
          "Events told to clients: a message to a room counts once for each that gets it."},
         COUNTER_DELIVERIES},
        {{"party_sockets_received_bytes_total", "counter", "Bytes read from sockets."},
         COUNTER_BYTES_IN},
        {{"party_sockets_sent_bytes_total", "counter", "Bytes written to sockets."},
         COUNTER_BYTES_OUT},
        {{"party_sockets_accepted_total", "counter", "Connections of any kind."}, COUNTER_ACCEPTED},
        {{"party_sockets_moved_total", "counter", "Connections moved between loops."},
         COUNTER_MOVED},
        {{"party_sockets_pings_total", "counter", "Silent clients pinged."}, COUNTER_PINGED},
        {{"party_sockets_throttled_total", "counter",
          "Pauses for --max-message-rate or --max-byte-rate."},
         COUNTER_THROTTLED},
        {{"party_sockets_turns_used_up_total", "counter",
          "Times that a client had its share of a loop's turn."},
         COUNTER_TURN_USED_UP},
        {{"party_sockets_accept_failures_total", "counter",
          "Connections that the kernel could not give."},
         COUNTER_ACCEPT_FAILED},
        {{"party_sockets_tls_handshakes_total", "counter", "TLS handshakes."},
         COUNTER_TLS_HANDSHAKES},
        {{"party_sockets_tls_resumed_total", "counter", "TLS handshakes that resumed a session."},
         COUNTER_TLS_RESUMED},
        {{"party_sockets_tls_failures_total", "counter", "TLS failures."}, COUNTER_TLS_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(counters); i++)
        write_one(writer, metrics, &counters[i].family,
                  metrics->total->counters[counters[i].counter]);
}

/* Counters that are one metric, by reason. */
static void write_reasons(struct writer *writer, const struct metrics *metrics)
{
    static const struct {
        const char *reason;
        enum counter counter;
    } closes[] =
        {
            {"client", COUNTER_PEER_CLOSED},
            {"ended", COUNTER_PEER_ENDED},
            {"lost", COUNTER_PEER_LOST},
            {"silent", COUNTER_SILENT},
            {"replaced", COUNTER_REPLACED},
            {"room_closed", COUNTER_ROOM_CLOSED},
            {"protocol_error", COUNTER_PROTOCOL_ERROR},
            {"too_large", COUNTER_TOO_LARGE},
            {"queue_full", COUNTER_QUEUE_FULL},
            {"stalled", COUNTER_STALLED},
            {"evicted", COUNTER_EVICTED},
            {"shed", COUNTER_SHED},
            {"no_memory", COUNTER_NO_MEMORY},
            {"failed_joins", COUNTER_JOINS_PENALIZED},
            {"going_away", COUNTER_GOING_AWAY},
            {"request_timeout", COUNTER_UNREQUESTED},
        },
      refusals[] = {
          {"origin", COUNTER_ORIGIN_REFUSED},    {"connections", COUNTER_FULL_REFUSED},
          {"address", COUNTER_ADDRESS_REFUSED},  {"proxy_header", COUNTER_PROXY_REFUSED},
          {"transport", COUNTER_TLS_MISMATCHED},
      };
    const struct family closed = {"party_sockets_closes_total", "counter",
                                  "Connections closed, by reason."};
    const struct family refused = {"party_sockets_refusals_total", "counter",
                                   "Connections refused, by reason."};
    begin(writer, &closed);
    for (size_t i = 0; i < ARRAY_LENGTH(closes); i++) {
        begin_series(writer, metrics, closed.name);
        write_label(writer, "reason", bytes_of_string(closes[i].reason));
        end_series(writer, metrics->total->counters[closes[i].counter]);
    }
    begin(writer, &refused);
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        begin_series(writer, metrics, refused.name);
        write_label(writer, "reason", bytes_of_string(refusals[i].reason));
        end_series(writer, metrics->total->counters[refusals[i].counter]);
    }
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
    write_poller(writer, metrics);
    write_counters(writer, metrics);
    write_reasons(writer, metrics);
    write_errors(writer, metrics);
    write_turns(writer, metrics);
    write_origins(writer, metrics);
}
