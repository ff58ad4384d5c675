/*
 * What a node of a cluster reads from the bus, which may be anything: entries of the map, leases,
 * pulses, and bundles of letters.
 *
 * - What is read as an entry, a lease or a pulse is the same again when it is written and read.
 * - The machine of a node takes a history with this entry, and these leases, at any moment. It then
 *   serves only what the map that it knows gives it, and what it wants to write can be read, and
 *   takes no term back.
 * - A pulse measures no round trip that is longer than a pulse may be old.
 * - The letters of a bundle, put into another one, are the bundle again, up to where it is broken.
 *
 * Input: a byte of how the revision fits, one of how the leases are ordered; a text. It is an entry
 * of the map, a lease, a pulse and a bundle at once, since whatever is not the one may be the
 * other.
 */
#include "cluster/bundle.h"
#include "cluster/ownership.h"
#include "cluster/pulse.h"
#include "fuzz/fuzz_input.h"

#define TURNS 60
#define TURN_MS 200
#define KNOWN 3 /* revisions before that of the input */

static uint8_t first_text[MAP_TEXT_MAX];
static uint8_t second_text[MAP_TEXT_MAX];

static void check_entry(struct bytes text, struct map *map)
{
    static struct map again;
    struct writer first = writer_over(first_text, sizeof first_text);
    struct writer second = writer_over(second_text, sizeof second_text);
    if (map_read(text, map) != MAP_OK)
        return;
    map_write(&first, map);
    assert(writer_fits(&first));
    enum map_error error = map_read(writer_view(&first), &again);
    assert(error == MAP_OK);
    map_write(&second, &again);
    assert(bytes_equal(writer_view(&first), writer_view(&second)));
}

static void check_lease(struct bytes text)
{
    struct lease lease;
    struct lease again;
    struct writer first = writer_over(first_text, LEASE_TEXT_MAX);
    struct writer second = writer_over(second_text, LEASE_TEXT_MAX);
    if (!lease_read(text, &lease))
        return;
    lease_write(&first, &lease);
    assert(writer_fits(&first));
    bool is_read = lease_read(writer_view(&first), &again);
    assert(is_read);
    lease_write(&second, &again);
    assert(bytes_equal(writer_view(&first), writer_view(&second)));
}

static void check_pulse(struct bytes message)
{
    const uint64_t now_us = UINT64_C(1) << 40;
    struct pulse_end end = {0};
    struct pulse pulse;
    uint64_t round_trip_us;
    struct writer writer = writer_over(first_text, PULSE_BYTES);
    if (!pulse_read(message, &pulse))
        return;
    pulse_write(&writer, &pulse);
    assert(writer_fits(&writer) && bytes_equal(writer_view(&writer), message));
    pulse_take(&end, &pulse, now_us);
    assert(!pulse_round_trip(&end, now_us, &round_trip_us) || round_trip_us <= PULSE_OLD_US);
    struct pulse next = pulse_next(&end, now_us + 1);
    assert(next.heard_us == pulse.sent_us && next.kept_us == 1);
}

static void check_bundle(struct bytes bundle)
{
    struct bytes rest = bundle;
    struct bytes letter;
    struct bytes_mut again = {malloc(bundle.length + 1), bundle.length};
    assert(again.data != NULL);
    struct writer writer = writer_over(again.data, again.length);
    while (bundle_next(&rest, &letter))
        bundle_put(&writer, letter);
    assert(writer_fits(&writer) && writer.length == bundle.length - rest.length);
    assert(bytes_equal(writer_view(&writer), bytes_of(bundle.data, writer.length)));
    free(again.data);
}

/* The node serves what the map gives it, at that term. */
static void check_service(const struct ownership *ownership)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        struct node_id owner;
        uint64_t term;
        if (ownership_term(ownership, i) == 0)
            continue;
        bool is_known = ownership_find_owner(ownership, i, &owner, &term);
        assert(is_known && term == ownership_term(ownership, i));
        assert(node_id_equal(&owner, &ownership->self));
    }
}

static void check_write(const struct ownership *ownership, const struct ownership_request *request)
{
    static struct map map;
    enum map_error error = map_read(request->text, &map);
    assert(error == MAP_OK);
    assert(map.based_on == request->revision);
    for (uint32_t i = 0; ownership->has_map && i < MAP_SLICES; i++)
        assert(map.slices[i].term >= ownership->map.slices[i].term);
}

static void answer(struct ownership *ownership, const struct ownership_request *request,
                   const struct map_history *history, struct bytes lease, uint8_t order)
{
    uint8_t key[NODE_ID_TEXT_MAX];
    struct writer writer = writer_over(key, sizeof key);
    node_id_write(&writer, &ownership->self);
    const struct ownership_lease leases[] = {
        {writer_view(&writer), lease, request->serial + 1},
        {BYTES("b.0000000000000002"), lease, order},
        {lease, lease, order},
    };
    if (request->kind == OWNERSHIP_READ_MAP)
        ownership_map_was_read(ownership, request->serial, history);
    else if (request->kind == OWNERSHIP_READ_LEASES)
        ownership_leases_were_read(ownership, request->serial, leases, 3);
    else if (request->kind == OWNERSHIP_WRITE_LEASE)
        ownership_lease_was_written(ownership, request->serial, request->serial);
    else
        check_write(ownership, request);
}

static void play(struct bytes text, uint8_t revision, uint8_t order)
{
    static struct ownership ownership;
    struct ownership_request request;
    struct ownership_event event;
    struct node_id self;
    bool is_set = node_id_set(&self, BYTES("a"), 1);
    assert(is_set);
    ownership_init(&ownership, &self, 2, 5);
    const struct map_entry entries[] = {
        {KNOWN, BYTES("junk")}, {KNOWN + 1 + revision % 4u, text}, {KNOWN + 5, text}};
    for (uint32_t i = 1; i <= TURNS; i++) {
        uint32_t count = i < TURNS / 2 ? 2 : 3;
        const struct map_history history = {entries[count - 1].revision, count, entries};
        ownership_begin_turn(&ownership, (uint64_t)i * TURN_MS);
        while (ownership_next_event(&ownership, &event))
            assert(event.slice < MAP_SLICES);
        while (ownership_next_request(&ownership, &request))
            answer(&ownership, &request, &history, text, order);
        check_service(&ownership);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct map map;
    struct bytes input = bytes_of(data, size);
    uint8_t revision = fuzz_take_byte(&input);
    uint8_t order = fuzz_take_byte(&input);
    struct bytes_mut copy = fuzz_copy(input);
    struct bytes text = bytes_of(copy.data, copy.length);
    check_entry(text, &map);
    check_lease(text);
    check_pulse(text);
    check_bundle(text);
    play(text, revision, order);
    free(copy.data);
    return 0;
}
