/*
 * Loops have their turns in an order that the seed draws; the clock goes on when none is due. In
 * some seeds a loop that gets mail has its turn in the middle of the sender's, as another thread
 * may: what was sent is no longer the sender's.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"
#include "clients.h"
#include "disk.h"
#include "keys.h"
#include "network.h"
#include "owners.h"
#include "refusals.h"
#include "secrets.h"
#include "server/conn_life.h"
#include "server/handover.h"
#include "server/hold.h"
#include "server/mail.h"
#include "server/records.h"
#include "server/server.h"
#include "server/stopping.h"
#include "server/turn.h"
#include "store/store.h"
#include "support/forget_server.h"

#define DESCRIPTORS 2048
#define REFUSED_AMONG 200 /* allocations: some seconds of them */
#define SLEEP_MAX_NS (50 * NETWORK_MS)
#define RECENT_NS NETWORK_S
#define STOPPING_NS (3 * NETWORK_S)
#define SUBNETS_MAX 65536
#define UPGRADES_NS (4 * NETWORK_S)     /* between two, at most */
#define HOLDING_NS (NETWORK_S / 4)      /* until the last loop holds still, at most */
#define RESTARTS_NS (20 * NETWORK_S)    /* between two, at most; */
#define SOON_NS NETWORK_S               /* some come as soon as this */
#define RESTARTED_NS (2 * NETWORK_S)    /* until a server is there again, at most */
#define UNWRITTEN_NS (400 * NETWORK_MS) /* RECORDS_INTERVAL_MS, and that loops wait for a core */
#define GOES_ON_NS (500 * NETWORK_MS)   /* while the engine writes */
#define WRITING_NS (20 * NETWORK_S)     /* until all is written, when the disk works */
#define OPENING_NS (30 * NETWORK_S)     /* until slices are served, and loops have codes */
#define HOLD_LEAST_S 20                 /* that players of protocol 3 ask for */

/* A process, and its loops. */
struct node {
    struct server server;
    struct peers peers;
    uint64_t due_ns[LOOPS_MAX]; /* by the network's clock: a turn even if nothing happens */
    uint64_t sleeps_until_ns[LOOPS_MAX]; /* its thread has no core */
    bool is_in_turn[LOOPS_MAX];
    bool is_dead;
};

static struct {
    struct config config;
    struct node nodes[WORLD_NODES_MAX]; /* one, unless they are a cluster */
    uint32_t node_count;
    bool lacks_cores;
    bool hurries; /* who gets mail has its turn at once, now and then */
    bool is_traced;
    uint64_t stands_still_ns; /* when everything does so next */
    uint64_t stood_still_ns;  /* so far */
    uint64_t refuses_ns;      /* when memory will be refused next */
    bool has_refused_memory;  /* then no client broke the protocol: there are no scenes */
    uint64_t gap_ns;          /* the last time, */
    uint64_t gap_ended_ns;    /* and when that was, by the world's clock */
    uint64_t upgrades_ns;     /* when the server replaces itself next */
    bool is_upgrading;        /* its loops come to rest, */
    bool is_holding;          /* and then hold still */
    uint64_t upgraded_ns;     /* when it did so last: what had not been written before is then */
    uint64_t restarts_ns;     /* when the server crashes or is stopped next */
    bool is_stopping;         /* a planned stop is under way */
    bool is_writing;          /* the store's thread does, while the loops go on */
    bool is_marked;           /* the store knows that the server uses it */
    uint64_t writes_ns;       /* when the store tries again, after a failure */
    uint64_t retry_ns;        /* and how long it waits after the next one */
    uint64_t full_ns;         /* when the server last had as many rooms as it may, after a turn */
    bool has_link_faults;
    uint64_t turns;
} world;

/* The only one where there is no cluster, and so no other that is upgraded, or stopped. */
static struct node *const first = &world.nodes[0];

_Noreturn void world_fail(const char *sentence, unsigned long long number)
{
    fflush(stdout);
    fprintf(stderr, "%s: %llu\n", sentence, number);
    abort();
}

PRINTF_LIKE(1, 2) static void trace(const char *format, ...)
{
    if (!world.is_traced)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%12.6f world      ", (double)network_now_ns() / 1e9);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

const struct config *world_config(void)
{
    return &world.config;
}

uint64_t world_now_ns(void)
{
    return network_now_ns() - world.stood_still_ns;
}

uint64_t world_stood_still_ns(void)
{
    return world.stood_still_ns;
}

uint64_t world_stood_still_before_ns(void)
{
    bool is_recent = world.gap_ns > 0 && world_now_ns() - world.gap_ended_ns < RECENT_NS;
    return world.stood_still_ns - (is_recent ? world.gap_ns : 0);
}

static bool is_full_of_rooms(void)
{
    bool is_full = false;
    for (uint32_t i = 0; i < world.node_count; i++) {
        const struct server *server = &world.nodes[i].server;
        unsigned rooms = atomic_load_explicit(&server->rooms, memory_order_relaxed);
        is_full = is_full || rooms >= world.config.rooms_max;
    }
    return is_full;
}

uint64_t world_full_ns(void)
{
    return is_full_of_rooms() ? network_now_ns() : world.full_ns;
}

uint64_t world_turns(void)
{
    return world.turns;
}

static void take_turn(struct node *node, uint32_t index)
{
    struct loop *loop = node->server.loops[index];
    uint64_t refusals_before = refusals_count();
    node->is_in_turn[index] = true;
    refusals_enter_turn();
    turn_take(loop);
    refusals_leave_turn();
    node->is_in_turn[index] = false;
    if (refusals_count() != refusals_before)
        trace("has refused memory to loop %u", index);
    world.turns++;
    world.full_ns = world_full_ns();
    if (loop->is_held)
        hold_still(loop); /* and its thread waits for the others */
    int wait_ms = turn_wait_ms(loop);
    node->due_ns[index] =
        wait_ms < 0 ? UINT64_MAX : network_now_ns() + (uint64_t)wait_ms * NETWORK_MS;
    if (world.lacks_cores && network_once_in(50))
        node->sleeps_until_ns[index] = network_now_ns() + network_random() % SLEEP_MAX_NS;
}

/* As loop_thread_run() ends, or waits for the other loops that hold still. */
static bool has_ended(const struct loop *loop)
{
    if (loop->is_held)
        return true;
    bool is_over = (int32_t)(loop->now_ms - loop->stop_due_ms) >= 0;
    return loop->is_stopping && (loop->stats.connections == 0 || is_over);
}

static bool is_in_a_turn(const struct node *node)
{
    bool is_in = false;
    for (uint32_t i = 0; i < node->server.loop_count; i++)
        is_in |= node->is_in_turn[i];
    return is_in;
}

/* Somebody is woken by mail: in the middle of the sender's turn it may have its own. */
static void wake_loop_of(struct node *node, int wake_fd)
{
    if (!is_in_a_turn(node))
        return;
    for (uint32_t i = 0; i < node->server.loop_count; i++) {
        const struct loop *loop = node->server.loops[i];
        bool may_run = !node->is_in_turn[i] && node->sleeps_until_ns[i] <= network_now_ns();
        if (loop->mailbox.wake_fd != wake_fd || !may_run || has_ended(loop) || !network_once_in(2))
            continue;
        take_turn(node, i);
        refusals_enter_turn(); /* the sender's goes on */
    }
}

static void wake(int wake_fd)
{
    for (uint32_t i = 0; world.hurries && i < world.node_count; i++)
        wake_loop_of(&world.nodes[i], wake_fd);
}

/* Whether a loop has something to do, and may do it. */
static bool is_due(const struct node *node, uint32_t index)
{
    const struct loop *loop = node->server.loops[index];
    uint64_t now_ns = network_now_ns();
    bool has_work = network_poller_is_due(loop->poller) || node->due_ns[index] <= now_ns;
    return has_work && node->sleeps_until_ns[index] <= now_ns && !has_ended(loop);
}

/* One loop that has something to do, drawn from all that have; false: there is none. */
static bool run_one_loop(void)
{
    struct {
        struct node *node;
        uint32_t index;
    } due[WORLD_NODES_MAX * WORLD_LOOPS_MAX];
    uint32_t count = 0;
    for (uint32_t n = 0; n < world.node_count; n++) {
        struct node *node = &world.nodes[n];
        for (uint32_t i = 0; i < node->server.loop_count; i++) {
            if (!is_due(node, i))
                continue;
            due[count].node = node;
            due[count++].index = i;
        }
    }
    if (count == 0)
        return false;
    uint32_t drawn = network_below(count);
    take_turn(due[drawn].node, due[drawn].index);
    return true;
}

/* When the next loop has something to do by itself. */
static uint64_t next_turn_ns(void)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t n = 0; n < world.node_count; n++) {
        const struct node *node = &world.nodes[n];
        for (uint32_t i = 0; i < node->server.loop_count; i++) {
            bool sleeps = node->sleeps_until_ns[i] > network_now_ns();
            uint64_t at_ns = sleeps ? node->sleeps_until_ns[i] : node->due_ns[i];
            if (!has_ended(node->server.loops[i]) && at_ns < next_ns)
                next_ns = at_ns;
        }
    }
    return next_ns;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The process is stopped, or its machine sleeps: nobody could have been heard meanwhile. */
static void stand_still(void)
{
    uint64_t for_ns = NETWORK_S + network_random() % (20 * NETWORK_S);
    trace("stands still for %.6f s", (double)for_ns / 1e9);
    world.stands_still_ns = network_now_ns() + 5 * NETWORK_S + network_random() % (60 * NETWORK_S);
    network_advance(network_now_ns() + for_ns);
    world.stands_still_ns += for_ns;
    world.stood_still_ns += for_ns;
    world.gap_ns = for_ns;
    world.gap_ended_ns = world_now_ns();
    clients_stand_still(for_ns);
}

static void append(struct buf *text, struct bytes part)
{
    if (buf_append(text, part) != BUF_OK)
        world_fail("no memory for a handover", part.length);
}

/* The parts of all loops, behind the first line; to be released. */
static struct buf handover_of(const struct server *server)
{
    const struct handover_header header = {.listener_fd = server->listener_fd, .admin_fd = -1};
    uint8_t first_line[256];
    struct writer writer = writer_over(first_line, sizeof first_line);
    struct buf text;
    buf_init(&text, HANDOVER_BYTES_MAX);
    handover_write_header(&writer, &header);
    append(&text, writer_view(&writer));
    for (uint32_t i = 0; i < server->loop_count; i++) {
        if (server->loops[i]->part_failed)
            world_fail("a loop can't write its part of the handover", i);
        append(&text, buf_view(&server->loops[i]->part));
    }
    return text;
}

static void restore(struct server *server, struct bytes text, bool is_rehearsal)
{
    char why[HANDOVER_WHY_MAX] = "the server does not start";
    struct handover_counts counts;
    if (!server_init(server, DESCRIPTORS) ||
        !handover_restore(server, text, is_rehearsal, &counts, why)) {
        (void)fwrite(text.data, 1, text.length, stdout);
        world_fail(why, is_rehearsal);
    }
    trace("%s %u rooms and %u connections on %u loops", is_rehearsal ? "rehearses" : "takes over",
          counts.rooms, counts.connections, server->loop_count);
}

/* Another server in the place of this one, of the same options. */
static struct server successor(bool is_rehearsal)
{
    return (struct server){
        .config = &world.config,
        .kernel = &network_kernel,
        .tls = first->server.tls,
        .admin_fd = -1,
        .listener_fd = is_rehearsal ? -1 : first->server.listener_fd,
        .news_fd = first->server.news_fd,
        .poller = network_once_in(2) ? POLLER_EPOLL : POLLER_IO_URING,
    };
}

/* In the middle of everything; nothing comes of it. */
static void rehearse(void)
{
    struct server rehearsal = successor(true);
    for (uint32_t i = 0; i < first->server.loop_count; i++) {
        struct loop *loop = first->server.loops[i];
        buf_init(&loop->part, HANDOVER_BYTES_MAX);
        loop->part_failed = !handover_write(loop, false, &loop->part);
    }
    struct buf text = handover_of(&first->server);
    for (uint32_t i = 0; i < first->server.loop_count; i++)
        buf_release(&first->server.loops[i]->part);
    restore(&rehearsal, buf_view(&text), true);
    buf_release(&text);
    forget_server(&rehearsal);
}

static void post_to_all(struct mail *(*mail_of)(struct loop *loop))
{
    for (uint32_t i = 0; i < first->server.loop_count; i++)
        mailbox_post(&first->server.loops[i]->mailbox, mail_of(first->server.loops[i]));
}

static struct mail *rest_mail(struct loop *loop)
{
    return &loop->rest_mail;
}

static struct mail *hold_mail(struct loop *loop)
{
    return &loop->hold_mail;
}

static void begin_upgrade(void)
{
    trace("will replace itself");
    world.upgrades_ns = UINT64_MAX;
    world.is_upgrading = true;
    rehearse();
    atomic_store(&first->server.restless_loops, first->server.loop_count);
    post_to_all(rest_mail);
}

static bool are_all_held(void)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < first->server.loop_count; i++)
        held += first->server.loops[i]->is_held;
    return held == first->server.loop_count;
}

/* When the disk fails, and when it works again. */
static void tell(const char *why)
{
    trace("the store %s", why == NULL ? "works again" : why);
}

/* The process is gone, and what its store had not written. */
static void forget_store(struct server *server)
{
    disk_unplug();
    (void)store_stop(server->store, false, 0);
    server->store = NULL;
}

/* Returns whether the store could be marked as in use. */
static bool load_records(bool has_rooms)
{
    struct server *server = &first->server;
    struct store_status status;
    uint32_t rooms = 0;
    if (has_rooms ? !records_take_over(server, disk_open())
                  : !records_load(server, disk_open(), &rooms))
        world_fail("no memory for a store", 0);
    store_drive(server->store, tell);
    world.writes_ns = 0;
    world.retry_ns = STORE_RETRY_LEAST_MS * NETWORK_MS;
    store_get_status(server->store, &status);
    world.is_marked = has_rooms ? world.is_marked : !status.is_failing;
    trace("restores %u rooms on %u loops", rooms, server->loop_count);
    return world.is_marked;
}

/* All loops hold still: the next server has everything from here on. */
static void replace_server(void)
{
    for (uint32_t i = 0; i < first->server.loop_count; i++)
        hold_write(first->server.loops[i]);
    struct buf text = handover_of(&first->server);
    struct server next = successor(false);
    bool has_store = first->server.store != NULL;
    if (has_store)
        forget_store(&first->server);
    forget_server(&first->server);
    world.config.loops = 1 + network_below(WORLD_LOOPS_MAX);
    first->server = next;
    memset(first->due_ns, 0, sizeof first->due_ns);
    memset(first->sleeps_until_ns, 0, sizeof first->sleeps_until_ns);
    restore(&first->server, buf_view(&text), false);
    buf_release(&text);
    if (has_store)
        (void)load_records(true);
    for (uint32_t i = 0; i < first->server.loop_count; i++)
        conn_life_attach_all(first->server.loops[i]);
    world.is_upgrading = false;
    world.upgraded_ns = network_now_ns();
    world.upgrades_ns = network_now_ns() + network_random() % UPGRADES_NS;
    clients_are_handed_over();
}

/* Some loops wait for a core, and send connections to others that hold still already. */
static void hold_all(void)
{
    post_to_all(hold_mail);
    for (uint32_t i = 0; i < first->server.loop_count; i++) {
        if (network_once_in(2))
            first->sleeps_until_ns[i] = network_now_ns() + network_random() % HOLDING_NS;
    }
}

/* As far as the loops are. */
static void upgrade(void)
{
    if (world.is_stopping) /* SIGUSR2 is refused */
        return;
    if (!world.is_upgrading && world.upgrades_ns <= network_now_ns())
        begin_upgrade();
    if (!world.is_upgrading || atomic_load(&first->server.restless_loops) > 0)
        return;
    if (are_all_held())
        replace_server();
    else if (!world.is_holding)
        hold_all();
    world.is_holding = world.is_upgrading;
}

static bool is_all_written(void)
{
    struct store_status status;
    store_get_status(first->server.store, &status);
    bool is_written =
        status.pending == 0 && !status.is_failing && disk_busy_until_ns() <= network_now_ns();
    for (uint32_t i = 0; i < first->server.loop_count; i++)
        is_written = is_written && records_wait_ms(first->server.loops[i]) < 0;
    return is_written;
}

/* As the store's thread does: one commit after the other, and after one that failed a while later.
 */
static void write_records(void)
{
    struct store *store = first->server.store;
    struct store_status status;
    uint64_t now_ns = network_now_ns();
    if (store == NULL || disk_busy_until_ns() > now_ns || world.writes_ns > now_ns)
        return;
    if (is_all_written()) {
        disk_note_kept(now_ns);
        return;
    }
    store_get_status(store, &status);
    if (status.pending == 0 && !status.is_failing)
        return;
    world.is_writing = true;
    bool is_written = store_write(store);
    world.is_writing = false;
    if (is_written) {
        world.is_marked = true;
        if (now_ns - UNWRITTEN_NS > world.upgraded_ns)
            disk_note_kept(now_ns - UNWRITTEN_NS);
        world.retry_ns = STORE_RETRY_LEAST_MS * NETWORK_MS;
        return;
    }
    world.writes_ns = now_ns + world.retry_ns;
    if (world.retry_ns < STORE_RETRY_MOST_MS * NETWORK_MS)
        world.retry_ns *= 2;
}

void world_goes_on(void)
{
    if (world.is_writing && network_once_in(4))
        world_run_until(world_now_ns() + network_random() % GOES_ON_NS);
}

static uint64_t writing_ns(void)
{
    uint64_t now_ns = network_now_ns();
    if (!world_has_store())
        return UINT64_MAX;
    if (disk_busy_until_ns() > now_ns)
        return disk_busy_until_ns();
    return world.writes_ns > now_ns ? world.writes_ns : UINT64_MAX;
}

/* Returns whether the store could be marked as in use. */
static bool start_again(void)
{
    struct server next = successor(false);
    network_advance(network_now_ns() + network_random() % RESTARTED_NS);
    world.config.loops = 1 + network_below(WORLD_LOOPS_MAX);
    first->server = next;
    memset(first->due_ns, 0, sizeof first->due_ns);
    memset(first->sleeps_until_ns, 0, sizeof first->sleeps_until_ns);
    world.is_upgrading = world.is_holding = false;
    if (!server_init(&first->server, DESCRIPTORS))
        world_fail("the server does not start again", 0);
    bool is_marked = load_records(false);
    disk_note_kept(network_now_ns());
    return is_marked;
}

/* Where the mail of loops that are dead has connections, they end with the others. */
static void lose_mail(struct loop *loop)
{
    struct mail *lists[] = {loop->unread_mail, mailbox_take_all(&loop->mailbox)};
    loop->unread_mail = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        for (struct mail *mail = lists[i]; mail != NULL;) {
            struct mail *next = mail->next;
            if (mail->kind != MAIL_CONNECTION)
                mail_drop(loop, mail);
            mail = next;
        }
    }
}

/* What was in memory is gone, and so is what was not written. */
static void lose_changes(void)
{
    uint64_t damaged;
    uint64_t since_ns = disk_crash(&damaged);
    trace("may have lost what happened since %.6f; room %llu is damaged", (double)since_ns / 1e9,
          (unsigned long long)damaged);
    clients_lose_changes(since_ns, damaged);
}

static void crash(void)
{
    trace("crashes");
    clients_are_cut_off();
    forget_store(&first->server);
    network_kill_server(NULL, NULL);
    for (uint32_t i = 0; i < first->server.loop_count; i++)
        lose_mail(first->server.loops[i]);
    forget_server(&first->server);
    lose_changes();
    (void)start_again();
}

static bool have_all_ended(void *context)
{
    (void)context;
    bool have_ended = true;
    for (uint32_t i = 0; i < first->server.loop_count; i++)
        have_ended = have_ended && has_ended(first->server.loops[i]);
    return have_ended;
}

/* As SIGTERM with `--on-stop keep`, and a new start. False: the disk did not do what was asked. */
static bool stop_and_start_again(void)
{
    struct server *server = &first->server;
    trace("is stopped, and keeps its rooms");
    world.is_stopping = true;
    clients_are_cut_off();
    server->keeps_rooms = true;
    for (uint32_t i = 0; i < server->loop_count; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->stop_mail);
    (void)world_run_until_true(world_now_ns() + STOPPING_NS, have_all_ended, NULL);
    for (uint32_t i = 0; i < server->loop_count; i++) {
        stopping_abandon_all(server->loops[i]);
        records_write_at_stop(server->loops[i]);
        stopping_wait_for_kernel(server->loops[i]);
    }
    network_advance(disk_busy_until_ns());
    bool is_kept = store_stop(server->store, true, 0);
    server->store = NULL;
    server_release(server);
    if (!is_kept)
        lose_changes();
    bool is_marked = start_again();
    if (is_kept && !is_marked)
        clients_lose_changes(UINT64_MAX, 0); /* nothing but the counts */
    world.is_stopping = false;
    return is_kept && is_marked;
}

/* Whether a room has changed, and its loop has not handed its record over yet. */
static bool waits_for_handing_over(void *context)
{
    (void)context;
    bool waits = false;
    for (uint32_t i = 0; i < first->server.loop_count; i++)
        waits |= records_wait_ms(first->server.loops[i]) > 0;
    return waits;
}

/*
 * What befalls a server that has a store. One that can't even mark the store as its own goes on: if
 * it died, the next one would take what it finds for the last word of the one before.
 */
static void restart(void)
{
    if (!world.is_marked) {
        world.restarts_ns = network_now_ns() + SOON_NS;
        return;
    }
    world.restarts_ns = UINT64_MAX;
    if (network_once_in(2))
        (void)world_run_until_true(world_now_ns() + SOON_NS, waits_for_handing_over, NULL);
    if (network_once_in(3) && records_can_be_kept(&first->server) && !world.is_upgrading)
        (void)stop_and_start_again();
    else
        crash();
    clients_are_restarted();
    world.restarts_ns =
        network_now_ns() + network_random() % (network_once_in(4) ? SOON_NS : RESTARTS_NS);
}

/* One of the next times that a server asks for memory it gets none. */
static void refuse_memory(void)
{
    world.refuses_ns = network_now_ns() + 8 * NETWORK_S + network_random() % (10 * NETWORK_S);
    uint32_t number = 1 + network_below(REFUSED_AMONG);
    trace("will refuse allocation %u from now on", number);
    refusals_next(number);
}

/* What can't be in the middle of a commit. */
static void go_on_with_store(void)
{
    if (world.restarts_ns <= network_now_ns())
        restart();
    write_records();
    upgrade();
}

bool world_run_until_true(uint64_t end_ns, bool (*is_true)(void *context), void *context)
{
    for (;;) {
        if (world.stands_still_ns <= network_now_ns())
            stand_still();
        if (world.refuses_ns <= network_now_ns())
            refuse_memory();
        if (!world.is_writing)
            go_on_with_store();
        network_deliver();
        bus_deliver();
        owners_act();
        if (is_true(context))
            return true;
        if (world_now_ns() >= end_ns)
            return false;
        clients_act();
        if (run_one_loop())
            continue;
        uint64_t next_ns = least(least(network_next_ns(), clients_next_ns()),
                                 least(end_ns + world.stood_still_ns, world.stands_still_ns));
        if (!world.is_stopping && !world.is_writing)
            next_ns = least(next_ns, least(world.upgrades_ns, world.restarts_ns));
        if (!world.is_writing)
            next_ns = least(next_ns, writing_ns());
        next_ns = least(next_ns, least(next_turn_ns(), least(bus_next_ns(), owners_next_ns())));
        network_advance(next_ns);
    }
}

static bool never(void *context)
{
    (void)context;
    return false;
}

void world_run_until(uint64_t end_ns)
{
    (void)world_run_until_true(end_ns, never, NULL);
}

bool world_upgrades(void)
{
    return world.upgrades_ns != UINT64_MAX || world.is_upgrading;
}

static bool is_at_rest(void *context)
{
    (void)context;
    return !world.is_upgrading;
}

static bool is_written(void *context)
{
    (void)context;
    return is_all_written();
}

/* When the disk works again, all is written; and then nothing is lost by a planned stop. */
static void end_restarts(void)
{
    world.restarts_ns = UINT64_MAX;
    disk_end_faults();
    if (!world_run_until_true(world_now_ns() + WRITING_NS, is_written, NULL))
        world_fail("the store does not write all, though it can", 0);
    if (!stop_and_start_again())
        world_fail("a stop loses something, though the disk works", 0);
    clients_are_restarted();
}

bool world_is_stopping(void)
{
    return world.is_stopping;
}

uint32_t world_nodes(void)
{
    return world.node_count;
}

bool world_is_cluster(void)
{
    return world.node_count > 1;
}

bool world_may_void_links(void)
{
    return bus_may_void();
}

bool world_has_link_faults(void)
{
    return world.has_link_faults;
}

unsigned world_stop_code(void)
{
    return world_is_cluster() ? 1012 : 1001;
}

bool world_has_store(void)
{
    return !world_is_cluster() && first->server.store != NULL;
}

bool world_refuses_memory(void)
{
    return world.refuses_ns != UINT64_MAX;
}

void world_end_faults(void)
{
    world.refuses_ns = UINT64_MAX;
    refusals_next(0);
    network_lack_descriptors(false);
    bus_end_faults();
    keys_end_faults();
    world.stands_still_ns = UINT64_MAX;
    if (!world_run_until_true(world_now_ns() + UPGRADES_NS, is_at_rest, NULL))
        world_fail("an upgrade does not end", 0);
    world.upgrades_ns = UINT64_MAX;
    if (world_has_store())
        end_restarts();
}

/* Milliseconds, as an option's value. */
static char *some_seconds(char text[16], uint32_t least_s, uint32_t most_s)
{
    uint32_t ms = least_s * 1000 + network_below((most_s - least_s) * 1000 + 1);
    snprintf(text, 16, "%ums", ms);
    return text;
}

/*
 * Times that differ from the standard are still longer than what befalls players in
 * clients_suffer(): a host is away for 5 s, and a reader reads nothing for 7 s. A stall takes
 * longer than silence (10 s): who is both is cut off, and not told so for as long as a stall may
 * last.
 */
static void configure(const struct world_plan *plan)
{
    char why[256];
    static char texts[5][16];
    static char *const log_bytes[] = {"1024", "4096", "65536"};
    uint32_t loop_count = 1 + network_below(WORLD_LOOPS_MAX);
    char loops[2] = {(char)('0' + (plan->loops > 0 ? plan->loops : loop_count)), '\0'};
    char *arguments[] = {
        "simulate",
        "--loops",
        loops,
        "--max-buffered-bytes",
        "67108864",
        "--max-connections",
        network_once_in(3) ? "150" : "1000",
        "--host-grace",
        some_seconds(texts[0], 8, 20),
        "--empty-room-grace",
        some_seconds(texts[1], 1, 20),
        "--stall-timeout",
        some_seconds(texts[2], 11, 15),
        "--max-hold",
        some_seconds(texts[3], HOLD_LEAST_S, 25),
        "--host-migration",
        some_seconds(texts[4], 3, 15),
        "--room-log-bytes",
        log_bytes[network_below(ARRAY_LENGTH(log_bytes))],
        "--max-queue-bytes",
        "1048576",
        "--max-message-bytes",
        "262144",
        "--max-rooms",
        "40",
        "--max-connections-per-address",
        "40",
    };
    for (size_t i = 1; i + 1 < ARRAY_LENGTH(arguments); i += 2)
        trace("%s %s", arguments[i], arguments[i + 1]);
    if (config_read(ARRAY_LENGTH(arguments), arguments, NULL, &world.config, why, sizeof why) !=
        CONFIG_RUN)
        world_fail(why, 0);
}

static uint64_t incarnation_of(uint32_t node)
{
    return 1000 + node;
}

/* Whether the other node has the connection of such a member. */
static bool has_edge(const struct conn *member)
{
    const struct link_end *end = member->remote.end;
    for (uint32_t n = 0; n < world.node_count; n++) {
        const struct server *server = &world.nodes[n].server;
        if (incarnation_of(n) != end->incarnation)
            continue;
        const struct conn *conn =
            handles_find(&server->loops[end->peer_loop]->connections, member->remote.client);
        return conn != NULL && conn->is_away;
    }
    return false;
}

static void check_members_of(const struct loop *loop)
{
    uint32_t at = 0;
    const struct conn *conn;
    while ((conn = handles_next(&loop->connections, &at)) != NULL) {
        if (conn->state == CONN_REMOTE && !has_edge(conn))
            world_fail("a member of a room whose connection is nowhere", conn->remote.client);
    }
}

void world_check_members(void)
{
    for (uint32_t n = 0; n < world.node_count; n++) {
        const struct server *server = &world.nodes[n].server;
        for (uint32_t i = 0; i < server->loop_count; i++)
            check_members_of(server->loops[i]);
    }
}

/* All accept from one listener, as behind a balancer that knows nothing of rooms. */
static void start_node(struct node *node, uint32_t index, int listener_fd)
{
    node->server = (struct server){
        .config = &world.config,
        .kernel = &network_kernel,
        .tls = secrets_of_server(),
        .admin_fd = -1,
        .listener_fd = listener_fd,
        .news_fd = network_kernel.wake_new(),
        .poller = network_once_in(2) ? POLLER_EPOLL : POLLER_IO_URING,
    };
    if (world.node_count > 1) {
        peers_init(&node->peers, incarnation_of(index));
        node->peers.publish = bus_publish;
        node->peers.context = &node->server;
        node->server.peers = &node->peers;
    }
    if (!server_init(&node->server, DESCRIPTORS))
        world_fail("The server does not start", 0);
    bus_add(&node->server);
    if (world.node_count > 1)
        owners_add(&node->server, &node->peers, incarnation_of(index));
}

static bool has_connection(void *context, int fd)
{
    const struct server *server = context;
    return atomic_load(&conn_table_at(&server->connections, (uint32_t)fd)->is_taken);
}

/* Where the room is. WORLD_NOWHERE: nowhere. */
static uint32_t node_of_room(uint64_t code)
{
    for (uint32_t n = 0; n < world.node_count; n++) {
        const struct server *server = &world.nodes[n].server;
        for (uint32_t i = 0; i < server->loop_count; i++) {
            if (relay_find_room(&server->loops[i]->relay, code) != NULL)
                return n;
        }
    }
    return WORLD_NOWHERE;
}

uint32_t world_node_of_room(const char *code)
{
    uint64_t number;
    return code_read(bytes_of_string(code), &number) ? node_of_room(number) : WORLD_NOWHERE;
}

uint32_t world_node_of_link(const struct link *link)
{
    int fd = link_descriptor(link);
    for (uint32_t n = 0; fd >= 0 && n < world.node_count; n++) {
        const struct node *node = &world.nodes[n];
        if (!node->is_dead && has_connection((void *)(uintptr_t)&node->server, fd))
            return n;
    }
    return WORLD_NOWHERE;
}

/* What connections have that no successor gets: TLS, and members at other nodes. */
static void free_contents(struct loop *loop)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = handles_next(&loop->connections, &at)) != NULL) {
        tls_session_free(conn->tls);
        conn->tls = NULL;
        if (!conn_is_remote(conn))
            continue;
        if (conn->state != CONN_DEAD)
            conn_set_state(conn, CONN_DEAD);
        conn_free_remote(conn);
    }
}

void world_kill_node(uint32_t index)
{
    struct node *node = &world.nodes[index];
    trace("node %u is killed", index);
    network_kill_server(has_connection, &node->server);
    for (uint32_t i = 0; i < node->server.loop_count; i++)
        lose_mail(node->server.loops[i]);
    for (uint32_t i = 0; i < node->server.loop_count; i++)
        free_contents(node->server.loops[i]);
    bus_remove(&node->server);
    owners_kill(index);
    forget_server(&node->server);
    node->server = (struct server){0}; /* without a loop */
    node->is_dead = true;
}

void world_take_slices(uint32_t dead)
{
    trace("the slices of node %u are taken", dead);
    owners_take(dead);
}

void world_yield_slices(uint32_t node)
{
    trace("node %u yields slices", node);
    owners_yield(node);
}

bool world_room_is_yielded(const char *code)
{
    uint64_t number;
    return code_read(bytes_of_string(code), &number) && owners_yielded(peers_slice_of(number));
}

/* Before anybody comes: until there are codes for rooms. */
static void open_slices(void)
{
    uint64_t end_ns = network_now_ns() + OPENING_NS;
    while (!owners_are_ready()) {
        if (network_now_ns() >= end_ns)
            world_fail("nodes do not get ready to make rooms", 0);
        owners_act();
        if (!run_one_loop())
            network_advance(least(end_ns, least(next_turn_ns(), owners_next_ns())));
    }
}

void world_begin(const struct world_plan *plan)
{
    memset(&world, 0, sizeof world);
    world.is_traced = plan->is_traced;
    refusals_begin();
    configure(plan);
    secrets_begin(plan->speaks_tls);
    if (plan->restarts)
        world.config.state_directory = "simulated";
    world.node_count = plan->nodes;
    if (plan->nodes > 1) {
        bus_begin();
        owners_begin();
    }
    int listener_fd = network_listener();
    for (uint32_t i = 0; i < plan->nodes; i++)
        start_node(&world.nodes[i], i, listener_fd);
    if (plan->nodes > 1)
        owners_share();
    bool stands_still = plan->has_faults && network_once_in(3) && !plan->restarts;
    /* OpenSSL asks for much. */
    bool may_refuse = plan->has_faults && !plan->restarts && plan->nodes == 1;
    bool refuses = may_refuse && network_once_in(plan->speaks_tls ? 2 : 3);
    world.stands_still_ns = stands_still ? network_now_ns() + 10 * NETWORK_S : UINT64_MAX;
    world.refuses_ns = refuses ? network_now_ns() : UINT64_MAX;
    world.has_refused_memory = refuses;
    world.upgrades_ns = plan->upgrades && !plan->speaks_tls && !refuses
                            ? network_now_ns() + 5 * NETWORK_S
                            : UINT64_MAX;
    world.restarts_ns = UINT64_MAX;
    if (plan->restarts) {
        disk_begin(plan->has_faults);
        (void)load_records(false);
        world.restarts_ns = network_now_ns() + network_random() % RESTARTS_NS;
    }
    world.has_link_faults = plan->nodes > 1 && plan->has_faults && network_once_in(2);
    if (world.has_link_faults)
        bus_begin_faults();
    world.lacks_cores = plan->has_faults && network_once_in(2);
    bool lacks_descriptors = plan->has_faults && network_once_in(3);
    network_lack_descriptors(lacks_descriptors);
    world.hurries = plan->has_faults && network_once_in(2);
    network_tell_of_wakes(wake);
    if (plan->nodes > 1)
        open_slices();
    trace("poller %s", first->server.poller == POLLER_EPOLL ? "epoll" : "io_uring");
    trace("TLS %s", plan->speaks_tls ? "on" : "off");
    trace("stand-stills %s", stands_still ? "on" : "off");
    trace("refusals of memory %s", refuses ? "on" : "off");
    trace("faults of links %s", world.has_link_faults ? "on" : "off");
    trace("loops without a core %s", world.lacks_cores ? "on" : "off");
    trace("turns in others' turns %s", world.hurries ? "on" : "off");
    trace("lack of descriptors %s", lacks_descriptors ? "on" : "off");
}

static void expect_none(const char *sentence, uint64_t count)
{
    if (count != 0)
        world_fail(sentence, count);
}

/*
 * How many subnets somebody holds. The places of the table that are neither free nor remembered
 * have a holder. So many are free as unknown addresses enter before the table uses a new place.
 */
static uint32_t count_held_subnets(struct subnets *subnets)
{
    static uint32_t entered[SUBNETS_MAX];
    uint32_t used = subnets->used;
    uint32_t remembered = subnets->remembered_count; /* those who leave make others forgotten */
    uint32_t count = 0;
    while (subnets->used == used) {
        const uint8_t octets[4] = {8, 8, (uint8_t)(count >> 8), (uint8_t)count};
        if (count == SUBNETS_MAX)
            world_fail("more subnets than there can be", count);
        entered[count++] = subnets_enter(subnets, address_of_ipv4(octets));
    }
    uint32_t free_count = count - 1;
    for (uint32_t i = 0; i < count; i++)
        subnets_leave(subnets, entered[i], kernel_now_ms(&network_kernel));
    return used - 1 - free_count - remembered;
}

/* Where nobody is connected, nothing is counted for anybody. */
static void check_nobody_is_at(struct server *server)
{
    struct subnets *subnets = &server->subnets;
    for (uint32_t i = 0; i < server->loop_count; i++) {
        expect_none("connections of whom all have left", server->loops[i]->stats.connections);
        expect_none("WebSockets of whom all have left", server->loops[i]->stats.clients);
    }
    expect_none("connections that are still counted", atomic_load(&server->connection_count));
    expect_none("refusals that are still counted", atomic_load(&server->refusal_count));
    expect_none("delayed answers that are still counted", subnets->waiting_count);
    expect_none("subnets that are still held", count_held_subnets(subnets));
}

static void check_nobody_is_here(void)
{
    for (uint32_t i = 0; i < world.node_count; i++) {
        if (!world.nodes[i].is_dead)
            check_nobody_is_at(&world.nodes[i].server);
    }
}

static void check_rest_of(struct server *server)
{
    expect_none("members of other nodes of whom all have left", atomic_load(&server->remote_count));
    struct origin_counts origin;
    expect_none("rooms that are still there", atomic_load(&server->rooms));
    expect_none("bytes that rooms still keep", atomic_load(&server->retained_bytes));
    expect_none("origins that still have clients or rooms",
                origins_list(&server->origins, &origin, 1));
    expect_none("makers of rooms that are gone", server->makers.tree != NULL);
}

/* A link of a loop keeps a little for a minute. */
static uint64_t charge_of_links(const struct loop *loop)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; loop->links != NULL && i < loop->links->count; i++)
        bytes += loop->links->ends[i]->charged;
    return bytes;
}

static uint64_t clients_behind_links(const struct loop *loop)
{
    uint64_t clients = 0;
    for (uint32_t i = 0; loop->links != NULL && i < loop->links->count; i++)
        clients += loop->links->ends[i]->clients;
    return clients;
}

static void check_loops_of(const struct server *server)
{
    for (uint32_t i = 0; i < server->loop_count; i++) {
        const struct loop *loop = server->loops[i];
        if (world.has_refused_memory)
            expect_none("lacks of memory that are counted as errors of a client",
                        loop->stats.counters[COUNTER_PROTOCOL_ERROR]);
        expect_none("bytes of the budget that nobody gave back",
                    loop->charged - charge_of_links(loop));
        expect_none("clients behind links of whom all have left", clients_behind_links(loop));
    }
}

static bool has_no_records(void *context)
{
    (void)context;
    return owners_count_records() == 0;
}

void world_check_rest(void)
{
    for (uint32_t i = 0; i < world.node_count; i++)
        check_loops_of(&world.nodes[i].server);
    check_nobody_is_here();
    if (world_is_cluster() &&
        !world_run_until_true(world_now_ns() + WRITING_NS, has_no_records, NULL))
        world_fail("records of rooms that have ended", owners_count_records());
    if (world_has_store()) {
        (void)world_run_until_true(world_now_ns() + WRITING_NS, is_written, NULL);
        expect_none("records of rooms that have ended", disk_records());
    }
    for (uint32_t i = 0; i < world.node_count; i++)
        check_rest_of(&world.nodes[i].server);
}

static void post_to_each(struct mail *(*mail_of)(struct loop *loop))
{
    for (uint32_t n = 0; n < world.node_count; n++) {
        struct server *server = &world.nodes[n].server;
        for (uint32_t i = 0; i < server->loop_count; i++)
            mailbox_post(&server->loops[i]->mailbox, mail_of(server->loops[i]));
    }
}

static struct mail *drain_mail(struct loop *loop)
{
    return &loop->drain_mail;
}

static struct mail *stop_mail(struct loop *loop)
{
    return &loop->stop_mail;
}

void world_drain(void)
{
    if (world_is_cluster())
        owners_drain();
    post_to_each(drain_mail);
}

static void end_loops_of(struct server *server)
{
    for (uint32_t i = 0; i < server->loop_count; i++) {
        stopping_abandon_all(server->loops[i]);
        stopping_wait_for_kernel(server->loops[i]);
    }
}

/* All loops end, as their threads would. */
void world_stop(void)
{
    post_to_each(stop_mail);
    world_run_until(world_now_ns() + STOPPING_NS);
    for (uint32_t i = 0; i < world.node_count; i++)
        end_loops_of(&world.nodes[i].server);
    check_nobody_is_here();
    if (world_has_store() && !store_stop(first->server.store, true, 0))
        world_fail("the store is not left in good order", 0);
    if (world_is_cluster())
        owners_stop();
    first->server.store = NULL;
    bus_end();
    for (uint32_t i = 0; i < world.node_count; i++) {
        if (!world.nodes[i].is_dead)
            server_release(&world.nodes[i].server);
    }
    owners_end();
    disk_end();
}
