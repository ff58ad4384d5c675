/* Which scene comes next. */
#include "scenes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "world.h"

static const struct scene scenes[] = {
    {"host-returns", scene_host_returns},
    {"host-stays-away", scene_host_stays_away},
    {"empty-room-waits", scene_empty_room_waits},
    {"empty-room-ends", scene_empty_room_ends},
    {"farewell", scene_farewell_ends_room},
    {"farewell-of-several", scene_farewell_of_one_of_several},
    {"silence", scene_silence},
    {"pings", scene_pings},
    {"slow-reader", scene_slow_reader},
    {"full-queue", scene_full_queue},
    {"many-messages", scene_many_messages},
    {"many-bytes", scene_many_bytes},
    {"guesser", scene_guesser},
    {"errors", scene_errors},
    {"url-errors", scene_url_errors},
    {"targets", scene_targets},
    {"state", scene_state},
    {"host-closes", scene_host_closes},
    {"takeover", scene_takeover},
    {"full-room", scene_full_room},
    {"indices", scene_indices},
    {"data-stays", scene_data_stays},
    {"long-messages", scene_long_messages},
    {"broken-frames", scene_broken_frames},
    {"fragments", scene_fragments},
    {"lookup", scene_lookup},
    {"full-server", scene_full_server},
    {"many-connections", scene_many_connections},
    {"all-places-taken", scene_all_places_taken},
    {"many-newcomers", scene_many_newcomers},
    {"hasty-guests", scene_hasty_guests},
    {"many-guessers", scene_many_guessers},
    {"seat-expires", scene_seat_expires},
    {"no-hold", scene_no_hold},
    {"seat-returns", scene_seat_returns},
    {"log-overflows", scene_log_overflows},
    {"impossible-count", scene_impossible_count},
    {"host-expires", scene_host_expires},
    {"host-migrates", scene_host_migrates},
    {"host-leaves", scene_host_leaves},
    {"silent-creator", scene_silent_creator},
    {"audience", scene_audience},
    {"loud-audience", scene_loud_audience},
    {"kick", scene_kick},
    {"locked-room", scene_locked_room},
    {"password", scene_password},
    {"given-up", scene_given_up},
    {"binary", scene_binary},
    {"lookup-of-seats", scene_lookup_of_seats},
    {"errors-of-seats", scene_errors_of_seats},
};

static const struct scene *choose(const char *name)
{
    if (name == NULL)
        return &scenes[network_below(ARRAY_LENGTH(scenes))];
    for (size_t i = 0; i < ARRAY_LENGTH(scenes); i++) {
        if (strcmp(scenes[i].name, name) == 0)
            return &scenes[i];
    }
    fprintf(stderr, "simulate: there is no scene %s\n", name);
    exit(2);
}

void scenes_play(uint64_t end_ns, const char *name, bool is_traced)
{
    while (world_now_ns() < end_ns) {
        const struct scene *scene = choose(name);
        guests_begin(scene->name, is_traced);
        if (is_traced)
            printf("%12.6f scene %s\n", (double)network_now_ns() / 1e9, scene->name);
        scene->play();
        scene_wait(network_random() % NETWORK_S);
    }
    guests_begin(NULL, false);
}
