/*
 * Makes a room of a record. Each member enters the room and is cut off at once, so what the room
 * keeps of its members is bounded and counted by the same rules as ever. After an upgrade, those
 * who were in the room stay there.
 */
#include <stdlib.h>

#include "base/allocation.h"
#include "relay/record_parts.h"

/* What a member is in a record. */
struct recorded_member {
    struct json_value id;
    uint32_t index;
    bool is_here;
    uint32_t stayed_ms;
    uint32_t hold_left_ms; /* protocol 3, unless it is here */
    uint32_t cut_off_ms;   /* protocol 2: it was cut off so long ago */
    bool was_cut_off;
};

/* A room on its way from a record to the relay. */
struct rebuild {
    struct relay *relay;
    const struct restoring *restoring;
    const struct record_object *record;
    struct record_fault *fault;
    struct room *room;
    struct recorded_member *members;
    uint32_t member_count;
};

static bool fail(const struct rebuild *rebuild, enum record_error error)
{
    return record_fail(rebuild->fault, error, NULL);
}

/* A field has the right kind, but a wrong value. */
static bool fail_field(const struct rebuild *rebuild, enum record_field field)
{
    return record_fail(rebuild->fault, RECORD_FIELD_WRONG, rebuild->record->names[field]);
}

static bool fail_member(const struct rebuild *rebuild, enum record_member_field field)
{
    return record_fail(rebuild->fault, RECORD_FIELD_WRONG, record_member_names[field]);
}

static bool is_of_upgrade(const struct rebuild *rebuild)
{
    return rebuild->restoring->ending == ENDING_UPGRADE;
}

static bool has_field(const struct rebuild *rebuild, enum record_field field)
{
    return rebuild->record->values[field].kind != JSON_ABSENT;
}

static bool need_whole(const struct rebuild *rebuild, enum record_field field, uint64_t most,
                       uint64_t *ret_number)
{
    return record_need_whole(rebuild->record, field, most, ret_number, rebuild->fault);
}

static uint32_t at_most(uint64_t number, uint32_t most)
{
    return number < most ? (uint32_t)number : most;
}

/*
 * So many members a room may know: in protocol 3 so many seats, in protocol 2 as many who are
 * absent as may be present, or ABSENT_LEAST, and the host.
 */
static uint64_t members_limit(const struct rebuild *rebuild)
{
    uint64_t present = rebuild->relay->config.members_max;
    if (rebuild->room->party != NULL)
        return present;
    return present + (present > ABSENT_LEAST ? present : ABSENT_LEAST) + 1;
}

/* The code, which must be free, of this loop, and of the protocol that the record names. */
static bool read_code(const struct rebuild *rebuild, uint64_t *ret_code)
{
    const struct relay *relay = rebuild->relay;
    uint64_t protocol;
    if (!need_whole(rebuild, RECORD_FIELD_PROTOCOL, PROTOCOL_3, &protocol) ||
        !record_need_code(rebuild->record, ret_code, rebuild->fault))
        return false;
    if (protocol != code_protocol(*ret_code))
        return fail_field(rebuild, RECORD_FIELD_PROTOCOL);
    if (code_owner(*ret_code, relay->config.loop_count) != relay->config.loop_index)
        return fail(rebuild, RECORD_CODE_OF_OTHER_LOOP);
    return relay_find_room(relay, *ret_code) == NULL || fail(rebuild, RECORD_CODE_TAKEN);
}

/* Makes an empty room, which the caller must drop. */
static bool make_room(struct rebuild *rebuild, uint64_t code)
{
    const struct relay_config *config = &rebuild->relay->config;
    uint64_t members_max;
    if (!need_whole(rebuild, RECORD_FIELD_MAX_CLIENTS, UINT32_MAX, &members_max))
        return false;
    if (members_max == 0)
        return fail_field(rebuild, RECORD_FIELD_MAX_CLIENTS);
    struct room *room = room_new(code, at_most(members_max, config->members_max),
                                 rebuild->restoring->origin_number);
    if (room == NULL)
        return fail(rebuild, RECORD_NO_MEMORY);
    rebuild->room = room;
    if (!room_need_retained(room))
        return fail(rebuild, RECORD_NO_MEMORY);
    relay_begin_noting(rebuild->relay, room);
    room->retained->is_restored = !is_of_upgrade(rebuild);
    room->retained->restored_ms = rebuild->relay->now_ms;
    if (config->crowds != NULL)
        room_begin_counting(room, &config->crowds[room->origin_number]);
    return true;
}

/* Protocol 1 has no host; in protocol 2 it is always the creator. */
static bool read_host(const struct rebuild *rebuild)
{
    struct room *room = rebuild->room;
    const struct json_value *value = &rebuild->record->values[RECORD_FIELD_HOST];
    uint64_t host = INDEX_NONE;
    if (room_protocol(room) == PROTOCOL_1 ||
        (room_protocol(room) == PROTOCOL_3 && value->kind == JSON_NULL)) {
        room->host_index = INDEX_NONE;
        return true;
    }
    if (!need_whole(rebuild, RECORD_FIELD_HOST, INDEX_AUDIENCE - 1, &host))
        return false;
    room->host_index = (uint32_t)host;
    return room->party != NULL || host == HOST_INDEX || fail_field(rebuild, RECORD_FIELD_HOST);
}

static bool read_url(const struct rebuild *rebuild)
{
    const struct json_value *value = &rebuild->record->values[RECORD_FIELD_URL];
    uint8_t url[URL_FILLED_BYTES_MAX];
    size_t length;
    if (value->kind == JSON_ABSENT || room_protocol(rebuild->room) == PROTOCOL_1)
        return true;
    if (!url_template_read_filled(value, url, &length))
        return fail_field(rebuild, RECORD_FIELD_URL);
    return relay_keep_url(rebuild->relay, rebuild->room, bytes_of(url, length)) ||
           fail(rebuild, RECORD_RETAINS_TOO_MUCH);
}

static bool read_on_host_left(const struct rebuild *rebuild, bool *ret_host_migrates)
{
    const struct json_value *value = &rebuild->record->values[RECORD_FIELD_ON_HOST_LEFT];
    if (!record_need_kind(rebuild->record, RECORD_FIELD_ON_HOST_LEFT, JSON_STRING, rebuild->fault))
        return false;
    *ret_host_migrates = json_string_equals(value, BYTES("migrate"));
    return *ret_host_migrates || json_string_equals(value, BYTES("close")) ||
           fail_field(rebuild, RECORD_FIELD_ON_HOST_LEFT);
}

static bool read_password(const struct rebuild *rebuild)
{
    static const char *const names[] = {"salt", "digest"};
    struct record_object password;
    if (!has_field(rebuild, RECORD_FIELD_PASSWORD))
        return true;
    struct access *access = relay_3_access(rebuild->room->party);
    if (access == NULL)
        return fail(rebuild, RECORD_NO_MEMORY);
    access->has_password = record_read_object(&rebuild->record->values[RECORD_FIELD_PASSWORD],
                                              names, ARRAY_LENGTH(names), &password) &&
                           hex_read(&password.values[0], access->salt, sizeof access->salt) &&
                           hex_read(&password.values[1], access->digest, sizeof access->digest);
    return access->has_password || fail_field(rebuild, RECORD_FIELD_PASSWORD);
}

/* Reads whom the host has thrown out: the hashes of clientIds, or the epochs of seats. */
static bool read_outcasts(const struct rebuild *rebuild, enum record_field field, bool are_banned)
{
    struct bytes rest = rebuild->record->values[field].raw;
    struct json_value element;
    uint32_t count = 0;
    if (!has_field(rebuild, field))
        return true;
    if (!record_need_kind(rebuild->record, field, JSON_ARRAY, rebuild->fault))
        return false;
    struct access *access = relay_3_access(rebuild->room->party);
    if (access == NULL)
        return fail(rebuild, RECORD_NO_MEMORY);
    while (json_array_next(&rest, &element)) {
        uint64_t number;
        if (++count > BANS_MAX || !hex_read_64(&element, &number) || number == 0)
            return fail_field(rebuild, field);
        struct outcast outcast = {.id_hash = are_banned ? number : 0,
                                  .epoch = are_banned ? 0 : number};
        if (!relay_3_remember_outcast(rebuild->relay, rebuild->room,
                                      are_banned ? &access->banned : &access->kicked, outcast))
            return fail(rebuild, RECORD_RETAINS_TOO_MUCH);
    }
    return true;
}

static bool read_flags(const struct rebuild *rebuild)
{
    struct party *party = rebuild->room->party;
    bool is_known;
    if (!record_need_flag(rebuild->record, RECORD_FIELD_LOCKED, &party->is_locked,
                          rebuild->fault) ||
        !record_need_flag(rebuild->record, RECORD_FIELD_AUDIENCE_MUTED, &party->audience_is_muted,
                          rebuild->fault) ||
        !record_need_flag(rebuild->record, RECORD_FIELD_CREATOR_KNOWN, &is_known, rebuild->fault))
        return false;
    party->is_unknown = !is_known;
    return true;
}

/* What only a room of protocol 3 has. */
static bool read_party(const struct rebuild *rebuild)
{
    struct relay *relay = rebuild->relay;
    struct wishes wishes = {0};
    uint64_t hold_ms;
    uint64_t audience_max;
    if (rebuild->room->party == NULL)
        return true;
    if (!need_whole(rebuild, RECORD_FIELD_HOLD, HOLD_MS_MAX, &hold_ms) ||
        !need_whole(rebuild, RECORD_FIELD_MAX_AUDIENCE, UINT32_MAX, &audience_max) ||
        !read_on_host_left(rebuild, &wishes.host_migrates))
        return false;
    wishes.hold_ms = at_most(hold_ms, relay->config.hold_ms_max);
    wishes.audience_max = at_most(audience_max, relay->config.members_max);
    if (!relay_3_prepare_room(relay, rebuild->room, &wishes))
        return fail(rebuild, RECORD_NO_MEMORY);
    return read_flags(rebuild) && read_password(rebuild) &&
           read_outcasts(rebuild, RECORD_FIELD_KICKED, false) &&
           read_outcasts(rebuild, RECORD_FIELD_BANNED, true);
}

/* The canonical form of a member's clientId, which no member may have yet. */
static bool make_id(const struct rebuild *rebuild, const struct recorded_member *recorded,
                    struct canonical_id *ret_id)
{
    if (!id_canonicalize(rebuild->relay, &recorded->id, ret_id))
        return fail(rebuild, RECORD_ID_TOO_LONG);
    bool is_new = ret_id->length > 0 && room_find(rebuild->room, id_view(ret_id)) == NULL;
    return is_new || fail_member(rebuild, RECORD_MEMBER_ID);
}

static bool read_member(const struct rebuild *rebuild, const struct json_value *value,
                        struct recorded_member *ret_member)
{
    struct record_object object;
    struct record_fault *fault = rebuild->fault;
    bool is_of_3 = rebuild->room->party != NULL;
    uint64_t index;
    uint64_t stayed_ms = 0;
    uint64_t hold_left_ms = 0;
    uint64_t cut_off_ms = 0;
    if (!record_read_object(value, record_member_names, RECORD_MEMBER_FIELDS, &object))
        return fail_field(rebuild, RECORD_FIELD_MEMBERS);
    ret_member->is_here = object.values[RECORD_MEMBER_HERE].kind != JSON_ABSENT;
    ret_member->was_cut_off = object.values[RECORD_MEMBER_CUT_OFF].kind != JSON_ABSENT;
    if (!record_need_kind(&object, RECORD_MEMBER_ID, JSON_STRING, fault) ||
        !record_need_whole(&object, RECORD_MEMBER_INDEX, INDEX_AUDIENCE - 1, &index, fault) ||
        !record_may_whole(&object, RECORD_MEMBER_STAYED, UINT32_MAX, &stayed_ms, fault) ||
        !record_may_whole(&object, RECORD_MEMBER_CUT_OFF, UINT32_MAX, &cut_off_ms, fault))
        return false;
    if (ret_member->is_here && object.values[RECORD_MEMBER_HERE].kind != JSON_TRUE)
        return fail_member(rebuild, RECORD_MEMBER_HERE);
    if (is_of_3 && !ret_member->is_here &&
        !record_need_whole(&object, RECORD_MEMBER_HOLD_LEFT, UINT32_MAX, &hold_left_ms, fault))
        return false;
    ret_member->id = object.values[RECORD_MEMBER_ID];
    ret_member->index = (uint32_t)index;
    ret_member->stayed_ms = (uint32_t)stayed_ms;
    ret_member->hold_left_ms = (uint32_t)hold_left_ms;
    ret_member->cut_off_ms = (uint32_t)cut_off_ms;
    return true;
}

/* The member, which was added last, is present: bring_present() puts it among the others. */
static void expect(const struct rebuild *rebuild, struct member *member)
{
    member->entered_ms = rebuild->relay->now_ms;
    if (rebuild->room->party != NULL)
        room_put_away(rebuild->room, member);
    else
        room_retire(rebuild->room, member);
    member->client = CLIENT_EXPECTED;
}

/* Present members are in order of their index, and a record has them in order of their ids. */
static void bring_present(const struct rebuild *rebuild)
{
    struct room *room = rebuild->room;
    for (uint32_t i = 0; i < room->known_count; i++) {
        struct member *member = room_by_id(room)[i];
        if (member->client != CLIENT_EXPECTED)
            continue;
        member->client = CLIENT_NONE;
        if (room->party != NULL)
            room_bring_back(room, member, CLIENT_EXPECTED);
        else
            room_return(room, member, CLIENT_EXPECTED);
    }
}

/* The room may forget a member, at once or later, if it can't keep all who are absent. */
static bool add_absent(const struct rebuild *rebuild, const struct recorded_member *recorded,
                       struct bytes id)
{
    struct relay *relay = rebuild->relay;
    struct member *member = room_add(rebuild->room, id, CLIENT_NONE);
    if (member == NULL)
        return fail(rebuild, RECORD_NO_MEMORY);
    member->stayed_ms = recorded->stayed_ms;
    member->active_ms = relay->now_ms - (recorded->is_here ? 0 : recorded->cut_off_ms);
    member->was_cut_off = recorded->is_here || recorded->was_cut_off;
    if (recorded->is_here && is_of_upgrade(rebuild)) {
        expect(rebuild, member);
        return true;
    }
    relay_remember_absent(relay, rebuild->room, member);
    relay_free_departed(relay);
    return true;
}

static bool add_seat(const struct rebuild *rebuild, const struct recorded_member *recorded,
                     struct bytes id)
{
    struct relay *relay = rebuild->relay;
    struct room *room = rebuild->room;
    struct member *member = relay_3_add_seat(relay, room, id, CLIENT_NONE);
    if (member == NULL)
        return fail(rebuild, RECORD_NO_MEMORY);
    member->stayed_ms = recorded->stayed_ms;
    member->active_ms = relay->now_ms;
    party_begin_epoch(room->party, member_seat(member), relay_3_draw_epoch(relay));
    if (recorded->is_here && is_of_upgrade(rebuild)) {
        expect(rebuild, member);
        return true;
    }
    uint32_t least_ms = is_of_upgrade(rebuild) ? 0 : RESTORED_HOLD_LEAST_MS;
    return relay_3_restore_hold(relay, member, recorded->is_here, recorded->hold_left_ms,
                                least_ms) ||
           fail(rebuild, RECORD_RETAINS_TOO_MUCH);
}

static bool add_member(const struct rebuild *rebuild, const struct recorded_member *recorded)
{
    struct canonical_id id;
    if (!make_id(rebuild, recorded, &id))
        return false;
    rebuild->room->next_index = recorded->index;
    return rebuild->room->party != NULL ? add_seat(rebuild, recorded, id_view(&id))
                                        : add_absent(rebuild, recorded, id_view(&id));
}

static int compare_indices(const void *a, const void *b)
{
    const struct recorded_member *one = a;
    const struct recorded_member *other = b;
    return (one->index > other->index) - (one->index < other->index);
}

/* Each index is there once: members are found by it. Sorts the recorded members by it. */
static bool have_indices_of_their_own(const struct rebuild *rebuild)
{
    struct recorded_member *members = rebuild->members;
    qsort(members, rebuild->member_count, sizeof *members, compare_indices);
    for (uint32_t i = 1; i < rebuild->member_count; i++) {
        if (members[i].index == members[i - 1].index)
            return fail_member(rebuild, RECORD_MEMBER_INDEX);
    }
    return true;
}

/*
 * Each index was given before. In protocol 2 index 0 is there, and in protocol 3
 * the host's, unless the room waits for a host.
 */
static bool check_indices(const struct rebuild *rebuild, uint32_t next_index)
{
    const struct room *room = rebuild->room;
    const struct party *party = room->party;
    const struct recorded_member *members = rebuild->members;
    const struct recorded_member host = {.index = room->host_index};
    uint32_t count = rebuild->member_count;
    if (count > 0 && members[count - 1].index >= next_index)
        return fail_field(rebuild, RECORD_FIELD_NEXT_INDEX);
    if (room_protocol(room) == PROTOCOL_1)
        return true;
    if (count == 0)
        return fail_field(rebuild, RECORD_FIELD_MEMBERS);
    if (room->host_index == INDEX_NONE)
        return (party->host_migrates && room->member_count == 0) ||
               fail_field(rebuild, RECORD_FIELD_HOST);
    return bsearch(&host, members, count, sizeof *members, compare_indices) != NULL ||
           fail_field(rebuild, RECORD_FIELD_HOST);
}

/* The server's limit counts: a room of protocol 3 may have more seats than its maxClients. */
static bool count_members(const struct rebuild *rebuild, uint32_t *ret_count)
{
    struct bytes rest = rebuild->record->values[RECORD_FIELD_MEMBERS].raw;
    struct json_value element;
    uint64_t limit = members_limit(rebuild);
    *ret_count = 0;
    if (!record_need_kind(rebuild->record, RECORD_FIELD_MEMBERS, JSON_ARRAY, rebuild->fault))
        return false;
    while (json_array_next(&rest, &element)) {
        if (++*ret_count > limit)
            return fail(rebuild, RECORD_TOO_MANY_MEMBERS);
    }
    return true;
}

/* Reads all members into an array that has place for them. */
static bool read_each_member(struct rebuild *rebuild)
{
    struct bytes rest = rebuild->record->values[RECORD_FIELD_MEMBERS].raw;
    struct json_value element;
    while (json_array_next(&rest, &element)) {
        if (!read_member(rebuild, &element, &rebuild->members[rebuild->member_count++]))
            return false;
    }
    return true;
}

/* Adds those who are here, or all others; see add_members(). */
static bool add_some_members(const struct rebuild *rebuild, bool are_here)
{
    bool is_well = true;
    for (uint32_t i = 0; is_well && i < rebuild->member_count; i++) {
        const struct recorded_member *recorded = &rebuild->members[i];
        if (!is_of_upgrade(rebuild) || recorded->is_here == are_here)
            is_well = add_member(rebuild, recorded);
    }
    return is_well;
}

/*
 * After an upgrade those who are here wait among the absent ones for bring_present(). They come
 * last, so that the room does not count them when it forgets absent members that are too many.
 */
static bool add_members(const struct rebuild *rebuild)
{
    bool is_well = add_some_members(rebuild, false) &&
                   (!is_of_upgrade(rebuild) || add_some_members(rebuild, true)) &&
                   have_indices_of_their_own(rebuild);
    if (is_well)
        bring_present(rebuild);
    return is_well;
}

/* The next index above the recorded one that is a multiple of RECORD_INDEX_STEP. */
static uint32_t round_index(uint32_t index)
{
    uint32_t rounded = index / RECORD_INDEX_STEP * RECORD_INDEX_STEP;
    return rounded < INDEX_AUDIENCE - RECORD_INDEX_STEP ? rounded + RECORD_INDEX_STEP
                                                        : INDEX_AUDIENCE;
}

static bool read_members(struct rebuild *rebuild)
{
    uint64_t next_index;
    uint32_t count;
    if (!need_whole(rebuild, RECORD_FIELD_NEXT_INDEX, INDEX_AUDIENCE, &next_index) ||
        !count_members(rebuild, &count))
        return false;
    rebuild->members = malloc((count + (size_t)1) * sizeof *rebuild->members);
    if (rebuild->members == NULL)
        return fail(rebuild, RECORD_NO_MEMORY);
    bool is_well = read_each_member(rebuild) && add_members(rebuild) &&
                   check_indices(rebuild, (uint32_t)next_index);
    free(rebuild->members);
    rebuild->room->next_index =
        is_of_upgrade(rebuild) ? (uint32_t)next_index : round_index((uint32_t)next_index);
    return is_well;
}

static bool read_state(const struct rebuild *rebuild, enum record_field field, enum event_type type,
                       struct payload **retained)
{
    const struct restoring *restoring = rebuild->restoring;
    const struct json_value *value = &rebuild->record->values[field];
    if (value->kind == JSON_ABSENT)
        return true;
    if (!relay_state_fits(value->raw))
        return fail(rebuild, RECORD_STATE_TOO_LARGE);
    struct event event = {.type = type, .room = rebuild->room, .data = value->raw};
    struct payload *state = restoring->encode(restoring->context, &event);
    if (state == NULL)
        return fail(rebuild, RECORD_NO_MEMORY);
    bool is_kept = relay_replace_state(rebuild->relay, rebuild->room, retained, state);
    payload_release(state);
    return is_kept || fail(rebuild, RECORD_RETAINS_TOO_MUCH);
}

static bool read_states(const struct rebuild *rebuild)
{
    struct room *room = rebuild->room;
    if (room_protocol(room) == PROTOCOL_1)
        return true;
    return read_state(rebuild, RECORD_FIELD_STATE, EVENT_STATE, &room->retained->state) &&
           (room->party == NULL || read_state(rebuild, RECORD_FIELD_PRIVATE_STATE,
                                              EVENT_PRIVATE_STATE, &room->party->private_state));
}

/* After a planned stop members find their counts and the log as they were. */
static bool read_moment(const struct rebuild *rebuild)
{
    const struct json_value *value = &rebuild->record->values[RECORD_FIELD_MOMENT];
    bool is_of_3 = rebuild->room->party != NULL;
    bool is_true = is_of_upgrade(rebuild) || (is_of_3 && rebuild->restoring->ending == ENDING_STOP);
    if (!is_true || value->kind == JSON_ABSENT)
        return true;
    bool is_read =
        is_of_3 ? record_read_moment(rebuild->relay, rebuild->room, value, rebuild->restoring)
                : record_read_restored(rebuild->relay, rebuild->room, value);
    return is_read || fail_field(rebuild, RECORD_FIELD_MOMENT);
}

/* Keeps what a later version has written, so that its record loses nothing by this version. */
static bool keep_unknown(const struct rebuild *rebuild, struct bytes text)
{
    struct retained *retained = rebuild->room->retained;
    size_t length = rebuild->record->unknown_length;
    if (length == 0)
        return true;
    if (length > RECORD_UNKNOWN_BYTES_MAX)
        return fail(rebuild, RECORD_TOO_MUCH_UNKNOWN);
    retained->unknown = malloc(length);
    if (retained->unknown == NULL)
        return fail(rebuild, RECORD_NO_MEMORY);
    if (!relay_admit_bytes(rebuild->relay, rebuild->room, allocation_cost(length)))
        return fail(rebuild, RECORD_RETAINS_TOO_MUCH);
    struct writer writer = writer_over(retained->unknown, length);
    record_write_unknown(&writer, text);
    assert(writer.length == length);
    retained->unknown_length = (uint16_t)length;
    return true;
}

_Static_assert(RECORD_UNKNOWN_BYTES_MAX <= UINT16_MAX, "retained.unknown_length has it");

/* What a room must know of itself comes before its members, whose holds depend on it. */
static bool read_room(struct rebuild *rebuild, struct bytes text)
{
    return read_host(rebuild) && read_party(rebuild) && read_url(rebuild) &&
           keep_unknown(rebuild, text) && read_members(rebuild) && read_states(rebuild) &&
           read_moment(rebuild);
}

/* Counts and makes the room. False: nothing is left of it. */
static bool rebuild_room(struct rebuild *rebuild, struct bytes text)
{
    struct relay *relay = rebuild->relay;
    const struct relay_config *config = &relay->config;
    struct maker *maker = NULL;
    uint64_t code;
    if (!read_code(rebuild, &code))
        return false;
    if (!config->admit_room(config->context, CLIENT_NONE, &maker))
        return fail(rebuild, RECORD_TOO_MANY_ROOMS);
    maker = rebuild->restoring->maker;
    if (make_room(rebuild, code)) {
        rebuild->room->maker = maker;
        if (read_room(rebuild, text)) {
            if (room_table_add(&relay->rooms, rebuild->room))
                return true;
            (void)fail(rebuild, RECORD_NO_MEMORY);
        }
    }
    if (rebuild->room != NULL)
        relay_drop_room(relay, rebuild->room);
    config->dismiss_room(config->context, maker);
    return false;
}

bool record_restore(struct relay *relay, struct bytes text, const struct restoring *restoring,
                    struct effects *ret_effects, struct record_fault *ret_fault)
{
    struct record_object record;
    struct rebuild rebuild = {
        .relay = relay, .restoring = restoring, .record = &record, .fault = ret_fault};
    ret_effects->count = 0;
    relay_free_departed(relay);
    if (!record_read(text, &record, ret_fault) || !rebuild_room(&rebuild, text))
        return false;
    if (is_of_upgrade(&rebuild))
        relay_resume_room(relay, rebuild.room, ret_effects);
    else
        relay_desert_restored(relay, rebuild.room);
    effects_add_room_added(ret_effects, (struct effect_room_added){restoring->origin_number});
    return true;
}
