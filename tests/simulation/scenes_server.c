/* Rooms over HTTP, the limit of rooms, and the end of the server. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "scenes.h"
#include "world.h"

#define NEWCOMERS_MOST 64 /* of one address, a minute, into a small room */
#define GUESSES 25        /* of one connection, which may have 30 */
#define FEW_PLACES 200    /* which a scene can take */
#define CONNECTIONS_OF_ADDRESS_MAX 64
#define CROWDS_MAX 12 /* addresses that take all places, */
#define CROWD 20      /* and the connections of each */

static struct guest *last_host;
static struct guest *last_member;

void scene_lookup(void)
{
    char path[32];
    int protocol = network_once_in(2) ? 1 : 2;
    struct guest *host = guest_create(protocol, "host", 4);
    snprintf(path, sizeof path, "/room/%s", guest_code(host));
    scene_ask(path, "200", "{\"clients\":1,\"maxClients\":4,\"origin\":\"unknown\"}");
    struct guest *member = guest_join(protocol, "member", guest_code(host));
    scene_ask(path, "200", "{\"clients\":2,\"maxClients\":4,\"origin\":\"unknown\"}");
    guest_leave(member, 1000);
    (void)guest_hear(host, PROMPT_NS);
    (void)guest_hear(host, PROMPT_NS);
    scene_ask(path, "200", "{\"clients\":1,\"maxClients\":4,\"origin\":\"unknown\"}");
    guest_leave(host, 1000);
    scene_wait(NETWORK_S);
    scene_ask(path, "404", "{\"error\":\"Room not found\"}");
}

void scenes_visit(uint64_t end_ns, bool is_traced)
{
    /* Not /metrics: how much memory the process has is no matter of the seed. */
    static const char *const paths[] = {
        "/health", "/stats", "/", "/room/2345", "/room/abcdef/qr.svg", "/nothing",
    };
    guests_begin("visits", is_traced);
    while (world_now_ns() < end_ns) {
        free(scene_visit(paths[network_below(ARRAY_LENGTH(paths))]));
        scene_wait(network_random() % (NETWORK_S / 2));
    }
    guests_begin(NULL, false);
}

/* Rooms are made until there are as many as there may be. */
void scene_full_server(void)
{
    uint64_t most = world_config()->rooms_max;
    if (world_is_cluster())
        return;
    for (uint64_t i = 0; i <= most; i++) {
        struct guest *guest = guest_come(1, "host");
        guest_say(guest, "{\"type\":\"create\",\"clientId\":\"host\",\"maxClients\":2}");
        const char *text = guest_hear(guest, PROMPT_NS);
        if (strcmp(text, "{\"type\":\"error\",\"message\":\"Too many rooms\"}") == 0)
            return;
        if (strncmp(text, "{\"type\":\"created\"", 17) != 0)
            scene_fails("one host more hears %s", text);
    }
    scene_fails("there are more rooms than may be");
}

/* One address has as many connections as it may, and one more is refused. */
void scene_many_connections(void)
{
    uint64_t most = world_config()->connections_per_address_max;
    struct guest *last = NULL;
    if (world_is_cluster())
        return;
    guests_share_address();
    for (uint64_t i = 0; i < most; i++)
        last = guest_come(2, "one of many");
    scene_expect_refusal("429");
    guest_leave(last, 1000);
    scene_wait(NETWORK_S);
    guest_catch_up(guest_come(2, "successor"));
}

static uint32_t count_lost(struct guest *const *some, uint32_t count)
{
    uint32_t lost = 0;
    for (uint32_t i = 0; i < count; i++)
        lost += !guest_is_connected(some[i]);
    return lost;
}

/*
 * One address has as many connections as it may, and others come until all places are taken. They
 * get places all the same, and those of the first address are closed for them.
 */
void scene_all_places_taken(void)
{
    struct guest *first[CONNECTIONS_OF_ADDRESS_MAX];
    struct guest *crowd[CROWD];
    uint32_t most = (uint32_t)world_config()->connections_per_address_max;
    if (world_config()->connections_max > FEW_PLACES || world_is_cluster())
        return;
    guests_share_address();
    for (uint32_t i = 0; i < most; i++)
        first[i] = guest_come(2, "first");
    for (uint32_t i = 0; count_lost(first, most) == 0; i++) {
        if (i == CROWDS_MAX * CROWD)
            scene_fails("nobody is closed for newcomers");
        if (i % CROWD == 0)
            guests_share_address();
        crowd[i % CROWD] = guest_come(2, "newcomer");
        scene_wait(NETWORK_S / 10);
        uint32_t lost = count_lost(crowd, i < CROWD ? i + 1 : CROWD);
        if (lost > 0)
            scene_fails("%u newcomers are closed, and not who has most connections", lost);
    }
}

/* Of what an address may have in a minute, what is left comes back evenly. */
static void expect_count(const char *what, uint64_t count, uint64_t most, struct moment since)
{
    /* Time goes on in gaps, too. */
    uint64_t elapsed_ns = world_now_ns() - since.now_ns;
    elapsed_ns += world_stood_still_ns() - since.stood_still_ns;
    uint64_t came_back = elapsed_ns * most / (60 * NETWORK_S) + 1;
    if (count < most || count > most + came_back)
        scene_fails("%" PRIu64 " %s, of at most %" PRIu64 " a minute", count, what, most);
}

/* One address brings many new members; those whom the room knows may come all the same. */
void scene_many_newcomers(void)
{
    struct guest *host = guest_create(2, "host", 4);
    struct moment since = scene_now();
    char name[32];
    guests_share_address();
    for (uint64_t count = 0;; count++) {
        snprintf(name, sizeof name, "guest %" PRIu64, count);
        struct guest *guest = guest_come(2, name);
        guest_say(guest, "{\"type\":\"join\",\"clientId\":\"%s\",\"room\":\"%s\"}", name,
                  guest_code(host));
        const char *text = guest_hear_if(guest, PROMPT_NS);
        if (text == NULL) {
            expect_count("newcomers", count, NEWCOMERS_MOST, since);
            guest_expect_close(guest, 1013, "too many attempts", 2 * NETWORK_S);
            break;
        }
        if (strncmp(text, "{\"type\":\"joined\"", 16) != 0)
            scene_fails("a newcomer hears %s", text);
        guest_leave(guest, 1000);
        (void)guest_hear(host, PROMPT_NS);
        (void)guest_hear(host, PROMPT_NS);
    }
    (void)guest_join(2, "guest 0", guest_code(host));
}

/* Says that it wants to join rooms that are not there. Returns how often it was told so. */
static uint64_t guess(struct guest *guest, uint32_t times)
{
    uint64_t told = 0;
    for (uint32_t i = 0; i < times; i++)
        guest_say(guest, "{\"type\":\"join\",\"clientId\":\"x\",\"room\":\"999999\"}");
    while (told < times && guest_hear_if(guest, NETWORK_S) != NULL)
        told++;
    return told;
}

void scene_many_guessers(void)
{
    uint64_t most = world_config()->failed_joins_per_address_max;
    struct moment since = scene_now();
    uint64_t told = 0;
    guests_share_address();
    for (;;) {
        struct guest *guest = guest_come(2, "guesser");
        uint64_t more = guess(guest, GUESSES);
        told += more;
        if (more == GUESSES)
            continue;
        expect_count("guesses", told, most, since);
        guest_expect_close(guest, 1013, "too many attempts", 3 * NETWORK_S);
        return;
    }
}

/* From now on nobody makes a room, and all else goes on. */
void scene_server_drains(bool is_traced)
{
    guests_begin("draining", is_traced);
    last_host = guest_create(2, "host", 4);
    world_drain();
    scene_wait(NETWORK_S);
    struct guest *late = guest_come(2, "late");
    guest_say(late, "{\"type\":\"create\",\"clientId\":\"late\",\"maxClients\":4}");
    guest_expect(late, "{\"type\":\"error\",\"message\":\"Server draining\"}");
    last_member = guest_join(2, "member", guest_code(last_host));
    guest_expect(last_host, "{\"type\":\"peer_joined\",\"index\":1}");
    guest_catch_up(last_member);
}

void scene_server_has_stopped(void)
{
    uint16_t code = (uint16_t)world_stop_code();
    const char *reason = world_is_cluster() ? "server is restarting" : "server is stopping";
    guest_expect_close_at_last(last_host, code, reason, 0);
    guest_expect_close_at_last(last_member, code, reason, 0);
    guests_begin(NULL, false);
}
