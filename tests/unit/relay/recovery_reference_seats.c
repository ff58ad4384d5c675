/* What the reference server does about seats: counts, lists of what was missed, holds, hosts. */
#include "relay/recovery_reference_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/relay_model_parts.h"

#define TICK_MS 250
#define HOLD_LEAST_MS 5000
#define CREATED_HOLD_MS 10000 /* of a room in which nobody has said anything */
#define MIGRATION_MS 15000

void reference_tell(struct reference *reference, uint32_t connection, const char *text)
{
    const struct recovery_hearer *hearer = reference->server->hearer;
    if (connection != RECOVERY_NONE && reference->connections[connection].is_open)
        hearer->told(hearer->context, connection, bytes_of_string(text));
}

void reference_close_connection(struct reference *reference, uint32_t connection, uint16_t code)
{
    const struct recovery_hearer *hearer = reference->server->hearer;
    if (connection == RECOVERY_NONE || !reference->connections[connection].is_open)
        return;
    reference->connections[connection] = (struct reference_connection){0};
    hearer->closed(hearer->context, connection, code);
}

/* To a join. */
struct reference_answer {
    bool is_recovered;
    bool is_retold; /* with the messages since the seat's counts began */
    uint64_t seen;
    char *unasked; /* a field, or nothing; owned */
};

static void forget_first(struct reference_seat *seat)
{
    if (seat->kept[0].n > seat->hole)
        seat->hole = seat->kept[0].n;
    free(seat->kept[0].text);
    seat->kept_count--;
    memmove(seat->kept, seat->kept + 1, seat->kept_count * sizeof seat->kept[0]);
}

static void forget_all(struct reference_seat *seat)
{
    while (seat->kept_count > 0)
        forget_first(seat);
    seat->hole = seat->count;
}

void reference_begin_epoch(struct reference *reference, struct reference_seat *seat)
{
    forget_all(seat);
    snprintf(seat->epoch, sizeof seat->epoch, "epoch-%u", ++reference->epochs);
    seat->count = seat->heard = seat->hole = seat->barrier = 0;
    seat->is_confirmed = false;
    seat->retold = 0;
}

/* Some rules that can be broken leave an event out of the count; it is told all the same. */
static bool is_left_out(const struct reference *reference, const struct reference_seat *seat,
                        enum reference_kind kind, struct bytes text)
{
    bool is_own = text_has_string(text, "type", "message") && kind == KEPT_EVENT &&
                  text_number(text, "from") == seat->index;
    return (reference_breaks(reference, BREAK_SERVER_VOLATILE_UNCOUNTED) &&
            kind == KEPT_VOLATILE) ||
           (reference_breaks(reference, BREAK_SERVER_SELF_UNCOUNTED) && is_own) ||
           (reference_breaks(reference, BREAK_SERVER_ERROR_UNCOUNTED) &&
            text_has_string(text, "type", "error")) ||
           (reference_breaks(reference, BREAK_SERVER_AWAY_UNCOUNTED) &&
            seat->connection == RECOVERY_NONE) ||
           (reference_breaks(reference, BREAK_SERVER_SILENT_LEFT) &&
            seat->connection == RECOVERY_NONE && text_has_string(text, "type", "peer_left"));
}

static void keep(struct reference *reference, struct reference_seat *seat, enum reference_kind kind,
                 const char *text)
{
    seat->kept[seat->kept_count++] =
        (struct reference_kept){.n = seat->count, .kind = kind, .text = format_text("%s", text)};
    while (seat->kept_count > reference->kept_events) {
        uint64_t hole = seat->hole;
        forget_first(seat);
        if (reference_breaks(reference, BREAK_SERVER_HOLE))
            seat->hole = hole;
    }
}

void reference_emit(struct reference *reference, struct reference_seat *seat,
                    enum reference_kind kind, const char *text)
{
    if (!is_left_out(reference, seat, kind, bytes_of_string(text))) {
        seat->count++;
        if (strlen(text) < REFERENCE_LARGE_BYTES)
            keep(reference, seat, kind, text);
        else if (!reference_breaks(reference, BREAK_SERVER_LARGE_HOLE))
            forget_all(seat);
    }
    reference_tell(reference, seat->connection, text);
}

void reference_emit_to_others(struct reference *reference, struct reference_room *room,
                              const struct reference_seat *except, enum reference_kind kind,
                              const char *text)
{
    for (uint32_t i = 0; i < room->seat_count; i++) {
        if (room->seats[i] != except)
            reference_emit(reference, room->seats[i], kind, text);
    }
}

void reference_emit_index(struct reference *reference, struct reference_room *room,
                          const struct reference_seat *except, const char *type, uint32_t index)
{
    char *text = format_text("{\"type\":\"%s\",\"index\":%u}", type, index);
    reference_emit_to_others(reference, room, except, KEPT_EVENT, text);
    free(text);
}

struct reference_seat *reference_find_seat(struct reference_room *room, uint64_t index)
{
    for (uint32_t i = 0; i < room->seat_count; i++) {
        if (room->seats[i]->index == index)
            return room->seats[i];
    }
    return NULL;
}

struct reference_seat *reference_add_seat(struct reference *reference, struct reference_room *room,
                                          const char *client_id)
{
    assert_in_range(room->seat_count, 0, REFERENCE_SEATS_MAX - 1);
    struct reference_seat *seat = calloc(1, sizeof *seat);
    assert_non_null(seat);
    seat->index = room->next_index++;
    snprintf(seat->client_id, sizeof seat->client_id, "%s", client_id);
    seat->connection = RECOVERY_NONE;
    seat->since_ms = reference->now_ms;
    reference_begin_epoch(reference, seat);
    room->seats[room->seat_count++] = seat;
    return seat;
}

void reference_free_seat(struct reference_seat *seat)
{
    forget_all(seat);
    free(seat);
}

/* No connection leads to the seat any more. */
static void release_seat(struct reference *reference, struct reference_seat *seat)
{
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        if (reference->connections[i].seat == seat) {
            reference->connections[i].room = NULL;
            reference->connections[i].seat = NULL;
        }
    }
    reference_free_seat(seat);
}

void reference_end_room(struct reference *reference, struct reference_room *room)
{
    room->is_live = false;
    while (room->seat_count > 0) {
        struct reference_seat *seat = room->seats[--room->seat_count];
        reference_close_connection(reference, seat->connection, CLOSE_ROOM_CLOSED);
        release_seat(reference, seat);
    }
    free(room->state);
    room->state = NULL;
}

static void forget_sessions(struct reference_room *room, const char *client_id)
{
    for (uint32_t i = 0; i < room->known_count; i++) {
        if (strcmp(room->known[i].client_id, client_id) == 0)
            room->known[i] = room->known[--room->known_count];
    }
}

void reference_remove_seat(struct reference *reference, struct reference_room *room,
                           struct reference_seat *seat, const char *why)
{
    uint32_t at = 0;
    while (room->seats[at] != seat)
        at++;
    room->seat_count--;
    memmove(room->seats + at, room->seats + at + 1,
            (room->seat_count - at) * sizeof room->seats[0]);
    char *text =
        format_text("{\"type\":\"peer_left\",\"index\":%u,\"why\":\"%s\"}", seat->index, why);
    reference_emit_to_others(reference, room, NULL, KEPT_EVENT, text);
    free(text);
    if (reference_breaks(reference, BREAK_SERVER_SESSIONS_FORGOTTEN))
        forget_sessions(room, seat->client_id);
    bool was_host = room->host == seat->index;
    release_seat(reference, seat);
    if (room->seat_count == 0 || (was_host && room->ends_with_host)) {
        reference_end_room(reference, room);
    } else if (was_host) {
        room->host = RECOVERY_NONE;
        reference_elect_host(reference, room);
    }
}

void reference_lose_seat(struct reference *reference, struct reference_room *room,
                         struct reference_seat *seat)
{
    seat->connection = RECOVERY_NONE;
    seat->barrier = 0;
    seat->present_ms = reference->now_ms - seat->since_ms;
    seat->since_ms = reference->now_ms;
    reference_emit_index(reference, room, seat, "peer_away", seat->index);
    if (reference_breaks(reference, BREAK_SERVER_NO_HOLD))
        reference_remove_seat(reference, room, seat, "expired");
}

void reference_elect_host(struct reference *reference, struct reference_room *room)
{
    for (uint32_t i = 0; i < room->seat_count && room->host == RECOVERY_NONE; i++) {
        if (room->seats[i]->connection == RECOVERY_NONE)
            continue;
        room->host = room->seats[i]->index;
        room->hostless_ms = 0;
        reference_emit_index(reference, room, NULL, "host", room->host);
    }
}

/* Whether an event needs no place in the list: `skipped` stands for it. */
static bool is_skipped(const struct reference *reference, const struct reference_seat *seat,
                       uint32_t at)
{
    if (seat->kept[at].kind != KEPT_STATE)
        return seat->kept[at].kind == KEPT_VOLATILE;
    for (uint32_t i = at + 1; i < seat->kept_count; i++) {
        if (seat->kept[i].kind == KEPT_STATE)
            return true;
    }
    return reference_breaks(reference, BREAK_SERVER_OLD_STATE);
}

static void tell_skipped(struct reference *reference, uint32_t connection, uint32_t count)
{
    if (reference_breaks(reference, BREAK_SERVER_SKIPPED_SHORT) && count > 1)
        count--;
    if (count == 0 || reference_breaks(reference, BREAK_SERVER_SKIPPED_SILENT))
        return;
    char *text = format_text("{\"type\":\"skipped\",\"count\":%u}", count);
    reference_tell(reference, connection, text);
    free(text);
}

/* Whether an event is told to a member that has lost its counts. */
static bool is_retold(struct reference_room *room, const char *text)
{
    struct bytes event = bytes_of_string(text);
    return text_has_string(event, "type", "message") &&
           reference_find_seat(room, text_number(event, "from")) != NULL;
}

/* Events behind number `seen`; or those that are told again, in a room that is not NULL. */
static void tell_missed(struct reference *reference, const struct reference_seat *seat,
                        uint32_t connection, uint64_t seen, struct reference_room *retelling)
{
    uint32_t skipped = seen < seat->hole ? (uint32_t)(seat->hole - seen) : 0;
    uint64_t first = reference_breaks(reference, BREAK_SERVER_MISSED_TWICE) ? seen : seen + 1;
    for (uint32_t i = 0; i < seat->kept_count; i++) {
        bool is_turned = reference_breaks(reference, BREAK_SERVER_ORDER);
        uint32_t at = is_turned ? seat->kept_count - 1 - i : i;
        if (seat->kept[at].n < first)
            continue;
        if (is_skipped(reference, seat, at) ||
            (retelling != NULL && !is_retold(retelling, seat->kept[at].text))) {
            skipped++;
            continue;
        }
        tell_skipped(reference, connection, skipped);
        skipped = 0;
        reference_tell(reference, connection, seat->kept[at].text);
    }
    tell_skipped(reference, connection, skipped);
}

/* The indices of those who are present or away, as a list; to be freed. */
static char *list_of_peers(const struct reference_room *room, const struct reference_seat *own,
                           bool is_present)
{
    char *list = format_text("%s", "");
    for (uint32_t i = 0; i < room->seat_count; i++) {
        const struct reference_seat *seat = room->seats[i];
        if (seat == own || (seat->connection != RECOVERY_NONE) != is_present)
            continue;
        char *longer = format_text("%s%s%u", list, list[0] == '\0' ? "" : ",", seat->index);
        free(list);
        list = longer;
    }
    return list;
}

static void tell_room(struct reference *reference, const struct reference_room *room,
                      const struct reference_seat *seat, uint32_t connection, char *joined)
{
    char *peers = list_of_peers(room, seat, true);
    char *away = list_of_peers(room, seat, false);
    char *text = format_text("%s,\"host\":%u,\"peers\":[%s],\"away\":[%s],\"locked\":false,"
                             "\"maxClients\":%" PRIu64 ",\"state\":%s}",
                             joined, room->host, peers, away, room->max_clients,
                             room->state == NULL ? "false" : "true");
    reference_tell(reference, connection, text);
    if (room->state != NULL && !reference_breaks(reference, BREAK_SERVER_STATE_UNTOLD))
        reference_tell(reference, connection, room->state);
    free(text);
    free(away);
    free(peers);
}

/* Within an epoch no count begins anew, unless a rule is broken. */
static void break_counts(struct reference *reference, const struct reference_room *room,
                         struct reference_seat *seat, bool is_recovered)
{
    if (!is_recovered && reference_breaks(reference, BREAK_SERVER_COUNT_RESTARTS)) {
        forget_all(seat);
        seat->count = seat->hole = 0;
    }
    if (!is_recovered && reference_breaks(reference, BREAK_SERVER_HEARD_RESTARTS))
        seat->heard = 0;
    if (reference_breaks(reference, BREAK_SERVER_COUNT_OF_ANOTHER))
        seat->count = room->seats[0]->count;
}

/* Whether the member, which knows another epoch, has the seat's counts from now on. */
static bool takes_over(const struct reference *reference, const struct reference_seat *seat,
                       struct bytes asked)
{
    return text_member(asked, "epoch").kind != JSON_ABSENT &&
           !text_has_string(asked, "epoch", seat->epoch) && seat->heard == 0 &&
           !seat->is_confirmed && !reference_breaks(reference, BREAK_SERVER_LOST_SKIPPED);
}

static void tell_answer(struct reference *reference, struct reference_room *room,
                        const struct reference_seat *seat, uint32_t connection,
                        const struct reference_answer *answer)
{
    char *joined = format_text(
        "{\"type\":\"joined\",\"room\":\"%s\",\"index\":%u,\"hold\":%u,"
        "\"epoch\":\"%s\",\"recovered\":%s,\"seen\":%" PRIu64 ",\"heard\":%" PRIu64 "%s",
        room->code, seat->index, (uint32_t)(room->hold_ms / 1000), seat->epoch,
        answer->is_recovered ? "true" : "false", answer->seen, seat->heard, answer->unasked);
    if (answer->is_recovered) {
        char *text = format_text("%s}", joined);
        reference_tell(reference, connection, text);
        free(text);
    } else {
        tell_room(reference, room, seat, connection, joined);
    }
    free(joined);
    tell_missed(reference, seat, connection, answer->seen, answer->is_retold ? room : NULL);
}

void reference_answer_join(struct reference *reference, struct reference_room *room,
                           struct reference_seat *seat, uint32_t connection, struct bytes asked)
{
    uint64_t seen = text_number(asked, "seen");
    uint64_t unasked = text_number(asked, "unasked");
    bool knows = text_has_string(asked, "epoch", seat->epoch);
    bool is_found = knows && seen != TEXT_NO_NUMBER && seen <= seat->count && seen >= seat->hole &&
                    !reference_breaks(reference, BREAK_SERVER_NEVER_RECOVERS);
    struct reference_answer answer = {.seen = seen};
    if (takes_over(reference, seat, asked)) {
        answer.is_retold = true;
        answer.seen = 0;
    } else if (!knows && !reference_breaks(reference, BREAK_SERVER_EPOCH_KEPT)) {
        reference_begin_epoch(reference, seat);
    } else {
        break_counts(reference, room, seat, is_found);
        answer.is_retold = is_found && seen < seat->retold &&
                           !reference_breaks(reference, BREAK_SERVER_RETELLING_ENDS);
    }
    answer.is_recovered = is_found && !answer.is_retold;
    if (answer.is_retold)
        seat->retold = seat->count;
    else if (!is_found)
        answer.seen = seat->count;
    /* What an edge has counted may not have arrived. */
    bool is_sure = unasked == TEXT_NO_NUMBER || !is_found;
    if (knows && is_sure && answer.seen > 0)
        seat->is_confirmed = true;
    answer.unasked = unasked == TEXT_NO_NUMBER ? format_text("%s", "")
                                               : format_text(",\"unasked\":%" PRIu64, unasked);
    tell_answer(reference, room, seat, connection, &answer);
    free(answer.unasked);
}

static uint64_t hold_of(const struct reference_room *room, const struct reference_seat *seat)
{
    uint64_t hold_ms = seat->present_ms < HOLD_LEAST_MS ? HOLD_LEAST_MS : seat->present_ms;
    if (hold_ms > room->hold_ms)
        hold_ms = room->hold_ms;
    if (room->next_index == 1 && seat->heard == 0)
        return CREATED_HOLD_MS;
    return room->host == seat->index ? RECOVERY_HOST_GRACE_MS : hold_ms;
}

static void check_holds(struct reference *reference, struct reference_room *room)
{
    for (uint32_t i = 0; i < room->seat_count;) {
        struct reference_seat *seat = room->seats[i];
        bool is_over = seat->connection == RECOVERY_NONE &&
                       reference->now_ms - seat->since_ms >= hold_of(room, seat);
        if (is_over)
            reference_remove_seat(reference, room, seat, "expired");
        else
            i++;
    }
}

/* A host who has been away while others were present is host no longer. */
static void check_host(struct reference *reference, struct reference_room *room)
{
    const struct reference_seat *host = reference_find_seat(room, room->host);
    bool is_anybody_there = false;
    for (uint32_t i = 0; i < room->seat_count; i++)
        is_anybody_there = is_anybody_there || room->seats[i]->connection != RECOVERY_NONE;
    if (room->ends_with_host || host == NULL || host->connection != RECOVERY_NONE) {
        room->hostless_ms = 0;
        return;
    }
    if (is_anybody_there)
        room->hostless_ms += TICK_MS;
    if (room->hostless_ms < MIGRATION_MS)
        return;
    room->host = RECOVERY_NONE;
    reference_elect_host(reference, room);
}

void reference_passes(struct reference *reference, uint32_t ms)
{
    for (uint32_t passed = 0; passed < ms; passed += TICK_MS) {
        reference->now_ms += TICK_MS;
        for (uint32_t i = 0; i < reference->room_count; i++) {
            struct reference_room *room = reference->rooms[i];
            if (room->is_live)
                check_holds(reference, room);
            if (room->is_live)
                check_host(reference, room);
        }
    }
}
