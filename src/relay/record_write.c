/* Writes the record of a room. Ids, URL and states are valid JSON as the room has them. */
#include "relay/record_parts.h"

#include "relay/dialect.h"

void record_put_json(struct writer *writer, struct bytes json)
{
    size_t written = 0;
    for (size_t i = 0; i < json.length; i++) {
        /* No string has a line break, so it is white space between other things. */
        if (json.data[i] != '\n' && json.data[i] != '\r')
            continue;
        writer_put(writer, bytes_of(json.data + written, i - written));
        writer_put_byte(writer, ' ');
        written = i + 1;
    }
    writer_put(writer, bytes_of(json.data + written, json.length - written));
}

static void put_quoted(struct writer *writer, const char *before, struct bytes canonical)
{
    writer_put_string(writer, before);
    writer_put_byte(writer, '"');
    writer_put(writer, canonical);
    writer_put_byte(writer, '"');
}

static void put_code(struct writer *writer, uint64_t code)
{
    uint8_t text[CODE_LENGTH_MAX];
    put_quoted(writer, ",\"code\":", bytes_of(text, code_write(code, text)));
}

static void put_host(struct writer *writer, const struct room *room)
{
    if (room->host_index == INDEX_NONE)
        WRITER_PUT(writer, ",\"host\":null");
    else
        writer_put_number(writer, ",\"host\":", room->host_index);
}

static void put_outcasts(struct writer *writer, const char *before, const struct outcasts *outcasts)
{
    if (outcasts->count == 0)
        return;
    writer_put_string(writer, before);
    for (uint32_t i = 0; i < outcasts->count; i++) {
        const struct outcast *outcast =
            &outcasts->items[(outcasts->first + i) % outcasts->count]; /* the oldest first */
        writer_put_byte(writer, i == 0 ? '[' : ',');
        hex_write_64(writer, outcast->id_hash != 0 ? outcast->id_hash : outcast->epoch);
    }
    writer_put_byte(writer, ']');
}

static void put_access(struct writer *writer, const struct access *access)
{
    if (access == NULL)
        return;
    if (access->has_password) {
        WRITER_PUT(writer, ",\"password\":{\"salt\":");
        hex_write(writer, bytes_of(access->salt, sizeof access->salt));
        WRITER_PUT(writer, ",\"digest\":");
        hex_write(writer, bytes_of(access->digest, sizeof access->digest));
        writer_put_byte(writer, '}');
    }
    put_outcasts(writer, ",\"kicked\":", &access->kicked);
    put_outcasts(writer, ",\"banned\":", &access->banned);
}

static void put_party(struct writer *writer, const struct party *party)
{
    writer_put_number(writer, ",\"hold\":", party->hold_ms);
    writer_put_string(writer, party->host_migrates ? ",\"onHostLeft\":\"migrate\""
                                                   : ",\"onHostLeft\":\"close\"");
    writer_put_flag(writer, ",\"locked\":", party->is_locked);
    writer_put_number(writer, ",\"maxAudience\":", party_audience_max(party));
    writer_put_flag(writer, ",\"audienceMuted\":", party->audience_is_muted);
    writer_put_flag(writer, ",\"creatorKnown\":", !party->is_unknown);
    put_access(writer, party->access);
}

/* What is left of the hold of a seat whose member is away. */
static uint32_t hold_left_ms(const struct relay *relay, const struct member *member)
{
    int32_t left_ms = (int32_t)(member_seat(member)->expiry.at_ms - relay->now_ms);
    return left_ms < 0 ? 0 : (uint32_t)left_ms;
}

/* Since when a member of protocol 2 is cut off, if relay_outlives() may ask for that. */
static void put_cut_off(struct writer *writer, const struct relay *relay,
                        const struct member *member)
{
    uint32_t since_ms = relay->now_ms - member->active_ms;
    if (member->was_cut_off && since_ms < relay->config.empty_room_grace_ms)
        writer_put_number(writer, ",\"cutOff\":", since_ms);
}

static void put_member(struct writer *writer, const struct relay *relay,
                       const struct member *member)
{
    enum protocol protocol = room_protocol(member->room);
    bool is_here = member->client != CLIENT_NONE;
    put_quoted(writer, "{\"id\":", member_id(member));
    writer_put_number(writer, ",\"index\":", member->index);
    if (is_here)
        WRITER_PUT(writer, ",\"here\":true");
    else if (protocol == PROTOCOL_3)
        writer_put_number(writer, ",\"holdLeft\":", hold_left_ms(relay, member));
    if (protocol != PROTOCOL_1)
        writer_put_number(writer, ",\"stayed\":",
                          member->stayed_ms + (is_here ? relay->now_ms - member->entered_ms : 0));
    if (!is_here && protocol == PROTOCOL_2)
        put_cut_off(writer, relay, member);
    writer_put_byte(writer, '}');
}

/* All who are known but the audience, for which the room holds nothing, by id. */
static void put_members(struct writer *writer, const struct relay *relay, const struct room *room)
{
    bool is_first = true;
    WRITER_PUT(writer, ",\"members\":[");
    for (uint32_t i = 0; i < room->known_count; i++) {
        const struct member *member = room_by_id(room)[i];
        if (member->is_audience)
            continue;
        if (!is_first)
            writer_put_byte(writer, ',');
        is_first = false;
        put_member(writer, relay, member);
    }
    writer_put_byte(writer, ']');
}

static void put_state(struct writer *writer, const char *before, const struct payload *state)
{
    if (state == NULL)
        return;
    writer_put_string(writer, before);
    record_put_json(writer, dialect_state_data(bytes_of(state->data, state->length)));
}

static void write_record(struct writer *writer, const struct relay *relay, const struct room *room,
                         enum ending ending)
{
    writer_put_number(writer, "{\"version\":", RECORD_VERSION);
    writer_put_number(writer, ",\"protocol\":", room_protocol(room));
    put_code(writer, room->code);
    writer_put_number(writer, ",\"maxClients\":", room->members_max);
    writer_put_number(writer, ",\"nextIndex\":", room->next_index);
    if (room_protocol(room) != PROTOCOL_1)
        put_host(writer, room);
    if (room_url(room).length > 0)
        put_quoted(writer, ",\"url\":", room_url(room));
    if (room->party != NULL)
        put_party(writer, room->party);
    put_members(writer, relay, room);
    put_state(writer, ",\"state\":", room_state(room));
    if (room->party != NULL)
        put_state(writer, ",\"privateState\":", room->party->private_state);
    if (room->retained != NULL)
        writer_put(writer, bytes_of(room->retained->unknown, room->retained->unknown_length));
    if (ending != ENDING_ANY && room->party != NULL)
        record_put_moment(writer, room, ending);
    else if (ending == ENDING_UPGRADE)
        record_put_restored(writer, relay, room);
    writer_put_byte(writer, '}');
}

void record_write(struct writer *writer, const struct relay *relay, const struct room *room)
{
    write_record(writer, relay, room, ENDING_ANY);
}

void record_write_at_stop(struct writer *writer, const struct relay *relay, const struct room *room)
{
    assert(room->member_count == 0);
    write_record(writer, relay, room, ENDING_STOP);
}

void record_write_at_upgrade(struct writer *writer, const struct relay *relay,
                             const struct room *room)
{
    write_record(writer, relay, room, ENDING_UPGRADE);
}
