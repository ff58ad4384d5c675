/* The stock of codes that a loop has for its rooms. */
#include "server/codes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/kernel.h"
#include "relay/code.h"

#define TERM 4
#define FEW_SLICES 40

/* A loop of a node that owns some slices, and the mailbox of its recorder. */
struct stage {
    struct server server;
    struct mailbox recorder;
    struct peers peers;
    struct loop loop;
    struct links links;
    uint64_t random_state;
};

static uint32_t draw_random(void *context)
{
    struct stage *stage = context;
    stage->random_state = stage->random_state * UINT64_C(6364136223846793005) + 1;
    return (uint32_t)(stage->random_state >> 32);
}

static bool may_make(void *context, uint64_t code)
{
    const struct stage *stage = context;
    return peers_place(stage->links.owners[peers_slice_of(code)]) == PEER_HERE;
}

static void set_owner(struct stage *stage, uint32_t slice, uint8_t place, uint64_t term)
{
    stage->links.owners[slice].word = term << 8 | place;
}

static struct stage *begin(void)
{
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    assert_true(mailbox_init(&stage->recorder, &kernel_linux));
    stage->server.recorder = &stage->recorder;
    stage->server.loop_count = 2;
    stage->server.peers = &stage->peers;
    atomic_store(&stage->peers.fresh_until_ns, UINT64_MAX);
    stage->loop.kernel = &kernel_linux;
    stage->loop.server = &stage->server;
    stage->loop.index = 1;
    stage->loop.now_ms = UINT32_MAX - 100; /* it wraps soon */
    stage->loop.links = &stage->links;
    for (enum code_kind kind = 0; kind < CODE_KINDS; kind++)
        stage->links.code_requests[kind] = (struct code_request){
            .mail.kind = MAIL_CODES, .kind = kind, .loop = 1, .due_ms = stage->loop.now_ms};
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++)
        set_owner(stage, slice, slice < FEW_SLICES ? PEER_HERE : 0, TERM);
    stage->links.own_slices = FEW_SLICES;
    relay_init(&stage->loop.relay, &(struct relay_config){.loop_index = 1,
                                                          .loop_count = 2,
                                                          .random = draw_random,
                                                          .may_make = may_make,
                                                          .context = stage});
    return stage;
}

static void end(struct stage *stage)
{
    relay_release(&stage->loop.relay);
    mailbox_release(&stage->recorder);
    free(stage);
}

/* The recorder confirms all that it was asked, or every second code, or none (0). */
static uint32_t answer(struct stage *stage, uint32_t one_in)
{
    uint32_t requests = 0;
    struct mail *mail = mailbox_take_all(&stage->recorder);
    while (mail != NULL) {
        struct mail *next = mail->next;
        struct code_request *request = CONTAINER_OF(mail, struct code_request, mail);
        assert_true(request->is_out);
        assert_int_equal(request->loop, 1);
        for (uint32_t i = 0; i < request->count; i++) {
            const struct known_code *known = &request->codes[i];
            assert_int_equal(known->term, TERM);
            assert_true(may_make(stage, known->code));
            assert_int_equal(code_owner(known->code, 2), 1);
            if (one_in == 0 || i % one_in != 0)
                request->codes[i].term = 0;
        }
        codes_receive(&stage->loop, request);
        requests++;
        mail = next;
    }
    return requests;
}

static uint32_t count(const struct stage *stage, enum code_kind kind)
{
    return stage->links.codes[kind].count;
}

static void fill(struct stage *stage)
{
    do
        codes_fill(&stage->loop);
    while (answer(stage, 1) > 0);
}

static void each_kind_is_filled(void **state)
{
    (void)state;
    struct stage *stage = begin();
    assert_false(codes_has(&stage->loop, PROTOCOL_1));
    assert_false(codes_has(&stage->loop, PROTOCOL_2));
    assert_false(codes_has(&stage->loop, PROTOCOL_3));
    codes_fill(&stage->loop);
    codes_fill(&stage->loop); /* what is asked for is not asked for again */
    assert_int_equal(answer(stage, 1), CODE_KINDS);
    for (enum code_kind kind = 0; kind < CODE_KINDS; kind++)
        assert_int_equal(count(stage, kind), CODES_ASKED);
    fill(stage);
    for (enum code_kind kind = 0; kind < CODE_KINDS; kind++)
        assert_int_equal(count(stage, kind), CODES_KEPT);
    for (enum protocol protocol = PROTOCOL_1; protocol <= PROTOCOL_3; protocol++) {
        uint64_t code;
        assert_true(codes_has(&stage->loop, protocol));
        assert_true(codes_take(&stage->loop, protocol, 0, &code));
        assert_int_equal(code_protocol(code), protocol);
        assert_int_equal(code_owner(code, 2), 1);
    }
    end(stage);
}

/* As soon as there is room for what is asked at once. */
static void a_stock_is_refilled(void **state)
{
    (void)state;
    struct stage *stage = begin();
    uint64_t code;
    fill(stage);
    for (uint32_t taken = 0; taken < CODES_ASKED; taken++) {
        codes_fill(&stage->loop);
        assert_int_equal(answer(stage, 1), 0);
        assert_true(codes_take(&stage->loop, PROTOCOL_2, 0, &code));
    }
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 1), 1);
    assert_int_equal(count(stage, CODES_2), CODES_KEPT);
    end(stage);
}

static void no_code_is_given_twice(void **state)
{
    (void)state;
    struct stage *stage = begin();
    uint64_t codes[3 * CODES_KEPT];
    for (uint32_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        fill(stage);
        assert_true(codes_take(&stage->loop, PROTOCOL_2, 0, &codes[i]));
        for (uint32_t before = 0; before < i; before++)
            assert_true(codes[before] != codes[i]);
    }
    end(stage);
}

/* What was not confirmed is not kept; where nothing was, it takes time until more is asked. */
static void only_what_was_confirmed_is_kept(void **state)
{
    (void)state;
    struct stage *stage = begin();
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 2), CODE_KINDS);
    assert_int_equal(count(stage, CODES_1), CODES_ASKED / 2);
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 0), CODE_KINDS);
    assert_int_equal(count(stage, CODES_1), CODES_ASKED / 2);
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 1), 0);
    stage->loop.now_ms += CODES_RETRY_MS - 1;
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 1), 0);
    stage->loop.now_ms++;
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 1), CODE_KINDS);
    assert_int_equal(count(stage, CODES_1), CODES_ASKED / 2 + CODES_ASKED);
    end(stage);
}

static void who_has_no_slice_or_ends_asks_for_none(void **state)
{
    (void)state;
    struct stage *stage = begin();
    stage->links.own_slices = 0;
    codes_fill(&stage->loop);
    stage->links.own_slices = FEW_SLICES;
    stage->loop.relay.is_draining = true;
    codes_fill(&stage->loop);
    stage->loop.relay.is_draining = false;
    stage->loop.is_stopping = true;
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 1), 0);
    stage->loop.is_stopping = false;
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 1), CODE_KINDS);
    end(stage);
}

/* Codes of the few slices that open first would be easy to guess; other slices may never open. */
static void codes_wait_for_slices_that_open(void **state)
{
    (void)state;
    struct stage *stage = begin();
    stage->links.opening_slices = 1;
    stage->links.opened_ms = stage->loop.now_ms;
    codes_fill(&stage->loop);
    stage->loop.now_ms += CODES_WAIT_MS - 1;
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 1), 0);
    stage->loop.now_ms++;
    codes_fill(&stage->loop);
    assert_int_equal(answer(stage, 1), CODE_KINDS);
    end(stage);
}

/* The slices may be another node's by now. */
static void no_code_is_there_by_a_map_that_is_old(void **state)
{
    (void)state;
    struct stage *stage = begin();
    fill(stage);
    atomic_store(&stage->peers.fresh_until_ns, kernel_linux.now_ns() - 1);
    for (enum protocol protocol = PROTOCOL_1; protocol <= PROTOCOL_3; protocol++)
        assert_false(codes_has(&stage->loop, protocol));
    atomic_store(&stage->peers.fresh_until_ns, UINT64_MAX);
    for (enum protocol protocol = PROTOCOL_1; protocol <= PROTOCOL_3; protocol++)
        assert_true(codes_has(&stage->loop, protocol));
    end(stage);
}

/* Another owner may give them away, or this node at another term, or they are being restored. */
static void codes_of_lost_slices_are_forgotten(void **state)
{
    static const struct {
        uint8_t place;
        uint64_t term;
    } losses[] = {{0, TERM + 1}, {PEER_NOBODY, TERM}, {PEER_OPENING, TERM}, {PEER_HERE, TERM + 1}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(losses); i++) {
        struct stage *stage = begin();
        uint64_t code;
        uint32_t taken = 0;
        fill(stage);
        for (uint32_t slice = 1; slice < FEW_SLICES; slice += 2)
            set_owner(stage, slice, losses[i].place, losses[i].term);
        while (codes_has(&stage->loop, PROTOCOL_2)) {
            assert_true(codes_take(&stage->loop, PROTOCOL_2, 0, &code));
            assert_int_equal(peers_slice_of(code) % 2, 0);
            taken++;
        }
        assert_in_range(taken, 10, CODES_KEPT - 10);
        for (uint32_t slice = 0; slice < FEW_SLICES; slice++)
            set_owner(stage, slice, losses[i].place, losses[i].term);
        assert_false(codes_has(&stage->loop, PROTOCOL_1));
        assert_false(codes_take(&stage->loop, PROTOCOL_1, 0, &code));
        assert_false(codes_has(&stage->loop, PROTOCOL_3));
        assert_false(codes_take(&stage->loop, PROTOCOL_3, 4, &code));
        end(stage);
    }
}

/* So they are there before the next room. */
static void others_come_for_those_of_lost_slices(void **state)
{
    (void)state;
    struct stage *stage = begin();
    uint64_t code;
    fill(stage);
    for (uint32_t slice = 1; slice < FEW_SLICES; slice += 2)
        set_owner(stage, slice, PEER_YIELDED, TERM);
    codes_check_owners(&stage->loop);
    for (enum code_kind kind = 0; kind < CODE_KINDS; kind++)
        assert_in_range(count(stage, kind), 10, CODES_KEPT - 10);
    while (count(stage, CODES_2) > CODES_KEPT - CODES_ASKED)
        assert_true(codes_take(&stage->loop, PROTOCOL_2, 0, &code));
    fill(stage);
    assert_in_range(count(stage, CODES_2), CODES_KEPT - CODES_ASKED + 1, CODES_KEPT);
    for (uint32_t left = count(stage, CODES_2); left > 0; left--) {
        assert_true(codes_take(&stage->loop, PROTOCOL_2, 0, &code));
        assert_int_equal(peers_slice_of(code) % 2, 0);
    }
    end(stage);
}

static size_t letters(uint64_t code)
{
    uint8_t text[CODE_LENGTH_MAX];
    return code_write(code, text);
}

static void a_code_on_a_network_of_ones_own_is_short(void **state)
{
    (void)state;
    struct stage *stage = begin();
    uint64_t code;
    size_t near = code_length_needed(1, true, CODE_REGION_NONE);
    size_t far = code_length_needed(1, false, CODE_REGION_NONE);
    assert_true(near < far);
    fill(stage);
    assert_true(codes_take(&stage->loop, PROTOCOL_3, (uint32_t)near, &code));
    assert_int_equal(letters(code), near);
    assert_true(codes_take(&stage->loop, PROTOCOL_3, (uint32_t)far, &code));
    assert_true(letters(code) >= far);
    /* When the short ones are used up, a long one is as good; the other way round it is not. */
    while (count(stage, CODES_3_NEAR) > 0)
        assert_true(codes_take(&stage->loop, PROTOCOL_3, (uint32_t)near, &code));
    assert_true(codes_has(&stage->loop, PROTOCOL_3));
    assert_true(codes_take(&stage->loop, PROTOCOL_3, (uint32_t)near, &code));
    assert_true(letters(code) >= far);
    fill(stage);
    while (codes_has(&stage->loop, PROTOCOL_3))
        assert_true(codes_take(&stage->loop, PROTOCOL_3, (uint32_t)far, &code));
    assert_int_equal(count(stage, CODES_3_NEAR), CODES_KEPT);
    end(stage);
}

/* The more rooms there are, the longer are codes: those that are too short by now are no good. */
static void a_code_may_be_too_short_by_now(void **state)
{
    (void)state;
    struct stage *stage = begin();
    uint64_t code;
    fill(stage);
    assert_true(codes_has(&stage->loop, PROTOCOL_3));
    atomic_store(&stage->server.rooms, 1000000);
    assert_false(codes_has(&stage->loop, PROTOCOL_3));
    fill(stage);
    uint32_t far = code_length_needed(1000001, false, CODE_REGION_NONE);
    assert_true(codes_has(&stage->loop, PROTOCOL_3));
    assert_true(codes_take(&stage->loop, PROTOCOL_3, far, &code));
    assert_true(letters(code) >= far);
    uint32_t near = code_length_needed(1000001, true, CODE_REGION_NONE);
    assert_true(codes_take(&stage->loop, PROTOCOL_3, near, &code));
    assert_true(letters(code) >= near);
    end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_filled),
        cmocka_unit_test(a_stock_is_refilled),
        cmocka_unit_test(no_code_is_given_twice),
        cmocka_unit_test(only_what_was_confirmed_is_kept),
        cmocka_unit_test(who_has_no_slice_or_ends_asks_for_none),
        cmocka_unit_test(codes_wait_for_slices_that_open),
        cmocka_unit_test(no_code_is_there_by_a_map_that_is_old),
        cmocka_unit_test(codes_of_lost_slices_are_forgotten),
        cmocka_unit_test(others_come_for_those_of_lost_slices),
        cmocka_unit_test(a_code_on_a_network_of_ones_own_is_short),
        cmocka_unit_test(a_code_may_be_too_short_by_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
