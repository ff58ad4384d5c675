/*
 * What a player says bears its number, the connection that said it, and a number that counts what
 * that connection said to everybody or to one.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "player.h"
#include "wire.h"

#define TEXT_MAX 4096
#define LONG_TEXT 2000 /* above what is copied to each recipient */
#define BURST 100      /* messages at once, above what a turn has for one client */
#define CLOSES_ONCE_IN 100

PRINTF_LIKE(2, 3) static void say(struct player *player, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert(length > 0 && (size_t)length < sizeof text);
    wire_say(player->wire, text, (size_t)length);
}

static void set_state(struct player *player)
{
    if (player->room_state.connection != player->connections)
        player->room_state = (struct state_said){player->connections, 0};
    player->room_state.count++;
    say(player, "{\"type\":\"set_state\",\"data\":[%u,%u]}", player->room_state.connection,
        player->room_state.count);
}

/* What is said is said by the rules of counting at the top of this file. */
static void say_something(struct player *player)
{
    struct party *party = player->party;
    if (party->protocol == 2 && player->number == 0 && network_once_in(8)) {
        set_state(player);
        return;
    }
    static char long_text[LONG_TEXT + 1];
    memset(long_text, 'x', LONG_TEXT);
    const char *text = network_once_in(10) ? long_text : "";
    uint32_t to = network_below(PEERS_MAX);
    bool is_for_one = network_once_in(3);
    for (uint32_t i = 0; is_for_one && i < PEERS_MAX && !player->peers[to].is_here; i++)
        to = (to + 1) % PEERS_MAX;
    if (!is_for_one || !player->peers[to].is_here) {
        player->said_to_all++;
        say(player, "{\"type\":\"send\",\"data\":[%u,%u,%u,0,\"%s\"]}", player->number,
            player->connections, player->said_to_all, text);
        return;
    }
    player->said_to[to]++;
    if (party->protocol == 1)
        say(player, "{\"type\":\"send\",\"to\":\"p%u\",\"data\":[%u,%u,%u,1,\"%s\"]}", to,
            player->number, player->connections, player->said_to[to], text);
    else
        say(player, "{\"data\":[%u,%u,%u,1,\"%s\"],\"to\":%u,\"type\":\"send\"}", player->number,
            player->connections, player->said_to[to], text, to);
}

static void close_room(struct player *host)
{
    struct party *party = host->party;
    player_trace(host, "closes the room");
    memcpy(party->closing, host->code, sizeof party->closing);
    for (uint32_t i = 0; i < party->player_count; i++) {
        struct player *player = &party->players[i];
        bool is_in = player->state == STATE_SEATED && strcmp(player->code, host->code) == 0;
        bool enters = player->state == STATE_ENTERING && strcmp(player->tried, host->code) == 0;
        player->is_closing |= is_in || enters;
    }
    say(host, "{\"type\":\"close_room\"}");
}

/* Once, or many times at once. Now and then a host has enough of its room. */
void player_says_some(struct player *player)
{
    struct party *party = player->party;
    if (clients.plan.has_faults && party->protocol == 2 && player->number == 0 &&
        network_once_in(CLOSES_ONCE_IN)) {
        close_room(player);
        return;
    }
    for (uint32_t left = network_once_in(30) ? BURST : 1; left > 0; left--)
        say_something(player);
}

void player_enters(struct player *player)
{
    struct party *party = player->party;
    if (party->code[0] == '\0' && player->number != 0) {
        /* The room has ended meanwhile; the host alone makes another. */
        wire_close(player->wire);
        player_go_away(player, network_random() % NETWORK_S);
        return;
    }
    player->state = STATE_ENTERING;
    memcpy(player->tried, party->code, sizeof player->tried);
    player->is_closing = party->code[0] != '\0' && strcmp(party->code, party->closing) == 0;
    memset(player->peers, 0, sizeof player->peers);
    memset(player->said_to, 0, sizeof player->said_to);
    player->said_to_all = 0;
    player->room_state = (struct state_said){0};
    player->has_just_joined = false;
    if (party->code[0] != '\0')
        say(player, "{\"type\":\"join\",\"clientId\":\"p%u\",\"room\":\"%s\"}", player->number,
            party->code);
    else
        say(player, "{\"type\":\"create\",\"clientId\":\"p%u\",\"maxClients\":%u}", player->number,
            PLAYERS_MAX);
    /* Who knows what it will say does not wait for the answer. */
    for (uint32_t left = network_once_in(3) ? network_below(5) : 0; left > 0; left--)
        say_something(player);
}
