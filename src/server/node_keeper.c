/* The keeper: turns of the machine, and the picture that the loops read. */
#include <stdio.h>
#include <stdlib.h>

#include "server/node_parts.h"

struct map_history node_history_of(const struct bus_entries *read,
                                   struct map_entry ret_entries[BUS_MAP_HISTORY_MAX])
{
    struct map_history history = {.last_revision = read->last_revision, .entries = ret_entries};
    for (uint32_t i = 0; i < read->count && i < BUS_MAP_HISTORY_MAX; i++) {
        const struct bus_entry *entry = &read->entries[i];
        ret_entries[history.count++] =
            (struct map_entry){.revision = entry->revision, .text = entry->text};
    }
    return history;
}

static void map_was_read(struct node *node, const struct node_outcome *outcome)
{
    struct map_entry entries[BUS_MAP_HISTORY_MAX];
    if (outcome->outcome != BUS_DONE) {
        ownership_map_was_not_read(&node->ownership, outcome->serial);
        return;
    }
    struct map_history history = node_history_of(&outcome->entries, entries);
    ownership_map_was_read(&node->ownership, outcome->serial, &history);
}

static int compare_revisions(const void *a, const void *b)
{
    const struct ownership_lease *one = a;
    const struct ownership_lease *other = b;
    return one->sequence < other->sequence ? 1 : one->sequence > other->sequence ? -1 : 0;
}

/* The newest leases, if there are more than the machine takes. */
static void leases_were_read(struct node *node, const struct node_outcome *outcome)
{
    struct ownership_lease leases[BUS_LEASES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < outcome->entries.count && i < BUS_LEASES_MAX; i++) {
        const struct bus_entry *entry = &outcome->entries.entries[i];
        leases[count++] = (struct ownership_lease){
            .key = entry->key, .text = entry->text, .sequence = entry->revision};
    }
    qsort(leases, count, sizeof leases[0], compare_revisions);
    ownership_leases_were_read(&node->ownership, outcome->serial, leases,
                               count < OWNERSHIP_LEASES_MAX ? count : OWNERSHIP_LEASES_MAX);
}

/* The last lease says that the others may have the slices. */
static void lease_was_written(struct node *node, const struct node_outcome *outcome)
{
    if (outcome->outcome != BUS_DONE) {
        ownership_lease_was_not_written(&node->ownership, outcome->serial);
        return;
    }
    ownership_lease_was_written(&node->ownership, outcome->serial, outcome->revision);
    if (node->ownership.has_ended || node->ownership.is_leaving)
        node_hint(node);
}

static void take_outcome(struct node *node, const struct node_outcome *outcome)
{
    struct ownership *ownership = &node->ownership;
    bool is_done = outcome->outcome == BUS_DONE;
    switch (outcome->kind) {
    case OWNERSHIP_WRITE_LEASE:
        lease_was_written(node, outcome);
        break;
    case OWNERSHIP_READ_MAP:
        map_was_read(node, outcome);
        break;
    case OWNERSHIP_WRITE_MAP:
        ownership_map_was_written(ownership, outcome->serial,
                                  is_done                           ? OWNERSHIP_ACKNOWLEDGED
                                  : outcome->outcome == BUS_REFUSED ? OWNERSHIP_REFUSED
                                                                    : OWNERSHIP_UNKNOWN);
        if (is_done)
            node_hint(node);
        break;
    case OWNERSHIP_READ_LEASES:
        if (is_done)
            leases_were_read(node, outcome);
        else
            ownership_leases_were_not_read(ownership, outcome->serial);
        break;
    default:
        break;
    }
    bool shows_leases =
        outcome->kind == OWNERSHIP_READ_LEASES || outcome->kind == NODE_LOOK_AT_LEASES;
    if (is_done && shows_leases)
        node_note_leases(node, &outcome->entries);
}

/* The owner's place, or PEER_NOBODY for one whose loops are not known yet. */
static uint8_t place_of(struct node *node, uint64_t incarnation)
{
    uint8_t place = peers_find(&node->peers, incarnation);
    if (place != PEER_NOBODY)
        return place;
    const struct node_known *known = node_find_known(node, incarnation);
    if (known != NULL)
        return node_add_peer(node, incarnation, known->loops);
    node->has_stranger = true;
    return PEER_NOBODY;
}

/* With --log-slices. From the lines of all nodes anybody sees that one at a time served a slice. */
static void tell_slice(const struct node *node, uint32_t slice, struct ownership_word before,
                       struct ownership_word now)
{
    struct ownership_word words[] = {before, now};
    static const char *const news[] = {"not served any more", "served here"};
    if (!node->server->config->tells_slices || peers_is_same(before, now))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (peers_place(words[i]) == PEER_HERE)
            fprintf(stderr, "party-sockets: slice %u, term %llu: %s, at %llu ms\n", slice,
                    (unsigned long long)peers_term(words[i]), news[i],
                    (unsigned long long)clock_boot_ms());
    }
}

/* Whether the picture has changed. */
static bool show(struct node *node, uint32_t slice, uint8_t place, uint64_t term)
{
    struct ownership_word before = peers_owner(&node->peers, slice);
    peers_set_owner(&node->peers, slice, place, term);
    struct ownership_word now = peers_owner(&node->peers, slice);
    tell_slice(node, slice, before, now);
    return !peers_is_same(before, now);
}

/* A slice of this node: its rooms are restored before it is served. */
static bool show_own_slice(struct node *node, uint32_t slice, uint64_t term)
{
    bool is_open = recorder_has_opened(node->recorder, slice, term);
    if (is_open)
        ownership_is_serving(&node->ownership, slice, term);
    return show(node, slice, is_open ? PEER_HERE : PEER_OPENING, term);
}

static bool show_slice(struct node *node, uint32_t slice)
{
    struct node_id owner;
    uint64_t term = ownership_term(&node->ownership, slice);
    if (term != 0)
        return show_own_slice(node, slice, term);
    term = ownership_yielded_term(&node->ownership, slice);
    if (term != 0)
        return show(node, slice, PEER_YIELDED, term);
    if (!ownership_find_owner(&node->ownership, slice, &owner, &term) ||
        owner.incarnation == node->id.incarnation)
        return show(node, slice, PEER_NOBODY, 0);
    uint8_t place = place_of(node, owner.incarnation);
    return show(node, slice, place, place == PEER_NOBODY ? 0 : term);
}

static void tell_loops(struct node *node)
{
    peers_publish_changes(&node->peers);
    for (uint32_t i = 0; i < node->server->loop_count; i++) {
        struct loop *loop = node->server->loops[i];
        if (!atomic_exchange(&loop->owners_mail_is_posted, true))
            mailbox_post(&loop->mailbox, &loop->owners_mail);
    }
}

/*
 * Tells the recorder which slices are this node's. The loops can see so before: a loop drops a room
 * of a slice that it does not know as its own.
 */
static void give_slices(struct node *node)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        struct ownership_word owner = peers_owner(&node->peers, i);
        /* The last records of what is yielded are still to be written. */
        bool is_own = peers_is_own(owner) || peers_place(owner) == PEER_YIELDED;
        recorder_give(node->recorder, i, is_own ? peers_term(owner) : 0);
    }
}

/* Takes all events, and shows the loops who owns what now. */
static void show_owners(struct node *node)
{
    struct ownership_event event;
    bool has_changed = false;
    while (ownership_next_event(&node->ownership, &event)) {
        if (event.kind == OWNERSHIP_LOST && event.why == OWNERSHIP_LOST_YIELDED) {
            has_changed |= show(node, event.slice, PEER_YIELDED, event.term);
            node_note_yield(node, event.slice, event.term);
        } else if (event.kind == OWNERSHIP_LOST) {
            has_changed |= show(node, event.slice, PEER_NOBODY, 0);
        } else if (event.kind == OWNERSHIP_ENDED) {
            atomic_store(&node->has_ended, true);
        }
    }
    node->has_stranger = false;
    /* See node.h: while it must look, it shows what it had. */
    for (uint32_t i = 0; !ownership_must_look(&node->ownership) && i < MAP_SLICES; i++)
        has_changed |= show_slice(node, i);
    if (has_changed) {
        tell_loops(node);
        node_yields_are_shown(node);
        give_slices(node);
    }
}

static void ask(struct node *node, uint64_t now_ms)
{
    struct ownership_request request;
    while (ownership_next_request(&node->ownership, &request))
        node_ask(&node->desk, (int)request.kind, &request);
    uint64_t pause_ms = node->has_stranger ? NODE_LEASES_SOON_MS : NODE_LEASES_MS;
    if (now_ms - node->leases_asked_ms < pause_ms)
        return;
    node->leases_asked_ms = now_ms;
    node_ask(&node->desk, NODE_LOOK_AT_LEASES, &(struct ownership_request){0});
}

/*
 * At most once in NODE_FIGURES_MS, since there are others all the time while slices move; but that
 * it has none any more at once: a node that ends has no other time to say so.
 */
static void tell_figures(struct node *node, uint64_t now_ms, uint32_t own, uint32_t owned,
                         uint32_t peers)
{
    struct node_figures *told = &node->figures_told;
    bool has_changed = own != told->own || owned != told->owned || peers != told->peers;
    atomic_store(&node->peers.own_slices, own);
    atomic_store(&node->peers.owned_slices, owned);
    atomic_store(&node->peers.live_peers, peers);
    bool must_wait = own > 0 && now_ms - told->at_ms < NODE_FIGURES_MS;
    if (!has_changed || must_wait)
        return;
    *told = (struct node_figures){now_ms, own, owned, peers};
    fprintf(stderr,
            "party-sockets: this node has %u of %d slices now (other nodes: %u, slices of "
            "owners it knows: %u)\n",
            own, MAP_SLICES, peers, owned);
}

/* Open WebSockets, as /stats counts them. */
static uint64_t count_clients(const struct server *server)
{
    uint64_t clients = 0;
    for (uint32_t i = 0; i < server->loop_count; i++)
        clients += atomic_load_explicit(&server->loops[i]->clients, memory_order_relaxed);
    return clients;
}

static void count_figures(struct node *node, uint64_t now_ms)
{
    const struct server *server = node->server;
    uint32_t peers = 0;
    uint32_t own = 0;
    uint32_t owned = 0;
    for (uint32_t i = 0; i < node->known_count; i++)
        peers += node_is_alive(&node->known[i], now_ms);
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        struct ownership_word owner = peers_owner(&node->peers, i);
        own += peers_place(owner) == PEER_HERE;
        owned += peers_place(owner) == PEER_HERE || peers_is_other(owner);
    }
    tell_figures(node, now_ms, own, owned, peers);
    node_list_silent_ones(node, now_ms);
    ownership_set_figures(&node->ownership, atomic_load(&server->rooms), count_clients(server));
}

/* Tells the operator when the bus is away, and when it is back. */
static void watch_bus(struct node *node)
{
    struct bus_state state;
    node->bus->functions->state(node->bus, &state);
    bool is_away = !state.has_messages || !state.has_keys;
    atomic_store(&node->peers.is_connected, !is_away);
    if (is_away == node->is_bus_known_away)
        return;
    node->is_bus_known_away = is_away;
    fprintf(stderr, "party-sockets: %s\n",
            !is_away             ? "NATS is back"
            : state.has_given_up ? "NATS does not take this node any more: start it anew"
                                 : "NATS is away: rooms go on whose members are all at this node");
}

/* See peers.h. A process that has stood still finds that the time is over. */
static void show_freshness(struct node *node, uint64_t now_ms)
{
    uint64_t read_ms;
    if (!ownership_find_last_read(&node->ownership, &read_ms))
        return;
    uint64_t age_ms = now_ms - read_ms;
    uint64_t left_ms = age_ms < NODE_FRESH_MS ? NODE_FRESH_MS - age_ms : 0;
    atomic_store(&node->peers.fresh_until_ns,
                 left_ms == 0 ? 0 : node->server->kernel->now_ns() + left_ms * 1000000);
}

static bool has_any(const struct peers *peers, uint8_t place)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        if (peers_place(peers_owner(peers, i)) == place)
            return true;
    }
    return false;
}

/* Notes what loops and the recorder have to do with slices: they do not say when it is done. */
static void note_moves(struct node *node, bool has_outcome)
{
    bool was_opening = node->is_opening;
    node->is_opening = has_any(&node->peers, PEER_OPENING);
    node->is_moving = !node->is_bus_known_away &&
                      (has_outcome || node->is_opening || has_any(&node->peers, PEER_YIELDED));
    if (was_opening && !node->is_opening)
        node_tell_opened(node);
}

/* Tells the main thread when others have all slices. */
static void leave(struct node *node)
{
    ownership_leave(&node->ownership);
    if (ownership_has_left(&node->ownership) && !atomic_exchange(&node->has_left, true))
        node->server->kernel->wake_post(node->server->news_fd);
}

/* See the contract of ownership.h. */
static void take_turn(struct node *node)
{
    struct node_outcome outcome;
    uint32_t wait_ms = node->is_moving ? NODE_MOVING_TURN_MS : NODE_TURN_MS;
    bool has_outcome = node_wait_for_outcome(&node->desk, wait_ms, &outcome);
    uint64_t now_ms = clock_boot_ms();
    watch_bus(node);
    count_figures(node, now_ms);
    node_allow_yields(node);
    if (atomic_exchange(&node->is_hinted, false))
        ownership_hint(&node->ownership);
    if (atomic_exchange(&node->heir_is_done, false))
        ownership_heir_has_opened(&node->ownership);
    ownership_begin_turn(&node->ownership, now_ms);
    if (has_outcome) {
        take_outcome(node, &outcome);
        node_outcome_taken(&node->desk);
    }
    node_follow_yields(node);
    if (atomic_load(&node->must_drain))
        ownership_drain(&node->ownership);
    if (atomic_load(&node->must_leave))
        leave(node);
    if (atomic_load(&node->must_end))
        ownership_end(&node->ownership);
    show_owners(node);
    note_moves(node, has_outcome);
    show_freshness(node, now_ms);
    if (!ownership_must_look(&node->ownership))
        atomic_store(&node->peers.looked_ms, now_ms);
    ask(node, now_ms);
}

void *node_run_keeper(void *argument)
{
    struct node *node = argument;
    while (!atomic_load(&node->is_stopping))
        take_turn(node);
    return NULL;
}
