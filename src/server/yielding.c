/* All members are closed before the first one leaves: nobody is told that others went before. */
#include "server/yielding.h"

#include "server/admission.h"
#include "server/conn_out.h"
#include "server/perform.h"
#include "server/records.h"

static void close_all(struct loop *loop, const struct room *room)
{
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(room, &at, &client)) {
        struct conn *conn = loop_client(loop, client);
        /* If it is neither, it is closing for another reason. */
        if (conn->state == CONN_OPEN || conn->state == CONN_REMOTE)
            loop->stats.counters[COUNTER_RESTARTING]++;
        conn_out_close(loop, conn, WS_CLOSE_SERVICE_RESTART, BYTES("server is restarting"));
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
        relay_leave(&loop->relay, &conn->seat, DEPARTURE_CUT_OFF, &effects);
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
        close_all(loop, room);
        room = let_go(loop, room);
    }
    if (room != NULL)
        records_write_final(loop, room);
    return room;
}
