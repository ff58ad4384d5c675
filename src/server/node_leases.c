/* What leases say of the other nodes: which there are, and which of them is alive. */
#include "server/node_parts.h"

const struct node_known *node_find_known(const struct node *node, uint64_t incarnation)
{
    for (uint32_t i = 0; i < node->known_count; i++) {
        if (node->known[i].id.incarnation == incarnation)
            return &node->known[i];
    }
    return NULL;
}

/* A stranger may write a lease with another one's incarnation. */
static const struct node_known *find(const struct node_known *known, uint32_t count,
                                     const struct node_id *id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (node_id_equal(&known[i].id, id))
            return &known[i];
    }
    return NULL;
}

bool node_is_alive(const struct node_known *known, uint64_t now_ms)
{
    return !known->has_ended && known->renewed_ms != 0 &&
           now_ms - known->renewed_ms <= NODE_ALIVE_MS;
}

/* The place of the peer that was not there for longest; PEER_NOBODY: each was, lately. */
static uint8_t find_place_to_replace(const struct node *node, uint64_t now_ms)
{
    uint64_t most_ms = NODE_PLACE_MS;
    uint8_t found = PEER_NOBODY;
    for (uint32_t place = 0; place < PEERS_MAX; place++) {
        uint64_t away_ms = now_ms - node->listed_ms[place];
        if (away_ms <= most_ms || !peers_is_idle(&node->peers, (uint8_t)place))
            continue;
        most_ms = away_ms;
        found = (uint8_t)place;
    }
    return found;
}

/* A node that starts and dies again and again would take all places, and keep all others out. */
static uint8_t replace_peer(struct node *node, uint64_t incarnation, uint32_t loops,
                            uint64_t now_ms)
{
    uint8_t place = find_place_to_replace(node, now_ms);
    if (place != PEER_NOBODY)
        peers_replace(&node->peers, place, incarnation, loops);
    return place;
}

uint8_t node_add_peer(struct node *node, uint64_t incarnation, uint32_t loops)
{
    bool is_new = peers_find(&node->peers, incarnation) == PEER_NOBODY;
    uint64_t now_ms = clock_boot_ms();
    uint8_t place = peers_add(&node->peers, incarnation, loops);
    if (place == PEER_NOBODY)
        place = replace_peer(node, incarnation, loops, now_ms);
    if (is_new && place != PEER_NOBODY)
        node->listed_ms[place] = now_ms;
    return place;
}

/* For the list of nodes: what a lease says that was renewed, or is the last one. */
static void list_peer(struct node *node, const struct node_known *known, const struct lease *lease,
                      uint64_t now_ms)
{
    uint8_t place = peers_find(&node->peers, known->id.incarnation);
    if (place == PEER_NOBODY)
        return;
    if (known->has_ended) {
        peers_set_state(&node->peers, place, PEER_UNLISTED);
    } else if (known->renewed_ms == now_ms) {
        node->listed_ms[place] = now_ms;
        peers_list(&node->peers, place, lease);
    }
}

/*
 * Each look asks for each lease, so those of the dead must not stay. Of the nodes that are there
 * one has this to do. A lease that gave its node slices tells how they were left, so it stays until
 * others have them. A node that stood still for as long renews its lease, and is there again.
 */
static void remove_lease_of_dead(struct node *node, uint64_t now_ms)
{
    const struct node_known *dead = NULL;
    for (uint32_t i = 0; i < node->known_count; i++) {
        const struct node_known *known = &node->known[i];
        if (node_is_alive(known, now_ms) && known->id.incarnation < node->id.incarnation)
            return;
        bool is_old =
            known->looks_same >= NODE_LEASE_LOOKS && now_ms - known->since_ms >= NODE_LEASE_MS;
        if (is_old && !ownership_owns(&node->ownership, &known->id))
            dead = known;
    }
    if (dead == NULL)
        return;
    uint8_t key[NODE_ID_TEXT_MAX];
    struct writer writer = writer_over(key, sizeof key);
    node_id_write(&writer, &dead->id);
    const struct ownership_request request = {.text = writer_view(&writer),
                                              .revision = dead->revision};
    node_ask(&node->desk, NODE_REMOVE_LEASE, &request);
}

/* What a lease says, with what was known of it before. NULL: it is seen for the first time. */
static struct node_known know(const struct node_known *before, const struct lease *lease,
                              uint64_t revision, uint64_t now_ms)
{
    struct node_known known = {.id = lease->node,
                               .loops = lease->loops,
                               .revision = revision,
                               .since_ms = now_ms,
                               .has_ended = lease->has_ended};
    bool is_same = before != NULL && before->revision == revision;
    /* A lease that is seen for the first time may be of long ago. */
    if (before != NULL)
        known.renewed_ms = is_same ? before->renewed_ms : now_ms;
    if (is_same) {
        known.since_ms = before->since_ms;
        known.looks_same = before->looks_same + 1;
    }
    return known;
}

void node_note_leases(struct node *node, const struct bus_entries *entries)
{
    struct node_known before[BUS_LEASES_MAX];
    uint32_t count_before = node->known_count;
    uint64_t now_ms = clock_boot_ms();
    memcpy(before, node->known, sizeof before);
    node->known_count = 0;
    for (uint32_t i = 0; i < entries->count && i < BUS_LEASES_MAX; i++) {
        const struct bus_entry *entry = &entries->entries[i];
        struct node_id id;
        struct lease lease;
        if (!node_id_read(entry->key, &id) || !lease_read(entry->text, &lease) ||
            !node_id_equal(&id, &lease.node) || id.incarnation == node->id.incarnation)
            continue;
        const struct node_known known =
            know(find(before, count_before, &id), &lease, entry->revision, now_ms);
        node->known[node->known_count++] = known;
        /* Whose messages loops take. Leases of the dead stay for a while; only one that is renewed
         * counts. */
        if (known.renewed_ms != 0 && !known.has_ended)
            (void)node_add_peer(node, id.incarnation, known.loops);
        list_peer(node, &known, &lease, now_ms);
    }
    remove_lease_of_dead(node, now_ms);
}

void node_list_silent_ones(struct node *node, uint64_t now_ms)
{
    struct peer_view view;
    for (uint32_t place = 0; place < node->peers.count; place++) {
        uint64_t silent_ms = now_ms - node->listed_ms[place];
        if (silent_ms <= NODE_ALIVE_MS || !peers_look(&node->peers, place, &view))
            continue;
        bool is_recent = silent_ms <= NODE_LISTED_MS;
        peers_set_state(&node->peers, (uint8_t)place, is_recent ? PEER_SILENT : PEER_UNLISTED);
    }
}
