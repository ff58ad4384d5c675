/* The steps of a play, which a seed chooses, and its end, at which nothing may be missing. */
#include "relay/recovery_play.h"

#include <stdio.h>
#include <stdlib.h>

#include "recovery/recovery_picture.h"
#include "recovery/recovery_talk.h"
#include "relay/recovery_network.h"
#include "relay/relay_model_parts.h"

#define SESSIONS_REMEMBERED 4 /* of a client, by the server */
#define ROUNDS_MAX 400        /* in which a network that is well brings everything */
#define DELAY_MAX 30

struct play {
    struct verdict verdict;
    struct recovery_server *server;
    uint64_t random_state;
    struct witness witness;
    struct network network;
    struct player_voice voice;
    struct talk talk;
    struct player players[RECOVERY_PLAYERS];
    uint32_t absence[RECOVERY_PLAYERS]; /* how seldom the player comes back */
    uint32_t player_count;
    uint32_t creator; /* who makes the room, or has made it; RECOVERY_NONE: nobody yet */
    uint32_t creator_life;
    char code[TEXT_STRING_MAX]; /* that the creator has told the others; empty: none yet */
    bool has_crashes;
};

static uint32_t below(struct play *play, uint32_t bound)
{
    return random_next(&play->random_state) % bound;
}

static uint32_t below_for_talk(void *context, uint32_t bound)
{
    return below(context, bound);
}

static bool is_one_in(struct play *play, uint32_t count)
{
    return below(play, count) == 0;
}

PRINTF_LIKE(2, 3) static void trace(const struct play *play, const char *format, ...)
{
    if (!play->network.has_trace)
        return;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

static void say_over_network(void *context, uint32_t connection, const char *text)
{
    struct play *play = context;
    network_say(&play->network, connection, text);
}

/* Nobody can get into the room any more. */
static void forget_room(struct play *play)
{
    play->code[0] = '\0';
    play->creator = RECOVERY_NONE;
}

/* The creator tells its code when the state is set. */
static void publish(struct play *play)
{
    if (play->creator == RECOVERY_NONE || play->code[0] != '\0')
        return;
    const struct player *creator = &play->players[play->creator];
    if (creator->life != play->creator_life)
        play->creator = RECOVERY_NONE;
    else if (creator->knows && creator->heard > 0)
        memcpy(play->code, creator->room, sizeof play->code);
}

static void cut(struct play *play, struct player *player, uint32_t arriving)
{
    static const uint16_t codes[] = {CLOSE_RESET, CLOSE_UNLOADED, CLOSE_ASLEEP, CLOSE_GIVEN_UP};
    if (player->connection == RECOVERY_NONE)
        return;
    if (is_one_in(play, 3))
        play->network.links[player->connection].delay = below(play, DELAY_MAX);
    network_cut(&play->network, player->connection, arriving, !is_one_in(play, 3),
                codes[below(play, ARRAY_LENGTH(codes))]);
    player_lose(player);
}

/* The player's page is loaded again. */
static void step_reload(struct play *play, struct player *player)
{
    trace(play, "# player %u is loaded again\n", player->number);
    cut(play, player, below(play, 4));
    player_forget(player);
}

/* Comes, or comes back; or waits for somebody's room. */
static void come(struct play *play, struct player *player)
{
    const char *room = player->knows ? player->room : play->code;
    bool is_creator = room[0] == '\0';
    publish(play);
    if (is_creator && play->creator == RECOVERY_NONE) {
        /* What it had said was for a room that is gone; the state comes before all else. */
        if (player->kept_count > 0)
            step_reload(play, player);
        play->creator = player->number;
        play->creator_life = player->life;
    }
    if (is_creator && play->creator != player->number)
        return;
    uint32_t connection = player->connection;
    if (connection == RECOVERY_NONE)
        connection = network_open(&play->network, player->number);
    if (is_creator)
        player_create(player, connection);
    else
        player_join(player, connection, room);
}

/* Some connections are so slow that the player gives them up before the server hears of them. */
static void step_come(struct play *play, struct player *player)
{
    if (player->is_seated || player->is_waiting || !is_one_in(play, play->absence[player->number]))
        return;
    come(play, player);
    if (is_one_in(play, 5))
        cut(play, player, 1);
}

/* Takes what is under way to a player; the room may turn out to be gone. */
static bool take(struct play *play, uint32_t connection)
{
    struct network_link *link = &play->network.links[connection];
    const struct player *player = &play->players[link->player];
    uint32_t life = player->life;
    char room[TEXT_STRING_MAX];
    memcpy(room, player->is_waiting ? play->witness.links[connection].asked_code : player->room,
           sizeof room);
    bool is_kick = link->is_used && !link->is_open && link->close_code == CLOSE_KICKED;
    bool was_leaving = player->is_leaving;
    if (!network_deliver_down(&play->network, connection))
        return false;
    publish(play);
    if (player->life != life && !is_kick && !was_leaving && strcmp(room, play->code) == 0)
        forget_room(play);
    return true;
}

/* Before there is a room nobody talks. */
static void step_talk(struct play *play, struct player *player, uint32_t choice)
{
    if (!player->is_leaving && (player->knows || play->code[0] != '\0'))
        talk_some(&play->talk, player, choice);
}

static void drop_old_sessions(struct play *play, const struct player *player)
{
    if (player->session > SESSIONS_REMEMBERED)
        network_drop_sessions(&play->network, player->number,
                              player->session - SESSIONS_REMEMBERED + 1);
}

/* The member leaves: by saying so, or by closing the connection. */
static void step_leave(struct play *play, struct player *player)
{
    if (!player->is_seated || player->is_leaving || !player->knows)
        return;
    if (is_one_in(play, 2)) {
        player_leave(player);
        return;
    }
    network_cut(&play->network, player->connection, UINT32_MAX, true, CLOSE_FAREWELL);
    player_forget(player);
}

static bool is_numbered(struct bytes text)
{
    static const char *const others[] = {"created", "joined", "left", "pong", "skipped"};
    for (uint32_t i = 0; i < ARRAY_LENGTH(others); i++) {
        if (text_has_string(text, "type", others[i]))
            return false;
    }
    return !text_has_string(text, "type", "error") || text_number(text, "n") != TEXT_NO_NUMBER;
}

/* How many numbered events of a seat have gone out: the player has some, and the rest is under way.
 * False: the seat's counts are themselves under way. */
static bool count_seen(const struct player *player, const struct network_link *link,
                       uint64_t *ret_seen)
{
    *ret_seen = player->seen;
    for (uint32_t i = 0; i < link->down.count; i++) {
        struct bytes text = bytes_of_string(link->down.texts[i].text);
        if (text_has_string(text, "type", "joined") || text_has_string(text, "type", "left"))
            return false;
        *ret_seen += is_numbered(text);
        if (text_has_string(text, "type", "skipped"))
            *ret_seen += text_number(text, "count");
    }
    return true;
}

/* What the server has told arrives up to some point; then it seats the member anew. */
static void step_seat_anew(struct play *play, struct player *player)
{
    if (play->server->seat_anew == NULL || play->code[0] == '\0' || !player->is_seated ||
        player->is_state_due)
        return;
    uint32_t connection = player->connection;
    struct network_link *link = &play->network.links[connection];
    uint64_t seen;
    if (!link->is_open || witness_seat_of(&play->witness, connection) == NULL ||
        !count_seen(player, link, &seen))
        return;
    network_lose_down(&play->network, connection, below(play, link->down.count + 1));
    count_seen(player, link, &seen);
    trace(play, "# connection %u is seated anew\n", connection);
    play->server->seat_anew(play->server->context, connection, seen);
}

static void step_crash(struct play *play)
{
    if (!play->has_crashes || play->server->crash == NULL || play->code[0] == '\0')
        return;
    trace(play, "# the server crashes\n");
    for (uint32_t i = 0; i < play->player_count; i++)
        player_lose(&play->players[i]);
    network_crash(&play->network);
    witness_crashes(&play->witness, UINT64_MAX);
    play->server->crash(play->server->context);
}

static void step_time(struct play *play)
{
    static const uint32_t lengths_ms[] = {250, 500, 1000, 2000, 4000, 16000};
    uint32_t ms = lengths_ms[below(play, ARRAY_LENGTH(lengths_ms))];
    if (is_one_in(play, 20))
        ms = RECOVERY_HOST_GRACE_MS;
    trace(play, "# %u ms pass\n", ms);
    witness_passes(&play->witness, ms);
    play->server->pass(play->server->context, ms);
}

/* An old connection's bytes, or its end, arrive late; some very late. */
static void step_late(struct play *play)
{
    uint32_t first = below(play, RECOVERY_CONNECTIONS);
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        uint32_t connection = (first + i) % RECOVERY_CONNECTIONS;
        struct network_link *link = &play->network.links[connection];
        if (!link->is_used || !link->is_given_up)
            continue;
        if (link->delay == 0)
            network_deliver_up(&play->network, connection);
        else
            link->delay--;
        return;
    }
}

/* All that the server has told is taken; then every member knows the room as it is. */
static void settle(struct play *play)
{
    bool is_quiet = false;
    for (uint32_t round = 0; round < ROUNDS_MAX && !is_quiet; round++) {
        is_quiet = true;
        for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
            while (!play->verdict.is_broken && take(play, i))
                is_quiet = false;
        }
    }
    for (uint32_t i = 0; i < play->player_count && !play->verdict.is_broken; i++) {
        const struct player *player = &play->players[i];
        if (!player->is_seated)
            continue;
        check_picture(&play->witness, player);
    }
}

static void step_rarely(struct play *play, struct player *player)
{
    uint32_t choice = below(play, 100);
    if (choice < 32)
        step_time(play);
    else if (choice < 41)
        step_reload(play, player);
    else if (choice < 56)
        step_leave(play, player);
    else if (choice < 86)
        step_seat_anew(play, player);
    else if (choice < 89)
        step_crash(play);
    else
        settle(play);
    drop_old_sessions(play, player);
}

static void step(struct play *play)
{
    struct player *player = &play->players[below(play, play->player_count)];
    uint32_t choice = below(play, 100);
    if (choice < TALK_CHOICES) {
        step_talk(play, player, choice);
    } else if (choice < 52) {
        if (player->connection != RECOVERY_NONE)
            network_deliver_up(&play->network, player->connection);
    } else if (choice < 78) {
        if (player->connection != RECOVERY_NONE)
            take(play, player->connection);
    } else if (choice < 86) {
        step_late(play);
    } else if (choice < 88) {
        cut(play, player, below(play, 6));
    } else if (choice < 94) {
        step_come(play, player);
    } else {
        step_rarely(play, player);
    }
}

/* Whether all that this player wants of the server has come. */
static bool is_at_rest(const struct play *play, const struct player *player)
{
    const struct network_link *link = &play->network.links[player->connection];
    return link->is_open && link->up.count == 0 && link->down.count == 0 &&
           player->kept_count == 0 && !player->is_leaving;
}

/* The network is well: everybody comes back, and everything comes through. */
static bool bring_everything(struct play *play)
{
    bool is_done = true;
    for (uint32_t i = 0; i < play->player_count; i++) {
        struct player *player = &play->players[i];
        if (!player->is_seated && !player->is_waiting)
            come(play, player);
        else if (player->is_seated && !player->is_leaving)
            player_ping(player);
        uint32_t connection = player->connection;
        while (connection != RECOVERY_NONE && network_deliver_up(&play->network, connection))
            continue;
    }
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        while (!play->verdict.is_broken && take(play, i))
            continue;
    }
    for (uint32_t i = 0; i < play->player_count; i++)
        is_done = is_done && play->players[i].is_seated && is_at_rest(play, &play->players[i]);
    return is_done;
}

static void finish(struct play *play)
{
    bool is_done = false;
    network_heal(&play->network);
    for (uint32_t i = 0; i < ROUNDS_MAX && !is_done && !play->verdict.is_broken; i++)
        is_done = bring_everything(play);
    promise(&play->verdict, is_done, "not everybody gets everything");
    if (play->verdict.is_broken)
        return;
    settle(play);
    for (uint32_t i = 0; i < play->player_count; i++)
        check_said(&play->witness, &play->players[i]);
}

static void begin(struct play *play, struct recovery_server *server,
                  const struct recovery_options *options)
{
    memset(play, 0, sizeof *play);
    play->server = server;
    play->random_state = options->seed;
    play->voice = (struct player_voice){say_over_network, play};
    play->talk = (struct talk){below_for_talk, play, server->lacks, server->large_bytes};
    play->creator = RECOVERY_NONE;
    play->player_count = 2 + below(play, RECOVERY_PLAYERS - 1);
    play->has_crashes = is_one_in(play, 4);
    bool ends_with_host = is_one_in(play, 4) && (server->lacks & LACKS_END_WITH_HOST) == 0;
    witness_init(&play->witness, server, &play->verdict);
    network_init(&play->network, server, &play->witness, play->players, options->has_trace);
    for (uint32_t i = 0; i < play->player_count; i++) {
        struct player *player = &play->players[i];
        player_init(player, i, &play->voice, &play->verdict);
        player->broken = options->broken;
        player->ends_with_host = ends_with_host;
        play->absence[i] = is_one_in(play, 3) ? 1 + below(play, 20) : 1;
    }
}

struct recovery_outcome recovery_play(struct recovery_server *server,
                                      const struct recovery_options *options)
{
    static struct play play;
    begin(&play, server, options);
    for (uint32_t i = 0; i < options->steps && !play.verdict.is_broken; i++)
        step(&play);
    if (!play.verdict.is_broken)
        finish(&play);
    struct recovery_outcome outcome = {
        .verdict = play.verdict,
        .recovered = play.witness.recovered_count,
        .unrecovered = play.witness.unrecovered_count,
    };
    for (uint32_t i = 0; i < play.player_count; i++) {
        outcome.messages += play.players[i].last_id;
        player_release(&play.players[i]);
    }
    network_release(&play.network);
    witness_release(&play.witness);
    return outcome;
}
