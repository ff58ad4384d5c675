/* Snapshots of all loops for one reader. */
#include "server/gather.h"

#include <stdlib.h>

#include "server/conn_in.h"
#include "server/routes.h"

struct gather_part {
    struct mail mail;
    struct gather *gather;
    struct loop_stats stats;
};

struct gather {
    struct loop *asker;
    struct conn *conn; /* waits; stays in its place, even dead, until all parts are back */
    uint32_t parts_left;
    struct gather_part parts[];
};

bool gather_begin(struct loop *loop, struct conn *conn)
{
    struct server *server = loop->server;
    struct gather *gather = malloc(sizeof *gather + server->loop_count * sizeof gather->parts[0]);
    if (gather == NULL)
        return false;
    *gather = (struct gather){
        .asker = loop,
        .conn = conn,
        .parts_left = server->loop_count,
    };
    conn_set_state(conn, CONN_WAITING);
    conn->is_awaited = true;
    poller_pause(loop->poller, &conn->socket);
    for (uint32_t i = 0; i < server->loop_count; i++) {
        struct gather_part *part = &gather->parts[i];
        part->mail.kind = MAIL_SNAPSHOT_REQUEST;
        part->gather = gather;
        mailbox_post(&server->loops[i]->mailbox, &part->mail);
    }
    return true;
}

void gather_answer(struct loop *loop, struct mail *mail)
{
    struct gather_part *part = CONTAINER_OF(mail, struct gather_part, mail);
    part->stats = loop->stats;
    part->stats.rooms = loop->relay.rooms.room_count;
    part->stats.buffered = loop->held;
    part->mail.kind = MAIL_SNAPSHOT_REPLY;
    mailbox_post(&part->gather->asker->mailbox, &part->mail);
}

static struct loop_stats add_up(const struct gather *gather, uint32_t part_count)
{
    struct loop_stats total = {0};
    for (uint32_t i = 0; i < part_count; i++)
        stats_add(&total, &gather->parts[i].stats);
    return total;
}

void gather_collect(struct loop *loop, struct mail *mail)
{
    struct gather *gather = CONTAINER_OF(mail, struct gather_part, mail)->gather;
    if (--gather->parts_left > 0)
        return;
    struct conn *conn = gather->conn;
    conn->is_awaited = false;
    if (conn->state == CONN_WAITING) {
        struct loop_stats total = add_up(gather, loop->server->loop_count);
        routes_send_status_page(loop, conn, &total);
        if (conn->state == CONN_HTTP)
            conn_in_resume(loop, conn);
    } else {
        loop_mark_ending(loop, conn);
    }
    free(gather);
}

void gather_drop(struct mail *mail)
{
    struct gather *gather = CONTAINER_OF(mail, struct gather_part, mail)->gather;
    if (--gather->parts_left == 0)
        free(gather);
}
