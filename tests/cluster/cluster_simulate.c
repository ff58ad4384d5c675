/*
 * Nodes of a cluster and what owns what, in a simulated engine.
 *
 *     cluster_simulate [--seed N] [--seeds N | --for SECONDS] [--trace]
 *
 * A seed plays a minute of faults. Then all heals, and soon every slice must be served, and each
 * node have as many as another one; then a node dies, and soon every slice must be served again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cluster/world.h"

#define FAULTS_MS 150000
#define FIRST_FAULT_MS 10000
#define HEALING_MS 10000
#define SHARING_MS 20000
/* Until all that a node had is served again: five renewals, three exchanges, a period of reading,
 * the wait. */
#define DEATH_MS 10500
#define END_MS 6500 /* the same without the renewals */

struct world world;

static struct {
    char name[2];
    uint64_t at_ms;
} restarts[NODES_MAX];
static uint32_t restart_count;

/* Any node that lives and stays; NULL: there is none. */
static struct node *any_node(uint32_t *ret_count)
{
    struct node *living[NODES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < world.node_count; i++) {
        if (world.nodes[i].is_alive && !world.nodes[i].is_draining)
            living[count++] = &world.nodes[i];
    }
    *ret_count = count;
    return count > 0 ? living[draw(count)] : NULL;
}

static void kill_node(struct node *node)
{
    tell("%s dies", name_of(node));
    node->is_alive = false;
}

static void stop_node(struct node *node)
{
    uint32_t most_ms = once_in(2) ? 3000 : once_in(2) ? 14000 : 60000;
    uint64_t until_ms = world.now_ms + 500 + draw(most_ms);
    if (until_ms > node->stopped_ms)
        node->stopped_ms = until_ms;
    tell("%s stops until %llu", name_of(node), (unsigned long long)until_ms);
}

static void drain_node(struct node *node)
{
    bool leaves = once_in(2);
    tell("%s %s", name_of(node), leaves ? "leaves" : "drains");
    node->is_draining = true;
    node->ends_ms = world.now_ms + draw(20000);
    if (leaves)
        ownership_leave(&node->ownership);
    else
        ownership_drain(&node->ownership);
}

static void restart_later(const struct node *node)
{
    restarts[restart_count].at_ms = world.now_ms + 1000 + draw(10000);
    restarts[restart_count].name[0] = node->id.name[0];
    restart_count = (restart_count + 1) % NODES_MAX;
}

/* Something bad happens, or nothing. */
static void make_fault(void)
{
    static const char *const names[] = {"e", "f", "g", "h", "i", "j"};
    uint32_t count;
    struct node *node = any_node(&count);
    if (node != NULL && once_in(60))
        stop_node(node);
    if (node != NULL && once_in(200)) {
        node->cut_ms = world.now_ms + 1000 + draw(14000);
        tell("%s is cut off until %llu", name_of(node), (unsigned long long)node->cut_ms);
    }
    if (once_in(600)) {
        world.away_ms = world.now_ms + 4000 + draw(4000);
        tell("the engine is away until %llu", (unsigned long long)world.away_ms);
    }
    if (node != NULL && once_in(400)) {
        kill_node(node);
        restart_later(node);
        return;
    }
    if (count < LIVE_MAX && once_in(400))
        node_start(names[draw(ARRAY_LENGTH(names))]);
    if (node != NULL && count >= 2 && once_in(400))
        drain_node(node);
    if (once_in(1500))
        engine_add_junk();
    if (once_in(4000))
        engine_lose_all();
}

static void restart_nodes(void)
{
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        if (restarts[i].at_ms == 0 || restarts[i].at_ms > world.now_ms)
            continue;
        restarts[i].at_ms = 0;
        node_start(restarts[i].name);
    }
}

static void note_health(struct node *node)
{
    bool is_stopped = node->stopped_ms > world.now_ms;
    bool is_cut = node->cut_ms > world.now_ms || world.away_ms > world.now_ms;
    /* The whole tick in which it goes on is none in which it was well. */
    if (is_stopped || is_cut || node->stopped_ms + TICK_MS > world.now_ms)
        node->good_ms = node->good_ms > world.now_ms ? node->good_ms : world.now_ms;
}

static void tick(void)
{
    world.now_ms += TICK_MS;
    for (uint32_t i = 0; i < world.node_count; i++)
        note_health(&world.nodes[i]);
    engine_deliver();
    restart_nodes();
    for (uint32_t i = 0; i < world.node_count; i++) {
        struct node *node = &world.nodes[i];
        if (node->is_alive && node->stopped_ms <= world.now_ms)
            node_run(node);
    }
}

static void run_until(uint64_t end_ms)
{
    while (world.now_ms < end_ms) {
        if (world.has_faults && world.now_ms > FIRST_FAULT_MS)
            make_fault();
        tick();
    }
}

static void heal(void)
{
    tell("all heals");
    world.has_faults = false;
    world.away_ms = 0;
    for (uint32_t i = 0; i < world.node_count; i++) {
        world.nodes[i].cut_ms = 0;
        if (world.nodes[i].stopped_ms > world.now_ms)
            world.nodes[i].stopped_ms = world.now_ms;
    }
}

/* With nothing else wrong, the owner of some slice dies, or ends. */
static void let_one_die(void)
{
    uint32_t count;
    struct node *node = &world.nodes[truth_now()->slices[draw(MAP_SLICES)].owner];
    any_node(&count);
    if (count < 2)
        node_start("y");
    run_until(world.now_ms + 2000 + draw(1000));
    uint64_t began_ms = world.now_ms;
    bool ends = once_in(4);
    if (ends) {
        drain_node(node);
        node->ends_ms = world.now_ms;
    } else {
        kill_node(node);
    }
    do
        tick();
    while (!truth_is_healed() && world.now_ms < began_ms + (ends ? END_MS : DEATH_MS));
    truth_check_healed();
    world.outcome.healed_ms = world.now_ms - began_ms;
}

/* Who has fewer slices than others gets some. */
static void let_all_share(void)
{
    uint64_t began_ms = world.now_ms;
    while (!(truth_is_shared() && truth_is_healed()) && world.now_ms < began_ms + SHARING_MS)
        tick();
    if (!truth_is_shared())
        broken("some nodes have more slices than others after %d ms", SHARING_MS);
    world.outcome.shared_ms = world.now_ms - began_ms;
}

static void play(char *summary, size_t capacity)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    memset(&world, 0, sizeof world);
    seeds_watch(&world.now_ms);
    world.has_faults = true;
    memset(restarts, 0, sizeof restarts);
    restart_count = 0;
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        world.streams[i].entries = calloc(ENTRIES_MAX, sizeof *world.streams[i].entries);
        if (world.streams[i].entries == NULL)
            abort();
    }
    uint32_t count = 1 + draw(ARRAY_LENGTH(names));
    for (uint32_t i = 0; i < count; i++)
        node_start(names[i]);
    run_until(FAULTS_MS);
    heal();
    uint32_t living;
    if (any_node(&living) == NULL)
        node_start("z");
    run_until(world.now_ms + HEALING_MS);
    let_all_share();
    truth_check_healed();
    let_one_die();
    for (uint32_t i = 0; i < world.node_count; i++) {
        while (world.nodes[i].inbox_count > 0)
            letter_release(&world.nodes[i].inbox[--world.nodes[i].inbox_count]);
    }
    engine_release();
    const struct outcome *outcome = &world.outcome;
    snprintf(summary, capacity,
             "%u entries, %u ignored, %u slices taken, %u given, %u openings, %u losses, %u looks, "
             "%u eras, shared after %llu ms, healed after %llu ms",
             outcome->entries, outcome->entries_ignored, outcome->slices_taken,
             outcome->slices_moved, outcome->openings, outcome->losses, outcome->looks,
             outcome->eras, (unsigned long long)outcome->shared_ms,
             (unsigned long long)outcome->healed_ms);
}

int main(int argument_count, char **arguments)
{
    return seeds_play(argument_count, arguments, play);
}
