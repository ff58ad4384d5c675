/* A remote member's life: it begins with LINK_ENTER, and its end is told to the edge at once. */
#include "server/home.h"

#include "server/admission.h"
#include "server/codes.h"
#include "server/conn_life.h"
#include "server/conn_out.h"
#include "server/edge.h"
#include "server/messages.h"
#include "server/perform.h"
#include "server/yielding.h"

/*
 * Whether this node can say what becomes of the client: the edge may know of an owner before that
 * one serves, or after.
 */
static bool may_enter(struct loop *loop, const struct link_item *item)
{
    struct envelope envelope;
    uint64_t code = 0;
    if (loop->is_stopping)
        return false;
    if (item->is_binary || envelope_parse(item->text, &envelope) != ENVELOPE_OK)
        return true; /* the relay says what is wrong */
    if (envelope.type == ENVELOPE_CREATE)
        /* The edge may not have heard yet that this node drains: then it asks another one. */
        return loop->relay.is_draining ? !edge_knows_a_maker(loop)
                                       : codes_has(loop, (enum protocol)item->protocol);
    bool is_named = envelope.type == ENVELOPE_JOIN && envelope.room.kind == JSON_STRING &&
                    relay_read_code(&envelope.room, &code);
    return !is_named || peers_place(loop->links->owners[peers_slice_of(code)]) == PEER_HERE;
}

/* NULL: the edge was told that there is no memory. */
static struct conn *make_member(struct loop *loop, struct link_end *end,
                                const struct link_item *item)
{
    struct conn *conn = conn_life_make_remote(loop, end, item);
    loop->links->entering = LINK_OUTCOME_REFUSED;
    if (conn != NULL)
        return conn;
    loop->stats.counters[COUNTER_NO_MEMORY]++;
    links_put_close(end, item->client, WS_CLOSE_TRY_AGAIN_LATER, BYTES("out of memory"));
    return NULL;
}

/* With its seat, all that the edge must know to have it seated again. Without one it is forgotten.
 */
static void tell_entered(struct loop *loop, struct conn *conn)
{
    struct join join;
    struct link_item item = {.client = conn->remote.client,
                             .entered = LINK_HANDLE_NONE,
                             .outcome = (uint8_t)loop->links->entering};
    if (conn->seat != NULL) {
        item.entered = conn->handle;
        item.outcome = LINK_OUTCOME_SEATED;
        item.has_seat = relay_way_back(conn->seat, &join);
    }
    if (item.has_seat)
        links_tell_join(&item, &join);
    links_put_entered(conn->remote.end, &item);
    if (conn->seat == NULL)
        conn_out_forget_remote(loop, conn);
}

void home_enter(struct loop *loop, struct link_end *end, const struct link_item *item)
{
    if (!may_enter(loop, item)) {
        links_put_close(end, item->client, WS_CLOSE_SERVICE_RESTART, BYTES("server is restarting"));
        return;
    }
    struct conn *conn = make_member(loop, end, item);
    if (conn == NULL)
        return;
    messages_receive(loop, conn, item->is_binary, item->text);
    if (conn->state != CONN_REMOTE)
        return; /* the edge was told to close it: that is the one answer */
    tell_entered(loop, conn);
}

void home_return(struct loop *loop, struct link_end *end, const struct link_item *item)
{
    struct join join;
    uint64_t code = item->seat.code;
    uint32_t owner = code_owner(code, loop->relay.config.loop_count);
    bool is_here = peers_place(loop->links->owners[peers_slice_of(code)]) == PEER_HERE;
    if (loop->is_stopping || !is_here || owner != loop->index) {
        links_put_close(end, item->client, WS_CLOSE_SERVICE_RESTART, BYTES("server is restarting"));
        return;
    }
    struct conn *conn = make_member(loop, end, item);
    if (conn == NULL)
        return;
    links_read_join(item, &join);
    messages_carry_out(loop, conn, &join);
    if (conn->state == CONN_REMOTE)
        tell_entered(loop, conn);
}

/* The member that an edge names; NULL: it has left, or is behind another end. */
static struct conn *find_member(const struct loop *loop, const struct link_end *end,
                                uint32_t client)
{
    struct conn *conn = handles_find(&loop->connections, client);
    bool is_behind = conn != NULL && conn->state == CONN_REMOTE && conn->remote.end == end;
    return is_behind ? conn : NULL;
}

/*
 * Tells the edge that the client is in no room any more, and when the edge has said so of it, too,
 * once more: then nothing that the client said is on its way here.
 */
static void tell_left(const struct conn *conn)
{
    const struct link_item item = {.client = conn->remote.client,
                                   .entered = LINK_HANDLE_NONE,
                                   .outcome = LINK_OUTCOME_REFUSED};
    links_put_entered(conn->remote.end, &item);
}

void home_say(struct loop *loop, const struct link_end *end, const struct link_item *item)
{
    struct conn *conn = find_member(loop, end, item->client);
    if (conn == NULL)
        return;
    /* It had left its room, and said this before it heard so: who should handle it is not known. */
    if (conn->seat == NULL) {
        conn_out_close_for_restart(loop, conn);
        return;
    }
    messages_receive(loop, conn, item->is_binary, item->text);
    if (conn->state == CONN_REMOTE && conn->seat == NULL)
        tell_left(conn);
}

void home_leave(struct loop *loop, const struct link_end *end, const struct link_item *item)
{
    struct conn *conn = find_member(loop, end, item->client);
    if (conn == NULL)
        return;
    if (conn->seat == NULL)
        tell_left(conn);
    conn->said_farewell = item->departure == DEPARTURE_FAREWELL;
    conn->closed_without_code = item->departure == DEPARTURE_CODELESS;
    conn->remote.is_handed_over = item->departure == DEPARTURE_HANDED_OVER;
    conn_out_forget_remote(loop, conn);
}

void home_void(struct loop *loop, const struct link_end *end)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = handles_next(&loop->connections, &at)) != NULL) {
        if (conn->state == CONN_REMOTE && conn->remote.end == end)
            conn_out_forget_remote(loop, conn);
    }
}

void home_say_goodbye(struct loop *loop)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = handles_next(&loop->connections, &at)) != NULL) {
        if (conn->state == CONN_REMOTE)
            conn_out_close_for_restart(loop, conn);
    }
}

/* Who owned what when the loop looked last, and who does now. */
struct change_of_owners {
    const struct ownership_word *before;
    struct ownership_word now[MAP_SLICES];
};

static bool is_served(void *context, uint64_t code)
{
    const struct change_of_owners *change = context;
    uint32_t slice = peers_slice_of(code);
    struct ownership_word before = change->before[slice];
    struct ownership_word now = change->now[slice];
    return peers_is_own(before) && peers_is_own(now) && peers_term(before) == peers_term(now);
}

/* Whether this node had the room until now, and gives it to another one. */
static bool is_yielded(const struct change_of_owners *change, uint64_t code)
{
    uint32_t slice = peers_slice_of(code);
    struct ownership_word before = change->before[slice];
    struct ownership_word now = change->now[slice];
    return peers_is_own(before) && peers_place(now) == PEER_YIELDED &&
           peers_term(before) == peers_term(now);
}

static void take_picture(struct loop *loop, const struct change_of_owners *change)
{
    struct links *links = loop->links;
    bool had_none = links->own_slices == 0;
    links->own_slices = links->opening_slices = 0;
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
        struct ownership_word owner = change->now[slice];
        links->owners[slice] = owner;
        links->own_slices += peers_place(owner) == PEER_HERE;
        links->opening_slices += peers_place(owner) == PEER_OPENING;
    }
    if (had_none)
        links->opened_ms = loop->now_ms;
}

static void give_up(struct loop *loop, struct room *room)
{
    struct effects effects;
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(room, &at, &client))
        (void)edge_keep_member(loop, loop_client(loop, client));
    loop->links->gives_up = true;
    relay_give_up(&loop->relay, room, &effects);
    perform_effects(loop, &effects);
    loop->links->gives_up = false;
}

void home_check_owners(struct loop *loop)
{
    struct change_of_owners change = {.before = loop->links->owners};
    struct room *room;
    uint32_t bucket = 0;
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++)
        change.now[slice] = peers_owner(loop->server->peers, slice);
    while ((room = relay_find_unserved(&loop->relay, &bucket, is_served, &change)) != NULL) {
        bool is_given = is_yielded(&change, room->code);
        loop->stats.counters[is_given ? COUNTER_ROOMS_GIVEN : COUNTER_ROOMS_GIVEN_UP]++;
        if (is_given)
            room = yielding_hand_over(loop, room);
        if (room != NULL)
            give_up(loop, room);
    }
    take_picture(loop, &change);
}
