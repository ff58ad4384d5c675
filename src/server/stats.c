/* Counters added up, and their names for people. */
#include "server/stats.h"

void stats_count_turn(struct loop_stats *stats, uint64_t duration_ns)
{
    static const uint32_t bounds_us[TURN_CLASSES - 1] = TURN_BOUNDS_US;
    int class = 0;
    while (class < TURN_CLASSES - 1 && duration_ns > bounds_us[class] * (uint64_t)1000)
        class ++;
    stats->turns[class]++;
    stats->turns_ns += duration_ns;
}

void stats_add(struct loop_stats *total, const struct loop_stats *part)
{
    total->connections += part->connections;
    total->clients += part->clients;
    total->rooms += part->rooms;
    total->buffered += part->buffered;
    for (int i = 0; i < COUNTERS; i++)
        total->counters[i] += part->counters[i];
    for (int i = 0; i < RELAY_ERRORS; i++)
        total->errors[i] += part->errors[i];
    for (int i = 0; i < TURN_CLASSES; i++)
        total->turns[i] += part->turns[i];
    total->turns_ns += part->turns_ns;
}

const char *stats_counter_text(enum counter counter)
{
    static const char *const texts[COUNTERS] = {
        [COUNTER_ACCEPTED] = "connections accepted",
        [COUNTER_MESSAGES_IN] = "messages received",
        [COUNTER_DELIVERIES] = "messages delivered",
        [COUNTER_BYTES_IN] = "bytes received",
        [COUNTER_BYTES_OUT] = "bytes sent",
        [COUNTER_MOVED] = "connections moved between loops",
        [COUNTER_PEER_CLOSED] = "closed by the client",
        [COUNTER_PEER_ENDED] = "ended without a close frame",
        [COUNTER_PEER_LOST] = "connection failed",
        [COUNTER_REPLACED] = "closed: replaced",
        [COUNTER_ROOM_CLOSED] = "closed: room closed",
        [COUNTER_PROTOCOL_ERROR] = "closed: protocol error",
        [COUNTER_TOO_LARGE] = "closed: message too large",
        [COUNTER_GOING_AWAY] = "closed: server is stopping",
        [COUNTER_PINGED] = "silent clients pinged",
        [COUNTER_SILENT] = "gone after the idle timeout",
        [COUNTER_UNREQUESTED] = "requests timed out",
        [COUNTER_QUEUE_FULL] = "too slow: queue full",
        [COUNTER_STALLED] = "too slow: output stalled",
        [COUNTER_EVICTED] = "closed to make room for others",
        [COUNTER_SHED] = "closed to free memory",
        [COUNTER_THROTTLED] = "pauses for the message or byte rate",
        [COUNTER_TURN_USED_UP] = "shares of a turn used up",
        [COUNTER_ORIGIN_REFUSED] = "refused: origin",
        [COUNTER_FULL_REFUSED] = "refused: too many connections",
        [COUNTER_ADDRESS_REFUSED] = "refused: too many connections of one address",
        [COUNTER_PROXY_REFUSED] = "refused: bad PROXY header",
        [COUNTER_JOINS_PENALIZED] = "closed for failed joins",
        [COUNTER_TLS_HANDSHAKES] = "TLS handshakes",
        [COUNTER_TLS_RESUMED] = "TLS handshakes that resumed a session",
        [COUNTER_TLS_FAILED] = "TLS failures",
        [COUNTER_TLS_MISMATCHED] = "TLS or plain text on the wrong port",
        [COUNTER_ACCEPT_FAILED] = "connections the kernel could not give",
        [COUNTER_NO_MEMORY] = "lost for want of memory",
    };
    return texts[counter];
}
