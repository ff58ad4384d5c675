/* The rules of who may enter. Counting by address is left to places. */
#include "server/admission.h"

#include "net/clock.h"
#include "net/socket.h"
#include "proto/origin.h"

static bool is_trusted_proxy(const struct config *config, struct address address)
{
    for (uint32_t i = 0; i < config->trusted_proxies.list.count; i++) {
        if (address_range_contains(&config->trusted_proxies.items[i], address))
            return true;
    }
    return false;
}

/*
 * One of a few connections that may wait for their refusal to be read. Those do not count as
 * connections, or they would keep others out. False: no more of them.
 */
static bool refuse(struct loop *loop, struct conn *conn, enum conn_refusal refusal)
{
    struct server *server = loop->server;
    if (conn->refusal != REFUSAL_NONE)
        return true;
    unsigned before = atomic_fetch_add_explicit(&server->refusal_count, 1, memory_order_relaxed);
    if (before >= REFUSALS_MAX) {
        atomic_fetch_sub_explicit(&server->refusal_count, 1, memory_order_relaxed);
        return false;
    }
    atomic_fetch_sub_explicit(&server->connection_count, 1, memory_order_relaxed);
    conn->refusal = refusal;
    return true;
}

static void leave_place(struct loop *loop, struct conn *conn)
{
    places_leave(&loop->server->places, conn->place, clock_now_ms());
    conn->place = PLACE_NONE;
}

/* The connection is counted at this address. False: it is one too many there. */
static bool enter_place(struct loop *loop, struct conn *conn, struct address address)
{
    uint64_t most = loop->server->config->connections_per_address_max;
    uint32_t connections = 0;
    leave_place(loop, conn);
    conn->place = places_enter(&loop->server->places, address, &connections);
    if (most == 0 || connections <= most)
        return true;
    loop->stats.counters[COUNTER_ADDRESS_REFUSED]++;
    leave_place(loop, conn);
    return false;
}

bool admission_accepted(struct loop *loop, struct conn *conn)
{
    struct server *server = loop->server;
    const struct config *config = server->config;
    struct address peer;
    unsigned before = atomic_fetch_add_explicit(&server->connection_count, 1, memory_order_relaxed);
    bool may_stay = true;
    if (before >= server->connections_max) {
        loop->stats.counters[COUNTER_FULL_REFUSED]++;
        may_stay = refuse(loop, conn, REFUSAL_FULL);
    }
    bool matters =
        config->connections_per_address_max > 0 || config->trusted_proxies.list.count > 0;
    if (!matters || !socket_peer_address(conn->socket.fd, &peer))
        return may_stay;
    conn->is_proxied = is_trusted_proxy(config, peer);
    /* Everybody comes from the proxies' addresses: those are no places. */
    bool is_counted = config->connections_per_address_max > 0 && !conn->is_proxied;
    if (is_counted && !enter_place(loop, conn, peer))
        may_stay = refuse(loop, conn, REFUSAL_ADDRESS) && may_stay;
    return may_stay;
}

void admission_left(struct loop *loop, struct conn *conn)
{
    struct server *server = loop->server;
    atomic_uint *count =
        conn->refusal == REFUSAL_NONE ? &server->connection_count : &server->refusal_count;
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
    leave_place(loop, conn);
}

bool admission_learn_address(struct loop *loop, struct conn *conn, struct address address)
{
    /* One proxy behind another: the next word is that one's. */
    conn->is_proxied = is_trusted_proxy(loop->server->config, address);
    return conn->is_proxied || enter_place(loop, conn, address) ||
           refuse(loop, conn, REFUSAL_ADDRESS);
}

/*
 * The client's address in X-Forwarded-For: every proxy adds its peer's at the end, so it is the
 * last one that is no trusted proxy's; what stands before that anybody may have written.
 */
static bool find_forwarded(const struct config *config, const struct http_request *request,
                           struct address *ret_address)
{
    bool is_found = false;
    bool is_known = false;
    for (uint8_t i = 0; i < request->forwarded_for_count; i++) {
        struct bytes list = request->forwarded_for[i];
        struct bytes element;
        while (http_list_next(&list, &element)) {
            struct address address;
            bool is_address = address_parse_with_port(element, &address);
            if (is_found && is_address && is_trusted_proxy(config, address))
                continue;
            is_found = true;
            is_known = is_address;
            if (is_address)
                *ret_address = address;
        }
    }
    return is_known;
}

static bool origin_may_enter(const struct config *config, struct bytes origin)
{
    if (origin.length == 0)
        return config->requires_origin == 0;
    for (uint32_t i = 0; i < config->allowed_origins.list.count; i++) {
        if (origin_matches(origin, config->allowed_origins.items[i]))
            return true;
    }
    return config->allowed_origins.list.count == 0;
}

int admission_judge_upgrade(struct loop *loop, struct conn *conn,
                            const struct http_request *request)
{
    const struct config *config = loop->server->config;
    struct address address;
    bool is_too_many = conn->refusal == REFUSAL_ADDRESS;
    if (conn->refusal == REFUSAL_FULL)
        return 503;
    if (conn->is_proxied && find_forwarded(config, request, &address) &&
        !enter_place(loop, conn, address))
        is_too_many = true;
    if (is_too_many)
        return 429;
    if (!origin_may_enter(config, request->origin)) {
        loop->stats.counters[COUNTER_ORIGIN_REFUSED]++;
        return 403;
    }
    return 101;
}

bool admission_asker(const struct loop *loop, const struct conn *conn,
                     const struct http_request *request, struct address *ret_address)
{
    const struct config *config = loop->server->config;
    if (config->failed_joins_per_address_max == 0)
        return false;
    return conn->is_proxied ? find_forwarded(config, request, ret_address)
                            : socket_peer_address(conn->socket.fd, ret_address);
}

bool admission_address_of(const struct loop *loop, const struct conn *conn,
                          struct address *ret_address)
{
    if (conn->place == PLACE_NONE)
        return !conn->is_proxied && socket_peer_address(conn->socket.fd, ret_address);
    *ret_address = places_address(&loop->server->places, conn->place);
    return true;
}

bool admission_lookup_failed(struct loop *loop, struct address address)
{
    struct places *places = &loop->server->places;
    uint32_t now_ms = clock_now_ms();
    uint32_t connections;
    uint32_t place = places_enter(places, address, &connections);
    if (place == PLACE_NONE)
        return false;
    bool is_beyond = places_fail_join(
        places, place, (uint32_t)loop->server->config->failed_joins_per_address_max, now_ms);
    places_leave(places, place, now_ms);
    return is_beyond;
}

bool admission_join_failed(struct loop *loop, struct conn *conn)
{
    const struct config *config = loop->server->config;
    struct address peer;
    if (conn->failed_joins < UINT8_MAX)
        conn->failed_joins++;
    bool is_beyond = config->failed_joins_max > 0 && conn->failed_joins > config->failed_joins_max;
    if (config->failed_joins_per_address_max == 0)
        return is_beyond;
    if (conn->place == PLACE_NONE && !conn->is_proxied &&
        socket_peer_address(conn->socket.fd, &peer))
        (void)enter_place(loop, conn, peer);
    bool place_is_beyond =
        conn->place != PLACE_NONE &&
        places_fail_join(&loop->server->places, conn->place,
                         (uint32_t)config->failed_joins_per_address_max, clock_now_ms());
    return is_beyond || place_is_beyond;
}
