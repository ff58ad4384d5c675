/* Makes the rooms and connections that the process has from the program that it was. */
#include <stdarg.h>
#include <stdio.h>

#include "proto/hex.h"
#include "proto/json_fields.h"
#include "proto/utf8.h"
#include "server/admission.h"
#include "server/conn_life.h"
#include "server/handover.h"
#include "server/handover_fields.h"
#include "server/handover_output.h"
#include "server/records.h"

#define ENUM_FACT(field, name) FACT_##field,
#define ENUM_NUMBER(field, name) NUMBER_##field,
#define ENUM_FIELD(field, name) OF_##field,
#define FACT_NAME(field, name) name,

enum fact { FOR_EACH_CONNECTION_FACT(ENUM_FACT) FACTS };
enum number { NUMBERS_BEFORE = FACTS - 1, FOR_EACH_CONNECTION_NUMBER(ENUM_NUMBER) NUMBERS };
enum field { FIELDS_BEFORE = NUMBERS - 1, FOR_EACH_CONNECTION_FIELD(ENUM_FIELD) FIELDS };

static const char *const connection_names[FIELDS] = {FOR_EACH_CONNECTION_FACT(
    FACT_NAME) FOR_EACH_CONNECTION_NUMBER(FACT_NAME) FOR_EACH_CONNECTION_FIELD(FACT_NAME)};

enum {
    HEADER_VERSION,
    HEADER_LISTENER,
    HEADER_ADMIN,
    HEADER_STARTED,
    HEADER_RESTED,
    HEADER_UPGRADES,
    HEADER_STARTED_S,
    HEADER_LISTENS_ON,
    HEADER_PARTS,
    HEADER_TICKET_KEYS,
    HEADER_FIELDS
};

static const char *const header_names[] = {"handover", "listener",  "admin",    "startedNs",
                                           "restedNs", "upgrades",  "startedS", "listensOn",
                                           "parts",    "ticketKeys"};

enum { PAYLOAD_NUMBER, PAYLOAD_BYTES, PAYLOAD_FIELDS };

static const char *const payload_names[] = {"payload", "bytes"};

enum { ROOM_CODE, ROOM_ORIGIN, ROOM_IS_PROVEN, ROOM_MAKER, ROOM_LOG_BYTES, ROOM_FIELDS };

static const char *const room_names[] = {"roomCode", "origin", "isProven", "maker", "logBytes"};

struct restoration {
    struct server *server;
    const struct handover_part *part;
    struct bytes rest; /* lines that were not read yet */
    struct handover_counts counts;
    struct output_payloads payloads;
    char *why;
};

__attribute__((format(printf, 2, 3))) static bool fail(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, HANDOVER_WHY_MAX, format, arguments);
    va_end(arguments);
    return false;
}

/* Takes the next line, without its end. False: there is none. */
static bool next_line(struct bytes *rest, struct bytes *ret_line)
{
    const uint8_t *end = rest->length == 0 ? NULL : memchr(rest->data, '\n', rest->length);
    if (end == NULL)
        return false;
    size_t length = (size_t)(end - rest->data);
    *ret_line = bytes_of(rest->data, length);
    *rest = bytes_of(end + 1, rest->length - length - 1);
    return true;
}

static bool read_fields(struct bytes line, const char *const *names, uint32_t count,
                        struct json_value *ret_values)
{
    size_t unknown_length;
    bool is_object;
    return utf8_is_valid(line) &&
           json_fields_read(line, names, count, ret_values, &unknown_length, &is_object) ==
               JSON_NEXT_END &&
           is_object;
}

/* A descriptor; -1 if there is none. */
static bool read_descriptor(const struct json_value *value, int *ret_fd)
{
    uint64_t number;
    *ret_fd = -1;
    if (value->kind == JSON_ABSENT)
        return true;
    if (!json_member_whole(value, INT32_MAX, &number))
        return false;
    *ret_fd = (int)number;
    return true;
}

/* Reads the lengths of the loops' parts. False: they are none. */
static bool read_parts(const struct json_value *value, struct handover_header *ret_header)
{
    struct bytes rest = value->raw;
    struct json_value element;
    ret_header->part_count = 0;
    if (value->kind == JSON_ABSENT)
        return true;
    if (value->kind != JSON_ARRAY)
        return false;
    while (json_array_next(&rest, &element)) {
        if (ret_header->part_count == LOOPS_MAX ||
            !json_member_whole(&element, HANDOVER_BYTES_MAX,
                               &ret_header->part_bytes[ret_header->part_count++]))
            return false;
    }
    return true;
}

bool handover_read_header(struct bytes text, struct handover_header *ret_header,
                          char ret_why[HANDOVER_WHY_MAX])
{
    struct json_value values[HEADER_FIELDS];
    struct bytes line;
    uint64_t version;
    if (!next_line(&text, &line) || !read_fields(line, header_names, HEADER_FIELDS, values) ||
        !json_member_whole(&values[HEADER_VERSION], UINT32_MAX, &version))
        return fail(ret_why, "the handover does not begin as one");
    if (version < HANDOVER_VERSION_LEAST || version > HANDOVER_VERSION)
        return fail(ret_why, "the handover has version %u, this program reads versions %d to %d",
                    (unsigned)version, HANDOVER_VERSION_LEAST, HANDOVER_VERSION);
    if (!json_member_whole(&values[HEADER_UPGRADES], UINT32_MAX, &ret_header->upgrades))
        ret_header->upgrades = 0;
    if (!json_member_whole(&values[HEADER_STARTED_S], UINT32_MAX, &ret_header->started_s))
        ret_header->started_s = 0;
    const struct json_value *listens_on = &values[HEADER_LISTENS_ON];
    size_t length = 0;
    if (listens_on->kind == JSON_STRING &&
        !json_string_decode(listens_on, (uint8_t *)ret_header->listens_on,
                            sizeof ret_header->listens_on - 1, &length))
        length = 0;
    ret_header->listens_on[length] = '\0';
    ret_header->has_ticket_keys = values[HEADER_TICKET_KEYS].kind != JSON_ABSENT;
    if (!read_descriptor(&values[HEADER_LISTENER], &ret_header->listener_fd) ||
        !read_descriptor(&values[HEADER_ADMIN], &ret_header->admin_fd) ||
        !hex_read_64(&values[HEADER_STARTED], &ret_header->started_ns) ||
        !hex_read_64(&values[HEADER_RESTED], &ret_header->rested_ns) ||
        !read_parts(&values[HEADER_PARTS], ret_header) ||
        (ret_header->has_ticket_keys &&
         !hex_read(&values[HEADER_TICKET_KEYS], (uint8_t *)&ret_header->ticket_keys,
                   sizeof ret_header->ticket_keys)))
        return fail(ret_why, "the first line of the handover is wrong");
    return true;
}

/*
 * Counts a client of the origin, so that the origin has a number. The caller must take it back if
 * there is none. A missing origin is ORIGIN_OTHER, which needs no name.
 */
static bool add_client(struct server *server, const struct json_value *origin, bool is_proven,
                       uint16_t *ret_number)
{
    uint8_t name[ORIGIN_BYTES_MAX];
    size_t length = 0;
    uint32_t now_ms = kernel_now_ms(server->kernel);
    *ret_number = ORIGIN_OTHER;
    if (origin->kind == JSON_ABSENT)
        return false;
    if (origin->kind != JSON_STRING || !json_string_decode(origin, name, sizeof name, &length))
        length = 0; /* is counted as unknown */
    *ret_number = origins_restore_client(&server->origins, bytes_of(name, length), now_ms);
    if (is_proven)
        origins_prove(&server->origins, *ret_number, now_ms);
    return true;
}

static bool read_address(const struct json_value *value, struct address *ret_address)
{
    uint8_t text[ADDRESS_TEXT_BYTES_MAX];
    size_t length;
    return value->kind == JSON_STRING && json_string_decode(value, text, sizeof text, &length) &&
           address_parse(bytes_of(text, length), ret_address);
}

/* The code of a room; 0: there is none. */
static bool read_code(const struct json_value *value, uint64_t *ret_code)
{
    uint8_t text[CODE_TYPED_BYTES_MAX];
    size_t length;
    *ret_code = 0;
    return value->kind == JSON_ABSENT ||
           (value->kind == JSON_STRING && json_string_decode(value, text, sizeof text, &length) &&
            code_read(bytes_of(text, length), ret_code));
}

/* Takes the log that may be behind a record. False: some of it is missing. */
static bool take_log(struct bytes *rest, const struct json_value *length, struct bytes *ret_log)
{
    uint64_t bytes = 0;
    if (length->kind != JSON_ABSENT && !json_member_whole(length, rest->length, &bytes))
        return false;
    *ret_log = bytes_of(rest->data, (size_t)bytes);
    *rest = bytes_of(rest->data + bytes, rest->length - (size_t)bytes);
    return true;
}

static struct loop *emptiest_loop(const struct server *server)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < server->loop_count; i++) {
        if (server->loops[i]->stats.connections < server->loops[best]->stats.connections)
            best = i;
    }
    return server->loops[best];
}

/* The loop of a room's code, or any if it is 0. NULL: it is for another thread. */
static struct loop *loop_for(const struct restoration *restoration, uint64_t code)
{
    const struct server *server = restoration->server;
    struct loop *own = restoration->part->loop;
    if (code == 0)
        return own != NULL ? own : emptiest_loop(server);
    struct loop *loop = server->loops[code_owner(code, server->loop_count)];
    return own == NULL || own == loop ? loop : NULL;
}

/* `code` is 0 if an older program has it in the record only. */
static bool make_room(struct restoration *restoration, struct bytes record, uint64_t code,
                      struct restoring restoring)
{
    struct record_fault fault = {0};
    char why[RECORDS_WHY_MAX];
    bool is_read = code != 0 || record_read_code(record, &code, &fault);
    if (!is_read)
        records_explain(&fault, why);
    if (is_read && loop_for(restoration, code) == NULL)
        return fail(restoration->why, "a room is in the part of another loop");
    if (!is_read || !records_make_room(restoration->server, record, code, restoring, why))
        return fail(restoration->why, "a room: %s", why);
    restoration->counts.rooms++;
    return true;
}

static bool restore_room(struct restoration *restoration, struct bytes line)
{
    struct server *server = restoration->server;
    struct json_value values[ROOM_FIELDS];
    struct restoring restoring = {.ending = ENDING_UPGRADE};
    struct bytes record;
    struct address address;
    uint64_t code;
    if (!read_fields(line, room_names, ROOM_FIELDS, values) ||
        !next_line(&restoration->rest, &record))
        return fail(restoration->why, "the record of a room is missing");
    if (!read_code(&values[ROOM_CODE], &code))
        return fail(restoration->why, "the code of a room is wrong");
    if (!take_log(&restoration->rest, &values[ROOM_LOG_BYTES], &restoring.log))
        return fail(restoration->why, "the log of a room is missing");
    bool is_proven = values[ROOM_IS_PROVEN].kind == JSON_TRUE;
    bool is_counted = add_client(server, &values[ROOM_ORIGIN], is_proven, &restoring.origin_number);
    if (read_address(&values[ROOM_MAKER], &address))
        restoring.maker = makers_enter(&server->makers, address);
    bool is_made = make_room(restoration, record, code, restoring);
    if (is_counted)
        origins_remove_client(&server->origins, restoring.origin_number);
    return is_made;
}

static bool fail_connection(const struct restoration *restoration, const char *what)
{
    return fail(restoration->why, "a connection: %s", what);
}

static bool read_state(const struct json_value *value, enum conn_state *ret_state)
{
    if (value->kind != JSON_STRING)
        return false;
    if (json_string_equals(value, BYTES("http")))
        *ret_state = CONN_HTTP;
    else if (json_string_equals(value, BYTES("open")))
        *ret_state = CONN_OPEN;
    else if (json_string_equals(value, BYTES("closing")))
        *ret_state = CONN_CLOSING;
    else
        return false;
    return true;
}

#define READ_FACT(field, name) conn->field = values[FACT_##field].kind == JSON_TRUE;

static bool read_plain(struct conn *conn, const struct json_value *values)
{
    enum conn_state state;
    uint64_t protocol;
    uint64_t refusal;
    uint64_t kind;
    uint64_t failed_joins;
    uint64_t rate_tokens;
    uint64_t acknowledged;
    uint64_t byte_tokens = 0;
    uint64_t byte_debt = 0;
    uint64_t ping_end = 0;
    FOR_EACH_CONNECTION_FACT(READ_FACT)
    if (!read_state(&values[OF_STATE], &state) ||
        !json_member_whole(&values[OF_PROTOCOL], PROTOCOL_3, &protocol) ||
        !json_member_whole(&values[NUMBER_refusal], REFUSAL_ADDRESS, &refusal) ||
        !json_member_whole(&values[NUMBER_kind], SUBNETS_KINDS - 1, &kind) ||
        !json_member_whole(&values[NUMBER_failed_joins], UINT8_MAX, &failed_joins) ||
        !json_member_whole(&values[NUMBER_rate_tokens], UINT32_MAX, &rate_tokens) ||
        !json_member_whole(&values[NUMBER_acknowledged], UINT32_MAX, &acknowledged))
        return false;
    if (values[OF_BYTE_DEBT].kind == JSON_ABSENT
            ? !json_member_whole(&values[OF_BYTE_TOKENS], INT32_MAX, &byte_tokens)
            : !json_member_whole(&values[OF_BYTE_DEBT], INT32_MAX, &byte_debt))
        return false;
    if (conn->is_pinged && !json_member_whole(&values[OF_PING_END], UINT32_MAX, &ping_end))
        return false;
    if (state != CONN_HTTP)
        conn_set_state(conn, state);
    conn->protocol = protocol & 3u;
    conn->refusal = refusal & 3u;
    conn->kind = kind & 3u;
    conn->failed_joins = (uint8_t)failed_joins;
    conn->rate_tokens = state == CONN_HTTP ? SUBNET_NONE : (uint32_t)rate_tokens;
    conn->acknowledged = (uint32_t)acknowledged;
    conn->byte_tokens = (int32_t)((int64_t)byte_tokens - (int64_t)byte_debt);
    if (conn->is_pinged)
        conn->ping_end = (uint32_t)ping_end;
    return true;
}

/* Reads the incomplete message, and the bytes that wait to be read. */
static bool read_input(const struct server *server, struct conn *conn,
                       const struct json_value *values)
{
    const struct json_value *reader = &values[OF_READER];
    const struct json_value *unread = &values[OF_UNREAD];
    size_t length = 0;
    if (reader->kind == JSON_ABSENT && unread->kind == JSON_ABSENT)
        return true;
    struct conn_input *input =
        conn_need_input(conn, server->config->message_bytes_max, kernel_now_ms(server->kernel));
    if (input == NULL || (reader->kind != JSON_ABSENT && !ws_reader_read(reader, &input->reader)))
        return false;
    if (unread->kind == JSON_ABSENT)
        return true;
    if (!hex_length(unread, &length) || buf_reserve(&input->unread, length) != BUF_OK ||
        !hex_read(unread, input->unread.data, length))
        return false;
    input->unread.length = length;
    return true;
}

static bool take_seat(struct loop *loop, struct conn *conn, uint64_t code,
                      const struct json_value *values)
{
    uint64_t index;
    if (code == 0)
        return true;
    if (values[OF_VISITOR].kind != JSON_ABSENT)
        return relay_take_over_visitor(&loop->relay, code, &values[OF_VISITOR], conn->handle,
                                       &conn->seat);
    return json_member_whole(&values[OF_INDEX], INDEX_AUDIENCE - 1, &index) &&
           relay_take_over(&loop->relay, code, (uint32_t)index, conn->handle, &conn->seat);
}

/* Counts the connection, and gives it to a loop, with its seat and output. */
static bool settle(struct restoration *restoration, struct conn *conn,
                   const struct json_value *values)
{
    struct server *server = restoration->server;
    struct address address;
    struct loop *loop;
    uint64_t code;
    bool has_address = values[OF_ADDRESS].kind != JSON_ABSENT;
    if (!read_code(&values[OF_ROOM], &code) ||
        (has_address && !read_address(&values[OF_ADDRESS], &address)))
        return fail_connection(restoration, "its room or its address is wrong");
    loop = loop_for(restoration, code);
    if (loop == NULL)
        return fail_connection(restoration, "it is in the part of another loop");
    if (!admission_restored(server, conn, has_address ? &address : NULL))
        return fail_connection(restoration, "it can't be counted");
    if (conn->is_client) {
        uint16_t number;
        bool is_proven = values[OF_IS_PROVEN].kind == JSON_TRUE;
        (void)add_client(server, &values[OF_ORIGIN], is_proven, &number);
        conn_set_origin(conn, number);
    }
    if (!conn_life_restore(loop, conn))
        return fail_connection(restoration, "memory is short");
    if (!take_seat(loop, conn, code, values))
        return fail_connection(restoration, "its seat is not there");
    if (!output_read(&restoration->payloads, loop, conn, &values[OF_OUTPUT]))
        return fail_connection(restoration, "its output is wrong");
    restoration->counts.connections++;
    return true;
}

/* Begins a connection. False: it is begun already. */
static bool claim(const struct restoration *restoration, struct conn *conn, int fd)
{
    pthread_mutex_lock(restoration->part->claims);
    bool is_free = !conn->is_taken;
    if (is_free)
        conn_begin(conn, fd);
    pthread_mutex_unlock(restoration->part->claims);
    return is_free;
}

static bool restore_connection(struct restoration *restoration, struct bytes line)
{
    struct json_value values[FIELDS];
    uint64_t fd;
    if (!read_fields(line, connection_names, FIELDS, values) ||
        !json_member_whole(&values[OF_DESCRIPTOR], INT32_MAX, &fd))
        return fail(restoration->why, "a line of the handover is nothing known");
    struct conn *conn = conn_table_at(&restoration->server->connections, (uint32_t)fd);
    if (conn == NULL)
        return fail_connection(restoration, "the limit of descriptors is lower now");
    /*
     * Loops write for a rehearsal at different moments. A connection that has moved meanwhile, or
     * has the descriptor of one that has ended, is in two parts. Its seat may stay without it.
     */
    if (!claim(restoration, conn, (int)fd))
        return restoration->part->is_rehearsal || fail_connection(restoration, "it is there twice");
    if (!read_plain(conn, values) || !read_input(restoration->server, conn, values))
        return fail_connection(restoration, "a field is missing or wrong, or memory is short");
    return settle(restoration, conn, values);
}

static bool restore_payload(struct restoration *restoration, struct bytes line)
{
    struct json_value values[PAYLOAD_FIELDS];
    return (read_fields(line, payload_names, PAYLOAD_FIELDS, values) &&
            output_read_payload(&restoration->payloads, &values[PAYLOAD_NUMBER],
                                &values[PAYLOAD_BYTES])) ||
           fail(restoration->why, "a payload is wrong, or memory is short");
}

static bool begins_with(struct bytes line, struct bytes beginning)
{
    return line.length > beginning.length &&
           memcmp(line.data, beginning.data, beginning.length) == 0;
}

static bool restore_line(struct restoration *restoration, struct bytes line)
{
    if (begins_with(line, BYTES("{\"connection\":")))
        return restore_connection(restoration, line);
    if (begins_with(line, BYTES("{\"payload\":")))
        return restore_payload(restoration, line);
    return restore_room(restoration, line);
}

bool handover_check(const struct server *server, char ret_why[HANDOVER_WHY_MAX])
{
    for (uint32_t i = 0; i < server->loop_count; i++) {
        if (!relay_all_are_taken_over(&server->loops[i]->relay))
            return fail(ret_why, "a member of a room has no connection");
    }
    return true;
}

bool handover_restore_part(struct server *server, const struct handover_part *part,
                           struct handover_counts *ret_counts, char ret_why[HANDOVER_WHY_MAX])
{
    struct restoration restoration = {
        .server = server,
        .part = part,
        .rest = part->lines,
        .payloads = {.bytes_left = part->output_bytes_max},
        .why = ret_why,
    };
    bool is_restored = true;
    struct bytes line;
    while (is_restored && next_line(&restoration.rest, &line))
        is_restored = restore_line(&restoration, line);
    output_payloads_release(&restoration.payloads);
    *ret_counts = restoration.counts;
    if (is_restored && restoration.rest.length > 0)
        return fail(ret_why, "the last line has no end");
    return is_restored;
}

struct bytes handover_lines(struct bytes text)
{
    struct bytes header;
    return next_line(&text, &header) ? text : (struct bytes){0};
}

bool handover_restore(struct server *server, struct bytes text, bool is_rehearsal,
                      struct handover_counts *ret_counts, char ret_why[HANDOVER_WHY_MAX])
{
    pthread_mutex_t claims = PTHREAD_MUTEX_INITIALIZER;
    const struct handover_part all = {
        .lines = handover_lines(text),
        .claims = &claims,
        .output_bytes_max = HANDED_OVER_OUTPUT_MAX,
        .is_rehearsal = is_rehearsal,
    };
    return handover_restore_part(server, &all, ret_counts, ret_why) &&
           (is_rehearsal || handover_check(server, ret_why));
}
