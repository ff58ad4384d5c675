/*
 * Each loop says whether it has a room to wait for. A room without members, or whose only member
 * sends nothing, is not waited for: a screen may show a room's code all night. A room becomes quiet
 * just by the passing of time, so a loop searches again every DRAIN_LOOK_INTERVAL_MS.
 */
#include "server/drain.h"

void drain_begin(struct loop *loop)
{
    struct server *server = loop->server;
    loop->relay.is_draining = true;
    loop->drain.is_busy = true;
    loop->drain.look_due_ms = loop->now_ms;
    atomic_fetch_add(&server->busy_loops, 1);
    atomic_fetch_add(&server->busy_rooms, relay_count_busy_rooms(&loop->relay, BUSY_ROOMS_COUNTED));
    atomic_fetch_add(&server->draining_loops, 1);
    loop_tell_main(loop);
}

void drain_note_end(struct loop *loop)
{
    if (loop->relay.is_draining && loop->drain.is_busy)
        loop->drain.look_due_ms = loop->now_ms;
}

static void set_busy(struct loop *loop, bool is_busy)
{
    if (is_busy == loop->drain.is_busy)
        return;
    loop->drain.is_busy = is_busy;
    atomic_fetch_add(&loop->server->busy_loops, is_busy ? 1u : -1u);
    loop_tell_main(loop);
}

void drain_note_life(struct loop *loop, const struct room *room)
{
    if (!loop->relay.is_draining || loop->drain.is_busy || !relay_room_is_busy(&loop->relay, room))
        return;
    loop->drain.look_due_ms = loop->now_ms + DRAIN_LOOK_INTERVAL_MS;
    set_busy(loop, true);
}

static int time_left_ms(const struct loop *loop)
{
    int32_t left_ms = (int32_t)(loop->drain.look_due_ms - loop->now_ms);
    return left_ms < 0 ? 0 : left_ms;
}

void drain_check(struct loop *loop)
{
    struct drain *drain = &loop->drain;
    if (!loop->relay.is_draining || time_left_ms(loop) > 0)
        return;
    drain->look_due_ms = loop->now_ms + DRAIN_LOOK_INTERVAL_MS;
    set_busy(loop, relay_find_busy_room(&loop->relay, &drain->bucket) != NULL);
}

int drain_wait_ms(const struct loop *loop)
{
    return loop->relay.is_draining ? time_left_ms(loop) : -1;
}

bool drain_has_begun(struct server *server)
{
    return atomic_load(&server->draining_loops) == server->loop_count;
}

bool drain_is_over(struct server *server)
{
    return drain_has_begun(server) && atomic_load(&server->busy_loops) == 0;
}
