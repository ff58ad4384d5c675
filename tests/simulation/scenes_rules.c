/* Who may what, who hears what, and the table of errors of docs/protocol.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "scenes.h"
#include "wire.h"
#include "world.h"

#define ERRORS_AT_ONCE 8
#define STATE_BYTES_MAX 16384 /* in its compact form */

/* Who is refused so. */
enum { OUTSIDE = 1, MEMBER = 2, HOST = 4, ANYBODY = OUTSIDE | MEMBER | HOST };
enum { IN_1 = 1, IN_2 = 2, IN_BOTH = IN_1 | IN_2 };

struct provocation {
    int protocols;
    int who;
    const char *error;
    const char *text;
};

#define ID_OF_64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define TEN_CONTROLS "\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\u0001\\u0001\\u0001"
#define NINETY_CONTROLS                                                                        \
    TEN_CONTROLS TEN_CONTROLS TEN_CONTROLS TEN_CONTROLS TEN_CONTROLS TEN_CONTROLS TEN_CONTROLS \
        TEN_CONTROLS TEN_CONTROLS

static const struct provocation provocations[] = {
    {IN_BOTH, ANYBODY, "Invalid JSON", ""},
    {IN_BOTH, ANYBODY, "Invalid JSON", "{\"type\":\"send\",}"},
    {IN_BOTH, ANYBODY, "Invalid JSON", "{\"type\":\"send\"} x"},
    {IN_BOTH, ANYBODY, "Invalid JSON", "{\"type\":\"send\",\"data\":01}"},
    {IN_BOTH, ANYBODY, "Invalid JSON", "{\"type\":\"send\",\"data\":\"\\x\"}"},
    {IN_BOTH, ANYBODY, "Unknown message type", "{}"},
    {IN_BOTH, ANYBODY, "Unknown message type", "[{\"type\":\"send\"}]"},
    {IN_BOTH, ANYBODY, "Unknown message type", "null"},
    {IN_BOTH, ANYBODY, "Unknown message type", "{\"type\":\"Send\",\"data\":1}"},
    {IN_BOTH, ANYBODY, "Unknown message type", "{\"type\":7}"},
    {IN_1, ANYBODY, "Unknown message type", "{\"type\":\"set_state\",\"data\":1}"},
    {IN_1, ANYBODY, "Unknown message type", "{\"type\":\"close_room\"}"},
    {IN_BOTH, MEMBER | HOST, "Already in a room",
     "{\"type\":\"create\",\"clientId\":\"x\",\"maxClients\":2}"},
    {IN_BOTH, MEMBER | HOST, "Already in a room", "{\"type\":\"join\",\"room\":\"\"}"},
    {IN_BOTH, OUTSIDE, "clientId is required", "{\"type\":\"create\",\"maxClients\":2}"},
    {IN_BOTH, OUTSIDE, "clientId is required",
     "{\"type\":\"create\",\"clientId\":7,\"maxClients\":0}"},
    {IN_BOTH, OUTSIDE, "clientId is required", "{\"type\":\"join\",\"clientId\":\"\"}"},
    {IN_BOTH, OUTSIDE, "clientId is too long",
     "{\"type\":\"join\",\"clientId\":\"" ID_OF_64 ID_OF_64 ID_OF_64 ID_OF_64 "x\"}"},
    {IN_BOTH, OUTSIDE, "clientId is too long",
     "{\"type\":\"create\",\"clientId\":\"" NINETY_CONTROLS "\",\"maxClients\":2}"},
    {IN_BOTH, OUTSIDE, "maxClients must be a positive number",
     "{\"type\":\"create\",\"clientId\":\"x\"}"},
    {IN_BOTH, OUTSIDE, "maxClients must be a positive number",
     "{\"type\":\"create\",\"clientId\":\"x\",\"maxClients\":\"3\"}"},
    {IN_BOTH, OUTSIDE, "maxClients must be a positive number",
     "{\"type\":\"create\",\"clientId\":\"x\",\"maxClients\":0.99}"},
    {IN_BOTH, OUTSIDE, "maxClients must be a positive number",
     "{\"type\":\"create\",\"clientId\":\"x\",\"maxClients\":-1}"},
    {IN_BOTH, OUTSIDE, "room is required", "{\"type\":\"join\",\"clientId\":\"x\"}"},
    {IN_BOTH, OUTSIDE, "room is required", "{\"type\":\"join\",\"clientId\":\"x\",\"room\":\"\"}"},
    {IN_BOTH, OUTSIDE, "room is required", "{\"type\":\"join\",\"clientId\":\"x\",\"room\":1}"},
    {IN_BOTH, OUTSIDE, "Room not found",
     "{\"type\":\"join\",\"clientId\":\"x\",\"room\":\"no such room\"}"},
    {IN_1, OUTSIDE, "Room not found", "{\"type\":\"join\",\"clientId\":\"x\",\"room\":\"ZZZZ\"}"},
    {IN_2, OUTSIDE, "Room not found", "{\"type\":\"join\",\"clientId\":\"x\",\"room\":\"zzzzzz\"}"},
    {IN_BOTH, OUTSIDE, "Not in a room", "{\"type\":\"send\",\"data\":1}"},
    {IN_BOTH, OUTSIDE, "Not in a room", "{\"type\":\"send\",\"data\":1,\"to\":\"nobody\"}"},
    {IN_2, OUTSIDE, "Not in a room", "{\"type\":\"set_state\"}"},
    {IN_2, OUTSIDE, "Not in a room", "{\"type\":\"close_room\"}"},
    {IN_1, MEMBER | HOST, "Target client not found",
     "{\"type\":\"send\",\"data\":1,\"to\":\"nobody\"}"},
    {IN_1, MEMBER | HOST, "Target client not found", "{\"type\":\"send\",\"data\":1,\"to\":1}"},
    {IN_1, MEMBER | HOST, "Target client not found", "{\"type\":\"send\",\"data\":1,\"to\":true}"},
    {IN_1, MEMBER | HOST, "Target client not found", "{\"type\":\"send\",\"data\":1,\"to\":[]}"},
    {IN_2, MEMBER | HOST, "Target peer not found", "{\"type\":\"send\",\"data\":1,\"to\":null}"},
    {IN_2, MEMBER | HOST, "Target peer not found", "{\"type\":\"send\",\"data\":1,\"to\":false}"},
    {IN_2, MEMBER | HOST, "Target peer not found", "{\"type\":\"send\",\"data\":1,\"to\":\"0\"}"},
    {IN_2, MEMBER | HOST, "Target peer not found", "{\"type\":\"send\",\"data\":1,\"to\":\"\"}"},
    {IN_2, MEMBER | HOST, "Target peer not found", "{\"type\":\"send\",\"data\":1,\"to\":1.5}"},
    {IN_2, MEMBER | HOST, "Target peer not found", "{\"type\":\"send\",\"data\":1,\"to\":-1}"},
    {IN_2, MEMBER | HOST, "Target peer not found", "{\"type\":\"send\",\"data\":1,\"to\":7}"},
    {IN_2, MEMBER, "Only the host can set state", "{\"type\":\"set_state\",\"data\":1}"},
    {IN_2, MEMBER, "Only the host can set state", "{\"type\":\"set_state\"}"},
    {IN_2, HOST, "State data is required", "{\"type\":\"set_state\"}"},
    {IN_2, MEMBER, "Only the host can close the room", "{\"type\":\"close_room\"}"},
};

/* One that this one is refused with, drawn from all. */
static const struct provocation *draw_provocation(int protocol, int who)
{
    for (;;) {
        const struct provocation *drawn = &provocations[network_below(ARRAY_LENGTH(provocations))];
        bool is_for_protocol = (drawn->protocols & (protocol == 1 ? IN_1 : IN_2)) != 0;
        if (is_for_protocol && (drawn->who & who) != 0)
            return drawn;
    }
}

static void provoke(struct guest *guest, int protocol, int who)
{
    const struct provocation *drawn[ERRORS_AT_ONCE];
    uint32_t count = 1 + network_below(ERRORS_AT_ONCE);
    for (uint32_t i = 0; i < count; i++) {
        drawn[i] = draw_provocation(protocol, who);
        guest_say(guest, "%s", drawn[i]->text);
    }
    for (uint32_t i = 0; i < count; i++)
        guest_expect(guest, "{\"type\":\"error\",\"message\":\"%s\"}", drawn[i]->error);
}

/* Who is refused goes on as before, and nobody else notices. */
void scene_errors(void)
{
    int protocol = network_once_in(2) ? 1 : 2;
    struct guest *host = guest_create(protocol, "host", 3);
    struct guest *member = guest_join(protocol, "member", guest_code(host));
    struct guest *outside = guest_come(protocol, "outside");
    struct guest *stranger = guest_create(3 - protocol, "stranger", 3);
    (void)guest_hear(host, PROMPT_NS);
    for (int i = 0; i < 3; i++) {
        provoke(host, protocol, HOST);
        provoke(member, protocol, MEMBER);
        provoke(outside, protocol, OUTSIDE);
        guest_say(outside, "{\"type\":\"join\",\"clientId\":\"x\",\"room\":\"%s\"}",
                  guest_code(stranger));
        guest_expect(outside, "{\"type\":\"error\",\"message\":\"Room uses protocol %d\"}",
                     3 - protocol);
    }
    guest_catch_up(outside);
    guest_catch_up(host);
    guest_catch_up(member);
    guest_catch_up(stranger);
}

void scene_url_errors(void)
{
    static const char *const faults[][2] = {
        {"url must be a string", "7"},
        {"url must be a string", "null"},
        {"url must not contain spaces or control characters", "\"https://a.example/ b\""},
        {"url must not contain spaces or control characters", "\"https://a.example/\\u0007\""},
        {"Unknown url placeholder: {game}", "\"https://a.example/{game}\""},
        {"url has an unmatched placeholder brace", "\"https://a.example/{room\""},
        {"url has an unmatched placeholder brace", "\"https://a.example/room}\""},
        {"url is not a valid URL", "\"a.example\""},
        {"url is not a valid URL", "\"https://\""},
        {"url must be an https URL", "\"http://a.example/{room}\""},
    };
    struct guest *guest = guest_come(2, "host");
    for (int i = 0; i < 5; i++) {
        const char *const *fault = faults[network_below(ARRAY_LENGTH(faults))];
        guest_say(guest, "{\"type\":\"create\",\"clientId\":\"host\",\"maxClients\":2,\"url\":%s}",
                  fault[1]);
        guest_expect(guest, "{\"type\":\"error\",\"message\":\"%s\"}", fault[0]);
    }
    guest_say(guest,
              "{\"type\":\"create\",\"clientId\":\"host\",\"maxClients\":2,\"url\":\"https://"
              "a.example/?{room}\"}");
    char code[8];
    const char *text = guest_hear(guest, PROMPT_NS);
    const char *room = strstr(text, "\"room\":\"");
    if (room == NULL || sscanf(room, "\"room\":\"%7[A-Za-z0-9]\"", code) != 1)
        scene_fails("a room with a link is %s", text);
    char url[64];
    snprintf(url, sizeof url, ",\"url\":\"https://a.example/?%s\"}", code);
    if (strstr(text, url) == NULL)
        scene_fails("a room with a link is %s", text);
    struct guest *other = guest_come(2, "other");
    guest_say(other, "{\"type\":\"join\",\"clientId\":\"other\",\"room\":\"%s\"}", code);
    guest_expect(other, "{\"type\":\"joined\",\"room\":\"%s\",\"index\":1,\"peers\":[0]%s", code,
                 url);
}

/* What `to` means: everyone else, or one; each protocol has values of its own for that. */
void scene_targets(void)
{
    static const char *const all_of_1[] = {"null", "\"\"", "0", "false", "-0.0", "0e7"};
    static const char *const second_of_1[] = {"\"second\"", "\"\\u0073econd\""};
    static const char *const second_of_2[] = {"1", "1.0", "1e0", "10e-1"};
    int protocol = network_once_in(2) ? 1 : 2;
    struct guest *first = guest_create(protocol, "first", 3);
    struct guest *second = guest_join(protocol, "second", guest_code(first));
    struct guest *third = guest_join(protocol, "third", guest_code(first));
    (void)guest_hear(first, PROMPT_NS);
    (void)guest_hear(first, PROMPT_NS);
    (void)guest_hear(second, PROMPT_NS);
    for (uint32_t i = 0; i < 10; i++) {
        const char *to =
            protocol == 1 ? second_of_1[network_below(2)] : second_of_2[network_below(4)];
        guest_say(first, "{\"type\":\"send\",\"to\":%s,\"data\":%u}", to, i);
        guest_expect(second, "{\"type\":\"message\",\"from\":%s,\"data\":%u}", guest_index(first),
                     i);
        if (protocol == 1)
            guest_say(third, "{\"type\":\"send\",\"to\":%s,\"data\":[%u]}",
                      all_of_1[network_below(ARRAY_LENGTH(all_of_1))], i);
        else
            guest_say(third, "{\"type\":\"send\",\"data\":[%u]}", i);
        guest_expect(first, "{\"type\":\"message\",\"from\":%s,\"data\":[%u]}", guest_index(third),
                     i);
        guest_expect(second, "{\"type\":\"message\",\"from\":%s,\"data\":[%u]}", guest_index(third),
                     i);
        guest_catch_up(third);
    }
    guest_catch_up(first);
    guest_catch_up(second);
}

/* The state is pushed, and told to whoever joins, right behind `joined` and before all that
 * follows. */
void scene_state(void)
{
    struct guest *host = guest_create(2, "host", 9);
    struct guest *member = guest_join(2, "member", guest_code(host));
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    static const char *const states[] = {"null", "1.50", "[ 1 , 2]", "\"\\u00e9\"", "{}"};
    const char *state = "";
    for (uint32_t i = 0; i < 6; i++) {
        state = states[network_below(ARRAY_LENGTH(states))];
        guest_say(host, "{\"type\":\"set_state\",\"data\":%s}", state);
        guest_expect(member, "{\"type\":\"state\",\"data\":%s}", state);
        if (network_once_in(2))
            continue;
        char name[16];
        snprintf(name, sizeof name, "late %u", i);
        struct guest *late = guest_join(2, name, guest_code(host));
        guest_expect(host, "{\"type\":\"peer_joined\",\"index\":%s}", guest_index(late));
        guest_expect(member, "{\"type\":\"peer_joined\",\"index\":%s}", guest_index(late));
        guest_expect(late, "{\"type\":\"state\",\"data\":%s}", state);
        guest_leave(late, 1000);
        guest_expect(host, "{\"type\":\"peer_left\",\"index\":%s}", guest_index(late));
        guest_expect(member, "{\"type\":\"peer_left\",\"index\":%s}", guest_index(late));
    }
    /* One that is too large changes nothing, and none of this comes back to the host. */
    static char text[STATE_BYTES_MAX + 64];
    int at = snprintf(text, sizeof text, "{\"type\":\"set_state\",\"data\":\"");
    memset(text + at, 'x', STATE_BYTES_MAX - 1);
    memcpy(text + at + STATE_BYTES_MAX - 1, "\"}", 2);
    guest_say_bytes(host, text, (size_t)at + STATE_BYTES_MAX + 1);
    guest_expect(host, "{\"type\":\"error\",\"message\":\"State too large\"}");
    guest_catch_up(host);
    guest_catch_up(member);
    struct guest *last = guest_join(2, "last", guest_code(host));
    guest_expect(last, "{\"type\":\"state\",\"data\":%s}", state);
}

void scene_host_closes(void)
{
    struct guest *host = guest_create(2, "host", 4);
    struct guest *second = guest_join(2, "second", guest_code(host));
    struct guest *third = guest_join(2, "third", guest_code(host));
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":2}");
    guest_expect(second, "{\"type\":\"peer_joined\",\"index\":2}");
    guest_say(host, "{\"type\":\"close_room\"}");
    guest_expect_close(host, 4001, "room closed", PROMPT_NS);
    guest_expect_close(second, 4001, "room closed", PROMPT_NS);
    guest_expect_close(third, 4001, "room closed", PROMPT_NS);
    struct guest *late = guest_come(2, "second");
    guest_say(late, "{\"type\":\"join\",\"clientId\":\"second\",\"room\":\"%s\"}",
              guest_code(host));
    guest_expect(late, "{\"type\":\"error\",\"message\":\"Room not found\"}");
}

/* Who joins with the id of somebody who is here has its place, and others notice nothing. */
void scene_takeover(void)
{
    int protocol = network_once_in(2) ? 1 : 2;
    struct guest *host = guest_create(protocol, "host", 2);
    struct guest *member = guest_join(protocol, "member", guest_code(host));
    (void)guest_hear(host, PROMPT_NS);
    struct guest *heir = guest_come(protocol, "member");
    guest_say(heir, "{\"type\":\"join\",\"clientId\":\"\\u006dember\",\"room\":\"%s\"}",
              guest_code(host));
    if (protocol == 1)
        guest_expect(heir,
                     "{\"type\":\"joined\",\"room\":\"%s\",\"clients\":[\"host\",\"member\"]}",
                     guest_code(host));
    else
        guest_expect(heir, "{\"type\":\"joined\",\"room\":\"%s\",\"index\":1,\"peers\":[0]}",
                     guest_code(host));
    guest_expect_close(member, 4000, "replaced", PROMPT_NS);
    guest_say(host, "{\"type\":\"send\",\"to\":%s,\"data\":1}", guest_index(member));
    guest_expect(heir, "{\"type\":\"message\",\"from\":%s,\"data\":1}", guest_index(host));
    guest_catch_up(host);
}

void scene_full_room(void)
{
    int protocol = network_once_in(2) ? 1 : 2;
    struct guest *host = guest_create(protocol, "host", 2);
    struct guest *member = guest_join(protocol, "member", guest_code(host));
    (void)guest_hear(host, PROMPT_NS);
    struct guest *third = guest_come(protocol, "third");
    guest_say(third, "{\"type\":\"join\",\"clientId\":\"third\",\"room\":\"%s\"}",
              guest_code(host));
    guest_expect(third, "{\"type\":\"error\",\"message\":\"Room is full\"}");
    guest_leave(member, 1000);
    (void)guest_hear(host, PROMPT_NS);
    third = guest_join(protocol, "third", guest_code(host));
    (void)guest_hear(host, PROMPT_NS);
    /* A place is kept for who it is, not for it to come back. */
    member = guest_come(protocol, "member");
    guest_say(member, "{\"type\":\"join\",\"clientId\":\"member\",\"room\":\"%s\"}",
              guest_code(host));
    guest_expect(member, "{\"type\":\"error\",\"message\":\"Room is full\"}");
    guest_catch_up(host);
    guest_catch_up(third);
}

/* Indices are given in order of first entry, and never to another clientId. */
void scene_indices(void)
{
    enum { NAMES = 6 };
    struct guest *host = guest_create(2, "host", 9);
    struct guest *here[NAMES] = {0};
    int index_of[NAMES] = {0};
    int next_index = 1;
    for (int i = 0; i < 20; i++) {
        uint32_t at = network_below(NAMES);
        char name[16];
        snprintf(name, sizeof name, "guest %u", at);
        if (here[at] != NULL) {
            guest_leave(here[at], 1000);
            here[at] = NULL;
            guest_expect(host, "{\"type\":\"peer_left\",\"index\":%d}", index_of[at]);
            continue;
        }
        here[at] = guest_join(2, name, guest_code(host));
        if (index_of[at] == 0)
            index_of[at] = next_index++;
        if (atoi(guest_index(here[at])) != index_of[at])
            scene_fails("%s has index %s instead of %d", name, guest_index(here[at]), index_of[at]);
        guest_expect(host, "{\"type\":\"peer_joined\",\"index\":%d}", index_of[at]);
    }
}

/* What is said arrives as it was written. */
void scene_data_stays(void)
{
    static const char *const data[] = {
        "1e400",
        "-0",
        "12345678901234567890123",
        "\"\\ud800\"",
        "\"\\/\\u0041\"",
        "[ 1,\t2 ]",
        "{\"a\":1,\"a\":2}",
        "\"\xF0\x9F\x8E\x89\"",
        "[[[[[[[[]]]]]]]]",
        "true",
    };
    int protocol = network_once_in(2) ? 1 : 2;
    struct guest *host = guest_create(protocol, "host", 2);
    struct guest *member = guest_join(protocol, "member", guest_code(host));
    (void)guest_hear(host, PROMPT_NS);
    for (size_t i = 0; i < ARRAY_LENGTH(data); i++) {
        guest_say(host, " {\"x\":[{\"data\":0}],\"data\" : %s ,\"type\":\"send\"}", data[i]);
        guest_expect(member, "{\"type\":\"message\",\"from\":%s,\"data\":%s}", guest_index(host),
                     data[i]);
    }
    guest_say(host, "{\"type\":\"send\"}");
    guest_expect(member, "{\"type\":\"message\",\"from\":%s}", guest_index(host));
}

/* One of the long messages that somebody has said: as many letters, each its own. */
static void hear_letters(struct guest *reader, uint32_t length)
{
    const char *heard = guest_hear(reader, PROMPT_NS);
    const char *data = strstr(heard, "\"data\":\"");
    int from = 0;
    if (data == NULL || sscanf(heard, "{\"type\":\"message\",\"from\":%d,", &from) != 1)
        scene_fails("the reader hears %.100s", heard);
    const char letter[2] = {(char)('a' + from), '\0'};
    if (strspn(data + 8, letter) != length)
        scene_fails("the reader hears %zu letters of %u", strspn(data + 8, letter), length);
}

/*
 * What several say at once is together more than what a turn sends to one, and more pieces than one
 * send has. It is held back, so that it all comes at the same time.
 */
void scene_long_messages(void)
{
    enum { SENDERS = 5, TEXTS = 18, LENGTH = 10 * 1024 };
    static char text[LENGTH + 64];
    struct guest *reader = guest_create(2, "reader", 9);
    struct guest *senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "sender %d", i);
        senders[i] = guest_join(2, name, guest_code(reader));
        guest_expect(reader, "{\"type\":\"peer_joined\",\"index\":%d}", i + 1);
    }
    for (int i = 0; i < SENDERS * TEXTS; i++) {
        struct guest *sender = senders[i % SENDERS];
        int at = snprintf(text, sizeof text, "{\"type\":\"send\",\"to\":0,\"data\":\"");
        memset(text + at, 'a' + i % SENDERS + 1, LENGTH);
        memcpy(text + at + LENGTH, "\"}", 2);
        link_hold(wire_link(guest_wire(sender)), true);
        guest_say_bytes(sender, text, (size_t)at + LENGTH + 2);
    }
    scene_wait(NETWORK_S);
    for (int i = 0; i < SENDERS; i++)
        link_hold(wire_link(guest_wire(senders[i])), false);
    for (int i = 0; i < SENDERS * TEXTS; i++)
        hear_letters(reader, LENGTH);
    guest_catch_up(reader);
}

/* Who breaks RFC 6455 or says too much at once is closed, and others hear that it has left. */
void scene_broken_frames(void)
{
    static const char long_text[262145];
    struct guest *host = guest_create(2, "host", 9);
    for (int i = 1; i <= 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "guest %d", i);
        struct guest *guest = guest_join(2, name, guest_code(host));
        guest_expect(host, "{\"type\":\"peer_joined\",\"index\":%d}", i);
        unsigned code = 1002;
        switch (network_below(5)) {
        case 0:
            wire_send_frame(guest_wire(guest), 0x81, false, "{}", 2);
            break;
        case 1:
            wire_send_frame(guest_wire(guest), 0x83, true, "{}", 2);
            break;
        case 2:
            wire_send_frame(guest_wire(guest), 0x80, true, "{}", 2);
            break;
        case 3:
            code = 1007;
            wire_send_frame(guest_wire(guest), 0x81, true, "\"\xC0\x80\"", 4);
            break;
        default:
            code = 1009;
            wire_send_frame(guest_wire(guest), 0x81, true, long_text, sizeof long_text);
            break;
        }
        guest_expect_close(guest, code, NULL, PROMPT_NS);
        guest_expect(host, "{\"type\":\"peer_left\",\"index\":%d}", i);
    }
    guest_catch_up(host);
}

/* A message in pieces, with pings between them, is one message. */
void scene_fragments(void)
{
    static const char text[] =
        "{\"type\":\"send\",\"data\":\"\xC3\xA9\xF0\x9F\x8E\x89 in pieces\"}";
    struct guest *host = guest_create(2, "host", 2);
    struct guest *member = guest_join(2, "member", guest_code(host));
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    uint32_t pings = 0;
    for (int i = 0; i < 10; i++) {
        size_t left = sizeof text - 1;
        for (bool is_first = true; left > 0; is_first = false) {
            size_t length = network_below((uint32_t)left + 1);
            uint8_t first = (length == left ? 0x80 : 0) | (is_first ? 0x1 : 0x0);
            wire_send_frame(guest_wire(host), first, true, text + sizeof text - 1 - left, length);
            left -= length;
            if (network_once_in(2))
                continue;
            wire_send_frame(guest_wire(host), 0x89, true, "ping", network_below(5));
            pings++;
        }
        guest_expect(member,
                     "{\"type\":\"message\",\"from\":0,\"data\":\"\xC3\xA9\xF0\x9F\x8E\x89 in "
                     "pieces\"}");
    }
    guest_catch_up(host);
    if (wire_pongs(guest_wire(host)) != pings)
        scene_fails("%u of %u pings are answered", wire_pongs(guest_wire(host)), pings);
}
