/* A wrapped function tells the witness, and then does what it does otherwise, or the reverse. */
#include "tap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "refusals.h"
#include "server/conn_out.h"
#include "server/edge.h"
#include "server/perform.h"
#include "world.h"

#define WITNESSES_MAX 8
#define ENTRANCE_BUCKETS 512
#define ENTRANCES_IN_BUCKET 16
/* Of a loop that looked at its clock before another, or before the connection ended. */
#define CLOCK_LATE_MS 100
#define BINARY_FAULT "nonsense" /* a binary message that is none; see recovery_server.h */

/* NOLINTBEGIN(bugprone-reserved-identifier): the names that the linker's --wrap gives */
#define WRAPPED(result, name, ...)     \
    result __real_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__)

WRAPPED(enum envelope_result, envelope_parse, struct bytes text, struct envelope *ret_envelope);
WRAPPED(void, relay_receive_envelope, struct relay *relay, struct speaker speaker,
        enum envelope_result result, const struct envelope *envelope, struct effects *effects);
WRAPPED(void, relay_receive_binary, struct relay *relay, struct speaker speaker,
        struct bytes message, struct effects *effects);
WRAPPED(void, relay_carry_out, struct relay *relay, struct speaker speaker, const struct join *join,
        struct effects *effects);
WRAPPED(void, relay_leave, struct relay *relay, struct member **seat, enum departure departure,
        struct effects *effects);
WRAPPED(bool, relay_do_due, struct relay *relay, struct effects *effects);
WRAPPED(void, perform_effects, struct loop *loop, const struct effects *effects);
WRAPPED(void, conn_out_frame, struct loop *loop, struct conn *conn, const struct frame *frame);
WRAPPED(void, conn_out_close, struct loop *loop, struct conn *conn, uint16_t code,
        struct bytes reason);
WRAPPED(enum edge_answer, edge_enter, struct loop *loop, struct conn *conn,
        const struct envelope *envelope, struct bytes text, struct entrance *kept);
WRAPPED(bool, edge_keep_member, struct loop *loop, struct conn *conn);
/* NOLINTEND(bugprone-reserved-identifier) */

struct tap_text {
    struct tap_text *next;
    struct witness_mark mark;
    char text[];
};

/*
 * Whose connection a server has: that of a socket, or the one at another node. `line` may be of a
 * later connection of the player, when that other node has closed this one.
 */
struct tapped {
    struct tap_line *line; /* NULL: nobody watches */
    uint32_t connection;
};

/* A connection that enters a room at another node, by what that node knows of it. */
struct home_entrance {
    uint64_t incarnation;
    uint32_t loop;
    uint32_t client;
    uint64_t number; /* of all of them */
    struct tapped tapped;
};

static struct {
    struct home_entrance entrances[ENTRANCE_BUCKETS * ENTRANCES_IN_BUCKET]; /* the last of each */
    uint64_t entrance_count;
    struct witness *witnesses[WITNESSES_MAX];
    uint32_t witness_count;
    struct bytes parsed;    /* the text that was parsed last */
    struct tap_line *input; /* whose message the relay handles; NULL: nobody's that is watched */
    char *input_text;       /* owned */
} tap;

void tap_begin(void)
{
    memset(tap.entrances, 0, sizeof tap.entrances);
    tap.witness_count = 0;
}

void tap_add_witness(struct witness *witness)
{
    if (tap.witness_count == WITNESSES_MAX)
        abort();
    tap.witnesses[tap.witness_count++] = witness;
}

void tap_open(struct tap_line *line, struct link *link, struct witness *witness,
              uint32_t connection, uint32_t player)
{
    if (line->has_entered && !line->has_left) /* what it has said to enter was lost */
        witness_closed(line->witness, line->connection, CLOSE_RESET);
    tap_release(line);
    *line = (struct tap_line){.witness = witness, .connection = connection};
    link_watch(link, &line->watch);
    witness_opened(witness, connection, player);
}

static void drop_first(struct tap_line *line)
{
    struct tap_text *first = line->first;
    line->first = first->next;
    if (line->first == NULL)
        line->last = NULL;
    free(first);
}

/*
 * Behind a link that is void nothing comes but `joined`, unasked: what was told before is lost, and
 * with it each such `joined` but the last, which has the number of those that were not heard.
 */
static void drop_lost(struct tap_line *line, struct bytes text)
{
    const struct tap_text *last = NULL;
    for (const struct tap_text *told = line->first; told != NULL; told = told->next) {
        if (bytes_equal(bytes_of_string(told->text), text))
            last = told;
    }
    while (line->first != last)
        drop_first(line);
}

bool tap_take(struct tap_line *line, struct bytes text)
{
    if (text_number(text, "unasked") != TEXT_NO_NUMBER)
        drop_lost(line, text);
    struct tap_text *told = line->first;
    if (told == NULL || !bytes_equal(bytes_of_string(told->text), text))
        return false;
    witness_took(line->witness, &told->mark, text);
    drop_first(line);
    return true;
}

bool tap_is_empty(const struct tap_line *line)
{
    return line->first == NULL;
}

void tap_release(struct tap_line *line)
{
    while (line->first != NULL)
        drop_first(line);
    free(line->entry);
    line->entry = NULL;
}

static uint32_t read_index(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

char *tap_text_to_client(struct bytes message)
{
    if (message.length < 5 || message.data[0] != 0)
        return text_format(BINARY_FAULT);
    return text_format("{\"type\":\"message\",\"from\":%" PRIu32 ",\"data\":%.*s}",
                       read_index(message.data + 1), (int)(message.length - 5),
                       (const char *)message.data + 5);
}

char *tap_text_to_server(struct bytes message)
{
    char to[32] = "";
    size_t head = 1;
    uint8_t kind = message.length > 0 ? message.data[0] & 127 : UINT8_MAX;
    if (kind == 1 && message.length >= 5) {
        head = 5;
        snprintf(to, sizeof to, ",\"to\":%" PRIu32, read_index(message.data + 1));
    } else if (kind == 2) {
        snprintf(to, sizeof to, ",\"to\":\"host\"");
    } else if (kind != 0) {
        return text_format(BINARY_FAULT);
    }
    return text_format("{\"type\":\"send\"%s,\"data\":%.*s%s}", to, (int)(message.length - head),
                       (const char *)message.data + head,
                       message.data[0] >= 128 ? ",\"volatile\":true" : "");
}

/* The witness and this file have the memory that they want. */
static bool enter_tap(void)
{
    bool was_in_turn = refusals_are_in_turn();
    refusals_leave_turn();
    return was_in_turn;
}

static void leave_tap(const struct witness *witness, bool was_in_turn)
{
    if (witness != NULL && witness->verdict->is_broken) {
        fflush(stdout);
        fprintf(stderr, "protocol 3 at %.6f: %s\n", (double)network_now_ns() / 1e9,
                witness->verdict->what);
        abort();
    }
    if (was_in_turn)
        refusals_enter_turn();
}

/* The first of the places in which an entrance may be. */
static struct home_entrance *bucket_of(uint64_t incarnation, uint32_t loop, uint32_t client)
{
    uint64_t mixed = (incarnation * 64 + loop) << 32 | client;
    mixed = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9u;
    mixed ^= mixed >> 32;
    return &tap.entrances[mixed % ENTRANCE_BUCKETS * ENTRANCES_IN_BUCKET];
}

static const struct home_entrance *find_entrance(uint64_t incarnation, uint32_t loop,
                                                 uint32_t client)
{
    const struct home_entrance *bucket = bucket_of(incarnation, loop, client);
    for (uint32_t i = 0; i < ENTRANCES_IN_BUCKET; i++) {
        if (bucket[i].incarnation == incarnation && bucket[i].loop == loop &&
            bucket[i].client == client)
            return &bucket[i];
    }
    world_fail("a client entered that nobody has sent, or too many have", client);
}

/* In place of the same client's last one, or of the oldest. */
static void note_entrance(struct home_entrance entrance)
{
    struct home_entrance *bucket = bucket_of(entrance.incarnation, entrance.loop, entrance.client);
    struct home_entrance *oldest = bucket;
    for (uint32_t i = 0; i < ENTRANCES_IN_BUCKET; i++) {
        bool is_same = bucket[i].incarnation == entrance.incarnation &&
                       bucket[i].loop == entrance.loop && bucket[i].client == entrance.client;
        if (bucket[i].number < oldest->number || is_same)
            oldest = &bucket[i];
        if (is_same)
            break;
    }
    entrance.number = ++tap.entrance_count;
    *oldest = entrance;
}

static struct tapped tapped_at_socket(const struct conn *conn)
{
    struct link_watch *watch = network_watch_of(conn->socket.fd);
    struct tap_line *line = watch == NULL ? NULL : CONTAINER_OF(watch, struct tap_line, watch);
    return (struct tapped){line, line == NULL ? 0 : line->connection};
}

static struct tapped tapped_of(const struct conn *conn)
{
    if (!conn_is_remote(conn))
        return tapped_at_socket(conn);
    const struct link_end *end = conn->remote.end;
    uint32_t client = conn->remote.client;
    return find_entrance(end->incarnation, end->peer_loop, client)->tapped;
}

/* The player still has this connection. */
static bool is_current(struct tapped tapped)
{
    return tapped.line->connection == tapped.connection && !tapped.line->watch.is_over;
}

enum edge_answer __wrap_edge_enter(struct loop *loop, struct conn *conn,
                                   const struct envelope *envelope, struct bytes text,
                                   struct entrance *kept)
{
    uint64_t incarnation = loop->server->peers->incarnation;
    const struct home_entrance entrance = {.incarnation = incarnation,
                                           .loop = loop->index,
                                           .client = conn->handle,
                                           .tapped = tapped_at_socket(conn)};
    enum edge_answer answer = __real_edge_enter(loop, conn, envelope, text, kept);
    if (entrance.tapped.line != NULL)
        entrance.tapped.line->has_entered = answer == EDGE_SENT;
    if (answer == EDGE_SENT)
        note_entrance(entrance);
    return answer;
}

/* A member whose room goes to another node will enter there. */
bool __wrap_edge_keep_member(struct loop *loop, struct conn *conn)
{
    if (!__real_edge_keep_member(loop, conn))
        return false;
    note_entrance((struct home_entrance){.incarnation = loop->server->peers->incarnation,
                                         .loop = loop->index,
                                         .client = conn->handle,
                                         .tapped = tapped_at_socket(conn)});
    return true;
}

/*
 * Seats are held for a time of the loop's clock. That may be a little late, and goes on by some of
 * a gap in which everything stands still; the network's clock goes on by all of it.
 */
static void tell_time(struct witness *witness, uint32_t late_ms)
{
    witness->now_ms = network_now_ns() / NETWORK_MS + late_ms;
    witness->full_ms = world_full_ns() / NETWORK_MS;
}

/* Takes the text. */
static void begin_input(const struct conn *conn, char *text)
{
    struct tapped tapped = tapped_of(conn);
    struct tap_line *line = tapped.line;
    if (line == NULL) {
        free(text);
        return;
    }
    bool is_entry = text_has_string(bytes_of_string(text), "type", "join") ||
                    text_has_string(bytes_of_string(text), "type", "create");
    if (conn->seat == NULL && is_entry) {
        free(line->entry);
        line->entry = text_format("%s", text);
    }
    tell_time(line->witness, CLOCK_LATE_MS);
    tap.input = line;
    tap.input_text = text;
    witness_before_input(line->witness, tapped.connection, bytes_of_string(text));
}

static const struct conn *conn_of(struct speaker speaker)
{
    return CONTAINER_OF(speaker.seat, struct conn, seat);
}

enum envelope_result __wrap_envelope_parse(struct bytes text, struct envelope *ret_envelope)
{
    tap.parsed = text;
    return __real_envelope_parse(text, ret_envelope);
}

void __wrap_relay_receive_envelope(struct relay *relay, struct speaker speaker,
                                   enum envelope_result result, const struct envelope *envelope,
                                   struct effects *effects)
{
    const struct conn *conn = conn_of(speaker);
    if (tapped_of(conn).line != NULL) {
        bool was_in_turn = enter_tap();
        begin_input(conn, text_format("%.*s", (int)tap.parsed.length, tap.parsed.data));
        leave_tap(NULL, was_in_turn);
    }
    __real_relay_receive_envelope(relay, speaker, result, envelope, effects);
}

void __wrap_relay_receive_binary(struct relay *relay, struct speaker speaker, struct bytes message,
                                 struct effects *effects)
{
    bool was_in_turn = enter_tap();
    begin_input(conn_of(speaker), tap_text_to_server(message));
    leave_tap(NULL, was_in_turn);
    __real_relay_receive_binary(relay, speaker, message, effects);
}

void __wrap_relay_carry_out(struct relay *relay, struct speaker speaker, const struct join *join,
                            struct effects *effects)
{
    struct tap_line *line = tapped_of(conn_of(speaker)).line;
    bool was_in_turn = enter_tap();
    if (line != NULL && join->unasked != 0) {
        line->has_entered = conn_is_remote(conn_of(speaker));
        line->has_left = false;
    }
    if (line != NULL)
        begin_input(conn_of(speaker), text_format("%s", line->entry));
    leave_tap(NULL, was_in_turn);
    __real_relay_carry_out(relay, speaker, join, effects);
}

void __wrap_perform_effects(struct loop *loop, const struct effects *effects)
{
    __real_perform_effects(loop, effects);
    bool was_in_turn = enter_tap();
    const struct witness *witness = tap.input == NULL ? NULL : tap.input->witness;
    if (tap.input != NULL)
        witness_after_input(tap.input->witness);
    tap.input = NULL;
    free(tap.input_text);
    tap.input_text = NULL;
    leave_tap(witness, was_in_turn);
}

/*
 * Whether the connection has ended for the relay by this: a home says so of one that had a seat
 * there, or whose edge has nobody any more who would hear of it.
 */
static bool leaves_now(const struct conn *conn, struct tapped tapped)
{
    if (conn_is_remote(conn))
        return conn->seat != NULL || !is_current(tapped);
    return !tapped.line->has_entered && !tapped.line->has_left;
}

void __wrap_relay_leave(struct relay *relay, struct member **seat, enum departure departure,
                        struct effects *effects)
{
    const struct conn *conn = CONTAINER_OF(seat, struct conn, seat);
    struct tapped tapped = tapped_of(conn);
    struct tap_line *line = tapped.line;
    bool was_in_turn = enter_tap();
    bool leaves = line != NULL && leaves_now(conn, tapped);
    if (line != NULL && conn_is_remote(conn) && is_current(tapped))
        line->has_entered = false;
    if (leaves) {
        line->has_left |= line->connection == tapped.connection;
        uint16_t code = departure == DEPARTURE_FAREWELL ? CLOSE_FAREWELL : CLOSE_RESET;
        tell_time(line->witness, 0);
        witness_closed(line->witness, tapped.connection, code);
    }
    leave_tap(NULL, was_in_turn);
    __real_relay_leave(relay, seat, departure, effects);
}

bool __wrap_relay_do_due(struct relay *relay, struct effects *effects)
{
    if (!__real_relay_do_due(relay, effects))
        return false;
    bool was_in_turn = enter_tap();
    for (uint32_t i = 0; i < tap.witness_count; i++) {
        tell_time(tap.witnesses[i], CLOCK_LATE_MS);
        witness_passes(tap.witnesses[i], 0);
    }
    leave_tap(NULL, was_in_turn);
    return true;
}

/* The text of a frame to a client, to be freed. */
static char *text_of_frame(struct bytes frame)
{
    size_t head = (frame.data[1] & 127) < 126 ? 2 : (frame.data[1] & 127) == 126 ? 4 : 10;
    struct bytes payload = bytes_of(frame.data + head, frame.length - head);
    if ((frame.data[0] & 15) == WS_OPCODE_BINARY)
        return tap_text_to_client(payload);
    return text_format("%.*s", (int)payload.length, payload.data);
}

static void note_told(struct tapped tapped, const struct conn *conn, struct bytes frame)
{
    struct tap_line *line = tapped.line;
    char *text = text_of_frame(frame);
    size_t size = strlen(text) + 1;
    struct witness_mark mark =
        witness_told(line->witness, tapped.connection, bytes_of_string(text));
    bool goes_out = conn->state == CONN_OPEN || conn->state == CONN_REMOTE;
    if (goes_out && is_current(tapped)) {
        struct tap_text *told = certain_malloc(sizeof *told + size);
        *told = (struct tap_text){.mark = mark};
        memcpy(told->text, text, size);
        if (line->last != NULL)
            line->last->next = told;
        else
            line->first = told;
        line->last = told;
    }
    free(text);
}

void __wrap_conn_out_frame(struct loop *loop, struct conn *conn, const struct frame *frame)
{
    struct tapped tapped = tapped_of(conn);
    if (tapped.line != NULL && !conn->is_away) { /* its home has told the witness */
        bool was_in_turn = enter_tap();
        note_told(tapped, conn, frame->bytes);
        leave_tap(tapped.line->witness, was_in_turn);
    }
    __real_conn_out_frame(loop, conn, frame);
}

/* The relay has taken a seat away, or had no memory for what the client wants. */
static void note_close(struct tapped tapped, uint16_t code, struct bytes reason)
{
    struct tap_line *line = tapped.line;
    bool is_echo = code == CLOSE_GIVEN_UP && reason.length == 0; /* the client closes */
    bool takes_seat = code == CLOSE_REPLACED || code == CLOSE_ROOM_CLOSED || code == CLOSE_KICKED ||
                      code == CLOSE_GIVEN_UP;
    if (is_current(tapped))
        line->closed_with = code;
    if (takes_seat && !is_echo)
        witness_server_closed(line->witness, tapped.connection, code);
    else if (line == tap.input && bytes_equal(reason, BYTES("out of memory")))
        line->witness->input.is_lost = true;
}

void __wrap_conn_out_close(struct loop *loop, struct conn *conn, uint16_t code, struct bytes reason)
{
    struct tapped tapped = tapped_of(conn);
    /* An edge closes for the home, which has told the witness. */
    if (tapped.line != NULL && (conn_is_remote(conn) || tapped.line->closed_with != code)) {
        bool was_in_turn = enter_tap();
        note_close(tapped, code, reason);
        leave_tap(tapped.line->witness, was_in_turn);
    }
    __real_conn_out_close(loop, conn, code, reason);
}

const char *tap_first(const struct tap_line *line)
{
    return line->first == NULL ? "nothing" : line->first->text;
}
