/* Who is served next, and how long nobody is. */
#include "server/handshakes.h"

#include "net/clock.h"
#include "server/conn_in.h"
#include "server/loop.h"

void handshakes_await(struct loop *loop, struct conn *conn)
{
    bool had_few = places_ask_handshake(&loop->server->places, conn->place, clock_now_ms());
    loop_set_deadline(loop, conn, had_few ? DEADLINE_HANDSHAKE : DEADLINE_MORE_HANDSHAKES);
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
