/* The lists that a connection is in, and the clock that bounds a phase. */
#include "server/loop.h"

#include <assert.h>

void loop_tell_main(const struct loop *loop)
{
    loop->kernel->wake_post(loop->server->news_fd);
}

void loop_raise_notice(const struct loop *loop, enum notice notice, struct address about)
{
    if (notices_raise(&loop->server->notices, notice, about))
        loop_tell_main(loop);
}

struct conn_input *loop_need_input(const struct loop *loop, struct conn *conn)
{
    return conn_need_input(conn, loop->server->config->message_bytes_max, loop->now_ms);
}

void loop_set_deadline(struct loop *loop, struct conn *conn, enum deadline_kind kind)
{
    list_remove(&conn->deadline);
    list_append(&loop->deadlines[kind], &conn->deadline);
    conn->due_ms = loop->now_ms + loop->deadline_length_ms[kind];
}

void loop_mark_dirty(struct loop *loop, struct conn *conn)
{
    if (conn->is_dirty)
        return;
    conn->is_dirty = true;
    conn->next_dirty = loop->first_dirty;
    loop->first_dirty = conn;
}

void loop_mark_unfinished(struct loop *loop, struct conn *conn)
{
    assert(!conn->is_dirty);
    conn->is_dirty = true;
    conn->next_dirty = loop->first_unfinished;
    loop->first_unfinished = conn;
}

void loop_mark_ending(struct loop *loop, struct conn *conn)
{
    if (conn->is_ending)
        return;
    conn->is_ending = true;
    conn->next_ending = loop->first_ending;
    loop->first_ending = conn->handle;
}

struct conn *loop_next_connection(const struct loop *loop, uint32_t *at)
{
    struct conn *conn;
    do
        conn = handles_next(&loop->connections, at);
    while (conn != NULL && (conn->is_detaching || conn_is_remote(conn)));
    return conn;
}

static bool unlink_from(struct conn **at, const struct conn *conn)
{
    while (*at != NULL && *at != conn)
        at = &(*at)->next_dirty;
    if (*at == NULL)
        return false;
    *at = conn->next_dirty;
    return true;
}

void loop_forget_dirty(struct loop *loop, struct conn *conn)
{
    if (!conn->is_dirty)
        return;
    bool was_there =
        unlink_from(&loop->first_dirty, conn) || unlink_from(&loop->first_unfinished, conn);
    assert(was_there);
    conn->is_dirty = false;
}

bool loop_look_at_clock(struct loop *loop)
{
    if (loop->work >= loop->phase_end)
        return true;
    uint64_t now_ns = loop_clock_ns(loop);
    if (loop->phase_end_ns == 0)
        loop->phase_end_ns = now_ns + PHASE_NS;
    if (now_ns >= loop->phase_end_ns)
        return true;
    loop->look_at = loop->work + WORK_PER_LOOK;
    return false;
}
