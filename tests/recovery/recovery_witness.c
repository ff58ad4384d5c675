/* What goes into the server, what it promises by that, and what players take of it. */
#include "recovery/recovery_witness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ITEMS_AT_FIRST 64
#define WITNESS_INDEX_STEP 16 /* docs/protocol.md: indices after a restart */

bool promise(struct verdict *verdict, bool is_kept, const char *format, ...)
{
    if (is_kept || verdict->is_broken)
        return is_kept;
    verdict->is_broken = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(verdict->what, sizeof verdict->what, format, arguments);
    va_end(arguments);
    return false;
}

void witness_init(struct witness *witness, const struct recovery_server *server,
                  struct verdict *verdict)
{
    memset(witness, 0, sizeof *witness);
    witness->server = server;
    witness->verdict = verdict;
    witness->input.connection = RECOVERY_NONE;
    witness->recovering = witness->retelling = RECOVERY_NONE;
}

void witness_release(struct witness *witness)
{
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        free(witness->seats[i]->items);
        free(witness->seats[i]);
    }
    witness->seat_count = 0;
}

void witness_opened(struct witness *witness, uint32_t connection, uint32_t player)
{
    witness->links[connection] = (struct witness_link){.player = player};
}

struct witness_seat *witness_seat_of(struct witness *witness, uint32_t connection)
{
    return witness->links[connection].seat;
}

struct witness_seat *witness_find_seat(struct witness *witness, uint32_t room, uint32_t index)
{
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        if (witness->seats[i]->room == room && witness->seats[i]->index == index)
            return witness->seats[i];
    }
    return NULL;
}

static void add_item(struct witness_seat *seat, struct witness_item item)
{
    if (seat->item_count == seat->item_capacity) {
        seat->item_capacity = seat->item_capacity == 0 ? ITEMS_AT_FIRST : 2 * seat->item_capacity;
        seat->items = realloc(seat->items, seat->item_capacity * sizeof *seat->items);
        if (seat->items == NULL)
            abort();
    }
    seat->items[seat->item_count++] = item;
}

static bool is_counted(struct bytes text)
{
    return !text_has_string(text, "type", "ping") && !text_has_string(text, "type", "resumed");
}

/* Remembers what a text asks for that is no message of a member. */
static void note_entry(struct witness_link *link, struct bytes text)
{
    text_string(text, "epoch", link->asked_epoch);
    text_string(text, "room", link->asked_code);
    link->ends_with_host = text_has_string(text, "onHostLeft", "close");
}

/* A message of a player comes in the order of saying; twice only if the counts began anew. */
static void check_order(struct witness *witness, const struct witness_seat *seat, struct bytes text)
{
    uint32_t data[TEXT_LIST_MAX];
    if (text_list(text, "data", data) < 3)
        return;
    struct witness_sender *sender = &witness->senders[data[0]];
    uint32_t id = data[2];
    bool is_same =
        sender->life == data[1] && sender->seat == seat && strcmp(sender->epoch, seat->epoch) == 0;
    promise(witness->verdict, sender->seat != seat || data[1] >= sender->life,
            "player %u: message %u of life %u is handled in life %u", data[0], id, data[1],
            sender->life);
    promise(witness->verdict, !is_same || id > sender->id,
            "player %u: message %u is handled behind %u", data[0], id, sender->id);
    promise(witness->verdict,
            !text_is_true(text, "volatile") || sender->handled[id % WITNESS_IDS] == 0,
            "player %u: volatile message %u is handled twice", data[0], id);
    witness->input.sender = sender;
    witness->input.id = id;
    witness->input.id_before = is_same ? sender->id : 0;
    sender->life = data[1];
    sender->id = id;
    sender->seat = seat;
    memcpy(sender->epoch, seat->epoch, sizeof sender->epoch);
    if (sender->handled[id % WITNESS_IDS] < UINT8_MAX)
        sender->handled[id % WITNESS_IDS]++;
}

void witness_before_input(struct witness *witness, uint32_t connection, struct bytes text)
{
    struct witness_link *link = &witness->links[connection];
    witness->input = (struct witness_input){.connection = connection, .text = text};
    witness->recovering = witness->retelling = RECOVERY_NONE;
    if (link->seat == NULL) {
        note_entry(link, text);
        return;
    }
    if (link->barrier != 0) {
        if (text_has_string(text, "type", "resumed") &&
            text_number(text, "unasked") == link->barrier)
            link->barrier = 0;
        return;
    }
    if (text_has_string(text, "type", "ping") && text_number(text, "seen") > 0)
        link->seat->is_confirmed = true;
    if (!is_counted(text))
        return;
    struct witness_room *room = &witness->rooms[link->seat->room];
    witness->input.seat = link->seat;
    witness->input.is_of_host = room->host == link->seat->index;
    link->seat->heard++;
    room->events += 2;
    check_order(witness, link->seat, text);
    if (text.length >= witness->server->large_bytes && witness->server->large_bytes != 0)
        room->large_at = room->events;
}

/* Whether a `send` of this seat is meant for another. */
static bool is_for(struct witness *witness, const struct witness_seat *sender,
                   const struct witness_seat *seat, struct bytes text)
{
    uint32_t list[TEXT_LIST_MAX];
    if (seat->room != sender->room || seat->presence == SEAT_GONE)
        return false;
    if (text_member(text, "to").kind == JSON_ABSENT)
        return seat != sender;
    if (text_has_string(text, "to", "host"))
        return seat->index == witness->rooms[seat->room].host;
    if (text_number(text, "to") == seat->index)
        return true;
    for (uint32_t i = text_list(text, "to", list); i > 0; i--) {
        if (list[i - 1] == seat->index)
            return true;
    }
    return false;
}

static struct witness_item item_of(struct bytes text, enum witness_kind kind)
{
    uint32_t data[TEXT_LIST_MAX] = {0};
    text_list(text, "data", data);
    return (struct witness_item){.kind = kind, .player = data[0], .life = data[1], .id = data[2]};
}

static void promise_message(struct witness *witness, const struct witness_input *input)
{
    bool is_volatile = text_is_true(input->text, "volatile");
    struct witness_item item = item_of(input->text, is_volatile ? ITEM_VOLATILE : ITEM_MESSAGE);
    item.from = input->seat->index;
    uint32_t count = 0;
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        if (!is_for(witness, input->seat, witness->seats[i], input->text))
            continue;
        count++;
        if (!input->is_refused)
            add_item(witness->seats[i], item);
    }
    bool is_fault = count == 0 && text_member(input->text, "to").kind != JSON_ABSENT;
    promise(witness->verdict, input->is_refused == is_fault,
            "player %u: message %u for %u seats is %s", item.player, item.id, count,
            input->is_refused ? "refused" : "taken");
}

static void note_state(struct witness_room *room, uint64_t now_ms)
{
    if (room->past_count == WITNESS_STATES) {
        memmove(room->past, room->past + 1, (WITNESS_STATES - 1) * sizeof *room->past);
        room->past_count--;
    }
    room->past[room->past_count++] = (struct witness_past){room->state, now_ms};
}

static void promise_state(struct witness *witness, const struct witness_input *input)
{
    struct witness_room *room = &witness->rooms[input->seat->room];
    room->state = item_of(input->text, ITEM_STATE);
    room->has_state = true;
    note_state(room, witness->now_ms);
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        struct witness_seat *seat = witness->seats[i];
        if (seat->room == input->seat->room && seat != input->seat && seat->presence != SEAT_GONE)
            add_item(seat, room->state);
    }
}

static bool is_for_hosts(struct bytes text)
{
    return text_has_string(text, "type", "set_state") || text_has_string(text, "type", "kick") ||
           text_has_string(text, "type", "set_host") || text_has_string(text, "type", "set_room");
}

/*
 * The seat is the one that spoke. Whether an index was one to kick or to make host, the server may
 * judge; of all the rest the witness knows whether it is a fault.
 */
static void judge(struct witness *witness, const struct witness_input *input)
{
    struct bytes text = input->text;
    if (text_has_string(text, "type", "send")) {
        promise_message(witness, input);
        return;
    }
    if (is_for_hosts(text))
        promise(witness->verdict, input->is_of_host || input->is_refused,
                "player %u: not refused: %.*s", input->seat->player, (int)text.length, text.data);
    else if (!text_has_string(text, "type", "leave"))
        promise(witness->verdict, input->is_refused, "player %u: not refused: %.*s",
                input->seat->player, (int)text.length, text.data);
    if (text_has_string(text, "type", "set_state") && !input->is_refused)
        promise_state(witness, input);
}

/* The player says it again. */
static void take_back(const struct witness_input *input)
{
    struct witness_sender *sender = input->sender;
    input->seat->heard--;
    if (sender == NULL)
        return;
    sender->id = input->id_before;
    sender->handled[input->id % WITNESS_IDS]--;
}

void witness_after_input(struct witness *witness)
{
    struct witness_input *input = &witness->input;
    if (input->seat != NULL && input->is_lost) {
        take_back(input);
    } else if (input->seat != NULL) {
        if (input->is_refused)
            add_item(input->seat,
                     (struct witness_item){.kind = ITEM_ERROR, .id = (uint32_t)input->seat->heard});
        judge(witness, input);
    }
    *input = (struct witness_input){.connection = RECOVERY_NONE};
}

void witness_passes(struct witness *witness, uint32_t ms)
{
    witness->now_ms += ms;
    witness->recovering = witness->retelling = RECOVERY_NONE;
    for (uint32_t i = 0; i < witness->room_count; i++)
        witness->rooms[i].events += 2 * RECOVERY_PLAYERS;
}

void witness_ends_seat(struct witness *witness, struct witness_seat *seat)
{
    struct witness_room *room = &witness->rooms[seat->room];
    if (seat->presence != SEAT_GONE)
        seat->gone_ms = witness->now_ms;
    seat->presence = SEAT_GONE;
    if (seat->index == room->host)
        room->sure_ms = 0;
}

static void crash_seat(const struct witness *witness, struct witness_seat *seat, uint64_t kept_ms)
{
    bool was_present = seat->presence == SEAT_PRESENT;
    bool is_gone = seat->presence == SEAT_GONE;
    if (is_gone && seat->gone_ms <= kept_ms)
        return;
    bool is_doubtful = is_gone || seat->presence == SEAT_DOUBTFUL || seat->begun_ms > kept_ms;
    if (was_present || is_doubtful)
        seat->lost_ms = witness->now_ms;
    seat->is_lost = is_doubtful;
    seat->presence = is_doubtful ? SEAT_DOUBTFUL : SEAT_AWAY;
    seat->is_uncounted = true;
    seat->is_confirmed = false;
    seat->retold_until = 0;
    seat->first_item = seat->item_count;
    seat->first_event = witness->rooms[seat->room].events;
}

/* Indices are given from a multiple of RECORD_INDEX_STEP on that is above those before the crash.
 */
static void crash_room(struct witness *witness, uint32_t number, uint64_t kept_ms)
{
    struct witness_room *room = &witness->rooms[number];
    uint32_t next = 0;
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        const struct witness_seat *seat = witness->seats[i];
        if (seat->room == number && !seat->is_lost && seat->index >= next)
            next = seat->index + 1;
    }
    next = (next / WITNESS_INDEX_STEP + 1) * WITNESS_INDEX_STEP;
    if (next < room->next_index)
        room->next_index = next;
    if (kept_ms < room->doubtful_ms)
        room->doubtful_ms = kept_ms;
}

void witness_crashes(struct witness *witness, uint64_t kept_ms)
{
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++)
        witness->links[i].seat = NULL;
    for (uint32_t i = 0; i < witness->seat_count; i++)
        crash_seat(witness, witness->seats[i], kept_ms);
    for (uint32_t i = 0; i < witness->room_count && kept_ms != UINT64_MAX; i++)
        crash_room(witness, i, kept_ms);
}

void witness_loses_room(struct witness *witness, const char *code)
{
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        struct witness_seat *seat = witness->seats[i];
        if (strcmp(witness->rooms[seat->room].code, code) != 0)
            continue;
        seat->presence = SEAT_GONE;
        seat->gone_ms = 0; /* it never comes back */
    }
}

/* Whether the server held the seat when it stopped. */
static bool was_held(const struct witness *witness, const struct witness_seat *seat)
{
    return seat->presence == SEAT_AWAY && witness->now_ms - seat->lost_ms < RECOVERY_HOLD_LEAST_MS;
}

void witness_restarts(struct witness *witness, uint32_t hold_ms, uint32_t migrate_ms)
{
    for (uint32_t i = 0; i < witness->room_count; i++)
        witness->rooms[i].sure_ms = 0;
    for (uint32_t i = 0; i < witness->seat_count; i++) {
        struct witness_seat *seat = witness->seats[i];
        struct witness_room *room = &witness->rooms[seat->room];
        bool is_held = was_held(witness, seat);
        if (is_held)
            seat->held_ms = witness->now_ms + hold_ms;
        if (is_held && seat->index == room->host && room->host_since_ms < room->doubtful_ms)
            room->sure_ms = witness->now_ms + migrate_ms;
    }
}

/* What needs no place in a log: it may be skipped. */
static bool may_skip(const struct witness_seat *seat, uint32_t item)
{
    if (seat->items[item].kind == ITEM_VOLATILE)
        return true;
    if (seat->items[item].kind != ITEM_STATE)
        return false;
    for (uint32_t i = item + 1; i < seat->item_count; i++) {
        if (seat->items[i].kind == ITEM_STATE)
            return true;
    }
    return false;
}

static bool is_same_item(const struct witness_item *a, const struct witness_item *b)
{
    bool is_kind = a->kind == b->kind || (a->kind == ITEM_VOLATILE && b->kind == ITEM_MESSAGE);
    return is_kind && a->player == b->player && a->life == b->life && a->id == b->id;
}

static void take_item(struct witness *witness, struct witness_seat *seat,
                      const struct witness_item *item)
{
    uint32_t at = seat->next;
    while (at < seat->item_count && !is_same_item(&seat->items[at], item) && may_skip(seat, at))
        at++;
    if (!promise(witness->verdict, at < seat->item_count && is_same_item(&seat->items[at], item),
                 "seat %u of player %u: event %u of player %u was not due", seat->index,
                 seat->player, item->id, item->player))
        return;
    promise(witness->verdict, at - seat->next == seat->skipped,
            "seat %u of player %u: %u events vanish before %u of player %u, %u are told",
            seat->index, seat->player, at - seat->next, item->id, item->player,
            (uint32_t)seat->skipped);
    seat->next = at + 1;
    seat->skipped = 0;
}

/* What was missed, and need not be told again. */
static bool may_be_untold(const struct witness_seat *seat, uint32_t item)
{
    return seat->may_lack || seat->items[item].kind != ITEM_MESSAGE || seat->items[item].is_of_gone;
}

/* What was told again is over: of what was not told no message was kept. */
static void end_retelling(struct witness *witness, struct witness_seat *seat)
{
    if (seat->retold == 0)
        return;
    while (seat->next < seat->retold && may_be_untold(seat, seat->next))
        seat->next++;
    promise(witness->verdict, seat->next == seat->retold,
            "seat %u of player %u: event %u of player %u is not told to who has lost its counts",
            seat->index, seat->player, seat->next < seat->retold ? seat->items[seat->next].id : 0,
            seat->next < seat->retold ? seat->items[seat->next].player : 0);
    seat->retold = 0;
}

/* Messages come in order, and none is left out but the first ones, if the log is too small. */
static void take_retold(struct witness *witness, struct witness_seat *seat,
                        const struct witness_item *item)
{
    uint32_t at = seat->next;
    while (at < seat->retold && !is_same_item(&seat->items[at], item) && may_be_untold(seat, at))
        at++;
    if (!promise(witness->verdict, at < seat->retold && is_same_item(&seat->items[at], item),
                 "seat %u of player %u: event %u of player %u was not due again", seat->index,
                 seat->player, item->id, item->player))
        return;
    seat->next = at + 1;
    seat->may_lack = false;
}

static void take_unrecovered(struct witness_seat *seat, const struct witness_mark *mark)
{
    if (!mark->is_retold)
        seat->next = mark->items;
    else if (mark->is_begun)
        seat->next = seat->first_item;
    seat->retold = mark->is_retold ? mark->items : 0;
    seat->may_lack = mark->may_lack;
    seat->skipped = 0;
}

void witness_took(struct witness *witness, const struct witness_mark *mark, struct bytes text)
{
    struct witness_seat *seat = mark->seat;
    if (seat == NULL)
        return;
    seat->taken_events = mark->events;
    struct witness_item item = item_of(text, ITEM_MESSAGE);
    bool is_anew = text_has_string(text, "type", "joined") && !text_is_true(text, "recovered");
    if (!mark->is_retold && !is_anew)
        end_retelling(witness, seat);
    if (is_anew) {
        take_unrecovered(seat, mark);
    } else if (text_has_string(text, "type", "message")) {
        (mark->is_retold ? take_retold : take_item)(witness, seat, &item);
    } else if (text_has_string(text, "type", "state") && !mark->is_state) {
        item.kind = ITEM_STATE;
        take_item(witness, seat, &item);
    } else if (text_has_string(text, "type", "error") && text_number(text, "n") != TEXT_NO_NUMBER) {
        item = (struct witness_item){.kind = ITEM_ERROR, .id = (uint32_t)text_number(text, "n")};
        take_item(witness, seat, &item);
    } else if (text_has_string(text, "type", "skipped")) {
        seat->skipped += mark->is_retold ? 0 : text_number(text, "count");
    }
}

void witness_expect_all_taken(struct witness *witness, struct witness_seat *seat)
{
    end_retelling(witness, seat);
    uint32_t at = seat->next;
    while (at < seat->item_count && may_skip(seat, at))
        at++;
    promise(witness->verdict, at == seat->item_count,
            "seat %u of player %u: event %u of player %u never comes", seat->index, seat->player,
            at < seat->item_count ? seat->items[at].id : 0,
            at < seat->item_count ? seat->items[at].player : 0);
    promise(witness->verdict, at - seat->next == seat->skipped,
            "seat %u of player %u: %u events vanish at last, %u are told", seat->index,
            seat->player, at - seat->next, (uint32_t)seat->skipped);
}
