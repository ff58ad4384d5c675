/*
 * Members of protocol 3 whose connections are here stay, adrift: what they are told until they
 * leave is counted. All others are closed before the first one leaves: nobody is told that others
 * went before.
 */
#include "server/yielding.h"

#include "server/admission.h"
#include "server/conn_out.h"
#include "server/edge.h"
#include "server/perform.h"
#include "server/records.h"

static void close(struct loop *loop, struct conn *conn)
{
    loop->stats.counters[COUNTER_RESTARTING]++;
    conn_out_close_for_restart(loop, conn);
}

static void close_others(struct loop *loop, const struct room *room)
{
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(room, &at, &client)) {
        struct conn *conn = loop_client(loop, client);
        if (conn->state == CONN_REMOTE)
            close(loop, conn);
    }
}

/* NULL: the room has ended with its last member. */
static struct room *let_go(struct loop *loop, struct room *room)
{
    uint64_t code = room->code;
    struct effects effects;
    uint32_t at = 0;
    uint32_t client;
    while (room != NULL && room_next_client(room, &at, &client)) {
        struct conn *conn = loop_client(loop, client);
        if (conn->state == CONN_OPEN && !edge_keep_member(loop, conn))
            close(loop, conn);
        relay_leave(&loop->relay, &conn->seat, DEPARTURE_HANDED_OVER, &effects);
        perform_effects(loop, &effects);
        admission_seat_changed(loop, conn);
        loop->work++;
        room = room_table_find(&loop->relay.rooms, code);
        at = 0;
    }
    return room;
}

struct room *yielding_hand_over(struct loop *loop, struct room *room)
{
    if (room_protocol(room) == PROTOCOL_3) {
        close_others(loop, room);
        room = let_go(loop, room);
    }
    if (room != NULL)
        records_write_final(loop, room);
    return room;
}
