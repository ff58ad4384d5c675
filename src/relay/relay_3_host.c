/* Protocol 3: messages that only the host may send. */
#include <assert.h>

#include "relay/relay_parts.h"

bool relay_3_read_index(const struct json_value *value, uint32_t *ret_index)
{
    uint64_t number;
    if (!json_member_whole(value, INDEX_AUDIENCE - 1, &number))
        return false;
    *ret_index = (uint32_t)number;
    return true;
}

bool relay_3_read_flag(const struct json_value *value, bool *ret_flag)
{
    *ret_flag = value->kind == JSON_TRUE;
    return value->kind == JSON_ABSENT || value->kind == JSON_TRUE || value->kind == JSON_FALSE;
}

static void receive_set_state(struct relay *relay, struct speaker speaker,
                              const struct envelope *envelope, struct effects *effects)
{
    struct member *host = *speaker.seat;
    const char *of = envelope_type_name(ENVELOPE_SET_STATE);
    struct json_value value = envelope_field(envelope, FIELD_PRIVATE);
    struct event event = {.type = EVENT_STATE, .room = host->room, .data = envelope->data.raw};
    bool is_private;
    host->active_ms = relay->now_ms;
    if (envelope->data.kind == JSON_ABSENT) {
        relay_3_refuse(speaker, of, ERROR_STATE_REQUIRED, effects);
    } else if (!relay_state_fits(envelope->data.raw)) {
        relay_3_refuse(speaker, of, ERROR_STATE_TOO_LARGE, effects);
    } else if (!relay_3_read_flag(&value, &is_private)) {
        relay_3_refuse(speaker, of, ERROR_PRIVATE, effects);
    } else if (is_private) {
        event.type = EVENT_PRIVATE_STATE;
        effects_add_keep_private(effects,
                                 (struct effect_keep_private){speaker.client, host->room, event});
    } else {
        effects_add_keep_state(effects,
                               (struct effect_keep_state){speaker.client, host->room, event});
    }
}

/* What `set_room` changes; a field that it does not name stays. */
struct settings {
    bool is_locked;
    uint32_t members_max;
    uint32_t audience_max;
    uint8_t password_length;
    uint8_t password[PASSWORD_BYTES_MAX];
};

/* Reads the fields of `set_room`. False: ret_error says which one is wrong. */
static bool read_settings(const struct relay *relay, const struct envelope *envelope,
                          struct settings *settings, enum relay_error *ret_error)
{
    struct json_value locked = envelope_field(envelope, FIELD_LOCKED);
    struct json_value audience = envelope_field(envelope, FIELD_MAX_AUDIENCE);
    struct json_value password = envelope_field(envelope, FIELD_PASSWORD);
    const struct json_value *clients = &envelope->max_clients;
    bool has_locked = locked.kind != JSON_ABSENT;
    bool has_clients = clients->kind != JSON_ABSENT;
    bool has_audience = audience.kind != JSON_ABSENT;
    bool has_password = password.kind != JSON_ABSENT;
    *ret_error = ERROR_LOCKED;
    if (has_locked && !relay_3_read_flag(&locked, &settings->is_locked))
        return false;
    *ret_error = ERROR_MAX_CLIENTS;
    if (has_clients && !relay_read_max_clients(relay, clients, &settings->members_max))
        return false;
    *ret_error = ERROR_MAX_AUDIENCE;
    if (has_audience && !relay_3_read_max_audience(relay, &audience, &settings->audience_max))
        return false;
    *ret_error = ERROR_PASSWORD;
    settings->password_length = 0;
    if (has_password && password.kind != JSON_NULL &&
        !relay_3_read_password(&password, settings->password, &settings->password_length))
        return false;
    *ret_error = ERROR_NOTHING_TO_SET;
    return has_locked || has_clients || has_audience || has_password;
}

static void receive_set_room(struct relay *relay, struct speaker speaker,
                             const struct envelope *envelope, struct effects *effects)
{
    struct room *room = (*speaker.seat)->room;
    struct party *party = room->party;
    struct settings settings = {.is_locked = party->is_locked,
                                .members_max = room->members_max,
                                .audience_max = party_audience_max(party)};
    enum relay_error error;
    if (!read_settings(relay, envelope, &settings, &error)) {
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_SET_ROOM), error, effects);
        return;
    }
    if ((settings.password_length > 0 && relay_3_access(party) == NULL) ||
        !relay_3_allow_audience(relay, party, settings.audience_max)) {
        effects_add_no_memory(effects, (struct effect_no_memory){speaker.client});
        return;
    }
    if (envelope_field(envelope, FIELD_PASSWORD).kind != JSON_ABSENT)
        relay_3_set_password(relay, party, bytes_of(settings.password, settings.password_length));
    party->is_locked = settings.is_locked;
    room->members_max = settings.members_max;
    room_note_change(room);
    relay_3_emit_to_all(room, EVENT_ROOM, effects)->is_for_audience = true;
}

static void receive_set_host(struct relay *relay, struct speaker speaker,
                             const struct envelope *envelope, struct effects *effects)
{
    struct room *room = (*speaker.seat)->room;
    struct json_value value = envelope_field(envelope, FIELD_INDEX);
    uint32_t index;
    if (!relay_3_read_index(&value, &index) || room_find_index(room, index) == NULL)
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_SET_HOST), ERROR_PEER_NOT_FOUND,
                       effects);
    else
        relay_3_make_host(relay, room, index, effects);
}

/* Reads the reason of a kick into relay->kick_reason. False: it is none. */
static bool read_reason(struct relay *relay, const struct json_value *value, size_t *ret_length)
{
    *ret_length = 0;
    if (value->kind == JSON_ABSENT)
        return true;
    return value->kind == JSON_STRING &&
           json_string_decode(value, relay->kick_reason, sizeof relay->kick_reason, ret_length);
}

bool relay_3_remember_outcast(const struct relay *relay, struct room *room,
                              struct outcasts *outcasts, struct outcast outcast)
{
    size_t cost = outcasts->count < BANS_MAX ? sizeof outcast : 0;
    room_note_change(room);
    return relay_admit_before_log(relay, room, cost) && access_cast_out(outcasts, outcast);
}

/* Remembers whom the host has thrown out. False: memory is short. */
static bool cast_out(const struct relay *relay, const struct member *member, bool is_banned)
{
    struct room *room = member->room;
    struct access *access = relay_3_access(room->party);
    struct outcast kicked = {.epoch = member_seat(member)->epoch};
    struct outcast banned = {.id_hash = relay_3_hash(member_id(member))};
    return access != NULL && relay_3_remember_outcast(relay, room, &access->kicked, kicked) &&
           (!is_banned || relay_3_remember_outcast(relay, room, &access->banned, banned));
}

static void kick(struct relay *relay, struct speaker speaker, struct member *member,
                 struct bytes reason, bool is_banned, struct effects *effects)
{
    if (!cast_out(relay, member, is_banned)) {
        effects_add_no_memory(effects, (struct effect_no_memory){speaker.client});
        return;
    }
    if (member->client != CLIENT_NONE) {
        relay_unseat(relay, member->client);
        effects_add_kicked(effects, (struct effect_kicked){member->client, reason});
    }
    relay_3_vacate(relay, member, LEAVING_KICKED, effects);
}

static void receive_kick(struct relay *relay, struct speaker speaker,
                         const struct envelope *envelope, struct effects *effects)
{
    const char *of = envelope_type_name(ENVELOPE_KICK);
    const struct member *host = *speaker.seat;
    struct json_value index_value = envelope_field(envelope, FIELD_INDEX);
    struct json_value reason = envelope_field(envelope, FIELD_REASON);
    struct json_value ban = envelope_field(envelope, FIELD_BAN);
    struct member *member = NULL;
    uint32_t index;
    size_t reason_length;
    bool is_banned;
    if (relay_3_read_index(&index_value, &index)) {
        member = room_find_index(host->room, index);
        member = member != NULL ? member : room_find_away(host->room, index);
    }
    if (member == NULL)
        relay_3_refuse(speaker, of, ERROR_PEER_NOT_FOUND, effects);
    else if (member == host)
        relay_3_refuse(speaker, of, ERROR_KICK_SELF, effects);
    else if (!read_reason(relay, &reason, &reason_length))
        relay_3_refuse(speaker, of, ERROR_REASON, effects);
    else if (!relay_3_read_flag(&ban, &is_banned))
        relay_3_refuse(speaker, of, ERROR_BAN, effects);
    else
        kick(relay, speaker, member, bytes_of(relay->kick_reason, reason_length), is_banned,
             effects);
}

static void receive_mute(struct speaker speaker, const struct envelope *envelope,
                         struct effects *effects)
{
    struct json_value value = envelope_field(envelope, FIELD_MUTED);
    struct room *room = (*speaker.seat)->room;
    bool is_muted;
    if (value.kind == JSON_ABSENT || !relay_3_read_flag(&value, &is_muted))
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_MUTE_AUDIENCE), ERROR_MUTED, effects);
    else {
        room->party->audience_is_muted = is_muted;
        room_note_change(room);
    }
}

static void receive_from_host(struct relay *relay, struct speaker speaker,
                              const struct envelope *envelope, struct effects *effects)
{
    switch (envelope->type) {
    case ENVELOPE_SET_STATE:
        receive_set_state(relay, speaker, envelope, effects);
        break;
    case ENVELOPE_SET_ROOM:
        receive_set_room(relay, speaker, envelope, effects);
        break;
    case ENVELOPE_SET_HOST:
        receive_set_host(relay, speaker, envelope, effects);
        break;
    case ENVELOPE_KICK:
        receive_kick(relay, speaker, envelope, effects);
        break;
    case ENVELOPE_MUTE_AUDIENCE:
        receive_mute(speaker, envelope, effects);
        break;
    default:
        assert(envelope->type == ENVELOPE_CLOSE_ROOM);
        relay_shut_room(relay, (*speaker.seat)->room, effects);
        break;
    }
}

/* Why one who is not the host may not say what only the host may say. */
static enum relay_error not_host_error(enum envelope_type type)
{
    switch (type) {
    case ENVELOPE_SET_STATE:
        return ERROR_STATE_NOT_HOST;
    case ENVELOPE_CLOSE_ROOM:
        return ERROR_CLOSE_NOT_HOST;
    default:
        return ERROR_NOT_HOST;
    }
}

void relay_3_receive_from_host(struct relay *relay, struct speaker speaker,
                               const struct envelope *envelope, struct effects *effects)
{
    if (member_is_host(*speaker.seat))
        receive_from_host(relay, speaker, envelope, effects);
    else
        relay_3_refuse(speaker, envelope_type_name(envelope->type), not_host_error(envelope->type),
                       effects);
}
