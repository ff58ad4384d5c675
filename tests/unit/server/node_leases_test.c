/* What leases say of other nodes: who is alive, and which lease is removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "server/node_parts.h"

#define SELF UINT64_C(0x20)
#define EARLIER UINT64_C(0x10) /* of two nodes that are there, this one removes leases */
#define LATER UINT64_C(0x30)
#define DEAD UINT64_C(0x40)

struct scene {
    struct node node;
    uint64_t revision; /* of the last write */
    uint32_t count;
    uint8_t keys[4][NODE_ID_TEXT_MAX];
    uint8_t texts[4][LEASE_TEXT_MAX];
    struct bus_entry entries[4];
};

static struct node_id id_of(uint64_t incarnation)
{
    struct node_id id;
    assert_true(node_id_set(&id, BYTES("node"), incarnation));
    return id;
}

/* Its lease is the scene's next one. */
static struct bus_entry *add_node(struct scene *scene, uint64_t incarnation, bool has_ended)
{
    uint32_t at = scene->count++;
    struct writer key = writer_over(scene->keys[at], sizeof scene->keys[at]);
    struct writer text = writer_over(scene->texts[at], sizeof scene->texts[at]);
    const struct lease lease = {
        .node = id_of(incarnation), .loops = 1, .has_ended = has_ended, .reads = 1, .writes = 1};
    node_id_write(&key, &lease.node);
    lease_write(&text, &lease);
    scene->entries[at] =
        (struct bus_entry){writer_view(&key), writer_view(&text), ++scene->revision};
    return &scene->entries[at];
}

static int begin(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    scene->node.id = id_of(SELF);
    ownership_init(&scene->node.ownership, &scene->node.id, 1, 1);
    map_found(&scene->node.ownership.map, &scene->node.id, 1);
    scene->node.ownership.has_map = true;
    peers_init(&scene->node.peers, SELF);
    assert_true(node_desk_init(&scene->node.desk));
    *state = scene;
    return 0;
}

static int end(void **state)
{
    struct scene *scene = *state;
    node_desk_release(&scene->node.desk);
    free(scene);
    return 0;
}

static void look(struct scene *scene, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++)
        node_note_leases(&scene->node, &(struct bus_entries){.last_revision = scene->revision,
                                                             .count = scene->count,
                                                             .entries = scene->entries});
}

/* As if all that is known were seen so long ago. */
static void pass_time(struct scene *scene, uint64_t ms)
{
    for (uint32_t i = 0; i < scene->node.known_count; i++)
        scene->node.known[i].since_ms -= ms;
}

static bool is_removal_asked(const struct scene *scene)
{
    return scene->node.desk.orders[NODE_REMOVE_LEASE].is_asked;
}

static void a_lease_that_nobody_renews_is_removed(void **state)
{
    struct scene *scene = *state;
    uint8_t key[NODE_ID_TEXT_MAX];
    struct writer writer = writer_over(key, sizeof key);
    struct node_id id = id_of(DEAD);
    const struct bus_entry *dead = add_node(scene, DEAD, true);
    look(scene, NODE_LEASE_LOOKS + 1);
    pass_time(scene, NODE_LEASE_MS - 60000);
    look(scene, 1);
    assert_false(is_removal_asked(scene));
    pass_time(scene, 60000);
    look(scene, 1);
    assert_true(is_removal_asked(scene));
    const struct node_order *order = &scene->node.desk.orders[NODE_REMOVE_LEASE];
    node_id_write(&writer, &id);
    assert_true(bytes_equal(bytes_of(order->text, order->length), writer_view(&writer)));
    assert_int_equal(order->revision, dead->revision);
}

/* A node that stood still itself has looked only now and then. */
static void time_alone_removes_no_lease(void **state)
{
    struct scene *scene = *state;
    add_node(scene, DEAD, false);
    look(scene, NODE_LEASE_LOOKS);
    pass_time(scene, 2 * NODE_LEASE_MS);
    assert_false(is_removal_asked(scene));
    look(scene, 1);
    assert_true(is_removal_asked(scene));
}

/* It is written once, with the incarnation of another node, which renews its lease. */
static void a_namesake_of_a_live_node_does_not_live(void **state)
{
    struct scene *scene = *state;
    struct node_id stranger;
    struct bus_entry *live = add_node(scene, EARLIER, false);
    assert_true(node_id_set(&stranger, BYTES("stranger"), EARLIER));
    struct bus_entry *entry = add_node(scene, LATER, false);
    struct writer key = writer_over(scene->keys[1], sizeof scene->keys[1]);
    struct writer text = writer_over(scene->texts[1], sizeof scene->texts[1]);
    const struct lease lease = {.node = stranger, .loops = 1, .reads = 1, .writes = 1};
    node_id_write(&key, &stranger);
    lease_write(&text, &lease);
    entry->key = writer_view(&key);
    entry->text = writer_view(&text);
    for (int i = 0; i < 5; i++) {
        look(scene, 1);
        live->revision = ++scene->revision;
    }
    assert_int_equal(scene->node.known_count, 2);
    assert_true(node_is_alive(&scene->node.known[0], clock_boot_ms()));
    assert_false(node_is_alive(&scene->node.known[1], clock_boot_ms()));
}

/* Also one that is renewed but once between ten minutes of silence. */
static void a_lease_that_is_renewed_stays(void **state)
{
    struct scene *scene = *state;
    struct bus_entry *entry = add_node(scene, LATER, false);
    for (int i = 0; i < 3; i++) {
        look(scene, NODE_LEASE_LOOKS);
        pass_time(scene, NODE_LEASE_MS);
        entry->revision = ++scene->revision;
    }
    assert_false(is_removal_asked(scene));
    assert_true(node_find_known(&scene->node, LATER)->renewed_ms != 0);
}

/* Whose slices nobody has taken yet: its lease says whether it left them, or died. */
static void a_lease_of_an_owner_stays(void **state)
{
    struct scene *scene = *state;
    struct node_id owner = id_of(DEAD);
    struct map *map = &scene->node.ownership.map;
    add_node(scene, DEAD, true);
    map->slices[MAP_SLICES - 1].owner = map_add_node(map, &owner);
    look(scene, 2 * NODE_LEASE_LOOKS);
    pass_time(scene, NODE_LEASE_MS);
    look(scene, 1);
    assert_false(is_removal_asked(scene));
    map->slices[MAP_SLICES - 1].owner = map->slices[0].owner;
    look(scene, 1);
    assert_true(is_removal_asked(scene));
}

static void without_a_map_no_lease_is_removed(void **state)
{
    struct scene *scene = *state;
    scene->node.ownership.has_map = false;
    add_node(scene, DEAD, false);
    look(scene, 2 * NODE_LEASE_LOOKS);
    pass_time(scene, NODE_LEASE_MS);
    look(scene, 1);
    assert_false(is_removal_asked(scene));
}

static void one_of_the_nodes_that_are_there_removes_it(void **state)
{
    struct scene *scene = *state;
    struct bus_entry *earlier = add_node(scene, EARLIER, false);
    struct bus_entry *later = add_node(scene, LATER, false);
    add_node(scene, DEAD, true);
    for (uint32_t i = 0; i < 2 * NODE_LEASE_LOOKS; i++) {
        look(scene, 1);
        earlier->revision = ++scene->revision;
        later->revision = ++scene->revision;
    }
    assert_true(node_is_alive(node_find_known(&scene->node, EARLIER), clock_boot_ms()));
    pass_time(scene, NODE_LEASE_MS);
    look(scene, 1);
    assert_false(is_removal_asked(scene));
    /* The other one ends. */
    scene->count = 0;
    add_node(scene, EARLIER, true);
    later = add_node(scene, LATER, false);
    add_node(scene, DEAD, true)->revision = 3;
    for (uint32_t i = 0; i < 2; i++) {
        later->revision = ++scene->revision;
        look(scene, 1);
    }
    assert_true(is_removal_asked(scene));
}

/* Takes all places, as processes do that came and went that long ago. */
static void take_all_places(struct scene *scene, uint64_t ago_ms)
{
    for (uint64_t i = 0; i < PEERS_MAX; i++)
        assert_int_equal(node_add_peer(&scene->node, 1000 + i, 1), i);
    for (uint64_t i = 0; i < PEERS_MAX; i++)
        scene->node.listed_ms[i] -= ago_ms;
}

static void who_was_there_lately_keeps_its_place(void **state)
{
    struct scene *scene = *state;
    take_all_places(scene, NODE_PLACE_MS - 30000);
    assert_int_equal(node_add_peer(&scene->node, LATER, 1), PEER_NOBODY);
    assert_int_equal(peers_find(&scene->node.peers, 1000), 0);
}

/* Also where it is the oldest one, and an owner or listed. */
static void who_is_away_for_long_makes_room(void **state)
{
    struct scene *scene = *state;
    struct node *node = &scene->node;
    take_all_places(scene, NODE_PLACE_MS + 1000);
    node->listed_ms[3] -= 1000;
    node->listed_ms[4] -= 3000;
    node->listed_ms[5] -= 2000;
    peers_set_owner(&node->peers, 9, 4, 1);
    peers_set_state(&node->peers, 5, PEER_SILENT);
    assert_int_equal(node_add_peer(node, LATER, 2), 3);
    assert_int_equal(peers_find(&node->peers, LATER), 3);
    assert_int_equal(peers_find(&node->peers, 1003), PEER_NOBODY);
    assert_int_equal(atomic_load(&node->peers.peers[3].loops), 2);
    /* It has just come. */
    uint8_t next = node_add_peer(node, DEAD, 1);
    assert_true(next != 3 && next != PEER_NOBODY);
    assert_int_equal(node_add_peer(node, LATER, 2), 3);
}

/* The list has the name of the process that is there now. */
static void who_gets_a_place_gets_a_name(void **state)
{
    struct scene *scene = *state;
    struct node *node = &scene->node;
    struct peer_view view;
    struct lease lease = {.node = id_of(LATER), .loops = 1};
    take_all_places(scene, NODE_PLACE_MS + 1000);
    strcpy(node->peers.peers[0].name, "former");
    uint8_t place = node_add_peer(node, LATER, 1);
    peers_list(&node->peers, place, &lease);
    assert_true(peers_look(&node->peers, place, &view));
    assert_int_equal(place, 0);
    assert_string_equal(view.name, "node");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lease_that_nobody_renews_is_removed, begin, end),
        cmocka_unit_test_setup_teardown(time_alone_removes_no_lease, begin, end),
        cmocka_unit_test_setup_teardown(a_namesake_of_a_live_node_does_not_live, begin, end),
        cmocka_unit_test_setup_teardown(a_lease_that_is_renewed_stays, begin, end),
        cmocka_unit_test_setup_teardown(a_lease_of_an_owner_stays, begin, end),
        cmocka_unit_test_setup_teardown(without_a_map_no_lease_is_removed, begin, end),
        cmocka_unit_test_setup_teardown(one_of_the_nodes_that_are_there_removes_it, begin, end),
        cmocka_unit_test_setup_teardown(who_was_there_lately_keeps_its_place, begin, end),
        cmocka_unit_test_setup_teardown(who_is_away_for_long_makes_room, begin, end),
        cmocka_unit_test_setup_teardown(who_gets_a_place_gets_a_name, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
