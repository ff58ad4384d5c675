/* Who is dead, who inherits, and the entries that this node writes. */
#include "cluster/ownership_parts.h"

static const struct ownership_node *find_node(const struct ownership_judgement *judgement,
                                              const struct node_id *id)
{
    for (uint32_t i = 0; i < judgement->count; i++) {
        if (node_id_equal(&judgement->nodes[i].id, id))
            return &judgement->nodes[i];
    }
    return NULL;
}

/* hasty. A lease that is not there is older than all that are. */
static bool is_dead(const struct ownership *ownership, const struct node_id *id)
{
    const struct ownership_judgement *judgement = &ownership->judgement;
    if (node_id_equal(id, &ownership->self))
        return false;
    const struct ownership_node *node = find_node(judgement, id);
    return node == NULL || node->has_ended || node->sequence < judgement->renewals[0];
}

static bool is_heir(const struct ownership *ownership, const struct ownership_node *node)
{
    const uint64_t *renewals = ownership->judgement.renewals;
    return node->may_inherit &&
           node->sequence > renewals[OWNERSHIP_RENEWALS - OWNERSHIP_MISSED_LEAST];
}

static void note_dead(struct ownership *ownership)
{
    bool has_dead = false;
    for (uint32_t i = 0; i < MAP_SLICES && !has_dead; i++) {
        const struct map_slice *slice = &ownership->map.slices[i];
        has_dead = is_dead(ownership, &ownership->map.nodes[slice->owner]);
    }
    if (has_dead && !ownership->has_dead)
        ownership->dead_since_ms = ownership->now_ms;
    ownership->has_dead = has_dead;
}

static struct ownership_node read_lease(const struct node_id *id,
                                        const struct ownership_lease *entry)
{
    struct lease lease;
    bool is_read = lease_read(entry->text, &lease) && node_id_equal(&lease.node, id);
    return (struct ownership_node){
        .id = *id,
        .sequence = entry->sequence,
        .has_ended = is_read && lease.has_ended,
        .may_inherit = is_read && !lease.has_ended && !lease.is_draining && !lease.is_edge_only,
    };
}

void ownership_leases_were_read(struct ownership *ownership, uint64_t serial,
                                const struct ownership_lease *leases, uint32_t count)
{
    struct ownership_judgement *judgement = &ownership->judgement;
    uint64_t own_sequence = 0;
    if (!ownership_settle(ownership, OWNERSHIP_READ_LEASES, serial))
        return;
    judgement->count = 0;
    for (uint32_t i = 0; i < count && judgement->count < OWNERSHIP_LEASES_MAX; i++) {
        struct node_id id;
        if (!node_id_read(leases[i].key, &id))
            continue;
        if (node_id_equal(&id, &ownership->self))
            own_sequence = leases[i].sequence;
        judgement->nodes[judgement->count++] = read_lease(&id, &leases[i]);
    }
    /* own-lease */
    judgement->is_valid = own_sequence >= judgement->renewals[OWNERSHIP_RENEWALS - 1];
    if (judgement->is_valid && ownership->has_map)
        note_dead(ownership);
}

struct heirs {
    uint32_t count;
    struct node_id ids[OWNERSHIP_LEASES_MAX + 1]; /* in their order */
    uint8_t places[OWNERSHIP_LEASES_MAX + 1];     /* among the nodes of the map */
    uint32_t slices[OWNERSHIP_LEASES_MAX + 1];    /* how many each owns */
};

static void add_heir(struct heirs *heirs, const struct node_id *id)
{
    uint32_t place = heirs->count++;
    while (place > 0 && node_id_compare(&heirs->ids[place - 1], id) > 0) {
        heirs->ids[place] = heirs->ids[place - 1];
        place--;
    }
    heirs->ids[place] = *id;
}

static void find_heirs(const struct ownership *ownership, struct heirs *ret_heirs)
{
    const struct ownership_judgement *judgement = &ownership->judgement;
    ret_heirs->count = 0;
    for (uint32_t i = 0; i < judgement->count; i++) {
        const struct ownership_node *node = &judgement->nodes[i];
        if (!node_id_equal(&node->id, &ownership->self) && is_heir(ownership, node))
            add_heir(ret_heirs, &node->id);
    }
    if (!ownership->is_draining && !ownership->is_edge_only)
        add_heir(ret_heirs, &ownership->self);
}

/* Whether those who come before this node have had their time. */
static bool is_ones_turn(const struct ownership *ownership, const struct heirs *heirs)
{
    uint32_t before = 0;
    while (before < heirs->count && before < OWNERSHIP_HEIRS_WAITED &&
           !node_id_equal(&heirs->ids[before], &ownership->self))
        before++;
    return ownership->now_ms - ownership->dead_since_ms >= before * OWNERSHIP_HEIR_MS;
}

/* Gives heirs a place among the nodes; those for whom there is none inherit nothing. */
static void seat_heirs(struct map *map, struct heirs *heirs)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < heirs->count; i++) {
        uint8_t place = map_add_node(map, &heirs->ids[i]);
        if (place == MAP_NO_NODE)
            continue;
        heirs->places[count] = place;
        heirs->slices[count] = 0;
        for (uint32_t s = 0; s < MAP_SLICES; s++)
            heirs->slices[count] += map->slices[s].owner == place;
        count++;
    }
    heirs->count = count;
}

/* The heir with the fewest slices; there is one at least. */
static uint32_t find_least(const struct heirs *heirs)
{
    uint32_t least = 0;
    for (uint32_t i = 1; i < heirs->count; i++) {
        if (heirs->slices[i] < heirs->slices[least])
            least = i;
    }
    return least;
}

/* The same, which gets one more. */
static uint8_t next_heir(struct heirs *heirs)
{
    uint32_t least = find_least(heirs);
    heirs->slices[least]++;
    return heirs->places[least];
}

/* Takes a slice from its owner. */
static void free_slice(struct map_slice *slice, enum slice_how how)
{
    *slice = (struct map_slice){
        .term = slice->term + 1, .owner = MAP_NO_NODE, .next = MAP_NO_NODE, .how = (uint8_t)how};
}

/* Gives the slices without an owner to heirs. False: there are no such slices, or no heirs. */
static bool give_to_heirs(struct map *map, struct heirs *heirs)
{
    uint32_t count = 0;
    map_forget_nodes(map); /* makes places for heirs */
    seat_heirs(map, heirs);
    for (uint32_t i = 0; i < MAP_SLICES && heirs->count > 0; i++) {
        if (map->slices[i].owner != MAP_NO_NODE)
            continue;
        map->slices[i].owner = next_heir(heirs);
        count++;
    }
    return count > 0;
}

/* Whether the owner of a slice has given it by its end. */
static bool is_left(const struct ownership *ownership, uint32_t slice, const struct node_id *owner)
{
    const struct ownership_node *node = find_node(&ownership->judgement, owner);
    uint64_t known_ms = ownership->slices[slice].known_ms;
    return node != NULL && node->has_ended && known_ms != 0 &&
           ownership->now_ms - known_ms >= OWNERSHIP_WAIT_MS;
}

static bool take_slices(const struct ownership *ownership, struct map *map)
{
    struct heirs heirs;
    find_heirs(ownership, &heirs);
    if (heirs.count == 0 || !is_ones_turn(ownership, &heirs))
        return false;
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        struct map_slice *slice = &map->slices[i];
        const struct node_id *owner = &map->nodes[slice->owner];
        if (slice->term < MAP_NUMBER_MAX && is_dead(ownership, owner))
            free_slice(slice, is_left(ownership, i, owner) ? SLICE_MOVED : SLICE_TAKEN);
    }
    return give_to_heirs(map, &heirs);
}

/* Gives away what was yielded, and has been handed over. */
static bool give_yielded(const struct ownership *ownership, struct map *map)
{
    struct heirs heirs;
    uint32_t count = 0;
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        const struct ownership_slice *own = &ownership->slices[i];
        struct map_slice *slice = &map->slices[i];
        if (own->state != SLICE_YIELDED || !own->is_handed_over || slice->term == MAP_NUMBER_MAX)
            continue;
        free_slice(slice, SLICE_MOVED);
        count++;
    }
    find_heirs(ownership, &heirs);
    return count > 0 && give_to_heirs(map, &heirs);
}

static bool is_judged(const struct ownership *ownership)
{
    const struct ownership_judgement *judgement = &ownership->judgement;
    return ownership->has_map && judgement->is_valid &&
           ownership->now_ms - judgement->asked_ms <= OWNERSHIP_JUDGED_MS;
}

static void yield_one(struct ownership *ownership, struct ownership_slice *slice)
{
    slice->state = SLICE_YIELDED;
    slice->is_handed_over = false;
    slice->lost_why = OWNERSHIP_LOST_YIELDED;
    slice->lost_term = 0;
    slice->lost_to = (struct node_id){0};
    ownership->has_changes = true;
}

static uint32_t count_own(const struct ownership *ownership)
{
    uint8_t self = map_find_node(&ownership->map, &ownership->self);
    uint32_t own = 0;
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        own += self != MAP_NO_NODE && ownership->map.slices[i].owner == self;
    return own;
}

/*
 * How many of them are to be yielded at once: their rooms stand still together. But a node with
 * many rooms must come to an end, too.
 */
static uint32_t slices_at_once(const struct ownership *ownership, uint32_t own)
{
    uint64_t rooms = own == 0 ? 0 : (ownership->rooms + own - 1) / own; /* of a slice */
    uint64_t part = ownership->rooms / OWNERSHIP_YIELDS;
    uint64_t together = part < OWNERSHIP_YIELD_ROOMS ? OWNERSHIP_YIELD_ROOMS : part;
    uint64_t slices = rooms == 0 ? OWNERSHIP_YIELDS_MAX : together / rooms;
    if (slices > OWNERSHIP_YIELDS_MAX)
        slices = OWNERSHIP_YIELDS_MAX;
    return slices == 0 ? 1 : (uint32_t)slices;
}

static bool has_yielded(const struct ownership *ownership)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        if (ownership->slices[i].state == SLICE_YIELDED)
            return true;
    }
    return false;
}

/*
 * How many slices this node has too many: with so many less it still has as many as the heirs that
 * got them. When it leaves these are all, if there are heirs.
 */
static uint32_t count_surplus(const struct ownership *ownership, uint32_t own)
{
    struct heirs heirs;
    struct map map = ownership->map;
    uint8_t self = map_find_node(&map, &ownership->self);
    uint32_t surplus = 0;
    find_heirs(ownership, &heirs);
    if (ownership->is_leaving)
        return heirs.count > 0 ? own : 0;
    seat_heirs(&map, &heirs);
    while (heirs.count > 0) {
        uint32_t least = find_least(&heirs);
        if (heirs.places[least] == self || own < heirs.slices[least] + 2)
            break;
        heirs.slices[least]++;
        own--;
        surplus++;
    }
    return surplus;
}

/* The giver of a slice may have become the heir with the fewest. */
static bool was_given_some(const struct ownership *ownership)
{
    return ownership->gained_ms != 0 &&
           ownership->now_ms - ownership->gained_ms < OWNERSHIP_KEPT_MS;
}

/* Slices that wait to be opened would stand still all together. */
static bool are_heirs_busy(const struct ownership *ownership)
{
    return ownership->gave_ms != 0 && ownership->now_ms - ownership->gave_ms < OWNERSHIP_PACE_MS;
}

void ownership_share(struct ownership *ownership)
{
    bool may_share =
        is_judged(ownership) && !ownership->has_dead && !ownership->must_look &&
        !ownership->is_ending && !ownership->is_outdated && !ownership->keeps_slices &&
        (ownership->is_leaving || (!ownership->is_draining && !was_given_some(ownership)));
    if (!may_share || has_yielded(ownership) || are_heirs_busy(ownership))
        return;
    uint32_t own = count_own(ownership);
    uint32_t surplus = count_surplus(ownership, own);
    uint32_t at_once = slices_at_once(ownership, own);
    uint32_t left = surplus < at_once ? surplus : at_once;
    /* Rooms may be in neighbouring slices, those that were there first: so not these together. */
    for (uint32_t i = 0; i < MAP_SLICES && left > 0; i++) {
        struct ownership_slice *slice = &ownership->slices[i * OWNERSHIP_STRIDE % MAP_SLICES];
        if (slice->state != SLICE_OPEN || !slice->is_served)
            continue;
        yield_one(ownership, slice);
        left--;
    }
}

bool ownership_has_left(const struct ownership *ownership)
{
    struct heirs heirs;
    if (!ownership->is_leaving)
        return false;
    if (!ownership->has_map || count_own(ownership) == 0)
        return true;
    find_heirs(ownership, &heirs);
    return is_judged(ownership) && heirs.count == 0;
}

/* A number that looks random (splitmix64). */
static uint64_t mix(uint64_t number)
{
    number += UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

/* Nothing stands in the stream: the map that this node knows goes on, or an era begins. */
static bool begin_anew(struct ownership *ownership, struct map *map)
{
    if (ownership->has_map)
        return true;
    if (ownership->is_draining || ownership->is_edge_only)
        return false;
    /* Somebody else may know what stood. */
    if (ownership->last_revision > 0 &&
        ownership->now_ms - ownership->bare_since_ms < OWNERSHIP_FOUND_MS)
        return false;
    ownership->random = mix(ownership->random);
    map_found(map, &ownership->self, ownership->random);
    return true;
}

/* Makes the next map of this one. False: there is nothing to change. */
static bool change_map(struct ownership *ownership, struct map *map)
{
    *map = ownership->map;
    if (ownership->is_bare)
        return begin_anew(ownership, map);
    if (ownership->has_dead && take_slices(ownership, map))
        return true;
    *map = ownership->map;
    return give_yielded(ownership, map);
}

bool ownership_plan_entry(struct ownership *ownership, struct map *ret_map)
{
    if (!ownership->was_read || ownership->must_read || ownership->is_outdated ||
        (!ownership->is_bare && !is_judged(ownership)))
        return false;
    if (!change_map(ownership, ret_map))
        return false;
    ret_map->by = ownership->self;
    ret_map->based_on = ownership->last_revision;
    return true;
}
