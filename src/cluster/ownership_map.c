/* What a map that was read changes. */
#include "cluster/ownership_parts.h"

static void lose(struct ownership *ownership, struct ownership_slice *slice,
                 enum ownership_loss why)
{
    bool was_served = slice->state == SLICE_OPEN || slice->state == SLICE_YIELDED;
    if (was_served && slice->told_term == slice->term) {
        slice->lost_why = (uint8_t)why;
        slice->lost_term = 0;
        slice->lost_to = (struct node_id){0};
        ownership->has_changes = true;
    }
    slice->state = SLICE_FOREIGN;
}

void ownership_lose_all(struct ownership *ownership, enum ownership_loss why)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        if (ownership->slices[i].state != SLICE_FOREIGN)
            lose(ownership, &ownership->slices[i], why);
    }
}

/* own-entry: the entry raised the term, or is the first one that is left after that. */
static void lose_by_entry(struct ownership *ownership, struct ownership_slice *slice,
                          const struct map *map, const struct map_slice *entry)
{
    bool is_known = entry->term == slice->term + 1;
    bool is_told = slice->state != SLICE_FOREIGN && slice->told_term == slice->term;
    if (!is_known)
        lose(ownership, slice, OWNERSHIP_LOST_UNKNOWN);
    else
        lose(ownership, slice,
             entry->how == SLICE_MOVED ? OWNERSHIP_LOST_MOVED : OWNERSHIP_LOST_TAKEN);
    if (!is_known || !is_told)
        return;
    slice->lost_term = entry->term;
    slice->lost_to = map->nodes[entry->owner];
}

static void take_in_slice(struct ownership *ownership, struct ownership_slice *slice,
                          const struct map *map, const struct map_slice *entry)
{
    bool is_own = node_id_equal(&map->nodes[entry->owner], &ownership->self);
    if (slice->state != SLICE_FOREIGN && (!is_own || entry->term != slice->term))
        lose_by_entry(ownership, slice, map, entry);
    if (!is_own && entry->term > slice->foreign_term)
        slice->foreign_term = entry->term;
    if (!is_own || slice->state != SLICE_FOREIGN || entry->term <= slice->foreign_term ||
        ownership->is_ending)
        return;
    slice->state = SLICE_GIVEN;
    slice->term = entry->term;
    slice->is_moved = entry->how == SLICE_MOVED;
    slice->is_served = false;
    if (slice->is_moved)
        ownership->gained_ms = ownership->now_ms;
}

/* Terms of one era say nothing of those of another one. */
static void end_era(struct ownership *ownership)
{
    ownership_lose_all(ownership, OWNERSHIP_LOST_ERA);
    ownership->has_map = false;
    ownership->map_revision = 0;
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        ownership->slices[i].foreign_term = 0;
}

static void take_in_entry(struct ownership *ownership, uint64_t revision, const struct map *map)
{
    if (ownership->map_revision > 0 && ownership->map.era != map->era)
        end_era(ownership);
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        if (!ownership->has_map || ownership->map.slices[i].term != map->slices[i].term)
            ownership->slices[i].known_ms = 0;
        take_in_slice(ownership, &ownership->slices[i], map, &map->slices[i]);
    }
    ownership->map = *map;
    ownership->has_map = true;
    ownership->is_outdated = false;
    ownership->map_revision = revision;
}

/* chain, last-valid: takes in the entries that are new and stand. False: none does. */
static bool take_in_news(struct ownership *ownership, const struct map_history *history)
{
    bool has_stood = false;
    struct map map;
    for (uint32_t i = 0; i < history->count; i++) {
        const struct map_entry *entry = &history->entries[i];
        if (entry->revision <= ownership->last_revision)
            continue;
        enum map_error error = map_read(entry->text, &map);
        if ((error != MAP_OK && error != MAP_LATER_VERSION) || !map_stands(&map, entry->revision))
            continue;
        has_stood = true;
        if (error == MAP_OK) {
            take_in_entry(ownership, entry->revision, &map);
            continue;
        }
        ownership->is_outdated = true;
        ownership_lose_all(ownership, OWNERSHIP_LOST_NOBODY);
    }
    return has_stood;
}

/*
 * Whether the stream is another one than the one that was read before: it was made anew. Its
 * revisions may have gone on beyond those that this node knew. `last` is the entry that stands
 * last; NULL: none does.
 */
static bool is_other_stream(const struct ownership *ownership, const struct map_history *history,
                            const struct map *last)
{
    if (last != NULL)
        return last->era != ownership->map.era;
    return history->last_revision < ownership->last_revision;
}

static void note_bare(struct ownership *ownership, bool is_bare)
{
    if (!ownership->is_bare)
        ownership->bare_since_ms = ownership->now_ms;
    ownership->is_bare = is_bare;
}

bool ownership_take_in(struct ownership *ownership, const struct map_history *history)
{
    struct map map;
    const struct map *last = map_find_last(history, &map) < history->count ? &map : NULL;
    if (ownership->map_revision == 0) {
        ownership->last_revision = 0; /* it knows of no stream in which something stands */
    } else if (is_other_stream(ownership, history, last)) {
        end_era(ownership);
        ownership->last_revision = 0;
        ownership->is_outdated = false;
    } else if (history->last_revision < ownership->last_revision) {
        return false; /* as it was before */
    }
    uint64_t first = history->count > 0 ? history->entries[0].revision : history->last_revision + 1;
    bool misses_some = first > ownership->last_revision + 1;
    bool has_stood = take_in_news(ownership, history);
    ownership->last_revision = history->last_revision;
    if (misses_some && !has_stood && ownership->has_map) {
        /* An entry that stands may be among those that are gone. */
        ownership_lose_all(ownership, OWNERSHIP_LOST_UNKNOWN);
        ownership->has_map = false;
    }
    note_bare(ownership, last == NULL);
    return true;
}
