/*
 * The turn: wait, handle what happened, read mail, look at deadlines, flush, free. Rooms are left
 * after each thing that was handled, never within it.
 */
#include "server/loop.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "net/clock.h"
#include "server/conn_in.h"
#include "server/conn_out.h"
#include "server/gather.h"
#include "server/routes.h"

/* 32 bits of the kernel's randomness, fetched some at a time. */
static uint32_t draw_random(void *context)
{
    struct loop *loop = context;
    if (loop->random_left == 0) {
        ssize_t length = getrandom(loop->random, sizeof loop->random, 0);
        /* Up to 256 bytes are never interrupted and never short (getrandom(2)). */
        assert(length == (ssize_t)sizeof loop->random);
        loop->random_left = RANDOM_WORDS;
    }
    return loop->random[--loop->random_left];
}

/* Rooms are counted for the whole process, when one opens or ends and never for a message. */
static bool admit_room(void *context)
{
    struct loop *loop = context;
    unsigned before = atomic_fetch_add_explicit(&loop->server->rooms, 1, memory_order_relaxed);
    if (before < ROOMS_MAX)
        return true;
    atomic_fetch_sub_explicit(&loop->server->rooms, 1, memory_order_relaxed);
    return false;
}

static void dismiss_room(void *context)
{
    struct loop *loop = context;
    atomic_fetch_sub_explicit(&loop->server->rooms, 1, memory_order_relaxed);
}

static void init_deadlines(struct loop *loop, const struct config *config)
{
    uint64_t check_ms = config->ping_interval_ms / LIVENESS_CHECKS_PER_INTERVAL;
    loop->deadline_length_ms[DEADLINE_REQUEST] = REQUEST_TIMEOUT_MS;
    loop->deadline_length_ms[DEADLINE_LIVENESS] = check_ms < 1 ? 1 : (uint32_t)check_ms;
    loop->deadline_length_ms[DEADLINE_FLUSH] = FLUSH_TIMEOUT_MS;
    loop->deadline_length_ms[DEADLINE_LINGER] = LINGER_TIMEOUT_MS;
    for (int kind = 0; kind < DEADLINE_KINDS; kind++)
        list_init(&loop->deadlines[kind]);
}

struct loop *loop_new(struct server *server, uint32_t index)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->server = server;
    loop->index = index;
    loop->now_ms = clock_now_ms();
    loop->stop_mail.kind = MAIL_STOP;
    init_deadlines(loop, server->config);
    relay_init(&loop->relay, &(struct relay_config){
                                 .loop_index = index,
                                 .loop_count = server->loop_count,
                                 .members_max = CLIENTS_PER_ROOM_MAX,
                                 .id_bytes_max = 256,
                                 .random = draw_random,
                                 .admit_room = admit_room,
                                 .dismiss_room = dismiss_room,
                                 .context = loop,
                             });
    loop->mailbox.wake_fd = -1;
    loop->poller = poller_new();
    if (loop->poller != NULL && mailbox_init(&loop->mailbox) &&
        poller_watch(loop->poller, loop->mailbox.wake_fd) &&
        poller_listen(loop->poller, server->listener_fd))
        return loop;
    loop_free(loop);
    return NULL;
}

static void drop_mail(struct loop *loop)
{
    for (struct mail *mail = mailbox_take_all(&loop->mailbox); mail != NULL;) {
        struct mail *next = mail->next;
        if (mail->kind == MAIL_SNAPSHOT_REQUEST || mail->kind == MAIL_SNAPSHOT_REPLY)
            gather_drop(mail);
        if (mail->kind == MAIL_CONNECTION) {
            struct conn *conn = CONTAINER_OF(mail, struct conn, mail);
            outbox_clear(&conn->out, &loop->pool);
            conn_drop_input(conn);
            close(conn->socket.fd);
        }
        mail = next;
    }
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->mailbox.wake_fd >= 0) {
        drop_mail(loop);
        mailbox_release(&loop->mailbox);
    }
    poller_free(loop->poller);
    relay_release(&loop->relay);
    outbox_pool_release(&loop->pool);
    free(loop);
}

void loop_set_deadline(struct loop *loop, struct conn *conn, enum deadline_kind kind)
{
    list_remove(&conn->deadline);
    list_append(&loop->deadlines[kind], &conn->deadline);
    conn->due_ms = loop->now_ms + loop->deadline_length_ms[kind];
}

void loop_mark_dirty(struct loop *loop, struct conn *conn)
{
    if (conn->is_dirty)
        return;
    conn->is_dirty = true;
    conn->next_dirty = loop->first_dirty;
    loop->first_dirty = conn;
}

void loop_mark_ending(struct loop *loop, struct conn *conn)
{
    if (conn->is_ending)
        return;
    conn->is_ending = true;
    conn->next_ending = loop->first_ending;
    loop->first_ending = conn;
}

static void count_connection(struct loop *loop, int change)
{
    loop->stats.connections += (uint64_t)(int64_t)change;
    atomic_store_explicit(&loop->load, (unsigned)loop->stats.connections, memory_order_relaxed);
}

/* Gives the place in the table back. The descriptor is closed last: it is the place's number. */
static void reap(struct loop *loop, struct conn *conn)
{
    int fd = conn->socket.fd;
    (void)poller_detach(loop->poller, &conn->socket);
    list_remove(&conn->deadline);
    outbox_clear(&conn->out, &loop->pool);
    conn_drop_input(conn);
    if (conn->is_client) {
        conn->is_client = false;
        loop->stats.clients--;
        origins_remove_client(&loop->server->origins, conn->origin);
    }
    count_connection(loop, -1);
    conn_end(conn);
    close(fd);
}

/* Unlinks a dying connection from the list of dirty ones. */
static void forget_dirty(struct loop *loop, struct conn *conn)
{
    struct conn **at = &loop->first_dirty;
    while (*at != conn)
        at = &(*at)->next_dirty;
    *at = conn->next_dirty;
    conn->is_dirty = false;
}

/*
 * Those who closed or failed leave their rooms. Telling the others may make more of them fail;
 * they join the list and have their turn. The dead are kept in `ret_dead`, linked by next_ending.
 */
static void leave_rooms(struct loop *loop, struct conn **dead)
{
    while (loop->first_ending != NULL) {
        struct conn *conn = loop->first_ending;
        loop->first_ending = conn->next_ending;
        conn->is_ending = false;
        struct effects effects;
        relay_leave(&loop->relay, &conn->seat, &effects);
        conn_out_perform(loop, NULL, &effects);
        if (conn->state == CONN_DEAD && !conn->is_awaited) {
            conn->is_ending = true; /* in `dead`: must not be listed again */
            conn->next_ending = *dead;
            *dead = conn;
        }
    }
}

static void reap_all(struct loop *loop, struct conn **dead)
{
    while (*dead != NULL) {
        struct conn *conn = *dead;
        *dead = conn->next_ending;
        conn->is_ending = false;
        if (conn->is_dirty)
            forget_dirty(loop, conn);
        reap(loop, conn);
    }
}

/* Each connection with new output is flushed once; who fails leaves, which makes new output. */
static void flush_all(struct loop *loop, struct conn **dead)
{
    while (loop->first_dirty != NULL) {
        while (loop->first_dirty != NULL) {
            struct conn *conn = loop->first_dirty;
            loop->first_dirty = conn->next_dirty;
            conn->is_dirty = false;
            if (conn->state != CONN_DEAD)
                conn_out_flush(loop, conn);
        }
        leave_rooms(loop, dead);
    }
}

/* The emptiest loop, when this one has clearly more connections than it; else this one. */
static uint32_t place_for_newcomer(const struct loop *loop)
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

/* A connection begins its life here, or goes on with it after a move. */
static void adopt(struct loop *loop, struct conn *conn)
{
    count_connection(loop, +1);
    if (conn->is_client)
        loop->stats.clients++;
    list_init(&conn->deadline);
    conn->last_alive_ms = loop->now_ms;
    loop_set_deadline(loop, conn, conn->is_client ? DEADLINE_LIVENESS : DEADLINE_REQUEST);
    if (conn->out.length > 0)
        loop_mark_dirty(loop, conn);
    if (!poller_attach(loop->poller, &conn->socket, conn_token(conn)))
        conn_out_abandon(loop, conn);
}

static void accept_connection(struct loop *loop, int fd)
{
    struct conn *conn = conn_table_at(&loop->server->connections, (uint32_t)fd);
    if (conn == NULL || loop->is_stopping) {
        close(fd);
        return;
    }
    conn_begin(conn, fd);
    loop->stats.accepted++;

    uint32_t place = place_for_newcomer(loop);
    if (place == loop->index) {
        adopt(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_MOVING);
    conn->mail.kind = MAIL_CONNECTION;
    mailbox_post(&loop->server->loops[place]->mailbox, &conn->mail);
}

void loop_send_away(struct loop *loop, struct conn *conn, uint32_t target)
{
    assert(conn->state == CONN_MOVING && conn->seat == NULL);
    /* What io_uring will have to wait for; epoll is done at once. */
    bool is_detached = poller_detach(loop->poller, &conn->socket);
    assert(is_detached);
    list_remove(&conn->deadline);
    if (conn->is_dirty)
        forget_dirty(loop, conn);
    conn->is_send_pending = false; /* the new loop tries again */
    count_connection(loop, -1);
    loop->stats.clients--;
    loop->stats.moved++;
    conn->mail.kind = MAIL_CONNECTION;
    mailbox_post(&loop->server->loops[target]->mailbox, &conn->mail);
}

static void say_goodbye(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_OPEN)
        conn_out_close(loop, conn, WS_CLOSE_GOING_AWAY, BYTES("server is stopping"));
    else
        conn_out_finish(loop, conn);
}

static void receive_connection(struct loop *loop, struct conn *conn)
{
    conn_set_state(conn, conn->is_client ? CONN_OPEN : CONN_HTTP);
    adopt(loop, conn);
    if (loop->is_stopping)
        say_goodbye(loop, conn);
    else if (conn->state != CONN_DEAD)
        conn_in_resume(loop, conn);
}

/* Says goodbye to everybody. Every connection is in one of the queues of deadlines. */
static void begin_stopping(struct loop *loop)
{
    loop->is_stopping = true;
    loop->stop_due_ms = loop->now_ms + STOP_TIMEOUT_MS;
    poller_stop_listening(loop->poller, loop->server->listener_fd);
    for (int kind = 0; kind < DEADLINE_FLUSH; kind++) {
        struct list *link = loop->deadlines[kind].next;
        while (link != &loop->deadlines[kind]) {
            struct conn *conn = conn_of_deadline(link);
            link = link->next;
            say_goodbye(loop, conn);
        }
    }
}

static void read_mail(struct loop *loop, struct conn **dead)
{
    for (struct mail *mail = mailbox_take_all(&loop->mailbox); mail != NULL;) {
        struct mail *next = mail->next;
        switch ((enum mail_kind)mail->kind) {
        case MAIL_CONNECTION:
            receive_connection(loop, CONTAINER_OF(mail, struct conn, mail));
            break;
        case MAIL_SNAPSHOT_REQUEST:
            gather_answer(loop, mail);
            break;
        case MAIL_SNAPSHOT_REPLY:
            gather_collect(loop, mail);
            break;
        case MAIL_STOP:
            begin_stopping(loop);
            break;
        }
        leave_rooms(loop, dead);
        mail = next;
    }
}

static void handle_outcome(struct loop *loop, const struct outcome *outcome)
{
    if (outcome->kind == OUTCOME_ACCEPTED) {
        accept_connection(loop, outcome->fd);
        return;
    }
    struct conn *conn = conn_table_at(&loop->server->connections, (uint32_t)outcome->token);
    if (conn == NULL || conn_token(conn) != outcome->token || conn->state == CONN_DEAD)
        return;
    switch (outcome->kind) {
    case OUTCOME_RECEIVED:
        conn_in_received(loop, conn, outcome->data);
        break;
    case OUTCOME_ENDED:
        conn_in_ended(loop, conn);
        break;
    case OUTCOME_SENT:
        conn_out_sent(loop, conn, outcome->sent);
        break;
    case OUTCOME_FAILED:
        conn_out_abandon(loop, conn);
        break;
    case OUTCOME_ACCEPTED:
    case OUTCOME_DETACHED:
    case OUTCOME_WOKEN:
        break;
    }
}

/* Silence for --ping-interval gets a ping, for --idle-timeout the end. */
static void check_liveness(struct loop *loop, struct conn *conn)
{
    uint32_t silence_ms = loop->now_ms - conn->last_alive_ms;
    if (silence_ms >= loop->server->config->idle_timeout_ms) {
        conn_out_abandon(loop, conn);
        return;
    }
    if (silence_ms >= loop->server->config->ping_interval_ms && !conn->is_pinged) {
        conn->is_pinged = true;
        conn_out_control(loop, conn, WS_OPCODE_PING, (struct bytes){0});
    }
    loop_set_deadline(loop, conn, DEADLINE_LIVENESS);
}

static void check_deadlines(struct loop *loop)
{
    int expiries_left = EXPIRIES_PER_TURN;
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        struct list *head = &loop->deadlines[kind];
        while (!list_is_empty(head) && expiries_left-- > 0) {
            struct conn *conn = conn_of_deadline(head->next);
            if ((int32_t)(loop->now_ms - conn->due_ms) < 0)
                break;
            if (kind == DEADLINE_LIVENESS && conn->state == CONN_OPEN) {
                check_liveness(loop, conn);
                continue;
            }
            list_remove(&conn->deadline);
            conn_out_abandon(loop, conn);
        }
    }
}

/* Milliseconds until the first deadline; -1 when there is none. */
static int time_to_wait(const struct loop *loop)
{
    int32_t wait_ms = loop->is_stopping ? (int32_t)(loop->stop_due_ms - loop->now_ms) : INT32_MAX;
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        if (list_is_empty(&loop->deadlines[kind]))
            continue;
        const struct conn *first = conn_of_deadline(loop->deadlines[kind].next);
        int32_t left_ms = (int32_t)(first->due_ms - loop->now_ms);
        if (left_ms < wait_ms)
            wait_ms = left_ms;
    }
    if (wait_ms == INT32_MAX)
        return -1;
    return wait_ms < 0 ? 0 : wait_ms;
}

static void turn(struct loop *loop)
{
    struct conn *dead = NULL;
    struct outcome outcome;
    bool has_mail = false;

    poller_wait(loop->poller, time_to_wait(loop));
    loop->now_ms = clock_now_ms();
    while (poller_next(loop->poller, &outcome)) {
        if (outcome.kind == OUTCOME_WOKEN)
            has_mail = true;
        else
            handle_outcome(loop, &outcome);
        leave_rooms(loop, &dead);
    }
    if (has_mail)
        read_mail(loop, &dead);
    check_deadlines(loop);
    leave_rooms(loop, &dead);
    flush_all(loop, &dead);
    reap_all(loop, &dead);
}

/* Whoever is left when the time to stop is over. */
static void abandon_all(struct loop *loop)
{
    struct conn *dead = NULL;
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        struct list *link;
        while ((link = list_pop_first(&loop->deadlines[kind])) != NULL) {
            struct conn *conn = conn_of_deadline(link);
            conn->is_awaited = false;
            conn_out_abandon(loop, conn);
        }
    }
    leave_rooms(loop, &dead);
    reap_all(loop, &dead);
}

void *loop_run(void *argument)
{
    struct loop *loop = argument;
    for (;;) {
        turn(loop);
        bool is_over = (int32_t)(loop->now_ms - loop->stop_due_ms) >= 0;
        if (loop->is_stopping && (loop->stats.connections == 0 || is_over))
            break;
    }
    abandon_all(loop);
    return NULL;
}
