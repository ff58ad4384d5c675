/* Counters added up, and their names for people. */
#include "server/stats.h"

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
        [COUNTER_PINGED] = "silent clients pinged",
        [COUNTER_SILENT] = "gone after the idle timeout",
        [COUNTER_UNREQUESTED] = "requests timed out",
        [COUNTER_QUEUE_FULL] = "too slow: queue full",
        [COUNTER_STALLED] = "too slow: output stalled",
        [COUNTER_SHED] = "closed to free memory",
        [COUNTER_THROTTLED] = "pauses for the message rate",
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
