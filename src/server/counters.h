/*
 * The counters of a loop, each in one line: its name in the code, its text in /stats, and its place
 * in the metrics. A new counter needs only a new line here.
 *
 *     ONE(name, text, metric, help)    a metric of its own, party_sockets_METRIC
 *     CLOSE(name, text, reason)        party_sockets_closes_total{reason="..."}
 *     REFUSAL(name, text, reason)      party_sockets_refusals_total{reason="..."}
 *
 * They count from the start of the process.
 */
#ifndef PARTY_SERVER_COUNTERS_H
#define PARTY_SERVER_COUNTERS_H

/* clang-format off */
#define FOR_EACH_COUNTER(ONE, CLOSE, REFUSAL) \
    ONE(ACCEPTED, "connections accepted", "accepted_total", "Connections of any kind.") \
    ONE(MESSAGES_IN, "messages received", "messages_received_total", "Messages of clients.") \
    ONE(DELIVERIES, "messages delivered", "messages_sent_total", "Events told to clients: a message to a room counts once for each that gets it.") \
    ONE(BYTES_IN, "bytes received", "received_bytes_total", "Bytes read from sockets.") \
    ONE(BYTES_OUT, "bytes sent", "sent_bytes_total", "Bytes written to sockets.") \
    ONE(SEATED_AGAIN, "members seated again after their room's node was lost", "seated_again_total", "Members of protocol 3 that kept their connections when the node of their room was lost.") \
    ONE(ROOMS_TAKEN, "rooms taken from other nodes", "rooms_taken_total", "Rooms that this node made of the records of another one, which gave them away or was lost.") \
    ONE(ROOMS_GIVEN, "rooms given to other nodes", "rooms_given_total", "Rooms that this node gave to another one.") \
    ONE(ROOMS_GIVEN_UP, "rooms given up to another node", "rooms_given_up_total", "Rooms that this node gave up: another one has them by now, of their records.") \
    ONE(LINKS_VOID, "links to other nodes begun anew", "links_void_total", "Links to loops of other nodes that began anew: a message was lost, or the node.") \
    ONE(MOVED, "connections moved between loops", "moved_total", "Connections moved between loops.") \
    CLOSE(PEER_CLOSED, "closed by the client", "client") /* the client sent a close frame */ \
    CLOSE(PEER_ENDED, "ended without a close frame", "ended") \
    CLOSE(PEER_LOST, "connection failed", "lost") \
    CLOSE(REPLACED, "closed: replaced", "replaced") /* 4000 */ \
    CLOSE(ROOM_CLOSED, "closed: room closed", "room_closed") /* 4001 */ \
    CLOSE(KICKED, "closed: kicked", "kicked") /* 4002 */ \
    CLOSE(GIVEN_UP, "closed: joined late", "given_up") /* 4101: the client had given the connection up */ \
    CLOSE(PROTOCOL_ERROR, "closed: protocol error", "protocol_error") /* 1002 or 1007 */ \
    CLOSE(TOO_LARGE, "closed: message too large", "too_large") /* 1009 */ \
    CLOSE(GOING_AWAY, "closed: server is stopping", "going_away") /* 1001 */ \
    CLOSE(RESTARTING, "closed: server is restarting", "restarting") /* 1012 */ \
    ONE(PINGED, "silent clients pinged", "pings_total", "Silent clients pinged.") \
    CLOSE(SILENT, "gone after the idle timeout", "silent") /* --idle-timeout */ \
    CLOSE(UNREQUESTED, "requests timed out", "request_timeout") /* --request-timeout: the client did not complete a request, or did not read its response */ \
    CLOSE(QUEUE_FULL, "too slow: queue full", "queue_full") /* --max-queue-bytes */ \
    CLOSE(STALLED, "too slow: output stalled", "stalled") /* --stall-timeout */ \
    CLOSE(EVICTED, "closed to make room for others", "evicted") /* another connection needed the place */ \
    CLOSE(SHED, "closed to free memory", "shed") /* --max-buffered-bytes */ \
    ONE(THROTTLED, "pauses for the message or byte rate", "throttled_total", "Pauses for --max-message-rate or --max-byte-rate.") \
    ONE(TURN_USED_UP, "shares of a turn used up", "turns_used_up_total", "Times that a client had its share of a loop's turn.") \
    REFUSAL(ORIGIN_REFUSED, "refused: origin", "origin") /* 403 */ \
    REFUSAL(FULL_REFUSED, "refused: too many connections", "connections") /* 503, --max-connections */ \
    REFUSAL(ADDRESS_REFUSED, "refused: too many connections of one address", "address") /* 429, --max-connections-per-address */ \
    REFUSAL(PROXY_REFUSED, "refused: bad PROXY header", "proxy_header") \
    CLOSE(JOINS_PENALIZED, "closed for failed joins", "failed_joins") \
    ONE(TLS_HANDSHAKES, "TLS handshakes", "tls_handshakes_total", "TLS handshakes.") \
    ONE(TLS_RESUMED, "TLS handshakes that resumed a session", "tls_resumed_total", "TLS handshakes that resumed a session.") \
    ONE(TLS_FAILED, "TLS failures", "tls_failures_total", "TLS failures.") \
    REFUSAL(TLS_MISMATCHED, "TLS or plain text on the wrong port", "transport") /* the peer spoke plain text where TLS was expected, or TLS where plain text was */ \
    ONE(ACCEPT_FAILED, "connections the kernel could not give", "accept_failures_total", "Connections that the kernel could not give.") \
    CLOSE(NO_MEMORY, "lost for want of memory", "no_memory")
/* clang-format on */

#define COUNTER_NAME(name, ...) COUNTER_##name,

enum counter {
    FOR_EACH_COUNTER(COUNTER_NAME, COUNTER_NAME, COUNTER_NAME) COUNTERS,
};

#endif
