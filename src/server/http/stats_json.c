/*
 * Origins, which clients choose, are escaped. All other texts are the server's and need no escapes.
 */
#include "server/http/stats_json.h"

#include "server/version.h"

static void write_name(struct writer *writer, const char *name)
{
    writer_put_byte(writer, '"');
    writer_put_json_text(writer, bytes_of_string(name));
    WRITER_PUT(writer, "\":");
}

static void write_number(struct writer *writer, const char *name, uint64_t number)
{
    write_name(writer, name);
    writer_put_decimal(writer, number);
}

/* Writes a number of thousandths as a decimal fraction. */
static void write_thousandths(struct writer *writer, const char *name, uint64_t thousandths)
{
    write_number(writer, name, thousandths / 1000);
    writer_put_byte(writer, '.');
    for (uint64_t unit = 100; unit > 0; unit /= 10)
        writer_put_byte(writer, (uint8_t)('0' + thousandths / unit % 10));
}

static void write_origins(struct writer *writer, const struct stats_json *stats)
{
    WRITER_PUT(writer, ",\"origins\":[");
    for (size_t i = 0; i < stats->origin_count; i++) {
        const struct origin_counts *origin = &stats->origins[i];
        writer_put_string(writer, i > 0 ? ",{" : "{");
        write_name(writer, "origin");
        writer_put_byte(writer, '"');
        writer_put_json_text(writer, bytes_of(origin->name, origin->name_length));
        WRITER_PUT(writer, "\",");
        write_number(writer, "rooms", origin->rooms);
        writer_put_byte(writer, ',');
        write_number(writer, "clients", origin->clients);
        writer_put_byte(writer, '}');
    }
    writer_put_byte(writer, ']');
}

static void write_count(struct writer *writer, const char *text, uint64_t count)
{
    if (count == 0)
        return;
    writer_put_byte(writer, ',');
    write_number(writer, text, count);
}

static void write_counts(struct writer *writer, const struct loop_stats *total)
{
    WRITER_PUT(writer, ",\"counts\":{");
    write_number(writer, "bytes buffered now", total->buffered);
    for (enum counter counter = 0; counter < COUNTERS; counter++)
        write_count(writer, stats_counter_text(counter), total->counters[counter]);
    for (enum relay_error error = 0; error < RELAY_ERRORS; error++)
        write_count(writer, relay_error_text(error), total->errors[error]);
    writer_put_byte(writer, '}');
}

static void write_sample(struct writer *writer, const struct history_sample *sample)
{
    writer_put_byte(writer, '{');
    write_number(writer, "rooms", sample->rooms);
    writer_put_byte(writer, ',');
    write_number(writer, "clients", sample->clients);
    writer_put_byte(writer, ',');
    write_thousandths(writer, "messagesPerSecond", sample->messages * 1000 / HISTORY_INTERVAL_S);
    writer_put_byte(writer, ',');
    write_thousandths(writer, "deliveriesPerSecond",
                      sample->deliveries * 1000 / HISTORY_INTERVAL_S);
    writer_put_byte(writer, '}');
}

static void write_history(struct writer *writer, const struct stats_json *stats)
{
    struct history_sample samples[HISTORY_SAMPLES];
    size_t count = history_list(stats->history, samples);
    WRITER_PUT(writer, ",\"history\":{");
    write_number(writer, "intervalSeconds", HISTORY_INTERVAL_S);
    writer_put_byte(writer, ',');
    write_thousandths(writer, "ageSeconds",
                      history_age_ns(stats->history, stats->now_ns) / 1000000);
    WRITER_PUT(writer, ",\"samples\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            writer_put_byte(writer, ',');
        write_sample(writer, &samples[i]);
    }
    WRITER_PUT(writer, "]}");
}

static void write_node(struct writer *writer, const char *state, const struct peer_view *node)
{
    WRITER_PUT(writer, "{\"name\":\"");
    writer_put_string(writer, node->name); /* of letters, digits, `-` and `_` */
    WRITER_PUT(writer, "\",\"state\":\"");
    writer_put_string(writer, state);
    writer_put_number(writer, "\",\"rooms\":", node->rooms);
    writer_put_number(writer, ",\"clients\":", node->clients);
    writer_put_byte(writer, ',');
    if (node->round_trip_us == PEER_NO_ROUND_TRIP)
        WRITER_PUT(writer, "\"roundTripMs\":null");
    else
        write_thousandths(writer, "roundTripMs", node->round_trip_us);
    writer_put_byte(writer, '}');
}

/* This node first, and then the others as they were met. */
static void write_nodes(struct writer *writer, const struct stats_json *stats)
{
    static const char *const states[] = {
        [PEER_SERVING] = "serving", [PEER_LEAVING] = "leaving", [PEER_SILENT] = "silent"};
    const struct peers_view *cluster = stats->cluster;
    const struct peer_view here = {
        .name = cluster->name,
        .rooms = stats->total->rooms,
        .clients = stats->total->clients,
        .round_trip_us = PEER_NO_ROUND_TRIP,
    };
    WRITER_PUT(writer, ",\"nodes\":[");
    write_node(writer, "here", &here);
    for (uint32_t i = 0; i < cluster->count; i++) {
        writer_put_byte(writer, ',');
        write_node(writer, states[cluster->peers[i].state], &cluster->peers[i]);
    }
    writer_put_byte(writer, ']');
}

static void write_cluster(struct writer *writer, const struct stats_json *stats)
{
    const struct peers_view *cluster = stats->cluster;
    if (cluster == NULL)
        return;
    WRITER_PUT(writer, ",\"cluster\":{");
    write_number(writer, "slices", cluster->own_slices);
    writer_put_byte(writer, ',');
    write_number(writer, "peers", cluster->live_peers);
    writer_put_flag(writer, ",\"connected\":", cluster->is_connected);
    write_nodes(writer, stats);
    writer_put_byte(writer, '}');
}

void stats_json_write(struct writer *writer, const struct stats_json *stats)
{
    const struct loop_stats *total = stats->total;
    WRITER_PUT(writer, "{\"version\":\"" PARTY_SOCKETS_VERSION "\",");
    write_number(writer, "uptimeSeconds", stats->uptime_s);
    writer_put_byte(writer, ',');
    write_number(writer, "loops", stats->loop_count);
    WRITER_PUT(writer, ",\"poller\":\"");
    writer_put_string(writer, poller_name(stats->poller));
    WRITER_PUT(writer, "\",");
    write_number(writer, "protocol", (uint64_t)stats->protocol);
    WRITER_PUT(writer, ",\"draining\":");
    writer_put_string(writer, stats->is_draining ? "true" : "false");
    writer_put_byte(writer, ',');
    write_number(writer, "rooms", total->rooms);
    writer_put_byte(writer, ',');
    write_number(writer, "clients", total->clients);
    writer_put_byte(writer, ',');
    write_number(writer, "messages", total->counters[COUNTER_MESSAGES_IN]);
    writer_put_byte(writer, ',');
    write_number(writer, "deliveries", total->counters[COUNTER_DELIVERIES]);
    write_cluster(writer, stats);
    write_origins(writer, stats);
    write_counts(writer, total);
    write_history(writer, stats);
    writer_put_byte(writer, '}');
}
