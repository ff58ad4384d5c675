/* Functions for frequent effects. */
#include "relay/relay_parts.h"

void effects_tell_client(struct effects *effects, uint32_t client, struct event event)
{
    effects_add_to_client(effects, (struct effect_to_client){.client = client, .event = event});
}

void effects_tell_room(struct effects *effects, struct room *room, uint32_t except,
                       struct event event)
{
    effects_add_to_room(effects,
                        (struct effect_to_room){.except = except, .room = room, .event = event});
}

void effects_refuse(struct effects *effects, struct speaker speaker, enum relay_error error)
{
    effects_tell_client(effects, speaker.client,
                        (struct event){.type = EVENT_ERROR, .error = error});
}
