/* The fields of a connection in a handover, for who writes it and who reads it. */
#ifndef PARTY_SERVER_HANDOVER_FIELDS_H
#define PARTY_SERVER_HANDOVER_FIELDS_H

/* Facts of a connection: true, or the field is missing. */
/* clang-format off */
#define FOR_EACH_CONNECTION_FACT(X) \
    X(closed_without_code, "closedWithoutCode") \
    X(peer_has_ended, "peerHasEnded") \
    X(is_pinged, "isPinged") \
    X(is_client, "isClient") \
    X(is_proxied, "isProxied") \
    X(is_introduced, "isIntroduced") \
    X(is_begun, "isBegun") \
    X(is_behind, "isBehind") \
    X(said_farewell, "saidFarewell") \
    X(is_admin, "isAdmin") \
    X(is_counted, "isCounted")

/* Its numbers. */
#define FOR_EACH_CONNECTION_NUMBER(X) \
    X(refusal, "refusal") \
    X(kind, "kind") \
    X(failed_joins, "failedJoins") \
    X(rate_tokens, "rateTokens") \
    X(acknowledged, "acknowledged")

/* All other fields. A member of a room has `room`, and `index` or `visitor`. */
#define FOR_EACH_CONNECTION_FIELD(X) \
    X(DESCRIPTOR, "connection") \
    X(STATE, "state") \
    X(PROTOCOL, "protocol") \
    X(ORIGIN, "origin") \
    X(IS_PROVEN, "isProven") \
    X(ADDRESS, "address") \
    X(BYTE_TOKENS, "byteTokens") \
    X(BYTE_DEBT, "byteDebt") \
    X(PING_END, "pingEnd") \
    X(ROOM, "room") \
    X(INDEX, "index") \
    X(VISITOR, "visitor") \
    X(READER, "reader") \
    X(UNREAD, "unread") \
    X(OUTPUT, "output")
/* clang-format on */

#endif
