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
#include "net/socket.h"
#include "server/admission.h"
#include "server/budget.h"
#include "server/conn_in.h"
#include "server/conn_out.h"
#include "server/deadlines.h"
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

void loop_tell_main(const struct loop *loop)
{
    uint64_t one = 1;
    (void)!write(loop->server->news_fd, &one, sizeof one);
}

static bool admit_room(void *context)
{
    struct server *server = ((struct loop *)context)->server;
    unsigned before = atomic_fetch_add_explicit(&server->rooms, 1, memory_order_relaxed);
    if (before < server->config->rooms_max)
        return true;
    atomic_fetch_sub_explicit(&server->rooms, 1, memory_order_relaxed);
    return false;
}

static void dismiss_room(void *context)
{
    struct loop *loop = context;
    atomic_fetch_sub(&loop->server->rooms, 1);
    if (loop->relay.is_draining)
        loop_tell_main(loop); /* the drain may be over */
}

static void init_relay(struct loop *loop)
{
    const struct config *config = loop->server->config;
    relay_init(&loop->relay, &(struct relay_config){
                                 .loop_index = loop->index,
                                 .loop_count = loop->server->loop_count,
                                 .members_max = (uint32_t)config->clients_per_room_max,
                                 .id_bytes_max = (uint32_t)config->client_id_bytes_max,
                                 .random = draw_random,
                                 .admit_room = admit_room,
                                 .dismiss_room = dismiss_room,
                                 .context = loop,
                             });
}

struct loop *loop_new(struct server *server, uint32_t index)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->server = server;
    loop->index = index;
    loop->clock_ms = clock_now_ms();
    loop->now_ms = loop->clock_ms;
    loop->weigh_mail.kind = MAIL_WEIGH;
    loop->shed_mail.kind = MAIL_SHED;
    loop->drain_mail.kind = MAIL_DRAIN;
    loop->stop_mail.kind = MAIL_STOP;
    loop->pool.account = &loop->held;
    loop->is_listening = true;
    deadlines_init(loop);
    init_relay(loop);
    loop->mailbox.wake_fd = -1;
    loop->poller = poller_new();
    if (loop->poller != NULL && mailbox_init(&loop->mailbox) &&
        poller_watch(loop->poller, loop->mailbox.wake_fd) &&
        poller_listen(loop->poller, server->listener_fd))
        return loop;
    loop_free(loop);
    return NULL;
}

/* Frees all that a connection owns, but for its place. */
static void release_contents(struct loop *loop, struct conn *conn)
{
    outbox_clear(&conn->out, &loop->pool);
    tls_session_free(conn->tls);
    conn->tls = NULL;
    conn_drop_input(conn);
    if (conn->is_lost)
        socket_reset_on_close(conn->socket.fd);
}

/* What a connection in the mail holds comes to this loop's account. */
static void enter_account(struct loop *loop, struct conn *conn)
{
    outbox_enter(&conn->out, &loop->pool);
    if (conn->tls != NULL)
        tls_session_set_pool(conn->tls, &loop->pool);
    loop->held += conn_charge(conn);
}

static void drop_mail(struct loop *loop)
{
    for (struct mail *mail = mailbox_take_all(&loop->mailbox); mail != NULL;) {
        struct mail *next = mail->next;
        if (mail->kind == MAIL_SNAPSHOT_REQUEST || mail->kind == MAIL_SNAPSHOT_REPLY)
            gather_drop(mail);
        if (mail->kind == MAIL_CONNECTION) {
            struct conn *conn = CONTAINER_OF(mail, struct conn, mail);
            enter_account(loop, conn);
            admission_left(loop, conn);
            release_contents(loop, conn);
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

void loop_mark_unfinished(struct loop *loop, struct conn *conn)
{
    assert(!conn->is_dirty);
    conn->is_dirty = true;
    conn->next_dirty = loop->first_unfinished;
    loop->first_unfinished = conn;
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
    loop->held -= conn_charge(conn);
    admission_left(loop, conn);
    release_contents(loop, conn);
    if (conn->is_client) {
        conn->is_client = false;
        loop->stats.clients--;
        origins_remove_client(&loop->server->origins, conn->origin);
    }
    count_connection(loop, -1);
    conn_end(conn);
    close(fd);
}

static bool unlink_from(struct conn **at, const struct conn *conn)
{
    while (*at != NULL && *at != conn)
        at = &(*at)->next_dirty;
    if (*at == NULL)
        return false;
    *at = conn->next_dirty;
    return true;
}

/* Takes a connection off the list of those with output, for this turn or the next. */
static void forget_dirty(struct loop *loop, struct conn *conn)
{
    if (!conn->is_dirty)
        return;
    bool was_there =
        unlink_from(&loop->first_dirty, conn) || unlink_from(&loop->first_unfinished, conn);
    assert(was_there);
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
        conn_in_discard(loop, conn);
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
        forget_dirty(loop, conn);
        reap(loop, conn);
    }
}

void loop_end_outcome(struct loop *loop, struct conn **dead)
{
    leave_rooms(loop, dead);
    if (loop->held <= atomic_load_explicit(&loop->leased, memory_order_relaxed))
        return;
    budget_settle(loop);
    leave_rooms(loop, dead); /* of those who were closed to free memory */
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
        loop_end_outcome(loop, dead);
    }
    loop->first_dirty = loop->first_unfinished;
    loop->first_unfinished = NULL;
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
    conn->next_dirty = NULL;
    conn->next_ending = NULL;
    enter_account(loop, conn);
    /* Loops have each their own idea of time. */
    conn->last_alive_ms = loop->now_ms;
    conn->rate_filled_ms = loop->now_ms;
    conn->drained_ms = loop->now_ms;
    if (conn->input != NULL)
        conn->input->since_ms = loop->now_ms;
    loop_set_deadline(loop, conn, conn->is_client ? DEADLINE_LIVENESS : DEADLINE_REQUEST);
    if (conn_waiting(conn) > 0)
        loop_mark_dirty(loop, conn);
    if (!poller_attach(loop->poller, &conn->socket, conn_token(conn)))
        conn_out_abandon(loop, conn);
}

/* The descriptor is closed at once; what is said to the peer is best effort. */
static void refuse_at_once(struct loop *loop, int fd)
{
    struct bytes word = BYTES("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                              "Retry-After: 5\r\nConnection: close\r\n\r\n");
    socket_refuse(fd, loop->server->tls == NULL ? word : (struct bytes){0});
}

static void accept_connection(struct loop *loop, int fd)
{
    struct conn *conn = conn_table_at(&loop->server->connections, (uint32_t)fd);
    if (conn == NULL || loop->is_stopping) {
        refuse_at_once(loop, fd);
        return;
    }
    conn_begin(conn, fd);
    loop->stats.counters[COUNTER_ACCEPTED]++;
    if (!admission_accepted(loop, conn)) {
        admission_left(loop, conn);
        conn_set_state(conn, CONN_DEAD);
        conn_end(conn);
        refuse_at_once(loop, fd);
        return;
    }

    uint32_t place = place_for_newcomer(loop);
    if (place == loop->index) {
        adopt(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_MOVING);
    conn->mail.kind = MAIL_CONNECTION;
    mailbox_post(&loop->server->loops[place]->mailbox, &conn->mail);
}

/* Descriptors or kernel memory are short. Listening goes on a little later. */
static void stop_accepting(struct loop *loop)
{
    loop->stats.counters[COUNTER_ACCEPT_FAILED]++;
    if (!loop->is_listening)
        return;
    poller_stop_listening(loop->poller, loop->server->listener_fd);
    loop->is_listening = false;
    loop->listen_due_ms = loop->now_ms + ACCEPT_RETRY_MS;
}

static void accept_again(struct loop *loop)
{
    bool is_due = (int32_t)(loop->now_ms - loop->listen_due_ms) >= 0;
    if (loop->is_listening || loop->is_stopping || !is_due)
        return;
    loop->is_listening = poller_listen(loop->poller, loop->server->listener_fd);
    loop->listen_due_ms = loop->now_ms + ACCEPT_RETRY_MS;
}

void loop_send_away(struct loop *loop, struct conn *conn)
{
    assert(conn->state == CONN_MOVING && conn->seat == NULL);
    /* What io_uring will have to wait for; epoll is done at once. */
    bool is_detached = poller_detach(loop->poller, &conn->socket);
    assert(is_detached);
    list_remove(&conn->deadline);
    forget_dirty(loop, conn);
    loop->held -= conn_charge(conn);
    outbox_leave(&conn->out, &loop->pool);
    if (conn->tls != NULL)
        tls_session_set_pool(conn->tls, NULL);
    conn->is_send_pending = false; /* the new loop tries again */
    count_connection(loop, -1);
    loop->stats.clients--;
    loop->stats.counters[COUNTER_MOVED]++;
    conn->mail.kind = MAIL_CONNECTION;
    mailbox_post(&loop->server->loops[loop->move_target]->mailbox, &conn->mail);
}

static void say_goodbye(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_DELAYED)
        conn_set_state(conn, CONN_OPEN);
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

static void begin_draining(struct loop *loop)
{
    loop->relay.is_draining = true;
    atomic_fetch_add(&loop->server->draining_loops, 1);
    loop_tell_main(loop);
}

/* Says goodbye to everybody. Every connection is in one of the queues of deadlines. */
static void begin_stopping(struct loop *loop)
{
    loop->is_stopping = true;
    loop->stop_due_ms = loop->now_ms + STOP_TIMEOUT_MS;
    if (loop->is_listening)
        poller_stop_listening(loop->poller, loop->server->listener_fd);
    loop->is_listening = false;
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
        case MAIL_WEIGH:
            budget_weigh(loop);
            break;
        case MAIL_SHED:
            budget_shed(loop);
            break;
        case MAIL_DRAIN:
            begin_draining(loop);
            break;
        case MAIL_STOP:
            begin_stopping(loop);
            break;
        }
        loop_end_outcome(loop, dead);
        mail = next;
    }
}

static void handle_connection(struct loop *loop, const struct outcome *outcome)
{
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
    default:
        break;
    }
}

static void handle_outcome(struct loop *loop, const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_ACCEPTED:
        accept_connection(loop, outcome->fd);
        break;
    case OUTCOME_OVERFLOWED:
        loop->stats.counters[COUNTER_ACCEPT_FAILED]++;
        refuse_at_once(loop, outcome->fd);
        break;
    case OUTCOME_ACCEPT_FAILED:
        stop_accepting(loop);
        break;
    default:
        handle_connection(loop, outcome);
        break;
    }
}

/* Milliseconds that the turn may wait; -1: until something happens. */
static int time_to_wait(const struct loop *loop)
{
    if (loop->first_dirty != NULL)
        return 0;
    int wait_ms = deadlines_wait_ms(loop);
    int32_t due_ms = loop->pool.free_count > 0 ? POOL_TRIM_INTERVAL_MS : INT32_MAX;
    if (loop->is_stopping)
        due_ms = (int32_t)(loop->stop_due_ms - loop->now_ms);
    else if (!loop->is_listening)
        due_ms = (int32_t)(loop->listen_due_ms - loop->now_ms);
    if (due_ms == INT32_MAX || (wait_ms >= 0 && wait_ms <= due_ms))
        return wait_ms;
    return due_ms < 0 ? 0 : due_ms;
}

/*
 * The loop's time goes on with the clock, but for gaps in which the process stood still (stopped,
 * or its machine asleep): what nobody could have read is no silence.
 */
static void advance_time(struct loop *loop, int waited_at_most_ms)
{
    uint32_t clock_ms = clock_now_ms();
    uint32_t elapsed_ms = clock_ms - loop->clock_ms;
    uint32_t most_ms = (uint32_t)waited_at_most_ms + TURN_LONGEST_MS;
    loop->clock_ms = clock_ms;
    loop->now_ms += waited_at_most_ms >= 0 && elapsed_ms > most_ms ? most_ms : elapsed_ms;
}

static void trim_memory(struct loop *loop)
{
    if (loop->now_ms - loop->trimmed_ms < POOL_TRIM_INTERVAL_MS)
        return;
    loop->trimmed_ms = loop->now_ms;
    outbox_pool_trim(&loop->pool);
}

static void turn(struct loop *loop)
{
    struct conn *dead = NULL;
    struct outcome outcome;
    bool has_mail = false;
    int wait_ms = time_to_wait(loop);

    poller_wait(loop->poller, wait_ms);
    advance_time(loop, wait_ms);
    deadlines_begin_turn(loop, &dead);
    while (poller_next(loop->poller, &outcome)) {
        if (outcome.kind == OUTCOME_WOKEN)
            has_mail = true;
        else
            handle_outcome(loop, &outcome);
        loop_end_outcome(loop, &dead);
    }
    if (has_mail)
        read_mail(loop, &dead);
    deadlines_check(loop);
    accept_again(loop);
    loop_end_outcome(loop, &dead);
    flush_all(loop, &dead);
    reap_all(loop, &dead);
    budget_settle(loop);
    trim_memory(loop);
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
