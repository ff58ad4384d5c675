/* Hands each item to the side that it is for, and voids both sides of an end that is void. */
#include "server/remote.h"

#include <stdlib.h>

#include "cluster/ownership.h"
#include "net/clock.h"
#include "server/codes.h"
#include "server/conn_in.h"
#include "server/conn_life.h"
#include "server/edge.h"
#include "server/home.h"
#include "server/http/gather.h"
#include "server/perform.h"
#include "server/settle.h"

#define LOOK_EVERY_NS 2000000
#define LOOK_MS_MAX (OWNERSHIP_TRIES_MS + 1000) /* the keeper's last try may take a second more */

static void handle_entered(struct loop *loop, struct link_end *end, const struct link_item *item)
{
    struct conn *conn = edge_entered(loop, end, item);
    if (conn == NULL)
        return;
    perform_remote_outcome(loop, conn, (enum link_outcome)item->outcome);
    conn_in_resume(loop, conn);
}

static void handle_item(struct loop *loop, struct link_end *end, const struct link_item *item)
{
    switch (item->kind) {
    case LINK_ENTER:
        home_enter(loop, end, item);
        break;
    case LINK_SAY:
        home_say(loop, end, item);
        break;
    case LINK_LEAVE:
        home_leave(loop, end, item);
        break;
    case LINK_ENTERED:
        handle_entered(loop, end, item);
        break;
    case LINK_FRAME:
        edge_frame(loop, end, item);
        break;
    case LINK_CLOSE:
        edge_close(loop, end, item);
        break;
    case LINK_ASK:
        gather_tell(loop, end, item);
        break;
    case LINK_ANSWER:
        gather_take(loop, end, item);
        break;
    case LINK_RETURN:
        home_return(loop, end, item);
        break;
    case LINK_KINDS:
        break;
    }
}

static void void_end(struct loop *loop, struct link_end *end)
{
    loop->stats.counters[COUNTER_LINKS_VOID]++;
    gather_void(loop, end);
    edge_void(loop, end);
    home_void(loop, end);
    settle_outcome(loop);
    links_begin_anew(loop, end);
}

static void take(struct loop *loop, struct bytes message)
{
    struct link_end *end = links_take(loop, message);
    struct link_item item;
    if (end != NULL && end->is_void) {
        void_end(loop, end);
        end = links_take(loop, message);
    }
    if (loop->links->has_new_link) {
        edge_retry(loop);
        edge_retry_returns(loop);
    }
    loop->links->has_new_link = false;
    if (end == NULL)
        return;
    while (links_next_item(loop, end, &item)) {
        handle_item(loop, end, &item);
        settle_outcome(loop);
    }
}

void remote_receive(struct loop *loop, struct remote_mail *mail)
{
    if (loop->links != NULL)
        take(loop, bytes_of(mail->message, mail->length));
    free(mail);
}

void remote_look_at_owners(struct loop *loop)
{
    struct links *links = loop->links;
    if (links == NULL)
        return;
    unsigned changes = atomic_load(&loop->server->peers->changes);
    if (changes == links->changes_seen)
        return;
    links->changes_seen = changes;
    home_check_owners(loop);
    edge_check_owners(loop);
    codes_check_owners(loop);
    edge_retry(loop);
    edge_retry_returns(loop);
    atomic_store(&loop->owners_handled, changes);
}

/* The keeper takes ten turns a second, unless this process stands still, and it with it. */
static bool must_look(const struct loop *loop)
{
    uint64_t looked_ms = atomic_load(&loop->server->peers->looked_ms);
    return looked_ms != 0 && clock_boot_ms() - looked_ms > OWNERSHIP_PAUSE_MS;
}

void remote_look_after_pause(struct loop *loop)
{
    if (loop->links == NULL || !must_look(loop))
        return;
    uint64_t began_ms = clock_boot_ms();
    do
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
    while (must_look(loop) && clock_boot_ms() - began_ms < LOOK_MS_MAX);
    remote_look_at_owners(loop);
}

/* Seats a client that was adrift here, since its room has come to this node. */
static void seat_here(struct loop *loop, struct conn *conn)
{
    size_t charge = conn_charge(conn);
    struct join *join = edge_take_way_back(loop, conn);
    uint32_t owner = code_owner(join->code, loop->relay.config.loop_count);
    conn->input->join = join;
    loop->charged += conn_charge(conn) - charge;
    loop->stats.counters[COUNTER_SEATED_AGAIN]++;
    if (owner == loop->index) {
        conn_in_resume(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_MOVING);
    conn->move_target = owner;
    conn_life_send(loop, conn);
}

static void seat_again(struct loop *loop)
{
    struct conn *conn;
    uint32_t looked_at = 0;
    while (!loop_phase_is_over(loop) && (conn = edge_next_return(loop, &looked_at)) != NULL) {
        seat_here(loop, conn);
        settle_outcome(loop);
    }
}

void remote_check(struct loop *loop)
{
    struct link_end *end;
    if (loop->links == NULL)
        return;
    links_advance(loop);
    remote_look_at_owners(loop);
    codes_fill(loop);
    while ((end = links_find_void(loop)) != NULL)
        void_end(loop, end);
    seat_again(loop);
}
