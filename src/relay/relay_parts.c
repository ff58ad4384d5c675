/* What all files of the relay stand on: ids, seats, and functions for frequent effects. */
#include "relay/relay_parts.h"

#include <stdlib.h>

bool id_canonicalize(const struct relay *relay, const struct json_value *string,
                     struct canonical_id *ret_id)
{
    struct json_string_sizes sizes;
    if (!json_string_canonicalize(string, ret_id->data, sizeof ret_id->data, &sizes))
        return false;
    ret_id->length = sizes.written;
    ret_id->decoded_length = sizes.decoded;
    return sizes.decoded <= relay->config.id_bytes_max &&
           sizes.written <= (size_t)ID_CANONICAL_FACTOR * relay->config.id_bytes_max;
}

void relay_free_departed(struct relay *relay)
{
    member_free(relay->departed);
    relay->departed = NULL;
    if (relay->closed != NULL)
        room_free(relay->closed);
    relay->closed = NULL;
}

void relay_unseat(const struct relay *relay, uint32_t client)
{
    *relay->config.seat_of(relay->config.context, client) = NULL;
}

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
