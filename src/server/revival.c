/* The room is recorded anew soon: a record that was copied says nothing of its new epochs. */
#include "server/revival.h"

#include <stdio.h>

#include "server/records.h"
#include "server/remote.h"

/* An opening that began anew gives rooms again that are there: they are played in, and newer. */
static bool is_there(struct loop *loop, uint64_t code)
{
    return room_table_find(&loop->relay.rooms, code) != NULL;
}

static bool is_given(const struct loop *loop, const struct revival *revival)
{
    struct ownership_word owner = loop->links->owners[peers_slice_of(revival->code)];
    return peers_is_own(owner) && peers_term(owner) == revival->term;
}

void revival_receive(struct loop *loop, struct revival *revival)
{
    const struct restoring restoring = {.origin_number = ORIGIN_OTHER,
                                        .ending = revival->is_final ? ENDING_STOP : ENDING_ANY};
    char why[RECORDS_WHY_MAX] = "";
    remote_look_at_owners(loop); /* it may have had rooms there at an earlier term */
    if (is_given(loop, revival) && !is_there(loop, revival->code)) {
        bool is_made = records_make_room(loop->server, bytes_of(revival->text, revival->length),
                                         revival->code, restoring, why);
        if (is_made) {
            room_note_change(room_table_find(&loop->relay.rooms, revival->code));
            loop->stats.counters[COUNTER_ROOMS_TAKEN]++;
        }
    }
    snprintf(revival->why, sizeof revival->why, "%s", why);
    loop->work += revival->length / 1024 + 1;
    mailbox_post(loop->server->recorder, &revival->mail);
}
