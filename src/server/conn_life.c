/*
 * Accepting connections, moving them by mail, and freeing them. Only this file counts connections,
 * for the loop and for the process.
 */
#include "server/conn_life.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/admission.h"
#include "server/conn_out.h"
#include "server/links.h"

static void count_connection(struct loop *loop, int change)
{
    loop->stats.connections += (uint64_t)(int64_t)change;
    atomic_store_explicit(&loop->load, (unsigned)loop->stats.connections, memory_order_relaxed);
}

/* Frees all that a connection owns, except its place. */
static void release_contents(struct loop *loop, struct conn *conn)
{
    outbox_clear(&conn->out, &loop->pool);
    tls_session_free(conn->tls);
    conn->tls = NULL;
    conn_drop_input(conn);
}

/* Charges this loop for what a connection that came by mail holds. */
static void enter_account(struct loop *loop, struct conn *conn)
{
    outbox_enter(&conn->out, &loop->pool);
    if (conn->tls != NULL)
        tls_session_set_pool(conn->tls, &loop->pool);
    loop->charged += conn_charge(conn);
}

/* The emptiest loop, if this one has clearly more connections; else this one. */
static uint32_t choose_loop(const struct loop *loop)
{
    const struct server *server = loop->server;
    uint32_t best = loop->index;
    unsigned least = (unsigned)loop->stats.connections;
    for (uint32_t i = 0; i < server->loop_count; i++) {
        unsigned load = atomic_load_explicit(&server->loops[i]->load, memory_order_relaxed);
        if (load + PLACEMENT_SLACK < least) {
            least = load;
            best = i;
        }
    }
    return best;
}

/*
 * Frees what the connection owns, ends its counting, then frees its place and closes its
 * descriptor.
 */
static void end_life(struct loop *loop, struct conn *conn)
{
    int fd = conn->socket.fd; /* closed last, since the descriptor is the number of the place */
    bool is_lost = conn->is_lost;
    loop->charged -= conn_charge(conn);
    admission_left(loop, conn);
    release_contents(loop, conn);
    if (conn->is_client) {
        conn->is_client = false;
        loop->stats.clients--;
        origins_remove_client(&loop->server->origins, conn->origin_number);
    }
    count_connection(loop, -1);
    handles_remove(&loop->connections, conn);
    conn_end(conn);
    loop->kernel->close(fd, is_lost);
}

/* Only about right, when several loops ask at once. */
static bool has_remote_place(struct server *server)
{
    uint64_t most = (uint64_t)server->connections_max * REMOTE_PARTS;
    return atomic_load_explicit(&server->remote_count, memory_order_relaxed) < most;
}

struct conn *conn_life_make_remote(struct loop *loop, struct link_end *end,
                                   const struct link_item *item)
{
    struct server *server = loop->server;
    struct conn *conn = has_remote_place(server) ? conn_new_remote(end, item->client) : NULL;
    if (conn == NULL)
        return NULL;
    conn->loop = loop->index & 0x3F;
    conn->protocol = item->protocol & 3u;
    conn->is_proxied = true; /* without an address it has none: there is no socket to ask */
    conn->subnet = SUBNET_NONE;
    conn->next_ending = CLIENT_NONE;
    conn->handle = CLIENT_NONE;
    if (!handles_add(&loop->connections, conn)) {
        conn_set_state(conn, CONN_DEAD);
        conn_free_remote(conn);
        return NULL;
    }
    if (item->has_address)
        conn->subnet = subnets_enter(&server->subnets, item->address);
    /* Its edge counts the connection. */
    conn_set_origin(conn, origins_restore_client(&server->origins, item->origin, loop->clock_ms));
    atomic_fetch_add_explicit(&server->remote_count, 1, memory_order_relaxed);
    end->clients++;
    return conn;
}

static void end_remote_life(struct loop *loop, struct conn *conn)
{
    struct server *server = loop->server;
    atomic_fetch_sub_explicit(&server->remote_count, 1, memory_order_relaxed);
    origins_remove_client(&server->origins, conn->origin_number);
    if (conn->subnet != SUBNET_NONE)
        subnets_leave(&server->subnets, conn->subnet, loop_clock_ms(loop));
    handles_remove(&loop->connections, conn);
    conn_free_remote(conn);
}

/*
 * Takes over a connection, whose socket is not attached. False: memory was short, and the
 * connection is freed.
 */
static bool settle_in(struct loop *loop, struct conn *conn)
{
    count_connection(loop, +1);
    if (conn->is_client)
        loop->stats.clients++;
    list_init(&conn->deadline);
    conn->loop = loop->index & 0x3F;
    conn->next_dirty = NULL;
    conn->next_ending = CLIENT_NONE;
    conn->handle = CLIENT_NONE;
    conn->is_detaching = false;
    enter_account(loop, conn);
    if (!handles_add(&loop->connections, conn)) {
        loop->stats.counters[COUNTER_NO_MEMORY]++;
        conn->is_lost = true;
        conn_set_state(conn, CONN_DEAD);
        end_life(loop, conn);
        return false;
    }
    /* Each loop has its own time: it cuts out gaps in which the process stood still. */
    conn->last_alive_ms = loop->now_ms;
    conn->rate_filled_ms = loop->now_ms;
    if (conn->is_behind)
        conn->behind_ms = loop->now_ms;
    conn->out.since_ms = loop->now_ms;
    if (conn->input != NULL)
        conn->input->since_ms = loop->now_ms;
    loop_set_deadline(loop, conn, conn->is_client ? DEADLINE_LIVENESS : DEADLINE_REQUEST);
    if (conn_waiting(conn) > 0)
        loop_mark_dirty(loop, conn);
    return true;
}

static void attach(struct loop *loop, struct conn *conn)
{
    if (!poller_attach(loop->poller, &conn->socket))
        conn_out_abandon(loop, conn);
}

/*
 * Takes over a connection that is new or has moved here. A loop that rests attaches nothing. False:
 * memory was short, and the connection is freed.
 */
static bool adopt(struct loop *loop, struct conn *conn)
{
    if (!settle_in(loop, conn))
        return false;
    if (!loop->is_resting)
        attach(loop, conn);
    return true;
}

/* Posts the connection to the other loop, which owns it from here on. */
static void post(struct loop *loop, struct conn *conn, uint32_t target)
{
    conn->mail.kind = MAIL_CONNECTION;
    mailbox_post(&loop->server->loops[target]->mailbox, &conn->mail);
}

void conn_life_refuse(struct loop *loop, int fd)
{
    struct bytes answer = BYTES("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                                "Retry-After: 5\r\nConnection: close\r\n\r\n");
    loop->kernel->refuse(fd, loop->server->tls == NULL ? answer : (struct bytes){0});
}

void conn_life_accept(struct loop *loop, int fd)
{
    struct conn *conn = conn_table_at(&loop->server->connections, (uint32_t)fd);
    if (conn == NULL || loop->is_stopping) {
        conn_life_refuse(loop, fd);
        return;
    }
    conn_begin(conn, fd);
    loop->stats.counters[COUNTER_ACCEPTED]++;
    if (!admission_accepted(loop, conn)) {
        admission_left(loop, conn);
        conn_set_state(conn, CONN_DEAD);
        conn_end(conn);
        conn_life_refuse(loop, fd);
        return;
    }

    uint32_t target = choose_loop(loop);
    if (target == loop->index) {
        (void)adopt(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_MOVING);
    post(loop, conn, target);
}

bool conn_life_accept_admin(struct server *server)
{
    int fd = accept4(server->admin_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    struct conn *conn = conn_table_at(&server->connections, (uint32_t)fd);
    if (conn == NULL) {
        close(fd);
        return true;
    }
    conn_begin(conn, fd);
    conn_set_state(conn, CONN_MOVING);
    if (admission_accepted_admin(server, conn)) {
        conn->mail.kind = MAIL_CONNECTION;
        mailbox_post(&server->loops[0]->mailbox, &conn->mail);
        return true;
    }
    conn_set_state(conn, CONN_DEAD);
    conn_end(conn);
    close(fd);
    return true;
}

void conn_life_send(struct loop *loop, struct conn *conn)
{
    assert(conn->state == CONN_MOVING && conn->seat == NULL);
    conn->is_detaching = true;
    list_remove(&conn->deadline);
    loop_forget_dirty(loop, conn);
    if (!poller_detach(loop->poller, &conn->socket))
        return;
    loop->charged -= conn_charge(conn);
    outbox_leave(&conn->out, &loop->pool);
    if (conn->tls != NULL)
        tls_session_set_pool(conn->tls, NULL);
    conn->is_blocked = false; /* the new loop tries to send again */
    count_connection(loop, -1);
    loop->stats.clients--;
    loop->stats.counters[COUNTER_MOVED]++;
    handles_remove(&loop->connections, conn);
    post(loop, conn, conn->move_target);
}

bool conn_life_receive(struct loop *loop, struct conn *conn)
{
    conn_set_state(conn, conn->is_client ? CONN_OPEN : CONN_HTTP);
    return adopt(loop, conn);
}

bool conn_life_restore(struct loop *loop, struct conn *conn)
{
    if (!settle_in(loop, conn))
        return false;
    if (conn->state == CONN_CLOSING) {
        conn->progress_ms = loop->now_ms;
        loop_set_deadline(loop, conn, DEADLINE_FLUSH);
        loop_mark_dirty(loop, conn);
    }
    return true;
}

/* The connection is paused until it is resumed in the next turn, which has a bound for that. */
static void read_later(struct loop *loop, struct conn *conn)
{
    size_t charge = conn_charge(conn);
    conn->is_paused = true;
    poller_pause(loop->poller, &conn->socket);
    loop_set_deadline(loop, conn, DEADLINE_NEXT_TURN);
    loop->charged += conn_charge(conn) - charge;
}

void conn_life_attach_all(struct loop *loop)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        attach(loop, conn);
        bool reads = conn->state == CONN_HTTP || conn->state == CONN_OPEN;
        if (reads && conn->input != NULL && conn->input->unread.length > 0)
            read_later(loop, conn);
    }
}

void conn_life_drop(struct loop *loop, struct conn *conn)
{
    enter_account(loop, conn);
    admission_left(loop, conn);
    release_contents(loop, conn);
    loop->kernel->close(conn->socket.fd, conn->is_lost);
}

void conn_life_reap(struct loop *loop, struct conn *conn)
{
    if (conn_is_remote(conn)) {
        end_remote_life(loop, conn);
        return;
    }
    conn->is_detaching = true;
    list_remove(&conn->deadline);
    if (poller_detach(loop->poller, &conn->socket))
        end_life(loop, conn);
}

void conn_life_detached(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_MOVING)
        conn_life_send(loop, conn);
    else if (conn->state == CONN_DEAD && !conn->is_ending)
        conn_life_reap(loop, conn);
}
