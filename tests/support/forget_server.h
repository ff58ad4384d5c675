/* Frees a server without closing what it has, as if its process had been replaced. */
#ifndef PARTY_TESTS_FORGET_SERVER_H
#define PARTY_TESTS_FORGET_SERVER_H

#include "server/server.h"

static inline void forget_server(struct server *server)
{
    for (uint32_t fd = 0; fd < server->connections.capacity; fd++) {
        struct conn *conn = conn_table_at(&server->connections, fd);
        if (!atomic_load(&conn->is_taken))
            continue;
        outbox_clear(&conn->out, &server->loops[conn->loop]->pool);
        conn_drop_input(conn);
    }
    for (uint32_t i = 0; i < server->loop_count; i++)
        buf_release(&server->loops[i]->part);
    server_release(server);
}

#endif
