/* The bus over a nats-server that is stopped, killed, made anew or not the right one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "bus/nats_fixture.h"

#define SHORT_MS 200
#define SLACK_MS 600 /* by which a busy machine may be late; less than libnats takes to connect */

/* The outcomes of all calls of the keyed store while nobody answers, each in its time. */
static void expect_unknown(struct bus *bus)
{
    const struct bus_functions *call = bus->functions;
    struct bus_entries entries;
    uint64_t number = 0;
    for (int i = 0; i < 5; i++) {
        uint64_t begin_ms = now_ms();
        enum bus_outcome outcome =
            i == 0   ? call->map_read(bus, SHORT_MS, &entries)
            : i == 1 ? call->map_write(bus, BYTES("late"), 1, SHORT_MS, &number)
            : i == 2 ? call->lease_write(bus, "a", BYTES("late"), SHORT_MS, &number)
            : i == 3 ? call->leases_read(bus, SHORT_MS, &entries)
                     : call->round_trip(bus, SHORT_MS, &number);
        uint64_t took_ms = now_ms() - begin_ms;
        if (outcome != BUS_UNKNOWN || took_ms > SHORT_MS + SLACK_MS)
            fail_msg("call %d ended with %d after %u ms", i, outcome, (unsigned)took_ms);
        assert_true(bus->why[0] != '\0');
    }
}

/* Reads the map until that works. */
static void read_map_at_last(struct bus *bus, struct bus_entries *ret_entries)
{
    uint64_t end_ms = now_ms() + LONG_MS;
    while (bus->functions->map_read(bus, SHORT_MS, ret_entries) != BUS_DONE) {
        assert_true(now_ms() < end_ms);
        poll(NULL, 0, LOOK_MS);
    }
}

static void calls_end_in_time_while_the_server_stands_still(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *bus = open_bus(server);
    struct bus_entries entries;
    assert_int_equal(write_map(bus, "first", 0), BUS_DONE);
    nats_server_pause(server);
    bus->why[0] = '\0';
    uint64_t begin_ms = now_ms();
    /* Longer than the pings take to notice it, and so also while the connection is made anew. */
    while (now_ms() - begin_ms < 6000)
        expect_unknown(bus);
    struct bus_state found;
    bus->functions->state(bus, &found);
    assert_false(found.has_messages || found.has_keys || found.has_given_up);
    assert_int_equal(publish(bus, "x", "late"), BUS_REFUSED);
    nats_server_go_on(server);
    wait_for_connection(bus, true);
    /* The server may have read the writes from connections that had ended, and may even do so now.
     */
    do {
        read_map_at_last(bus, &entries);
        assert_true(entries.last_revision == 1 || entries.last_revision == 2);
    } while (write_map(bus, "next", entries.last_revision) == BUS_REFUSED);
    close_bus(bus);
}

static void what_became_of_a_write_can_be_read(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *bus = open_bus(server);
    struct bus_entries entries;
    uint64_t number = 0;
    nats_server_pause(server);
    assert_int_equal(bus->functions->map_write(bus, BYTES("late"), 0, SHORT_MS, &number),
                     BUS_UNKNOWN);
    assert_int_equal(bus->functions->lease_write(bus, "a", BYTES("late"), SHORT_MS, &number),
                     BUS_UNKNOWN);
    nats_server_go_on(server);
    /* The connection has lived on, and so the server reads in order. */
    read_map_at_last(bus, &entries);
    assert_int_equal(entries.last_revision, 1);
    expect_text(entries.entries[0].text, "late");
    assert_int_equal(bus->functions->leases_read(bus, LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, 1);
    expect_text(entries.entries[0].text, "late");
    close_bus(bus);
}

static void publishing_ends_in_time_while_the_server_stands_still(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *bus = open_bus(server);
    static uint8_t text[BUS_MESSAGE_MAX];
    uint64_t slowest_ms = 0;
    enum bus_outcome outcome = BUS_DONE;
    nats_server_pause(server);
    for (int i = 0; i < 200 && outcome == BUS_DONE; i++) {
        uint64_t begin_ms = now_ms();
        outcome = bus->functions->publish(bus, "x", bytes_of(text, sizeof text));
        uint64_t took_ms = now_ms() - begin_ms;
        slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
    }
    /* The kernel's buffers are full: one message waited for BUS_WRITE_MS, and then no longer. */
    assert_int_equal(outcome, BUS_UNKNOWN);
    assert_in_range(slowest_ms, BUS_WRITE_MS - 1, BUS_WRITE_MS + SLACK_MS);
    struct bus_state found = {.has_messages = true};
    for (uint64_t end_ms = now_ms() + LONG_MS; found.has_messages;) {
        assert_true(now_ms() < end_ms);
        bus->functions->state(bus, &found);
    }
    nats_server_go_on(server);
    wait_for_connection(bus, true);
    assert_int_equal(publish(bus, "x", "y"), BUS_DONE);
    close_bus(bus);
}

static void *kill_in_a_moment(void *server)
{
    poll(NULL, 0, SHORT_MS); /* so that the call has begun */
    nats_server_kill(server);
    return NULL;
}

static void a_call_does_not_outlast_its_connection(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *bus = open_bus(server);
    struct bus_entries entries;
    pthread_t thread;
    nats_server_pause(server);
    uint64_t begin_ms = now_ms();
    assert_int_equal(pthread_create(&thread, NULL, kill_in_a_moment, server), 0);
    assert_int_equal(bus->functions->map_read(bus, LONG_MS, &entries), BUS_UNKNOWN);
    assert_true(now_ms() - begin_ms < LONG_MS / 2);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close_bus(bus);
}

static void the_bus_comes_back_with_the_server(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *bus = open_bus(server);
    struct bus_subscription *here = bus->functions->subscribe(bus, "x", 10, 1000);
    struct bus_entries entries;
    uint64_t revision = 0;
    assert_int_equal(publish(bus, "x", "before"), BUS_DONE);
    expect_message(bus, here, "before");
    assert_int_equal(write_map(bus, "before", 0), BUS_DONE);
    nats_server_kill(server);
    wait_for_connection(bus, false);
    for (int i = 0; i < 10; i++)
        assert_int_equal(publish(bus, "x", "meanwhile"), BUS_REFUSED);
    expect_unknown(bus);
    nats_server_start(server);
    wait_for_connection(bus, true);
    assert_int_equal(publish(bus, "x", "after"), BUS_DONE);
    expect_reading(bus, here, BUS_GAP);
    expect_message(bus, here, "after");
    expect_reading(bus, here, BUS_NOTHING);
    read_map_at_last(bus, &entries);
    assert_int_equal(entries.last_revision, 1);
    assert_int_equal(write_map(bus, "after", 1), BUS_DONE);
    assert_int_equal(write_lease(bus, "a", "after", &revision), BUS_DONE);
    bus->functions->unsubscribe(here);
    close_bus(bus);
}

static void an_entry_does_not_fit_into_a_map_that_was_made_anew(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *old = open_bus(server);
    struct bus_entries entries;
    assert_int_equal(write_map(old, "old", 0), BUS_DONE);
    read_map(old, &entries);
    nats_server_kill(server);
    wait_for_connection(old, false);
    nats_server_lose_data(server);
    nats_server_start(server);
    struct bus *new = open_bus(server);
    assert_int_equal(write_map(new, "new", 0), BUS_DONE);
    wait_for_connection(old, true);
    assert_int_equal(write_map(old, "old again", 1), BUS_REFUSED);
    /* What was read of the old map is forgotten. */
    read_map(old, &entries);
    assert_int_equal(entries.last_revision, 1);
    assert_int_equal(entries.count, 1);
    expect_text(entries.entries[0].text, "new");
    assert_int_equal(write_map(old, "next", 1), BUS_DONE);
    close_bus(old);
    close_bus(new);
}

/* -- Opening. -- */

static void expect_no_bus(const struct bus_nats_options *options, const char *part)
{
    char why[BUS_WHY_MAX] = "";
    uint64_t begin_ms = now_ms();
    assert_null(bus_nats_open(options, LONG_MS, why));
    assert_true(now_ms() - begin_ms < LONG_MS);
    if (strstr(why, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, part);
}

static void a_library_that_lacks_is_named(void **state)
{
    (void)state;
    struct bus_nats_options options = {
        .servers = "nats://127.0.0.1:1", .cluster = "red", .node = "a", .replicas = 1};
    options.library = "libnats.so.none";
    expect_no_bus(&options, "the library of NATS can't be loaded: libnats.so.none: ");
    options.library = "libm.so.6";
    expect_no_bus(&options, "libm.so.6 has no function jsOptions_Init");
}

static void nonsense_opens_nothing(void **state)
{
    (void)state;
    struct bus_nats_options options = {
        .servers = "nats://127.0.0.1:1", .cluster = "red", .node = "a", .replicas = 1};
    expect_no_bus(&options, "no connection to NATS: ");
    options.cluster = "a.b";
    expect_no_bus(&options, "a cluster's name is 1 to 32 letters, digits and '-'");
    options.cluster = "red";
    options.servers = "nats://127.0.0.1:1,,nats://127.0.0.1:2";
    expect_no_bus(&options, "NATS takes no such options: Invalid Argument");
}

static void the_second_server_serves_when_the_first_is_away(void **state)
{
    struct nats_server *server = server_of(state);
    char urls[2 * NATS_URL_MAX];
    char why[BUS_WHY_MAX] = "";
    struct bus_nats_options options = options_for(server);
    snprintf(urls, sizeof urls, "nats://127.0.0.1:1,%s", server->url);
    options.servers = urls;
    struct bus *bus = bus_nats_open(&options, LONG_MS, why);
    assert_non_null(bus);
    assert_int_equal(write_map(bus, "x", 0), BUS_DONE);
    close_bus(bus);
}

static void a_wrong_password_is_told(void **state)
{
    struct nats_server *server = server_of(state);
    struct nats_server guarded;
    char why[BUS_WHY_MAX] = "";
    (void)server;
    nats_server_init(&guarded, "authorization { user: relay, password: right }\n");
    nats_server_start(&guarded);
    struct bus_nats_options options = options_for(&guarded);
    expect_no_bus(&options, "Authorization");
    options.user = "relay";
    options.password = "wrong";
    expect_no_bus(&options, "Authorization");
    options.password = "right";
    struct bus *bus = bus_nats_open(&options, LONG_MS, why);
    assert_non_null(bus);
    assert_int_equal(write_map(bus, "x", 0), BUS_DONE);
    close_bus(bus);
    nats_server_release(&guarded);
}

/* libnats gives up when a server refuses the same name twice, and says so. */
static void a_password_that_no_longer_holds_ends_the_bus(void **state)
{
    struct nats_server guarded;
    struct bus_state found;
    struct bus_entries entries;
    struct bytes text;
    char why[BUS_WHY_MAX] = "";
    (void)server_of(state);
    nats_server_init(&guarded, "authorization { user: relay, password: right }\n");
    nats_server_start(&guarded);
    struct bus_nats_options options = options_for(&guarded);
    options.user = "relay";
    options.password = "right";
    struct bus *bus = bus_nats_open(&options, LONG_MS, why);
    assert_non_null(bus);
    struct bus_subscription *here = bus->functions->subscribe(bus, "x", 10, 1000);
    nats_server_kill(&guarded);
    nats_server_configure(&guarded, "authorization { user: relay, password: changed }\n");
    nats_server_start(&guarded);
    uint64_t end_ms = now_ms() + LONG_MS;
    enum bus_reading reading = BUS_NOTHING;
    while (reading != BUS_CLOSED) {
        reading = bus->functions->read(here, LOOK_MS, &text);
        assert_true(now_ms() < end_ms);
    }
    do {
        bus->functions->state(bus, &found);
        assert_true(now_ms() < end_ms);
    } while (!found.has_given_up);
    assert_false(found.has_messages && found.has_keys);
    assert_int_equal(publish(bus, "x", "y"), BUS_REFUSED);
    assert_int_equal(bus->functions->map_read(bus, SHORT_MS, &entries), BUS_UNKNOWN);
    bus->functions->unsubscribe(here);
    close_bus(bus);
    nats_server_release(&guarded);
}

static void buckets_that_can_not_be_made_are_told(void **state)
{
    struct bus_nats_options options = options_for(server_of(state));
    options.replicas = 3; /* of one server */
    expect_no_bus(&options, "the cluster's buckets can't be had: ");
}

/* Makes a certificate that vouches for itself, and its key, as NAME.pem and NAME.key. */
static void make_certificate(const struct nats_server *server, const char *name, const char *host)
{
    char certificate[NATS_PATH_MAX];
    char key[NATS_PATH_MAX];
    char file[64];
    char alternative[64];
    snprintf(file, sizeof file, "%s.pem", name);
    nats_server_path(server, file, certificate);
    snprintf(file, sizeof file, "%s.key", name);
    nats_server_path(server, file, key);
    snprintf(alternative, sizeof alternative, "subjectAltName=%s", host);
    char *arguments[] = {"openssl",
                         "req",
                         "-x509",
                         "-newkey",
                         "ec",
                         "-pkeyopt",
                         "ec_paramgen_curve:prime256v1",
                         "-nodes",
                         "-days",
                         "2",
                         "-subj",
                         "/CN=x",
                         "-addext",
                         alternative,
                         "-out",
                         certificate,
                         "-keyout",
                         key,
                         NULL};
    run_program(arguments);
}

static void begin_secret_server(struct nats_server *server, const char *host)
{
    char settings[3 * NATS_PATH_MAX];
    nats_server_init(server, "");
    make_certificate(server, "server", host);
    make_certificate(server, "other", host);
    snprintf(settings, sizeof settings,
             "tls { cert_file: \"%s/server.pem\", key_file: \"%s/server.key\" }\n", server->folder,
             server->folder);
    nats_server_configure(server, settings);
    nats_server_start(server);
}

static void a_server_must_prove_who_it_is(void **state)
{
    struct nats_server secret;
    char right[NATS_PATH_MAX];
    char wrong[NATS_PATH_MAX];
    char why[BUS_WHY_MAX] = "";
    (void)server_of(state);
    begin_secret_server(&secret, "IP:127.0.0.1");
    nats_server_path(&secret, "server.pem", right);
    nats_server_path(&secret, "other.pem", wrong);
    struct bus_nats_options options = options_for(&secret);
    options.authority = wrong;
    expect_no_bus(&options, "self-signed certificate");
    options.authority = "/nonexistent";
    expect_no_bus(&options, "the files or names for NATS do not serve");
    options.authority = right;
    struct bus *bus = bus_nats_open(&options, LONG_MS, why);
    if (bus == NULL)
        fail_msg("%s", why);
    assert_int_equal(write_map(bus, "x", 0), BUS_DONE);
    close_bus(bus);
    nats_server_release(&secret);
}

static void a_certificate_is_for_its_host(void **state)
{
    struct nats_server secret;
    char right[NATS_PATH_MAX];
    (void)server_of(state);
    begin_secret_server(&secret, "IP:127.0.0.2");
    nats_server_path(&secret, "server.pem", right);
    struct bus_nats_options options = options_for(&secret);
    options.authority = right;
    expect_no_bus(&options, "IP address mismatch");
    nats_server_release(&secret);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start_server, end_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(calls_end_in_time_while_the_server_stands_still),
        WITH_SERVER(what_became_of_a_write_can_be_read),
        WITH_SERVER(publishing_ends_in_time_while_the_server_stands_still),
        WITH_SERVER(a_call_does_not_outlast_its_connection),
        WITH_SERVER(the_bus_comes_back_with_the_server),
        WITH_SERVER(an_entry_does_not_fit_into_a_map_that_was_made_anew),
        cmocka_unit_test(a_library_that_lacks_is_named),
        cmocka_unit_test(nonsense_opens_nothing),
        WITH_SERVER(the_second_server_serves_when_the_first_is_away),
        WITH_SERVER(a_wrong_password_is_told),
        WITH_SERVER(a_password_that_no_longer_holds_ends_the_bus),
        WITH_SERVER(buckets_that_can_not_be_made_are_told),
        WITH_SERVER(a_server_must_prove_who_it_is),
        WITH_SERVER(a_certificate_is_for_its_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
