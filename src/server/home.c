/* A remote member's life: it begins with LINK_ENTER, and its end is told to the edge at once. */
#include "server/home.h"

#include "server/admission.h"
#include "server/codes.h"
#include "server/conn_life.h"
#include "server/conn_out.h"
#include "server/messages.h"
#include "server/perform.h"
#include "server/yielding.h"

static void close_for_restart(struct loop *loop, struct conn *conn)
{
    conn_out_close(loop, conn, WS_CLOSE_SERVICE_RESTART, BYTES("server is restarting"));
}

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
        return loop->relay.is_draining || codes_has(loop, (enum protocol)item->protocol);
    bool is_named = envelope.type == ENVELOPE_JOIN && envelope.room.kind == JSON_STRING &&
                    relay_read_code(&envelope.room, &code);
    return !is_named || peers_place(loop->links->owners[peers_slice_of(code)]) == PEER_HERE;
}

void home_enter(struct loop *loop, struct link_end *end, const struct link_item *item)
{
    if (!may_enter(loop, item)) {
        links_put_close(end, item->client, WS_CLOSE_SERVICE_RESTART, BYTES("server is restarting"));
        return;
    }
    struct conn *conn = conn_life_make_remote(loop, end, item);
    if (conn == NULL) {
        loop->stats.counters[COUNTER_NO_MEMORY]++;
        links_put_close(end, item->client, WS_CLOSE_TRY_AGAIN_LATER, BYTES("out of memory"));
        return;
    }
    loop->links->entering = LINK_OUTCOME_REFUSED;
    messages_receive(loop, conn, item->is_binary, item->text);
    if (conn->state != CONN_REMOTE)
        return; /* the edge was told to close it: that is the one answer */
    bool is_seated = conn->seat != NULL;
    if (is_seated)
        loop->links->entering = LINK_OUTCOME_SEATED;
    links_put_entered(end, item->client, is_seated ? conn->handle : LINK_HANDLE_NONE,
                      loop->links->entering);
    if (!is_seated)
        conn_out_forget_remote(loop, conn);
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
    links_put_entered(conn->remote.end, conn->remote.client, LINK_HANDLE_NONE,
                      LINK_OUTCOME_REFUSED);
}

void home_say(struct loop *loop, const struct link_end *end, const struct link_item *item)
{
    struct conn *conn = find_member(loop, end, item->client);
    if (conn == NULL)
        return;
    /* It had left its room, and said this before it heard so: who should handle it is not known. */
    if (conn->seat == NULL) {
        close_for_restart(loop, conn);
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
            close_for_restart(loop, conn);
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
        if (is_yielded(&change, room->code))
            room = yielding_hand_over(loop, room);
        if (room != NULL)
            give_up(loop, room);
    }
    take_picture(loop, &change);
}
