/*
 * Protocol 3: reads and carries out `create`, and what `join` has in common with it. The protocol
 * defines the order of the checks.
 */
#include "relay/relay_parts.h"

#define SESSION_BYTES_LEAST 8
#define SESSION_BYTES_MOST 64

uint64_t relay_3_hash(struct bytes text)
{
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ text.data[i]) * 0x100000001B3u;
    return hash == 0 ? 1 : hash;
}

static uint64_t draw_64(const struct relay *relay)
{
    const struct relay_config *config = &relay->config;
    uint64_t high = config->random(config->context);
    return high << 32 | config->random(config->context);
}

uint64_t relay_3_draw_epoch(const struct relay *relay)
{
    uint64_t epoch = draw_64(relay);
    return epoch == 0 ? 1 : epoch;
}

/* Reads a string of so many bytes of UTF-8. False: the value is none. */
static bool read_text(const struct json_value *value, size_t least, uint8_t *ret_text, size_t most,
                      size_t *ret_length)
{
    return value->kind == JSON_STRING && json_string_decode(value, ret_text, most, ret_length) &&
           *ret_length >= least;
}

bool relay_3_read_password(const struct json_value *value, uint8_t ret_text[PASSWORD_BYTES_MAX],
                           uint8_t *ret_length)
{
    size_t length;
    if (!read_text(value, 1, ret_text, PASSWORD_BYTES_MAX, &length))
        return false;
    *ret_length = (uint8_t)length;
    return true;
}

struct access *relay_3_access(struct party *party)
{
    if (party->access == NULL)
        party->access = access_new();
    return party->access;
}

void relay_3_set_password(const struct relay *relay, struct party *party, struct bytes password)
{
    uint8_t salt[PASSWORD_SALT_BYTES];
    if (party->access == NULL)
        return; /* it is empty, and the room has none */
    for (size_t at = 0; at < sizeof salt; at += sizeof(uint64_t)) {
        uint64_t random = draw_64(relay);
        memcpy(salt + at, &random, sizeof random);
    }
    access_set_password(party->access, password, salt);
}

bool relay_3_read_max_audience(const struct relay *relay, const struct json_value *value,
                               uint32_t *ret_max)
{
    return json_member_ceiling(value, relay->config.members_max, ret_max);
}

static bool read_session(const struct json_value *value, struct session *ret_session)
{
    uint8_t text[SESSION_BYTES_MOST];
    size_t length;
    if (!read_text(value, SESSION_BYTES_LEAST, text, sizeof text, &length))
        return false;
    uint64_t hash = relay_3_hash(bytes_of(text, length));
    ret_session->hash = (uint32_t)(hash ^ hash >> 32);
    if (ret_session->hash == 0)
        ret_session->hash = 1;
    return true;
}

bool relay_3_read_client(const struct relay *relay, const struct envelope *envelope,
                         struct canonical_id *ret_id, struct session *ret_session,
                         enum relay_error *ret_error)
{
    const struct json_value *id = &envelope->client_id;
    struct json_value session = envelope_field(envelope, FIELD_SESSION);
    *ret_error = ERROR_ID_REQUIRED;
    if (id->kind != JSON_STRING || id->raw.length <= 2)
        return false;
    *ret_error = ERROR_ID_TOO_LONG;
    if (!id_canonicalize(relay, id, ret_id))
        return false;
    *ret_error = ERROR_ID_TOO_SHORT;
    if (ret_id->decoded_length < ID_BYTES_LEAST)
        return false;
    *ret_error = ERROR_SESSION;
    return read_session(&session, ret_session);
}

bool relay_3_prepare_room(struct relay *relay, struct room *room, const struct wishes *wishes)
{
    struct party *party = room->party;
    if (!due_reserve(&relay->dues, 1))
        return false;
    party->relay = relay;
    party->has_dues = true;
    log_init(&party->log, relay->config.log_bytes_max, &relay_log_account);
    party->hold_ms = wishes->hold_ms;
    party->host_migrates = wishes->host_migrates;
    if ((wishes->password_length > 0 && relay_3_access(party) == NULL) ||
        !relay_3_allow_audience(relay, party, wishes->audience_max))
        return false;
    relay_3_set_password(relay, party, bytes_of(wishes->password, wishes->password_length));
    return true;
}

void relay_3_release_room(struct relay *relay, struct room *room)
{
    struct party *party = room->party;
    if (!party->has_dues)
        return;
    for (uint32_t i = 0; i < room->known_count; i++) {
        struct member *member = room_by_id(room)[i];
        if (!member->is_audience)
            due_cancel(&relay->dues, &member_seat(member)->expiry);
    }
    due_cancel(&relay->dues, &party->migration);
    due_give_back(&relay->dues, 1 + party_seats(party));
    relay_3_release_audience(relay, party);
    party->has_dues = false;
    log_release(&party->log);
}

static bool read_hold(const struct relay *relay, const struct json_value *value,
                      uint32_t *ret_hold_ms)
{
    uint32_t seconds = HOLD_MS_STANDARD / 1000;
    if (value->kind != JSON_ABSENT &&
        (!json_member_ceiling(value, UINT32_MAX, &seconds) || seconds > HOLD_MS_MAX / 1000))
        return false;
    *ret_hold_ms = seconds * 1000;
    if (*ret_hold_ms > relay->config.hold_ms_max)
        *ret_hold_ms = relay->config.hold_ms_max;
    return true;
}

static bool read_on_host_left(const struct json_value *value, bool *ret_host_migrates)
{
    bool is_string = value->kind == JSON_STRING;
    *ret_host_migrates = is_string && json_string_equals(value, BYTES("migrate"));
    return value->kind == JSON_ABSENT || *ret_host_migrates ||
           (is_string && json_string_equals(value, BYTES("close")));
}

static bool read_wishes(const struct relay *relay, const struct envelope *envelope,
                        struct wishes *wishes, enum relay_error *ret_error)
{
    struct json_value hold = envelope_field(envelope, FIELD_HOLD);
    struct json_value on_host_left = envelope_field(envelope, FIELD_ON_HOST_LEFT);
    struct json_value audience = envelope_field(envelope, FIELD_MAX_AUDIENCE);
    struct json_value password = envelope_field(envelope, FIELD_PASSWORD);
    *ret_error = ERROR_HOLD;
    if (!read_hold(relay, &hold, &wishes->hold_ms))
        return false;
    *ret_error = ERROR_ON_HOST_LEFT;
    if (!read_on_host_left(&on_host_left, &wishes->host_migrates))
        return false;
    *ret_error = ERROR_MAX_AUDIENCE;
    wishes->audience_max = 0;
    if (audience.kind != JSON_ABSENT &&
        !relay_3_read_max_audience(relay, &audience, &wishes->audience_max))
        return false;
    *ret_error = ERROR_PASSWORD;
    wishes->password_length = 0;
    return password.kind == JSON_ABSENT || password.kind == JSON_NULL ||
           relay_3_read_password(&password, wishes->password, &wishes->password_length);
}

/* Asks the owner about the token. False: ret_error says why the client may create no room. */
static bool check_token(const struct relay *relay, struct speaker speaker,
                        const struct envelope *envelope, uint32_t *members_max,
                        enum relay_error *ret_error)
{
    const struct relay_config *config = &relay->config;
    struct json_value value = envelope_field(envelope, FIELD_TOKEN);
    struct bytes token = {0};
    if (value.kind == JSON_STRING) /* a token has no character that needs an escape */
        token = bytes_of(value.raw.data + 1, value.raw.length - 2);
    switch (config->check_token(config->context, speaker.client, token, members_max)) {
    case TOKEN_NOT_ASKED:
    case TOKEN_OK:
        return true;
    case TOKEN_EXPIRED:
        *ret_error = ERROR_TOKEN_EXPIRED;
        return false;
    case TOKEN_OTHER_ORIGIN:
        *ret_error = ERROR_TOKEN_ORIGIN;
        return false;
    case TOKEN_NO_MEMORY: /* the token may be good, and the client may come again */
        *ret_error = ERROR_TOKEN_NO_MEMORY;
        return false;
    case TOKEN_INVALID:
        break;
    }
    *ret_error = value.kind == JSON_ABSENT ? ERROR_TOKEN_REQUIRED : ERROR_TOKEN_INVALID;
    return false;
}

/* Reads and checks all of `create`. False: `refusal` says why the speaker must be refused. */
static bool read_create(struct relay *relay, struct speaker speaker,
                        const struct envelope *envelope, struct canonical_id *ret_id,
                        struct room_settings *settings, struct wishes *wishes,
                        struct event *refusal)
{
    if (!relay_3_read_client(relay, envelope, ret_id, &wishes->session, &refusal->error))
        return false;
    settings->id = id_view(ret_id);
    settings->wishes = wishes;
    refusal->error = ERROR_MAX_CLIENTS;
    if (!relay_read_max_clients(relay, &envelope->max_clients, &settings->members_max))
        return false;
    settings->has_url = envelope->url.kind != JSON_ABSENT;
    if (settings->has_url &&
        !url_template_read(&envelope->url, relay->config.instance.id, true, &relay->template,
                           &refusal->error, &refusal->detail))
        return false;
    if (!read_wishes(relay, envelope, wishes, &refusal->error))
        return false;
    refusal->error = ERROR_DRAINING;
    if (relay->is_draining)
        return false;
    return check_token(relay, speaker, envelope, &settings->members_max, &refusal->error);
}

void relay_3_create(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                    struct effects *effects)
{
    struct canonical_id id;
    struct room_settings settings;
    struct wishes wishes = {.session.attempt = 0}; /* joins count from 1 on */
    struct event refusal = {
        .type = EVENT_ERROR, .protocol = PROTOCOL_3, .of = envelope_type_name(ENVELOPE_CREATE)};
    if (*speaker.seat != NULL) {
        relay_3_refuse(speaker, refusal.of, ERROR_ALREADY_IN_ROOM, effects);
        return;
    }
    if (!read_create(relay, speaker, envelope, &id, &settings, &wishes, &refusal)) {
        effects_tell_client(effects, speaker.client, refusal);
        return;
    }
    struct member *member = relay_open_room(relay, &settings, speaker, effects);
    if (member == NULL)
        return;
    (void)seat_note_session(member_seat(member), wishes.session);
    party_begin_epoch(member->room->party, member_seat(member), relay_3_draw_epoch(relay));
    relay_seat_creator(relay, speaker, member, effects);
}
