/* A client that enters is not read before its home has answered, so what it says stays in order. */
#include "server/edge.h"

#include <stdlib.h>
#include <string.h>

#include "relay/code.h"
#include "server/admission.h"
#include "server/codes.h"
#include "server/conn_out.h"
#include "server/edge_parts.h"

/* How well a create goes to the owner of a slice; the least is best. */
enum suitability {
    SUITS_HERE,
    SUITS,
    SUITS_LATER, /* here, as soon as there are codes: it waits */
    SUITS_PERHAPS,
    SUITS_TO_BE_REFUSED,
    SUITS_NOT,
};

static enum suitability suits(const struct loop *loop, uint8_t place, bool may_be_here)
{
    struct peer_view view;
    if (place == PEER_HERE && loop->relay.is_draining)
        return SUITS_TO_BE_REFUSED;
    if (place == PEER_HERE)
        return may_be_here ? SUITS_HERE : SUITS_LATER;
    if (place >= PEERS_MAX)
        return SUITS_NOT;
    /* One that leaves makes no rooms, and one that is silent may be dead. */
    bool is_serving = peers_look(loop->server->peers, place, &view) && view.state == PEER_SERVING;
    return is_serving ? SUITS : SUITS_PERHAPS;
}

/* Where a create goes: here, if this node has slices and it may; else to one that has. */
static uint32_t slice_to_create_in(const struct loop *loop, bool may_be_here,
                                   enum suitability *ret_suitability)
{
    uint32_t first = loop->links->next_create++;
    uint32_t best = MAP_SLICES;
    enum suitability least = SUITS_NOT;
    enum suitability enough = may_be_here && loop->links->own_slices > 0 ? SUITS_HERE : SUITS;
    for (uint32_t i = 0; i < MAP_SLICES && least > enough; i++) {
        uint32_t slice = (first + i) % MAP_SLICES;
        uint8_t place = peers_place(loop->links->owners[slice]);
        enum suitability suitability = suits(loop, place, may_be_here);
        if (suitability < least) {
            least = suitability;
            best = slice;
        }
    }
    *ret_suitability = least;
    return best;
}

bool edge_knows_a_maker(const struct loop *loop)
{
    enum suitability suitability;
    (void)slice_to_create_in(loop, false, &suitability);
    return suitability == SUITS;
}

/* The slice that a message is for, and a number that says which of the owner's loops. */
static bool find_slice(struct loop *loop, enum protocol protocol, const struct envelope *envelope,
                       uint32_t *ret_slice, uint64_t *ret_code)
{
    *ret_code = loop->index;
    if (envelope->type == ENVELOPE_CREATE) {
        bool may_be_here = !loop->relay.is_draining && codes_has(loop, protocol);
        enum suitability suitability;
        *ret_slice = slice_to_create_in(loop, may_be_here, &suitability);
        return true;
    }
    if (envelope->type != ENVELOPE_JOIN || envelope->room.kind != JSON_STRING ||
        !relay_read_code(&envelope->room, ret_code))
        return false;
    *ret_slice = peers_slice_of(*ret_code);
    return true;
}

struct link_item edge_describe(struct loop *loop, const struct conn *conn, uint8_t *origin)
{
    size_t length = origins_name(&loop->server->origins, conn->origin_number, origin);
    struct link_item item = {
        .client = conn->handle,
        .protocol = conn->protocol,
        .origin = links_origin(bytes_of(origin, length)),
    };
    item.has_address = admission_address_of(loop, conn, &item.address);
    return item;
}

static void send_entrance(struct loop *loop, struct conn *conn, struct link_end *end,
                          struct bytes text)
{
    uint8_t origin[ORIGIN_BYTES_MAX];
    struct link_item item = edge_describe(loop, conn, origin);
    item.kind = LINK_ENTER;
    item.text = text;
    links_put_enter(end, &item);
}

/* Rooms that this node makes need codes; its refusal, when it drains, needs none. */
static bool is_for_this_node(struct loop *loop, const struct conn *conn,
                             const struct envelope *envelope)
{
    return envelope->type == ENVELOPE_JOIN || loop->relay.is_draining ||
           codes_has(loop, conn_protocol(conn));
}

/* NULL: the text is too long to be kept, or memory is short. */
static struct entrance *make_entrance(const struct loop *loop, struct bytes text)
{
    struct entrance *entrance =
        text.length <= ENTRANCE_BYTES_MAX ? malloc(sizeof *entrance + text.length) : NULL;
    if (entrance == NULL)
        return NULL;
    *entrance = (struct entrance){.since_ms = loop->now_ms, .length = (uint32_t)text.length};
    memcpy(entrance->text, text.data, text.length);
    return entrance;
}

/* Keeps what the client enters with: `kept`, or a copy. Returns what make_entrance() does. */
static struct entrance *keep_entrance(struct loop *loop, struct conn *conn, struct bytes text,
                                      struct entrance *kept)
{
    struct conn_input *input = loop_need_input(loop, conn);
    if (input != NULL)
        input->entrance = kept == NULL ? make_entrance(loop, text) : kept;
    return input == NULL ? NULL : input->entrance;
}

/*
 * Nobody can be asked at this moment: no node serves the slice, none has codes, or the link to the
 * one that has is not open, or much waits for it. That is over soon as a rule, and a client that is
 * closed takes longer to come back.
 */
static enum edge_answer wait_for_a_node(struct loop *loop, struct conn *conn,
                                        struct entrance *entrance)
{
    if (entrance == NULL) {
        conn_out_close_for_restart(loop, conn);
        return EDGE_LOST;
    }
    entrance->is_waiting = true;
    return EDGE_WAITS;
}

/*
 * Whether the home can be asked now. Before a link is open, nothing is sent that can wait: the link
 * may open much later, when the client has gone, or has come again over another connection.
 */
static bool can_be_asked(const struct link_end *end, const struct entrance *entrance)
{
    return end != NULL && end->out.length <= LINK_OUT_BYTES_ENOUGH &&
           (entrance == NULL || link_is_open(&end->link));
}

enum edge_answer edge_enter(struct loop *loop, struct conn *conn, const struct envelope *envelope,
                            struct bytes text, struct entrance *kept)
{
    uint32_t slice;
    uint64_t code;
    if (!find_slice(loop, conn_protocol(conn), envelope, &slice, &code))
        return EDGE_NONE; /* the relay says what is wrong */
    bool is_owned = slice < MAP_SLICES;
    bool is_here = is_owned && peers_place(loop->links->owners[slice]) == PEER_HERE;
    if (is_here && is_for_this_node(loop, conn, envelope))
        return EDGE_NONE;
    is_owned = is_owned && !is_here;
    struct link_end *end = is_owned ? links_find_home(loop, slice, code) : NULL;
    struct attachment *attachment = links_attachment(loop, conn);
    struct entrance *entrance = keep_entrance(loop, conn, text, kept);
    if (attachment == NULL || !can_be_asked(end, entrance))
        return wait_for_a_node(loop, conn, entrance);
    if (entrance != NULL)
        entrance->is_waiting = false;
    *attachment = (struct attachment){.end = end,
                                      .client = LINK_HANDLE_NONE,
                                      .slice = slice,
                                      .owner = loop->links->owners[slice]};
    end->clients++;
    conn->is_away = true;
    send_entrance(loop, conn, end, text);
    return EDGE_SENT;
}

bool edge_is_behind(const struct loop *loop, const struct conn *conn)
{
    const struct link_end *end = links_attachment_of(loop, conn)->end;
    return end != NULL && end->out.length > LINK_OUT_BYTES_ENOUGH;
}

bool edge_holds_back(struct loop *loop, const struct conn *conn)
{
    struct attachment *attachment = links_attachment_of(loop, conn);
    bool is_asking = attachment->end != NULL && attachment->client == LINK_HANDLE_NONE;
    bool holds_back = attachment->is_leaving || is_asking;
    attachment->is_held_back |= holds_back;
    return holds_back;
}

void edge_say(struct loop *loop, const struct conn *conn, bool is_binary, struct bytes text)
{
    const struct attachment *attachment = links_attachment_of(loop, conn);
    links_put_say(attachment->end, attachment->client, is_binary, text);
}

void edge_detach(struct loop *loop, struct conn *conn)
{
    struct attachment *attachment = links_attachment_of(loop, conn);
    edge_let_go(loop, attachment);
    edge_forget_way_back(loop, attachment);
    *attachment = (struct attachment){0};
    conn->is_away = false;
    admission_seat_changed(loop, conn);
}

void edge_send_elsewhere(struct loop *loop, struct conn *conn)
{
    links_attachment_of(loop, conn)->is_sent_away = true;
}

_Static_assert(DEPARTURE_HANDED_OVER + 1 == LINK_DEPARTURES, "each departure has a number");

void edge_leave(struct loop *loop, struct conn *conn, enum departure departure)
{
    if (!conn->is_away)
        return;
    /* A home that has not answered yet hears of it when it does: see edge_entered(). */
    const struct attachment *attachment = links_attachment_of(loop, conn);
    if (attachment->is_sent_away && departure != DEPARTURE_FAREWELL)
        departure = DEPARTURE_HANDED_OVER;
    if (attachment->client != LINK_HANDLE_NONE && !attachment->is_leaving)
        links_put_leave(attachment->end, attachment->client, (uint8_t)departure);
    edge_detach(loop, conn);
}

/* The client that a home names; NULL: it is not behind this end any more. */
static struct conn *find_client(const struct loop *loop, const struct link_end *end,
                                uint32_t client)
{
    struct conn *conn = handles_find(&loop->connections, client);
    bool is_behind = conn != NULL && conn->is_away && links_attachment_of(loop, conn)->end == end;
    return is_behind ? conn : NULL;
}

/* It has a seat. What it was told with that costs its address as much as it does at home. */
static void note_seat(struct loop *loop, struct conn *conn)
{
    admission_seat_changed(loop, conn);
    admission_spend(loop, conn->subnet, conn_waiting(conn) / 1024 * JOIN_COST_PER_KIB);
}

/*
 * Its home has said that the client has left its room, or that it hears nothing more of it. Returns
 * it if it may be read on. What it said between these two is lost with its connection: see home.
 */
static struct conn *note_left(struct loop *loop, struct link_end *end, struct conn *conn)
{
    struct attachment *attachment = links_attachment_of(loop, conn);
    bool is_held_back = attachment->is_held_back;
    if (conn->input != NULL && conn->input->unasked != 0) { /* it can't have said so */
        conn_out_close_for_restart(loop, conn);
        return NULL;
    }
    if (!attachment->is_leaving) {
        attachment->is_leaving = true;
        links_put_leave(end, attachment->client, DEPARTURE_FAREWELL);
        return NULL;
    }
    edge_detach(loop, conn);
    return is_held_back ? conn : NULL;
}

/* The answer to a client's own `create` or `join`. */
static void note_answer(struct loop *loop, struct conn *conn, const struct link_item *item)
{
    struct attachment *attachment = links_attachment_of(loop, conn);
    attachment->client = item->entered;
    edge_keep_way_back(loop, attachment, item);
    if (item->entered == LINK_HANDLE_NONE)
        edge_detach(loop, conn);
    else if (peers_is_same(attachment->owner, loop->links->owners[attachment->slice]))
        note_seat(loop, conn);
    else
        conn_out_close_for_restart(loop, conn); /* its slice has got another owner meanwhile */
}

/*
 * The answer to LINK_RETURN. Returns it if it may be read on. Without its seat it is closed: what
 * has become of it the client hears when it joins.
 */
static struct conn *note_return(struct loop *loop, struct conn *conn, const struct link_item *item)
{
    struct attachment *attachment = links_attachment_of(loop, conn);
    bool is_held_back = attachment->is_held_back;
    edge_end_return(loop, attachment);
    if (item->entered == LINK_HANDLE_NONE) {
        conn_out_close_for_restart(loop, conn);
        return NULL;
    }
    attachment->client = item->entered;
    edge_keep_way_back(loop, attachment, item);
    attachment->is_told = false;
    attachment->is_held_back = false;
    conn->input->unasked_ms = loop->now_ms;
    loop->stats.counters[COUNTER_SEATED_AGAIN]++;
    return is_held_back ? conn : NULL;
}

struct conn *edge_entered(struct loop *loop, struct link_end *end, const struct link_item *item)
{
    struct conn *conn = find_client(loop, end, item->client);
    bool is_seated = conn != NULL && links_attachment_of(loop, conn)->client != LINK_HANDLE_NONE;
    if (is_seated && item->entered == LINK_HANDLE_NONE)
        return note_left(loop, end, conn);
    if (conn == NULL || is_seated) {
        if (item->entered != LINK_HANDLE_NONE)
            links_put_leave(end, item->entered, DEPARTURE_CUT_OFF);
        return NULL;
    }
    if (links_attachment_of(loop, conn)->way_back != NULL)
        conn = note_return(loop, conn, item);
    else
        note_answer(loop, conn, item);
    return conn;
}

/*
 * A home can't answer the client yet. If what it entered with is kept, it waits for a node that
 * can, and then enters once more: each time a little later, since all who wait for a node ask it.
 */
static bool enters_again(struct loop *loop, struct conn *conn)
{
    struct entrance *entrance = conn->input == NULL ? NULL : conn->input->entrance;
    if (entrance == NULL || conn->state != CONN_OPEN)
        return false;
    uint32_t patience_ms =
        entrance->patience_ms == 0 ? ENTRANCE_RETRY_MS : 2 * entrance->patience_ms;
    entrance->patience_ms = patience_ms < ENTRANCE_PATIENCE_MS ? patience_ms : ENTRANCE_PATIENCE_MS;
    entrance->refused_ms = loop->now_ms;
    entrance->is_waiting = true;
    loop_set_deadline(loop, conn, DEADLINE_ENTRANCE);
    return true;
}

void edge_retry(struct loop *loop)
{
    struct list *waiting = &loop->deadlines[DEADLINE_ENTRANCE];
    for (int left = EXPIRIES_PER_TURN; left > 0 && !list_is_empty(waiting); left--)
        loop_set_deadline(loop, conn_of_deadline(waiting->next), DEADLINE_NEXT_TURN);
}

/* The client is told what its home has said, which it counts as the home does. */
static void note_told(struct attachment *attachment, uint64_t counts)
{
    if (attachment->way_back != NULL)
        attachment->way_back->seen += counts;
    attachment->is_told = true;
}

void edge_frame(struct loop *loop, const struct link_end *end, const struct link_item *item)
{
    struct frame frame = {.bytes = item->text};
    if (item->client_count > 1 && item->text.length >= SHARED_FRAME_BYTES_MIN)
        frame.payload = payload_new((uint32_t)item->text.length, &loop->charged);
    if (frame.payload != NULL)
        memcpy(frame.payload->data, item->text.data, item->text.length);
    for (uint32_t i = 0; i < item->client_count; i++) {
        struct conn *conn = find_client(loop, end, link_item_client(item, i));
        if (conn == NULL)
            continue;
        note_told(links_attachment_of(loop, conn), item->counts);
        conn_out_frame(loop, conn, &frame);
    }
    loop->work += item->client_count;
    payload_release(frame.payload);
}

void edge_close(struct loop *loop, const struct link_end *end, const struct link_item *item)
{
    struct conn *conn = find_client(loop, end, item->client);
    if (conn == NULL)
        return;
    bool is_for_now = item->code == WS_CLOSE_SERVICE_RESTART;
    bool is_entering = links_attachment_of(loop, conn)->client == LINK_HANDLE_NONE;
    if (is_for_now && edge_set_adrift(loop, conn))
        return;
    edge_detach(loop, conn); /* the home knows */
    if (is_for_now && is_entering && enters_again(loop, conn))
        return;
    if (item->code == 0)
        conn_out_abandon(loop, conn);
    else
        conn_out_close(loop, conn, item->code, item->text);
}

void edge_void(struct loop *loop, const struct link_end *end)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        if (!conn->is_away || links_attachment_of(loop, conn)->end != end ||
            edge_set_adrift(loop, conn))
            continue;
        edge_detach(loop, conn);
        conn_out_close_for_restart(loop, conn);
    }
}

/* Whether the home that a client has asked will answer: not if it has ended, or seems to have. */
static bool may_answer(const struct loop *loop, const struct attachment *attachment)
{
    struct peer_view view;
    return attachment->client == LINK_HANDLE_NONE &&
           peers_look(loop->server->peers, peers_place(attachment->owner), &view) &&
           view.state != PEER_SILENT;
}

void edge_check_owners(struct loop *loop)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        const struct attachment *attachment =
            conn->is_away ? links_attachment_of(loop, conn) : NULL;
        /* Who can come back hears of its home that it has none, or finds the link void. */
        if (attachment == NULL || attachment->way_back != NULL ||
            peers_is_same(attachment->owner, loop->links->owners[attachment->slice]))
            continue;
        /* Where nothing was sent yet, nothing needs to be. */
        if (!link_is_open(&attachment->end->link))
            attachment->end->is_void = true;
        else if (!may_answer(loop, attachment))
            conn_out_close_for_restart(loop, conn);
    }
}
