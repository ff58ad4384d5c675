/* What comes out of the server: who has which seat, and whether the server may say so. */
#include "recovery/recovery_witness.h"

#include <stdlib.h>

#define HOLD_LEAST_MS 5000 /* a seat is held at least so long */

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    return hash;
}

/* Notes an epoch. False: it was there before. */
static bool note_epoch(struct witness *witness, const char *epoch)
{
    uint64_t hash = hash_of(epoch);
    for (uint32_t i = 0; i < witness->epoch_count; i++) {
        if (witness->epochs[i] == hash)
            return false;
    }
    if (witness->epoch_count < WITNESS_EPOCHS)
        witness->epochs[witness->epoch_count++] = hash;
    return true;
}

/* The seat is gone at this moment, and no sooner than its hold allows. */
static void expire(struct witness *witness, struct witness_seat *seat)
{
    if (seat->presence == SEAT_GONE)
        return;
    bool is_due = seat->presence == SEAT_AWAY && witness->now_ms - seat->lost_ms >= HOLD_LEAST_MS;
    promise(witness->verdict, is_due, "seat %u of player %u is not held", seat->index,
            seat->player);
    seat->presence = SEAT_GONE;
}

/* RECOVERY_NONE: there is none. */
static uint32_t find_room(const struct witness *witness, const char *code)
{
    for (uint32_t i = 0; i < witness->room_count; i++) {
        if (strcmp(witness->rooms[i].code, code) == 0)
            return i;
    }
    return RECOVERY_NONE;
}

static struct witness_seat *add_seat(struct witness *witness, uint32_t room, uint32_t index,
                                     uint32_t player)
{
    if (!promise(witness->verdict, witness->seat_count < WITNESS_SEATS, "too many seats"))
        return NULL;
    struct witness_seat *seat = calloc(1, sizeof *seat);
    if (seat == NULL)
        abort();
    *seat = (struct witness_seat){.room = room, .index = index, .player = player};
    witness->seats[witness->seat_count++] = seat;
    witness->rooms[room].next_index = index + 1;
    return seat;
}

/* A member without a seat: it must not have lost one too soon, nor get an index that was another's.
 */
static struct witness_seat *seat_newcomer(struct witness *witness, uint32_t room, uint32_t index,
                                          uint32_t player)
{
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        struct witness_seat *seat = witness->seats[i];
        if (seat->room == room && seat->player == player)
            expire(witness, seat);
    }
    promise(witness->verdict, index >= witness->rooms[room].next_index,
            "player %u gets the index %u, which was another's", player, index);
    return add_seat(witness, room, index, player);
}

static void take_created(struct witness *witness, uint32_t connection, struct bytes text)
{
    struct witness_link *link = &witness->links[connection];
    if (!promise(witness->verdict, witness->room_count < WITNESS_ROOMS, "too many rooms"))
        return;
    struct witness_room *room = &witness->rooms[witness->room_count];
    *room = (struct witness_room){.ends_with_host = link->ends_with_host};
    text_string(text, "room", room->code);
    promise(witness->verdict, find_room(witness, room->code) == RECOVERY_NONE, "two rooms are %s",
            room->code);
    link->seat = add_seat(witness, witness->room_count++, 0, link->player);
    if (link->seat == NULL)
        return;
    text_string(text, "epoch", link->seat->epoch);
    promise(witness->verdict, note_epoch(witness, link->seat->epoch), "epoch %s is not new",
            link->seat->epoch);
}

/* A new epoch begins if and only if somebody knew nothing, or the server has lost the counts. */
static void check_epoch(struct witness *witness, struct witness_seat *seat, const char *asked,
                        struct bytes text)
{
    char epoch[TEXT_STRING_MAX];
    text_string(text, "epoch", epoch);
    bool is_known = seat->epoch[0] != '\0' && !seat->is_uncounted;
    bool is_same = strcmp(epoch, seat->epoch) == 0;
    if (is_known && strcmp(asked, seat->epoch) == 0)
        promise(witness->verdict, is_same, "seat %u of player %u: its epoch was right and ends",
                seat->index, seat->player);
    else
        promise(witness->verdict, !is_same && note_epoch(witness, epoch),
                "seat %u of player %u: epoch %s is not new", seat->index, seat->player, epoch);
    if (!is_same) {
        seat->heard = 0;
        promise(witness->verdict, text_number(text, "seen") == 0,
                "seat %u of player %u: a new epoch counts from %u", seat->index, seat->player,
                (uint32_t)text_number(text, "seen"));
    } else if (text_is_true(text, "recovered")) {
        witness->recovered_count++;
    } else {
        const struct witness_room *room = &witness->rooms[seat->room];
        bool may_lack = room->events - seat->taken_events > witness->server->kept_events;
        promise(witness->verdict, may_lack || room->large_at >= seat->taken_events,
                "seat %u of player %u missed few events, and is not recovered", seat->index,
                seat->player);
        witness->unrecovered_count++;
    }
    promise(witness->verdict, is_same || !text_is_true(text, "recovered"),
            "seat %u of player %u is recovered in a new epoch", seat->index, seat->player);
    promise(witness->verdict, text_number(text, "heard") == seat->heard,
            "seat %u of player %u: joined, heard %u and not %u", seat->index, seat->player,
            (uint32_t)text_number(text, "heard"), (uint32_t)seat->heard);
    memcpy(seat->epoch, epoch, sizeof epoch);
    seat->is_uncounted = false;
}

static bool is_listed(uint32_t index, const uint32_t *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (list[i] == index)
            return true;
    }
    return false;
}

/* Who is in no list may have left while nobody was there to hear of it. */
static void check_lists(struct witness *witness, const struct witness_seat *own, struct bytes text)
{
    uint32_t peers[TEXT_LIST_MAX];
    uint32_t away[TEXT_LIST_MAX];
    uint32_t peer_count = text_list(text, "peers", peers);
    uint32_t away_count = text_list(text, "away", away);
    uint32_t found = 0;
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        struct witness_seat *seat = witness->seats[i];
        if (seat->room != own->room || seat == own || seat->presence == SEAT_GONE)
            continue;
        bool is_peer = is_listed(seat->index, peers, peer_count);
        bool is_away = is_listed(seat->index, away, away_count);
        if (!is_peer && !is_away) {
            expire(witness, seat);
            continue;
        }
        found++;
        promise(witness->verdict, is_peer != is_away && is_peer == (seat->presence == SEAT_PRESENT),
                "seat %u of player %u is told of seat %u, which is %s", own->index, own->player,
                seat->index, is_peer ? "away" : "present");
    }
    promise(witness->verdict, found == peer_count + away_count,
            "seat %u of player %u is told of seats that are gone", own->index, own->player);
}

static void take_joined(struct witness *witness, uint32_t connection, struct bytes text)
{
    struct witness_link *link = &witness->links[connection];
    char code[TEXT_STRING_MAX];
    text_string(text, "room", code);
    uint32_t room = find_room(witness, code);
    uint32_t index = (uint32_t)text_number(text, "index");
    if (!promise(witness->verdict, room != RECOVERY_NONE, "no room is %s", code))
        return;
    struct witness_seat *seat = witness_find_seat(witness, room, index);
    if (seat == NULL)
        seat = seat_newcomer(witness, room, index, link->player);
    if (seat == NULL)
        return;
    promise(witness->verdict, seat->player == link->player && seat->presence != SEAT_GONE,
            "player %u gets seat %u of player %u, or it was gone", link->player, index,
            seat->player);
    uint64_t unasked = text_number(text, "unasked");
    check_epoch(witness, seat, unasked == TEXT_NO_NUMBER ? link->asked_epoch : seat->epoch, text);
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        if (witness->links[i].seat == seat)
            witness->links[i].seat = NULL;
    }
    link->seat = seat;
    link->barrier = unasked == TEXT_NO_NUMBER ? 0 : unasked;
    seat->presence = SEAT_PRESENT;
    witness->rooms[room].events += 2;
    witness->recovering = text_is_true(text, "recovered") ? connection : RECOVERY_NONE;
    if (witness->recovering == connection)
        return;
    witness->rooms[room].host = (uint32_t)text_number(text, "host");
    link->is_state_due = witness->rooms[room].has_state;
    promise(witness->verdict, text_is_true(text, "state") == link->is_state_due,
            "seat %u of player %u is told wrongly whether there is a state", index, link->player);
    check_lists(witness, seat, text);
}

static void take_peer_left(struct witness *witness, const struct witness_seat *hearer,
                           struct bytes text)
{
    uint32_t index = (uint32_t)text_number(text, "index");
    struct witness_seat *seat = witness_find_seat(witness, hearer->room, index);
    if (!promise(witness->verdict, seat != NULL && seat != hearer,
                 "seat %u of player %u hears that %u has left", hearer->index, hearer->player,
                 index))
        return;
    struct bytes input = witness->input.text;
    bool is_kicked = text_has_string(input, "type", "kick") && text_number(input, "index") == index;
    bool is_leaving = text_has_string(input, "type", "leave") && witness->input.seat == seat;
    if (is_kicked || is_leaving)
        seat->presence = SEAT_GONE;
    expire(witness, seat);
}

/* A server that is full of rooms ends one whose members are all away for a new one. */
static bool may_have_made_way(const struct witness *witness, uint32_t room)
{
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        const struct witness_seat *seat = witness->seats[i];
        bool is_here = seat->presence != SEAT_GONE &&
                       (seat->presence != SEAT_AWAY || seat->lost_ms > witness->full_ms);
        if (seat->room == room && is_here)
            return false;
    }
    return witness->full_ms != 0;
}

/* Errors without a number are answers to `create` and `join`. */
static void take_refusal(struct witness *witness, uint32_t connection, struct bytes text)
{
    struct witness_link *link = &witness->links[connection];
    bool is_creator = link->asked_code[0] == '\0'; /* the server may be full of other rooms */
    if (text_has_string(text, "code", is_creator ? "server-full" : "kicked"))
        return;
    if (!promise(witness->verdict, text_has_string(text, "code", "room-not-found"),
                 "player %u hears %.*s", link->player, (int)text.length, text.data))
        return;
    uint32_t room = find_room(witness, link->asked_code);
    if (room == RECOVERY_NONE || witness->rooms[room].ends_with_host)
        return;
    bool made_way = may_have_made_way(witness, room);
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        struct witness_seat *seat = witness->seats[i];
        if (seat->room == room && made_way)
            seat->presence = SEAT_GONE;
        else if (seat->room == room)
            expire(witness, seat);
    }
}

static void take_error(struct witness *witness, uint32_t connection, struct bytes text)
{
    struct witness_input *input = &witness->input;
    uint64_t number = text_number(text, "n");
    if (number == TEXT_NO_NUMBER)
        take_refusal(witness, connection, text);
    else if (input->connection == connection && input->seat != NULL)
        input->is_refused = promise(witness->verdict, number == input->seat->heard,
                                    "player %u: message %u is refused as %u", input->seat->player,
                                    (uint32_t)input->seat->heard, (uint32_t)number);
}

/* The text behind a `joined` that is not recovered is the room's state. */
static void take_due_state(struct witness *witness, struct witness_link *link, struct bytes text)
{
    const struct witness_item *state = &witness->rooms[link->seat->room].state;
    uint32_t data[TEXT_LIST_MAX] = {0};
    text_list(text, "data", data);
    bool is_right = text_has_string(text, "type", "state") && data[0] == state->player &&
                    data[1] == state->life && data[2] == state->id;
    promise(witness->verdict, is_right, "seat %u of player %u is not told the state",
            link->seat->index, link->seat->player);
    link->is_state_due = false;
}

static void take_of_member(struct witness *witness, struct witness_link *link, struct bytes text)
{
    struct witness_seat *seat = link->seat;
    if (text_has_string(text, "type", "left")) {
        seat->presence = SEAT_GONE;
        link->seat = NULL;
    } else if (text_has_string(text, "type", "peer_left")) {
        take_peer_left(witness, seat, text);
    } else if (text_has_string(text, "type", "host")) {
        witness->rooms[seat->room].host = (uint32_t)text_number(text, "index");
    } else if (text_has_string(text, "type", "pong")) {
        promise(witness->verdict, text_number(text, "heard") == seat->heard,
                "seat %u of player %u: pong, heard %u and not %u", seat->index, seat->player,
                (uint32_t)text_number(text, "heard"), (uint32_t)seat->heard);
    }
}

struct witness_mark witness_told(struct witness *witness, uint32_t connection, struct bytes text)
{
    struct witness_link *link = &witness->links[connection];
    struct witness_mark mark = {0};
    if (link->is_state_due && link->seat != NULL) {
        take_due_state(witness, link, text);
        mark.is_state = true;
    } else if (text_has_string(text, "type", "created")) {
        take_created(witness, connection, text);
    } else if (text_has_string(text, "type", "joined")) {
        take_joined(witness, connection, text);
    } else if (text_has_string(text, "type", "error")) {
        take_error(witness, connection, text);
    } else if (link->seat != NULL) {
        take_of_member(witness, link, text);
    }
    if (link->seat != NULL) {
        mark.seat = link->seat;
        mark.items = link->seat->item_count;
        mark.events = witness->recovering == connection ? link->seat->taken_events
                                                        : witness->rooms[link->seat->room].events;
    }
    return mark;
}

static void end_room(struct witness *witness, uint32_t room)
{
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        if (witness->seats[i]->room == room)
            witness->seats[i]->presence = SEAT_GONE;
    }
}

void witness_server_closed(struct witness *witness, uint32_t connection, uint16_t code)
{
    struct witness_link *link = &witness->links[connection];
    const struct witness_input *input = &witness->input;
    promise(witness->verdict, code != CLOSE_GIVEN_UP || link->seat == NULL,
            "player %u: closed as given up with a seat", link->player);
    bool is_replaced = code == CLOSE_REPLACED || code == CLOSE_GIVEN_UP;
    if (is_replaced)
        promise(witness->verdict,
                input->connection != RECOVERY_NONE &&
                    witness->links[input->connection].player == link->player,
                "player %u: closed with %u without having come again", link->player, code);
    else if (link->seat != NULL && code == CLOSE_KICKED)
        link->seat->presence = SEAT_GONE;
    else if (link->seat != NULL && code == CLOSE_ROOM_CLOSED)
        end_room(witness, link->seat->room);
    link->seat = NULL;
}

void witness_closed(struct witness *witness, uint32_t connection, uint16_t code)
{
    struct witness_link *link = &witness->links[connection];
    struct witness_seat *seat = link->seat;
    witness->recovering = RECOVERY_NONE;
    if (seat == NULL)
        return;
    seat->presence = code == CLOSE_FAREWELL ? SEAT_GONE : SEAT_AWAY;
    seat->lost_ms = witness->now_ms;
    witness->rooms[seat->room].events += 2;
    link->seat = NULL;
}
