/* Writes rooms and connections for the program that replaces this one. */
#include "proto/hex.h"
#include "relay/code.h"
#include "relay/record.h"
#include "server/admission.h"
#include "server/handover.h"
#include "server/handover_fields.h"
#include "server/handover_output.h"

#define HANDOVER_BYTES_LEAST 4096 /* that are allocated at once */

static void put_text(struct writer *writer, const char *before, struct bytes text)
{
    writer_put_string(writer, before);
    writer_put_byte(writer, '"');
    writer_put_json_text(writer, text);
    writer_put_byte(writer, '"');
}

void handover_write_header(struct writer *writer, const struct handover_header *header)
{
    writer_put_number(writer, "{\"handover\":", HANDOVER_VERSION);
    writer_put_number(writer, ",\"listener\":", (uint64_t)header->listener_fd);
    if (header->admin_fd >= 0)
        writer_put_number(writer, ",\"admin\":", (uint64_t)header->admin_fd);
    WRITER_PUT(writer, ",\"startedNs\":");
    hex_write_64(writer, header->started_ns);
    WRITER_PUT(writer, ",\"restedNs\":");
    hex_write_64(writer, header->rested_ns);
    writer_put_number(writer, ",\"upgrades\":", header->upgrades);
    writer_put_number(writer, ",\"startedS\":", header->started_s);
    put_text(writer, ",\"listensOn\":", bytes_of_string(header->listens_on));
    for (uint32_t i = 0; i < header->part_count; i++)
        writer_put_number(writer, i == 0 ? ",\"parts\":[" : ",", header->part_bytes[i]);
    if (header->part_count > 0)
        writer_put_byte(writer, ']');
    if (header->has_ticket_keys) {
        WRITER_PUT(writer, ",\"ticketKeys\":");
        hex_write(writer, bytes_of(&header->ticket_keys, sizeof header->ticket_keys));
    }
    WRITER_PUT(writer, "}\n");
}

bool handover_may_take(const struct conn *conn)
{
    bool has_state =
        conn->state == CONN_HTTP || conn->state == CONN_OPEN || conn->state == CONN_CLOSING;
    return has_state && conn->tls == NULL;
}

/* The origin's name, if the table has one for the number. */
static void put_origin(struct writer *writer, const struct loop *loop, const char *before,
                       uint16_t number)
{
    uint8_t name[ORIGIN_BYTES_MAX];
    if (number == ORIGIN_OTHER)
        return;
    size_t length = origins_name(&loop->server->origins, number, name);
    put_text(writer, before, bytes_of(name, length));
    if (origins_is_proven(&loop->server->origins, number))
        WRITER_PUT(writer, ",\"isProven\":true");
}

static void put_address(struct writer *writer, const char *before, struct address address)
{
    char text[ADDRESS_TEXT_BYTES_MAX];
    address_write(address, text);
    put_text(writer, before, bytes_of_string(text));
}

static void put_code(struct writer *writer, const char *before, uint64_t code)
{
    uint8_t text[CODE_LENGTH_MAX];
    put_text(writer, before, bytes_of(text, code_write(code, text)));
}

static void put_room(struct writer *writer, const struct loop *loop, const void *what)
{
    const struct room *room = what;
    struct writer log = writer_over(NULL, 0);
    record_write_log(&log, room);
    put_code(writer, "{\"roomCode\":", room->code);
    WRITER_PUT(writer, ",\"maker\":");
    if (room->maker == NULL)
        WRITER_PUT(writer, "null");
    else
        put_address(writer, "", makers_address(room->maker));
    put_origin(writer, loop, ",\"origin\":", room->origin_number);
    if (log.length > 0)
        writer_put_number(writer, ",\"logBytes\":", log.length);
    WRITER_PUT(writer, "}\n");
    record_write_at_upgrade(writer, &loop->relay, room);
    writer_put_byte(writer, '\n');
    record_write_log(writer, room);
}

static void put_seat(struct writer *writer, const struct member *seat)
{
    if (seat == NULL)
        return;
    put_code(writer, ",\"room\":", seat->room->code);
    if (!seat->is_audience) {
        writer_put_number(writer, ",\"index\":", seat->index);
        return;
    }
    WRITER_PUT(writer, ",\"visitor\":");
    relay_write_visitor(writer, seat);
}

/* A message that is being parsed is in the rehearsal only, and left out there. */
static void put_input(struct writer *writer, const struct conn_input *input)
{
    if (input == NULL)
        return;
    if (!ws_reader_is_idle(&input->reader)) {
        WRITER_PUT(writer, ",\"reader\":");
        ws_reader_write(writer, &input->reader);
    }
    if (input->unread.length > 0) {
        WRITER_PUT(writer, ",\"unread\":");
        hex_write(writer, buf_view(&input->unread));
    }
}

static const char *const state_names[] = {
    [CONN_HTTP] = "http", [CONN_OPEN] = "open", [CONN_CLOSING] = "closing"};

#define PUT_FACT(field, name) \
    if (conn->field)          \
        WRITER_PUT(writer, ",\"" name "\":true");
#define PUT_NUMBER(field, name) writer_put_number(writer, ",\"" name "\":", conn->field);

/* All but the output, and the end of the line. */
static void put_without_output(struct writer *writer, const struct loop *loop,
                               const struct conn *conn)
{
    struct address address;
    writer_put_number(writer, "{\"connection\":", (uint64_t)conn->socket.fd);
    put_text(writer, ",\"state\":", bytes_of_string(state_names[conn->state]));
    writer_put_number(writer, ",\"protocol\":", conn->protocol);
    FOR_EACH_CONNECTION_FACT(PUT_FACT)
    FOR_EACH_CONNECTION_NUMBER(PUT_NUMBER)
    if (conn->byte_tokens >= 0)
        writer_put_number(writer, ",\"byteTokens\":", (uint64_t)conn->byte_tokens);
    else
        writer_put_number(writer, ",\"byteDebt\":", (uint64_t)(-(int64_t)conn->byte_tokens));
    if (conn->is_pinged)
        writer_put_number(writer, ",\"pingEnd\":", conn->ping_end);
    if (conn->is_client)
        put_origin(writer, loop, ",\"origin\":", conn->origin_number);
    if (conn->subnet != SUBNET_NONE && admission_address_of(loop, conn, &address))
        put_address(writer, ",\"address\":", address);
    put_seat(writer, conn->seat);
    put_input(writer, conn->input);
}

static void put_connection(struct writer *writer, const struct loop *loop, const void *what)
{
    const struct conn *conn = what;
    put_without_output(writer, loop, conn);
    output_put(writer, conn);
    WRITER_PUT(writer, "}\n");
}

static void put_for_rehearsal(struct writer *writer, const struct loop *loop, const void *what)
{
    put_without_output(writer, loop, what);
    WRITER_PUT(writer, "}\n");
}

typedef void put_line(struct writer *writer, const struct loop *loop, const void *what);

/* Appends a line, which is written once more if the text had too little room for it. */
static bool append(struct buf *text, put_line *put, const struct loop *loop, const void *what)
{
    struct writer writer = writer_over(text->data + text->length, text->capacity - text->length);
    put(&writer, loop, what);
    if (!writer_fits(&writer)) {
        if (buf_reserve(text, writer.length) != BUF_OK)
            return false;
        writer = writer_over(text->data + text->length, writer.length);
        put(&writer, loop, what);
    }
    text->length += writer.length;
    return true;
}

static bool write_rooms(const struct loop *loop, struct buf *text)
{
    const struct room_table *rooms = &loop->relay.rooms;
    for (uint32_t i = 0; i < rooms->bucket_count; i++) {
        for (const struct room *room = rooms->buckets[i]; room != NULL;
             room = room->next_in_bucket) {
            if (!append(text, put_room, loop, room))
                return false;
        }
    }
    return true;
}

static void put_payload(struct writer *writer, const struct loop *loop, const void *what)
{
    (void)loop;
    output_put_payload(writer, what);
}

/* Writes the payloads of the connection's queue that were not written for another connection. */
static bool append_payloads(struct buf *text, const struct loop *loop, const struct conn *conn,
                            uint32_t written, uint32_t numbered)
{
    for (uint32_t number = written + 1; number <= numbered; number++) {
        if (!append(text, put_payload, loop, output_payload(conn, number)))
            return false;
    }
    return true;
}

static bool append_connection(struct buf *text, const struct loop *loop, const struct conn *conn,
                              struct output_allowance *allowance)
{
    uint32_t written = allowance->payloads;
    if (!output_take(allowance, conn))
        return true;
    return append_payloads(text, loop, conn, written, allowance->payloads) &&
           append(text, put_connection, loop, conn);
}

bool handover_write(const struct loop *loop, bool is_rehearsal, struct buf *text)
{
    uint32_t at = 0;
    struct output_allowance allowance = output_allow(loop);
    const struct conn *conn;
    if (buf_reserve(text, HANDOVER_BYTES_LEAST) != BUF_OK || !write_rooms(loop, text))
        return false;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        if (!handover_may_take(conn))
            continue;
        bool is_written = is_rehearsal ? append(text, put_for_rehearsal, loop, conn)
                                       : append_connection(text, loop, conn, &allowance);
        if (!is_written)
            return false;
    }
    return true;
}
