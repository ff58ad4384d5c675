/* What comes out of the server: who has which seat, and whether the server may say so. */
#include "recovery/recovery_witness.h"

#include <stdlib.h>

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    return hash;
}

/* What a member without counts is told again. */
enum retelling { RETELLS_NOTHING, RETELLS_ALL, RETELLS_REST };

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
    bool is_due = seat->presence == SEAT_AWAY && witness->now_ms >= seat->held_ms &&
                  witness->now_ms - seat->lost_ms >= RECOVERY_HOLD_LEAST_MS;
    promise(witness->verdict, is_due || seat->presence == SEAT_DOUBTFUL,
            "seat %u of player %u is not held", seat->index, seat->player);
    witness_ends_seat(witness, seat);
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

/* The room has given this index, and will give none below it. */
static void note_index(struct witness *witness, const struct witness_seat *seat)
{
    struct witness_room *room = &witness->rooms[seat->room];
    if (seat->index >= room->next_index)
        room->next_index = seat->index + 1;
}

static struct witness_seat *add_seat(struct witness *witness, uint32_t room, uint32_t index,
                                     uint32_t player)
{
    if (!promise(witness->verdict, witness->seat_count < WITNESS_SEATS, "too many seats"))
        return NULL;
    struct witness_seat *seat = calloc(1, sizeof *seat);
    if (seat == NULL)
        abort();
    *seat = (struct witness_seat){
        .room = room, .index = index, .player = player, .begun_ms = witness->now_ms};
    witness->seats[witness->seat_count++] = seat;
    note_index(witness, seat);
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
    *room = (struct witness_room){.ends_with_host = link->ends_with_host,
                                  .host_since_ms = witness->now_ms,
                                  .doubtful_ms = UINT64_MAX};
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

/* Whether the log may not have all events behind this number. */
static bool may_log_lack(const struct witness *witness, const struct witness_seat *seat,
                         uint64_t event)
{
    const struct witness_room *room = &witness->rooms[seat->room];
    bool was_large = room->large_at != 0 && room->large_at >= event;
    return was_large || room->events - event > witness->server->kept_events;
}

/*
 * Who knows an epoch, but nothing of the seat's, goes on with the seat's counts from their
 * beginning: a crash has lost the others, or an answer was lost.
 */
static bool may_take_over(const struct witness_seat *seat, const char *asked)
{
    bool knows_nothing = seat->is_uncounted || (seat->heard == 0 && !seat->is_confirmed &&
                                                strcmp(asked, seat->epoch) != 0);
    return asked[0] != '\0' && seat->epoch[0] != '\0' && knows_nothing;
}

/* Whoever knows nothing is told the room as it is, and nothing of what was said before. */
static void begin_epoch(struct witness *witness, struct witness_seat *seat, struct bytes text)
{
    promise(witness->verdict, text_number(text, "seen") == 0,
            "seat %u of player %u: a new epoch counts from %u", seat->index, seat->player,
            (uint32_t)text_number(text, "seen"));
    seat->is_confirmed = false;
    seat->retold_until = 0;
    seat->first_item = seat->item_count;
    seat->first_event = witness->rooms[seat->room].events;
}

static void check_takeover(struct witness *witness, struct witness_seat *seat, struct bytes text)
{
    /* A seat that the crash has lost is another one, and was not there before. */
    seat->may_lack = may_log_lack(witness, seat, seat->first_event) || seat->is_lost ||
                     seat->presence == SEAT_DOUBTFUL;
    promise(witness->verdict, !text_is_true(text, "recovered"),
            "seat %u of player %u is recovered, and has lost its counts", seat->index,
            seat->player);
    promise(witness->verdict, text_number(text, "seen") == 0,
            "seat %u of player %u has lost its counts, and goes on from %u", seat->index,
            seat->player, (uint32_t)text_number(text, "seen"));
}

/* The member knows the seat's epoch. True: it is told messages again, of which it missed some. */
static bool check_same_epoch(struct witness *witness, struct witness_seat *seat, struct bytes text)
{
    bool is_unasked = text_number(text, "unasked") != TEXT_NO_NUMBER;
    bool is_recovered = text_is_true(text, "recovered");
    if (text_number(text, "seen") < seat->retold_until) {
        promise(witness->verdict, !is_recovered,
                "seat %u of player %u: events are older than its picture of the room", seat->index,
                seat->player);
        seat->is_confirmed = seat->is_confirmed || (!is_unasked && text_number(text, "seen") > 0);
        return true;
    }
    promise(witness->verdict, is_recovered || may_log_lack(witness, seat, seat->taken_events),
            "seat %u of player %u missed few events, and is not recovered", seat->index,
            seat->player);
    if (text_number(text, "seen") > 0 && !(is_recovered && is_unasked))
        seat->is_confirmed = true;
    witness->recovered_count += is_recovered;
    witness->unrecovered_count += !is_recovered;
    return false;
}

static void check_new_epoch(struct witness *witness, struct witness_seat *seat, const char *epoch,
                            struct bytes text)
{
    promise(witness->verdict, strcmp(epoch, seat->epoch) != 0 && note_epoch(witness, epoch),
            "seat %u of player %u: epoch %s is not new", seat->index, seat->player, epoch);
    promise(witness->verdict, !text_is_true(text, "recovered"),
            "seat %u of player %u is recovered in a new epoch", seat->index, seat->player);
    memcpy(seat->epoch, epoch, sizeof seat->epoch);
    seat->heard = 0;
}

/* A new epoch begins if and only if somebody knew nothing, or the server has lost the counts. */
static enum retelling check_epoch(struct witness *witness, struct witness_seat *seat,
                                  const char *asked, struct bytes text)
{
    char epoch[TEXT_STRING_MAX];
    text_string(text, "epoch", epoch);
    bool is_told = seat->epoch[0] != '\0' && !seat->is_uncounted;
    bool takes_over = may_take_over(seat, asked);
    bool goes_on = is_told && (takes_over || strcmp(asked, seat->epoch) == 0);
    if (goes_on)
        promise(witness->verdict, strcmp(epoch, seat->epoch) == 0,
                "seat %u of player %u: its epoch was right and ends", seat->index, seat->player);
    else
        check_new_epoch(witness, seat, epoch, text);
    enum retelling retelling = takes_over ? RETELLS_ALL : RETELLS_NOTHING;
    if (takes_over)
        check_takeover(witness, seat, text);
    else if (!goes_on)
        begin_epoch(witness, seat, text);
    else if (check_same_epoch(witness, seat, text))
        retelling = RETELLS_REST;
    promise(witness->verdict, text_number(text, "heard") == seat->heard,
            "seat %u of player %u: joined, heard %u and not %u", seat->index, seat->player,
            (uint32_t)text_number(text, "heard"), (uint32_t)seat->heard);
    seat->is_uncounted = false;
    return retelling;
}

/* What a member is told again behind `joined`. */
static void begin_retelling(struct witness *witness, uint32_t connection, struct witness_seat *seat,
                            struct bytes text)
{
    witness->retelling = connection;
    seat->retold_until = text_number(text, "seen");
    for (uint32_t i = seat->first_item; i < seat->item_count; i++) {
        const struct witness_seat *from =
            witness_find_seat(witness, seat->room, seat->items[i].from);
        seat->items[i].is_of_gone = from == NULL || from->presence == SEAT_GONE;
    }
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
        if (seat->presence == SEAT_DOUBTFUL)
            seat->presence = SEAT_AWAY;
        seat->is_lost = false;
        note_index(witness, seat);
        promise(witness->verdict, is_peer != is_away && is_peer == (seat->presence == SEAT_PRESENT),
                "seat %u of player %u is told of seat %u, which is %s", own->index, own->player,
                seat->index, is_peer ? "away" : "present");
    }
    promise(witness->verdict, found == peer_count + away_count,
            "seat %u of player %u is told of seats that are gone", own->index, own->player);
}

static void note_host(struct witness *witness, struct witness_room *room, uint32_t host)
{
    if (host == room->host)
        return;
    room->host = host;
    room->host_since_ms = witness->now_ms;
    room->sure_ms = 0;
}

/* The first who comes back after a crash tells who is the host now. */
static void take_host_of_joined(struct witness *witness, struct witness_room *room,
                                struct bytes text)
{
    uint32_t host = (uint32_t)text_number(text, "host");
    promise(witness->verdict, host == room->host || witness->now_ms >= room->sure_ms,
            "room %s had the host %u, and has %u after a restart", room->code, room->host, host);
    note_host(witness, room, host);
    room->sure_ms = 0;
}

/* Whether a crash may have gone back to the state of before, or to none (at == past_count). */
static bool may_be_back(const struct witness_room *room, uint32_t at)
{
    uint32_t next = at == room->past_count ? 0 : at + 1;
    return next == room->past_count || room->past[next].since_ms > room->doubtful_ms;
}

/* Whether the room has a state, of which a crash may have left an older one or none. */
static void take_has_state(struct witness *witness, struct witness_link *link,
                           struct witness_room *room, struct bytes text)
{
    bool has_state = text_is_true(text, "state");
    bool is_lost = room->doubtful_ms != UINT64_MAX && may_be_back(room, room->past_count);
    promise(witness->verdict, has_state == room->has_state || (!has_state && is_lost),
            "seat %u of player %u is told wrongly whether there is a state", link->seat->index,
            link->player);
    link->is_state_due = has_state;
    room->has_state = has_state;
    if (has_state)
        return;
    room->past_count = 0;
    room->doubtful_ms = UINT64_MAX;
}

/* An index that a crash has lost may be given again, if it is no longer below the next multiple. */
static struct witness_seat *find_own_seat(struct witness *witness, uint32_t room, uint32_t index,
                                          uint32_t player)
{
    struct witness_seat *seat = witness_find_seat(witness, room, index);
    bool is_there = seat != NULL && seat->presence != SEAT_GONE &&
                    !(seat->presence == SEAT_DOUBTFUL && seat->player != player);
    bool is_lost = seat != NULL && !is_there && index >= witness->rooms[room].next_index;
    if (!is_lost)
        return seat;
    witness_ends_seat(witness, seat);
    seat->index = RECOVERY_NONE; /* it is another's */
    return NULL;
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
    struct witness_seat *seat = find_own_seat(witness, room, index, link->player);
    if (seat == NULL)
        seat = seat_newcomer(witness, room, index, link->player);
    if (seat == NULL)
        return;
    promise(witness->verdict, seat->player == link->player && seat->presence != SEAT_GONE,
            "player %u gets seat %u of player %u, or it was gone", link->player, index,
            seat->player);
    uint64_t unasked = text_number(text, "unasked");
    enum retelling retelling = check_epoch(
        witness, seat, unasked == TEXT_NO_NUMBER ? link->asked_epoch : seat->epoch, text);
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        if (witness->links[i].seat == seat)
            witness->links[i].seat = NULL;
    }
    link->seat = seat;
    link->barrier = unasked == TEXT_NO_NUMBER ? 0 : unasked;
    seat->presence = SEAT_PRESENT;
    seat->held_ms = 0;
    if (seat->is_lost) /* this may be another one, which has the same index by chance */
        seat->begun_ms = witness->now_ms;
    seat->is_lost = false;
    note_index(witness, seat);
    witness->rooms[room].events += 2;
    witness->recovering = text_is_true(text, "recovered") ? connection : RECOVERY_NONE;
    witness->retelling = RECOVERY_NONE;
    witness->begins_retelling = retelling == RETELLS_ALL;
    if (witness->recovering == connection)
        return;
    take_host_of_joined(witness, &witness->rooms[room], text);
    take_has_state(witness, link, &witness->rooms[room], text);
    check_lists(witness, seat, text);
    if (retelling != RETELLS_NOTHING)
        begin_retelling(witness, connection, seat, text);
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
        witness_ends_seat(witness, seat);
    expire(witness, seat);
}

/* Whether the room is there as long as its host's seat, which is held. */
static bool is_host_held(struct witness *witness, uint32_t room)
{
    const struct witness_seat *host = witness_find_seat(witness, room, witness->rooms[room].host);
    return host != NULL && host->presence == SEAT_AWAY && witness->now_ms < host->held_ms &&
           witness->rooms[room].host_since_ms < witness->rooms[room].doubtful_ms;
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
    if (room == RECOVERY_NONE)
        return;
    if (witness->rooms[room].ends_with_host && !is_host_held(witness, room))
        return;
    bool made_way = may_have_made_way(witness, room);
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        struct witness_seat *seat = witness->seats[i];
        if (seat->room == room && made_way)
            witness_ends_seat(witness, seat);
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

static bool is_state(const struct witness_item *state, const uint32_t *data)
{
    return data[0] == state->player && data[1] == state->life && data[2] == state->id;
}

/* The first who comes back after a crash is told the state that it left. */
static void adopt_state(struct witness_room *room, const uint32_t *data)
{
    uint32_t at = room->past_count;
    if (room->doubtful_ms == UINT64_MAX)
        return;
    while (at > 0 && !is_state(&room->past[at - 1].state, data))
        at--;
    if (at > 0 && may_be_back(room, at - 1)) {
        room->state = room->past[at - 1].state;
        room->past_count = at;
    }
    room->doubtful_ms = UINT64_MAX;
}

/* The text behind a `joined` that is not recovered is the room's state. */
static void take_due_state(struct witness *witness, struct witness_link *link, struct bytes text)
{
    struct witness_room *room = &witness->rooms[link->seat->room];
    uint32_t data[TEXT_LIST_MAX] = {0};
    text_list(text, "data", data);
    adopt_state(room, data);
    const struct witness_item *state = &room->state;
    bool is_right = text_has_string(text, "type", "state") && is_state(state, data);
    promise(witness->verdict, is_right, "seat %u of player %u is not told the state",
            link->seat->index, link->seat->player);
    link->is_state_due = false;
}

static void take_of_member(struct witness *witness, struct witness_link *link, struct bytes text)
{
    struct witness_seat *seat = link->seat;
    if (witness->retelling != RECOVERY_NONE && link == &witness->links[witness->retelling])
        seat->retold_until +=
            text_has_string(text, "type", "skipped") ? text_number(text, "count") : 1;
    if (text_has_string(text, "type", "left")) {
        witness_ends_seat(witness, seat);
        link->seat = NULL;
    } else if (text_has_string(text, "type", "peer_left")) {
        take_peer_left(witness, seat, text);
    } else if (text_has_string(text, "type", "host")) {
        note_host(witness, &witness->rooms[seat->room], (uint32_t)text_number(text, "index"));
    } else if (text_has_string(text, "type", "pong")) {
        promise(witness->verdict, text_number(text, "heard") == seat->heard,
                "seat %u of player %u: pong, heard %u and not %u", seat->index, seat->player,
                (uint32_t)text_number(text, "heard"), (uint32_t)seat->heard);
    }
}

/* The room had no more numbered events before what the connection is told now. */
static uint64_t events_before(const struct witness *witness, uint32_t connection)
{
    const struct witness_seat *seat = witness->links[connection].seat;
    if (witness->retelling == connection && witness->begins_retelling)
        return seat->first_event;
    if (witness->retelling == connection || witness->recovering == connection)
        return seat->taken_events;
    return witness->rooms[seat->room].events;
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
        mark.is_retold = witness->retelling == connection;
        mark.is_begun = witness->begins_retelling;
        mark.may_lack = mark.is_begun && link->seat->may_lack;
        mark.events = events_before(witness, connection);
    }
    return mark;
}

static void end_room(struct witness *witness, uint32_t room)
{
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        if (witness->seats[i]->room == room)
            witness_ends_seat(witness, witness->seats[i]);
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
        witness_ends_seat(witness, link->seat);
    else if (link->seat != NULL && code == CLOSE_ROOM_CLOSED)
        end_room(witness, link->seat->room);
    link->seat = NULL;
}

void witness_closed(struct witness *witness, uint32_t connection, uint16_t code)
{
    struct witness_link *link = &witness->links[connection];
    struct witness_seat *seat = link->seat;
    witness->recovering = witness->retelling = RECOVERY_NONE;
    if (seat == NULL)
        return;
    seat->presence = SEAT_AWAY;
    seat->lost_ms = witness->now_ms;
    if (code == CLOSE_FAREWELL)
        witness_ends_seat(witness, seat);
    witness->rooms[seat->room].events += 2;
    link->seat = NULL;
}
