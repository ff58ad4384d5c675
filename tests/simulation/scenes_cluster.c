/* What happens to rooms and their members when a node dies, or gives slices to others. */
#include "scenes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "keys.h"
#include "server/limits.h"
#include "wire.h"
#include "world.h"

#define PARTIES 12
#define MEMBERS 3
#define HASTY_GUESTS 12
#define HASTE_NS (60 * NETWORK_MS)
#define STATE_TEXT "what the room keeps"
/* Then a room is recorded, however slow its node is; and a seat is held as long as it was taken. */
#define RECORDED_NS (26 * NETWORK_S)
#define WRITTEN_NS (4 * NETWORK_S) /* the former alone */
#define RETRY_NS (NETWORK_S / 2)
#define TRIES_MAX 20
/* A server lets a client wait for a node that can answer it, and then closes it. */
#define ENTERED_NS (ENTRANCE_WAIT_MS * NETWORK_MS + PROMPT_NS)
#define TOLD_NS ((ENTRANCE_WAIT_MS + 500) * NETWORK_MS) /* the same of one whom nobody can */
#define RETURN_NS (20 * NETWORK_S) /* until who stays has its seat again, faults included */
#define NOTICED_NS (8 * NETWORK_S) /* an edge hears no more of a home for 5 s, and then says so */

/* A party before the node dies: where its room is, and where its members' connections are. */
struct gathering {
    struct guest *members[MEMBERS];
    uint32_t home;
    uint32_t edges[MEMBERS];
};

static const char *const names[MEMBERS] = {"a host, and no other", "a member, the first",
                                           "a member, the second"};

/* It hears its own word, behind what others have done, which it may hear at any time. */
static void expect_life(struct guest *guest)
{
    guest_say(guest, "{\"type\":\"send\",\"to\":%s,\"data\":\"still here\"}", guest_index(guest));
    while (strstr(guest_hear(guest, PROMPT_NS), "still here") == NULL)
        continue;
}

static const char *session_of(int protocol)
{
    return protocol == 3 ? "\"session\":\"session of a guest\",\"attempt\":1," : "";
}

/* Says that it comes to this room, and is told of its seat. */
static struct guest *seat_guest(int protocol, const char *name, const char *code)
{
    struct guest *guest = guest_come(protocol, name);
    guest_say(guest, "{\"type\":\"join\",\"clientId\":\"%s\",%s\"room\":\"%s\"}", name,
              session_of(protocol), code);
    guest_take_seat(guest, guest_hear(guest, PROMPT_NS));
    return guest;
}

/* Creates a room; again where a node has no codes yet for slices that it got just now. */
static struct guest *seat_host(int protocol, const char *name)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct guest *guest = guest_come(protocol, name);
        guest_say(guest, "{\"type\":\"create\",\"clientId\":\"%s\",%s\"maxClients\":%u}", name,
                  session_of(protocol), MEMBERS);
        const char *text = guest_hear_if(guest, ENTERED_NS);
        if (text != NULL) {
            guest_take_seat(guest, text);
            return guest;
        }
        scene_wait(RETRY_NS);
    }
    scene_fails("%s can't create a room%s", name, "");
}

static int protocol_of(uint32_t party)
{
    return 1 + (int)(party % 3);
}

static void gather(struct gathering *gathering, int protocol)
{
    gathering->members[0] = seat_host(protocol, names[0]);
    const char *code = guest_code(gathering->members[0]);
    for (uint32_t i = 1; i < MEMBERS; i++)
        gathering->members[i] = seat_guest(protocol, names[i], code);
    if (protocol != 1)
        guest_say(gathering->members[0], "{\"type\":\"set_state\",\"data\":\"" STATE_TEXT "\"}");
    for (uint32_t i = 0; i < MEMBERS; i++) {
        expect_life(gathering->members[i]);
        gathering->edges[i] = world_node_of_link(wire_link(guest_wire(gathering->members[i])));
    }
    gathering->home = world_node_of_room(code);
    if (gathering->home == WORLD_NOWHERE)
        scene_fails("room %s is nowhere", code);
}

/*
 * Whether a member stays connected when its room's node is lost, and waits for its seat: in
 * protocol 3 who is not at the node that has died; WORLD_NOWHERE: none has.
 */
static bool stays(const struct gathering *gathering, int protocol, uint32_t member, uint32_t dead)
{
    return protocol == 3 && gathering->edges[member] != dead;
}

/* Its members elsewhere are sent away, to come again, or stay; and then there is no such room. */
static void expect_end(const struct gathering *gathering, int protocol, uint32_t dead)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (gathering->edges[i] == dead)
            guest_expect_lost(gathering->members[i], PROMPT_NS);
        else if (!stays(gathering, protocol, i, dead))
            guest_expect_close_at_last(gathering->members[i], 1012, "server is restarting",
                                       NOTICED_NS);
    }
}

/* Who was not at the dead node plays on. */
static void expect_play(const struct gathering *gathering, uint32_t dead)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (gathering->edges[i] == dead)
            guest_expect_lost(gathering->members[i], PROMPT_NS);
        else
            expect_life(gathering->members[i]);
    }
}

/* Joins until the room's node serves it. */
static struct guest *come_back(int protocol, const char *name, const char *code)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct guest *guest = guest_come(protocol, name);
        guest_say(guest,
                  "{\"type\":\"join\",\"clientId\":\"%s\",\"session\":\"session of a guest\","
                  "\"attempt\":%llu,\"room\":\"%s\"}",
                  name, (unsigned long long)(network_now_ns() / RETRY_NS), code);
        const char *text = guest_hear_if(guest, ENTERED_NS);
        if (text != NULL) {
            guest_take_seat(guest, text);
            return guest;
        }
        scene_wait(RETRY_NS);
    }
    scene_fails("%s can't come back to %s", name, code);
}

/* It is seated again over the connection that it has, unasked; with all that it missed? */
static void expect_seat(struct guest *guest, const char *index, bool is_recovered)
{
    const char *text = guest_hear(guest, RETURN_NS);
    while (strstr(text, "\"unasked\":") == NULL)
        text = guest_hear(guest, RETURN_NS);
    guest_take_seat(guest, text);
    if (strcmp(guest_index(guest), index) != 0)
        scene_fails("who was %s in %s is seated again as %s", index, guest_code(guest),
                    guest_index(guest));
    if (is_recovered && strstr(text, "\"recovered\":true") == NULL)
        scene_fails("%s in %s lost something by a move: %s", index, guest_code(guest), text);
}

static void expect_state(struct guest *guest)
{
    while (strstr(guest_hear(guest, PROMPT_NS), STATE_TEXT) == NULL)
        continue;
}

/* What becomes of a party whose room was at a node, or who had members there. */
enum fate {
    DIED,  /* the node, with its connections */
    LOST,  /* its slices; it lives */
    MOVED, /* the same, and the rooms just as they were */
};

/*
 * All who were cut off with a node come back to the seats that they had, and to the state of the
 * room; all of them if the room was there. Who has come not long ago may be too late for its seat
 * in a room that went on meanwhile: it is held as long as it was taken.
 */
static void expect_return(struct gathering *gathering, int protocol, uint32_t node, enum fate fate,
                          bool is_held)
{
    char code[16];
    uint32_t dead = fate == DIED ? node : WORLD_NOWHERE;
    bool is_lost = gathering->home == node;
    snprintf(code, sizeof code, "%s", guest_code(gathering->members[0]));
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct guest **member = &gathering->members[i];
        if (!is_lost && gathering->edges[i] != dead)
            continue;
        char before[64];
        snprintf(before, sizeof before, "%s", guest_index(*member));
        if (stays(gathering, protocol, i, dead)) {
            expect_seat(*member, before, fate == MOVED);
            continue;
        }
        *member = come_back(protocol, names[i], code);
        if ((is_held || is_lost) && strcmp(guest_index(*member), before) != 0)
            scene_fails("who was %s in %s is %s now", before, code, guest_index(*member));
        if (protocol != 1)
            expect_state(*member);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        expect_life(gathering->members[i]);
        gathering->edges[i] = world_node_of_link(wire_link(guest_wire(gathering->members[i])));
    }
    gathering->home = world_node_of_room(code);
}

/* Those who are cut off before they hear that they are in: nobody of them stays. */
void scene_hasty_guests(void)
{
    struct guest *host = guest_create(1, "host", HASTY_GUESTS + 1);
    char text[64];
    for (uint32_t i = 0; i < HASTY_GUESTS; i++) {
        snprintf(text, sizeof text, "hasty %u", i);
        struct guest *guest = guest_come(1, text);
        guest_say(guest, "{\"type\":\"join\",\"clientId\":\"%s\",\"room\":\"%s\"}", text,
                  guest_code(host));
        scene_wait(network_random() % HASTE_NS);
        guest_cut_off(guest);
    }
    scene_wait(PROMPT_NS);
    snprintf(text, sizeof text, "/room/%s", guest_code(host));
    char *answer = scene_visit(text);
    if (strstr(answer, "\"clients\":1,") == NULL)
        scene_fails("some who were cut off are still here: %s", answer);
    free(answer);
}

/*
 * Whether a room that was there to notice may have ended: in protocol 1 with its last member, in
 * protocol 2 when the host was away for longer than the room waits.
 */
static bool may_have_ended(const struct gathering *gathering, int protocol, uint32_t dead)
{
    bool is_anybody_left = gathering->home == dead || protocol != 1;
    for (uint32_t i = 0; i < MEMBERS; i++)
        is_anybody_left = is_anybody_left || gathering->edges[i] != dead;
    bool may_lack_host = protocol == 2 && gathering->home != dead && gathering->edges[0] == dead;
    return !is_anybody_left || may_lack_host;
}

/* Says that it comes to a room, which is full. */
static void ask_to_enter(struct guest *guest, const char *code)
{
    guest_say(guest,
              "{\"type\":\"join\",\"clientId\":\"an onlooker\",\"session\":\"a session\","
              "\"attempt\":1,\"room\":\"%s\"}",
              code);
}

/* Nobody has the slices of the dead node yet. Who wants to enter there is told so in time. */
static void expect_vain_waiting(const struct gathering gatherings[PARTIES], uint32_t dead)
{
    struct guest *onlookers[PARTIES];
    for (uint32_t i = 0; i < PARTIES; i++) {
        onlookers[i] = guest_come(3, "an onlooker");
        if (gatherings[i].home == dead)
            ask_to_enter(onlookers[i], guest_code(gatherings[i].members[0]));
        else
            guest_cut_off(onlookers[i]);
    }
    uint64_t end_ns = world_now_ns() + TOLD_NS;
    for (uint32_t i = 0; i < PARTIES; i++) {
        uint64_t now_ns = world_now_ns();
        if (gatherings[i].home == dead)
            guest_expect_close(onlookers[i], 1012, "server is restarting",
                               end_ns < now_ns ? 0 : end_ns - now_ns);
    }
}

/* A node dies, and its slices are taken. `is_held`: all have had their seats for long. */
static void expect_death(struct gathering gatherings[PARTIES], uint32_t dead, bool is_held)
{
    world_kill_node(dead);
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (gatherings[i].home != dead)
            expect_play(&gatherings[i], dead);
    }
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (gatherings[i].home == dead)
            expect_end(&gatherings[i], protocol_of(i), dead);
    }
    if (network_once_in(2))
        expect_vain_waiting(gatherings, dead);
    else
        scene_wait(network_random() % (5 * NETWORK_S));
    world_take_slices(dead);
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (may_have_ended(&gatherings[i], protocol_of(i), dead))
            gather(&gatherings[i], protocol_of(i));
        else
            expect_return(&gatherings[i], protocol_of(i), dead, DIED, is_held);
    }
}

/* A node that lives loses its slices, as one that others have judged dead: its rooms go on
 * elsewhere. */
static void expect_loss(struct gathering gatherings[PARTIES], uint32_t loser)
{
    world_take_slices(loser);
    for (uint32_t i = 0; i < PARTIES; i++) {
        for (uint32_t member = 0; member < MEMBERS; member++) {
            struct guest *guest = gatherings[i].members[member];
            if (gatherings[i].home != loser)
                expect_life(guest);
            else if (!stays(&gatherings[i], protocol_of(i), member, WORLD_NOWHERE))
                guest_expect_close_at_last(guest, 1012, "server is restarting", NOTICED_NS);
        }
    }
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (gatherings[i].home != loser)
            continue;
        /* A room of protocol 1 has ended if its owner saw all go before it knew that it is none. */
        if (protocol_of(i) == 1)
            gather(&gatherings[i], 1);
        else
            expect_return(&gatherings[i], protocol_of(i), loser, LOST, true);
    }
}

/* A node that lives gives some slices to others: their rooms go on there, just as they were. */
static void expect_move(struct gathering gatherings[PARTIES], uint32_t giver, bool has_faults)
{
    bool are_moved[PARTIES];
    struct guest *onlookers[PARTIES];
    for (uint32_t i = 0; i < PARTIES; i++)
        onlookers[i] = guest_come(3, "an onlooker");
    world_yield_slices(giver);
    for (uint32_t i = 0; i < PARTIES; i++) {
        const char *code = guest_code(gatherings[i].members[0]);
        are_moved[i] = world_room_is_yielded(code);
        ask_to_enter(onlookers[i], code);
    }
    for (uint32_t i = 0; i < PARTIES; i++) {
        for (uint32_t member = 0; member < MEMBERS; member++) {
            struct guest *guest = gatherings[i].members[member];
            if (!are_moved[i])
                expect_life(guest);
            else if (!stays(&gatherings[i], protocol_of(i), member, WORLD_NOWHERE))
                guest_expect_close_at_last(guest, 1012, "server is restarting", NOTICED_NS);
        }
    }
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (!has_faults) /* who comes while its room is on its way waits for the next node */
            (void)guest_hear(onlookers[i], ENTERED_NS);
        guest_cut_off(onlookers[i]);
    }
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (are_moved[i])
            expect_return(&gatherings[i], protocol_of(i), giver, MOVED, true);
    }
}

void scene_node_dies(bool is_traced)
{
    struct gathering gatherings[PARTIES];
    uint32_t left = world_nodes();
    guests_begin("node-dies", is_traced);
    for (uint32_t i = 0; i < PARTIES; i++)
        gather(&gatherings[i], protocol_of(i));
    scene_wait(RECORDED_NS);
    bool has_faults = network_once_in(2);
    if (has_faults) /* not sooner: while loops have no codes, clients are closed */
        keys_begin_faults();
    has_faults = has_faults || world_has_link_faults();
    if (network_once_in(2)) {
        expect_move(gatherings, gatherings[network_below(PARTIES)].home, has_faults);
        scene_wait(RECORDED_NS);
    }
    if (network_once_in(2)) {
        expect_loss(gatherings, gatherings[network_below(PARTIES)].home);
        scene_wait(RECORDED_NS);
    }
    bool is_held = true;
    do {
        expect_death(gatherings, gatherings[network_below(PARTIES)].home, is_held);
        is_held = network_once_in(2);
        scene_wait(is_held ? RECORDED_NS : WRITTEN_NS); /* else seats are held for a few seconds */
    } while (--left > 1);
    keys_end_faults();
    for (uint32_t i = 0; i < PARTIES; i++)
        gather(&gatherings[i], protocol_of(i));
    guests_begin(NULL, false);
}
