/*
 * The machine of one node, step by step: what the simulation (tests/cluster) seldom or never meets,
 * and exact times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <stdio.h>

#include "base/attributes.h"
#include "cluster/ownership.h"

#define ENTRIES 8
#define TURN_MS 100
#define SELF 1 /* nodes have the names `n` and incarnations from 1 on */

static struct ownership machine;
static uint64_t now_ms;
static uint32_t losses;
static uint32_t openings;
static struct ownership_event last_loss;
static struct ownership_event last_look;
static uint64_t era;
static bool has_ended;

/* The stream, as far as it is kept. */
static struct map_entry entries[ENTRIES];
static uint8_t texts[ENTRIES][MAP_TEXT_MAX];
static struct map_history history;

static struct node_id node(uint64_t number)
{
    struct node_id id;
    assert_true(node_id_set(&id, BYTES("n"), number));
    return id;
}

static void take_events(void)
{
    struct ownership_event event;
    while (ownership_next_event(&machine, &event)) {
        losses += event.kind == OWNERSHIP_LOST;
        openings += event.kind == OWNERSHIP_OPENED;
        has_ended |= event.kind == OWNERSHIP_ENDED;
        if (event.kind == OWNERSHIP_LOST)
            last_loss = event;
        if (event.kind == OWNERSHIP_LOOKED)
            last_look = event;
        if (event.kind == OWNERSHIP_ERA)
            era = event.era;
    }
}

static void begin(void)
{
    const struct node_id self = node(SELF);
    ownership_init(&machine, &self, 4, 77);
    now_ms = 1000;
    losses = openings = 0;
    has_ended = false;
    era = 0;
    last_loss = last_look = (struct ownership_event){0};
    history = (struct map_history){0, 0, entries};
    ownership_begin_turn(&machine, now_ms);
    take_events();
}

static void turn(void)
{
    now_ms += TURN_MS;
    ownership_begin_turn(&machine, now_ms);
    take_events();
}

/* The next request of this kind, of those of this turn; NULL: there is none. Others get no answer.
 */
static const struct ownership_request *request_of(enum ownership_request_kind kind)
{
    static struct ownership_request request;
    while (ownership_next_request(&machine, &request)) {
        if (request.kind == kind)
            return &request;
    }
    return NULL;
}

static const struct ownership_request *wait_for(enum ownership_request_kind kind)
{
    for (int i = 0; i < 40; i++) {
        const struct ownership_request *request = request_of(kind);
        if (request != NULL)
            return request;
        turn();
    }
    fail_msg("no request of kind %d comes", (int)kind);
    return NULL;
}

/* Appends a text at the next revision. */
static void append_text(struct bytes text)
{
    if (history.count == ENTRIES) {
        memmove(entries, entries + 1, sizeof entries - sizeof *entries);
        memmove(texts, texts + 1, sizeof texts - sizeof *texts);
        for (uint32_t i = 0; i + 1 < ENTRIES; i++)
            entries[i].text.data = texts[i];
        history.count--;
    }
    memcpy(texts[history.count], text.data, text.length);
    entries[history.count] =
        (struct map_entry){++history.last_revision, bytes_of(texts[history.count], text.length)};
    history.count++;
}

static void append(struct map *map)
{
    uint8_t text[MAP_TEXT_MAX];
    struct writer writer = writer_over(text, sizeof text);
    map->based_on = history.last_revision;
    map_write(&writer, map);
    append_text(writer_view(&writer));
}

static void append_junk(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        append_text(BYTES("junk"));
}

/* A map in which one node has all slices at this term. */
static struct map map_of(uint64_t owner, uint64_t term)
{
    struct map map;
    struct node_id id = node(owner);
    map_found(&map, &id, 5);
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        map.slices[i].term = term;
    return map;
}

static void append_map_of(uint64_t owner, uint64_t term)
{
    struct map map = map_of(owner, term);
    append(&map);
}

static void read_map(void)
{
    uint64_t serial = wait_for(OWNERSHIP_READ_MAP)->serial;
    ownership_map_was_read(&machine, serial, &history);
    take_events();
}

/* The node has all slices open, at term 1. */
static void begin_with_all(void)
{
    begin();
    append_map_of(SELF, 1);
    for (int i = 0; i < 6; i++)
        read_map();
    assert_int_equal(openings, MAP_SLICES);
    assert_true(ownership_term(&machine, 255) == 1);
}

static uint64_t lease_sequence;

static void renew(void)
{
    uint64_t serial = wait_for(OWNERSHIP_WRITE_LEASE)->serial;
    ownership_lease_was_written(&machine, serial, ++lease_sequence);
}

static struct ownership_lease lease_of(uint64_t number, uint64_t sequence, bool is_draining)
{
    static uint8_t keys[200][NODE_ID_TEXT_MAX];
    static uint8_t values[200][LEASE_TEXT_MAX];
    struct writer key = writer_over(keys[number], NODE_ID_TEXT_MAX);
    struct writer value = writer_over(values[number], LEASE_TEXT_MAX);
    const struct lease lease = {.node = node(number), .is_draining = is_draining, .loops = 1};
    node_id_write(&key, &lease.node);
    lease_write(&value, &lease);
    return (struct ownership_lease){writer_view(&key), writer_view(&value), sequence};
}

/* Five renewals in a row, the last one of this turn; returns the request to read the leases. */
static const struct ownership_request *renew_five_times(void)
{
    for (int i = 0; i < OWNERSHIP_RENEWALS; i++) {
        renew();
        read_map();
    }
    return wait_for(OWNERSHIP_READ_LEASES);
}

/* The entry that the node wants to write. */
static struct map written_map(const struct ownership_request *request)
{
    struct map map;
    assert_non_null(request);
    assert_int_equal(map_read(request->text, &map), MAP_OK);
    return map;
}

static void a_node_that_starts_alone_takes_all(void **state)
{
    (void)state;
    begin();
    assert_true(ownership_must_look(&machine));
    read_map();
    assert_false(ownership_must_look(&machine));
    const struct ownership_request *request = request_of(OWNERSHIP_WRITE_MAP);
    struct map map = written_map(request);
    assert_true(request->revision == 0 && map.based_on == 0);
    assert_true(map.slices[255].term == 1);
    assert_int_equal(map.node_count, 1);
    append_text(request->text);
    ownership_map_was_written(&machine, request->serial, OWNERSHIP_UNKNOWN);
    assert_true(ownership_term(&machine, 0) == 0); /* not by its own judgement */
    read_map();
    assert_true(era == map.era);
    uint64_t read_ms = now_ms;
    while (openings == 0) {
        turn();
        read_map();
    }
    assert_int_equal(openings, MAP_SLICES);
    assert_true(now_ms >= read_ms + OWNERSHIP_WAIT_MS);
    assert_true(now_ms <= read_ms + OWNERSHIP_WAIT_MS + OWNERSHIP_PERIOD_MS + 2 * TURN_MS);
}

static void a_node_that_joins_owns_nothing(void **state)
{
    (void)state;
    begin();
    append_map_of(2, 1);
    lease_sequence = 0;
    const struct ownership_request *request = renew_five_times();
    const struct ownership_lease leases[] = {lease_of(SELF, lease_sequence, false),
                                             lease_of(2, lease_sequence - 1, false)};
    ownership_leases_were_read(&machine, request->serial, leases, 2);
    assert_null(request_of(OWNERSHIP_WRITE_MAP));
    assert_int_equal(openings, 0);
}

static void a_hint_has_the_map_and_the_leases_read(void **state)
{
    (void)state;
    begin_with_all();
    lease_sequence = 0;
    (void)renew_five_times();
    read_map();
    uint64_t read_ms = now_ms;
    ownership_hint(&machine);
    while (request_of(OWNERSHIP_READ_MAP) == NULL)
        turn();
    assert_in_range(now_ms - read_ms, OWNERSHIP_HINT_MS, OWNERSHIP_HINT_MS + TURN_MS);
    read_map();
    ownership_hint(&machine);
    assert_non_null(wait_for(OWNERSHIP_READ_LEASES));
}

/* Where NATS is slow, hints come faster than leases are read; a judgement stands until it is used.
 */
static void hints_without_end_let_a_judgement_be_used(void **state)
{
    (void)state;
    begin();
    append_map_of(2, 4);
    lease_sequence = 0;
    const struct ownership_request *request = renew_five_times();
    uint64_t serial = request->serial;
    const struct ownership_lease lease = lease_of(SELF, lease_sequence, false);
    uint64_t asked_ms = now_ms;
    while (now_ms - asked_ms < 2 * OWNERSHIP_RETRY_MS) {
        ownership_hint(&machine);
        turn();
        assert_null(request_of(OWNERSHIP_READ_LEASES));
    }
    ownership_leases_were_read(&machine, serial, &lease, 1);
    assert_non_null(request_of(OWNERSHIP_WRITE_MAP)); /* the owner has no lease any more */
    turn();
    assert_null(request_of(OWNERSHIP_READ_LEASES)); /* as long as nobody knows what was written */
}

/* Of nodes that have renewed their leases just now: this one, and those with the numbers 2 to
 * `last`. */
static void leases_are_read(uint64_t last)
{
    struct ownership_lease leases[8];
    const struct ownership_request *request = NULL;
    for (int i = 0; i <= OWNERSHIP_RENEWALS && request == NULL; i++) {
        renew();
        request = request_of(OWNERSHIP_READ_LEASES);
    }
    assert_non_null(request);
    leases[0] = lease_of(SELF, lease_sequence, false);
    for (uint64_t number = 2; number <= last; number++)
        leases[number - 1] = lease_of(number, lease_sequence, false);
    ownership_leases_were_read(&machine, request->serial, leases, (uint32_t)last);
}

static void serve_all(void)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        ownership_is_serving(&machine, i, ownership_term(&machine, i));
}

static uint32_t count_yielded(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        count += ownership_yielded_term(&machine, i) != 0;
    return count;
}

/* sharing */
static void who_has_more_yields_what_it_serves(void **state)
{
    (void)state;
    begin_with_all();
    lease_sequence = 0;
    leases_are_read(2);
    turn();
    assert_int_equal(count_yielded(), 0); /* it has no rooms there yet */
    serve_all();
    turn();
    assert_int_equal(count_yielded(), OWNERSHIP_YIELDS_MAX);
    assert_int_equal(losses, OWNERSHIP_YIELDS_MAX);
    assert_int_equal(last_loss.why, OWNERSHIP_LOST_YIELDED);
    assert_int_equal(last_loss.term, 1);
    assert_true(ownership_term(&machine, last_loss.slice) == 0);
    assert_true(ownership_yielded_term(&machine, last_loss.slice) == 1);
    assert_null(request_of(OWNERSHIP_WRITE_MAP)); /* their rooms are here */
    leases_are_read(2);
    ownership_has_handed_over(&machine, last_loss.slice, 2); /* of another term */
    assert_null(request_of(OWNERSHIP_WRITE_MAP));
    ownership_has_handed_over(&machine, last_loss.slice, 1);
    const struct map map = written_map(request_of(OWNERSHIP_WRITE_MAP));
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        bool is_given = i == last_loss.slice;
        assert_true(map.slices[i].term == (is_given ? 2 : 1));
        assert_true(map.nodes[map.slices[i].owner].incarnation == (is_given ? 2 : SELF));
        assert_int_equal(map.slices[i].how, is_given ? SLICE_MOVED : SLICE_TAKEN);
    }
    /* No more are yielded before these are given. */
    assert_int_equal(count_yielded(), OWNERSHIP_YIELDS_MAX);
}

static void neighbours_are_not_yielded_together(void **state)
{
    (void)state;
    begin_with_all();
    serve_all();
    lease_sequence = 0;
    leases_are_read(2);
    turn();
    for (uint32_t first = 0; first < MAP_SLICES; first += 16) {
        uint32_t count = 0;
        for (uint32_t i = first; i < first + 16; i++)
            count += ownership_yielded_term(&machine, i) != 0;
        assert_in_range(count, 3, 5); /* of 16, where 64 of 256 are yielded */
    }
}

/* What was yielded is handed over, and the map says so. */
static void give_what_was_yielded(void)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        ownership_has_handed_over(&machine, i, ownership_yielded_term(&machine, i));
    const struct ownership_request *request = request_of(OWNERSHIP_WRITE_MAP);
    assert_non_null(request);
    append_text(request->text);
    ownership_map_was_written(&machine, request->serial, OWNERSHIP_ACKNOWLEDGED);
    read_map();
}

/* Else all that an heir was given would wait to be opened. */
static void the_next_ones_are_yielded_when_an_heir_is_done(void **state)
{
    (void)state;
    begin_with_all();
    serve_all();
    ownership_set_figures(&machine, 2 * MAP_SLICES, 0);
    lease_sequence = 0;
    leases_are_read(2);
    turn();
    give_what_was_yielded();
    turn();
    assert_int_equal(count_yielded(), 0);
    ownership_heir_has_opened(&machine);
    ownership_set_figures(&machine, 2 * (MAP_SLICES - OWNERSHIP_YIELD_ROOMS / 2), 0);
    turn();
    assert_int_equal(count_yielded(), OWNERSHIP_YIELD_ROOMS / 2);
    give_what_was_yielded(); /* and now nobody says so */
    uint64_t given_ms = now_ms;
    while (count_yielded() == 0)
        turn();
    assert_in_range(now_ms - given_ms, OWNERSHIP_PACE_MS, OWNERSHIP_PACE_MS + TURN_MS);
}

static void who_leaves_yields_all_slices_if_there_are_heirs(void **state)
{
    (void)state;
    begin_with_all();
    serve_all();
    lease_sequence = 0;
    leases_are_read(1);
    assert_false(ownership_has_left(&machine)); /* it does not leave */
    ownership_leave(&machine);
    turn();
    assert_int_equal(count_yielded(), 0);
    assert_true(ownership_has_left(&machine)); /* nobody would take them */
    for (uint32_t left = MAP_SLICES; left > 0; left -= OWNERSHIP_YIELDS_MAX) {
        leases_are_read(2);
        turn();
        assert_int_equal(count_yielded(), OWNERSHIP_YIELDS_MAX);
        assert_false(ownership_has_left(&machine));
        give_what_was_yielded();
    }
    leases_are_read(2);
    assert_true(ownership_has_left(&machine));
    struct node_id owner;
    uint64_t term;
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        assert_true(ownership_find_owner(&machine, i, &owner, &term));
        assert_true(owner.incarnation == 2 && term == 2);
    }
}

/* Nor does it wait to know of others, which takes five renewals. */
static void who_has_no_slices_has_left_at_once(void **state)
{
    (void)state;
    begin();
    append_map_of(2, 1);
    read_map();
    ownership_leave(&machine);
    assert_true(ownership_has_left(&machine));
    begin_with_all();
    ownership_leave(&machine);
    assert_false(ownership_has_left(&machine));
}

/* The one that leaves seems to be the heir with the fewest slices, as long as it renews its lease.
 */
static void who_was_given_slices_keeps_all_for_a_while(void **state)
{
    (void)state;
    begin();
    struct map map = map_of(SELF, 1);
    struct node_id other = node(2);
    uint8_t place = map_add_node(&map, &other);
    for (uint32_t i = 0; i < MAP_SLICES / 2; i++)
        map.slices[i].owner = place;
    append(&map);
    for (int i = 0; i < 6; i++)
        read_map();
    serve_all();
    for (uint32_t i = 0; i < MAP_SLICES / 2; i++) {
        map.slices[i].owner = map.slices[MAP_SLICES - 1].owner;
        map.slices[i].how = SLICE_MOVED;
        map.slices[i].term++;
    }
    lease_sequence = 0;
    leases_are_read(2);
    append(&map);
    read_map();
    uint64_t given_ms = now_ms;
    while (count_yielded() == 0) {
        turn();
        serve_all();
        if (request_of(OWNERSHIP_READ_LEASES) != NULL || now_ms - given_ms > 1000)
            leases_are_read(2);
    }
    assert_true(now_ms - given_ms >= OWNERSHIP_KEPT_MS);
}

static void who_can_not_record_rooms_yields_none(void **state)
{
    (void)state;
    begin_with_all();
    serve_all();
    ownership_allow_yields(&machine, false);
    lease_sequence = 0;
    leases_are_read(2);
    turn();
    assert_int_equal(count_yielded(), 0);
    ownership_allow_yields(&machine, true);
    turn();
    assert_int_equal(count_yielded(), OWNERSHIP_YIELDS_MAX);
}

/* With so many rooms in each slice. */
static uint32_t yielded_at_once(uint64_t rooms)
{
    begin_with_all();
    serve_all();
    ownership_set_figures(&machine, rooms * MAP_SLICES, 0);
    lease_sequence = 0;
    leases_are_read(2);
    turn();
    return count_yielded();
}

static void few_rooms_move_at_once(void **state)
{
    (void)state;
    assert_int_equal(yielded_at_once(0), OWNERSHIP_YIELDS_MAX);
    assert_int_equal(yielded_at_once(1), OWNERSHIP_YIELD_ROOMS);
    assert_int_equal(yielded_at_once(5), OWNERSHIP_YIELD_ROOMS / 5);
    assert_int_equal(yielded_at_once(100), MAP_SLICES / OWNERSHIP_YIELDS); /* so this ends, too */
}

/* One slice more than others is no reason. */
static void who_has_its_share_yields_nothing(void **state)
{
    (void)state;
    begin();
    struct map map = map_of(SELF, 1);
    struct node_id other = node(2);
    uint8_t place = map_add_node(&map, &other);
    for (uint32_t i = 0; i < MAP_SLICES / 2; i++)
        map.slices[i].owner = place;
    map.slices[0].owner = map.slices[MAP_SLICES - 1].owner;
    append(&map);
    for (int i = 0; i < 6; i++)
        read_map();
    serve_all();
    lease_sequence = 0;
    leases_are_read(2);
    turn();
    assert_int_equal(count_yielded(), 1); /* 129 and 127 */
    ownership_has_handed_over(&machine, last_loss.slice, 1);
    const struct ownership_request *request = request_of(OWNERSHIP_WRITE_MAP);
    append_text(request->text);
    ownership_map_was_written(&machine, request->serial, OWNERSHIP_ACKNOWLEDGED);
    read_map();
    leases_are_read(2);
    turn();
    assert_int_equal(count_yielded(), 0);
}

/* wait */
static void what_its_owner_has_given_opens_at_once(void **state)
{
    (void)state;
    begin();
    append_map_of(2, 1);
    read_map();
    struct map map = map_of(SELF, 2);
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        map.slices[i].how = i % 2 == 0 ? SLICE_MOVED : SLICE_TAKEN;
    append(&map);
    read_map();
    assert_int_equal(openings, 0);
    for (int i = 0; i < 2; i++)
        turn();
    assert_int_equal(openings, MAP_SLICES / 2);
    assert_true(ownership_term(&machine, 0) == 2 && ownership_term(&machine, 1) == 0);
}

/* How the slices of a node that has ended are given on. `has_had_them`: for long enough. */
static uint8_t how_of_who_ended(bool has_had_them)
{
    uint8_t text[LEASE_TEXT_MAX];
    struct writer writer = writer_over(text, sizeof text);
    const struct lease ended = {.node = node(2), .has_ended = true, .loops = 1};
    begin();
    lease_sequence = 0;
    append_map_of(has_had_them ? 2 : 3, 1);
    for (int i = 0; i < OWNERSHIP_RENEWALS; i++) {
        renew();
        if (i == OWNERSHIP_RENEWALS - 1 && !has_had_them)
            append_map_of(2, 2);
        read_map();
    }
    const uint64_t serial = wait_for(OWNERSHIP_READ_LEASES)->serial;
    struct ownership_lease leases[] = {lease_of(SELF, lease_sequence, false),
                                       lease_of(2, lease_sequence, false)};
    lease_write(&writer, &ended);
    leases[1].text = writer_view(&writer);
    ownership_leases_were_read(&machine, serial, leases, 2);
    return written_map(request_of(OWNERSHIP_WRITE_MAP)).slices[7].how;
}

static void who_ends_has_given_what_it_had_for_long_enough(void **state)
{
    (void)state;
    assert_int_equal(how_of_who_ended(true), SLICE_MOVED);
    assert_int_equal(how_of_who_ended(false), SLICE_TAKEN);
}

static void an_edge_alone_gets_nothing(void **state)
{
    (void)state;
    begin();
    ownership_be_edge_only(&machine);
    read_map();
    assert_null(request_of(OWNERSHIP_WRITE_MAP)); /* it begins no era */
    append_map_of(9, 1);
    read_map();
    lease_sequence = 0;
    leases_are_read(2); /* 9 is dead */
    turn();
    for (int i = 0; i < 20; i++)
        turn();
    leases_are_read(2);
    const struct map map = written_map(request_of(OWNERSHIP_WRITE_MAP));
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        assert_true(map.nodes[map.slices[i].owner].incarnation == 2);
}

static void one_request_of_a_kind_is_outstanding(void **state)
{
    (void)state;
    begin();
    struct ownership_request request;
    uint32_t counts[OWNERSHIP_REQUESTS] = {0};
    uint64_t serials[OWNERSHIP_REQUESTS] = {0};
    while (ownership_next_request(&machine, &request)) {
        counts[request.kind]++;
        serials[request.kind] = request.serial;
    }
    assert_int_equal(counts[OWNERSHIP_READ_MAP], 1);
    assert_int_equal(counts[OWNERSHIP_WRITE_LEASE], 1);
    while (now_ms < 1000 + OWNERSHIP_PATIENCE_MS - TURN_MS) {
        turn();
        assert_false(ownership_next_request(&machine, &request));
    }
    turn();
    assert_non_null(request_of(OWNERSHIP_READ_MAP));
    /* An outcome that comes too late is none. */
    append_map_of(SELF, 1);
    ownership_map_was_read(&machine, serials[OWNERSHIP_READ_MAP], &history);
    assert_true(ownership_must_look(&machine));
}

static void tries_that_fail_at_once_are_paced(void **state)
{
    uint32_t count = 0;
    (void)state;
    begin();
    while (ownership_must_look(&machine)) {
        const struct ownership_request *request = request_of(OWNERSHIP_READ_MAP);
        if (request != NULL) {
            count++;
            ownership_map_was_not_read(&machine, request->serial);
        } else {
            turn();
        }
    }
    take_events();
    assert_false(last_look.is_found);
    assert_true(now_ms >= 1000 + OWNERSHIP_TRIES_MS);
    assert_in_range(count, 5, 1 + OWNERSHIP_TRIES_MS / OWNERSHIP_RETRY_MS);
}

/* look: 2 s are no pause, and more are one. */
static void a_pause_is_looked_after(void **state)
{
    (void)state;
    begin_with_all();
    uint64_t before_ms = now_ms;
    now_ms += OWNERSHIP_PAUSE_MS;
    ownership_begin_turn(&machine, now_ms);
    assert_false(ownership_must_look(&machine));
    ownership_begin_turn(&machine, before_ms); /* a clock that goes back stands still */
    assert_false(ownership_must_look(&machine));
    const uint64_t serial = wait_for(OWNERSHIP_READ_MAP)->serial;
    now_ms += OWNERSHIP_PAUSE_MS + 1;
    ownership_begin_turn(&machine, now_ms);
    assert_true(ownership_must_look(&machine));
    assert_true(ownership_term(&machine, 0) == 0);
    ownership_map_was_read(&machine, serial, &history); /* it was sent before */
    assert_true(ownership_must_look(&machine));
    read_map();
    assert_false(ownership_must_look(&machine));
    assert_true(last_look.is_found);
    assert_true(ownership_term(&machine, 0) == 1);
    assert_int_equal(losses, 0);
}

/* wait: a turn's clock may be older than what comes in that turn. */
static void the_wait_begins_with_the_next_turn(void **state)
{
    (void)state;
    begin();
    append_map_of(SELF, 1);
    read_map();
    now_ms += OWNERSHIP_PAUSE_MS;
    ownership_begin_turn(&machine, now_ms);
    uint64_t read_ms = now_ms;
    while (openings == 0) {
        turn();
        read_map();
    }
    assert_true(now_ms >= read_ms + OWNERSHIP_WAIT_MS);
}

/* own-entry */
static void what_became_of_a_term_is_read_where_it_was_raised(void **state)
{
    (void)state;
    begin_with_all();
    struct map map = map_of(2, 2);
    map.slices[255].how = SLICE_MOVED;
    map.slices[255].moved = 1;
    append(&map);
    append_map_of(3, 3);
    read_map();
    assert_int_equal(losses, MAP_SLICES);
    assert_int_equal(last_loss.slice, 255);
    assert_int_equal(last_loss.why, OWNERSHIP_LOST_MOVED);
    assert_true(last_loss.to.incarnation == 2 && last_loss.to_term == 2 && last_loss.term == 1);
}

static void what_is_no_longer_there_is_unknown(void **state)
{
    (void)state;
    begin_with_all();
    append_map_of(2, 2);
    append_map_of(3, 3);
    append_junk(ENTRIES - 1); /* the entry that raised it is gone */
    read_map();
    assert_int_equal(losses, MAP_SLICES);
    assert_int_equal(last_loss.why, OWNERSHIP_LOST_UNKNOWN);
    assert_true(last_loss.to.incarnation == 3 && last_loss.to_term == 3);
}

/* What is lost and comes back between two reads is lost and opens anew. */
static void a_slice_may_come_back(void **state)
{
    (void)state;
    begin_with_all();
    append_map_of(2, 2);
    append_map_of(SELF, 3);
    read_map();
    assert_int_equal(losses, MAP_SLICES);
    assert_int_equal(last_loss.why, OWNERSHIP_LOST_TAKEN);
    for (int i = 0; i < 6; i++)
        read_map();
    assert_int_equal(openings, 2 * MAP_SLICES);
    assert_true(ownership_term(&machine, 0) == 3);
}

/* terms: an entry that does not raise a term gives nothing. */
static void a_term_of_another_owner_opens_nothing(void **state)
{
    (void)state;
    begin();
    append_map_of(2, 7);
    append_map_of(SELF, 7);
    for (int i = 0; i < 6; i++)
        read_map();
    assert_int_equal(openings, 0);
    append_map_of(SELF, 8);
    for (int i = 0; i < 6; i++)
        read_map();
    assert_int_equal(openings, MAP_SLICES);
}

static void a_read_of_what_was_is_none(void **state)
{
    (void)state;
    begin_with_all();
    append_map_of(2, 2);
    read_map();
    now_ms += OWNERSHIP_PAUSE_MS + 1;
    ownership_begin_turn(&machine, now_ms);
    history.last_revision = --history.count;
    read_map();
    assert_true(ownership_must_look(&machine));
    history.last_revision = ++history.count;
    read_map();
    assert_false(ownership_must_look(&machine));
}

static void a_history_that_is_not_sound_is_none(void **state)
{
    (void)state;
    begin();
    history.last_revision = 1;
    history.count = 2;
    entries[0].revision = entries[1].revision = 1;
    read_map();
    assert_true(ownership_must_look(&machine));
}

/* Nothing stands, and this node knows what did: it goes on. */
static void a_map_that_is_gone_is_written_again(void **state)
{
    (void)state;
    begin_with_all();
    read_map();
    append_junk(ENTRIES - 1);
    read_map();
    assert_null(request_of(OWNERSHIP_WRITE_MAP)); /* it is still there */
    append_junk(1);
    read_map();
    const struct ownership_request *request = wait_for(OWNERSHIP_WRITE_MAP);
    struct map map = written_map(request);
    assert_true(map.era == 5 && map.based_on == history.last_revision);
    assert_true(map.slices[0].term == 1);
    assert_int_equal(losses, 0);
}

/* Nothing stands, and this node has missed something: others may know what did. */
static void an_era_begins_after_a_while(void **state)
{
    (void)state;
    begin_with_all();
    append_junk(ENTRIES + 1);
    read_map();
    assert_int_equal(losses, MAP_SLICES);
    assert_int_equal(last_loss.why, OWNERSHIP_LOST_UNKNOWN);
    uint64_t begin_ms = now_ms;
    const struct ownership_request *request = NULL;
    while (request == NULL) {
        read_map();
        request = request_of(OWNERSHIP_WRITE_MAP);
        turn();
        assert_true(now_ms < begin_ms + 2 * OWNERSHIP_FOUND_MS);
    }
    assert_true(now_ms >= begin_ms + OWNERSHIP_FOUND_MS);
    assert_true(written_map(request).era != 5);
}

static void another_stream_is_another_era(void **state)
{
    (void)state;
    begin_with_all();
    for (int i = 0; i < 3; i++) {
        append_map_of(SELF, 1);
        read_map();
    }
    struct map map = map_of(2, 1);
    map.era = 6;
    history.last_revision = history.count = 0;
    append(&map);
    read_map();
    assert_int_equal(losses, MAP_SLICES);
    assert_int_equal(last_loss.why, OWNERSHIP_LOST_ERA);
    assert_true(last_loss.to.incarnation == 2);
    assert_true(era == 6);
    /* Terms begin anew. */
    map = map_of(SELF, 2);
    map.era = 6;
    append(&map);
    openings = 0;
    for (int i = 0; i < 6; i++)
        read_map();
    assert_int_equal(openings, MAP_SLICES);
}

/* Nothing stood in the one that the node knew, and something stands at the same revision. */
static void a_bare_stream_may_be_another_one(void **state)
{
    (void)state;
    begin();
    append_junk(1);
    read_map();
    history.last_revision = history.count = 0;
    append_map_of(2, 1);
    for (int i = 0; i < 15; i++) {
        read_map();
        assert_null(request_of(OWNERSHIP_WRITE_MAP));
    }
    assert_true(era == 5);
}

/* The node can't know who owns what, and writes nothing. */
static void a_later_version_ends_service(void **state)
{
    char text[64];
    (void)state;
    begin_with_all();
    snprintf(text, sizeof text, "{\"version\":2,\"basedOn\":%d}", (int)history.last_revision + 4);
    append_text(bytes_of_string(text)); /* does not stand */
    read_map();
    assert_int_equal(losses, 0);
    snprintf(text, sizeof text, "{\"version\":2,\"basedOn\":%d}", (int)history.last_revision);
    append_text(bytes_of_string(text));
    read_map();
    assert_int_equal(losses, MAP_SLICES);
    assert_int_equal(last_loss.why, OWNERSHIP_LOST_NOBODY);
    append_junk(ENTRIES);
    for (int i = 0; i < 15; i++) {
        read_map();
        assert_null(request_of(OWNERSHIP_WRITE_MAP));
    }
    append_map_of(SELF, 1); /* somebody went back */
    for (int i = 0; i < 6; i++)
        read_map();
    assert_int_equal(openings, 2 * MAP_SLICES);
}

/* hasty: sequences of the leases, and whether node 2, which has all slices, is dead by them. */
static bool takes_from(uint64_t sequence, bool has_lease, uint64_t own_sequence)
{
    begin();
    append_map_of(2, 4);
    lease_sequence = 100;
    const struct ownership_request *request = renew_five_times();
    struct ownership_lease leases[2] = {lease_of(SELF, own_sequence, false)};
    if (has_lease)
        leases[1] = lease_of(2, sequence, false);
    ownership_leases_were_read(&machine, request->serial, leases, has_lease ? 2 : 1);
    request = request_of(OWNERSHIP_WRITE_MAP);
    if (request == NULL)
        return false;
    struct map map = written_map(request);
    assert_true(map.slices[9].term == 5);
    assert_true(map.nodes[map.slices[9].owner].incarnation == SELF);
    assert_int_equal(map.node_count, 1);
    return true;
}

static void five_renewals_in_a_row_are_death(void **state)
{
    (void)state;
    assert_true(takes_from(100, true, 105)); /* 101 to 105 are one's own */
    assert_false(takes_from(102, true, 105));
    assert_false(takes_from(101, true, 105));
    assert_true(takes_from(0, false, 105));
    /* own-lease */
    assert_false(takes_from(100, true, 104));
    assert_true(takes_from(100, true, 106));
}

static void a_sequence_that_goes_down_is_of_another_stream(void **state)
{
    (void)state;
    begin();
    append_map_of(2, 4);
    lease_sequence = 100;
    renew_five_times();
    lease_sequence = 0;
    for (int i = 1; i <= OWNERSHIP_RENEWALS; i++) {
        turn();
        read_map();
        renew();
        bool is_asked = request_of(OWNERSHIP_READ_LEASES) != NULL;
        assert_int_equal(is_asked, i == OWNERSHIP_RENEWALS);
    }
}

/* Node 2 has died, 3 drains, 4 may be about to die, and what 6 says can't be read. */
static void the_dead_ones_slices_are_shared_evenly(void **state)
{
    uint32_t counts[8] = {0};
    (void)state;
    begin();
    struct map map = map_of(2, 4);
    const struct node_id three = node(3);
    const struct node_id five = node(5);
    map_add_node(&map, &three);
    map_add_node(&map, &five);
    map.slices[0] = (struct map_slice){.term = 3, .owner = 1, .next = 2, .next_revision = 1};
    map.slices[1].next = 1;
    map.slices[1].next_revision = 1;
    append(&map);
    lease_sequence = 100;
    const struct ownership_request *request = renew_five_times();
    struct ownership_lease leases[] = {
        lease_of(4, 103, false), lease_of(3, 105, true),  lease_of(SELF, 106, false),
        lease_of(2, 99, false),  lease_of(5, 107, false), lease_of(6, 105, false),
    };
    leases[5].text = BYTES("of a later version"); /* lives, and gets nothing */
    ownership_leases_were_read(&machine, request->serial, leases, ARRAY_LENGTH(leases));
    map = written_map(request_of(OWNERSHIP_WRITE_MAP));
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        counts[map.nodes[map.slices[i].owner].incarnation]++;
    assert_int_equal(counts[2], 0);
    assert_int_equal(counts[3], 1);
    assert_int_equal(counts[6], 0);
    assert_in_range(counts[SELF], 127, 128);
    assert_int_equal(counts[SELF] + counts[5], 255);
    /* A move of another owner's slice is kept; that of a dead one's is over. */
    assert_int_equal(map.nodes[map.slices[0].next].incarnation, 5);
    assert_true(map.slices[0].next_revision == 1 && map.slices[0].term == 3);
    assert_int_equal(map.slices[1].next, MAP_NO_NODE);
    assert_true(map.slices[1].next_revision == 0 && map.slices[1].term == 5);
}

/* The node that comes first has a second for it. */
static void heirs_have_their_turns(void **state)
{
    (void)state;
    begin();
    append_map_of(2, 4);
    lease_sequence = 100;
    uint64_t judged_ms = 0;
    uint64_t serial = renew_five_times()->serial;
    for (int i = 0; i < 30; i++) {
        struct ownership_lease leases[] = {lease_of(0, lease_sequence, false),
                                           lease_of(SELF, lease_sequence, false)};
        ownership_leases_were_read(&machine, serial, leases, 2);
        judged_ms = judged_ms == 0 ? now_ms : judged_ms;
        struct ownership_request request;
        while (ownership_next_request(&machine, &request)) {
            if (request.kind == OWNERSHIP_WRITE_LEASE)
                ownership_lease_was_written(&machine, request.serial, ++lease_sequence);
            if (request.kind == OWNERSHIP_READ_LEASES)
                serial = request.serial;
            if (request.kind == OWNERSHIP_WRITE_MAP) {
                assert_in_range(now_ms - judged_ms, OWNERSHIP_HEIR_MS, OWNERSHIP_HEIR_MS + TURN_MS);
                return;
            }
        }
        turn();
    }
    fail_msg("the second heir never has its turn");
}

/* There is no place for all heirs among the nodes of the map: those who have one inherit. */
static void a_map_full_of_nodes_is_written(void **state)
{
    static struct ownership_lease leases[OWNERSHIP_LEASES_MAX + 10];
    (void)state;
    begin();
    struct map map = map_of(2, 4);
    for (uint32_t i = 1; i < MAP_NODES_MAX; i++) {
        const struct node_id id = node(i + 2);
        map.slices[i].owner = map_add_node(&map, &id);
    }
    append(&map);
    lease_sequence = 100;
    const struct ownership_request *request = renew_five_times();
    leases[0] = lease_of(SELF, 105, false);
    for (uint32_t i = 1; i < ARRAY_LENGTH(leases); i++)
        leases[i] = lease_of(i + 2, 105, false);
    ownership_leases_were_read(&machine, request->serial, leases, ARRAY_LENGTH(leases));
    map = written_map(request_of(OWNERSHIP_WRITE_MAP));
    assert_int_equal(map.node_count, MAP_NODES_MAX);
    assert_int_equal(map_find_node(&map, &(struct node_id){"n", 2}), MAP_NO_NODE);
}

static void a_judgement_does_not_last(void **state)
{
    (void)state;
    begin();
    append_map_of(2, 4);
    lease_sequence = 100;
    const struct ownership_request *request = renew_five_times();
    const struct ownership_lease leases[] = {lease_of(SELF, 105, false)};
    uint64_t serial = request->serial;
    now_ms += OWNERSHIP_PATIENCE_MS - 1;
    ownership_begin_turn(&machine, now_ms);
    ownership_leases_were_read(&machine, serial, leases, 1);
    now_ms += OWNERSHIP_PAUSE_MS;
    ownership_begin_turn(&machine, now_ms);
    assert_null(request_of(OWNERSHIP_WRITE_MAP));
}

static void a_node_that_ends_has_given_up_before(void **state)
{
    struct ownership_request request;
    (void)state;
    begin_with_all();
    ownership_drain(&machine);
    assert_true(ownership_term(&machine, 0) == 1);
    ownership_end(&machine);
    assert_true(ownership_term(&machine, 0) == 0);
    assert_null(request_of(OWNERSHIP_WRITE_LEASE));
    take_events();
    assert_int_equal(losses, MAP_SLICES);
    assert_int_equal(last_loss.why, OWNERSHIP_LOST_NOBODY);
    assert_true(ownership_next_request(&machine, &request));
    assert_int_equal(request.kind, OWNERSHIP_WRITE_LEASE);
    struct lease lease;
    assert_true(lease_read(request.text, &lease));
    assert_true(lease.has_ended && lease.is_draining);
    assert_false(has_ended);
    ownership_lease_was_written(&machine, request.serial, 1000);
    take_events();
    assert_true(has_ended);
    for (int i = 0; i < 30; i++) {
        turn();
        assert_false(ownership_next_request(&machine, &request));
    }
}

static void figures_are_in_the_lease(void **state)
{
    struct lease lease;
    (void)state;
    begin();
    ownership_set_figures(&machine, UINT64_MAX, 12);
    const struct ownership_request *request = request_of(OWNERSHIP_WRITE_LEASE);
    assert_true(lease_read(request->text, &lease));
    assert_true(lease.rooms == LEASE_NUMBER_MAX && lease.clients == 12);
    assert_int_equal(lease.loops, 4);
    assert_false(lease.is_draining || lease.has_ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_starts_alone_takes_all),
        cmocka_unit_test(a_hint_has_the_map_and_the_leases_read),
        cmocka_unit_test(hints_without_end_let_a_judgement_be_used),
        cmocka_unit_test(a_node_that_joins_owns_nothing),
        cmocka_unit_test(who_has_more_yields_what_it_serves),
        cmocka_unit_test(neighbours_are_not_yielded_together),
        cmocka_unit_test(who_can_not_record_rooms_yields_none),
        cmocka_unit_test(few_rooms_move_at_once),
        cmocka_unit_test(the_next_ones_are_yielded_when_an_heir_is_done),
        cmocka_unit_test(who_leaves_yields_all_slices_if_there_are_heirs),
        cmocka_unit_test(who_has_no_slices_has_left_at_once),
        cmocka_unit_test(who_was_given_slices_keeps_all_for_a_while),
        cmocka_unit_test(who_has_its_share_yields_nothing),
        cmocka_unit_test(what_its_owner_has_given_opens_at_once),
        cmocka_unit_test(who_ends_has_given_what_it_had_for_long_enough),
        cmocka_unit_test(an_edge_alone_gets_nothing),
        cmocka_unit_test(one_request_of_a_kind_is_outstanding),
        cmocka_unit_test(tries_that_fail_at_once_are_paced),
        cmocka_unit_test(a_pause_is_looked_after),
        cmocka_unit_test(the_wait_begins_with_the_next_turn),
        cmocka_unit_test(what_became_of_a_term_is_read_where_it_was_raised),
        cmocka_unit_test(what_is_no_longer_there_is_unknown),
        cmocka_unit_test(a_slice_may_come_back),
        cmocka_unit_test(a_term_of_another_owner_opens_nothing),
        cmocka_unit_test(a_read_of_what_was_is_none),
        cmocka_unit_test(a_history_that_is_not_sound_is_none),
        cmocka_unit_test(a_map_that_is_gone_is_written_again),
        cmocka_unit_test(an_era_begins_after_a_while),
        cmocka_unit_test(another_stream_is_another_era),
        cmocka_unit_test(a_bare_stream_may_be_another_one),
        cmocka_unit_test(a_later_version_ends_service),
        cmocka_unit_test(five_renewals_in_a_row_are_death),
        cmocka_unit_test(a_sequence_that_goes_down_is_of_another_stream),
        cmocka_unit_test(the_dead_ones_slices_are_shared_evenly),
        cmocka_unit_test(heirs_have_their_turns),
        cmocka_unit_test(a_map_full_of_nodes_is_written),
        cmocka_unit_test(a_judgement_does_not_last),
        cmocka_unit_test(a_node_that_ends_has_given_up_before),
        cmocka_unit_test(figures_are_in_the_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
