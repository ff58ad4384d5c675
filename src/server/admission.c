/* The rules of admission. The counts by subnet are in subnets. */
#include "server/admission.h"

#include "proto/origin.h"
#include "server/eviction.h"

static bool is_trusted_proxy(const struct config *config, struct address address)
{
    return config_find_proxy(config, address) != NULL;
}

/*
 * Makes the connection one of the few that may wait until the client reads their refusal. They do
 * not count as connections, or they would keep others out. False: too many wait already.
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
    conn->refusal = refusal & 3u;
    return true;
}

static void leave_subnet(struct loop *loop, struct conn *conn)
{
    struct subnets *subnets = &loop->server->subnets;
    if (conn->is_counted)
        subnets_remove_connection(subnets, conn->subnet, (enum subnets_kind)conn->kind);
    conn->is_counted = false;
    subnets_leave(subnets, conn->subnet, loop_clock_ms(loop));
    conn->subnet = SUBNET_NONE;
}

enum entry {
    ENTRY_MADE,
    ENTRY_TOO_MANY, /* the connection holds its subnet, which does not count it */
    ENTRY_REFUSED,  /* the same, and the connection is closed without a refusal */
    ENTRY_NO_MEMORY,
};

static struct subnets_limits limits_of(const struct server *server, struct address address)
{
    uint64_t limit = server->config->connections_per_address_max;
    bool is_private = address_is_private(address);
    if (limit == CONNECTIONS_PER_ADDRESS_UNSET)
        limit = is_private ? 0 : CONNECTIONS_PER_ADDRESS_MAX;
    bool has_handshakes = server->tls != NULL && !is_private;
    return (struct subnets_limits){
        .connections = (uint32_t)limit,
        .handshakes = has_handshakes ? HANDSHAKES_PER_ADDRESS_MAX : 0,
    };
}

/* Counts the connection in the subnet of this address, and no longer in its old one. */
static enum entry enter_subnet(struct loop *loop, struct conn *conn, struct address address)
{
    struct subnets *subnets = &loop->server->subnets;
    leave_subnet(loop, conn);
    conn->subnet = subnets_enter(subnets, address);
    if (conn->subnet == SUBNET_NONE)
        return ENTRY_NO_MEMORY;
    enum subnets_entry entry = subnets_add_connection(
        subnets, conn->subnet, (enum subnets_kind)conn->kind, limits_of(loop->server, address));
    conn->is_counted = entry == SUBNETS_ENTERED;
    if (conn->is_counted)
        return ENTRY_MADE;
    loop->stats.counters[COUNTER_ADDRESS_REFUSED]++;
    return entry == SUBNETS_TOO_MANY ? ENTRY_TOO_MANY : ENTRY_REFUSED;
}

/*
 * As enter_subnet(); a connection above the limit may wait for its refusal. False: it must be
 * closed.
 */
static bool enter_or_refuse(struct loop *loop, struct conn *conn, struct address address)
{
    enum entry entry = enter_subnet(loop, conn, address);
    return entry == ENTRY_MADE || (entry == ENTRY_TOO_MANY && refuse(loop, conn, REFUSAL_ADDRESS));
}

/* Whether there is a place for the connection, or one can be evicted for it. */
static bool has_place(struct loop *loop, const struct conn *conn, unsigned connections)
{
    const struct server *server = loop->server;
    if (connections < server->connections_max)
        return true;
    return connections < (uint64_t)server->connections_max + NEWCOMERS_ABOVE_MAX &&
           eviction_makes_room(loop, conn);
}

/*
 * Gives a place to a proxy's connection that came above the limit, now that its client's address is
 * known: connections of another address may be evicted for it.
 */
static bool readmit(struct loop *loop, struct conn *conn)
{
    struct server *server = loop->server;
    unsigned connections = atomic_load_explicit(&server->connection_count, memory_order_relaxed);
    if (!conn->is_counted || !has_place(loop, conn, connections)) {
        loop->stats.counters[COUNTER_FULL_REFUSED]++;
        return false;
    }
    atomic_fetch_add_explicit(&server->connection_count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&server->refusal_count, 1, memory_order_relaxed);
    conn->refusal = REFUSAL_NONE;
    return true;
}

bool admission_accepted(struct loop *loop, struct conn *conn)
{
    struct server *server = loop->server;
    struct address peer;
    unsigned before = atomic_fetch_add_explicit(&server->connection_count, 1, memory_order_relaxed);
    if (!loop->kernel->peer_address(conn->socket.fd, &peer))
        return false; /* the peer is gone already */
    /* All clients come from the proxies' addresses, so these are not counted as subnets. */
    conn->is_proxied = is_trusted_proxy(server->config, peer);
    if (!conn->is_proxied && !enter_or_refuse(loop, conn, peer))
        return false;
    if (conn->is_proxied && before >= server->connections_max)
        return refuse(loop, conn, REFUSAL_FULL);
    if (has_place(loop, conn, before))
        return true;
    loop->stats.counters[COUNTER_FULL_REFUSED]++;
    return refuse(loop, conn, REFUSAL_FULL);
}

bool admission_accepted_admin(struct server *server, struct conn *conn)
{
    struct address peer;
    if (!server->kernel->peer_address(conn->socket.fd, &peer))
        return false;
    unsigned before = atomic_fetch_add_explicit(&server->connection_count, 1, memory_order_relaxed);
    /* The operator needs the numbers most when all places are taken. */
    if (before < (uint64_t)server->connections_max + NEWCOMERS_ABOVE_MAX) {
        conn->is_admin = true;
        conn->subnet = subnets_enter(&server->subnets, peer);
        return true;
    }
    atomic_fetch_sub_explicit(&server->connection_count, 1, memory_order_relaxed);
    return false;
}

bool admission_restored(struct server *server, struct conn *conn, const struct address *address)
{
    struct subnets *subnets = &server->subnets;
    const struct subnets_limits none = {0};
    atomic_uint *count =
        conn->refusal == REFUSAL_NONE ? &server->connection_count : &server->refusal_count;
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    if (address != NULL)
        conn->subnet = subnets_enter(subnets, *address);
    if (!conn->is_counted)
        return address == NULL || conn->subnet != SUBNET_NONE;
    return conn->subnet != SUBNET_NONE &&
           subnets_add_connection(subnets, conn->subnet, (enum subnets_kind)conn->kind, none) ==
               SUBNETS_ENTERED;
}

void admission_left(struct loop *loop, struct conn *conn)
{
    struct server *server = loop->server;
    atomic_uint *count =
        conn->refusal == REFUSAL_NONE ? &server->connection_count : &server->refusal_count;
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
    leave_subnet(loop, conn);
}

bool admission_awaits_introduction(const struct loop *loop, const struct conn *conn)
{
    struct address peer;
    if (!conn->is_proxied || conn->is_introduced ||
        !loop->kernel->peer_address(conn->socket.fd, &peer))
        return false;
    const struct trusted_proxy *proxy = config_find_proxy(loop->server->config, peer);
    return proxy != NULL && proxy->introduces;
}

static void change_kind(struct loop *loop, struct conn *conn, enum subnets_kind kind)
{
    if (conn->kind == kind)
        return;
    if (conn->is_counted)
        subnets_change_kind(&loop->server->subnets, conn->subnet, (enum subnets_kind)conn->kind,
                            kind);
    conn->kind = kind & 3u;
}

void admission_handshake_done(struct loop *loop, struct conn *conn)
{
    if (conn->kind == SUBNETS_HANDSHAKE)
        change_kind(loop, conn, SUBNETS_OUTSIDE);
}

void admission_seat_changed(struct loop *loop, struct conn *conn)
{
    if (conn->seat != NULL || conn->is_away)
        change_kind(loop, conn, SUBNETS_MEMBER);
    else if (conn->kind == SUBNETS_MEMBER)
        change_kind(loop, conn, SUBNETS_OUTSIDE);
}

bool admission_learn_address(struct loop *loop, struct conn *conn, struct address address)
{
    /* One proxy behind another: the next header comes from the outer one. */
    conn->is_proxied = is_trusted_proxy(loop->server->config, address);
    if (conn->is_proxied)
        return true;
    if (!enter_or_refuse(loop, conn, address))
        return false;
    if (conn->refusal == REFUSAL_FULL)
        (void)readmit(loop, conn);
    return true;
}

/*
 * Finds the client's address in X-Forwarded-For. Every proxy appends the address of its peer. So
 * the client's is the last one that belongs to no trusted proxy; anybody may have written what is
 * before it.
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

/*
 * Holds the subnet of a proxy that does not report its client's address: all its clients share it.
 */
static uint32_t enter_proxys_subnet(struct loop *loop, const struct conn *conn)
{
    struct address peer;
    return loop->kernel->peer_address(conn->socket.fd, &peer)
               ? subnets_enter(&loop->server->subnets, peer)
               : SUBNET_NONE;
}

static void take_proxys_subnet(struct loop *loop, struct conn *conn)
{
    struct address peer;
    if (conn->subnet != SUBNET_NONE)
        return;
    conn->subnet = enter_proxys_subnet(loop, conn);
    if (!notices_is_raised(&loop->server->notices, NOTICE_SILENT_PROXY) &&
        loop->kernel->peer_address(conn->socket.fd, &peer))
        loop_raise_notice(loop, NOTICE_SILENT_PROXY, peer);
}

int admission_judge_upgrade(struct loop *loop, struct conn *conn,
                            const struct http_request *request)
{
    const struct config *config = loop->server->config;
    struct address address;
    enum entry entry = conn->refusal == REFUSAL_ADDRESS ? ENTRY_TOO_MANY : ENTRY_MADE;
    if (conn->is_proxied && find_forwarded(config, request, &address))
        entry = enter_subnet(loop, conn, address);
    else if (conn->is_proxied)
        take_proxys_subnet(loop, conn);
    if (conn->refusal == REFUSAL_FULL && (!conn->is_proxied || !readmit(loop, conn)))
        return 503;
    if (entry != ENTRY_MADE)
        return entry == ENTRY_NO_MEMORY ? 503 : 429;
    if (!origin_may_enter(config, request->origin)) {
        loop->stats.counters[COUNTER_ORIGIN_REFUSED]++;
        return 403;
    }
    return 101;
}

void admission_look_at_forwarding(struct loop *loop, const struct conn *conn,
                                  const struct http_request *request)
{
    struct address peer;
    if (request->forwarded_for_count == 0 || conn->is_proxied || conn->is_introduced ||
        conn->is_admin || notices_is_raised(&loop->server->notices, NOTICE_UNTRUSTED_FORWARDER))
        return;
    if (loop->kernel->peer_address(conn->socket.fd, &peer) && address_is_private(peer))
        loop_raise_notice(loop, NOTICE_UNTRUSTED_FORWARDER, peer);
}

bool admission_address_of(const struct loop *loop, const struct conn *conn,
                          struct address *ret_address)
{
    if (conn->subnet == SUBNET_NONE)
        return !conn->is_proxied && loop->kernel->peer_address(conn->socket.fd, ret_address);
    *ret_address = subnets_address(&loop->server->subnets, conn->subnet);
    return true;
}

bool admission_requester(const struct loop *loop, const struct conn *conn,
                         const struct http_request *request, struct address *ret_address)
{
    /*
     * A peer that forwards a request can't speak for its client unless it is a trusted proxy. A
     * trusted proxy that forwards nothing asks for itself.
     */
    if (request->is_forwarded)
        return conn->is_proxied && find_forwarded(loop->server->config, request, ret_address);
    if (conn->subnet == SUBNET_NONE)
        return loop->kernel->peer_address(conn->socket.fd, ret_address);
    *ret_address = subnets_address(&loop->server->subnets, conn->subnet);
    return true;
}

bool admission_is_inside(const struct loop *loop, const struct conn *conn,
                         const struct http_request *request)
{
    struct address address;
    if (loop->server->config->admin_listen != NULL)
        return conn->is_admin;
    return admission_requester(loop, conn, request, &address) && address_is_private(address);
}

bool admission_hold_asker(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    struct subnets *subnets = &loop->server->subnets;
    struct address address;
    conn->asker = conn->subnet;
    if (!conn->is_proxied)
        subnets_hold(subnets, conn->subnet);
    else if (find_forwarded(loop->server->config, request, &address))
        conn->asker = subnets_enter(subnets, address);
    else
        conn->asker = enter_proxys_subnet(loop, conn);
    return conn->asker != SUBNET_NONE;
}

void admission_release_asker(struct loop *loop, struct conn *conn)
{
    subnets_leave(&loop->server->subnets, conn->asker, loop_clock_ms(loop));
    conn->asker = SUBNET_NONE;
}

bool admission_may_ask(struct loop *loop, const struct conn *conn)
{
    return subnets_may_ask(&loop->server->subnets, conn->asker, loop_clock_ms(loop));
}

bool admission_may_tell(struct loop *loop, const struct conn *conn, bool is_found)
{
    return subnets_may_tell(&loop->server->subnets, conn->asker, !is_found, loop_clock_ms(loop));
}

bool admission_may_spend(struct loop *loop, uint32_t subnet)
{
    return subnet == SUBNET_NONE ||
           subnets_may_spend(&loop->server->subnets, subnet, loop_clock_ms(loop));
}

void admission_spend(struct loop *loop, uint32_t subnet, uint64_t cost)
{
    if (subnet != SUBNET_NONE && cost > 0)
        subnets_spend(&loop->server->subnets, subnet, cost, loop_clock_ms(loop));
}

bool admission_may_tell_joiner(struct loop *loop, struct conn *conn, bool is_found)
{
    if (!subnets_may_tell(&loop->server->subnets, conn->subnet, !is_found, loop_clock_ms(loop)))
        return false;
    if (!is_found && conn->failed_joins < UINT8_MAX)
        conn->failed_joins++;
    return true;
}

enum token_verdict admission_check_token(struct loop *loop, const struct conn *conn,
                                         struct bytes token, struct token_claims *ret_claims)
{
    if (loop->server->token_keys == NULL)
        return TOKEN_VERDICT_NOT_ASKED;
    struct token_key key = token_keys_hold(loop->server->token_keys);
    enum token_verdict verdict = token_check(key, token, loop->kernel->wall_clock_s(), ret_claims);
    token_key_release(key);
    loop->work += TOKEN_WORK;
    admission_spend(loop, conn->subnet, TOKEN_WORK);
    return verdict;
}

bool admission_is_guesser(const struct loop *loop, const struct conn *conn)
{
    uint64_t most = loop->server->config->failed_joins_max;
    return most > 0 && conn->failed_joins > most;
}

void admission_stop_waiting(struct loop *loop, struct conn *conn)
{
    struct subnets *subnets = &loop->server->subnets;
    if (conn->state == CONN_DELAYED) {
        subnets_end_waiting(subnets, conn->subnet);
    } else if (conn->state == CONN_WAITING) {
        if (!conn->is_awaited)
            subnets_end_waiting(subnets, conn->asker);
        admission_release_asker(loop, conn);
    }
}
