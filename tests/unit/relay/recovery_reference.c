/* What the reference server does about texts and connections. */
#include "relay/recovery_reference.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/recovery_reference_parts.h"
#include "relay/relay_model_parts.h"

static void open_connection(void *context, uint32_t connection)
{
    struct reference *reference = context;
    reference->connections[connection] = (struct reference_connection){.is_open = true};
}

static void seat_connection(struct reference *reference, uint32_t connection,
                            struct reference_room *room, struct reference_seat *seat)
{
    reference->connections[connection].room = room;
    reference->connections[connection].seat = seat;
    seat->connection = connection;
    seat->barrier = 0;
}

/* Answers `create` and `join`, which no member has said: it has no number. */
static void refuse_entry(struct reference *reference, uint32_t connection, const char *code,
                         const char *of)
{
    char *text = format_text(
        "{\"type\":\"error\",\"code\":\"%s\",\"message\":\"%s\",\"of\":\"%s\"}", code, code, of);
    reference_tell(reference, connection, text);
    free(text);
}

/* Remembers the session of a clientId and its attempt. False: its client has given that up. */
static bool note_session(struct reference *reference, struct reference_sessions *known,
                         const char *session, uint64_t attempt)
{
    bool is_current = strcmp(known->names[0], session) == 0;
    if (is_current && attempt <= known->attempt &&
        !reference_breaks(reference, BREAK_SERVER_STALE_JOIN))
        return false;
    for (uint32_t i = 1; i < REFERENCE_SESSIONS; i++) {
        if (strcmp(known->names[i], session) == 0 &&
            !reference_breaks(reference, BREAK_SERVER_OLD_SESSION))
            return false;
    }
    if (!is_current) {
        memmove(known->names[1], known->names[0], sizeof known->names - sizeof known->names[0]);
        snprintf(known->names[0], sizeof known->names[0], "%s", session);
    }
    known->attempt = attempt;
    return true;
}

static struct reference_sessions *sessions_of(struct reference_room *room, const char *client_id)
{
    for (uint32_t i = 0; i < room->known_count; i++) {
        if (strcmp(room->known[i].client_id, client_id) == 0)
            return &room->known[i];
    }
    assert_in_range(room->known_count, 0, RECOVERY_PLAYERS - 1);
    struct reference_sessions *known = &room->known[room->known_count++];
    *known = (struct reference_sessions){0};
    snprintf(known->client_id, sizeof known->client_id, "%s", client_id);
    return known;
}

static void handle_create(struct reference *reference, uint32_t connection, struct bytes text)
{
    char client_id[TEXT_STRING_MAX];
    char session[TEXT_STRING_MAX];
    text_string(text, "clientId", client_id);
    text_string(text, "session", session);
    assert_in_range(reference->room_count, 0, REFERENCE_ROOMS_MAX - 1);
    struct reference_room *room = calloc(1, sizeof *room);
    assert_non_null(room);
    reference->rooms[reference->room_count++] = room;
    room->is_live = true;
    snprintf(room->code, sizeof room->code, "CODE%u", ++reference->codes);
    room->max_clients = text_number(text, "maxClients");
    room->hold_ms = text_number(text, "hold") * 1000;
    room->ends_with_host = text_has_string(text, "onHostLeft", "close");
    note_session(reference, sessions_of(room, client_id), session, 0);
    struct reference_seat *seat = reference_add_seat(reference, room, client_id);
    seat_connection(reference, connection, room, seat);
    char *answer = format_text("{\"type\":\"created\",\"room\":\"%s\",\"index\":0,\"hold\":%" PRIu64
                               ",\"epoch\":\"%s\",\"instance\":\"\",\"region\":\"\"}",
                               room->code, room->hold_ms / 1000, seat->epoch);
    reference_tell(reference, connection, answer);
    free(answer);
}

static struct reference_room *find_room(struct reference *reference, struct bytes text)
{
    for (uint32_t i = 0; i < reference->room_count; i++) {
        struct reference_room *room = reference->rooms[i];
        if (room->is_live && text_has_string(text, "room", room->code))
            return room;
    }
    return NULL;
}

static struct reference_seat *find_owner(struct reference_room *room, const char *client_id)
{
    for (uint32_t i = 0; i < room->seat_count; i++) {
        if (strcmp(room->seats[i]->client_id, client_id) == 0)
            return room->seats[i];
    }
    return NULL;
}

static bool was_kicked(const struct reference_room *room, struct bytes text)
{
    for (uint32_t i = 0; i < room->kicked_count; i++) {
        if (text_has_string(text, "epoch", room->kicked[i]))
            return true;
    }
    return false;
}

/* The member comes back to its seat, over another connection perhaps. */
static void reclaim_seat(struct reference *reference, struct reference_room *room,
                         struct reference_seat *seat)
{
    bool was_away = seat->connection == RECOVERY_NONE;
    if (!was_away && !reference_breaks(reference, BREAK_SERVER_OLD_INPUT))
        reference_close_connection(reference, seat->connection, CLOSE_REPLACED);
    seat->connection = RECOVERY_NONE;
    if (was_away)
        seat->since_ms = reference->now_ms;
    if ((was_away && !reference_breaks(reference, BREAK_SERVER_SILENT_BACK)) ||
        reference_breaks(reference, BREAK_SERVER_BACK_TWICE))
        reference_emit_index(reference, room, seat, "peer_back", seat->index);
}

static void handle_join(struct reference *reference, uint32_t connection, struct bytes text)
{
    char client_id[TEXT_STRING_MAX];
    char session[TEXT_STRING_MAX];
    text_string(text, "clientId", client_id);
    text_string(text, "session", session);
    struct reference_room *room = find_room(reference, text);
    if (room == NULL) {
        refuse_entry(reference, connection, "room-not-found", "join");
        return;
    }
    if (!note_session(reference, sessions_of(room, client_id), session,
                      text_number(text, "attempt"))) {
        reference_close_connection(reference, connection, CLOSE_GIVEN_UP);
        return;
    }
    struct reference_seat *seat = find_owner(room, client_id);
    if (seat != NULL) {
        reclaim_seat(reference, room, seat);
    } else if (was_kicked(room, text)) {
        refuse_entry(reference, connection, "kicked", "join");
        return;
    } else if (room->seat_count >= room->max_clients) {
        refuse_entry(reference, connection, "room-full", "join");
        return;
    } else {
        seat = reference_add_seat(reference, room, client_id);
        reference_emit_index(reference, room, seat, "peer_joined", seat->index);
    }
    if (room->host == RECOVERY_NONE) {
        room->host = seat->index; /* nobody else is present */
        reference_emit_index(reference, room, NULL, "host", room->host);
    }
    reference_answer_join(reference, room, seat, connection, text);
    seat_connection(reference, connection, room, seat);
}

static void handle_ping(struct reference *reference, struct reference_seat *seat, struct bytes text)
{
    uint64_t seen = text_number(text, "seen");
    if (reference_breaks(reference, BREAK_SERVER_CONFIRMED_ALL) && seen != TEXT_NO_NUMBER)
        seen = seat->count;
    uint32_t count = 0;
    while (seen <= seat->count && count < seat->kept_count && seat->kept[count].n <= seen)
        count++;
    if (count > 0 && seat->kept[count - 1].n > seat->hole)
        seat->hole = seat->kept[count - 1].n;
    if (seen > 0 && seen <= seat->count)
        seat->is_confirmed = true;
    for (uint32_t i = 0; i < count; i++)
        free(seat->kept[i].text);
    seat->kept_count -= count;
    memmove(seat->kept, seat->kept + count, seat->kept_count * sizeof seat->kept[0]);
    if (reference_breaks(reference, BREAK_SERVER_PING_HEARD))
        seat->heard++;
    char *text_of_pong = format_text("{\"type\":\"pong\",\"heard\":%" PRIu64 "}", seat->heard);
    reference_tell(reference, seat->connection, text_of_pong);
    free(text_of_pong);
}

static void refuse(struct reference *reference, struct reference_seat *seat, const char *code,
                   struct bytes text)
{
    char type[TEXT_STRING_MAX];
    text_string(text, "type", type);
    char *error =
        format_text("{\"type\":\"error\",\"code\":\"%s\",\"message\":\"%s\",\"of\":\"%s\","
                    "\"n\":%" PRIu64 "}",
                    code, code, type, seat->heard);
    reference_emit(reference, seat, KEPT_EVENT, error);
    free(error);
    bool is_garbage = type[0] == '\0';
    if (reference_breaks(reference,
                         is_garbage ? BREAK_SERVER_GARBAGE_UNHEARD : BREAK_SERVER_ERROR_UNHEARD))
        seat->heard--;
}

static bool is_meant(const struct reference_room *room, const struct reference_seat *sender,
                     const struct reference_seat *seat, struct bytes text)
{
    uint32_t list[TEXT_LIST_MAX];
    if (text_member(text, "to").kind == JSON_ABSENT)
        return seat != sender;
    if (text_has_string(text, "to", "host"))
        return seat->index == room->host;
    if (text_number(text, "to") == seat->index)
        return true;
    for (uint32_t i = text_list(text, "to", list); i > 0; i--) {
        if (list[i - 1] == seat->index)
            return true;
    }
    return false;
}

static void handle_send(struct reference *reference, struct reference_room *room,
                        struct reference_seat *seat, struct bytes text)
{
    bool is_volatile = text_is_true(text, "volatile");
    uint32_t reached = 0;
    struct bytes data = text_member(text, "data").raw;
    char *event = format_text("{\"type\":\"message\",\"from\":%u,\"data\":%.*s}", seat->index,
                              (int)data.length, data.data);
    for (uint32_t i = 0; i < room->seat_count; i++) {
        if (!is_meant(room, seat, room->seats[i], text))
            continue;
        reached++;
        reference_emit(reference, room->seats[i], is_volatile ? KEPT_VOLATILE : KEPT_EVENT, event);
    }
    free(event);
    if (reached == 0 && text_member(text, "to").kind != JSON_ABSENT)
        refuse(reference, seat, "peer-not-found", text);
    if (is_volatile && reference_breaks(reference, BREAK_SERVER_VOLATILE_UNHEARD))
        seat->heard--;
}

static void handle_set_state(struct reference *reference, struct reference_room *room,
                             const struct reference_seat *seat, struct bytes text)
{
    struct bytes data = text_member(text, "data").raw;
    free(room->state);
    room->state = format_text("{\"type\":\"state\",\"data\":%.*s}", (int)data.length, data.data);
    reference_emit_to_others(reference, room, seat, KEPT_STATE, room->state);
}

static void handle_set_room(struct reference *reference, struct reference_room *room,
                            struct bytes text)
{
    room->max_clients = text_number(text, "maxClients");
    char *event = format_text("{\"type\":\"room\",\"locked\":false,\"maxClients\":%" PRIu64
                              ",\"maxAudience\":0,\"password\":false}",
                              room->max_clients);
    reference_emit_to_others(reference, room, NULL, KEPT_EVENT, event);
    free(event);
}

static void kick(struct reference *reference, struct reference_room *room,
                 struct reference_seat *seat)
{
    if (room->kicked_count < REFERENCE_KICKED_MAX)
        memcpy(room->kicked[room->kicked_count++], seat->epoch, sizeof seat->epoch);
    reference_close_connection(reference, seat->connection, CLOSE_KICKED);
    reference_remove_seat(reference, room, seat, "kicked");
}

/* What only the host may say. */
static void handle_of_host(struct reference *reference, struct reference_room *room,
                           struct reference_seat *seat, struct bytes text)
{
    struct reference_seat *other = reference_find_seat(room, text_number(text, "index"));
    if (room->host != seat->index) {
        refuse(reference, seat, "not-host", text);
    } else if (text_has_string(text, "type", "set_state")) {
        handle_set_state(reference, room, seat, text);
    } else if (text_has_string(text, "type", "set_room")) {
        handle_set_room(reference, room, text);
    } else if (text_has_string(text, "type", "set_host") && other != NULL &&
               other->connection != RECOVERY_NONE) {
        room->host = other->index;
        reference_emit_index(reference, room, NULL, "host", room->host);
    } else if (text_has_string(text, "type", "kick") && other != NULL && other != seat) {
        kick(reference, room, other);
    } else {
        refuse(reference, seat, "peer-not-found", text);
    }
}

static void handle_leave(struct reference *reference, struct reference_room *room,
                         struct reference_seat *seat)
{
    reference_tell(reference, seat->connection, "{\"type\":\"left\"}");
    seat->connection = RECOVERY_NONE;
    reference_remove_seat(reference, room, seat, "left");
}

/* Behind an unasked `joined`, what was said before the client knew is dropped. */
static bool is_dropped(struct reference *reference, struct reference_seat *seat, struct bytes text)
{
    if (seat->barrier == 0)
        return false;
    if (text_has_string(text, "type", "resumed") &&
        (text_number(text, "unasked") == seat->barrier ||
         reference_breaks(reference, BREAK_SERVER_STALE_BARRIER)))
        seat->barrier = 0;
    return !reference_breaks(reference, BREAK_SERVER_NO_BARRIER);
}

static void handle_of_member(struct reference *reference, uint32_t connection, struct bytes text)
{
    struct reference_room *room = reference->connections[connection].room;
    struct reference_seat *seat = reference->connections[connection].seat;
    if (is_dropped(reference, seat, text) || text_has_string(text, "type", "resumed"))
        return;
    if (text_has_string(text, "type", "ping")) {
        handle_ping(reference, seat, text);
        return;
    }
    seat->heard++;
    if (text_member(text, "type").kind == JSON_ABSENT)
        refuse(reference, seat, "invalid-json", text);
    else if (text_has_string(text, "type", "send"))
        handle_send(reference, room, seat, text);
    else if (text_has_string(text, "type", "leave"))
        handle_leave(reference, room, seat);
    else if (text_has_string(text, "type", "join"))
        refuse(reference, seat, "already-in-room", text);
    else if (text_has_string(text, "type", "dance"))
        refuse(reference, seat, "unknown-type", text);
    else
        handle_of_host(reference, room, seat, text);
}

static void receive(void *context, uint32_t connection, struct bytes text)
{
    struct reference *reference = context;
    if (reference->connections[connection].seat != NULL)
        handle_of_member(reference, connection, text);
    else if (text_has_string(text, "type", "create"))
        handle_create(reference, connection, text);
    else if (text_has_string(text, "type", "join"))
        handle_join(reference, connection, text);
    else
        refuse_entry(reference, connection, "not-in-room", "");
}

static void close_by_peer(void *context, uint32_t connection, uint16_t code)
{
    struct reference *reference = context;
    struct reference_room *room = reference->connections[connection].room;
    struct reference_seat *seat = reference->connections[connection].seat;
    reference->connections[connection] = (struct reference_connection){0};
    if (seat == NULL)
        return;
    if (seat->connection != connection)
        return;
    seat->connection = RECOVERY_NONE;
    if (code == CLOSE_FAREWELL)
        reference_remove_seat(reference, room, seat, "left");
    else
        reference_lose_seat(reference, room, seat);
}

static void pass(void *context, uint32_t ms)
{
    reference_passes(context, ms);
}

static void seat_anew(void *context, uint32_t connection, uint64_t seen)
{
    struct reference *reference = context;
    struct reference_seat *seat = reference->connections[connection].seat;
    char *asked = format_text("{\"epoch\":\"%s\",\"seen\":%" PRIu64 ",\"unasked\":%" PRIu64 "}",
                              seat->epoch, seen, ++reference->unasked);
    seat->barrier = reference->unasked;
    reference_answer_join(reference, reference->connections[connection].room, seat, connection,
                          bytes_of_string(asked));
    free(asked);
}

static void crash(void *context)
{
    struct reference *reference = context;
    memset(reference->connections, 0, sizeof reference->connections);
    for (uint32_t i = 0; i < reference->room_count; i++) {
        struct reference_room *room = reference->rooms[i];
        for (uint32_t k = 0; k < room->seat_count; k++) {
            struct reference_seat *seat = room->seats[k];
            char epoch[TEXT_STRING_MAX];
            memcpy(epoch, seat->epoch, sizeof epoch);
            if (seat->connection != RECOVERY_NONE) {
                seat->present_ms = reference->now_ms - seat->since_ms;
                seat->since_ms = reference->now_ms;
            }
            seat->connection = RECOVERY_NONE;
            reference_begin_epoch(reference, seat);
            if (reference_breaks(reference, BREAK_SERVER_CRASH_KEEPS_EPOCH))
                memcpy(seat->epoch, epoch, sizeof epoch);
        }
    }
}

struct reference *reference_new(uint32_t kept_events, enum recovery_break broken,
                                struct recovery_server *ret_server)
{
    assert_in_range(kept_events, 1, REFERENCE_KEPT_MAX);
    struct reference *reference = calloc(1, sizeof *reference);
    assert_non_null(reference);
    reference->server = ret_server;
    reference->broken = broken;
    reference->kept_events = kept_events;
    *ret_server = (struct recovery_server){
        .context = reference,
        .kept_events = kept_events,
        .large_bytes = REFERENCE_LARGE_BYTES,
        .open = open_connection,
        .receive = receive,
        .close = close_by_peer,
        .pass = pass,
        .seat_anew = seat_anew,
        .crash = crash,
    };
    return reference;
}

void reference_free(struct reference *reference)
{
    for (uint32_t i = 0; i < reference->room_count; i++) {
        struct reference_room *room = reference->rooms[i];
        for (uint32_t k = 0; k < room->seat_count; k++)
            reference_free_seat(room->seats[k]);
        free(room->state);
        free(room);
    }
    free(reference);
}
