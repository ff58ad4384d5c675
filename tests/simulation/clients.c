/*
 * A party is a host and guests who say numbered things (saying.c); each notes the last number that
 * it heard of each other one (hearing.c). Here is when they come, what befalls them, how they end.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "player.h"
#include "refusals.h"
#include "regulars.h"
#include "residents.h"
#include "wire.h"
#include "world.h"

#define QUIET_FACTOR 30                /* times as seldom as others */
#define GRACE_LATE_NS (NETWORK_S / 10) /* that a departure may be heard late */
#define HIT_NS (10 * NETWORK_S)        /* in which all that a refusal of memory costs is noticed */
#define SILENCE_MAX_NS (3 * NETWORK_S) /* beyond the idle timeout, until a silent one is gone */

struct clients clients;

static const char *name_of(const struct player *player)
{
    static char names[2][32];
    static int next;
    char *name = names[next++ % 2];
    snprintf(name, 32, "%s/%" PRIu32, player->party->code[0] != 0 ? player->party->code : "-",
             player->number);
    return name;
}

void player_trace(const struct player *player, const char *format, ...)
{
    if (!clients.plan.is_traced)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%12.6f %-10s ", (double)network_now_ns() / 1e9, name_of(player));
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

void player_fails(const struct player *player, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "%s at %.6f: ", name_of(player), (double)network_now_ns() / 1e9);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

static void note(struct player *player, struct bytes data)
{
    uint64_t digest = clients.digest ^ player->number;
    for (size_t i = 0; i < data.length; i++)
        digest = (digest ^ data.data[i]) * UINT64_C(0x100000001B3);
    clients.digest = digest ^ network_now_ns();
}

void player_go_away(struct player *player, uint64_t for_ns)
{
    player->state = STATE_AWAY;
    player->wire = NULL;
    player->is_paused = false;
    player->is_muted = false;
    player->recovers_ns = 0;
    player->acts_ns = network_now_ns() + for_ns;
}

bool clients_are_hit(uint64_t *hit_ns)
{
    if (*hit_ns != 0 && world_now_ns() - *hit_ns < HIT_NS)
        return true;
    if (clients.hits == refusals_count())
        return false;
    clients.hits++;
    *hit_ns = world_now_ns();
    return true;
}

static bool is_hit(struct player *player)
{
    return clients_are_hit(&player->party->hit_ns);
}

static void come_again_soon(struct player *player)
{
    player_go_away(player, NETWORK_S / 2 + network_random() % (2 * NETWORK_S));
}

/* Whether the room that this player is in has ended, or will, and it may not have heard so. */
static bool is_over(const struct player *player)
{
    return player->is_closing ||
           (player->code[0] != '\0' && strcmp(player->party->closing, player->code) == 0);
}

/* Whether the host has been away for longer than a room lives on. */
static bool is_hostless(const struct party *party)
{
    uint64_t grace_ns = world_config()->host_grace_ms * NETWORK_MS;
    const struct player *host = &party->players[0];
    bool is_away = host->state != STATE_SEATED || !link_is_served(wire_link(host->wire));
    return is_away && party->host_left_ns > 0 &&
           network_now_ns() - party->host_left_ns >= grace_ns - GRACE_LATE_NS;
}

/* The room of this player is no more. */
static void forget_room(struct player *player)
{
    struct party *party = player->party;
    if (!is_over(player) && !is_hostless(party))
        player_fails(player, "hears that its room is closed, which its host did not do");
    memcpy(party->closing, player->code, sizeof party->closing); /* others hear of it later */
    if (strcmp(party->code, player->code) == 0)
        party->code[0] = '\0';
}

/* The connection is closed by the server, for this reason. */
static void hear_close(void *owner, unsigned code, const char *reason)
{
    struct player *player = owner;
    bool lacks_memory = code == 1011 || (code == 1013 && strcmp(reason, "out of memory") == 0);
    bool is_expected =
        lacks_memory ? is_hit(player) : code == world_stop_code() && clients.awaits_stop;
    /* A join that is late on its way takes the seat from the connection that came after it. */
    is_expected |= (code == 1012 || code == 4000) && world_may_void_links();
    player_trace(player, "is closed with %u %s", code, reason);
    note(player, bytes_of_string(reason));
    if (code == 1012)
        party_host_leaves(player->party); /* as all, of which nobody hears who comes back later */
    if (code == 4001)
        forget_room(player);
    else if (!is_expected)
        player_fails(player, "is closed with %u %s", code, reason);
    wire_close(player->wire);
    come_again_soon(player);
}

static void heard(void *owner, const char *text, size_t length)
{
    note(owner, bytes_of((const uint8_t *)text, length));
    player_hears(owner, text);
}

static void opened(void *owner)
{
    struct player *player = owner;
    note(player, BYTES("open"));
    if (player->state == STATE_UPGRADING)
        player_enters(player);
}

static void refused(void *owner, const char *response)
{
    struct player *player = owner;
    player_trace(player, "is answered %.12s", response);
    bool is_for_descriptors = strncmp(response, "HTTP/1.1 503 ", 13) == 0 &&
                              link_lacks_descriptor(wire_link(player->wire));
    if (!is_for_descriptors && !is_hit(player))
        player_fails(player, "is answered %s", response);
    wire_close(player->wire);
    come_again_soon(player);
}

/* Nothing ends without a word but what lacks memory or a descriptor. */
static void ended(void *owner, bool is_reset)
{
    struct player *player = owner;
    player_trace(player, is_reset ? "is reset" : "is ended");
    note(player, BYTES("end"));
    /* A close frame may come too late for who is not there to hear it. */
    bool has_reason = link_lacks_descriptor(wire_link(player->wire)) || is_over(player);
    if (!has_reason && !is_hit(player) && !world_may_void_links())
        player_fails(player, "is cut off by the server");
    if (is_reset)
        wire_reset(player->wire);
    else
        wire_close(player->wire);
    come_again_soon(player);
}

static const struct wire_events events = {
    .opened = opened, .heard = heard, .closed = hear_close, .ended = ended, .refused = refused};

static void connect_player(struct player *player)
{
    uint8_t octets[4] = {198, 51, 100, (uint8_t)player->number};
    bool is_hasty = clients.plan.has_faults && network_once_in(3);
    player->wire = wire_prepare(address_of_ipv4(octets), player->party->protocol, &events, player);
    player->state = STATE_UPGRADING;
    player->connections++;
    player->acts_ns = UINT64_MAX;
    player_trace(player, is_hasty ? "connects, and does not wait" : "connects");
    if (is_hasty)
        player_enters(player);
    wire_send_off(player->wire);
}

/* What may befall a player who is seated. Who speaks seldom may have been silent since the last
 * ping. */
static void suffer(struct player *player)
{
    uint64_t longest_ns = player->is_quiet ? 4 * NETWORK_S : 7 * NETWORK_S;
    switch (network_below(6)) {
    case 0:
        player_trace(player, "says goodbye");
        wire_leave(player->wire, 1000);
        player_go_away(player, network_random() % (5 * NETWORK_S));
        break;
    case 1:
        player_trace(player, "is cut off");
        wire_reset(player->wire);
        player_go_away(player, network_random() % (5 * NETWORK_S));
        break;
    case 2: /* the next connection comes while the server has this one */
        player_trace(player, "comes again");
        link_hold(wire_link(player->wire), true);
        wire_close(player->wire);
        player_go_away(player, network_random() % NETWORK_S);
        break;
    case 3:
        player_trace(player, "hears nothing for a while");
        player->is_paused = true;
        link_hold(wire_link(player->wire), true);
        player->recovers_ns = network_now_ns() + network_random() % longest_ns;
        break;
    case 4:
        player_trace(player, "reads nothing for a while");
        link_stall(wire_link(player->wire), true);
        player->recovers_ns = network_now_ns() + network_random() % longest_ns;
        break;
    default:
        player_trace(player, "is silent for ever");
        player->is_muted = true;
        link_hold(wire_link(player->wire), true);
        player->recovers_ns =
            network_now_ns() + world_config()->idle_timeout_ms * NETWORK_MS + SILENCE_MAX_NS;
        break;
    }
}

/* The network is back. */
static void recover(struct player *player)
{
    struct link *link = wire_link(player->wire);
    bool was_muted = player->is_muted;
    player->recovers_ns = 0;
    player->is_paused = false;
    /* Whose room is closed is told so for as long as a stall may last. */
    bool is_closing = is_over(player) || world_may_void_links();
    if (was_muted && link_is_served(link) && !is_closing)
        player_fails(player, "was silent for longer than may be, and is still connected");
    if (!was_muted && !link_is_served(link) && !is_closing && !is_hit(player))
        player_fails(player, "was silent for less than may be, and was closed");
    if (was_muted) {
        wire_reset(player->wire);
        player_go_away(player, network_random() % NETWORK_S);
        return;
    }
    link_stall(link, false);
    link_hold(link, false);
}

static void act(struct player *player)
{
    uint64_t interval_ns = clients.plan.message_interval_ns * (player->is_quiet ? QUIET_FACTOR : 1);
    if (player->recovers_ns != 0 && player->recovers_ns <= network_now_ns()) {
        recover(player);
    } else if (player->state == STATE_AWAY) {
        bool may_create = player->number == 0 || player->party->code[0] != '\0';
        if (clients.is_over)
            player->acts_ns = UINT64_MAX;
        else if (may_create)
            connect_player(player);
        else
            player->acts_ns = network_now_ns() + NETWORK_S / 10;
    } else if (player->state == STATE_SEATED) {
        player->acts_ns = network_now_ns() + interval_ns / 2 + network_random() % interval_ns;
        if (clients.plan.has_faults && player->recovers_ns == 0 && network_once_in(20))
            suffer(player);
        else if (!clients.is_silent && !player->is_muted)
            player_says_some(player);
    } else {
        player->acts_ns = UINT64_MAX;
    }
}

static uint64_t due_ns(const struct player *player)
{
    if (player->recovers_ns != 0 && player->recovers_ns < player->acts_ns)
        return player->recovers_ns;
    return player->acts_ns;
}

#define FOR_EACH_PLAYER(player)                                                            \
    for (uint32_t party_at = 0; party_at < clients.plan.rooms; party_at++)                 \
        for (struct player *player = clients.parties[party_at]->players,                   \
                           *const end_ = player + clients.parties[party_at]->player_count; \
             player < end_; player++)

uint64_t clients_next_ns(void)
{
    uint64_t next_ns = regulars_next_ns();
    if (residents_next_ns() < next_ns)
        next_ns = residents_next_ns();
    FOR_EACH_PLAYER(player)
    {
        uint64_t at_ns = due_ns(player);
        if (at_ns < next_ns)
            next_ns = at_ns;
    }
    return next_ns;
}

void clients_act(void)
{
    uint64_t now_ns = network_now_ns();
    regulars_act();
    residents_act();
    FOR_EACH_PLAYER(player)
    {
        if (due_ns(player) <= now_ns)
            act(player);
    }
}

void clients_begin(const struct clients_plan *plan)
{
    memset(&clients, 0, sizeof clients);
    clients.plan = *plan;
    if (plan->restarts)
        clients.plan.rooms = 0;
    assert(plan->rooms <= PARTIES_MAX && plan->members <= PLAYERS_MAX);
    for (uint32_t i = 0; i < clients.plan.rooms; i++) {
        struct party *party = certain_calloc(1, sizeof *party);
        clients.parties[i] = party;
        party->protocol = network_once_in(2) ? 1 : 2;
        party->player_count = plan->members;
        for (uint32_t j = 0; j < plan->members; j++) {
            struct player *player = &party->players[j];
            player->party = party;
            player->number = j;
            player->is_quiet = plan->has_faults && network_once_in(4);
            player_go_away(player, network_random() % NETWORK_S);
        }
    }
    regulars_begin(plan);
    residents_begin(plan);
}

void clients_stand_still(uint64_t for_ns)
{
    regulars_stand_still(for_ns);
    FOR_EACH_PLAYER(player)
    {
        if (player->recovers_ns != 0)
            player->recovers_ns += for_ns;
    }
}

void clients_are_handed_over(void)
{
    uint64_t silence_ns = world_config()->idle_timeout_ms * NETWORK_MS + SILENCE_MAX_NS;
    FOR_EACH_PLAYER(player)
    {
        if (player->is_muted && player->recovers_ns != 0)
            player->recovers_ns = network_now_ns() + silence_ns;
    }
}

void clients_are_cut_off(void)
{
    regulars_are_cut_off();
    residents_are_cut_off();
}

void clients_lose_changes(uint64_t since_ns, uint64_t lost_code)
{
    regulars_lose_changes(since_ns, lost_code);
    residents_lose_changes(since_ns, lost_code);
}

void clients_are_restarted(void)
{
    regulars_are_restarted();
}

void clients_end_faults(void)
{
    clients.plan.has_faults = false;
    regulars_end_faults();
}

void clients_fall_silent(void)
{
    clients.is_silent = true;
    regulars_fall_silent();
    residents_fall_silent();
}

static void check_pair(struct player *player, const struct player *other)
{
    const struct peer *peer = &player->peers[other->index];
    if (!peer->is_here)
        player_fails(player, "does not know that %u is here", other->number);
    bool has_heard = peer->connection == other->connections;
    uint32_t told_all = has_heard ? peer->told_all : 0;
    uint32_t told_me = has_heard ? peer->told_me : 0;
    /* What a connection said before this player came is not for it; nothing later is missing. */
    bool may_miss_all = !peer->is_complete && (has_heard || peer->connection == 0);
    if (told_all != other->said_to_all && !(may_miss_all && told_all == 0))
        player_fails(player, "heard %u of %u things that %u said to all", told_all,
                     other->said_to_all, other->number);
    if (told_me != other->said_to[player->index] && !(may_miss_all && told_me == 0))
        player_fails(player, "heard %u of %u things that %u said to it", told_me,
                     other->said_to[player->index], other->number);
}

/* All know the state that the host has set last, be it on a connection that is gone. */
static void check_state(const struct player *player)
{
    const struct state_said *last = &player->party->players[0].room_state;
    if (player->room_state.connection != last->connection ||
        player->room_state.count != last->count)
        player_fails(player, "knows state %u of connection %u, and not %u of %u",
                     player->room_state.count, player->room_state.connection, last->count,
                     last->connection);
}

void clients_check_rest(void)
{
    regulars_check_rest();
    residents_check_rest();
    FOR_EACH_PLAYER(player)
    {
        const struct party *party = player->party;
        if (player->state != STATE_SEATED)
            player_fails(player, "is in no room (state %d)", (int)player->state);
        check_state(player);
        uint32_t here = 0;
        for (uint32_t i = 0; i < PEERS_MAX; i++)
            here += player->peers[i].is_here;
        if (here != party->player_count - 1)
            player_fails(player, "knows %u others instead of %u", here, party->player_count - 1);
        for (uint32_t i = 0; i < party->player_count; i++) {
            if (&party->players[i] != player)
                check_pair(player, &party->players[i]);
        }
    }
}

void clients_leave(void)
{
    clients.is_over = true;
    regulars_leave();
    residents_leave();
    FOR_EACH_PLAYER(player)
    {
        if (player->wire != NULL) {
            wire_reset(player->wire);
            player_go_away(player, 0);
        }
        player->acts_ns = UINT64_MAX;
    }
}

void clients_expect_stop(void)
{
    clients.is_over = true;
    clients.awaits_stop = true;
    regulars_expect_stop();
}

uint64_t clients_digest(void)
{
    return clients.digest ^ regulars_digest() ^ residents_digest();
}

uint64_t clients_heard(void)
{
    return clients.heard + regulars_heard() + residents_heard();
}

void clients_end(void)
{
    regulars_end();
    FOR_EACH_PLAYER(player)
    {
        if (player->wire != NULL)
            player_fails(player, "is not told that the server stops");
    }
    for (uint32_t i = 0; i < clients.plan.rooms; i++)
        free(clients.parties[i]);
}

void clients_release(void)
{
    regulars_release();
}
