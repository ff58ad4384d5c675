/* A round of mail: each loop chooses victims among its connections until there are enough. */
#include "server/eviction.h"

/* Begins a round, or gives the held subnet back if a round is under way. */
static void begin_round(struct loop *loop, uint32_t subnet)
{
    struct server *server = loop->server;
    struct eviction *eviction = &server->eviction;
    if (atomic_exchange(&eviction->is_under_way, true)) {
        subnets_leave(&server->subnets, subnet, loop_clock_ms(loop));
        return;
    }
    uint32_t handshakes = subnets_count(&server->subnets, subnet, SUBNETS_HANDSHAKE);
    uint32_t outside = subnets_count(&server->subnets, subnet, SUBNETS_OUTSIDE);
    eviction->subnet = subnet;
    eviction->kind = handshakes > 0 ? SUBNETS_HANDSHAKE : SUBNETS_OUTSIDE;
    uint32_t count = (handshakes > 0 ? handshakes : outside) / EVICTED_PART + 1;
    atomic_store(&eviction->left, count < EVICTED_AT_ONCE ? count : EVICTED_AT_ONCE);
    atomic_store(&eviction->loops_left, server->loop_count);
    loop_raise_notice(loop, NOTICE_PLACES_TAKEN, subnets_first_address(&server->subnets, subnet));
    for (uint32_t i = 0; i < server->loop_count; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->evict_mail);
}

bool eviction_makes_room(struct loop *loop, const struct conn *newcomer)
{
    struct subnets *subnets = &loop->server->subnets;
    uint32_t subnet = subnets_find_heaviest(subnets, newcomer->subnet, loop_clock_ms(loop));
    if (subnet == SUBNET_NONE)
        return false;
    begin_round(loop, subnet);
    return true;
}

/* Whether the connection is of the subnet and kind that this round closes. */
static bool is_candidate(const struct eviction *eviction, struct subnets *subnets,
                         const struct conn *conn)
{
    return conn->is_counted && conn->kind == eviction->kind && conn->state != CONN_DEAD &&
           subnets_is_within(subnets, conn->subnet, eviction->subnet);
}

/* Counts down the victims of the round. False: there are enough. */
static bool claim_victim(struct eviction *eviction)
{
    unsigned left = atomic_load(&eviction->left);
    while (left > 0) {
        if (atomic_compare_exchange_weak(&eviction->left, &left, left - 1))
            return true;
    }
    return false;
}

uint32_t eviction_choose(struct loop *loop, struct conn **ret_victims)
{
    struct server *server = loop->server;
    struct eviction *eviction = &server->eviction;
    uint32_t count = 0;
    /* In the order of deadlines: the connections that have waited for longest are chosen first. */
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        LIST_FOR_EACH(link, &loop->deadlines[kind])
        {
            struct conn *conn = conn_of_deadline(link);
            if (atomic_load(&eviction->left) == 0)
                break;
            if (is_candidate(eviction, &server->subnets, conn) && claim_victim(eviction))
                ret_victims[count++] = conn;
        }
    }
    if (atomic_fetch_sub(&eviction->loops_left, 1) == 1) {
        subnets_leave(&server->subnets, eviction->subnet, loop_clock_ms(loop));
        atomic_store(&eviction->is_under_way, false);
    }
    return count;
}
