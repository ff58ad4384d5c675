#include "bus/nats_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int start_server(void **state)
{
    *state = NULL;
    if (!nats_server_is_here())
        return 0;
    struct nats_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return -1;
    nats_server_init(server, "");
    nats_server_start(server);
    *state = server;
    return 0;
}

int end_server(void **state)
{
    struct nats_server *server = *state;
    if (server == NULL)
        return 0;
    nats_server_release(server);
    free(server);
    return 0;
}

struct nats_server *server_of(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

struct bus_nats_options options_for(const struct nats_server *server)
{
    return (struct bus_nats_options){
        .servers = server->url, .cluster = "red", .node = "a", .replicas = 1};
}

struct bus *open_bus(const struct nats_server *server)
{
    struct bus_nats_options options = options_for(server);
    char why[BUS_WHY_MAX] = "";
    struct bus *bus = bus_nats_open(&options, LONG_MS, why);
    if (bus == NULL)
        fail_msg("%s", why);
    return bus;
}

void close_bus(struct bus *bus)
{
    bus->functions->close(bus);
}

uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void wait_for_connection(struct bus *bus, bool is_connected)
{
    struct bus_state found;
    uint64_t end_ms = now_ms() + LONG_MS;
    for (;;) {
        bus->functions->state(bus, &found);
        if (found.has_messages == is_connected && found.has_keys == is_connected)
            return;
        assert_true(now_ms() < end_ms);
        poll(NULL, 0, LOOK_MS);
    }
}

enum bus_outcome publish(struct bus *bus, const char *subject, const char *text)
{
    return bus->functions->publish(bus, subject, bytes_of_string(text));
}

void expect_text(struct bytes found, const char *text)
{
    assert_int_equal(found.length, strlen(text));
    assert_memory_equal(found.data, text, found.length);
}

void expect_message(struct bus *bus, struct bus_subscription *subscription, const char *text)
{
    struct bytes found = BYTES("");
    assert_int_equal(bus->functions->read(subscription, LONG_MS, &found), BUS_MESSAGE);
    expect_text(found, text);
}

void expect_reading(struct bus *bus, struct bus_subscription *subscription,
                    enum bus_reading reading)
{
    struct bytes found;
    assert_int_equal(bus->functions->read(subscription, 1, &found), reading);
}

void read_map(struct bus *bus, struct bus_entries *ret_entries)
{
    assert_int_equal(bus->functions->map_read(bus, LONG_MS, ret_entries), BUS_DONE);
}

enum bus_outcome write_map(struct bus *bus, const char *text, uint64_t expected)
{
    uint64_t revision = 0;
    enum bus_outcome outcome =
        bus->functions->map_write(bus, bytes_of_string(text), expected, LONG_MS, &revision);
    if (outcome == BUS_DONE)
        assert_int_equal(revision, expected + 1);
    return outcome;
}

enum bus_outcome write_lease(struct bus *bus, const char *key, const char *text,
                             uint64_t *ret_revision)
{
    return bus->functions->lease_write(bus, key, bytes_of_string(text), LONG_MS, ret_revision);
}
