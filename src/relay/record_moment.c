/*
 * The moment of a room of protocol 3, which is part of its record after a planned stop and at an
 * upgrade: the log of its events, and the counts and epochs of its seats. With it the members go on
 * as if only their connections had been cut off, or not even these.
 */
#include <stdlib.h>

#include "relay/record_parts.h"

/* The fields of a moment. */
enum {
    MOMENT_TO_ALL,
    MOMENT_OLDEST,
    MOMENT_EVENTS,
    MOMENT_SEATS,
    /* The room has had an audience: the size that the host knows, and if it is to hear of it. */
    MOMENT_AUDIENCE_TOLD,
    MOMENT_AUDIENCE_DUE,
    MOMENT_FIELDS
};

static const char *const moment_names[] = {"toAll", "oldest",       "events",
                                           "seats", "audienceTold", "audienceDue"};

/* Those of an event: whom it is for; so many that are not kept, or a frame, or the room's state. */
enum { EVENT_FOR, EVENT_INDICES, EVENT_COUNT, EVENT_FRAME, EVENT_IS_STATE, EVENT_FIELDS };

static const char *const event_names[] = {"for", "indices", "skipped", "frame", "isState"};

/* Those of a seat. */
enum {
    SEAT_INDEX,
    SEAT_EPOCH,
    SEAT_HEARD,
    SEAT_COUNT,
    SEAT_SEEN,
    SEAT_SEEN_UNTIL,
    SEAT_ATTEMPT,
    SEAT_RETOLD, /* may be absent */
    SEAT_SESSION_HASHES,
    SEAT_FIELDS
};

static const char *const seat_names[] = {"index",     "epoch",   "heard",  "count",   "seen",
                                         "seenUntil", "attempt", "retold", "sessions"};

static const char *const readers_names[] = {[LOG_EVERYONE] = "everyone",
                                            [LOG_EVERYONE_BUT] = "everyoneBut",
                                            [LOG_ONE] = "one",
                                            [LOG_SOME] = "some"};

static void put_event(struct writer *writer, const struct log_entry *entry)
{
    const struct log_address *address = &entry->address;
    bool is_some = address->readers == LOG_SOME;
    bool has_index = address->readers == LOG_ONE || address->readers == LOG_EVERYONE_BUT;
    const uint32_t *indices = is_some ? address->indices : &address->index;
    uint32_t count = is_some ? address->index_count : has_index;
    WRITER_PUT(writer, "{\"for\":\"");
    writer_put_string(writer, readers_names[address->readers]);
    WRITER_PUT(writer, "\",\"indices\":[");
    for (uint32_t i = 0; i < count; i++)
        writer_put_number(writer, i == 0 ? "" : ",", indices[i]);
    if (entry->is_state) {
        WRITER_PUT(writer, "],\"isState\":true}");
    } else if (entry->skipped > 0) {
        writer_put_number(writer, "],\"skipped\":", entry->skipped);
        writer_put_byte(writer, '}');
    } else {
        WRITER_PUT(writer, "],\"frame\":");
        hex_write(writer, entry->frame);
        writer_put_byte(writer, '}');
    }
}

void record_put_seat(struct writer *writer, const struct party *party, const struct seat *seat)
{
    writer_put_number(writer, "{\"index\":", seat_member(seat)->index);
    WRITER_PUT(writer, ",\"epoch\":");
    hex_write_64(writer, seat->epoch);
    writer_put_number(writer, ",\"heard\":", seat->heard);
    writer_put_number(writer, ",\"count\":", seat_count(seat, party->to_all));
    writer_put_number(writer, ",\"seen\":", seat->seen);
    writer_put_number(writer, ",\"seenUntil\":", seat->seen_until);
    writer_put_number(writer, ",\"attempt\":", seat->attempt);
    if (!seat_member(seat)->is_audience && seat->retold > seat->seen)
        writer_put_number(writer, ",\"retold\":", seat->retold);
    WRITER_PUT(writer, ",\"sessions\":[");
    for (int i = 0; i < SEAT_SESSIONS && seat->sessions[i] != 0; i++)
        writer_put_number(writer, i == 0 ? "" : ",", seat->sessions[i]);
    WRITER_PUT(writer, "]}");
}

static void put_seats(struct writer *writer, const struct party *party,
                      struct member *const *members, uint32_t count, const char *before)
{
    for (uint32_t i = 0; i < count; i++) {
        writer_put_string(writer, i == 0 ? before : ",");
        record_put_seat(writer, party, member_seat(members[i]));
    }
}

/* After a planned stop there is no audience. */
static void put_audience(struct writer *writer, const struct audience *audience)
{
    if (audience == NULL)
        return;
    writer_put_number(writer, ",\"audienceTold\":", audience->told);
    if (audience->telling.place != 0)
        WRITER_PUT(writer, ",\"audienceDue\":true");
}

static void put_events(struct writer *writer, const struct log *log)
{
    struct log_cursor cursor = log_begin(log);
    struct log_entry entry;
    bool is_first = true;
    WRITER_PUT(writer, ",\"events\":[");
    while (log_next_entry(log, &cursor, &entry)) {
        if (!is_first)
            writer_put_byte(writer, ',');
        is_first = false;
        put_event(writer, &entry);
    }
    writer_put_byte(writer, ']');
}

void record_put_moment(struct writer *writer, const struct room *room, enum ending ending)
{
    const struct party *party = room->party;
    writer_put_number(writer, ",\"moment\":{\"toAll\":", party->to_all);
    writer_put_number(writer, ",\"oldest\":", party->log.oldest);
    if (ending != ENDING_UPGRADE)
        put_events(writer, &party->log); /* else record_write_log() has them */
    WRITER_PUT(writer, ",\"seats\":[");
    put_seats(writer, party, room->members, room->member_count, "");
    put_seats(writer, party, room_absent(room), room->absent_count,
              room->member_count > 0 ? "," : "");
    writer_put_byte(writer, ']');
    if (ending == ENDING_UPGRADE)
        put_audience(writer, party->audience);
    writer_put_byte(writer, '}');
}

static bool read_indices(const struct json_value *value, uint32_t ret_indices[TARGETS_MAX],
                         uint32_t *ret_count)
{
    struct bytes rest = value->raw;
    struct json_value element;
    *ret_count = 0;
    if (value->kind != JSON_ARRAY)
        return false;
    while (json_array_next(&rest, &element)) {
        if (*ret_count == TARGETS_MAX ||
            !relay_3_read_index(&element, &ret_indices[(*ret_count)++]))
            return false;
    }
    return true;
}

/* Reads whom an event is for. */
static bool read_address(const struct record_object *event, uint32_t indices[TARGETS_MAX],
                         struct log_address *ret_address)
{
    const struct json_value *readers = &event->values[EVENT_FOR];
    uint32_t name = 0;
    uint32_t count;
    if (readers->kind != JSON_STRING ||
        !read_indices(&event->values[EVENT_INDICES], indices, &count))
        return false;
    while (name < ARRAY_LENGTH(readers_names) &&
           !json_string_equals(readers, bytes_of_string(readers_names[name])))
        name++;
    bool has_index = name == LOG_ONE || name == LOG_EVERYONE_BUT;
    *ret_address = (struct log_address){.readers = (enum log_readers)name,
                                        .index = has_index ? indices[0] : 0,
                                        .indices = name == LOG_SOME ? indices : NULL,
                                        .index_count = name == LOG_SOME ? count : 0};
    return name < ARRAY_LENGTH(readers_names) && (name == LOG_SOME || count == has_index);
}

/* Keeps an event's frame, which is in hexadecimal digits; without memory, the event is lost. */
static bool keep_frame(struct log *log, const struct log_address *address,
                       const struct json_value *value)
{
    size_t length;
    if (!hex_length(value, &length) || length == 0)
        return false;
    uint8_t *frame = malloc(length);
    bool is_hex = frame == NULL || hex_read(value, frame, length);
    if (frame == NULL)
        log_lose(log);
    else if (is_hex)
        log_keep(log, address, bytes_of(frame, length), NULL);
    free(frame);
    return is_hex;
}

static bool read_event(struct room *room, const struct json_value *value)
{
    struct log *log = &room->party->log;
    struct record_object event;
    struct log_address address;
    uint32_t indices[TARGETS_MAX] = {0};
    uint64_t skipped;
    if (!record_read_object(value, event_names, EVENT_FIELDS, &event) ||
        !read_address(&event, indices, &address))
        return false;
    if (event.values[EVENT_IS_STATE].kind == JSON_TRUE) {
        if (room_state(room) == NULL)
            return false;
        log_keep_state(log, &address, room_state(room));
        return true;
    }
    if (event.values[EVENT_COUNT].kind == JSON_ABSENT)
        return keep_frame(log, &address, &event.values[EVENT_FRAME]);
    if (!json_member_whole(&event.values[EVENT_COUNT], UINT32_MAX, &skipped) || skipped == 0)
        return false;
    log_skip_many(log, &address, (uint32_t)skipped);
    return true;
}

static bool read_sessions(struct seat *seat, const struct json_value *value)
{
    struct bytes rest = value->raw;
    struct json_value element;
    uint32_t count = 0;
    if (value->kind != JSON_ARRAY)
        return false;
    while (json_array_next(&rest, &element)) {
        uint64_t hash;
        if (count == SEAT_SESSIONS || !json_member_whole(&element, UINT32_MAX, &hash) || hash == 0)
            return false;
        seat->sessions[count++] = (uint32_t)hash;
    }
    return true;
}

/* Reads the numbers of a seat, each by its name. */
static bool read_numbers(const struct record_object *object, uint64_t ret_numbers[SEAT_FIELDS])
{
    for (int field = 0; field < SEAT_SESSION_HASHES; field++) {
        const struct json_value *value = &object->values[field];
        bool may_lack = field == SEAT_RETOLD && value->kind == JSON_ABSENT;
        if (field != SEAT_EPOCH && !may_lack &&
            !json_member_whole(value, COUNT_MAX, &ret_numbers[field]))
            return false;
    }
    return true;
}

static bool read_seat_object(const struct party *party, struct seat *seat,
                             const struct record_object *object)
{
    uint64_t numbers[SEAT_FIELDS] = {0};
    if (!read_numbers(object, numbers))
        return false;
    if (numbers[SEAT_INDEX] != seat_member(seat)->index || numbers[SEAT_ATTEMPT] > UINT32_MAX ||
        numbers[SEAT_RETOLD] > UINT32_MAX || numbers[SEAT_RETOLD] > numbers[SEAT_COUNT] ||
        numbers[SEAT_SEEN] > numbers[SEAT_COUNT] || numbers[SEAT_SEEN_UNTIL] > party->log.next)
        return false;
    seat->heard = numbers[SEAT_HEARD];
    seat->offset = (int64_t)numbers[SEAT_COUNT] - (int64_t)party->to_all;
    seat->seen = numbers[SEAT_SEEN];
    seat->seen_until = numbers[SEAT_SEEN_UNTIL];
    seat->attempt = (uint32_t)numbers[SEAT_ATTEMPT];
    if (!seat_member(seat)->is_audience)
        seat->retold = (uint32_t)numbers[SEAT_RETOLD];
    return hex_read_64(&object->values[SEAT_EPOCH], &seat->epoch) &&
           read_sessions(seat, &object->values[SEAT_SESSION_HASHES]);
}

bool record_read_seat(const struct party *party, struct seat *seat, const struct json_value *value)
{
    struct record_object object;
    return record_read_object(value, seat_names, SEAT_FIELDS, &object) &&
           read_seat_object(party, seat, &object);
}

/* Reads what the member with the index has that the value names. */
static bool read_seat(const struct room *room, const struct json_value *value)
{
    struct record_object object;
    uint64_t index;
    if (!record_read_object(value, seat_names, SEAT_FIELDS, &object) ||
        !json_member_whole(&object.values[SEAT_INDEX], INDEX_AUDIENCE - 1, &index))
        return false;
    struct member *member = room_find_away(room, (uint32_t)index);
    if (member == NULL)
        member = room_find_index(room, (uint32_t)index);
    return member != NULL && read_seat_object(room->party, member_seat(member), &object) &&
           member_seat(member)->epoch != 0;
}

/* Those seats that the moment does not name have missed nothing. */
static void begin_counts(const struct room *room)
{
    struct party *party = room->party;
    for (uint32_t i = 0; i < room->known_count; i++) {
        struct seat *seat = member_seat(room_by_id(room)[i]);
        seat->offset = -(int64_t)party->to_all;
        seat->seen = 0;
        seat->seen_until = party->log.next;
    }
    party->oldest_missed = party->log.oldest;
}

static bool read_each(struct room *room, const struct json_value *array, bool are_seats)
{
    struct bytes rest = array->raw;
    struct json_value element;
    if (array->kind != JSON_ARRAY)
        return false;
    while (json_array_next(&rest, &element)) {
        if (!(are_seats ? read_seat(room, &element) : read_event(room, &element)))
            return false;
    }
    return true;
}

/* A room may have an audience though it lets nobody in any more. */
static bool need_audience(struct relay *relay, struct party *party)
{
    uint32_t max = party_audience_max(party);
    if (!relay_3_allow_audience(relay, party, max == 0 ? 1 : max))
        return false;
    party->audience->max = max;
    return true;
}

static bool read_audience(struct relay *relay, struct room *room,
                          const struct record_object *moment)
{
    const struct json_value *told = &moment->values[MOMENT_AUDIENCE_TOLD];
    uint64_t number;
    if (told->kind == JSON_ABSENT)
        return true;
    if (!json_member_whole(told, UINT32_MAX, &number) || !need_audience(relay, room->party))
        return false;
    struct audience *audience = room->party->audience;
    audience->told = (uint32_t)number;
    if (moment->values[MOMENT_AUDIENCE_DUE].kind == JSON_TRUE && audience->telling.place == 0)
        due_schedule(&relay->dues, &audience->telling, relay->now_ms);
    return true;
}

static bool read_events(struct room *room, const struct json_value *events,
                        const struct restoring *restoring)
{
    bool may_lack = restoring->ending == ENDING_UPGRADE;
    return ((may_lack && events->kind == JSON_ABSENT) || read_each(room, events, false)) &&
           record_read_log(room, restoring->log);
}

bool record_read_moment(struct relay *relay, struct room *room, const struct json_value *value,
                        const struct restoring *restoring)
{
    struct record_object moment;
    struct party *party = room->party;
    uint64_t oldest;
    if (!record_read_object(value, moment_names, MOMENT_FIELDS, &moment) ||
        !json_member_whole(&moment.values[MOMENT_TO_ALL], COUNT_MAX, &party->to_all) ||
        !json_member_whole(&moment.values[MOMENT_OLDEST], COUNT_MAX, &oldest))
        return false;
    /* It may need more memory than before, and nobody may lose what the record has. */
    size_t bytes_max = party->log.bytes_max;
    party->log.bytes_max = ROOM_3_RETAINED_MAX;
    log_resume(&party->log, oldest);
    bool is_read = read_events(room, &moment.values[MOMENT_EVENTS], restoring);
    party->log.bytes_max = bytes_max;
    if (!is_read)
        return false;
    begin_counts(room);
    return read_each(room, &moment.values[MOMENT_SEATS], true) &&
           read_audience(relay, room, &moment);
}

void record_put_restored(struct writer *writer, const struct relay *relay, const struct room *room)
{
    if (!relay_is_just_restored(relay, room))
        return;
    writer_put_number(writer,
                      ",\"moment\":{\"restoredAgo\":", relay->now_ms - room->retained->restored_ms);
    writer_put_byte(writer, '}');
}

bool record_read_restored(const struct relay *relay, const struct room *room,
                          const struct json_value *value)
{
    static const char *const names[] = {"restoredAgo"};
    struct record_object moment;
    uint64_t ago_ms;
    if (!record_read_object(value, names, ARRAY_LENGTH(names), &moment) ||
        !json_member_whole(&moment.values[0], RESTORED_HOLD_LEAST_MS, &ago_ms))
        return false;
    room->retained->is_restored = true;
    room->retained->restored_ms = relay->now_ms - (uint32_t)ago_ms;
    return true;
}
