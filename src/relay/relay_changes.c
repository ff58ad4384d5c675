/*
 * Which rooms have to be recorded. A room that was taken for its record rests for a while: what
 * changes there meanwhile goes into one record. So a room that has been quiet is recorded at once,
 * and no room more often than its rest allows.
 */
#include "relay/relay_parts.h"

static struct room *room_of(struct list *link)
{
    return CONTAINER_OF(link, struct room, changed);
}

/* Milliseconds until the first of the rooms that rest has rested; -1: none rests. */
static int32_t rest_left_ms(const struct relay *relay)
{
    if (list_is_empty(&relay->resting))
        return -1;
    uint32_t due_ms = room_of(relay->resting.next)->taken_ms + relay->config.record_rest_ms;
    int32_t left_ms = (int32_t)(due_ms - relay->now_ms);
    return left_ms < 0 ? 0 : left_ms;
}

uint64_t relay_count_changed(const struct relay *relay)
{
    uint64_t count = 0;
    LIST_FOR_EACH(link, &relay->changed)
    {
        count++;
    }
    LIST_FOR_EACH(link, &relay->resting)
    {
        count += room_of(link)->has_changed;
    }
    return count;
}

int32_t relay_changed_left_ms(const struct relay *relay)
{
    return list_is_empty(&relay->changed) ? rest_left_ms(relay) : 0;
}

/* Of the rooms that have rested, or of all that rest, one that has changed meanwhile. */
static struct room *take_rested(struct relay *relay, bool are_all)
{
    while (!list_is_empty(&relay->resting) && (are_all || rest_left_ms(relay) == 0)) {
        struct room *room = room_of(list_pop_first(&relay->resting));
        if (room->has_changed)
            return room;
    }
    return NULL;
}

struct room *relay_take_changed(struct relay *relay)
{
    struct list *link = list_pop_first(&relay->changed);
    struct room *room = link == NULL ? take_rested(relay, false) : room_of(link);
    if (room == NULL)
        return NULL;
    room->has_changed = false;
    room->taken_ms = relay->now_ms;
    if (relay->config.record_rest_ms > 0)
        list_append(&relay->resting, &room->changed);
    return room;
}

struct room *relay_take_changed_at_last(struct relay *relay)
{
    struct list *link = list_pop_first(&relay->changed);
    return link == NULL ? take_rested(relay, true) : room_of(link);
}
