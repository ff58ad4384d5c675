/*
 * Clients of protocol 3 whose home is lost keep their connections: their seats are asked for again,
 * at whatever node has the room by then.
 */
#include <stdlib.h>

#include "relay/code.h"
#include "server/conn_out.h"
#include "server/edge.h"
#include "server/edge_parts.h"

_Static_assert(LINK_ID_MAX == CLIENT_ID_CANONICAL_MAX, "a link takes each clientId");

static size_t join_bytes(size_t id_length)
{
    return offsetof(struct join, id) + id_length;
}

void edge_keep_way_back(struct attachment *attachment, const struct link_item *item)
{
    const struct link_seat *seat = &item->seat;
    free(attachment->way_back);
    attachment->way_back = item->has_seat ? malloc(join_bytes(item->text.length)) : NULL;
    if (attachment->way_back == NULL)
        return; /* it will be closed instead, and join */
    struct join *join = attachment->way_back;
    join->code = seat->code;
    join->session = (struct session){.hash = seat->session, .attempt = seat->attempt};
    join->epoch = seat->epoch;
    join->seen = seat->seen;
    join->unasked = 0;
    join->is_audience = false;
    join->password_length = 0;
    join->id_length = item->text.length;
    memcpy(join->id, item->text.data, item->text.length);
}

/*
 * Whether the client can get its seat again. Not if a home was asked for it already and was heard,
 * but for the answer: then it is not known which events the client counts.
 */
static bool may_return(const struct conn *conn, const struct attachment *attachment)
{
    bool is_asking = attachment->client == LINK_HANDLE_NONE;
    return attachment->way_back != NULL && conn->state == CONN_OPEN && !attachment->is_leaving &&
           !(is_asking && attachment->is_told);
}

/* A look that is under way goes on first, so that those behind are not passed over again and again.
 */
static void look_soon(struct loop *loop)
{
    loop->links->has_adrift = true;
    loop->links->found_adrift = true;
    edge_retry_returns(loop);
}

bool edge_set_adrift(struct loop *loop, struct conn *conn)
{
    struct attachment *attachment = links_attachment_of(loop, conn);
    bool was_seated = attachment->client != LINK_HANDLE_NONE;
    size_t charge = conn_charge(conn);
    if (!may_return(conn, attachment) || loop_need_input(loop, conn) == NULL)
        return false;
    loop->charged += conn_charge(conn) - charge;
    if (was_seated) {
        attachment->adrift_ms = loop->now_ms;
        conn->input->unasked++;
    } else {
        attachment->refused_ms = loop->now_ms;
    }
    attachment->patience_ms = was_seated ? 0 : RETURN_PATIENCE_MS;
    attachment->end->clients--;
    attachment->end = NULL;
    attachment->client = LINK_HANDLE_NONE;
    attachment->is_told = false;
    if (attachment->is_held_back)
        loop_set_deadline(loop, conn, DEADLINE_NEXT_TURN);
    attachment->is_held_back = false;
    loop->links->found_adrift = true;
    if (was_seated) /* else the last look has not forgotten it, and it has patience */
        look_soon(loop);
    return true;
}

bool edge_keep_member(struct loop *loop, struct conn *conn)
{
    struct join join;
    size_t charge = conn_charge(conn);
    if (loop->links == NULL || conn->state != CONN_OPEN || !relay_way_back(conn->seat, &join))
        return false;
    struct attachment *attachment = links_attachment(loop, conn);
    struct join *way_back = malloc(join_bytes(join.id_length));
    if (attachment == NULL || way_back == NULL || loop_need_input(loop, conn) == NULL) {
        free(way_back);
        return false;
    }
    loop->charged += conn_charge(conn) - charge;
    memcpy(way_back, &join, join_bytes(join.id_length));
    *attachment = (struct attachment){
        .client = LINK_HANDLE_NONE, .way_back = way_back, .adrift_ms = loop->now_ms};
    conn->is_away = true;
    conn->input->unasked++;
    look_soon(loop);
    return true;
}

/* Asks the home of the room, if there is one. */
static void ask(struct loop *loop, struct conn *conn, struct attachment *attachment)
{
    const struct join *join = attachment->way_back;
    uint8_t origin[ORIGIN_BYTES_MAX];
    uint32_t slice = peers_slice_of(join->code);
    struct link_end *end = links_find_home(loop, slice, join->code);
    if (end == NULL || !link_is_open(&end->link) || end->out.length > LINK_OUT_BYTES_ENOUGH)
        return;
    struct link_item item = edge_describe(loop, conn, origin);
    item.kind = LINK_RETURN;
    item.unasked = conn->input->unasked;
    item.seat = (struct link_seat){.code = join->code,
                                   .epoch = join->epoch,
                                   .seen = join->seen,
                                   .session = join->session.hash,
                                   .attempt = join->session.attempt};
    item.text = bytes_of(join->id, join->id_length);
    links_put_return(end, &item);
    end->clients++;
    attachment->end = end;
    attachment->slice = slice;
    attachment->owner = loop->links->owners[slice];
}

/* Returns whether the client's room is here. Counts what takes time. */
static bool look_at(struct loop *loop, struct conn *conn, struct attachment *attachment,
                    uint32_t *looked_at)
{
    uint32_t slice = peers_slice_of(attachment->way_back->code);
    bool is_patient = loop->now_ms - attachment->refused_ms < attachment->patience_ms;
    if (loop->now_ms - attachment->adrift_ms >= ADRIFT_MS) {
        conn_out_close_for_restart(loop, conn);
        return false;
    }
    if (is_patient || attachment->end != NULL)
        return false;
    ++*looked_at;
    if (peers_place(loop->links->owners[slice]) == PEER_HERE)
        return true;
    ask(loop, conn, attachment);
    return false;
}

static bool is_seatless(const struct loop *loop, const struct conn *conn)
{
    const struct attachment *attachment =
        conn->is_away && conn->state == CONN_OPEN ? links_attachment_of(loop, conn) : NULL;
    return attachment != NULL && attachment->way_back != NULL &&
           attachment->client == LINK_HANDLE_NONE;
}

struct conn *edge_next_return(struct loop *loop, uint32_t *looked_at)
{
    struct links *links = loop->links;
    struct conn *conn;
    if (!links->has_adrift || (int32_t)(links->adrift_due_ms - loop->now_ms) > 0)
        return NULL;
    if (links->adrift_at == 0)
        links->found_adrift = false;
    while (*looked_at < EXPIRIES_PER_TURN) {
        conn = loop_next_connection(loop, &links->adrift_at);
        if (conn == NULL) {
            links->has_adrift = links->found_adrift;
            links->adrift_due_ms = loop->now_ms + RETURN_RETRY_MS;
            links->adrift_at = 0;
            return NULL;
        }
        if (!is_seatless(loop, conn))
            continue;
        links->found_adrift = true;
        if (look_at(loop, conn, links_attachment_of(loop, conn), looked_at))
            return conn;
    }
    return NULL;
}

void edge_retry_returns(struct loop *loop)
{
    if (loop->links->has_adrift && loop->links->adrift_at == 0)
        loop->links->adrift_due_ms = loop->now_ms;
}

struct join *edge_take_way_back(struct loop *loop, struct conn *conn)
{
    struct attachment *attachment = links_attachment_of(loop, conn);
    struct join *join = attachment->way_back;
    attachment->way_back = NULL;
    join->unasked = conn->input->unasked;
    edge_detach(loop, conn);
    return join;
}
