/* What befalls a player of protocol 3, and how it comes back. What it says is recovery_talk.c's. */
#include "regulars.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recovery/recovery_picture.h"
#include "recovery/recovery_talk.h"
#include "refusals.h"
#include "relay/code.h"
#include "tap.h"
#include "wire.h"
#include "world.h"

#define LEAVING_NS (12 * NETWORK_S) /* until a node has heard of it, at most */
#define GATHERINGS_MAX 3
#define SAID_MAX (PLAYER_IDS - 100) /* then a player has said enough */
#define LONG_TEXT 2000              /* above what is copied to each recipient */
#define BURST 10                    /* messages at once */
#define KEPT_EVENTS 20              /* that a log of the usual size has, at least */
#define USUAL_LOG_BYTES 65536
#define PATIENCE_NS (8 * NETWORK_S) /* until a connection without an answer is given up */
#define LATE_MAX_NS (3 * NETWORK_S) /* that a dead connection's bytes arrive late */
#define SETTLED_NS (NETWORK_S / 2)  /* in which the server handles what has arrived */
#define ABSENCE_LEAST_NS                                                                         \
    (10 * NETWORK_S)                     /* of those who are away for long: some for longer than \
                                          */
#define ABSENCE_MORE_NS (25 * NETWORK_S) /* their seat is held */
#define PING_NS NETWORK_S
#define CLOCK_LATE_MS 200                         /* of the witness and the server, see tap.c */
#define RESTARTED_HOLD_MS (30000 - CLOCK_LATE_MS) /* see "Records" in ARCHITECTURE.md */
#define HELD_MAX_NS (6 * NETWORK_S) /* without a connection, for one that just said something */
/* For one that had said nothing: the server's ping may be under way, and 5 s later it is gone. */
#define QUIET_HELD_MAX_NS (4 * NETWORK_S)

struct regular {
    struct gathering *gathering;
    struct player player;
    struct wire *wire; /* NULL: it has no connection, and so is `line` */
    struct tap_line *line;
    bool is_open;
    bool is_cut_off; /* the server has stopped or crashed since it connected */
    uint64_t acts_ns;
    uint64_t recovers_ns; /* held or stalled until then; 0: it is not */
    uint64_t waits_ns;    /* for an answer; then it gives the connection up */
    uint64_t pings_ns;
    uint64_t old_ns;   /* until then bytes of connections that it gave up may arrive, */
    uint32_t old_life; /* which are of this life */
};

struct gathering {
    struct verdict verdict;
    struct recovery_server server; /* what the witness wants to know of it */
    struct witness witness;
    struct player_voice voice;
    struct talk talk;
    struct tap_line lines[RECOVERY_CONNECTIONS];
    bool is_line_used[RECOVERY_CONNECTIONS];
    uint64_t over_ns[RECOVERY_CONNECTIONS]; /* when it was seen that it is over; 0: it was not */
    struct regular regulars[RECOVERY_PLAYERS];
    uint32_t count;
    uint32_t creator; /* who makes the room, or has made it; RECOVERY_NONE: nobody yet */
    uint32_t creator_life;
    char code[TEXT_STRING_MAX]; /* that the creator has told the others; empty: none yet */
    uint64_t hit_ns;
};

static struct {
    struct clients_plan plan;
    struct gathering *gatherings[GATHERINGS_MAX];
    uint32_t count;
    uint32_t connections; /* so far */
    bool is_silent;
    bool is_over;
    bool awaits_stop;
    uint64_t digest;
    uint64_t heard;
} regulars;

PRINTF_LIKE(2, 3) static void trace(const struct regular *regular, const char *format, ...)
{
    if (!regulars.plan.is_traced)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%12.6f regular %" PRIu32 "/%s ", (double)network_now_ns() / 1e9, regular->player.number,
           regular->player.room);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

_Noreturn PRINTF_LIKE(2, 3) static void fail(const struct regular *regular, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "regular %" PRIu32 "/%s at %.6f: ", regular->player.number,
            regular->player.room, (double)network_now_ns() / 1e9);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

static void judge(const struct regular *regular)
{
    if (regular->gathering->verdict.is_broken)
        fail(regular, "%s", regular->gathering->verdict.what);
}

static void note(const struct regular *regular, struct bytes data)
{
    uint64_t digest = regulars.digest ^ regular->player.number;
    for (size_t i = 0; i < data.length; i++)
        digest = (digest ^ data.data[i]) * UINT64_C(0x100000001B3);
    regulars.digest = digest ^ network_now_ns();
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The wire is gone. */
static void be_gone(struct regular *regular, uint64_t for_ns)
{
    regular->wire = NULL;
    regular->line = NULL;
    regular->is_open = false;
    regular->recovers_ns = 0;
    regular->acts_ns = network_now_ns() + for_ns;
    if (regular->player.connection != RECOVERY_NONE)
        player_lose(&regular->player);
}

static void come_again_soon(struct regular *regular)
{
    be_gone(regular, network_random() % (2 * NETWORK_S));
}

/* What it has sent arrives in part, and some of it late: later than the next connection. */
static void give_up(struct regular *regular, uint64_t away_ns)
{
    uint64_t late_ns = network_once_in(3) ? network_random() % LATE_MAX_NS : 0;
    uint64_t old_ns = network_now_ns() + late_ns + SETTLED_NS;
    trace(regular, "gives its connection up; the rest comes %.3f s late", (double)late_ns / 1e9);
    regular->old_ns = old_ns > regular->old_ns ? old_ns : regular->old_ns;
    regular->old_life = regular->player.life;
    wire_give_up(regular->wire, late_ns, !network_once_in(3));
    be_gone(regular, away_ns);
}

/* Nobody can get into the room any more. */
static void forget_room(struct gathering *gathering)
{
    gathering->code[0] = '\0';
    gathering->creator = RECOVERY_NONE;
}

/* The creator tells its code when it knows the room, and the room has a state if it is to. */
static void publish(struct gathering *gathering)
{
    if (gathering->creator == RECOVERY_NONE || gathering->code[0] != '\0')
        return;
    const struct player *creator = &gathering->regulars[gathering->creator].player;
    if (creator->life != gathering->creator_life)
        gathering->creator = RECOVERY_NONE;
    else if (creator->knows && (creator->heard > 0 || creator->begins_without_state))
        memcpy(gathering->code, creator->room, sizeof gathering->code);
}

/* The player has forgotten the room that it was in: if it was the common one, that is gone. */
static void leave_room_behind(struct regular *regular, uint32_t life, const char *room)
{
    struct gathering *gathering = regular->gathering;
    publish(gathering);
    if (regular->player.life != life && strcmp(room, gathering->code) == 0)
        forget_room(gathering);
}

/* The edge answers a `ping` itself of somebody whose home is lost; no relay has said this. */
static bool is_of_edge(struct bytes text)
{
    return world_is_cluster() && bytes_equal(text, BYTES("{\"type\":\"pong\"}"));
}

static void take(struct regular *regular, struct bytes text)
{
    struct player *player = &regular->player;
    const struct witness_link *link = &regular->gathering->witness.links[regular->line->connection];
    uint32_t life = player->life;
    bool keeps_room = player->is_leaving || text_has_string(text, "code", "kicked");
    char room[TEXT_STRING_MAX];
    memcpy(room, player->is_waiting ? link->asked_code : player->room, sizeof room);
    trace(regular, "hears %.*s", (int)text.length, text.data);
    note(regular, text);
    regulars.heard++;
    if (!tap_take(regular->line, text) && !is_of_edge(text))
        fail(regular, "hears %.*s, which it was not told now, but %s", (int)text.length, text.data,
             tap_first(regular->line));
    player_take(player, text);
    judge(regular);
    leave_room_behind(regular, keeps_room ? player->life : life, room);
    if (!player->is_seated && !player->is_waiting)
        regular->acts_ns = network_now_ns();
}

static void heard(void *owner, const char *text, size_t length)
{
    take(owner, bytes_of((const uint8_t *)text, length));
}

static void heard_bytes(void *owner, struct bytes message)
{
    char *text = tap_text_to_client(message);
    take(owner, bytes_of_string(text));
    free(text);
}

/* Behind a link that is void, or since it has left a room that may be another node's. */
static bool may_be_sent_away(const struct player *player)
{
    return world_may_void_links() || (world_is_cluster() && !player->is_seated);
}

static void hear_close(void *owner, unsigned code, const char *reason)
{
    struct regular *regular = owner;
    struct gathering *gathering = regular->gathering;
    struct player *player = &regular->player;
    bool lacks_memory = code == 1011 || (code == 1013 && strcmp(reason, "out of memory") == 0);
    uint32_t life = player->life;
    trace(regular, "is closed with %u %s", code, reason);
    note(regular, bytes_of_string(reason));
    if (code == CLOSE_KICKED || code == CLOSE_ROOM_CLOSED) {
        char room[TEXT_STRING_MAX];
        memcpy(room, player->room, sizeof room);
        player_closed(player, (uint16_t)code);
        judge(regular);
        leave_room_behind(regular, code == CLOSE_KICKED ? player->life : life, room);
    } else if (regular->is_cut_off && code == 1012) {
        player_lose(player);
    } else if (lacks_memory ? !clients_are_hit(&gathering->hit_ns)
                            : (code != world_stop_code() || !regulars.awaits_stop) &&
                                  (code != 1012 || !may_be_sent_away(player))) {
        fail(regular, "is closed with %u %s", code, reason);
    }
    wire_close(regular->wire);
    come_again_soon(regular);
}

/* Nothing ends without a word but what lacks memory or a descriptor. A close frame may come too
 * late for who is not there to hear it. */
static void ended(void *owner, bool is_reset)
{
    struct regular *regular = owner;
    bool has_reason = link_lacks_descriptor(wire_link(regular->wire)) ||
                      regular->line->closed_with != 0 || regular->is_cut_off;
    trace(regular, is_reset ? "is reset" : "is ended");
    note(regular, BYTES("end"));
    if (!has_reason && !world_may_void_links() && !clients_are_hit(&regular->gathering->hit_ns))
        fail(regular, "is cut off by the server");
    if (is_reset)
        wire_reset(regular->wire);
    else
        wire_close(regular->wire);
    come_again_soon(regular);
}

static void refused(void *owner, const char *response)
{
    struct regular *regular = owner;
    bool lacks_descriptor = strncmp(response, "HTTP/1.1 503 ", 13) == 0 &&
                            link_lacks_descriptor(wire_link(regular->wire));
    trace(regular, "is answered %.12s", response);
    if (!lacks_descriptor && !regular->is_cut_off && !clients_are_hit(&regular->gathering->hit_ns))
        fail(regular, "is answered %s", response);
    wire_close(regular->wire);
    come_again_soon(regular);
}

/*
 * Whether it may come now, as somebody who creates the room (`ret_room` is empty) or who joins. A
 * server would take the join of a former life for the later one, if it came later: it forgets
 * sessions with their seats.
 */
static bool may_come(struct regular *regular, const char **ret_room)
{
    struct gathering *gathering = regular->gathering;
    const struct player *player = &regular->player;
    publish(gathering);
    *ret_room = player->knows ? player->room : gathering->code;
    if (regular->old_life != player->life && network_now_ns() < regular->old_ns)
        return false;
    return (*ret_room)[0] != '\0' || gathering->creator == RECOVERY_NONE ||
           gathering->creator == player->number;
}

/* Nobody has a room: this one creates it. */
static void take_over_creation(struct regular *regular)
{
    struct gathering *gathering = regular->gathering;
    struct player *player = &regular->player;
    if (gathering->creator != RECOVERY_NONE)
        return;
    /* What it had said was for a room that is gone; the state comes before all else. */
    if (player->kept_count > 0)
        player_forget(player);
    gathering->creator = player->number;
    gathering->creator_life = player->life;
}

/* Says `create` or `join`; or comes later, if it may not now. */
static void enter(struct regular *regular)
{
    struct player *player = &regular->player;
    const char *room;
    uint32_t connection = regular->line->connection;
    if (!may_come(regular, &room)) {
        regular->acts_ns = network_now_ns() + NETWORK_S / 5;
        return;
    }
    regular->waits_ns = network_now_ns() + PATIENCE_NS;
    regular->acts_ns = regular->waits_ns;
    if (room[0] == '\0')
        take_over_creation(regular);
    if (room[0] == '\0')
        player_create(player, connection);
    else
        player_join(player, connection, room);
    /* Some connections are so slow that the player gives them up before the server hears of them;
     * the next one comes at the same time. */
    if (regulars.plan.has_faults && regular->is_open && network_once_in(6))
        give_up(regular, network_random() % (NETWORK_S / 10));
}

static void opened(void *owner)
{
    struct regular *regular = owner;
    note(regular, BYTES("open"));
    regular->is_open = true;
    if (regular->player.connection == RECOVERY_NONE)
        enter(regular);
}

static const struct wire_events events = {.opened = opened,
                                          .heard = heard,
                                          .heard_bytes = heard_bytes,
                                          .closed = hear_close,
                                          .ended = ended,
                                          .refused = refused};

/*
 * Whether no server can say anything of the connection that was the last one on this line: another
 * node may hear only later that it is over.
 */
static bool may_use_line(struct gathering *gathering, uint32_t number)
{
    if (!gathering->is_line_used[number])
        return true;
    if (!gathering->lines[number].watch.is_over)
        return false;
    if (gathering->over_ns[number] == 0)
        gathering->over_ns[number] = network_now_ns();
    return !world_is_cluster() || network_now_ns() - gathering->over_ns[number] > LEAVING_NS;
}

/* NULL: the server still has too many connections that nobody uses. */
static struct tap_line *find_line(struct gathering *gathering, uint32_t *ret_number)
{
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        if (!may_use_line(gathering, i))
            continue;
        gathering->is_line_used[i] = true;
        gathering->over_ns[i] = 0;
        *ret_number = i;
        return &gathering->lines[i];
    }
    return NULL;
}

/* From a new address each time, as phones do. */
static void connect_regular(struct regular *regular)
{
    struct gathering *gathering = regular->gathering;
    const char *room;
    uint32_t number;
    regular->acts_ns = network_now_ns() + NETWORK_S / 5;
    if (!may_come(regular, &room))
        return;
    struct tap_line *line = find_line(gathering, &number);
    if (line == NULL)
        return;
    uint32_t count = regulars.connections++;
    uint8_t octets[4] = {100, (uint8_t)(64 + (count >> 16)), (uint8_t)(count >> 8), (uint8_t)count};
    bool is_hasty = regulars.plan.has_faults && network_once_in(3);
    regular->wire = wire_prepare(address_of_ipv4(octets), 3, &events, regular);
    regular->line = line;
    regular->is_cut_off = world_is_stopping();
    tap_open(line, wire_link(regular->wire), &gathering->witness, number, regular->player.number);
    trace(regular, is_hasty ? "connects, and does not wait" : "connects");
    regular->waits_ns = network_now_ns() + PATIENCE_NS;
    regular->acts_ns = regular->waits_ns;
    if (is_hasty)
        enter(regular);
    wire_send_off(regular->wire);
}

/* A message for one, all or the host may as well be a binary one. */
static bool may_be_binary(struct bytes text)
{
    struct json_value to = text_member(text, "to");
    uint32_t data[TEXT_LIST_MAX];
    bool is_for_one = text_number(text, "to") <= UINT32_MAX || text_has_string(text, "to", "host");
    return text_has_string(text, "type", "send") && (to.kind == JSON_ABSENT || is_for_one) &&
           text_list(text, "data", data) >= 3 && data[2] % 3 == 0;
}

static void say_bytes(struct regular *regular, struct bytes text)
{
    static uint8_t message[LONG_TEXT * 2];
    struct bytes data = text_member(text, "data").raw;
    uint64_t to = text_number(text, "to");
    size_t length = 1;
    message[0] = text_is_true(text, "volatile") ? 128 : 0;
    if (to != TEXT_NO_NUMBER) {
        message[0] |= 1;
        for (int shift = 24; shift >= 0; shift -= 8)
            message[length++] = (uint8_t)(to >> shift);
    } else if (text_member(text, "to").kind != JSON_ABSENT) {
        message[0] |= 2;
    }
    memcpy(message + length, data.data, data.length);
    wire_send_frame(regular->wire, 0x82, true, message, length + data.length);
}

static void say(void *context, uint32_t connection, const char *text)
{
    struct gathering *gathering = context;
    for (uint32_t i = 0; i < gathering->count; i++) {
        struct regular *regular = &gathering->regulars[i];
        if (regular->wire == NULL || regular->line->connection != connection)
            continue;
        trace(regular, "says %s", text);
        if (strcmp(text, "nonsense") == 0 && network_once_in(2))
            wire_send_frame(regular->wire, 0x82, true, "\x07", 1);
        else if (may_be_binary(bytes_of_string(text)))
            say_bytes(regular, bytes_of_string(text));
        else
            wire_say(regular->wire, text, strlen(text));
    }
}

static uint32_t below(void *context, uint32_t bound)
{
    (void)context;
    return network_below(bound);
}

/* The page is loaded again: it knows nothing any more. */
static void reload(struct regular *regular)
{
    trace(regular, "is loaded again");
    give_up(regular, network_random() % NETWORK_S);
    player_forget(&regular->player);
}

static void leave(struct regular *regular)
{
    if (network_once_in(2)) {
        player_leave(&regular->player);
        return;
    }
    trace(regular, "says farewell");
    wire_leave(regular->wire, CLOSE_FAREWELL);
    regular->old_ns = network_now_ns() + SETTLED_NS;
    regular->old_life = regular->player.life;
    be_gone(regular, network_random() % (2 * NETWORK_S));
    player_forget(&regular->player);
}

static void be_held(struct regular *regular, bool is_stalled)
{
    trace(regular, is_stalled ? "reads nothing for a while" : "hears nothing for a while");
    if (is_stalled)
        link_stall(wire_link(regular->wire), true);
    else
        link_hold(wire_link(regular->wire), true);
    bool has_spoken = network_now_ns() < regular->pings_ns + PING_NS;
    uint64_t longest_ns = has_spoken ? HELD_MAX_NS : QUIET_HELD_MAX_NS;
    regular->recovers_ns = network_now_ns() + network_random() % longest_ns;
}

/* What may befall somebody who is seated. */
static void suffer(struct regular *regular)
{
    static const unsigned codes[] = {CLOSE_UNLOADED, CLOSE_ASLEEP, CLOSE_GIVEN_UP};
    uint64_t away_ns = network_once_in(6) ? ABSENCE_LEAST_NS + network_random() % ABSENCE_MORE_NS
                                          : network_random() % (3 * NETWORK_S);
    switch (network_below(10)) {
    case 0:
    case 1:
    case 2:
        give_up(regular, away_ns);
        break;
    case 3: /* the next connection comes while the server has this one */
        give_up(regular, network_random() % (NETWORK_S / 10));
        break;
    case 4:
        trace(regular, "is cut off");
        wire_reset(regular->wire);
        be_gone(regular, away_ns);
        break;
    case 5:
        trace(regular, "goes away for a while");
        wire_leave(regular->wire, codes[network_below(ARRAY_LENGTH(codes))]);
        be_gone(regular, away_ns);
        break;
    case 6:
    case 7:
        be_held(regular, network_once_in(2));
        break;
    case 8:
        reload(regular);
        break;
    default:
        leave(regular);
        break;
    }
}

/* The network is back. */
static void recover(struct regular *regular)
{
    struct link *link = wire_link(regular->wire);
    regular->recovers_ns = 0;
    if (!link_is_served(link) && regular->line->closed_with == 0 && !regular->is_cut_off &&
        !clients_are_hit(&regular->gathering->hit_ns))
        fail(regular, "was silent for less than may be, and was closed");
    link_stall(link, false);
    link_hold(link, false);
}

static void say_some(struct regular *regular)
{
    const struct player *player = &regular->player;
    bool may_say = !regulars.is_silent && player->last_id < SAID_MAX;
    uint32_t count = network_once_in(20) ? BURST : 1;
    for (; may_say && count > 0 && regular->wire != NULL && !player->is_leaving; count--)
        talk_some(&regular->gathering->talk, &regular->player, network_below(TALK_CHOICES));
    bool has_cause = !regulars.is_silent || player->kept_count > 0;
    if (has_cause && network_now_ns() >= regular->pings_ns && !player->is_leaving) {
        regular->pings_ns = network_now_ns() + PING_NS;
        player_ping(&regular->player);
    }
}

static void act_seated(struct regular *regular)
{
    uint64_t interval_ns = regulars.plan.message_interval_ns;
    regular->acts_ns = network_now_ns() + interval_ns / 4 + network_random() % interval_ns;
    if (regulars.plan.has_faults && regular->recovers_ns == 0 && !regular->player.is_leaving &&
        network_once_in(10))
        suffer(regular);
    else
        say_some(regular);
}

static void act(struct regular *regular)
{
    const struct player *player = &regular->player;
    if (regular->recovers_ns != 0 && regular->recovers_ns <= network_now_ns()) {
        recover(regular);
    } else if (regulars.is_over) {
        regular->acts_ns = UINT64_MAX;
    } else if (regular->wire == NULL) {
        connect_regular(regular);
        /* What it thinks of meanwhile it says later. */
        if (regular->wire == NULL && player->knows && !regulars.is_silent && network_once_in(10) &&
            player->last_id < SAID_MAX && !player->is_leaving)
            player_send(&regular->player, NULL, false, 0);
    } else if (player->is_seated) {
        act_seated(regular);
    } else if (network_now_ns() >= regular->waits_ns && regular->recovers_ns == 0) {
        give_up(regular, network_random() % NETWORK_S);
    } else if (regular->is_open && !player->is_waiting) {
        enter(regular);
    } else {
        regular->acts_ns = network_now_ns() + NETWORK_S;
    }
    judge(regular);
}

static uint64_t due_ns(const struct regular *regular)
{
    return regular->recovers_ns != 0 ? least(regular->recovers_ns, regular->acts_ns)
                                     : regular->acts_ns;
}

#define FOR_EACH_REGULAR(regular)                                                    \
    for (uint32_t at_ = 0; at_ < regulars.count; at_++)                              \
        for (struct regular *regular = regulars.gatherings[at_]->regulars,           \
                            *const end_ = regular + regulars.gatherings[at_]->count; \
             regular < end_; regular++)

uint64_t regulars_next_ns(void)
{
    uint64_t next_ns = UINT64_MAX;
    FOR_EACH_REGULAR(regular)
    {
        next_ns = least(next_ns, due_ns(regular));
    }
    return next_ns;
}

void regulars_act(void)
{
    uint64_t now_ns = network_now_ns();
    FOR_EACH_REGULAR(regular)
    {
        if (due_ns(regular) <= now_ns)
            act(regular);
    }
}

static struct gathering *new_gathering(void)
{
    struct gathering *gathering = certain_calloc(1, sizeof *gathering);
    bool is_usual = world_config()->log_bytes_max == USUAL_LOG_BYTES && !world_refuses_memory();
    bool ends_with_host = network_once_in(4);
    gathering->server.kept_events = is_usual ? KEPT_EVENTS : 0;
    gathering->voice = (struct player_voice){say, gathering};
    gathering->talk = (struct talk){.below = below, .large_bytes = LONG_TEXT};
    gathering->creator = RECOVERY_NONE;
    gathering->count = 2 + network_below(RECOVERY_PLAYERS - 1);
    witness_init(&gathering->witness, &gathering->server, &gathering->verdict);
    tap_add_witness(&gathering->witness);
    for (uint32_t i = 0; i < gathering->count; i++) {
        struct regular *regular = &gathering->regulars[i];
        regular->gathering = gathering;
        player_init(&regular->player, i, &gathering->voice, &gathering->verdict);
        regular->player.ends_with_host = ends_with_host;
        regular->player.begins_without_state = network_once_in(2);
        regular->acts_ns = network_now_ns() + network_random() % NETWORK_S;
    }
    return gathering;
}

void regulars_begin(const struct clients_plan *plan)
{
    memset(&regulars, 0, sizeof regulars);
    regulars.plan = *plan;
    tap_begin();
    regulars.count = 1 + network_below(GATHERINGS_MAX);
    for (uint32_t i = 0; i < regulars.count; i++)
        regulars.gatherings[i] = new_gathering();
}

void regulars_stand_still(uint64_t for_ns)
{
    FOR_EACH_REGULAR(regular)
    {
        if (regular->recovers_ns != 0)
            regular->recovers_ns += for_ns;
        regular->old_ns += for_ns;
        if (regular->wire != NULL)
            regular->waits_ns += for_ns;
    }
}

void regulars_are_cut_off(void)
{
    FOR_EACH_REGULAR(regular)
    {
        regular->is_cut_off = true;
    }
}

/* The time of what has just happened may be the same as that of what is lost. */
void regulars_lose_changes(uint64_t since_ns, uint64_t lost_code)
{
    uint64_t kept_ms = since_ns == UINT64_MAX ? UINT64_MAX : since_ns / NETWORK_MS - 1;
    char code[CODE_LENGTH_MAX + 1] = {0};
    code_write(lost_code, (uint8_t *)code);
    for (uint32_t i = 0; i < regulars.count; i++) {
        struct witness *witness = &regulars.gatherings[i]->witness;
        witness->now_ms = network_now_ns() / NETWORK_MS;
        witness_crashes(witness, kept_ms);
        if (lost_code != 0)
            witness_loses_room(witness, code);
    }
}

void regulars_are_restarted(void)
{
    const struct config *config = world_config();
    for (uint32_t i = 0; i < regulars.count; i++) {
        struct witness *witness = &regulars.gatherings[i]->witness;
        witness->now_ms = network_now_ns() / NETWORK_MS;
        witness_restarts(witness, RESTARTED_HOLD_MS, (uint32_t)config->migrate_ms - CLOCK_LATE_MS);
    }
}

/* Who is away for long comes back now. */
void regulars_end_faults(void)
{
    regulars.plan.has_faults = false;
    FOR_EACH_REGULAR(regular)
    {
        regular->acts_ns = least(regular->acts_ns, network_now_ns() + NETWORK_S);
    }
}

void regulars_fall_silent(void)
{
    regulars.is_silent = true;
}

void regulars_check_rest(void)
{
    FOR_EACH_REGULAR(regular)
    {
        struct gathering *gathering = regular->gathering;
        const struct player *player = &regular->player;
        if (!player->is_seated)
            fail(regular, "is in no room");
        if (player->kept_count > 0 || !tap_is_empty(regular->line))
            fail(regular, "has %u messages that nobody confirms, or has not heard all",
                 player->kept_count);
        check_picture(&gathering->witness, player);
        check_said(&gathering->witness, player);
        judge(regular);
    }
}

void regulars_leave(void)
{
    regulars.is_over = true;
    FOR_EACH_REGULAR(regular)
    {
        if (regular->wire != NULL)
            wire_reset(regular->wire);
        be_gone(regular, 0);
        regular->acts_ns = UINT64_MAX;
    }
}

void regulars_expect_stop(void)
{
    regulars.is_over = true;
    regulars.awaits_stop = true;
}

uint64_t regulars_digest(void)
{
    return regulars.digest;
}

uint64_t regulars_heard(void)
{
    return regulars.heard;
}

void regulars_end(void)
{
    FOR_EACH_REGULAR(regular)
    {
        if (regular->wire != NULL)
            fail(regular, "is not told that the server stops");
    }
}

static void trace_witness(const struct gathering *gathering)
{
    const struct witness *witness = &gathering->witness;
    if (regulars.plan.is_traced)
        printf("gathering of %" PRIu32 ": %" PRIu32 " rooms, %" PRIu32 " seats, %" PRIu32
               " epochs, %" PRIu32 " recovered, %" PRIu32 " not\n",
               gathering->count, witness->room_count, witness->seat_count, witness->epoch_count,
               witness->recovered_count, witness->unrecovered_count);
}

void regulars_release(void)
{
    FOR_EACH_REGULAR(regular)
    {
        player_release(&regular->player);
    }
    for (uint32_t i = 0; i < regulars.count; i++) {
        struct gathering *gathering = regulars.gatherings[i];
        trace_witness(gathering);
        for (uint32_t j = 0; j < RECOVERY_CONNECTIONS; j++)
            tap_release(&gathering->lines[j]);
        witness_release(&gathering->witness);
        free(gathering);
    }
}
