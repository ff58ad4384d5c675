/*
 * Scenes: what a few guests do, one after the other, and what each must hear then, by the words of
 * docs/protocol.md. They are played on the same server as the parties of clients.h, which go on
 * meanwhile.
 */
#ifndef PARTY_TESTS_SCENES_H
#define PARTY_TESTS_SCENES_H

#include <stdbool.h>
#include <stdint.h>

struct scene {
    const char *name;
    void (*play)(void);
};

/* Scenes that the seed chooses, or the one of this name, until it is so late (world_now_ns()). */
void scenes_play(uint64_t end_ns, const char *name, bool is_traced);

/* When the server is about to stop. */

/* About times. */
void scene_host_returns(void);
void scene_host_stays_away(void);
void scene_empty_room_waits(void);
void scene_empty_room_ends(void);
void scene_farewell_ends_room(void);
void scene_farewell_of_one_of_several(void);
void scene_silence(void);
void scene_pings(void);
void scene_slow_reader(void);
void scene_full_queue(void);
void scene_many_messages(void);
void scene_many_bytes(void);
void scene_guesser(void);

/* About rules. */
void scene_errors(void);
void scene_url_errors(void);
void scene_targets(void);
void scene_state(void);
void scene_host_closes(void);
void scene_takeover(void);
void scene_full_room(void);
void scene_indices(void);
void scene_data_stays(void);
void scene_long_messages(void);
void scene_broken_frames(void);
void scene_fragments(void);

/* About the server. */
void scene_lookup(void);
void scene_full_server(void);
void scene_many_connections(void);
void scene_all_places_taken(void);
void scene_many_newcomers(void);
void scene_many_guessers(void);

/* About protocol 3. */
void scene_seat_expires(void);
void scene_no_hold(void);
void scene_seat_returns(void);
void scene_log_overflows(void);
void scene_impossible_count(void);
void scene_host_expires(void);
void scene_host_migrates(void);
void scene_host_leaves(void);
void scene_silent_creator(void);
void scene_audience(void);
void scene_loud_audience(void);
void scene_kick(void);
void scene_locked_room(void);
void scene_password(void);
void scene_given_up(void);
void scene_binary(void);
void scene_lookup_of_seats(void);
void scene_errors_of_seats(void);

/* Where memory is refused: whoever asks for a page is answered, or cut off, until it is so late. */
void scenes_visit(uint64_t end_ns, bool is_traced);

/* It is about to stop, and drains; then it has stopped, and all have been told. Not for the list.
 */
void scene_hasty_guests(void);
void scene_server_drains(bool is_traced);
/* In a cluster in which nobody is: one of its nodes dies, and the others play on. */
void scene_node_dies(bool is_traced);
void scene_server_has_stopped(void);

#endif
