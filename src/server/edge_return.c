/*
 * Clients of protocol 3 whose home is lost keep their connections: their seats are asked for again,
 * at whatever node has the room by then.
 */
#include <stdlib.h>

#include "relay/code.h"
#include "server/conn_out.h"
#include "server/edge.h"
#include "server/edge_parts.h"

static struct join *take_way_back(struct loop *loop, struct attachment *attachment)
{
    struct join *way_back = attachment->way_back;
    loop->charged -= join_bytes(way_back);
    attachment->way_back = NULL;
    return way_back;
}

/* NULL: memory is short; it will be closed instead, and join. */
static void give_way_back(struct loop *loop, struct attachment *attachment, struct join *way_back)
{
    loop->charged += join_bytes(way_back);
    attachment->way_back = way_back;
}

void edge_forget_way_back(struct loop *loop, struct attachment *attachment)
{
    free(take_way_back(loop, attachment));
}

void edge_keep_way_back(struct loop *loop, struct attachment *attachment,
                        const struct link_item *item)
{
    struct join join;
    edge_forget_way_back(loop, attachment);
    if (!item->has_seat)
        return;
    links_read_join(item, &join);
    give_way_back(loop, attachment, join_copy(&join));
}

void edge_end_return(struct loop *loop, struct attachment *attachment)
{
    if (!attachment->is_returning)
        return;
    attachment->is_returning = false;
    if (attachment->end->returning-- == RETURNS_AT_ONCE)
        edge_retry_returns(loop);
}

void edge_let_go(struct loop *loop, struct attachment *attachment)
{
    if (attachment->end == NULL)
        return;
    edge_end_return(loop, attachment);
    attachment->end->clients--;
    attachment->end = NULL;
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

/* Makes room in the list for one client more. */
static bool can_be_listed(struct adrift *adrift)
{
    if (adrift->count < adrift->capacity)
        return true;
    uint32_t capacity = adrift->capacity == 0 ? 16 : 2 * adrift->capacity;
    uint32_t *clients = realloc(adrift->clients, capacity * sizeof *clients);
    if (clients == NULL)
        return false;
    adrift->clients = clients;
    adrift->capacity = capacity;
    return true;
}

/* The caller has made room. */
static void list(struct loop *loop, const struct conn *conn, struct attachment *attachment)
{
    struct adrift *adrift = &loop->links->adrift;
    if (!attachment->is_listed)
        adrift->clients[adrift->count++] = conn->handle;
    attachment->is_listed = true;
    edge_retry_returns(loop);
}

/* A node that opens its slices is asked again soon, but not as often as it takes longer. */
static uint32_t next_patience_ms(const struct attachment *attachment)
{
    uint32_t patience_ms = 2 * attachment->patience_ms;
    if (patience_ms < RETURN_RETRY_MS)
        return RETURN_RETRY_MS;
    return patience_ms < RETURN_PATIENCE_MS ? patience_ms : RETURN_PATIENCE_MS;
}

/* No home answers any more, for which the client was not read. */
static void read_on(struct loop *loop, struct conn *conn, struct attachment *attachment)
{
    if (attachment->is_held_back)
        loop_set_deadline(loop, conn, DEADLINE_NEXT_TURN);
    attachment->is_held_back = false;
}

bool edge_set_adrift(struct loop *loop, struct conn *conn)
{
    struct attachment *attachment = links_attachment_of(loop, conn);
    bool was_seated = attachment->client != LINK_HANDLE_NONE;
    size_t charge = conn_charge(conn);
    if (!may_return(conn, attachment) || !can_be_listed(&loop->links->adrift) ||
        loop_need_input(loop, conn) == NULL)
        return false;
    loop->charged += conn_charge(conn) - charge;
    if (was_seated) {
        attachment->adrift_ms = loop->now_ms;
        conn->input->unasked++;
    } else {
        attachment->refused_ms = loop->now_ms;
    }
    attachment->patience_ms = was_seated ? 0 : next_patience_ms(attachment);
    edge_let_go(loop, attachment);
    attachment->client = LINK_HANDLE_NONE;
    attachment->is_told = false;
    read_on(loop, conn, attachment);
    if (was_seated) /* else it is in the list, and has patience */
        list(loop, conn, attachment);
    return true;
}

bool edge_keep_member(struct loop *loop, struct conn *conn)
{
    struct join join;
    size_t charge = conn_charge(conn);
    if (loop->links == NULL || conn->state != CONN_OPEN || !relay_way_back(conn->seat, &join))
        return false;
    struct attachment *attachment = links_attachment(loop, conn);
    struct join *way_back = join_copy(&join);
    if (attachment == NULL || way_back == NULL || !can_be_listed(&loop->links->adrift) ||
        loop_need_input(loop, conn) == NULL) {
        free(way_back);
        return false;
    }
    loop->charged += conn_charge(conn) - charge;
    *attachment = (struct attachment){.client = LINK_HANDLE_NONE, .adrift_ms = loop->now_ms};
    give_way_back(loop, attachment, way_back);
    conn->is_away = true;
    conn->input->unasked++;
    list(loop, conn, attachment);
    return true;
}

/* Asks the home of the room, if there is one, and if it is not busy with others. */
static void ask(struct loop *loop, struct conn *conn, struct attachment *attachment)
{
    const struct join *join = attachment->way_back;
    uint8_t origin[ORIGIN_BYTES_MAX];
    uint32_t slice = peers_slice_of(join->code);
    struct link_end *end = links_find_home(loop, slice, join->code);
    if (end == NULL || !link_is_open(&end->link) || end->out.length > LINK_OUT_BYTES_ENOUGH ||
        end->returning == RETURNS_AT_ONCE)
        return;
    struct link_item item = edge_describe(loop, conn, origin);
    item.kind = LINK_RETURN;
    item.unasked = conn->input->unasked;
    links_tell_join(&item, join);
    links_put_return(end, &item);
    end->clients++;
    end->returning++;
    attachment->is_returning = true;
    attachment->end = end;
    attachment->slice = slice;
    attachment->owner = loop->links->owners[slice];
}

/*
 * The node that was asked for the client's seat has the room no more, and may have ended: if it
 * seats the client yet, it is told to forget it (edge_entered()). False: the client has heard
 * something of it, and is closed.
 */
static bool ask_no_more(struct loop *loop, struct conn *conn, struct attachment *attachment)
{
    if (attachment->is_told) {
        conn_out_close_for_restart(loop, conn);
        return false;
    }
    edge_let_go(loop, attachment);
    read_on(loop, conn, attachment);
    return true;
}

/* Returns whether the client's room is here. Counts what takes time. */
static bool look_at(struct loop *loop, struct conn *conn, struct attachment *attachment,
                    uint32_t *looked_at)
{
    uint32_t slice = peers_slice_of(attachment->way_back->code);
    struct ownership_word owner = loop->links->owners[slice];
    bool is_patient = loop->now_ms - attachment->refused_ms < attachment->patience_ms &&
                      peers_is_same(attachment->owner, owner);
    bool is_elsewhere = peers_place(attachment->owner) != peers_place(owner) &&
                        (peers_place(owner) == PEER_HERE || peers_is_other(owner));
    if (loop->now_ms - attachment->adrift_ms >= ADRIFT_MS) {
        conn_out_close_for_restart(loop, conn);
        return false;
    }
    if (attachment->end != NULL && (!is_elsewhere || !ask_no_more(loop, conn, attachment)))
        return false;
    if (is_patient)
        return false;
    ++*looked_at;
    if (peers_place(owner) == PEER_HERE)
        return true;
    ask(loop, conn, attachment);
    return false;
}

/* The client at this place of the list, which is without its seat. NULL: not any more. */
static struct conn *find_seatless(const struct loop *loop, uint32_t at)
{
    struct conn *conn = handles_find(&loop->connections, loop->links->adrift.clients[at]);
    if (conn == NULL || !conn->is_away)
        return NULL;
    const struct attachment *attachment = links_attachment_of(loop, conn);
    bool is_seatless = conn->state == CONN_OPEN && attachment->way_back != NULL &&
                       attachment->client == LINK_HANDLE_NONE;
    return is_seatless ? conn : NULL;
}

/* The last one of the list takes its place, and is looked at next. */
static void unlist(struct loop *loop, uint32_t at)
{
    struct adrift *adrift = &loop->links->adrift;
    const struct conn *conn = handles_find(&loop->connections, adrift->clients[at]);
    if (conn != NULL && conn->is_away)
        links_attachment_of(loop, conn)->is_listed = false;
    adrift->clients[at] = adrift->clients[--adrift->count];
}

struct conn *edge_next_return(struct loop *loop, uint32_t *looked_at)
{
    struct adrift *adrift = &loop->links->adrift;
    if (adrift->count == 0 || (int32_t)(adrift->due_ms - loop->now_ms) > 0)
        return NULL;
    while (adrift->at < adrift->count && *looked_at < EXPIRIES_PER_TURN) {
        struct conn *conn = find_seatless(loop, adrift->at);
        if (conn == NULL)
            unlist(loop, adrift->at);
        else if (look_at(loop, conn, links_attachment_of(loop, conn), looked_at))
            return conn; /* it is unlisted when it is looked at again */
        else
            adrift->at++;
    }
    if (adrift->at < adrift->count)
        return NULL;
    adrift->at = 0;
    adrift->due_ms = loop->now_ms + RETURN_RETRY_MS;
    return NULL;
}

/* A look that is under way goes on first, so that those behind are not passed over again and again.
 */
void edge_retry_returns(struct loop *loop)
{
    if (loop->links->adrift.at == 0)
        loop->links->adrift.due_ms = loop->now_ms;
}

struct join *edge_take_way_back(struct loop *loop, struct conn *conn)
{
    struct attachment *attachment = links_attachment_of(loop, conn);
    struct join *join = take_way_back(loop, attachment);
    join->unasked = conn->input->unasked;
    edge_detach(loop, conn);
    return join;
}
