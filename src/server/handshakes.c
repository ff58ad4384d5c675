/* Who is served next, and how long nobody is. */
#include "server/handshakes.h"

#include "net/clock.h"
#include "net/socket.h"
#include "server/conn_in.h"
#include "server/loop.h"

/* After so many halvings nothing is left of any count. */
#define HALVINGS_MAX 16

/* Who comes from a trusted proxy and has said nothing yet counts as the proxy. */
static uint32_t place_of(const struct loop *loop, const struct conn *conn)
{
    struct address address = {0};
    uint64_t hash = loop->server->places.keys[0] | 1;
    if (conn->place != PLACE_NONE)
        return conn->place % HANDSHAKE_PLACES;
    if (!socket_peer_address(conn->socket.fd, &address))
        return 0;
    address = address_place(address);
    for (size_t i = 0; i < sizeof address.octets; i++)
        hash = (hash ^ address.octets[i]) * 0x100000001B3u;
    return (uint32_t)(hash >> 32) % HANDSHAKE_PLACES;
}

static void forget(struct loop *loop)
{
    struct handshakes *handshakes = &loop->handshakes;
    uint32_t halvings = (loop->now_ms - handshakes->forgotten_ms) / HANDSHAKES_FORGOTTEN_MS;
    if (halvings == 0)
        return;
    if (halvings > HALVINGS_MAX)
        halvings = HALVINGS_MAX;
    handshakes->forgotten_ms = loop->now_ms;
    for (int i = 0; i < HANDSHAKE_PLACES; i++)
        handshakes->asked[i] = (uint16_t)(handshakes->asked[i] >> halvings);
}

void handshakes_await(struct loop *loop, struct conn *conn)
{
    forget(loop);
    uint16_t *asked = &loop->handshakes.asked[place_of(loop, conn)];
    loop_set_deadline(loop, conn,
                      *asked < HANDSHAKES_FEW ? DEADLINE_HANDSHAKE : DEADLINE_MORE_HANDSHAKES);
    if (*asked < UINT16_MAX)
        ++*asked;
}

static struct conn *first_waiting(const struct loop *loop)
{
    for (int kind = DEADLINE_HANDSHAKE; kind <= DEADLINE_MORE_HANDSHAKES; kind++) {
        const struct list *queue = &loop->deadlines[kind];
        if (!list_is_empty(queue))
            return conn_of_deadline(queue->next);
    }
    return NULL;
}

void handshakes_serve(struct loop *loop)
{
    struct conn *conn = first_waiting(loop);
    if (conn == NULL)
        return;
    uint64_t began_ns = clock_now_ns();
    uint64_t now_ns = began_ns;
    if (now_ns < loop->handshakes.due_ns)
        return;
    while (conn != NULL && now_ns - began_ns < HANDSHAKES_NS_PER_TURN) {
        loop_set_deadline(loop, conn, DEADLINE_REQUEST); /* or what it waits for then */
        loop->handshakes.served = conn;
        conn_in_resume(loop, conn);
        loop->handshakes.served = NULL;
        loop_end_outcome(loop);
        conn = first_waiting(loop);
        now_ns = clock_now_ns();
    }
    if (loop->stats.clients > 0)
        loop->handshakes.due_ns = now_ns + HANDSHAKES_REST * (now_ns - began_ns);
}

int handshakes_wait_ms(const struct loop *loop)
{
    if (first_waiting(loop) == NULL)
        return -1;
    uint64_t now_ns = clock_now_ns();
    uint64_t due_ns = loop->handshakes.due_ns;
    return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / 1000000 + 1);
}
