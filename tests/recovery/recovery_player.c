#include "recovery/recovery_player.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define KEPT_AT_FIRST 16
#define CREATED_MAX_CLIENTS 8 /* that players create rooms with */

static bool is_broken(const struct player *player, enum recovery_break rule)
{
    return player->broken == rule;
}

void player_init(struct player *player, uint32_t number, const struct player_voice *voice,
                 struct verdict *verdict)
{
    memset(player, 0, sizeof *player);
    player->number = number;
    player->voice = voice;
    player->verdict = verdict;
    player->connection = RECOVERY_NONE;
    player->session = 1;
}

static void forget_first_kept(struct player *player)
{
    free(player->kept[0].text);
    player->kept_count--;
    memmove(player->kept, player->kept + 1, player->kept_count * sizeof *player->kept);
}

void player_release(struct player *player)
{
    while (player->kept_count > 0)
        forget_first_kept(player);
    free(player->kept);
    player->kept = NULL;
}

void player_lose(struct player *player)
{
    player->connection = RECOVERY_NONE;
    player->is_waiting = false;
    player->is_seated = false;
    player->is_state_due = false;
}

void player_forget(struct player *player)
{
    for (uint32_t i = 0; i < player->kept_count; i++)
        player->said[player->kept[i].id] = SAID_GIVEN_UP;
    while (player->kept_count > 0)
        forget_first_kept(player);
    player_lose(player);
    player->is_leaving = false;
    player->knows = false;
    player->epoch[0] = '\0';
    player->seen = 0;
    player->life++;
    if (!is_broken(player, BREAK_CLIENT_SAME_SESSION))
        player->session++;
    player->attempt = 0;
}

static void utter(struct player *player, const char *text)
{
    player->voice->say(player->voice->context, player->connection, text);
}

static void count_own(struct player *player)
{
    player->own++;
    if (player->own > player->own_most)
        player->own_most = player->own;
}

static char *identity(const struct player *player)
{
    return text_format("\"clientId\":\"the-secret-of-client-%u\",\"session\":\"session-%u%03u\"",
                       player->number, player->number, player->session);
}

void player_create(struct player *player, uint32_t connection)
{
    char *who = identity(player);
    char *text = text_format("{\"type\":\"create\",%s,\"maxClients\":%u,\"hold\":%u,"
                             "\"onHostLeft\":\"%s\"}",
                             who, CREATED_MAX_CLIENTS, RECOVERY_HOLD_MS / 1000,
                             player->ends_with_host ? "close" : "migrate");
    player->connection = connection;
    player->is_waiting = true;
    utter(player, text);
    free(text);
    free(who);
}

void player_join(struct player *player, uint32_t connection, const char *room)
{
    char *who = identity(player);
    if (!is_broken(player, BREAK_CLIENT_SAME_ATTEMPT) || player->attempt == 0)
        player->attempt++;
    char *text = text_format("{\"type\":\"join\",%s,\"attempt\":%u,\"room\":\"%s\"", who,
                             player->attempt, room);
    char *known = player->knows ? text_format(",\"epoch\":\"%s\",\"seen\":%" PRIu64 "}",
                                              player->epoch, player->seen)
                                : text_format("}");
    char *whole = text_format("%s%s", text, known);
    player->connection = connection;
    player->is_waiting = true;
    utter(player, whole);
    free(whole);
    free(known);
    free(text);
    free(who);
}

static void keep(struct player *player, struct player_kept kept)
{
    if (player->kept_count == player->kept_capacity) {
        player->kept_capacity =
            player->kept_capacity == 0 ? KEPT_AT_FIRST : 2 * player->kept_capacity;
        player->kept = realloc(player->kept, player->kept_capacity * sizeof *player->kept);
        assert(player->kept != NULL);
    }
    player->kept[player->kept_count++] = kept;
}

static void say_kept(struct player *player, char *text, uint32_t id)
{
    struct player_kept kept = {.id = id, .text = text};
    if (player->is_seated) {
        count_own(player);
        kept.n = player->own;
        utter(player, text);
    }
    keep(player, kept);
}

void player_say(struct player *player, char *text)
{
    say_kept(player, text, 0);
}

/* The data of a message is the player's, and nobody else's. */
static uint32_t next_id(struct player *player, enum player_said said)
{
    uint32_t id = ++player->last_id;
    assert(id < PLAYER_IDS);
    player->said[id] = (uint8_t)said;
    return id;
}

void player_send(struct player *player, const char *to, bool is_volatile, uint32_t padding)
{
    if (is_volatile && !player->is_seated)
        return;
    uint32_t id = next_id(player, is_volatile ? SAID_VOLATILE : SAID_KEPT);
    char *target = to == NULL ? text_format("%s", "") : text_format(",\"to\":%s", to);
    char *rest = padding == 0 ? text_format("%s", "") : text_format(",\"%0*u\"", (int)padding, 0);
    char *text =
        text_format("{\"type\":\"send\"%s,\"data\":[%u,%u,%u%s]%s}", target, player->number,
                    player->life, id, rest, is_volatile ? ",\"volatile\":true" : "");
    free(rest);
    free(target);
    if (!is_volatile) {
        say_kept(player, text, id);
        return;
    }
    if (!is_broken(player, BREAK_CLIENT_VOLATILE_UNCOUNTED))
        count_own(player);
    utter(player, text);
    free(text);
}

void player_set_state(struct player *player)
{
    uint32_t id = next_id(player, SAID_KEPT);
    say_kept(player,
             text_format("{\"type\":\"set_state\",\"data\":[%u,%u,%u]}", player->number,
                         player->life, id),
             id);
}

void player_leave(struct player *player)
{
    player_say(player, text_format("{\"type\":\"leave\"}"));
    player->is_leaving = true;
}

void player_ping(struct player *player)
{
    char *text = text_format("{\"type\":\"ping\",\"seen\":%" PRIu64 "}", player->seen);
    utter(player, text);
    free(text);
    if (is_broken(player, BREAK_CLIENT_PING_COUNTED))
        count_own(player);
}

/* The server has handled so many. */
static void confirm(struct player *player, uint64_t heard)
{
    promise(player->verdict, heard >= player->heard && heard <= player->own_most,
            "player %u: %" PRIu64 " heard, after %" PRIu64 ", of %" PRIu64, player->number, heard,
            player->heard, player->own_most);
    player->heard = heard;
    while (player->kept_count > 0 && player->kept[0].n != 0 && player->kept[0].n <= heard)
        forget_first_kept(player);
}

/* Says again what the server has not handled, and says what waited. */
static void say_all_kept(struct player *player)
{
    if (is_broken(player, BREAK_CLIENT_RESENDS_NOTHING))
        return;
    for (uint32_t i = 0; i < player->kept_count; i++) {
        count_own(player);
        player->kept[i].n = player->own;
        utter(player, player->kept[i].text);
    }
}

/* Of those kept, the server has handled all up to `heard`. */
static void confirm_on_return(struct player *player, uint64_t heard, bool is_same)
{
    if (is_same && is_broken(player, BREAK_CLIENT_RESENDS_HEARD) && heard > player->heard)
        confirm(player, heard - 1);
    else if (is_same && is_broken(player, BREAK_CLIENT_RESENDS_LESS) &&
             heard + 1 <= player->own_most)
        confirm(player, heard + 1);
    else if (is_same)
        confirm(player, heard);
    if (!is_same && is_broken(player, BREAK_CLIENT_EPOCH_MISSED) && player->kept_count > 0)
        forget_first_kept(player);
    if (!is_same)
        player->own_most = 0;
    player->heard = heard;
    if (!is_same || !is_broken(player, BREAK_CLIENT_KEEPS_OWN_COUNT))
        player->own = heard;
}

static void know_peer(struct player *player, uint32_t index, enum player_peer peer)
{
    if (!promise(player->verdict, index < PLAYER_INDICES, "player %u: index %u", player->number,
                 index))
        return;
    player->peers[index] = peer;
    if (index > player->highest)
        player->highest = index;
}

static void know_room(struct player *player, struct bytes text)
{
    uint32_t list[TEXT_LIST_MAX];
    memset(player->peers, 0, sizeof player->peers);
    player->highest = player->index;
    for (uint32_t i = text_list(text, "peers", list); i > 0; i--)
        know_peer(player, list[i - 1], PEER_PRESENT);
    for (uint32_t i = text_list(text, "away", list); i > 0; i--)
        know_peer(player, list[i - 1], PEER_AWAY);
    player->host = (uint32_t)text_number(text, "host");
    player->max_clients = text_number(text, "maxClients");
    promise(player->verdict,
            player->host < PLAYER_INDICES &&
                (player->host == player->index || player->peers[player->host] != PEER_UNKNOWN),
            "player %u: the host %u is nobody", player->number, player->host);
    promise(player->verdict, player->peers[player->index] == PEER_UNKNOWN,
            "player %u is a peer of its own", player->number);
}

static void take_created(struct player *player, struct bytes text)
{
    promise(player->verdict, text_number(text, "index") == 0, "player %u: created, not index 0",
            player->number);
    promise(player->verdict, text_number(text, "hold") * 1000 == RECOVERY_HOLD_MS,
            "player %u: created with another hold", player->number);
    memset(player->peers, 0, sizeof player->peers);
    text_string(text, "room", player->room);
    text_string(text, "epoch", player->epoch);
    player->index = player->host = player->highest = 0;
    player->max_clients = CREATED_MAX_CLIENTS;
    player->seen = player->own = player->own_most = player->heard = 0;
    player->knows = player->is_seated = true;
    player->is_waiting = false;
    if (!player->begins_without_state)
        player_set_state(player);
}

/* What `joined` must say to somebody who knows the same epoch. */
static void check_return(struct player *player, struct bytes text)
{
    uint64_t seen = text_number(text, "seen");
    bool is_right = text_is_true(text, "recovered") ? seen == player->seen : seen >= player->seen;
    promise(player->verdict, is_right, "player %u: has seen %" PRIu64 ", is told %" PRIu64,
            player->number, player->seen, seen);
    promise(player->verdict, text_number(text, "index") == player->index,
            "player %u: another index in the same epoch", player->number);
}

static void answer_unasked(struct player *player, uint64_t unasked)
{
    if (unasked == TEXT_NO_NUMBER || is_broken(player, BREAK_CLIENT_NEVER_RESUMES))
        return;
    char *answer = text_format("{\"type\":\"resumed\",\"unasked\":%" PRIu64 "}", unasked);
    utter(player, answer);
    free(answer);
}

static void take_joined(struct player *player, struct bytes text)
{
    char epoch[TEXT_STRING_MAX];
    text_string(text, "epoch", epoch);
    bool is_recovered = text_is_true(text, "recovered");
    bool is_same = player->knows && strcmp(epoch, player->epoch) == 0;
    uint64_t seen = text_number(text, "seen");
    uint64_t heard = text_number(text, "heard");
    uint64_t unasked = text_number(text, "unasked");
    promise(player->verdict, is_same || !is_recovered, "player %u: recovered from nothing",
            player->number);
    promise(player->verdict, player->is_waiting == (unasked == TEXT_NO_NUMBER),
            "player %u: joined %s", player->number,
            player->is_waiting ? "unasked, first" : "twice");
    if (is_same)
        check_return(player, text);
    player->index = (uint32_t)text_number(text, "index");
    text_string(text, "room", player->room);
    memcpy(player->epoch, epoch, sizeof epoch);
    if (!is_same || is_recovered || !is_broken(player, BREAK_CLIENT_SEEN_IGNORED))
        player->seen = seen;
    player->is_waiting = false;
    player->is_seated = player->knows = true;
    player->is_state_due = text_is_true(text, "state");
    player->may_hear_absent = !is_recovered;
    if (!is_recovered && promise(player->verdict, player->index < PLAYER_INDICES,
                                 "player %u: index %u", player->number, player->index))
        know_room(player, text);
    confirm_on_return(player, heard, is_same);
    answer_unasked(player, unasked);
    say_all_kept(player);
}

/* What the index was, and is now. */
static void change_peer(struct player *player, struct bytes text, uint32_t allowed,
                        enum player_peer peer)
{
    uint32_t index = (uint32_t)text_number(text, "index");
    if (!promise(player->verdict, index < PLAYER_INDICES && index != player->index,
                 "player %u: hears of index %u", player->number, index))
        return;
    promise(player->verdict, (allowed >> player->peers[index] & 1) != 0,
            "player %u: %.*s, and it was %u", player->number, (int)text.length, text.data,
            player->peers[index]);
    promise(player->verdict,
            peer != PEER_PRESENT || player->peers[index] == PEER_AWAY || index > player->highest,
            "player %u: index %u is used again", player->number, index);
    know_peer(player, index, peer);
}

static bool take_peer(struct player *player, struct bytes text)
{
    if (text_has_string(text, "type", "peer_joined"))
        change_peer(player, text, 1u << PEER_UNKNOWN, PEER_PRESENT);
    else if (text_has_string(text, "type", "peer_away"))
        change_peer(player, text, 1u << PEER_PRESENT, PEER_AWAY);
    else if (text_has_string(text, "type", "peer_back"))
        change_peer(player, text, 1u << PEER_AWAY, PEER_PRESENT);
    else if (text_has_string(text, "type", "peer_left"))
        change_peer(player, text, 1u << PEER_PRESENT | 1u << PEER_AWAY, PEER_LEFT);
    else
        return false;
    return true;
}

static void take_host(struct player *player, struct bytes text)
{
    uint32_t host = (uint32_t)text_number(text, "index");
    promise(player->verdict,
            host < PLAYER_INDICES &&
                (host == player->index || player->peers[host] == PEER_PRESENT ||
                 player->peers[host] == PEER_AWAY),
            "player %u: the host %u is nobody", player->number, host);
    player->host = host;
}

static void take_message(struct player *player, struct bytes text)
{
    uint64_t from = text_number(text, "from");
    promise(player->verdict,
            from < PLAYER_INDICES &&
                (from == player->index || player->peers[from] == PEER_PRESENT ||
                 (player->may_hear_absent && player->peers[from] == PEER_AWAY)),
            "player %u: a message from %" PRIu64 ", who is not present", player->number, from);
}

/* Events that count; false: this is none. */
static bool take_numbered(struct player *player, struct bytes text)
{
    if (take_peer(player, text))
        return true;
    if (text_has_string(text, "type", "message"))
        take_message(player, text);
    else if (text_has_string(text, "type", "host"))
        take_host(player, text);
    else if (text_has_string(text, "type", "room"))
        player->max_clients = text_number(text, "maxClients");
    else if (!text_has_string(text, "type", "state"))
        return false;
    return true;
}

static void take_error(struct player *player, struct bytes text)
{
    uint64_t n = text_number(text, "n");
    if (player->is_seated) {
        promise(player->verdict, n >= 1 && n <= player->own_most,
                "player %u: an error of %" PRIu64 " of %" PRIu64, player->number, n,
                player->own_most);
        if (!is_broken(player, BREAK_CLIENT_ERROR_UNCOUNTED))
            player->seen++;
        return;
    }
    /* The room is gone, or the player was thrown out: the connection is as good as before. */
    uint32_t connection = player->connection;
    promise(player->verdict, player->is_waiting && n == TEXT_NO_NUMBER,
            "player %u: an error without a cause", player->number);
    player_forget(player);
    player->connection = connection;
}

static void take_left(struct player *player)
{
    uint32_t connection = player->connection;
    promise(player->verdict, player->is_leaving, "player %u: left, without having said so",
            player->number);
    /* It was heard, and with it all before it. */
    while (player->kept_count > 0)
        forget_first_kept(player);
    player_forget(player);
    player->connection = connection;
}

/* Without `heard` the relay seats the player anew just now, and does not know. */
static void take_pong(struct player *player, struct bytes text)
{
    uint64_t heard = text_number(text, "heard");
    if (heard != TEXT_NO_NUMBER)
        confirm(player, heard);
}

static void take_of_member(struct player *player, struct bytes text)
{
    if (take_numbered(player, text))
        player->seen++;
    else if (text_has_string(text, "type", "skipped"))
        player->seen +=
            is_broken(player, BREAK_CLIENT_SKIPPED_ONCE) ? 1 : text_number(text, "count");
    else if (text_has_string(text, "type", "pong"))
        take_pong(player, text);
    else if (text_has_string(text, "type", "left"))
        take_left(player);
    else
        promise(player->verdict, false, "player %u: %.*s", player->number, (int)text.length,
                text.data);
}

void player_take(struct player *player, struct bytes text)
{
    bool is_joined = text_has_string(text, "type", "joined");
    if (player->is_state_due) {
        promise(player->verdict, text_has_string(text, "type", "state"),
                "player %u: no state behind joined", player->number);
        player->is_state_due = false;
        if (is_broken(player, BREAK_CLIENT_STATE_COUNTED))
            player->seen++;
    } else if (is_joined) {
        take_joined(player, text);
    } else if (text_has_string(text, "type", "created") && player->is_waiting) {
        take_created(player, text);
    } else if (text_has_string(text, "type", "error")) {
        take_error(player, text);
    } else if (promise(player->verdict, player->is_seated, "player %u: before joined: %.*s",
                       player->number, (int)text.length, text.data)) {
        take_of_member(player, text);
    }
}

void player_closed(struct player *player, uint16_t code)
{
    promise(player->verdict, code == CLOSE_KICKED || code == CLOSE_ROOM_CLOSED,
            "player %u: its connection is closed with %u", player->number, code);
    if (code == CLOSE_KICKED || code == CLOSE_ROOM_CLOSED)
        player_forget(player);
    else
        player_lose(player);
}
