/* States and storage of connections. conn_in, conn_out and conn_life handle them. */
#include "server/conn.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "server/limits.h"

#define UNREAD_BYTES_MAX (2 * POLLER_RECEIVED_BYTES_MAX)

#define BIT(state) (1u << (state))

/* The legal next states of each state. */
static const uint32_t next_states[] = {
    [CONN_FREE] = BIT(CONN_HTTP) | BIT(CONN_REMOTE),
    [CONN_HTTP] =
        BIT(CONN_WAITING) | BIT(CONN_OPEN) | BIT(CONN_CLOSING) | BIT(CONN_MOVING) | BIT(CONN_DEAD),
    [CONN_WAITING] = BIT(CONN_HTTP) | BIT(CONN_CLOSING) | BIT(CONN_DEAD),
    [CONN_OPEN] = BIT(CONN_DELAYED) | BIT(CONN_MOVING) | BIT(CONN_CLOSING) | BIT(CONN_DEAD),
    [CONN_REMOTE] = BIT(CONN_DEAD),
    [CONN_DELAYED] = BIT(CONN_OPEN) | BIT(CONN_DEAD),
    [CONN_MOVING] = BIT(CONN_OPEN) | BIT(CONN_HTTP) | BIT(CONN_DEAD),
    [CONN_CLOSING] = BIT(CONN_LINGERING) | BIT(CONN_DEAD),
    [CONN_LINGERING] = BIT(CONN_DEAD),
    [CONN_DEAD] = BIT(CONN_FREE),
};

void conn_set_state(struct conn *conn, enum conn_state state)
{
    assert((next_states[conn->state] & BIT(state)) != 0);
    conn->state = state & 15;
}

void conn_begin(struct conn *conn, int fd)
{
    bool is_taken = atomic_load_explicit(&conn->is_taken, memory_order_acquire);
    assert(!is_taken);
    *conn = (struct conn){
        .socket = {.fd = fd, .owner = OWNER_CONNECTION},
        .is_taken = true,
    };
    list_init(&conn->deadline);
    conn_set_state(conn, CONN_HTTP);
}

void conn_end(struct conn *conn)
{
    conn_set_state(conn, CONN_FREE);
    atomic_store_explicit(&conn->is_taken, false, memory_order_release);
}

struct conn *conn_new_remote(struct link_end *end, uint32_t client)
{
    struct conn *conn = aligned_alloc(alignof(struct conn), sizeof *conn);
    if (conn == NULL)
        return NULL;
    *conn = (struct conn){.socket = {.fd = -1, .owner = OWNER_NONE}, .is_taken = true};
    conn->remote.end = end;
    conn->remote.client = client;
    conn_set_state(conn, CONN_REMOTE);
    return conn;
}

void conn_free_remote(struct conn *conn)
{
    conn_end(conn);
    free(conn);
}

struct conn_input *conn_need_input(struct conn *conn, size_t message_bytes_max, uint32_t now_ms)
{
    if (conn->input != NULL)
        return conn->input;
    struct conn_input *input = malloc(sizeof *input);
    if (input == NULL)
        return NULL;
    ws_reader_init(&input->reader, message_bytes_max);
    input->parser = NULL;
    input->head = (struct http_progress){0};
    /*
     * Room for a request head and what one receive appends to it or to a message, and for input
     * that the kernel had received when the socket was paused.
     */
    buf_init(&input->unread, UNREAD_BYTES_MAX);
    input->join = NULL;
    input->entrance = NULL;
    input->unasked = 0;
    input->unasked_ms = now_ms;
    input->since_ms = now_ms;
    conn->input = input;
    return input;
}

void conn_drop_input(struct conn *conn)
{
    if (conn->input == NULL)
        return;
    ws_reader_release(&conn->input->reader);
    free(conn->input->parser);
    buf_release(&conn->input->unread);
    free(conn->input->join);
    free(conn->input->entrance);
    free(conn->input);
    conn->input = NULL;
}

size_t join_bytes(const struct join *join)
{
    return join == NULL ? 0 : offsetof(struct join, id) + join->id_length;
}

struct join *join_copy(const struct join *join)
{
    struct join *copy = malloc(join_bytes(join));
    if (copy != NULL)
        memcpy(copy, join, join_bytes(join));
    return copy;
}

static size_t entrance_bytes(const struct entrance *entrance)
{
    return entrance == NULL ? 0 : sizeof *entrance + entrance->length;
}

size_t conn_charge_all(const struct conn *conn)
{
    size_t charge = 0;
    if (conn->input != NULL)
        charge += sizeof *conn->input + conn->input->reader.message.capacity +
                  conn->input->unread.capacity + join_bytes(conn->input->join) +
                  entrance_bytes(conn->input->entrance);
    if (conn->tls != NULL)
        charge += tls_session_kept(conn->tls) +
                  (tls_session_is_open(conn->tls) ? TLS_SESSION_BYTES : TLS_HANDSHAKE_BYTES);
    if (conn->is_paused)
        charge += RECEIVE_BACKLOG_BYTES;
    if (conn->is_blocked)
        charge += SEND_BACKLOG_BYTES;
    return charge;
}

bool conn_table_init(struct conn_table *table, uint32_t capacity)
{
    size_t size = capacity * sizeof *table->items;
    table->items = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table->items == MAP_FAILED)
        return false;
    /* Only touched pages become resident; with huge pages the first connection would cost 2 MiB. */
    madvise(table->items, size, MADV_NOHUGEPAGE);
    table->capacity = capacity;
    return true;
}

void conn_table_release(struct conn_table *table)
{
    if (table->capacity > 0)
        munmap(table->items, table->capacity * sizeof *table->items);
    *table = (struct conn_table){0};
}
