/* Effects, one at a time. */
#include <assert.h>

#include "relay/relay_parts.h"

struct effect *effects_add(struct effects *effects, enum effect_kind kind)
{
    assert(effects->count < EFFECTS_MAX);
    struct effect *effect = &effects->items[effects->count++];
    *effect = (struct effect){.kind = kind, .client = CLIENT_NONE};
    return effect;
}

void effects_tell_client(struct effects *effects, uint32_t client, struct event event)
{
    struct effect *effect = effects_add(effects, EFFECT_TO_CLIENT);
    effect->client = client;
    effect->event = event;
}

void effects_tell_room(struct effects *effects, struct room *room, uint32_t except,
                       struct event event)
{
    struct effect *effect = effects_add(effects, EFFECT_TO_ROOM);
    effect->room = room;
    effect->client = except;
    effect->event = event;
}

void effects_refuse(struct effects *effects, struct speaker speaker, enum relay_error error)
{
    effects_tell_client(effects, speaker.client,
                        (struct event){.type = EVENT_ERROR, .error = error});
}
