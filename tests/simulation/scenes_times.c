/*
 * Graces, silence, slow readers, fast senders: each within its documented interval. What a guest
 * hears is a little later than what the server does; a check of silence or of a stall comes round
 * eight times in the shortest of their times (ARCHITECTURE.md, "A turn").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "refusals.h"
#include "scenes.h"
#include "wire.h"
#include "world.h"

#define LEFT_NS (200 * NETWORK_MS)
#define LATE_NS (NETWORK_S / 2) /* what a network and a turn may take */
#define SOON_NS (NETWORK_S / 10)
#define FILLING_NS (4 * NETWORK_S) /* for all that may be said at once to get through */
#define CHECKS_A_TIME 8
#define LONG_TEXT (20 * 1024)
#define TEXTS_AT_ONCE 25
#define HUGE_TEXT (200 * 1024)

static uint64_t host_grace_ns(void)
{
    return world_config()->host_grace_ms * NETWORK_MS;
}

static uint64_t empty_room_grace_ns(void)
{
    return world_config()->empty_room_grace_ms * NETWORK_MS;
}

/* Between two checks of silence and stalls. */
static uint64_t check_interval_ns(void)
{
    return world_config()->ping_interval_ms * NETWORK_MS / CHECKS_A_TIME;
}

static uint64_t some_of(uint64_t ns)
{
    return ns == 0 ? 0 : network_random() % ns;
}

/* A connection ends in some way that is no farewell. */
static void lose(struct guest *guest)
{
    static const unsigned codes[] = {1001, 4101, 1000};
    unsigned code = codes[network_below(3)];
    if (code == 1000)
        guest_cut_off(guest);
    else
        guest_leave(guest, code);
}

/* Nobody finds the room any more. */
static void expect_no_room(const char *code)
{
    struct guest *late = guest_come(2, "late");
    guest_say(late, "{\"type\":\"join\",\"clientId\":\"late\",\"room\":\"%s\"}", code);
    guest_expect(late, "{\"type\":\"error\",\"message\":\"Room not found\"}");
    guest_leave(late, 1000);
}

void scene_host_returns(void)
{
    struct guest *host = guest_create(2, "host", 4);
    struct guest *other = guest_join(2, "other", guest_code(host));
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    if (network_once_in(2))
        lose(host);
    else
        guest_leave(host, 1000);
    guest_expect(other, "{\"type\":\"peer_left\",\"index\":0}");
    struct moment gone = scene_now();
    scene_wait(some_of(host_grace_ns() - NETWORK_S));
    if (world_now_ns() - gone.now_ns + world_stood_still_ns() - gone.stood_still_ns + LATE_NS >
        host_grace_ns())
        return; /* its time may be over */
    struct guest *again = guest_join(2, "host", guest_code(other));
    if (strcmp(guest_index(again), "0") != 0)
        scene_fails("the host comes back as %s", guest_index(again));
    guest_expect(other, "{\"type\":\"peer_joined\",\"index\":0}");
    /* And its grace is over with that. */
    scene_wait(some_of(host_grace_ns()));
    guest_catch_up(again);
    guest_catch_up(other);
}

void scene_host_stays_away(void)
{
    struct guest *host = guest_create(2, "host", 4);
    struct guest *other = guest_join(2, "other", guest_code(host));
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_leave(host, 1000);
    guest_expect(other, "{\"type\":\"peer_left\",\"index\":0}");
    struct moment gone = scene_now();
    guest_expect_close(other, 4001, "room closed", host_grace_ns() + LATE_NS);
    scene_expect_elapsed("a room without its host ends", gone, host_grace_ns() - SOON_NS,
                         host_grace_ns() + LATE_NS);
    expect_no_room(guest_code(other));
}

/* A room of two, of which one has left, and the other was cut off just now. */
static struct guest *make_empty_room(struct moment *ret_since)
{
    struct guest *host = guest_create(2, "host", 4);
    struct guest *other = guest_join(2, "other", guest_code(host));
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_say(host, "{\"type\":\"set_state\",\"data\":{\"round\":3}}");
    guest_expect(other, "{\"type\":\"state\",\"data\":{\"round\":3}}");
    guest_leave(other, 1000);
    guest_expect(host, "{\"type\":\"peer_left\",\"index\":1}");
    lose(host);
    *ret_since = scene_now();
    return host;
}

void scene_empty_room_waits(void)
{
    struct moment since;
    const struct guest *host = make_empty_room(&since);
    uint64_t grace_ns = empty_room_grace_ns();
    if (host_grace_ns() < grace_ns)
        grace_ns = host_grace_ns();
    /* That the host has left may have to go from its node to the room's. */
    scene_wait(world_is_cluster() ? LEFT_NS : 0);
    scene_wait(grace_ns < NETWORK_S ? 0 : some_of(grace_ns - NETWORK_S));
    uint64_t gaps_ns = world_stood_still_ns() - since.stood_still_ns;
    if (gaps_ns > 0 || world_now_ns() - since.now_ns + LATE_NS > grace_ns)
        return;
    struct guest *third = guest_come(2, "third");
    guest_say(third, "{\"type\":\"join\",\"clientId\":\"third\",\"room\":\"%s\"}",
              guest_code(host));
    guest_expect(third, "{\"type\":\"joined\",\"room\":\"%s\",\"index\":2,\"peers\":[]}",
                 guest_code(host));
    guest_expect(third, "{\"type\":\"state\",\"data\":{\"round\":3}}");
}

void scene_empty_room_ends(void)
{
    struct moment since;
    const struct guest *host = make_empty_room(&since);
    uint64_t grace_ns = empty_room_grace_ns();
    if (host_grace_ns() < grace_ns)
        grace_ns = host_grace_ns();
    scene_wait(grace_ns + LATE_NS);
    expect_no_room(guest_code(host));
}

void scene_farewell_ends_room(void)
{
    int protocol = network_once_in(2) ? 1 : 2;
    struct guest *host = guest_create(protocol, "host", 4);
    if (protocol == 1)
        lose(host); /* its rooms end with their last member, whatever befell it */
    else
        guest_leave(host, 1000);
    scene_wait(LATE_NS);
    struct guest *late = guest_come(protocol, "late");
    guest_say(late, "{\"type\":\"join\",\"clientId\":\"late\",\"room\":\"%s\"}", guest_code(host));
    guest_expect(late, "{\"type\":\"error\",\"message\":\"Room not found\"}");
}

/* Who was cut off a moment ago may come back to a room that the last one has left with 1000. */
void scene_farewell_of_one_of_several(void)
{
    struct guest *host = guest_create(2, "host", 4);
    struct guest *other = guest_join(2, "other", guest_code(host));
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    lose(other);
    guest_expect(host, "{\"type\":\"peer_left\",\"index\":1}");
    struct moment gone = scene_now();
    bool is_later = network_once_in(2);
    if (is_later)
        scene_wait(empty_room_grace_ns() + SOON_NS);
    uint64_t gaps_ns = world_stood_still_ns() - gone.stood_still_ns;
    guest_leave(host, 1000);
    scene_wait(LATE_NS);
    if (is_later)
        expect_no_room(guest_code(host));
    else if (gaps_ns == 0 && empty_room_grace_ns() > 2 * NETWORK_S)
        (void)guest_join(2, "other", guest_code(host));
}

/* Everything that was on its way to a guest whose connection is dead stays there. */
void scene_silence(void)
{
    uint64_t timeout_ns = world_config()->idle_timeout_ms * NETWORK_MS;
    int protocol = network_once_in(2) ? 1 : 2;
    struct guest *one = guest_create(protocol, "one", 4);
    struct guest *other = guest_join(protocol, "other", guest_code(one));
    (void)guest_hear(one, PROMPT_NS);
    scene_wait(some_of(10 * NETWORK_S));
    struct moment before = scene_now();
    guest_catch_up(one);
    uint64_t trip_ns = world_now_ns() - before.now_ns;
    link_hold(wire_link(guest_wire(one)), true);
    const char *text = guest_hear(other, timeout_ns + 2 * NETWORK_S);
    if (strncmp(text, "{\"type\":\"peer_left\"", 19) != 0)
        scene_fails("others hear %s of somebody silent", text);
    scene_expect_elapsed("who is silent is gone", before, timeout_ns,
                         timeout_ns + trip_ns + check_interval_ns() + LATE_NS);
}

/* Who answers pings may say nothing for ever; they come when they are promised. */
void scene_pings(void)
{
    uint64_t interval_ns = world_config()->ping_interval_ms * NETWORK_MS;
    struct guest *guest = network_once_in(2) ? guest_create(2, "quiet", 4) : guest_come(1, "quiet");
    for (int i = 0; i < 3; i++) {
        struct moment since = scene_now();
        uint64_t pinged_ns = wire_pinged_ns(guest_wire(guest));
        uint64_t latest_ns = interval_ns + check_interval_ns() + LATE_NS;
        while (guest_is_connected(guest) && wire_pinged_ns(guest_wire(guest)) == pinged_ns &&
               world_now_ns() - since.now_ns <= latest_ns)
            scene_wait(10 * NETWORK_MS);
        if (!guest_is_connected(guest))
            scene_fails("who answers pings is closed");
        scene_expect_elapsed("a ping comes", since, interval_ns - SOON_NS, latest_ns);
    }
    guest_catch_up(guest);
}

static void say_long(struct guest *guest, const char *to, size_t length)
{
    char *text = certain_malloc(length + 64);
    int at = snprintf(text, 64, "{\"type\":\"send\",\"to\":%s,\"data\":\"", to);
    memset(text + at, 'x', length);
    memcpy(text + at + length, "\"}", 2);
    guest_say_bytes(guest, text, (size_t)at + length + 2);
    free(text);
}

/* Of two in a room: one reads nothing from now on. So much of what the other tells it has to wait.
 */
static struct guest *overwhelm(struct guest **ret_other, size_t waiting)
{
    size_t texts = (2 * network_buffer_bytes() + waiting) / LONG_TEXT + 1;
    struct guest *reader = guest_create(2, "reader", 4);
    struct guest *other = guest_join(2, "other", guest_code(reader));
    guest_expect(reader, "{\"type\":\"peer_joined\",\"index\":1}");
    link_stall(wire_link(guest_wire(reader)), true);
    for (size_t i = 0; i < texts; i++) {
        say_long(other, "0", LONG_TEXT);
        /* What the kernels take is not to wait for them. */
        if (i % TEXTS_AT_ONCE == 0)
            scene_wait(LATE_NS);
    }
    *ret_other = other;
    return reader;
}

void scene_slow_reader(void)
{
    uint64_t timeout_ns = world_config()->stall_timeout_ms * NETWORK_MS;
    struct guest *other;
    struct moment before = scene_now();
    struct guest *reader = overwhelm(&other, 10 * LONG_TEXT);
    struct moment since = scene_now();
    /* It is alive, and says so. */
    for (int i = 0; i <= 15; i++) {
        guest_say(reader, "{\"type\":\"send\",\"data\":%d}", i);
        const char *text = guest_hear(other, PROMPT_NS);
        if (strncmp(text, "{\"type\":\"peer_left\"", 19) == 0)
            break;
        if (strncmp(text, "{\"type\":\"message\"", 17) != 0)
            scene_fails("others hear %s of somebody who reads nothing", text);
        scene_wait(NETWORK_S);
        if (!guest_is_connected(reader))
            scene_fails("who reads nothing is cut off, and not closed");
        if (world_now_ns() - since.now_ns > timeout_ns - 2 * NETWORK_S) {
            (void)guest_hear(other, 2 * PROMPT_NS); /* that it has left: nobody says anything */
            break;
        }
    }
    scene_expect_elapsed("who reads nothing is closed", before, timeout_ns, UINT64_MAX);
    scene_expect_elapsed("who reads nothing is closed", since, 0,
                         timeout_ns + check_interval_ns() + 2 * LATE_NS);
    link_stall(wire_link(guest_wire(reader)), false);
    guest_expect_close_at_last(reader, 1013, "too slow", PROMPT_NS);
}

void scene_full_queue(void)
{
    struct guest *other;
    struct guest *reader = overwhelm(&other, world_config()->queue_bytes_max + 5 * LONG_TEXT);
    guest_expect(other, "{\"type\":\"peer_left\",\"index\":0}");
    link_stall(wire_link(guest_wire(reader)), false);
    guest_expect_close_at_last(reader, 1013, "too slow", PROMPT_NS);
    /* The rest was for nobody. */
    struct guest *again = guest_join(2, "again", guest_code(reader));
    guest_catch_up(again);
}

/* What is above the rate is read later, and nothing of it is lost. */
void scene_many_messages(void)
{
    uint64_t rate = world_config()->message_rate_max;
    uint32_t count = (uint32_t)(2 * rate + 200 + network_below(500));
    struct guest *sender = guest_create(2, "sender", 4);
    struct guest *other = guest_join(2, "other", guest_code(sender));
    guest_expect(sender, "{\"type\":\"peer_joined\",\"index\":1}");
    struct moment since = scene_now();
    for (uint32_t i = 1; i <= count; i++)
        guest_say(sender, "{\"type\":\"send\",\"data\":%u}", i);
    for (uint32_t i = 1; i <= count; i++) {
        guest_expect(other, "{\"type\":\"message\",\"from\":0,\"data\":%u}", i);
        uint64_t later_ns = i <= 2 * rate ? 0 : (i - 2 * rate) * NETWORK_S / rate;
        if (i % 100 == 0)
            scene_expect_elapsed("a message of many is read", since,
                                 later_ns > SOON_NS ? later_ns - SOON_NS : 0, later_ns + NETWORK_S);
    }
    guest_catch_up(sender);
}

void scene_many_bytes(void)
{
    uint64_t rate = world_config()->byte_rate_max;
    struct guest *sender = guest_create(2, "sender", 4);
    struct moment since = scene_now();
    uint64_t bytes = 0;
    uint64_t most = 8 * rate + 2 * HUGE_TEXT + network_below(2 * (uint32_t)rate);
    uint32_t count = 0;
    for (; bytes < most; bytes += HUGE_TEXT, count++)
        say_long(sender, "\"nobody\"", HUGE_TEXT);
    bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        guest_expect(sender, "{\"type\":\"error\",\"message\":\"Target peer not found\"}");
        bytes += HUGE_TEXT;
        uint64_t later_ns = bytes <= 8 * rate ? 0 : (bytes - 8 * rate) * NETWORK_S / rate;
        scene_expect_elapsed("a long message is read", since,
                             later_ns > SOON_NS ? later_ns - SOON_NS : 0, later_ns + FILLING_NS);
    }
}

/* The last of too many misses is told late, and ends the connection. */
void scene_guesser(void)
{
    int protocol = network_once_in(2) ? 1 : 2;
    struct guest *guest = guest_come(protocol, "guesser");
    const char *code = protocol == 1 ? "ZZZZ" : "999999";
    for (uint64_t i = 0; i < world_config()->failed_joins_max; i++) {
        guest_say(guest, "{\"type\":\"join\",\"clientId\":\"guesser\",\"room\":\"%s\"}", code);
        guest_expect(guest, "{\"type\":\"error\",\"message\":\"Room not found\"}");
    }
    struct moment since = scene_now();
    guest_say(guest, "{\"type\":\"join\",\"clientId\":\"guesser\",\"room\":\"%s\"}", code);
    const char *text = guest_hear(guest, 4 * NETWORK_S);
    if (strcmp(text, "{\"type\":\"error\",\"message\":\"Room not found\"}") != 0)
        scene_fails("a guesser hears %s", text);
    scene_expect_elapsed("a guesser is answered", since, 3 * NETWORK_S, 3 * NETWORK_S + LATE_NS);
    guest_expect_close(guest, 1008, NULL, LATE_NS);
}
