/*
 * A party is a host and guests who say numbered things; each notes the last number that it heard of
 * each other one. What a client says bears its player, the connection that said it, and a number
 * that counts what that connection said to everybody or to one.
 */
#include "clients.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"

#define PARTIES_MAX 64
#define PLAYERS_MAX 16
#define PEERS_MAX 1024 /* indices of protocol 2 in the life of a room */
#define TEXT_MAX 4096
#define LONG_TEXT 2000                 /* above what is copied to each recipient */
#define QUIET_FACTOR 30                /* times as seldom as others */
#define BURST 100                      /* messages at once, above what a turn has for one client */
#define SILENCE_MAX_NS (3 * NETWORK_S) /* beyond the idle timeout, until a silent one is gone */

enum state {
    STATE_AWAY,
    STATE_UPGRADING, /* the request for a WebSocket is on its way */
    STATE_ENTERING,  /* create or join is */
    STATE_SEATED,
};

/* Another member, as a player knows it: by its index, or in protocol 1 by its number. */
struct peer {
    bool is_here;
    bool is_complete; /* it is heard from its first message on, since it came after this player */
    uint32_t connection; /* that was heard last */
    uint32_t told_all;   /* the last number of what it said to everybody, */
    uint32_t told_me;    /* and to this player */
};

struct player {
    struct party *party;
    uint32_t number;
    bool is_quiet; /* speaks seldom: its pongs keep it */
    enum state state;
    struct link *link;
    uint8_t *unread;
    size_t unread_length;
    uint64_t acts_ns;
    uint64_t recovers_ns; /* held or stalled until then; 0: it is not */
    bool is_paused;
    bool is_muted; /* held for good: it must be found out */
    uint32_t connections;
    uint32_t index;
    char tried[8]; /* the code of the last join */
    uint32_t said_to_all;
    uint32_t said_to[PEERS_MAX];
    struct peer peers[PEERS_MAX];
};

struct party {
    int protocol;
    char code[8]; /* empty: there is no room */
    uint32_t player_count;
    struct player players[PLAYERS_MAX];
};

static struct {
    struct clients_plan plan;
    struct party *parties[PARTIES_MAX];
    bool is_silent;
    bool is_over;
    uint64_t digest;
    uint64_t heard;
} clients;

static const char *name_of(const struct player *player)
{
    static char names[2][32];
    static int next;
    char *name = names[next++ % 2];
    snprintf(name, 32, "%s/%" PRIu32, player->party->code[0] != 0 ? player->party->code : "-",
             player->number);
    return name;
}

PRINTF_LIKE(2, 3) static void trace(const struct player *player, const char *format, ...)
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

PRINTF_LIKE(2, 3) static _Noreturn void broken(const struct player *player, const char *format, ...)
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

/* The connection is gone; the player comes back after a while. */
static void go_away(struct player *player, uint64_t for_ns)
{
    player->state = STATE_AWAY;
    player->link = NULL;
    player->is_paused = false;
    player->is_muted = false;
    player->recovers_ns = 0;
    free(player->unread);
    player->unread = NULL;
    player->unread_length = 0;
    player->acts_ns = network_now_ns() + for_ns;
}

static void send_frame(struct player *player, uint8_t opcode, const void *data, size_t length)
{
    uint8_t frame[TEXT_MAX + 8];
    size_t at = 0;
    assert(length <= TEXT_MAX);
    frame[at++] = 0x80 | opcode;
    if (length < 126) {
        frame[at++] = 0x80 | (uint8_t)length;
    } else {
        frame[at++] = 0x80 | 126;
        frame[at++] = (uint8_t)(length >> 8);
        frame[at++] = (uint8_t)length;
    }
    uint8_t mask[4];
    for (int i = 0; i < 4; i++)
        frame[at++] = mask[i] = (uint8_t)network_random();
    for (size_t i = 0; i < length; i++)
        frame[at++] = ((const uint8_t *)data)[i] ^ mask[i % 4];
    link_send(player->link, bytes_of(frame, at));
}

PRINTF_LIKE(2, 3) static void say(struct player *player, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert(length > 0 && (size_t)length < sizeof text);
    send_frame(player, 0x1, text, (size_t)length);
}

static void close_politely(struct player *player)
{
    static const uint8_t normal[2] = {0x03, 0xE8};
    trace(player, "says goodbye");
    send_frame(player, 0x8, normal, sizeof normal);
    link_close(player->link);
}

/* What is said is said by the rules of counting at the top of this file. */
static void say_something(struct player *player)
{
    struct party *party = player->party;
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

/* Once, or many times at once. */
static void say_some(struct player *player)
{
    for (uint32_t left = network_once_in(30) ? BURST : 1; left > 0; left--)
        say_something(player);
}

static struct peer *peer_of(struct player *player, uint32_t number)
{
    if (number >= PEERS_MAX)
        broken(player, "is told of the member %u", number);
    return &player->peers[number];
}

/* A member is here: it has come just now, or was here before. */
static void meet(struct player *player, uint32_t number, bool came_later)
{
    struct peer *peer = peer_of(player, number);
    if (peer->is_here)
        broken(player, "is told twice that %u is here", number);
    *peer = (struct peer){.is_here = true, .is_complete = came_later};
}

static void part(struct player *player, uint32_t number)
{
    struct peer *peer = peer_of(player, number);
    if (!peer->is_here)
        broken(player, "is told that %u has left, who was not here", number);
    peer->is_here = false;
}

/* The number that follows some text, such as `"index":`; in protocol 1 that of an id `"pN"`. */
static uint32_t number_after(struct player *player, const char *text, const char *before)
{
    const char *at = strstr(text, before);
    if (at == NULL)
        broken(player, "is told %s without %s", text, before);
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
        broken(player, "hears %s", text);
    if (!peer->is_here)
        broken(player, "hears %s of somebody who is not here", text);
    clients.heard++;
    uint32_t *last = is_for_one ? &peer->told_me : &peer->told_all;
    if (connection < peer->connection)
        broken(player, "hears an older connection: %s", text);
    if (connection > peer->connection) {
        /* Whoever takes over a seat does so without a word, and begins to count anew. */
        peer->is_complete |= peer->connection > 0;
        peer->connection = connection;
        peer->told_all = 0;
        peer->told_me = 0;
    }
    bool may_begin_anywhere = *last == 0 && !peer->is_complete;
    if (count != *last + 1 && !may_begin_anywhere)
        broken(player, "hears %s after number %u", text, *last);
    *last = count;
}

/* Whom the list of those who are here names. */
static void meet_all(struct player *player, const char *text, const char *before)
{
    const char *at = strstr(text, before);
    if (at == NULL)
        broken(player, "is told %s", text);
    memset(player->peers, 0, sizeof player->peers);
    for (at += strlen(before); *at != ']' && *at != '\0';) {
        if (*at == '"' || *at == 'p' || *at == ',') {
            at++;
            continue;
        }
        char *end;
        uint32_t number = (uint32_t)strtoul(at, &end, 10);
        if (end == at)
            broken(player, "is told %s", text);
        if (player->party->protocol == 2 || number != player->number)
            meet(player, number, false);
        at = end;
    }
}

static void take_seat(struct player *player, const char *text)
{
    struct party *party = player->party;
    player->state = STATE_SEATED;
    player->acts_ns = network_now_ns() + network_random() % clients.plan.message_interval_ns;
    player->index =
        party->protocol == 2 ? number_after(player, text, "\"index\":") : player->number;
}

static void hear_error(struct player *player, const char *text)
{
    bool is_expected = strstr(text, "Room not found") != NULL;
    if (strstr(text, "Target") != NULL || strstr(text, "Not in a room") != NULL)
        return; /* who was here when it was said; what was said behind a join that failed */
    if (!is_expected || player->state != STATE_ENTERING)
        broken(player, "is told %s", text);
    if (strcmp(player->tried, player->party->code) == 0) {
        if (others_are_seated(player))
            broken(player, "finds no room, in which others are");
        player->party->code[0] = '\0';
    }
    link_close(player->link);
    go_away(player, network_random() % NETWORK_S);
}

static void hear(struct player *player, const char *text)
{
    struct party *party = player->party;
    trace(player, "hears %s", text);
    if (strncmp(text, "{\"type\":\"message\"", 17) == 0) {
        hear_message(player, text);
    } else if (strncmp(text, "{\"type\":\"created\"", 17) == 0) {
        memset(player->peers, 0, sizeof player->peers);
        if (sscanf(text, "{\"type\":\"created\",\"room\":\"%7[A-Za-z0-9]", party->code) != 1)
            broken(player, "is told %s", text);
        take_seat(player, text);
    } else if (strncmp(text, "{\"type\":\"joined\"", 16) == 0) {
        meet_all(player, text, party->protocol == 1 ? "\"clients\":[" : "\"peers\":[");
        take_seat(player, text);
    } else if (strncmp(text, "{\"type\":\"peer_joined\"", 21) == 0) {
        meet(player, peer_in(player, text), true);
    } else if (strncmp(text, "{\"type\":\"peer_left\"", 19) == 0) {
        part(player, peer_in(player, text));
    } else if (strncmp(text, "{\"type\":\"error\"", 15) == 0) {
        hear_error(player, text);
    } else {
        broken(player, "is told %s", text);
    }
}

static void enter(struct player *player)
{
    struct party *party = player->party;
    if (party->code[0] == '\0' && player->number != 0) {
        /* The room has ended meanwhile; the host alone makes another. */
        link_close(player->link);
        go_away(player, network_random() % NETWORK_S);
        return;
    }
    player->state = STATE_ENTERING;
    memcpy(player->tried, party->code, sizeof player->tried);
    memset(player->peers, 0, sizeof player->peers);
    memset(player->said_to, 0, sizeof player->said_to);
    player->said_to_all = 0;
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

/* The connection is closed by the server, for this reason. */
static void hear_close(struct player *player, struct bytes payload)
{
    unsigned code = payload.length >= 2 ? (unsigned)payload.data[0] << 8 | payload.data[1] : 1005;
    trace(player, "is closed with %u", code);
    if (code != 1000 && code != 1001 && code != 1005 && code != 4000 && code != 4001)
        broken(player, "is closed with %u %.*s", code, (int)payload.length - 2,
               (const char *)payload.data + 2);
    if (code == 4001)
        player->party->code[0] = '\0';
    link_close(player->link);
    go_away(player, NETWORK_S / 2 + network_random() % (2 * NETWORK_S));
}

/* One frame, if it is there. Returns its length; 0: it is not whole. */
static size_t read_frame(struct player *player, const uint8_t *data, size_t length)
{
    if (length < 2)
        return 0;
    size_t payload = data[1] & 0x7F;
    size_t header = 2;
    if (payload == 126) {
        if (length < 4)
            return 0;
        payload = (size_t)data[2] << 8 | data[3];
        header = 4;
    }
    if (payload >= TEXT_MAX || (data[1] & 0x80) != 0 || (data[0] & 0xF0) != 0x80)
        broken(player, "gets a frame that begins with %02x %02x", data[0], data[1]);
    if (length < header + payload)
        return 0;
    char text[TEXT_MAX];
    memcpy(text, data + header, payload);
    text[payload] = '\0';
    switch (data[0] & 0x0F) {
    case 0x1:
        hear(player, text);
        break;
    case 0x8:
        hear_close(player, bytes_of(data + header, payload));
        break;
    case 0x9:
        send_frame(player, 0xA, data + header, payload);
        break;
    default:
        broken(player, "gets a frame of opcode %d", data[0] & 0x0F);
    }
    return header + payload;
}

static size_t read_response(struct player *player)
{
    const char *end = memmem(player->unread, player->unread_length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    if (strncmp((const char *)player->unread, "HTTP/1.1 101 ", 13) != 0)
        broken(player, "is answered %.*s", (int)player->unread_length, player->unread);
    size_t length = (size_t)((const uint8_t *)end - player->unread) + 4;
    enter(player);
    return length;
}

static void received(void *client, struct bytes data)
{
    struct player *player = client;
    const struct link *link = player->link;
    note(player, data);
    player->unread = realloc(player->unread, player->unread_length + data.length);
    assert(player->unread != NULL);
    memcpy(player->unread + player->unread_length, data.data, data.length);
    player->unread_length += data.length;
    for (size_t taken = 1; taken > 0 && player->link == link;) {
        taken = player->state == STATE_UPGRADING
                    ? read_response(player)
                    : read_frame(player, player->unread, player->unread_length);
        if (player->link != link)
            return;
        memmove(player->unread, player->unread + taken, player->unread_length - taken);
        player->unread_length -= taken;
    }
}

static void ended(void *client, bool is_reset)
{
    struct player *player = client;
    trace(player, is_reset ? "is reset" : "is ended");
    note(player, BYTES("end"));
    if (is_reset)
        link_reset(player->link);
    else
        link_close(player->link);
    go_away(player, NETWORK_S / 2 + network_random() % (2 * NETWORK_S));
}

static const struct link_events events = {received, ended};

static void connect_player(struct player *player)
{
    char request[256];
    uint8_t octets[4] = {198, 51, 100, (uint8_t)player->number};
    int length = snprintf(request, sizeof request,
                          "GET / HTTP/1.1\r\nHost: simulated\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Protocol: party-sockets.v%d\r\n\r\n",
                          player->party->protocol);
    player->link = link_open(address_of_ipv4(octets), &events, player);
    player->state = STATE_UPGRADING;
    player->connections++;
    player->acts_ns = UINT64_MAX;
    trace(player, "connects");
    link_send(player->link, bytes_of((const uint8_t *)request, (size_t)length));
}

/* What may befall a player who is seated. Who speaks seldom may have been silent since the last
 * ping. */
static void suffer(struct player *player)
{
    uint64_t longest_ns = player->is_quiet ? 4 * NETWORK_S : 7 * NETWORK_S;
    switch (network_below(6)) {
    case 0:
        close_politely(player);
        go_away(player, network_random() % (5 * NETWORK_S));
        break;
    case 1:
        trace(player, "is cut off");
        link_reset(player->link);
        go_away(player, network_random() % (5 * NETWORK_S));
        break;
    case 2: /* the next connection comes while the server has this one */
        trace(player, "comes again");
        link_hold(player->link, true);
        link_close(player->link);
        go_away(player, network_random() % NETWORK_S);
        break;
    case 3:
        trace(player, "hears nothing for a while");
        player->is_paused = true;
        link_hold(player->link, true);
        player->recovers_ns = network_now_ns() + network_random() % longest_ns;
        break;
    case 4:
        trace(player, "reads nothing for a while");
        link_stall(player->link, true);
        player->recovers_ns = network_now_ns() + network_random() % longest_ns;
        break;
    default:
        trace(player, "is silent for ever");
        player->is_muted = true;
        link_hold(player->link, true);
        player->recovers_ns = network_now_ns() + clients.plan.idle_timeout_ns + SILENCE_MAX_NS;
        break;
    }
}

/* The network is back. */
static void recover(struct player *player)
{
    struct link *link = player->link;
    bool was_muted = player->is_muted;
    player->recovers_ns = 0;
    player->is_paused = false;
    if (was_muted && link_is_open(link))
        broken(player, "was silent for longer than may be, and is still connected");
    if (!was_muted && !link_is_open(link))
        broken(player, "was silent for less than may be, and was closed");
    if (was_muted) {
        link_reset(link);
        go_away(player, network_random() % NETWORK_S);
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
            say_some(player);
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
    uint64_t next_ns = UINT64_MAX;
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
    assert(plan->rooms <= PARTIES_MAX && plan->members <= PLAYERS_MAX);
    for (uint32_t i = 0; i < plan->rooms; i++) {
        struct party *party = calloc(1, sizeof *party);
        assert(party != NULL);
        clients.parties[i] = party;
        party->protocol = network_once_in(2) ? 1 : 2;
        party->player_count = plan->members;
        for (uint32_t j = 0; j < plan->members; j++) {
            struct player *player = &party->players[j];
            player->party = party;
            player->number = j;
            player->is_quiet = network_once_in(4);
            go_away(player, network_random() % NETWORK_S);
        }
    }
}

void clients_stand_still(uint64_t for_ns)
{
    FOR_EACH_PLAYER(player)
    {
        if (player->recovers_ns != 0)
            player->recovers_ns += for_ns;
    }
}

void clients_end_faults(void)
{
    clients.plan.has_faults = false;
}

void clients_fall_silent(void)
{
    clients.is_silent = true;
}

static void check_pair(struct player *player, const struct player *other)
{
    const struct peer *peer = &player->peers[other->index];
    if (!peer->is_here)
        broken(player, "does not know that %u is here", other->number);
    bool has_heard = peer->connection == other->connections;
    uint32_t told_all = has_heard ? peer->told_all : 0;
    uint32_t told_me = has_heard ? peer->told_me : 0;
    /* What a connection said before this player came is not for it; nothing later is missing. */
    bool may_miss_all = !peer->is_complete && (has_heard || peer->connection == 0);
    if (told_all != other->said_to_all && !(may_miss_all && told_all == 0))
        broken(player, "heard %u of %u things that %u said to all", told_all, other->said_to_all,
               other->number);
    if (told_me != other->said_to[player->index] && !(may_miss_all && told_me == 0))
        broken(player, "heard %u of %u things that %u said to it", told_me,
               other->said_to[player->index], other->number);
}

void clients_check_rest(void)
{
    FOR_EACH_PLAYER(player)
    {
        const struct party *party = player->party;
        if (player->state != STATE_SEATED)
            broken(player, "is in no room (state %d)", (int)player->state);
        uint32_t here = 0;
        for (uint32_t i = 0; i < PEERS_MAX; i++)
            here += player->peers[i].is_here;
        if (here != party->player_count - 1)
            broken(player, "knows %u others instead of %u", here, party->player_count - 1);
        for (uint32_t i = 0; i < party->player_count; i++) {
            if (&party->players[i] != player)
                check_pair(player, &party->players[i]);
        }
    }
}

void clients_leave(void)
{
    clients.is_over = true;
    FOR_EACH_PLAYER(player)
    {
        if (player->link != NULL) {
            link_reset(player->link);
            go_away(player, 0);
        }
        player->acts_ns = UINT64_MAX;
    }
}

uint64_t clients_digest(void)
{
    return clients.digest;
}

uint64_t clients_heard(void)
{
    return clients.heard;
}

void clients_end(void)
{
    FOR_EACH_PLAYER(player)
    {
        free(player->unread);
    }
    for (uint32_t i = 0; i < clients.plan.rooms; i++)
        free(clients.parties[i]);
}
