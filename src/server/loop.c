/*
 * The turn: wait, handle what happened, read mail, look at deadlines, flush, free. Rooms are left
 * after each thing that was handled, never within it.
 */
#include "server/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/sandbox.h"
#include "server/admission.h"
#include "server/budget.h"
#include "server/conn_in.h"
#include "server/conn_out.h"
#include "server/deadlines.h"
#include "server/drain.h"
#include "server/eviction.h"
#include "server/handover.h"
#include "server/http/gather.h"

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

static bool admit_room(void *context, uint32_t client, struct maker **ret_maker)
{
    struct loop *loop = context;
    struct server *server = loop->server;
    struct address address;
    unsigned before = atomic_fetch_add_explicit(&server->rooms, 1, memory_order_relaxed);
    if (before >= server->config->rooms_max) {
        atomic_fetch_sub_explicit(&server->rooms, 1, memory_order_relaxed);
        return false;
    }
    *ret_maker = NULL;
    if (admission_address_of(loop, conn_table_at(&server->connections, client), &address))
        *ret_maker = makers_enter(&server->makers, address);
    return true;
}

static void dismiss_room(void *context, struct maker *maker)
{
    struct loop *loop = context;
    atomic_fetch_sub_explicit(&loop->server->rooms, 1, memory_order_relaxed);
    makers_leave(&loop->server->makers, maker);
    drain_note_end(loop);
}

static void room_deserted(void *context, struct room *room)
{
    struct loop *loop = context;
    struct server *server = loop->server;
    uint32_t target;
    room->kept->vacancy.loop = loop->index;
    drain_note_end(loop);
    if (!makers_add_vacancy(&server->makers, room->maker, &room->kept->vacancy, &target))
        return;
    struct loop *owner = server->loops[target];
    if (!atomic_exchange(&owner->vacant_mail_is_posted, true))
        mailbox_post(&owner->mailbox, &owner->vacant_mail);
}

static void room_occupied(void *context, struct room *room)
{
    struct loop *loop = context;
    makers_remove_vacancy(&loop->server->makers, room->maker, &room->kept->vacancy);
}

static bool admit_bytes(void *context, struct maker *maker, size_t count, bool is_certain)
{
    struct server *server = ((struct loop *)context)->server;
    size_t most = server->kept_max / KEPT_PARTS_OF_MAKER;
    size_t before = atomic_fetch_add_explicit(&server->kept, count, memory_order_relaxed);
    /* One maker has many rooms: what is certain for them leaves the second half to the others. */
    if (is_certain && before + count <= server->kept_max / 2)
        most = SIZE_MAX;
    if (before + count <= server->kept_max && makers_admit_bytes(maker, count, most))
        return true;
    atomic_fetch_sub_explicit(&server->kept, count, memory_order_relaxed);
    return false;
}

static void dismiss_bytes(void *context, struct maker *maker, size_t count)
{
    struct server *server = ((struct loop *)context)->server;
    atomic_fetch_sub_explicit(&server->kept, count, memory_order_relaxed);
    makers_dismiss_bytes(maker, count);
}

static bool may_tell(void *context, uint32_t client, bool is_found)
{
    struct loop *loop = context;
    struct conn *conn = conn_table_at(&loop->server->connections, client);
    return admission_may_tell_joiner(loop, conn, is_found);
}

static bool may_bring(void *context, uint32_t client, const struct room *room)
{
    struct loop *loop = context;
    struct address address;
    const struct conn *conn = conn_table_at(&loop->server->connections, client);
    if (!admission_address_of(loop, conn, &address) || address_is_private(address))
        return true;
    return newcomers_admit(&loop->newcomers, room->code, room->members_max, address, loop->now_ms);
}

static void init_relay(struct loop *loop)
{
    const struct config *config = loop->server->config;
    relay_init(&loop->relay, &(struct relay_config){
                                 .loop_index = loop->index,
                                 .loop_count = loop->server->loop_count,
                                 .members_max = (uint32_t)config->clients_per_room_max,
                                 .id_bytes_max = (uint32_t)config->client_id_bytes_max,
                                 .host_grace_ms = (uint32_t)config->host_grace_ms,
                                 .empty_room_grace_ms = (uint32_t)config->empty_room_grace_ms,
                                 .proof_ms = (uint32_t)config->origin_proof_ms,
                                 .instance = config_instance(config),
                                 .crowds = loop->crowds,
                                 .random = draw_random,
                                 .admit_room = admit_room,
                                 .dismiss_room = dismiss_room,
                                 .room_deserted = room_deserted,
                                 .room_occupied = room_occupied,
                                 .admit_bytes = admit_bytes,
                                 .dismiss_bytes = dismiss_bytes,
                                 .may_tell = may_tell,
                                 .may_bring = may_bring,
                                 .context = loop,
                             });
    loop->relay.now_ms = loop->now_ms;
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
    history_begin(&loop->history, clock_now_ns());
    loop->weigh_mail.kind = MAIL_WEIGH;
    loop->shed_mail.kind = MAIL_SHED;
    loop->evict_mail.kind = MAIL_EVICT;
    loop->drain_mail.kind = MAIL_DRAIN;
    loop->stop_mail.kind = MAIL_STOP;
    loop->vacant_mail.kind = MAIL_VACANT;
    loop->pool.account = &loop->held;
    loop->is_listening = true;
    deadlines_init(loop);
    init_relay(loop);
    loop->mailbox.wake_fd = -1;
    loop->poller = poller_new(server->poller);
    if (loop->poller != NULL && !server->config->is_free && !poller_restrict(loop->poller))
        fprintf(stderr, "party-sockets: the kernel does not restrict the rings of io_uring: %s\n",
                strerror(errno));
    if (newcomers_init(&loop->newcomers) && loop->poller != NULL && mailbox_init(&loop->mailbox) &&
        poller_watch(loop->poller, loop->mailbox.wake_fd) &&
        poller_listen(loop->poller, server->listener_fd))
        return loop;
    loop_free(loop);
    return NULL;
}

static void drop_mail(struct loop *loop, struct mail *mail)
{
    while (mail != NULL) {
        struct mail *next = mail->next;
        if (mail->kind == MAIL_SNAPSHOT_REQUEST || mail->kind == MAIL_SNAPSHOT_REPLY)
            gather_drop(mail);
        if (mail->kind == MAIL_CONNECTION)
            handover_drop(loop, CONTAINER_OF(mail, struct conn, mail));
        mail = next;
    }
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->mailbox.wake_fd >= 0) {
        drop_mail(loop, loop->unread_mail);
        drop_mail(loop, mailbox_take_all(&loop->mailbox));
        mailbox_release(&loop->mailbox);
    }
    poller_free(loop->poller);
    relay_release(&loop->relay);
    keeping_release(&loop->keeping);
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

static bool unlink_from(struct conn **at, const struct conn *conn)
{
    while (*at != NULL && *at != conn)
        at = &(*at)->next_dirty;
    if (*at == NULL)
        return false;
    *at = conn->next_dirty;
    return true;
}

void loop_forget_dirty(struct loop *loop, struct conn *conn)
{
    if (!conn->is_dirty)
        return;
    bool was_there =
        unlink_from(&loop->first_dirty, conn) || unlink_from(&loop->first_unfinished, conn);
    assert(was_there);
    conn->is_dirty = false;
}

bool loop_look_at_clock(struct loop *loop)
{
    if (loop->work >= loop->phase_end)
        return true;
    uint64_t now_ns = clock_now_ns();
    if (loop->phase_end_ns == 0)
        loop->phase_end_ns = now_ns + PHASE_NS;
    if (now_ns >= loop->phase_end_ns)
        return true;
    loop->look_at = loop->work + WORK_PER_LOOK;
    return false;
}

/*
 * Those who closed or failed leave their rooms. Telling the others may make more of them fail;
 * they join the list and have their turn, or the next one when that is too much work for one. The
 * dead are kept in `first_dead`, linked by next_ending, until they are reaped.
 */
static void leave_rooms(struct loop *loop)
{
    while (loop->first_ending != NULL && !loop_phase_is_over(loop)) {
        struct conn *conn = loop->first_ending;
        loop->first_ending = conn->next_ending;
        conn->is_ending = false;
        struct effects effects;
        relay_leave(&loop->relay, &conn->seat,
                    conn->said_farewell ? DEPARTURE_FAREWELL : DEPARTURE_CUT_OFF, &effects);
        conn_out_perform(loop, NULL, &effects);
        admission_seat_changed(loop, conn);
        conn_in_discard(loop, conn);
        if (conn->state == CONN_DEAD && !conn->is_awaited) {
            conn->is_ending = true; /* must not be listed again */
            conn->next_ending = loop->first_dead;
            loop->first_dead = conn;
        }
    }
}

/* Frees the dead, until that has freed so much that the rest is for the next turn. */
static void reap_some(struct loop *loop, size_t bytes_most)
{
    size_t freed = 0;
    while (loop->first_dead != NULL && freed < bytes_most) {
        struct conn *conn = loop->first_dead;
        loop->first_dead = conn->next_ending;
        conn->is_ending = false;
        freed += conn_waiting(conn);
        loop_forget_dirty(loop, conn);
        handover_reap(loop, conn);
    }
}

void loop_end_outcome(struct loop *loop)
{
    leave_rooms(loop);
    if (loop->held <= atomic_load_explicit(&loop->leased, memory_order_relaxed))
        return;
    budget_settle(loop);
    leave_rooms(loop); /* of those who were closed to free memory */
}

/* Each connection with new output is flushed once; who fails leaves, which makes new output. */
static void flush_all(struct loop *loop)
{
    do {
        while (loop->first_dirty != NULL) {
            struct conn *conn = loop->first_dirty;
            loop->first_dirty = conn->next_dirty;
            conn->is_dirty = false;
            if (conn->state != CONN_DEAD && conn->state != CONN_MOVING)
                conn_out_flush(loop, conn);
        }
        loop_end_outcome(loop);
    } while (loop->first_dirty != NULL && !loop_phase_is_over(loop));
    while (loop->first_unfinished != NULL) {
        struct conn *conn = loop->first_unfinished;
        loop->first_unfinished = conn->next_dirty;
        conn->next_dirty = loop->first_dirty;
        loop->first_dirty = conn;
    }
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

static void say_goodbye(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_DELAYED) {
        admission_stop_waiting(loop, conn);
        conn_set_state(conn, CONN_OPEN);
    }
    if (conn->state == CONN_OPEN) {
        loop->stats.counters[COUNTER_GOING_AWAY]++;
        conn_out_close(loop, conn, WS_CLOSE_GOING_AWAY, BYTES("server is stopping"));
    } else {
        conn_out_finish(loop, conn);
    }
}

static void receive_connection(struct loop *loop, struct conn *conn)
{
    handover_receive(loop, conn);
    if (loop->is_stopping)
        say_goodbye(loop, conn);
    else if (conn->state != CONN_DEAD)
        conn_in_resume(loop, conn);
}

/* Those that are too many for the next phase are asked for again. */
static void end_vacant_rooms(struct loop *loop)
{
    struct server *server = loop->server;
    struct effects effects;
    struct vacancy *vacancy;
    atomic_store(&loop->vacant_mail_is_posted, false);
    while (!loop_phase_is_over(loop) &&
           (vacancy = makers_take_over(&server->makers, loop->index)) != NULL) {
        struct keepings *kept = CONTAINER_OF(vacancy, struct keepings, vacancy);
        relay_end_deserted(&loop->relay, kept->room, &effects);
        conn_out_perform(loop, NULL, &effects);
        loop->work++;
    }
    if (loop_phase_is_over(loop) && !atomic_exchange(&loop->vacant_mail_is_posted, true))
        mailbox_post(&loop->mailbox, &loop->vacant_mail);
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

static void read_one_mail(struct loop *loop, struct mail *mail)
{
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
    case MAIL_EVICT:
        eviction_close_some(loop);
        break;
    case MAIL_DRAIN:
        drain_begin(loop);
        break;
    case MAIL_STOP:
        begin_stopping(loop);
        break;
    case MAIL_VACANT:
        end_vacant_rooms(loop);
        break;
    }
}

/* In the order in which it came; what is too much for one turn is for the next. */
static void read_mail(struct loop *loop)
{
    bool is_taken = false; /* what comes from then on will be told */
    while (loop->mail_is_due && !loop_phase_is_over(loop)) {
        if (loop->unread_mail == NULL) {
            loop->mail_is_due = !is_taken;
            is_taken = true;
            loop->unread_mail = loop->mail_is_due ? mailbox_take_all(&loop->mailbox) : NULL;
            continue;
        }
        struct mail *mail = loop->unread_mail;
        loop->unread_mail = mail->next;
        read_one_mail(loop, mail);
        loop_end_outcome(loop);
    }
}

static void handle_connection(struct loop *loop, const struct outcome *outcome)
{
    struct conn *conn = conn_of_socket(outcome->socket);
    assert(conn->loop == loop->index);
    if (conn->state == CONN_DEAD)
        return;
    switch (outcome->kind) {
    case OUTCOME_RECEIVED:
        conn_in_received(loop, conn, outcome->data);
        break;
    case OUTCOME_ENDED:
        conn_in_ended(loop, conn);
        break;
    case OUTCOME_SENT:
        conn_out_sent(loop, conn, outcome->sent, outcome->is_full);
        break;
    case OUTCOME_WRITABLE:
        conn_out_writable(loop, conn);
        break;
    case OUTCOME_FAILED:
        conn_out_lose_peer(loop, conn);
        break;
    default:
        break;
    }
}

/* The poller is done with a connection that was to go, to another loop or for ever. */
static void handle_detached(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_MOVING)
        handover_send(loop, conn);
    else if (conn->state == CONN_DEAD && !conn->is_ending)
        handover_reap(loop, conn);
}

static void handle_outcome(struct loop *loop, const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_ACCEPTED:
        handover_accept(loop, outcome->fd);
        break;
    case OUTCOME_OVERFLOWED:
        loop->stats.counters[COUNTER_ACCEPT_FAILED]++;
        handover_refuse(loop, outcome->fd);
        break;
    case OUTCOME_ACCEPT_FAILED:
        stop_accepting(loop);
        break;
    case OUTCOME_DETACHED:
        handle_detached(loop, conn_of_socket(outcome->socket));
        break;
    default:
        handle_connection(loop, outcome);
        break;
    }
}

/* Milliseconds that the turn may wait; -1: until something happens. */
static int time_to_wait(const struct loop *loop)
{
    if (loop->first_dirty != NULL || loop->first_ending != NULL || loop->first_dead != NULL ||
        loop->mail_is_due)
        return 0;
    int wait_ms = deadlines_wait_ms(loop);
    int drain_ms = drain_wait_ms(loop);
    if (drain_ms >= 0 && (wait_ms < 0 || drain_ms < wait_ms))
        wait_ms = drain_ms;
    int handshakes_ms = handshakes_wait_ms(loop);
    if (handshakes_ms >= 0 && (wait_ms < 0 || handshakes_ms < wait_ms))
        wait_ms = handshakes_ms;
    bool must_trim = outbox_pool_keeps_any(&loop->pool) || keeping_has_any(loop);
    int32_t due_ms = must_trim ? POOL_TRIM_INTERVAL_MS : INT32_MAX;
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
static void advance_time(struct loop *loop, uint64_t now_ns, int waited_at_most_ms)
{
    uint32_t clock_ms = (uint32_t)(now_ns / 1000000);
    uint32_t elapsed_ms = clock_ms - loop->clock_ms;
    uint32_t most_ms = (uint32_t)waited_at_most_ms + TURN_LONGEST_MS;
    loop->clock_ms = clock_ms;
    loop->now_ms += waited_at_most_ms >= 0 && elapsed_ms > most_ms ? most_ms : elapsed_ms;
    loop->relay.now_ms = loop->now_ms;
}

static void advance_history(struct loop *loop, uint64_t now_ns)
{
    if (!history_is_due(&loop->history, now_ns))
        return;
    const struct history_state state = {
        .rooms = loop->relay.rooms.room_count,
        .clients = (uint32_t)loop->stats.clients,
        .messages = loop->stats.counters[COUNTER_MESSAGES_IN],
        .deliveries = loop->stats.counters[COUNTER_DELIVERIES],
    };
    history_advance(&loop->history, now_ns, &state);
}

static void trim_memory(struct loop *loop)
{
    if (loop->now_ms - loop->trimmed_ms < POOL_TRIM_INTERVAL_MS)
        return;
    loop->trimmed_ms = loop->now_ms;
    outbox_pool_trim(&loop->pool);
    keeping_forget_old(loop);
}

static void turn(struct loop *loop)
{
    struct outcome outcome;

    loop->share_owner = NULL;
    loop_begin_phase(loop);
    deadlines_begin_turn(loop);
    int wait_ms = time_to_wait(loop);
    poller_wait(loop->poller, wait_ms);
    uint64_t began_ns = clock_now_ns();
    advance_time(loop, began_ns, wait_ms);
    advance_history(loop, began_ns);
    loop_begin_phase(loop);
    while (!loop_phase_is_over(loop) && poller_next(loop->poller, &outcome)) {
        if (outcome.kind == OUTCOME_WOKEN)
            loop->mail_is_due = true;
        else
            handle_outcome(loop, &outcome);
        loop_end_outcome(loop);
    }
    if (loop_phase_is_over(loop))
        loop->mail_is_due = true; /* it may have come before the news of it */
    loop_begin_phase(loop);
    read_mail(loop);
    loop_begin_phase(loop);
    deadlines_check(loop);
    drain_check(loop);
    accept_again(loop);
    loop_end_outcome(loop);
    handshakes_serve(loop);
    loop_begin_phase(loop);
    flush_all(loop);
    reap_some(loop, REAPED_BYTES_PER_TURN);
    budget_settle(loop);
    trim_memory(loop);
    stats_count_turn(&loop->stats, clock_now_ns() - began_ns);
}

/* Whoever is left when the time to stop is over. */
static void abandon_all(struct loop *loop)
{
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        struct list *link;
        while ((link = list_pop_first(&loop->deadlines[kind])) != NULL) {
            struct conn *conn = conn_of_deadline(link);
            if (conn->state == CONN_LINGERING)
                conn_out_end(loop, conn); /* the kernel goes on sending what it has */
            else
                conn_out_abandon(loop, conn);
            conn->is_awaited = false;
        }
    }
    while (loop->first_ending != NULL) {
        loop_begin_phase(loop);
        leave_rooms(loop);
    }
    reap_some(loop, SIZE_MAX);
}

static bool is_seen_off(struct loop *loop)
{
    return loop->stats.connections == 0 && !poller_is_accepting(loop->poller);
}

/*
 * The kernel lets go of what the dead have in it, and of the listener; no news but that matters any
 * more. What a ring still had when the process ends would go on for some milliseconds.
 */
static void see_off_all(struct loop *loop)
{
    struct outcome outcome;
    for (int turns = 0; !is_seen_off(loop) && turns < DETACHING_TURNS_MAX; turns++) {
        poller_wait(loop->poller, DETACHING_WAIT_MS);
        while (poller_next(loop->poller, &outcome)) {
            if (outcome.kind == OUTCOME_DETACHED)
                handle_detached(loop, conn_of_socket(outcome.socket));
            else if (outcome.kind == OUTCOME_ACCEPTED || outcome.kind == OUTCOME_OVERFLOWED)
                handover_refuse(loop, outcome.fd);
        }
    }
}

/* What is not needed from here on. The main thread keeps it: certificates, names. */
static void give_up_rights(struct loop *loop)
{
    if (loop->server->config->is_free || sandbox_enter())
        return;
    if (!atomic_exchange(&loop->server->lack_of_sandbox_is_told, true))
        fprintf(stderr,
                "party-sockets: there is no sandbox, since the kernel does not allow it: %s\n",
                strerror(errno));
}

void *loop_run(void *argument)
{
    struct loop *loop = argument;
    poller_start(loop->poller);
    give_up_rights(loop);
    for (;;) {
        turn(loop);
        bool is_over = (int32_t)(loop->now_ms - loop->stop_due_ms) >= 0;
        if (loop->is_stopping && (loop->stats.connections == 0 || is_over))
            break;
    }
    abandon_all(loop);
    see_off_all(loop);
    return NULL;
}
