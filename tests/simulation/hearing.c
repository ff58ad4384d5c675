/*
 * What a player hears must be what it may expect: from somebody who is here, each thing once and in
 * order.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "player.h"
#include "refusals.h"
#include "wire.h"
#include "world.h"

/* Whether others in its party are seated on connections that nothing has befallen. */
static bool others_are_seated(const struct player *player)
{
    const struct party *party = player->party;
    for (uint32_t i = 0; i < party->player_count; i++) {
        const struct player *other = &party->players[i];
        if (other != player && other->state == STATE_SEATED && !other->is_paused &&
            !other->is_muted)
            return true;
    }
    return false;
}

static struct peer *peer_of(struct player *player, uint32_t number)
{
    if (number >= PEERS_MAX)
        player_fails(player, "is told of the member %u", number);
    return &player->peers[number];
}

/* A member is here: it has come just now, or was here before. */
static void meet(struct player *player, uint32_t number, bool came_later)
{
    struct peer *peer = peer_of(player, number);
    if (peer->is_here)
        player_fails(player, "is told twice that %u is here", number);
    *peer = (struct peer){.is_here = true, .is_complete = came_later};
}

void party_host_leaves(struct party *party)
{
    if (party->host_left != party->host_seated) {
        party->host_left = party->host_seated;
        party->host_left_ns = network_now_ns();
    }
}

static void part(struct player *player, uint32_t number)
{
    struct peer *peer = peer_of(player, number);
    if (!peer->is_here)
        player_fails(player, "is told that %u has left, who was not here", number);
    peer->is_here = false;
    if (number == player->party->players[0].index)
        party_host_leaves(player->party);
}

/* The number that follows some text, such as `"index":`; in protocol 1 that of an id `"pN"`. */
static uint32_t number_after(struct player *player, const char *text, const char *before)
{
    const char *at = strstr(text, before);
    if (at == NULL)
        player_fails(player, "is told %s without %s", text, before);
    at += strlen(before);
    if (at[0] == '"')
        at++;
    if (at[0] == 'p')
        at++;
    return (uint32_t)strtoul(at, NULL, 10);
}

static uint32_t peer_in(struct player *player, const char *text)
{
    return number_after(player, text,
                        player->party->protocol == 1 ? "\"clientId\":" : "\"index\":");
}

static void hear_message(struct player *player, const char *text)
{
    uint32_t from = number_after(player, text, "\"from\":");
    struct peer *peer = peer_of(player, from);
    uint32_t number, connection, count, is_for_one;
    const char *data = strstr(text, "\"data\":[");
    if (data == NULL ||
        sscanf(data, "\"data\":[%u,%u,%u,%u", &number, &connection, &count, &is_for_one) != 4)
        player_fails(player, "hears %s", text);
    if (!peer->is_here)
        player_fails(player, "hears %s of somebody who is not here", text);
    clients.heard++;
    uint32_t *last = is_for_one ? &peer->told_me : &peer->told_all;
    if (connection < peer->connection)
        player_fails(player, "hears an older connection: %s", text);
    if (connection > peer->connection) {
        /* Whoever takes over a seat does so without a word, and begins to count anew. */
        peer->is_complete |= peer->connection > 0;
        peer->connection = connection;
        peer->told_all = 0;
        peer->told_me = 0;
    }
    bool may_begin_anywhere = *last == 0 && !peer->is_complete;
    if (count != *last + 1 && !may_begin_anywhere)
        player_fails(player, "hears %s after number %u", text, *last);
    *last = count;
}

/* Whom the list of those who are here names. */
static void meet_all(struct player *player, const char *text, const char *before)
{
    const char *at = strstr(text, before);
    if (at == NULL)
        player_fails(player, "is told %s", text);
    memset(player->peers, 0, sizeof player->peers);
    for (at += strlen(before); *at != ']' && *at != '\0';) {
        if (*at == '"' || *at == 'p' || *at == ',') {
            at++;
            continue;
        }
        char *end;
        uint32_t number = (uint32_t)strtoul(at, &end, 10);
        if (end == at)
            player_fails(player, "is told %s", text);
        if (player->party->protocol == 2 || number != player->number)
            meet(player, number, false);
        at = end;
    }
}

static void take_seat(struct player *player, const char *text)
{
    struct party *party = player->party;
    if (player->number == 0)
        party->host_seated = player->connections;
    uint32_t before = player->index;
    bool was_here = strcmp(player->code, player->tried) == 0;
    memcpy(player->code, player->tried, sizeof player->code);
    player->state = STATE_SEATED;
    player->acts_ns = network_now_ns() + network_random() % clients.plan.message_interval_ns;
    player->index =
        party->protocol == 2 ? number_after(player, text, "\"index\":") : player->number;
    /* Without memory to remember it by, a member is forgotten. */
    if (was_here && player->index != before && refusals_count() == 0)
        player_fails(player, "was %u, and comes back as %u", before, player->index);
}

/* Whoever joins is told the last state, and then each one that follows. */
static void hear_state(struct player *player, const char *text, bool has_just_joined)
{
    struct state_said told;
    struct state_said *last = &player->room_state;
    if (sscanf(text, "{\"type\":\"state\",\"data\":[%u,%u]}", &told.connection, &told.count) != 2)
        player_fails(player, "is told %s", text);
    if (player->number == 0 && !has_just_joined)
        player_fails(player, "is told its own state: %s", text);
    if (player->number == 0 && last->connection == player->connections)
        return; /* it has set another meanwhile */
    bool is_next = told.connection == last->connection && told.count == last->count + 1;
    bool is_first = told.connection > last->connection && told.count == 1;
    if (!has_just_joined && !is_next && !is_first)
        player_fails(player, "is told %s after state %u of connection %u", text, last->count,
                     last->connection);
    *last = told;
}

static void hear_error(struct player *player, const char *text)
{
    bool finds_none = strstr(text, "Room not found") != NULL;
    bool is_expected = finds_none || strstr(text, "Too many rooms") != NULL; /* by a scene */
    if (strstr(text, "Target") != NULL || strstr(text, "Not in a room") != NULL)
        return; /* who was here when it was said; what was said behind a join that failed */
    if (!is_expected || player->state != STATE_ENTERING)
        player_fails(player, "is told %s", text);
    if (finds_none && strcmp(player->tried, player->party->code) == 0) {
        if (!player->is_closing && others_are_seated(player) && !world_may_void_links())
            player_fails(player, "finds no room, in which others are");
        memcpy(player->party->closing, player->tried, sizeof player->tried);
        player->party->code[0] = '\0';
    }
    wire_close(player->wire);
    player_go_away(player, network_random() % NETWORK_S);
}

void player_hears(struct player *player, const char *text)
{
    struct party *party = player->party;
    bool has_just_joined = player->has_just_joined;
    player->has_just_joined = false;
    player_trace(player, "hears %s", text);
    if (strncmp(text, "{\"type\":\"message\"", 17) == 0) {
        hear_message(player, text);
    } else if (strncmp(text, "{\"type\":\"created\"", 17) == 0) {
        memset(player->peers, 0, sizeof player->peers);
        if (sscanf(text, "{\"type\":\"created\",\"room\":\"%7[A-Za-z0-9]", party->code) != 1)
            player_fails(player, "is told %s", text);
        memcpy(player->tried, party->code, sizeof player->tried);
        take_seat(player, text);
    } else if (strncmp(text, "{\"type\":\"joined\"", 16) == 0) {
        meet_all(player, text, party->protocol == 1 ? "\"clients\":[" : "\"peers\":[");
        take_seat(player, text);
        player->has_just_joined = true;
    } else if (strncmp(text, "{\"type\":\"state\"", 15) == 0) {
        hear_state(player, text, has_just_joined);
    } else if (strncmp(text, "{\"type\":\"peer_joined\"", 21) == 0) {
        meet(player, peer_in(player, text), true);
    } else if (strncmp(text, "{\"type\":\"peer_left\"", 19) == 0) {
        part(player, peer_in(player, text));
    } else if (strncmp(text, "{\"type\":\"error\"", 15) == 0) {
        hear_error(player, text);
    } else {
        player_fails(player, "is told %s", text);
    }
}
