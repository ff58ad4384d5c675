/* Protocol 3: seats that are held and expire, hosts, audiences, who may come, and joins too late.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "scenes.h"
#include "wire.h"
#include "world.h"

#define LATE_NS (NETWORK_S / 2) /* what a network and a turn may take */
#define SOON_NS (NETWORK_S / 10)
#define HOLD_LEAST_NS (5 * NETWORK_S)
#define SILENT_CREATOR_NS (10 * NETWORK_S)
#define GUESSES 10
#define GUESS_NS (6 * NETWORK_S) /* after ten wrong ones, until the next is looked at */
#define SENDS_OF_AUDIENCE 200
#define MORE_TEXT_MAX 256
#define TEXT_BYTES 900
#define LOG_BYTES_LEAST 4096 /* for what a scene has a member miss */

/* What a client says of itself; it pads names to what is long enough. */
#define WHO "\"clientId\":\"%s-in-a-scene-of-seats\",\"session\":\"session-%s\""

static uint64_t host_grace_ns(void)
{
    return world_config()->host_grace_ms * NETWORK_MS;
}

static uint64_t migration_ns(void)
{
    return world_config()->migrate_ms * NETWORK_MS;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of a guest that is told so: `more` are fields of `create`, which begin with a comma. */
PRINTF_LIKE(2, 3) static struct guest *create(const char *name, const char *more, ...)
{
    char fields[MORE_TEXT_MAX];
    va_list arguments;
    va_start(arguments, more);
    vsnprintf(fields, sizeof fields, more, arguments);
    va_end(arguments);
    struct guest *guest = guest_come(3, name);
    guest_say(guest, "{\"type\":\"create\"," WHO ",\"maxClients\":4%s}", name, name, fields);
    const char *text = guest_hear(guest, PROMPT_NS);
    if (strncmp(text, "{\"type\":\"created\"", 17) != 0)
        scene_fails("%s creates a room, and hears %s", name, text);
    guest_take_seat(guest, text);
    return guest;
}

/* Comes and asks to be let in. */
PRINTF_LIKE(4, 5)
static struct guest *ask(const char *name, const char *code, uint32_t attempt, const char *more,
                         ...)
{
    char fields[MORE_TEXT_MAX];
    va_list arguments;
    va_start(arguments, more);
    vsnprintf(fields, sizeof fields, more, arguments);
    va_end(arguments);
    struct guest *guest = guest_come(3, name);
    guest_say(guest, "{\"type\":\"join\"," WHO ",\"attempt\":%" PRIu32 ",\"room\":\"%s\"%s}", name,
              name, attempt, code, fields);
    return guest;
}

/* The guest is told that it has a seat, in a text with this in it. */
static void expect_joined(struct guest *guest, const char *part)
{
    const char *text = guest_hear(guest, PROMPT_NS);
    if (strncmp(text, "{\"type\":\"joined\"", 16) != 0 || strstr(text, part) == NULL)
        scene_fails("who joins hears %.300s without %s", text, part);
    if (strstr(text, "\"index\":") != NULL)
        guest_take_seat(guest, text);
}

static struct guest *join(const char *name, const struct guest *host)
{
    struct guest *guest = ask(name, guest_code(host), 1, "%s", "");
    expect_joined(guest, "\"recovered\":false,\"seen\":0,\"heard\":0");
    return guest;
}

static void expect_error(struct guest *guest, const char *code)
{
    char part[64];
    const char *text = guest_hear(guest, PROMPT_NS);
    snprintf(part, sizeof part, "{\"type\":\"error\",\"code\":\"%s\",", code);
    if (strncmp(text, part, strlen(part)) != 0)
        scene_fails("who should hear of %s hears %.300s", code, text);
}

/* Somebody who wants to join hears of this error. */
static void expect_refusal(const char *name, const struct guest *host, const char *more,
                           const char *code)
{
    struct guest *guest = ask(name, guest_code(host), 1, "%s", more);
    expect_error(guest, code);
    guest_leave(guest, 1000);
}

/* A connection ends in some way that is no farewell. */
static void lose(struct guest *guest)
{
    static const unsigned codes[] = {1001, 4100, 4101};
    if (network_once_in(2))
        guest_cut_off(guest);
    else
        guest_leave(guest, codes[network_below(3)]);
}

/* Whether times can't be told, since everything stood still since then. */
static bool stood_still_since(struct moment moment)
{
    return world_stood_still_ns() != moment.stood_still_ns;
}

/* A seat is held for as long as its member was here, at least 5 s, and at most for `hold`. */
void scene_seat_expires(void)
{
    uint64_t hold_ns = (6 + network_below(10)) * NETWORK_S;
    uint64_t stay_ns = network_random() % (12 * NETWORK_S);
    struct guest *host = create("host", ",\"hold\":%u", (unsigned)(hold_ns / NETWORK_S));
    struct moment came = scene_now();
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    scene_wait(stay_ns);
    lose(other);
    struct moment lost = scene_now();
    guest_expect(host, "{\"type\":\"peer_away\",\"index\":1}");
    if (stood_still_since(came))
        return;
    uint64_t stayed_ns = lost.now_ns - came.now_ns + LATE_NS;
    uint64_t least_ns = larger(HOLD_LEAST_NS, smaller(hold_ns, stay_ns));
    uint64_t most_ns = larger(HOLD_LEAST_NS, smaller(hold_ns, stayed_ns)) + LATE_NS;
    const char *text = guest_hear(host, most_ns + LATE_NS);
    if (strcmp(text, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}") != 0)
        scene_fails("the host hears %s of a seat that is held no longer", text);
    scene_expect_elapsed("a seat expires", lost, least_ns - SOON_NS, most_ns);
    /* The seat is another one then, in a new epoch. */
    struct guest *again =
        ask("other", guest_code(host), 2, ",\"epoch\":\"%s\",\"seen\":0", guest_epoch(other));
    expect_joined(again, "\"index\":2");
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":2}");
}

/* Without a hold the seat is gone at once. */
void scene_no_hold(void)
{
    struct guest *host = create("host", ",\"hold\":0");
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    lose(other);
    guest_expect(host, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}");
}

/* Who comes back in time hears all that it missed, what is worthless only by its number. */
void scene_seat_returns(void)
{
    if (world_config()->log_bytes_max < LOG_BYTES_LEAST)
        return;
    struct guest *host = create("host", ",\"hold\":20");
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_say(other, "{\"type\":\"send\",\"data\":\"hello\"}");
    guest_expect(host, "{\"type\":\"message\",\"from\":1,\"data\":\"hello\"}");
    lose(other);
    guest_expect(host, "{\"type\":\"peer_away\",\"index\":1}");
    guest_say(host, "{\"type\":\"send\",\"data\":1}");
    guest_say(host, "{\"type\":\"send\",\"data\":2,\"volatile\":true}");
    guest_say(host, "{\"type\":\"set_state\",\"data\":3}");
    guest_say(host, "{\"type\":\"set_state\",\"data\":4}");
    wire_send_frame(guest_wire(host), 0x82, true, "\x01\0\0\0\x01z", 6);
    guest_catch_up(host);
    struct guest *again =
        ask("other", guest_code(host), 2, ",\"epoch\":\"%s\",\"seen\":0", guest_epoch(other));
    expect_joined(again, "\"recovered\":true,\"seen\":0,\"heard\":1}");
    guest_expect(host, "{\"type\":\"peer_back\",\"index\":1}");
    guest_expect(again, "{\"type\":\"message\",\"from\":0,\"data\":1}");
    guest_expect(again, "{\"type\":\"skipped\",\"count\":2}");
    guest_expect(again, "{\"type\":\"state\",\"data\":4}");
    guest_expect(again, "bytes 00 00 00 00 00 7a");
    guest_say(again, "{\"type\":\"ping\",\"seen\":5}");
    guest_expect(again, "{\"type\":\"pong\",\"heard\":1}");
    guest_say(again, "{\"type\":\"leave\"}");
    guest_expect(again, "{\"type\":\"left\"}");
    guest_expect(host, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"left\"}");
}

/* A log that is full loses the oldest; who missed that is told how many there were. */
void scene_log_overflows(void)
{
    static char text[TEXT_BYTES + 1];
    uint32_t count = (uint32_t)(world_config()->log_bytes_max / TEXT_BYTES) + 2;
    struct guest *host = create("host", ",\"hold\":20");
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    memset(text, 'x', sizeof text - 1);
    lose(other);
    guest_expect(host, "{\"type\":\"peer_away\",\"index\":1}");
    struct moment lost = scene_now();
    for (uint32_t i = 0; i < count; i++)
        guest_say(host, "{\"type\":\"send\",\"data\":\"%s\"}", text);
    guest_catch_up(host);
    if (stood_still_since(lost))
        return;
    char part[64];
    snprintf(part, sizeof part, "\"epoch\":\"%s\",\"recovered\":false,\"seen\":%" PRIu32 ",",
             guest_epoch(other), count);
    struct guest *again =
        ask("other", guest_code(host), 2, ",\"epoch\":\"%s\",\"seen\":0", guest_epoch(other));
    expect_joined(again, part);
}

/* A ping that says too much makes the log forget nothing. A join that does is told what there was,
 * in the same epoch. */
void scene_impossible_count(void)
{
    struct guest *host = create("host", ",\"hold\":20");
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_say(other, "{\"type\":\"ping\",\"seen\":700}");
    guest_expect(other, "{\"type\":\"pong\",\"heard\":0}");
    lose(other);
    guest_expect(host, "{\"type\":\"peer_away\",\"index\":1}");
    guest_say(host, "{\"type\":\"send\",\"data\":1}");
    for (int i = 0; i < 3; i++) { /* so that all confirmations are looked at */
        guest_say(host, "{\"type\":\"ping\",\"seen\":2}");
        guest_expect(host, "{\"type\":\"pong\",\"heard\":1}");
    }
    struct guest *again =
        ask("other", guest_code(host), 2, ",\"epoch\":\"%s\",\"seen\":0", guest_epoch(other));
    expect_joined(again, "\"recovered\":true,\"seen\":0,\"heard\":0");
    guest_expect(again, "{\"type\":\"message\",\"from\":0,\"data\":1}");
    again = ask("other", guest_code(host), 3, ",\"epoch\":\"%s\",\"seen\":2", guest_epoch(other));
    expect_joined(again, "\"recovered\":false,\"seen\":1,\"heard\":0");
    guest_say(host, "{\"type\":\"send\",\"data\":2}");
    guest_expect(again, "{\"type\":\"message\",\"from\":0,\"data\":2}");
}

/* A host that is away for too long takes its room with it. */
void scene_host_expires(void)
{
    struct guest *host = create("host", ",\"hold\":5");
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    lose(host);
    struct moment lost = scene_now();
    guest_expect(other, "{\"type\":\"peer_away\",\"index\":0}");
    guest_expect_close(other, 4001, "room closed", host_grace_ns() + LATE_NS);
    scene_expect_elapsed("a room without its host ends", lost, host_grace_ns() - SOON_NS,
                         host_grace_ns() + LATE_NS);
    expect_refusal("late", host, "", "room-not-found");
}

/* Or another member is the host after a while; who comes back is a usual member. */
void scene_host_migrates(void)
{
    struct guest *host = create("host", ",\"hold\":5,\"onHostLeft\":\"migrate\"");
    struct guest *other = join("other", host);
    struct guest *third = join("third", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_expect(other, "{\"type\":\"peer_joined\",\"index\":2}");
    lose(host);
    struct moment lost = scene_now();
    guest_expect(other, "{\"type\":\"peer_away\",\"index\":0}");
    guest_expect(third, "{\"type\":\"peer_away\",\"index\":0}");
    if (migration_ns() + NETWORK_S > host_grace_ns())
        return; /* whichever comes first */
    const char *text = guest_hear(other, migration_ns() + LATE_NS);
    if (strcmp(text, "{\"type\":\"host\",\"index\":1}") != 0)
        scene_fails("others hear %s when another is to be host", text);
    scene_expect_elapsed("a host migrates", lost, migration_ns() - SOON_NS,
                         migration_ns() + LATE_NS);
    guest_expect(third, "{\"type\":\"host\",\"index\":1}");
    if (stood_still_since(lost) || host_grace_ns() < migration_ns() + 2 * NETWORK_S)
        return;
    struct guest *again = ask("host", guest_code(other), 2, "%s", "");
    expect_joined(again, "\"host\":1,\"peers\":[1,2],\"away\":[]");
    guest_say(again, "{\"type\":\"set_state\",\"data\":1}");
    expect_error(again, "not-host");
}

/* A host that leaves is gone at once, and so is its room, unless another is the host then. */
void scene_host_leaves(void)
{
    bool migrates = network_once_in(2);
    struct guest *host = create("host", ",\"onHostLeft\":\"%s\"", migrates ? "migrate" : "close");
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_leave(host, 1000);
    if (!migrates) {
        guest_expect_close(other, 4001, "room closed", PROMPT_NS);
        return;
    }
    guest_expect(other, "{\"type\":\"peer_left\",\"index\":0,\"why\":\"left\"}");
    guest_expect(other, "{\"type\":\"host\",\"index\":1}");
    guest_say(other, "{\"type\":\"close_room\"}");
    guest_expect_close(other, 4001, "room closed", PROMPT_NS);
}

/* A creator that said nothing may not know of its room; one that did comes back to it. */
void scene_silent_creator(void)
{
    bool is_known = network_once_in(2);
    struct guest *host = create("host", ",\"hold\":20");
    if (is_known) {
        guest_say(host, "{\"type\":\"ping\"}");
        guest_expect(host, "{\"type\":\"pong\",\"heard\":0}");
    }
    lose(host);
    struct moment lost = scene_now();
    uint64_t wait_ns = SILENT_CREATOR_NS + LATE_NS;
    if (is_known && host_grace_ns() < wait_ns + 2 * NETWORK_S)
        return;
    scene_wait(wait_ns);
    if (!is_known) {
        expect_refusal("host", host, "", "room-not-found");
    } else if (!stood_still_since(lost)) {
        struct guest *again =
            ask("host", guest_code(host), 1, ",\"epoch\":\"%s\",\"seen\":0", guest_epoch(host));
        expect_joined(again, "\"recovered\":true");
    }
}

static struct guest *come_to_watch(const char *name, const struct guest *host)
{
    struct guest *guest = ask(name, guest_code(host), 1, ",\"role\":\"audience\"");
    expect_joined(guest, "\"recovered\":false,\"host\":0,\"locked\":false");
    return guest;
}

/* The host hears of the audience at most once a second. */
static void expect_audience_count(struct guest *host, uint32_t count, struct moment *last)
{
    char text[64];
    snprintf(text, sizeof text, "{\"type\":\"audience\",\"count\":%" PRIu32 "}", count);
    const char *told = guest_hear(host, PROMPT_NS);
    if (strcmp(told, text) != 0)
        scene_fails("the host hears %s instead of %s", told, text);
    if (last->now_ns != 0)
        scene_expect_elapsed("the audience is told of", *last, NETWORK_S - SOON_NS, UINT64_MAX);
    *last = scene_now();
}

void scene_audience(void)
{
    struct moment told = {0};
    struct guest *host = create("host", ",\"maxAudience\":2");
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    struct guest *one = come_to_watch("one", host);
    expect_audience_count(host, 1, &told);
    struct guest *two = come_to_watch("two", host);
    expect_audience_count(host, 2, &told);
    expect_refusal("three", host, ",\"role\":\"audience\"", "audience-full");
    guest_say(other, "{\"type\":\"send\",\"data\":\"for all\"}");
    guest_expect(one, "{\"type\":\"message\",\"from\":1,\"data\":\"for all\"}");
    guest_expect(two, "{\"type\":\"message\",\"from\":1,\"data\":\"for all\"}");
    guest_expect(host, "{\"type\":\"message\",\"from\":1,\"data\":\"for all\"}");
    guest_say(one, "{\"type\":\"send\",\"to\":1,\"data\":\"for the host\"}");
    guest_expect(host, "{\"type\":\"message\",\"audience\":true,\"data\":\"for the host\"}");
    guest_say(host, "{\"type\":\"mute_audience\",\"muted\":true}");
    guest_catch_up(host);
    guest_say(one, "{\"type\":\"send\",\"data\":1}");
    guest_expect(one,
                 "{\"type\":\"error\",\"code\":\"audience-muted\",\"message\":\"The audience is "
                 "muted\",\"of\":\"send\"}");
    lose(two);
    expect_audience_count(host, 1, &told);
    guest_catch_up(other);
}

/* All that an audience may say in a second reaches the host, and no more. */
void scene_loud_audience(void)
{
    struct guest *host = create("host", ",\"maxAudience\":2");
    struct guest *one = come_to_watch("one", host);
    guest_expect(host, "{\"type\":\"audience\",\"count\":1}");
    struct moment began = scene_now();
    for (uint32_t i = 0; i < SENDS_OF_AUDIENCE + 20; i++)
        guest_say(one, "{\"type\":\"send\",\"data\":%u}", i);
    guest_say(one, "{\"type\":\"ping\"}");
    uint32_t refused = 0;
    for (const char *text = guest_hear(one, PROMPT_NS); strcmp(text, "{\"type\":\"pong\"}") != 0;
         text = guest_hear(one, PROMPT_NS))
        refused += strstr(text, "\"audience-busy\"") != NULL;
    bool is_in_a_second = world_now_ns() - began.now_ns < NETWORK_S && !stood_still_since(began);
    if (is_in_a_second && refused != 20)
        scene_fails("of a loud audience, %u messages are refused", refused);
}

void scene_kick(void)
{
    struct guest *host = create("host", "%s", "");
    struct guest *other = join("other", host);
    struct guest *third = join("third", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":2}");
    guest_expect(other, "{\"type\":\"peer_joined\",\"index\":2}");
    guest_say(host, "{\"type\":\"kick\",\"index\":1,\"reason\":\"enough\"}");
    guest_expect_close(other, 4002, "enough", PROMPT_NS);
    guest_expect(host, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"kicked\"}");
    guest_expect(third, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"kicked\"}");
    char epoch[64];
    snprintf(epoch, sizeof epoch, ",\"epoch\":\"%s\",\"seen\":1", guest_epoch(other));
    expect_refusal("other", host, epoch, "kicked");
    struct guest *again = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":3}");
    guest_say(host, "{\"type\":\"kick\",\"index\":3,\"ban\":true}");
    guest_expect_close(again, 4002, "", PROMPT_NS);
    expect_refusal("other", host, "", "banned");
    /* The host may kick who is away, too. */
    guest_expect(host, "{\"type\":\"peer_left\",\"index\":3,\"why\":\"kicked\"}");
    lose(third);
    guest_expect(host, "{\"type\":\"peer_away\",\"index\":2}");
    guest_say(host, "{\"type\":\"kick\",\"index\":2}");
    guest_expect(host, "{\"type\":\"peer_left\",\"index\":2,\"why\":\"kicked\"}");
}

/* Nobody new gets into a room that is locked or full; who has a seat does. */
void scene_locked_room(void)
{
    bool is_full = network_once_in(2);
    struct guest *host = create("host", ",\"hold\":20");
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_say(host, "{\"type\":\"set_room\",%s}", is_full ? "\"maxClients\":2" : "\"locked\":true");
    const char *room = is_full ? "{\"type\":\"room\",\"locked\":false,\"maxClients\":2,"
                                 "\"maxAudience\":0,\"password\":false}"
                               : "{\"type\":\"room\",\"locked\":true,\"maxClients\":4,"
                                 "\"maxAudience\":0,\"password\":false}";
    guest_expect(host, "%s", room);
    guest_expect(other, "%s", room);
    lose(other);
    guest_expect(host, "{\"type\":\"peer_away\",\"index\":1}");
    expect_refusal("third", host, "", is_full ? "room-full" : "room-locked");
    struct guest *again = ask("other", guest_code(host), 2, "%s", "");
    expect_joined(again, "\"index\":1,");
    guest_expect(host, "{\"type\":\"peer_back\",\"index\":1}");
}

/* Ten wrong passwords of one address are looked at, and then one in six seconds. */
void scene_password(void)
{
    struct guest *host = create("host", ",\"password\":\"sesame\"");
    struct moment began = scene_now();
    expect_refusal("other", host, "", "password-required");
    guests_share_address();
    for (int i = 0; i < GUESSES; i++)
        expect_refusal("other", host, ",\"password\":\"open\"", "wrong-password");
    uint64_t took_ns = world_now_ns() - began.now_ns;
    if (stood_still_since(began) || took_ns > GUESS_NS - NETWORK_S)
        return;
    expect_refusal("other", host, ",\"password\":\"sesame\"", "passwords-busy");
    scene_wait(GUESS_NS + SOON_NS);
    struct guest *other = ask("other", guest_code(host), 2, ",\"password\":\"sesame\"");
    expect_joined(other, "\"index\":1,");
}

/* A join of a connection that was given up replaces nothing. */
void scene_given_up(void)
{
    struct guest *host = create("host", "%s", "");
    struct guest *newest = ask("other", guest_code(host), 2, "%s", "");
    expect_joined(newest, "\"index\":1,");
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    struct guest *stale = ask("other", guest_code(host), network_below(2) + 1, "%s", "");
    guest_expect_close(stale, 4101, "given up", PROMPT_NS);
    guest_catch_up(newest);
    /* The page is loaded again: another session, of which the former one is stale from now on. */
    struct guest *loaded = guest_come(3, "other");
    guest_say(loaded, "{\"type\":\"join\"," WHO ",\"attempt\":1,\"room\":\"%s\"}", "other",
              "loaded", guest_code(host));
    expect_joined(loaded, "\"index\":1,");
    guest_expect_close(newest, 4000, "replaced", PROMPT_NS);
    stale = ask("other", guest_code(host), 3, "%s", "");
    guest_expect_close(stale, 4101, "given up", PROMPT_NS);
    guest_catch_up(loaded);
    guest_catch_up(host);
}

void scene_binary(void)
{
    struct guest *host = create("host", "%s", "");
    struct guest *other = join("other", host);
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    wire_send_frame(guest_wire(other), 0x82, true, "\0\xff\xfe", 3);
    guest_expect(host, "bytes 00 00 00 00 01 ff fe");
    wire_send_frame(guest_wire(other), 0x82, true, "\x82", 1);
    guest_expect(host, "bytes 00 00 00 00 01");
    wire_send_frame(guest_wire(host), 0x82, true, "\x01\0\0\0\x01!", 6);
    guest_expect(other, "bytes 00 00 00 00 00 21");
    wire_send_frame(guest_wire(other), 0x82, true, "\x01\0\0\0", 4);
    guest_expect(other,
                 "{\"type\":\"error\",\"code\":\"invalid-binary\",\"message\":\"Invalid binary "
                 "message\",\"of\":\"binary\",\"n\":3}");
}

void scene_lookup_of_seats(void)
{
    char path[64];
    struct guest *host = create("host", ",\"hold\":20,\"password\":\"sesame\"");
    struct guest *other = ask("other", guest_code(host), 1, ",\"password\":\"sesame\"");
    expect_joined(other, "\"index\":1,");
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    lose(other);
    guest_expect(host, "{\"type\":\"peer_away\",\"index\":1}");
    snprintf(path, sizeof path, "/room/%s", guest_code(host));
    scene_ask(path, "200",
              "{\"protocol\":3,\"clients\":1,\"away\":1,\"maxClients\":4,\"audience\":0,"
              "\"locked\":false,\"password\":true,\"origin\":\"unknown\"}");
}

/* What is refused, and with which words; `n` counts all that the guest has said. */
void scene_errors_of_seats(void)
{
    static const struct {
        const char *said;
        const char *error;
    } faults[] = {
        {"nonsense", "\"code\":\"invalid-json\",\"message\":\"Invalid JSON\""},
        {"{\"type\":\"dance\"}", "\"code\":\"unknown-type\",\"message\":\"Unknown message type\""},
        {"{\"type\":\"create\"}",
         "\"code\":\"already-in-room\",\"message\":\"Already in a room\",\"of\":\"create\""},
        {"{\"type\":\"send\",\"data\":1,\"to\":[]}",
         "\"code\":\"bad-to\",\"message\":\"to must name 1 to 64 "
         "peers\",\"of\":\"send\",\"to\":[]"},
        {"{\"type\":\"send\",\"data\":1,\"to\":7}",
         "\"code\":\"peer-not-found\",\"message\":\"Target peer not "
         "found\",\"of\":\"send\",\"to\":7"},
        {"{\"type\":\"send\",\"data\":1,\"volatile\":1}",
         "\"code\":\"bad-volatile\",\"message\":\"volatile must be true or "
         "false\",\"of\":\"send\""},
        {"{\"type\":\"kick\",\"index\":0}",
         "\"code\":\"not-host\",\"message\":\"Only the host can do that\",\"of\":\"kick\""},
        {"{\"type\":\"close_room\"}", "\"code\":\"not-host\",\"message\":\"Only the host can close "
                                      "the room\",\"of\":\"close_room\""},
    };
    struct guest *host = create("host", "%s", "");
    struct guest *other = join("other", host);
    for (uint32_t n = 1; n <= ARRAY_LENGTH(faults); n++) {
        guest_say(other, "%s", faults[n - 1].said);
        guest_expect(other, "{\"type\":\"error\",%s,\"n\":%u}", faults[n - 1].error, n);
    }
    guest_say(other, "{\"type\":\"ping\"}");
    guest_expect(other, "{\"type\":\"pong\",\"heard\":%zu}", ARRAY_LENGTH(faults));
    guest_expect(host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_say(host, "{\"type\":\"kick\",\"index\":0}");
    guest_expect(host,
                 "{\"type\":\"error\",\"code\":\"kick-self\",\"message\":\"The host can't kick "
                 "itself\",\"of\":\"kick\",\"n\":1}");
    guest_say(host, "{\"type\":\"set_room\"}");
    guest_expect(host,
                 "{\"type\":\"error\",\"code\":\"nothing-to-set\",\"message\":\"set_room needs a "
                 "field to set\",\"of\":\"set_room\",\"n\":2}");
    guest_say(host, "{\"type\":\"set_host\",\"index\":1}");
    guest_expect(host, "{\"type\":\"host\",\"index\":1}");
    guest_say(host, "{\"type\":\"set_host\",\"index\":0}");
    expect_error(host, "not-host");
}
