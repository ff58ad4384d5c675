/* What a room keeps beside its members' connections: who is gone, and the state. */
#include <stdlib.h>

#include "relay/relay_parts.h"

/* What an absent member is counted with. A host is always remembered, so it is not counted. */
static size_t counted_size(const struct member *member)
{
    return member_is_host(member) ? 0 : member_size(member);
}

void relay_discount_absent(const struct relay *relay, const struct member *member)
{
    relay->config.dismiss_bytes(relay->config.context, counted_size(member));
}

static void forget_longest_gone(struct relay *relay, struct room *room)
{
    struct member *gone = room->kept->absent[0];
    relay_discount_absent(relay, gone);
    room_remove(room, gone);
    free(gone);
}

static void forget(struct relay *relay, struct room *room, struct member *member)
{
    room_remove(room, member);
    relay->departed = member;
}

/* The longest gone are forgotten first; who left last is, when there is no memory for anybody. */
void relay_remember_absent(struct relay *relay, struct room *room, struct member *member)
{
    const struct relay_config *config = &relay->config;
    uint32_t most = room->members_max > ABSENT_LEAST ? room->members_max : ABSENT_LEAST;
    if (!room_retire(room, member)) {
        forget(relay, room, member);
        return;
    }
    /* A host is not counted: even nothing may be too much, when others have just taken it all. */
    if (member_is_host(member))
        return;
    if (room->kept->absent_count > most)
        forget_longest_gone(relay, room);
    while (!config->admit_bytes(config->context, counted_size(member))) {
        if (room->kept->absent[0] == member) {
            forget(relay, room, member);
            return;
        }
        forget_longest_gone(relay, room);
    }
}

static bool state_fits(struct bytes span)
{
    if (span.length > STATE_SPAN_BYTES_MAX)
        return false;
    return span.length <= STATE_COMPACT_BYTES_MAX ||
           json_compact_length(span) <= STATE_COMPACT_BYTES_MAX;
}

void relay_set_state(const struct relay *relay, struct speaker speaker,
                     const struct envelope *envelope, struct effects *effects)
{
    struct member *member = *speaker.seat;
    if (member != NULL)
        member->active_ms = relay->now_ms;
    if (member == NULL) {
        effects_refuse(effects, speaker, ERROR_NOT_IN_ROOM);
    } else if (!member_is_host(member)) {
        effects_refuse(effects, speaker, ERROR_STATE_NOT_HOST);
    } else if (envelope->data.kind == JSON_ABSENT) {
        effects_refuse(effects, speaker, ERROR_STATE_REQUIRED);
    } else if (!state_fits(envelope->data.raw)) {
        effects_refuse(effects, speaker, ERROR_STATE_TOO_LARGE);
    } else {
        struct effect *effect = effects_add(effects, EFFECT_KEEP_STATE);
        effect->client = speaker.client;
        effect->room = member->room;
        effect->event =
            (struct event){.type = EVENT_STATE, .room = member->room, .data = envelope->data.raw};
    }
}

bool relay_keep_state(struct relay *relay, struct room *room, struct payload *state)
{
    const struct relay_config *config = &relay->config;
    struct keepings *kept = room->kept;
    size_t before = kept->state == NULL ? 0 : kept->state->length;
    if (state->length > before && !config->admit_bytes(config->context, state->length - before))
        return false;
    if (state->length < before)
        config->dismiss_bytes(config->context, before - state->length);
    payload_release(kept->state);
    kept->state = payload_acquire(state);
    return true;
}

static size_t kept_size(const struct keepings *kept)
{
    size_t size = kept->url_length + (kept->state == NULL ? 0 : kept->state->length);
    for (uint32_t i = 0; i < kept->absent_count; i++)
        size += counted_size(kept->absent[i]);
    return size;
}

void relay_discount_room(const struct relay *relay, const struct room *room)
{
    if (room->kept != NULL)
        relay->config.dismiss_bytes(relay->config.context, kept_size(room->kept));
}
