/* What only the host of a room of protocol 3 may say. */
#include <stdlib.h>

#include "relay/relay_model_3_parts.h"

#define REASON_MOST 123
#define STATE_COMPACT_MOST 16384
#define STATE_SPAN_MOST 65536

static const struct fault_3 peer_not_found = {"peer-not-found", "Target peer not found"};

static struct fault_3 state_fault(const struct said_3 *said)
{
    struct simple_value data = field_3(said, "data");
    if (data.kind == JSON_ABSENT)
        return (struct fault_3){"state-required", "State data is required"};
    if (data.raw.length > STATE_SPAN_MOST ||
        simple_json_compact_length(data.raw) > STATE_COMPACT_MOST)
        return (struct fault_3){"state-too-large", "State too large"};
    if (!is_flag_3(field_3(said, "private")))
        return (struct fault_3){"bad-private", "private must be true or false"};
    return (struct fault_3){0};
}

void expect_set_state_3(struct model_3 *model, const struct said_3 *said)
{
    struct model_3_room *room = model->clients[said->client].room;
    struct fault_3 fault = state_fault(said);
    if (fault.code != NULL) {
        refuse_3(model, said, fault);
        return;
    }
    bool is_private = field_3(said, "private").kind == JSON_TRUE;
    char **state = is_private ? &room->private_state : &room->state;
    struct bytes data = field_3(said, "data").raw;
    free(*state);
    *state = format_text("%.*s", (int)data.length, (const char *)data.data);
    if (!is_private)
        tell_all_3(model, room, find_client_3(model, said->client), MODEL_3_STATE,
                   format_text("{\"type\":\"state\",\"data\":%s}", room->state));
}

static struct fault_3 settings_fault(const struct said_3 *said)
{
    struct simple_value locked = field_3(said, "locked");
    struct simple_value max_clients = field_3(said, "maxClients");
    struct simple_value audience = field_3(said, "maxAudience");
    struct simple_value password = field_3(said, "password");
    bool is_number = max_clients.kind == JSON_NUMBER && number_of(max_clients) >= 1;
    if (!is_flag_3(locked))
        return (struct fault_3){"bad-locked", "locked must be true or false"};
    if (max_clients.kind != JSON_ABSENT && !is_number)
        return (struct fault_3){"bad-max-clients", "maxClients must be a positive number"};
    if (audience.kind != JSON_ABSENT && ceiling_3(audience, WORLD_MEMBERS_MAX) == MODEL_3_NONE)
        return (struct fault_3){"bad-max-audience", "maxAudience must be a number, 0 or more"};
    if (password.kind != JSON_ABSENT && password.kind != JSON_NULL &&
        !is_string_of_3(password, 1, 64))
        return (struct fault_3){"bad-password", "password must be a string of 1 to 64 bytes"};
    if (locked.kind == JSON_ABSENT && max_clients.kind == JSON_ABSENT &&
        audience.kind == JSON_ABSENT && password.kind == JSON_ABSENT)
        return (struct fault_3){"nothing-to-set", "set_room needs a field to set"};
    return (struct fault_3){0};
}

void expect_set_room_3(struct model_3 *model, const struct said_3 *said)
{
    struct model_3_room *room = model->clients[said->client].room;
    struct simple_value locked = field_3(said, "locked");
    struct simple_value max_clients = field_3(said, "maxClients");
    struct simple_value audience = field_3(said, "maxAudience");
    struct simple_value password = field_3(said, "password");
    struct fault_3 fault = settings_fault(said);
    if (fault.code != NULL) {
        refuse_3(model, said, fault);
        return;
    }
    if (locked.kind != JSON_ABSENT)
        room->is_locked = locked.kind == JSON_TRUE;
    if (max_clients.kind != JSON_ABSENT)
        room->members_max = ceiling_3(max_clients, WORLD_MEMBERS_MAX);
    if (audience.kind != JSON_ABSENT)
        room->audience_max = ceiling_3(audience, WORLD_MEMBERS_MAX);
    if (password.kind != JSON_ABSENT) {
        free(room->password);
        room->password = password.kind == JSON_NULL ? NULL : canonical_form(password);
    }
    tell_all_3(model, room, NULL, MODEL_3_KEPT,
               format_text("{\"type\":\"room\",\"locked\":%s,\"maxClients\":%u,\"maxAudience\":%u,"
                           "\"password\":%s}",
                           room->is_locked ? "true" : "false", room->members_max,
                           room->audience_max, room->password != NULL ? "true" : "false"));
}

/* The seat that `index` names, or NULL. */
static struct model_3_member *named_seat(struct model_3_room *room, const struct said_3 *said)
{
    struct simple_value index = field_3(said, "index");
    for (uint32_t i = 0; i < room->member_count; i++) {
        struct model_3_member *member = &room->members[i];
        if (!watches_3(member) && is_index_3(index, member->index))
            return member;
    }
    return NULL;
}

void expect_set_host_3(struct model_3 *model, const struct said_3 *said)
{
    struct model_3_room *room = model->clients[said->client].room;
    const struct model_3_member *member = named_seat(room, said);
    if (member == NULL || !is_here_3(member))
        refuse_3(model, said, peer_not_found);
    else
        make_host_3(model, room, member->index);
}

/* The member's connection is ended for this reason. */
static void expect_kicked(struct model_3 *model, uint32_t number, struct simple_value reason)
{
    struct fake_client *client = &world_of_3(model, number)->clients[number];
    char text[REASON_MOST + 1] = "";
    size_t length = 0;
    if (reason.kind != JSON_ABSENT) {
        struct simple_string decoded = simple_json_decode(reason.raw);
        length = simple_string_utf8_length(&decoded);
        assert_true(length < sizeof text);
        simple_string_write_utf8(&decoded, text);
        simple_string_release(&decoded);
    }
    assert_true(client->was_kicked);
    assert_memory_equal(client->reason, text, length + 1);
    client->was_kicked = false;
}

void expect_kick_3(struct model_3 *model, const struct said_3 *said)
{
    struct model_3_room *room = model->clients[said->client].room;
    struct model_3_member *member = named_seat(room, said);
    struct simple_value reason = field_3(said, "reason");
    struct fault_3 fault = {0};
    if (member == NULL)
        fault = peer_not_found;
    else if (member->client == said->client)
        fault = (struct fault_3){"kick-self", "The host can't kick itself"};
    else if (reason.kind != JSON_ABSENT && !is_string_of_3(reason, 0, REASON_MOST))
        fault = (struct fault_3){"bad-reason", "reason must be a string of at most 123 bytes"};
    else if (!is_flag_3(field_3(said, "ban")))
        fault = (struct fault_3){"bad-ban", "ban must be true or false"};
    if (fault.code != NULL) {
        refuse_3(model, said, fault);
        return;
    }
    cast_out_3(&room->kicked, format_text("%s", member->epochs));
    if (field_3(said, "ban").kind == JSON_TRUE)
        cast_out_3(&room->banned, format_text("%s", member->id));
    if (member->client != MODEL_3_NONE)
        expect_kicked(model, member->client, reason);
    vacate_3(model, room, member, "kicked");
}

void expect_mute_3(struct model_3 *model, const struct said_3 *said)
{
    struct simple_value muted = field_3(said, "muted");
    if (muted.kind != JSON_TRUE && muted.kind != JSON_FALSE)
        refuse_3(model, said, (struct fault_3){"bad-muted", "muted must be true or false"});
    else
        model->clients[said->client].room->audience_is_muted = muted.kind == JSON_TRUE;
}

void expect_close_room_3(struct model_3 *model, const struct said_3 *said)
{
    expect_shut_3(model, model->clients[said->client].room);
}
