/* The bus over a nats-server that is well: messages, the map and leases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "bus/bus_names.h"
#include "bus/nats_fixture.h"

#define MANY 1000000

static void messages_arrive_in_order(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *from = open_bus(server);
    struct bus *to = open_bus(server);
    struct bus_subscription *here = to->functions->subscribe(to, "node.b", MANY, MANY);
    struct bus_subscription *elsewhere = to->functions->subscribe(to, "node.c", MANY, MANY);
    uint64_t us = 0;
    assert_non_null(here);
    assert_non_null(elsewhere);
    /* The keyed connection's answer says nothing of the other's: a first message does. */
    struct bytes found = BYTES("");
    for (enum bus_reading reading = BUS_NOTHING; reading != BUS_MESSAGE;) {
        assert_int_equal(publish(from, "node.c", "first"), BUS_DONE);
        reading = to->functions->read(elsewhere, LONG_MS / 100, &found);
    }
    for (int i = 0; i < 2000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(publish(from, "node.b", text), BUS_DONE);
    }
    for (int i = 0; i < 2000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        expect_message(to, here, text);
    }
    expect_reading(to, here, BUS_NOTHING);
    assert_int_equal(from->functions->round_trip(from, LONG_MS, &us), BUS_DONE);
    assert_true(us > 0);
    to->functions->unsubscribe(here);
    to->functions->unsubscribe(elsewhere);
    close_bus(from);
    close_bus(to);
}

static void a_message_has_a_greatest_length(void **state)
{
    struct bus *bus = open_bus(server_of(state));
    struct bus_subscription *here = bus->functions->subscribe(bus, "long", 10, 2 * BUS_MESSAGE_MAX);
    char *text = malloc(BUS_MESSAGE_MAX + 2);
    memset(text, 'x', BUS_MESSAGE_MAX + 1);
    text[BUS_MESSAGE_MAX + 1] = '\0';
    assert_int_equal(publish(bus, "long", text), BUS_REFUSED);
    assert_int_equal(publish(bus, "no subject", "x"), BUS_REFUSED);
    text[BUS_MESSAGE_MAX] = '\0';
    assert_int_equal(publish(bus, "long", text), BUS_DONE);
    expect_message(bus, here, text);
    bus->functions->unsubscribe(here);
    free(text);
    close_bus(bus);
}

/* Publishes to `slow`, and returns when all of it has come to the bus, where nobody has read it. */
static void publish_unread(struct bus *bus, struct bus_subscription *mark, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%04d", i);
        assert_int_equal(publish(bus, "slow", text), BUS_DONE);
    }
    assert_int_equal(publish(bus, "mark", "all"), BUS_DONE);
    expect_message(bus, mark, "all");
}

static void expect_numbers(struct bus *bus, struct bus_subscription *slow, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%04d", i);
        expect_message(bus, slow, text);
    }
}

static void a_slow_reader_hears_of_what_was_lost(void **state)
{
    struct bus *bus = open_bus(server_of(state));
    struct bus_subscription *mark = bus->functions->subscribe(bus, "mark", 10, 1000);
    struct bus_subscription *by_count = bus->functions->subscribe(bus, "slow", 10, MANY);
    struct bus_subscription *by_bytes = bus->functions->subscribe(bus, "slow", MANY, 20);
    publish_unread(bus, mark, 0, 5);
    expect_numbers(bus, by_count, 0, 5);
    expect_numbers(bus, by_bytes, 0, 5);
    publish_unread(bus, mark, 5, 30);
    /* Ten messages, or 20 bytes of four each, wait. */
    expect_reading(bus, by_count, BUS_GAP);
    expect_numbers(bus, by_count, 5, 10);
    expect_reading(bus, by_count, BUS_NOTHING);
    expect_reading(bus, by_bytes, BUS_GAP);
    expect_numbers(bus, by_bytes, 5, 5);
    expect_reading(bus, by_bytes, BUS_NOTHING);
    publish_unread(bus, mark, 35, 5);
    expect_numbers(bus, by_count, 35, 5);
    expect_numbers(bus, by_bytes, 35, 5);
    bus->functions->unsubscribe(mark);
    bus->functions->unsubscribe(by_count);
    bus->functions->unsubscribe(by_bytes);
    close_bus(bus);
}

static void the_map_is_written_on_one_condition(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *a = open_bus(server);
    struct bus *b = open_bus(server);
    struct bus_entries entries;
    read_map(a, &entries);
    assert_int_equal(entries.last_revision, 0);
    assert_int_equal(entries.count, 0);
    assert_int_equal(write_map(a, "too early", 1), BUS_REFUSED);
    assert_int_equal(write_map(a, "first", 0), BUS_DONE);
    assert_int_equal(write_map(b, "also first", 0), BUS_REFUSED);
    assert_int_equal(write_map(b, "second", 1), BUS_DONE);
    assert_int_equal(write_map(a, "also second", 1), BUS_REFUSED);
    read_map(a, &entries);
    assert_int_equal(entries.last_revision, 2);
    assert_int_equal(entries.count, 2);
    expect_text(entries.entries[0].text, "first");
    expect_text(entries.entries[1].text, "second");
    /* With the entry's id, which was read. */
    assert_int_equal(write_map(a, "third", 2), BUS_DONE);
    close_bus(a);
    close_bus(b);
}

static void write_numbers(struct bus *bus, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(write_map(bus, text, (uint64_t)i - 1), BUS_DONE);
    }
}

/* The entries are those of these revisions, whose texts are their numbers. */
static void expect_history(struct bus *bus, uint64_t first, uint64_t last)
{
    struct bus_entries entries;
    read_map(bus, &entries);
    assert_int_equal(entries.last_revision, last);
    assert_int_equal(entries.count, last - first + 1);
    for (uint32_t i = 0; i < entries.count; i++) {
        char text[24];
        snprintf(text, sizeof text, "%d", (int)(first + i));
        assert_int_equal(entries.entries[i].revision, first + i);
        expect_text(entries.entries[i].text, text);
    }
}

static void the_history_of_the_map_is_complete(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *writer = open_bus(server);
    struct bus *reader = open_bus(server);
    write_numbers(writer, 1, 10);
    expect_history(reader, 1, 10);
    write_numbers(writer, 11, 60);
    expect_history(reader, 7, 70);
    struct bus *newcomer = open_bus(server);
    expect_history(newcomer, 7, 70);
    /* Nothing of what was read before is left. */
    write_numbers(writer, 71, 70);
    expect_history(reader, 77, 140);
    close_bus(writer);
    close_bus(reader);
    close_bus(newcomer);
}

static void a_read_sees_what_was_just_acknowledged(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *buses[2] = {open_bus(server), open_bus(server)};
    for (int i = 1; i <= 200; i++) {
        uint64_t revision = 0;
        struct bus_entries entries;
        write_numbers(buses[i % 2], i, 1);
        read_map(buses[(i + 1) % 2], &entries);
        assert_int_equal(entries.last_revision, i);
        assert_int_equal(write_lease(buses[i % 2], "a", "x", &revision), BUS_DONE);
        struct bus *other = buses[(i + 1) % 2];
        assert_int_equal(other->functions->leases_read(other, LONG_MS, &entries), BUS_DONE);
        assert_int_equal(entries.count, 1);
        assert_int_equal(entries.entries[0].revision, revision);
    }
    close_bus(buses[0]);
    close_bus(buses[1]);
}

static void texts_have_greatest_lengths(void **state)
{
    struct bus *bus = open_bus(server_of(state));
    struct bus_entries entries;
    uint64_t revision = 0;
    char key[BUS_KEY_MAX + 2];
    char *text = malloc(BUS_MAP_TEXT_MAX + 2);
    memset(key, 'k', sizeof key);
    key[BUS_KEY_MAX + 1] = '\0';
    memset(text, 'x', BUS_MAP_TEXT_MAX + 1);
    text[BUS_MAP_TEXT_MAX + 1] = '\0';
    assert_int_equal(write_map(bus, text, 0), BUS_REFUSED);
    text[BUS_MAP_TEXT_MAX] = '\0';
    assert_int_equal(write_map(bus, text, 0), BUS_DONE);
    assert_int_equal(write_map(bus, text, 1), BUS_DONE);
    read_map(bus, &entries);
    expect_text(entries.entries[1].text, text);
    /* With the id of what it read, which is one more header. */
    assert_int_equal(write_map(bus, text, 2), BUS_DONE);
    text[BUS_LEASE_TEXT_MAX + 1] = '\0';
    assert_int_equal(write_lease(bus, "a", text, &revision), BUS_REFUSED);
    text[BUS_LEASE_TEXT_MAX] = '\0';
    assert_int_equal(write_lease(bus, key, text, &revision), BUS_REFUSED);
    key[BUS_KEY_MAX] = '\0';
    assert_int_equal(write_lease(bus, key, text, &revision), BUS_DONE);
    assert_int_equal(bus->functions->leases_read(bus, LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, 1);
    expect_text(entries.entries[0].key, key);
    expect_text(entries.entries[0].text, text);
    free(text);
    close_bus(bus);
}

static void a_lease_has_its_place_among_all(void **state)
{
    struct bus *bus = open_bus(server_of(state));
    struct bus_entries entries;
    uint64_t revisions[4];
    assert_int_equal(bus->functions->leases_read(bus, LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, 0);
    assert_int_equal(write_lease(bus, "node.a.1", "early", &revisions[0]), BUS_DONE);
    assert_int_equal(write_lease(bus, "node.b.1", "b", &revisions[1]), BUS_DONE);
    assert_int_equal(write_lease(bus, "node.a.2", "other", &revisions[2]), BUS_DONE);
    assert_int_equal(write_lease(bus, "node.a.1", "late", &revisions[3]), BUS_DONE);
    for (int i = 1; i < 4; i++)
        assert_true(revisions[i] > revisions[i - 1]);
    assert_int_equal(bus->functions->leases_read(bus, LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, 3);
    assert_int_equal(entries.last_revision, revisions[3]);
    int found = 0;
    for (uint32_t i = 0; i < entries.count; i++) {
        if (!bytes_equal(entries.entries[i].key, BYTES("node.a.1")))
            continue;
        found++;
        expect_text(entries.entries[i].text, "late");
        assert_int_equal(entries.entries[i].revision, revisions[3]);
    }
    assert_int_equal(found, 1);
    close_bus(bus);
}

static void expect_leases(struct bus *bus, uint32_t count)
{
    struct bus_entries entries;
    assert_int_equal(bus->functions->leases_read(bus, LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, count);
}

static void a_lease_is_removed_as_it_was_read(void **state)
{
    struct bus *bus = open_bus(server_of(state));
    const struct bus_functions *call = bus->functions;
    uint64_t revisions[3];
    assert_int_equal(write_lease(bus, "node.a.1", "early", &revisions[0]), BUS_DONE);
    assert_int_equal(write_lease(bus, "node.b.1", "b", &revisions[1]), BUS_DONE);
    assert_int_equal(write_lease(bus, "node.a.1", "late", &revisions[2]), BUS_DONE);
    /* It has been renewed since. */
    assert_int_equal(call->lease_remove(bus, "node.a.1", revisions[0], LONG_MS), BUS_DONE);
    expect_leases(bus, 2);
    assert_int_equal(call->lease_remove(bus, "node.a.1", revisions[2], LONG_MS), BUS_DONE);
    expect_leases(bus, 1);
    assert_int_equal(call->lease_remove(bus, "node.a.1", revisions[2], LONG_MS), BUS_DONE);
    assert_int_equal(call->lease_remove(bus, "node.*", revisions[2], LONG_MS), BUS_REFUSED);
    expect_leases(bus, 1);
    assert_int_equal(write_lease(bus, "node.a.1", "again", &revisions[0]), BUS_DONE);
    assert_true(revisions[0] > revisions[2]);
    expect_leases(bus, 2);
    close_bus(bus);
}

static void the_oldest_leases_give_way(void **state)
{
    struct bus *bus = open_bus(server_of(state));
    struct bus_entries entries;
    uint64_t revision = 0;
    for (int i = 0; i < BUS_LEASES_MAX + 44; i++) {
        char key[16];
        snprintf(key, sizeof key, "node.%d", i);
        assert_int_equal(write_lease(bus, key, "x", &revision), BUS_DONE);
    }
    /* One of those that are left is renewed, and so pushes nobody out. */
    assert_int_equal(write_lease(bus, "node.44", "renewed", &revision), BUS_DONE);
    assert_int_equal(bus->functions->leases_read(bus, LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, BUS_LEASES_MAX);
    for (uint32_t i = 0; i < entries.count; i++)
        assert_true(entries.entries[i].revision > 44);
    close_bus(bus);
}

static enum bus_outcome write_record(struct bus *bus, const char *key, const char *text,
                                     uint64_t expected, uint64_t *ret_revision)
{
    return bus->functions->record_write(bus, key, bytes_of_string(text), expected, LONG_MS,
                                        ret_revision);
}

/* `text`: NULL, there is no such record. */
static void expect_record(struct bus *bus, const char *key, const char *text, uint64_t revision)
{
    struct bus_entries entries;
    assert_int_equal(bus->functions->record_read(bus, key, LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, text == NULL ? 0 : 1);
    assert_int_equal(entries.last_revision, revision);
    if (text == NULL)
        return;
    expect_text(entries.entries[0].key, key);
    expect_text(entries.entries[0].text, text);
    assert_int_equal(entries.entries[0].revision, revision);
}

static void a_record_is_written_on_one_condition(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *a = open_bus(server);
    struct bus *b = open_bus(server);
    uint64_t first = 0;
    uint64_t second = 0;
    uint64_t other = 0;
    expect_record(a, "7.ABCD.1", NULL, 0);
    assert_int_equal(write_record(a, "7.ABCD.1", "early", 1, &first), BUS_REFUSED);
    assert_int_equal(write_record(a, "7.ABCD.1", "first", 0, &first), BUS_DONE);
    assert_int_equal(write_record(b, "7.ABCD.1", "also first", 0, &other), BUS_REFUSED);
    /* Records have one numbering, but each its own condition. */
    assert_int_equal(write_record(b, "7.EFGH.1", "other", 0, &other), BUS_DONE);
    assert_true(other > first);
    expect_record(b, "7.ABCD.1", "first", first);
    assert_int_equal(write_record(b, "7.ABCD.1", "second", first, &second), BUS_DONE);
    assert_int_equal(write_record(a, "7.ABCD.1", "also second", first, &second), BUS_REFUSED);
    expect_record(a, "7.ABCD.1", "second", second);
    expect_record(a, "7.EFGH.1", "other", other);
    assert_int_equal(a->functions->record_remove(a, "7.ABCD.1", LONG_MS), BUS_DONE);
    assert_int_equal(a->functions->record_remove(a, "7.ABCD.1", LONG_MS), BUS_DONE);
    expect_record(b, "7.ABCD.1", NULL, 0);
    expect_record(b, "7.EFGH.1", "other", other);
    assert_int_equal(write_record(b, "7.ABCD.1", "again", second, &first), BUS_REFUSED);
    assert_int_equal(write_record(b, "7.ABCD.1", "again", 0, &first), BUS_DONE);
    assert_int_equal(write_record(b, "7..1", "wrong key", 0, &first), BUS_REFUSED);
    close_bus(a);
    close_bus(b);
}

static void records_are_listed_by_the_beginning_of_their_keys(void **state)
{
    struct bus *bus = open_bus(server_of(state));
    struct bus_entries entries;
    uint64_t revision = 0;
    bool found[300] = {false};
    assert_int_equal(bus->functions->records_list(bus, "7", LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, 0);
    assert_int_equal(write_record(bus, "77.A.1", "x", 0, &revision), BUS_DONE);
    assert_int_equal(write_record(bus, "7", "x", 0, &revision), BUS_DONE);
    for (int i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "7.%d.1", i);
        assert_int_equal(write_record(bus, key, "x", 0, &revision), BUS_DONE);
    }
    assert_int_equal(bus->functions->records_list(bus, "7", LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, 300);
    for (uint32_t i = 0; i < entries.count; i++) {
        char key[16];
        int number = -1;
        snprintf(key, sizeof key, "%.*s", (int)entries.entries[i].key.length,
                 (const char *)entries.entries[i].key.data);
        assert_int_equal(sscanf(key, "7.%d.1", &number), 1);
        assert_in_range(number, 0, 299);
        assert_false(found[number]);
        found[number] = true;
    }
    assert_int_equal(bus->functions->records_list(bus, "7.>", LONG_MS, &entries), BUS_REFUSED);
    close_bus(bus);
}

static void a_record_has_a_greatest_length(void **state)
{
    struct bus *bus = open_bus(server_of(state));
    uint64_t revision = 0;
    char *text = malloc(BUS_RECORD_TEXT_MAX + 2);
    memset(text, 'x', BUS_RECORD_TEXT_MAX + 1);
    text[BUS_RECORD_TEXT_MAX + 1] = '\0';
    assert_int_equal(write_record(bus, "7.A.1", text, 0, &revision), BUS_REFUSED);
    text[BUS_RECORD_TEXT_MAX] = '\0';
    assert_int_equal(write_record(bus, "7.A.1", text, 0, &revision), BUS_DONE);
    expect_record(bus, "7.A.1", text, revision);
    free(text);
    close_bus(bus);
}

static void clusters_do_not_meet(void **state)
{
    struct nats_server *server = server_of(state);
    struct bus *red = open_bus(server);
    struct bus_nats_options options = options_for(server);
    char why[BUS_WHY_MAX] = "";
    options.cluster = "blue";
    struct bus *blue = bus_nats_open(&options, LONG_MS, why);
    assert_non_null(blue);
    struct bus_subscription *here = blue->functions->subscribe(blue, "x", 10, 1000);
    struct bus_entries entries;
    uint64_t revision = 0;
    assert_int_equal(write_map(red, "red", 0), BUS_DONE);
    assert_int_equal(write_lease(red, "a", "red", &revision), BUS_DONE);
    read_map(blue, &entries);
    assert_int_equal(entries.last_revision, 0);
    assert_int_equal(blue->functions->leases_read(blue, LONG_MS, &entries), BUS_DONE);
    assert_int_equal(entries.count, 0);
    assert_int_equal(publish(red, "x", "red"), BUS_DONE);
    assert_int_equal(publish(blue, "x", "blue"), BUS_DONE);
    expect_message(blue, here, "blue");
    expect_reading(blue, here, BUS_NOTHING);
    blue->functions->unsubscribe(here);
    close_bus(red);
    close_bus(blue);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start_server, end_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(messages_arrive_in_order),
        WITH_SERVER(a_message_has_a_greatest_length),
        WITH_SERVER(a_slow_reader_hears_of_what_was_lost),
        WITH_SERVER(the_map_is_written_on_one_condition),
        WITH_SERVER(the_history_of_the_map_is_complete),
        WITH_SERVER(a_read_sees_what_was_just_acknowledged),
        WITH_SERVER(texts_have_greatest_lengths),
        WITH_SERVER(a_lease_has_its_place_among_all),
        WITH_SERVER(a_lease_is_removed_as_it_was_read),
        WITH_SERVER(the_oldest_leases_give_way),
        WITH_SERVER(a_record_is_written_on_one_condition),
        WITH_SERVER(records_are_listed_by_the_beginning_of_their_keys),
        WITH_SERVER(a_record_has_a_greatest_length),
        WITH_SERVER(clusters_do_not_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
