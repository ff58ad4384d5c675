/* After an upgrade: connections that were in a room are its members' again. */
#include <stdlib.h>

#include "relay/record_parts.h"

enum { VISITOR_ID, VISITOR_SEAT, VISITOR_FIELDS };

static const char *const visitor_names[] = {"id", "seat"};

bool relay_take_over(struct relay *relay, uint64_t code, uint32_t index, uint32_t client,
                     struct member **seat)
{
    const struct room *room = room_table_find(&relay->rooms, code);
    struct member *member = room == NULL ? NULL : room_find_index(room, index);
    if (member == NULL || member->client != CLIENT_EXPECTED)
        return false;
    member->client = client;
    *seat = member;
    return true;
}

void relay_write_visitor(struct writer *writer, const struct member *member)
{
    WRITER_PUT(writer, "{\"id\":\"");
    writer_put(writer, member_id(member));
    WRITER_PUT(writer, "\",\"seat\":");
    record_put_seat(writer, member->room->party, member_seat(member));
    writer_put_byte(writer, '}');
}

bool relay_take_over_visitor(struct relay *relay, uint64_t code, const struct json_value *visitor,
                             uint32_t client, struct member **seat)
{
    struct room *room = room_table_find(&relay->rooms, code);
    struct record_object object;
    struct canonical_id id;
    if (room == NULL || room->party == NULL || room->party->audience == NULL ||
        !record_read_object(visitor, visitor_names, VISITOR_FIELDS, &object) ||
        object.values[VISITOR_ID].kind != JSON_STRING ||
        !id_canonicalize(relay, &object.values[VISITOR_ID], &id) || id.length == 0 ||
        room_find(room, id_view(&id)) != NULL)
        return false;
    struct member *member = room_add_audience(room, id_view(&id), client);
    if (member == NULL)
        return false;
    *seat = member;
    return record_read_seat(room->party, member_seat(member), &object.values[VISITOR_SEAT]);
}

static bool all_are_taken_over(const struct room *room)
{
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (room->members[i]->client == CLIENT_EXPECTED)
            return false;
    }
    return true;
}

bool relay_all_are_taken_over(const struct relay *relay)
{
    for (uint32_t i = 0; i < relay->rooms.bucket_count; i++) {
        for (const struct room *room = relay->rooms.buckets[i]; room != NULL;
             room = room->next_in_bucket) {
            if (!all_are_taken_over(room))
                return false;
        }
    }
    return true;
}
