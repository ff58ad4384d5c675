#include "owners.h"

#include <string.h>

#include "keys.h"
#include "network.h"
#include "server/recorder.h"
#include "store/store.h"
#include "world.h"

#define TURN_NS (20 * NETWORK_MS)
#define LATE_NS (30 * NETWORK_MS) /* a recorder's thread has no core now and then */
#define END_TEXT ".end"

struct owner {
    struct server *server;
    struct peers *peers;
    uint64_t incarnation;
    struct bus *bus;
    struct recorder *recorder;
    uint64_t due_ns;
    bool is_dead;
    /* As the keeper of a node follows what it yields. */
    bool yields;
    bool yields_are_written;
    unsigned yield_changes;
    uint64_t yield_flush;
    uint64_t yielded[MAP_SLICES]; /* terms */
};

static struct {
    struct owner owners[WORLD_NODES_MAX];
    uint32_t count;
    uint32_t owner_of[MAP_SLICES];
    uint64_t terms[MAP_SLICES];
    bool are_open[MAP_SLICES];
} owners;

void owners_begin(void)
{
    memset(&owners, 0, sizeof owners);
    keys_begin();
}

/* What the recorder asks: the truth, or nothing. */
static bool look(void *context)
{
    (void)context;
    return !network_once_in(50);
}

static bool owns(void *context, uint32_t slice, uint64_t term)
{
    return &owners.owners[owners.owner_of[slice]] == context && owners.terms[slice] == term;
}

void owners_add(struct server *server, struct peers *peers, uint64_t incarnation)
{
    struct owner *owner = &owners.owners[owners.count++];
    const struct recorder_owners asked = {look, owns, owner};
    *owner = (struct owner){
        .server = server, .peers = peers, .incarnation = incarnation, .bus = keys_open()};
    atomic_store(&peers->fresh_until_ns, UINT64_MAX);
    owner->recorder = recorder_new(server, owner->bus, &asked);
    if (owner->recorder == NULL)
        world_fail("a recorder is not made", owners.count);
}

static void tell_loops(const struct owner *owner)
{
    peers_publish_changes(owner->peers);
    for (uint32_t i = 0; i < owner->server->loop_count; i++) {
        struct loop *loop = owner->server->loops[i];
        if (!atomic_exchange(&loop->owners_mail_is_posted, true))
            mailbox_post(&loop->mailbox, &loop->owners_mail);
    }
}

static void tell_all(void)
{
    for (uint32_t i = 0; i < owners.count; i++) {
        if (!owners.owners[i].is_dead)
            tell_loops(&owners.owners[i]);
    }
}

static void give_slice(uint32_t slice, uint32_t to)
{
    const struct owner *owner = &owners.owners[to];
    uint64_t term = ++owners.terms[slice];
    owners.owner_of[slice] = to;
    owners.are_open[slice] = false;
    for (uint32_t i = 0; i < owners.count; i++) {
        struct owner *one = &owners.owners[i];
        if (one->is_dead)
            continue;
        uint8_t place = PEER_OPENING;
        if (i != to)
            place = peers_add(one->peers, owner->incarnation, owner->server->loop_count);
        peers_set_owner(one->peers, slice, place, term);
        recorder_give(one->recorder, slice, i == to ? term : 0);
    }
}

static uint32_t draw_living(void)
{
    uint32_t drawn;
    do
        drawn = network_below(owners.count);
    while (owners.owners[drawn].is_dead);
    return drawn;
}

/* As a node that has read the other one's lease. */
static void know(struct peers *peers, const struct owner *other, enum peer_state state)
{
    uint8_t place = peers_add(peers, other->incarnation, other->server->loop_count);
    peers_set_state(peers, place, state);
}

static void know_all(enum peer_state state)
{
    for (uint32_t i = 0; i < owners.count; i++) {
        for (uint32_t other = 0; other < owners.count; other++) {
            if (other != i)
                know(owners.owners[i].peers, &owners.owners[other], state);
        }
    }
}

void owners_drain(void)
{
    know_all(PEER_LEAVING);
}

void owners_share(void)
{
    know_all(PEER_SERVING);
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++)
        give_slice(slice, network_below(network_once_in(2) ? owners.count : 1));
    tell_all();
}

static void end_recorder(struct owner *owner, bool is_clean)
{
    if (!store_stop(owner->server->store, true, 0) && is_clean)
        world_fail("a recorder does not write all, though it can", 0);
    owner->server->store = NULL;
    recorder_free(owner->recorder);
    owner->recorder = NULL;
    owner->bus->functions->close(owner->bus);
}

void owners_kill(uint32_t server)
{
    struct owner *owner = &owners.owners[server];
    keys_unplug(owner->bus);
    end_recorder(owner, false);
    owner->is_dead = true;
}

void owners_take(uint32_t server)
{
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
        if (owners.owner_of[slice] == server)
            give_slice(slice, draw_living());
    }
    tell_all();
}

void owners_yield(uint32_t server)
{
    struct owner *owner = &owners.owners[server];
    if (owner->is_dead || owner->yields)
        return;
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
        if (owners.owner_of[slice] != server || !owners.are_open[slice] || network_once_in(2))
            continue;
        owners.are_open[slice] = false;
        owner->yields = true;
        owner->yields_are_written = false;
        owner->yielded[slice] = owners.terms[slice];
        peers_set_owner(owner->peers, slice, PEER_YIELDED, owners.terms[slice]);
    }
    tell_loops(owner);
    owner->yield_changes = atomic_load(&owner->peers->changes);
}

bool owners_yielded(uint32_t slice)
{
    return owners.owners[owners.owner_of[slice]].yielded[slice] != 0;
}

static bool loops_are_done(const struct owner *owner)
{
    bool are_done = true;
    for (uint32_t i = 0; i < owner->server->loop_count; i++)
        are_done &= atomic_load(&owner->server->loops[i]->owners_handled) == owner->yield_changes;
    return are_done;
}

static void follow_yields(struct owner *owner)
{
    if (!owner->yields)
        return;
    owner->yield_changes = atomic_load(&owner->peers->changes);
    if (!owner->yields_are_written) {
        owner->yields_are_written = loops_are_done(owner);
        if (owner->yields_are_written)
            owner->yield_flush = recorder_flush(owner->recorder);
        return;
    }
    if (!recorder_has_flushed(owner->recorder, owner->yield_flush))
        return;
    owner->yields = false;
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
        uint64_t term = owner->yielded[slice];
        owner->yielded[slice] = 0;
        if (term != 0 && &owners.owners[owners.owner_of[slice]] == owner &&
            owners.terms[slice] == term)
            give_slice(slice, draw_living());
    }
    tell_all();
}

/* Shows the loops what the recorder has opened. */
static void show_opened(const struct owner *owner)
{
    bool has_changed = false;
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
        bool is_own = &owners.owners[owners.owner_of[slice]] == owner;
        if (!is_own || owners.are_open[slice] || owner->yielded[slice] != 0 ||
            !recorder_has_opened(owner->recorder, slice, owners.terms[slice]))
            continue;
        owners.are_open[slice] = true;
        peers_set_owner(owner->peers, slice, PEER_HERE, owners.terms[slice]);
        has_changed = true;
    }
    if (has_changed)
        tell_loops(owner);
}

bool owners_are_ready(void)
{
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
        const struct owner *owner = &owners.owners[owners.owner_of[slice]];
        if (!owners.are_open[slice] ||
            atomic_load(&owner->peers->stocked_loops) < owner->server->loop_count)
            return false;
    }
    return true;
}

static void take_turn(struct owner *owner)
{
    uint64_t now_ns = network_now_ns();
    bool has_more = recorder_turn(owner->recorder, now_ns / NETWORK_MS);
    uint64_t late_ns = network_once_in(10) ? network_random() % LATE_NS : 0;
    owner->due_ns = network_now_ns() + (has_more ? NETWORK_MS : TURN_NS) + late_ns;
    show_opened(owner);
    follow_yields(owner);
}

void owners_act(void)
{
    for (uint32_t i = 0; i < owners.count; i++) {
        struct owner *owner = &owners.owners[i];
        if (owner->recorder != NULL && owner->due_ns <= network_now_ns())
            take_turn(owner);
    }
}

uint64_t owners_next_ns(void)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < owners.count; i++) {
        const struct owner *owner = &owners.owners[i];
        if (owner->recorder != NULL && owner->due_ns < next_ns)
            next_ns = owner->due_ns;
    }
    return next_ns;
}

static void count_record(void *context, const char *key, struct bytes text)
{
    uint32_t *count = context;
    size_t length = strlen(key);
    bool is_end =
        length > strlen(END_TEXT) && strcmp(key + length - strlen(END_TEXT), END_TEXT) == 0;
    bool is_mark = strstr(key, ".-.") != NULL;
    *count += !is_end && !is_mark && !bytes_equal(text, BYTES(RECORDER_RESERVED));
}

uint32_t owners_count_records(void)
{
    uint32_t count = 0;
    keys_visit(count_record, &count);
    return count;
}

void owners_stop(void)
{
    for (uint32_t i = 0; i < owners.count; i++) {
        if (owners.owners[i].recorder != NULL)
            end_recorder(&owners.owners[i], true);
    }
}

void owners_end(void)
{
    keys_end();
    memset(&owners, 0, sizeof owners);
}
