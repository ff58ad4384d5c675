/* What the recorder remembers of a slice and of a code must not outlive what it is about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/kernel.h"
#include "server/recorder_parts.h"

#define KEYS_MAX 8
#define CODE ((uint64_t)(LOOPS_MAX * 5 + 7)) /* of slice 5 */
#define SLICE 5
#define TERM 3

/* A keyed store of few keys, with no texts. */
struct keys {
    struct bus bus;
    char names[KEYS_MAX][RECORDER_KEY_MAX];
    struct bus_entry listed[KEYS_MAX];
    uint32_t count;
    bool is_away;
};

struct scene {
    struct keys keys;
    struct server server;
    struct loop loop;
    struct recorder *recorder;
    struct code_request request;
    uint64_t now_ms;
};

static struct keys *keys_of(struct bus *bus)
{
    return CONTAINER_OF(bus, struct keys, bus);
}

static uint32_t find(const struct keys *keys, const char *name)
{
    uint32_t at = 0;
    while (at < keys->count && strcmp(keys->names[at], name) != 0)
        at++;
    return at;
}

static enum bus_outcome write_key(struct bus *bus, const char *key, struct bytes text,
                                  uint64_t expected, uint32_t most_ms, uint64_t *ret_revision)
{
    struct keys *keys = keys_of(bus);
    uint32_t at = find(keys, key);
    (void)text;
    (void)most_ms;
    if (keys->is_away)
        return BUS_UNKNOWN;
    if ((at < keys->count) != (expected != 0))
        return BUS_REFUSED;
    if (at == keys->count) {
        assert_true(keys->count < KEYS_MAX);
        strcpy(keys->names[keys->count++], key);
    }
    *ret_revision = 1;
    return BUS_DONE;
}

static enum bus_outcome remove_key(struct bus *bus, const char *key, uint32_t most_ms)
{
    struct keys *keys = keys_of(bus);
    uint32_t at = find(keys, key);
    (void)most_ms;
    if (at < keys->count && at != --keys->count)
        strcpy(keys->names[at], keys->names[keys->count]);
    return keys->is_away ? BUS_UNKNOWN : BUS_DONE;
}

static enum bus_outcome list_keys(struct bus *bus, const char *prefix, uint32_t most_ms,
                                  struct bus_entries *ret_entries)
{
    struct keys *keys = keys_of(bus);
    (void)prefix;
    (void)most_ms;
    for (uint32_t i = 0; i < keys->count; i++)
        keys->listed[i].key = bytes_of_string(keys->names[i]);
    *ret_entries = (struct bus_entries){.count = keys->count, .entries = keys->listed};
    return keys->is_away ? BUS_UNKNOWN : BUS_DONE;
}

static const struct bus_functions functions = {
    .record_write = write_key, .record_remove = remove_key, .records_list = list_keys};

static bool look(void *context)
{
    (void)context;
    return true;
}

static bool owns(void *context, uint32_t slice, uint64_t term)
{
    (void)context;
    return slice == SLICE && term == TERM;
}

static struct scene *begin_scene(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    const struct recorder_owners owners = {.look = look, .owns = owns};
    assert_non_null(scene);
    scene->keys.bus.functions = &functions;
    scene->server.kernel = &kernel_linux;
    scene->server.loop_count = 1;
    scene->server.loops[0] = &scene->loop;
    scene->now_ms = 1000;
    assert_true(mailbox_init(&scene->loop.mailbox, &kernel_linux));
    scene->recorder = recorder_new(&scene->server, &scene->keys.bus, &owners);
    assert_non_null(scene->recorder);
    return scene;
}

static void end_scene(struct scene *scene)
{
    assert_true(store_stop(scene->server.store, true, 0));
    recorder_free(scene->recorder);
    mailbox_release(&scene->loop.mailbox);
    free(scene);
}

/* Time enough for what was put off. */
static void take_turns(struct scene *scene)
{
    for (int i = 0; i < 3; i++) {
        scene->now_ms += RECORDER_RETRY_MS;
        (void)recorder_turn(scene->recorder, scene->now_ms);
    }
}

/* Whether a loop that asks for the code gets it. */
static bool gets_code(struct scene *scene)
{
    scene->request = (struct code_request){.mail.kind = MAIL_CODES, .count = 1};
    scene->request.codes[0] = (struct known_code){CODE, TERM};
    mailbox_post(scene->server.recorder, &scene->request.mail);
    take_turns(scene);
    assert_ptr_equal(mailbox_take_all(&scene->loop.mailbox), &scene->request.mail);
    return scene->request.codes[0].term != 0;
}

static void give_slice(struct scene *scene, uint64_t term)
{
    recorder_give(scene->recorder, SLICE, term);
    take_turns(scene);
}

static void end_room(struct scene *scene)
{
    uint8_t *text = malloc(RECORDER_TERM_BYTES);
    assert_non_null(text);
    recorder_put_term(text, TERM);
    assert_true(store_put(scene->server.store, CODE, text, RECORDER_TERM_BYTES));
    take_turns(scene);
}

/* Whoever opens the slice next would take the new room for the one that has ended. */
static void a_code_is_free_when_the_end_of_its_room_is_forgotten(void **state)
{
    struct scene *scene = begin_scene();
    (void)state;
    give_slice(scene, TERM);
    assert_true(gets_code(scene));
    assert_false(gets_code(scene));
    end_room(scene);
    assert_int_equal(scene->keys.count, 2); /* the mark and the end */
    assert_false(gets_code(scene));
    scene->now_ms += RECORDER_END_MS;
    take_turns(scene);
    assert_int_equal(scene->keys.count, 1);
    assert_true(gets_code(scene));
    end_scene(scene);
}

/* So it is when an era begins, in which terms begin anew. */
static void a_slice_that_was_lost_is_opened_anew_at_the_same_term(void **state)
{
    struct scene *scene = begin_scene();
    (void)state;
    give_slice(scene, TERM);
    assert_true(recorder_has_opened(scene->recorder, SLICE, TERM));
    give_slice(scene, 0);
    assert_false(recorder_has_opened(scene->recorder, SLICE, TERM));
    scene->keys.is_away = true;
    give_slice(scene, TERM);
    assert_false(recorder_has_opened(scene->recorder, SLICE, TERM));
    scene->keys.is_away = false;
    take_turns(scene);
    assert_true(recorder_has_opened(scene->recorder, SLICE, TERM));
    end_scene(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_is_free_when_the_end_of_its_room_is_forgotten),
        cmocka_unit_test(a_slice_that_was_lost_is_opened_anew_at_the_same_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
