/*
 * What is true, and what must hold. An entry is read here in another way than by the machine: by
 * looking for what map_write() writes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cluster/world.h"

#define KNOWS_MS 2500  /* a node that reaches the engine has read an entry by then */
#define AT_ONCE_MS 500 /* who served so long ago still serves */
#define JUDGED_MS 4500 /* how old a judgement may be, and the leases behind it */
#define HASTY_MS 5500  /* five renewals, and how old a judgement may be */
#define NO_NODE UINT32_MAX

static const char *find(const char *text, const char *what)
{
    const char *found = text != NULL ? strstr(text, what) : NULL;
    return found != NULL ? found + strlen(what) : NULL;
}

static uint32_t node_at(const char *id)
{
    const char *dot = strchr(id, '.');
    uint64_t incarnation = strtoull(dot + 1, NULL, 16);
    return incarnation > 0 && incarnation <= world.node_count ? (uint32_t)incarnation - 1 : NO_NODE;
}

/* Nodes are numbered from 1 on by their incarnations. */
static uint32_t read_nodes(const char *at, uint32_t nodes[MAP_NODES_MAX])
{
    uint32_t count = 0;
    while (at != NULL && *at == '"' && count < MAP_NODES_MAX) {
        nodes[count++] = node_at(at + 1);
        at = find(at + 1, "\"");
        if (at != NULL && *at == ',')
            at++;
    }
    return count;
}

void truth_read(struct true_entry *entry, uint64_t revision)
{
    const char *text = (const char *)entry->text.data;
    const char *based_on = find(text, "\"basedOn\":");
    const char *era = find(text, "\"era\":\"");
    const char *at = find(text, "\"slices\":[");
    uint32_t nodes[MAP_NODES_MAX];
    uint32_t count = read_nodes(find(text, "\"nodes\":["), nodes);
    if (based_on == NULL || era == NULL || at == NULL || count == 0)
        return;
    entry->stands = strtoull(based_on, NULL, 10) + 1 == revision;
    entry->era = strtoull(era, NULL, 16);
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        unsigned owner;
        unsigned how = SLICE_TAKEN;
        unsigned long long term;
        at = strchr(at, '[');
        if (at == NULL || sscanf(at, "[%u,%llu,%u", &owner, &term, &how) < 2 || owner >= count ||
            nodes[owner] == NO_NODE)
            broken("slice %u of an entry is not what it should be: %.40s", i, at);
        entry->slices[i] = (struct true_slice){nodes[owner], term, how == SLICE_MOVED};
        at++;
    }
}

static const struct true_entry *last_before(const struct stream *stream, uint32_t revision)
{
    for (uint32_t i = revision - 1; i-- > 0;) {
        if (stream->entries[i].stands)
            return &stream->entries[i];
    }
    return NULL;
}

const struct true_entry *truth_now(void)
{
    const struct stream *stream = &world.streams[world.stream];
    return last_before(stream, stream->count + 1);
}

/* hasty: a slice is taken only from a node that has ended, or was away for a while. */
static void check_death(const struct node *owner, const struct letter *letter)
{
    const struct node *writer = &world.nodes[letter->node];
    if (owner->is_alive && !owner->has_ended && owner->good_ms + HASTY_MS < letter->based_on_ms) {
        char name[64];
        snprintf(name, sizeof name, "%s", name_of(owner));
        broken("%s takes slices from %s, which is well since %llu ms", name_of(writer), name,
               (unsigned long long)owner->good_ms);
    }
}

/* A slice is given by its owner, which has handed its rooms over, or has ended. */
static void check_giving(uint32_t slice, const struct true_slice *before,
                         const struct letter *letter)
{
    const struct node *owner = &world.nodes[before->owner];
    bool is_handed_over = before->owner == letter->node && owner->handed[slice] == before->term;
    if (!is_handed_over && !owner->has_ended)
        broken("slice %u of %s is said to be given, and is not", slice, name_of(owner));
}

/* Who gets a slice does not drain, as far as the writer could know. */
static void check_heir(const struct node *heir, const struct letter *letter)
{
    if (heir->draining_ms > 0 && heir->draining_ms + JUDGED_MS < letter->based_on_ms)
        broken("%s gets a slice, and drains since %llu ms", name_of(heir),
               (unsigned long long)heir->draining_ms);
}

/* Who could have got slices: a node that stays, and was well for a while. */
static bool is_well(const struct node *node, const struct letter *letter)
{
    return node->is_alive && !node->is_draining && node->good_ms + HASTY_MS < letter->based_on_ms;
}

/* Who had the fewest got the next one: in the end those that got some have as many. */
static void check_shares(const struct true_entry *before, const struct true_entry *after,
                         const struct letter *letter)
{
    uint32_t counts[NODES_MAX] = {0};
    bool got[NODES_MAX] = {false};
    uint32_t least = MAP_SLICES;
    uint32_t most = 0;
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        counts[after->slices[i].owner]++;
        if (before->slices[i].owner != after->slices[i].owner)
            got[after->slices[i].owner] = true;
    }
    for (uint32_t i = 0; i < world.node_count; i++) {
        if (got[i] || is_well(&world.nodes[i], letter))
            least = counts[i] < least ? counts[i] : least;
        if (got[i])
            most = counts[i] > most ? counts[i] : most;
    }
    if (most > 0 && most > least + 1)
        broken("a node gets slices until it has %u, another one until it has %u", most, least);
}

void truth_check_entry(const struct stream *stream, const struct letter *letter)
{
    const struct true_entry *after = &stream->entries[stream->count - 1];
    const struct true_entry *before = last_before(stream, stream->count);
    if (before == NULL || before->era != after->era) {
        if (before != NULL)
            broken("an era begins where another one stands");
        world.outcome.eras++;
        return;
    }
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        const struct true_slice *old = &before->slices[i];
        const struct true_slice *new = &after->slices[i];
        bool is_same = old->owner == new->owner;
        bool is_given_back = is_same && new->is_moved &&new->term == old->term + 1;
        if (new->term != old->term + !is_same && !is_given_back)
            broken("the term of slice %u goes from %llu to %llu", i, (unsigned long long)old->term,
                   (unsigned long long)new->term);
        if (new->term == old->term)
            continue;
        check_heir(&world.nodes[new->owner], letter);
        if (new->is_moved) {
            world.outcome.slices_moved++;
            check_giving(i, old, letter);
        } else {
            world.outcome.slices_taken++;
            check_death(&world.nodes[old->owner], letter);
        }
    }
    check_shares(before, after, letter);
}

/* The entry that first gave the slice to somebody at this term; NULL: none did, in this era. */
static const struct true_entry *find_giving(uint32_t slice, uint64_t term, uint64_t era,
                                            uint32_t *ret_stream)
{
    for (uint32_t i = 0; i <= world.stream; i++) {
        for (uint32_t j = 0; j < world.streams[i].count; j++) {
            const struct true_entry *entry = &world.streams[i].entries[j];
            *ret_stream = i;
            if (entry->stands && entry->era == era && entry->slices[slice].term == term)
                return entry;
        }
    }
    return NULL;
}

/* Who gave the slice serves it no more, whatever it knows. */
static void check_giver(const struct node *node, uint32_t slice, uint64_t term)
{
    for (uint32_t i = 0; i < world.node_count; i++) {
        const struct node *other = &world.nodes[i];
        if (other != node && other->is_alive && !other->is_ending &&
            ownership_term(&other->ownership, slice) + 1 == term &&
            other->ownership.map.era == node->ownership.map.era)
            broken("slice %u is opened at term %llu, and is still served at the one before", slice,
                   (unsigned long long)term);
    }
}

void truth_check_opening(struct node *node, uint32_t slice, uint64_t term)
{
    uint32_t number = (uint32_t)(node - world.nodes);
    uint32_t stream;
    const struct true_entry *entry = find_giving(slice, term, node->ownership.map.era, &stream);
    world.outcome.openings++;
    if (entry == NULL || entry->slices[slice].owner != number)
        broken("%s opens slice %u at term %llu, which nobody gave it", name_of(node), slice,
               (unsigned long long)term);
    if (world.openers[stream][slice][term % ENTRIES_MAX].node == 0)
        world.openers[stream][slice][term % ENTRIES_MAX].node = number + 1;
    else if (world.openers[stream][slice][term % ENTRIES_MAX].node != number + 1)
        broken("term %llu of slice %u is opened by two", (unsigned long long)term, slice);
    if (node->seen[slice] > 0 && term < node->seen[slice])
        broken("%s goes back from term %llu of slice %u", name_of(node),
               (unsigned long long)node->seen[slice], slice);
    if (node->clock_ms > node->read_ms + OWNERSHIP_FRESH_MS)
        broken("%s opens slice %u and has read no map since %llu ms", name_of(node), slice,
               (unsigned long long)node->read_ms);
    if (entry->slices[slice].is_moved)
        check_giver(node, slice, term);
    else if (world.now_ms < entry->at_ms + OWNERSHIP_WAIT_MS)
        broken("%s opens slice %u %llu ms after the entry", name_of(node), slice,
               (unsigned long long)(world.now_ms - entry->at_ms));
}

/* own-entry */
static void check_loss(const struct node *node, const struct ownership_event *event)
{
    uint32_t stream;
    if (event->why == OWNERSHIP_LOST_NOBODY && !node->is_ending)
        broken("%s loses slice %u to nobody", name_of(node), event->slice);
    if (event->why == OWNERSHIP_LOST_MOVED)
        broken("%s loses slice %u by a move, and there are none", name_of(node), event->slice);
    if (event->why == OWNERSHIP_LOST_UNKNOWN && world.outcome.entries < MAP_HISTORY_MAX)
        broken("%s does not know who took slice %u", name_of(node), event->slice);
    if (event->why != OWNERSHIP_LOST_TAKEN)
        return;
    const struct true_entry *entry =
        find_giving(event->slice, event->term + 1, node->ownership.map.era, &stream);
    if (entry == NULL || event->to_term != event->term + 1 ||
        !node_id_equal(&world.nodes[entry->slices[event->slice].owner].id, &event->to))
        broken("%s is told that slice %u of term %llu went to %s at term %llu", name_of(node),
               event->slice, (unsigned long long)event->term, event->to.name,
               (unsigned long long)event->to_term);
}

void truth_check_event(struct node *node, const struct ownership_event *event)
{
    tell("%s: event %d, slice %u, term %llu", name_of(node), (int)event->kind, event->slice,
         (unsigned long long)event->term);
    switch (event->kind) {
    case OWNERSHIP_OPENED:
        if (node->told[event->slice] != 0 || event->term != node->seen[event->slice])
            broken("%s is told of an opening of slice %u", name_of(node), event->slice);
        break;
    case OWNERSHIP_LOST:
        world.outcome.losses++;
        if (node->told[event->slice] != event->term || event->term == 0)
            broken("%s is told that it lost slice %u, which it had not", name_of(node),
                   event->slice);
        check_loss(node, event);
        break;
    case OWNERSHIP_ENDED:
        if (!node->has_ended)
            broken("%s has ended, and its lease does not say so", name_of(node));
        break;
    case OWNERSHIP_ERA: /* with terms of its own */
        memset(node->seen, 0, sizeof node->seen);
        break;
    case OWNERSHIP_MUST_LOOK:
    case OWNERSHIP_LOOKED:
        break;
    }
}

/* look: since the pause a read has succeeded, or tries have failed for a while. */
static void check_look(const struct node *node)
{
    if (ownership_must_look(&node->ownership) || node->look_ms == 0)
        return;
    bool has_read = node->read_ms >= node->look_ms;
    bool has_tried =
        node->map_sent_ms >= node->look_ms && world.now_ms >= node->look_ms + OWNERSHIP_TRIES_MS;
    if (!has_read && !has_tried)
        broken("%s goes on before it has looked", name_of(node));
}

static void check_no_other(const struct node *node, uint32_t slice)
{
    for (uint32_t i = 0; i < world.node_count; i++) {
        const struct node *other = &world.nodes[i];
        if (other == node || !other->is_alive || other->served_ms[slice] == 0)
            continue;
        uint64_t good_ms = node->good_ms > other->good_ms ? node->good_ms : other->good_ms;
        if (other->served_ms[slice] > good_ms + KNOWS_MS &&
            other->served_ms[slice] + AT_ONCE_MS >= world.now_ms) {
            char name[64];
            snprintf(name, sizeof name, "%s", name_of(other));
            broken("%s and %s both serve slice %u", name_of(node), name, slice);
        }
    }
}

void truth_check_service(struct node *node)
{
    const struct true_entry *now = truth_now();
    check_look(node);
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        uint64_t term = ownership_term(&node->ownership, i);
        if (term == 0)
            continue;
        if (ownership_must_look(&node->ownership))
            broken("%s serves slice %u while it must look", name_of(node), i);
        if (term != node->told[i])
            broken("%s was not told of term %llu of slice %u", name_of(node),
                   (unsigned long long)term, i);
        if (now != NULL && now->at_ms + KNOWS_MS < world.now_ms &&
            node->good_ms + KNOWS_MS < world.now_ms &&
            (now->slices[i].term != term || now->era != node->ownership.map.era))
            broken("%s serves slice %u at term %llu, which is over", name_of(node), i,
                   (unsigned long long)term);
        check_no_other(node, i);
        node->served_ms[i] = world.now_ms;
    }
}

void truth_check_knowledge(const struct node *node)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        struct node_id owner;
        uint64_t term = ownership_term(&node->ownership, i);
        uint64_t known_term;
        if (term != 0 && (!ownership_find_owner(&node->ownership, i, &owner, &known_term) ||
                          known_term != term || !node_id_equal(&owner, &node->id)))
            broken("%s serves slice %u at term %llu, and knows of term %llu", name_of(node), i,
                   (unsigned long long)term, (unsigned long long)known_term);
    }
}

void truth_check_end(const struct node *node)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        if (ownership_term(&node->ownership, i) != 0)
            broken("%s ends and serves slice %u", name_of(node), i);
        if (node->has_ended && node->told[i] != 0)
            broken("%s has ended and was not told that it lost slice %u", name_of(node), i);
    }
}

static const char *wound(char *text, size_t capacity)
{
    const struct true_entry *now = truth_now();
    if (now == NULL)
        return "nothing stands";
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        const struct node *owner = &world.nodes[now->slices[i].owner];
        if (!owner->is_alive || owner->is_ending) {
            snprintf(text, capacity, "slice %u belongs to %s, which is gone", i, name_of(owner));
            return text;
        }
        if (ownership_term(&owner->ownership, i) != now->slices[i].term) {
            snprintf(text, capacity, "slice %u is not served by %s", i, name_of(owner));
            return text;
        }
    }
    return NULL;
}

bool truth_is_healed(void)
{
    char text[128];
    return wound(text, sizeof text) == NULL;
}

bool truth_is_shared(void)
{
    const struct true_entry *now = truth_now();
    uint32_t least = MAP_SLICES;
    uint32_t most = 0;
    for (uint32_t i = 0; i < world.node_count && now != NULL; i++) {
        const struct node *node = &world.nodes[i];
        uint32_t count = 0;
        for (uint32_t slice = 0; slice < MAP_SLICES; slice++)
            count += now->slices[slice].owner == i;
        if (!node->is_alive || node->is_draining)
            continue;
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    return now != NULL && most <= least + 1;
}

void truth_check_healed(void)
{
    char text[128];
    const char *what = wound(text, sizeof text);
    if (what != NULL)
        broken("after all has healed: %s", what);
}
