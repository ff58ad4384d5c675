/* Restores rooms at the start, and hands over the records of those that change. */
#include "server/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/origins.h"
#include "server/perform.h"
#include "server/recorder.h"
#include "store/store.h"
#include "store/store_sqlite.h"

#define RECORDS_PER_TURN 32 /* a loop writes, however many rooms have changed */

/* What the restoring of all rooms needs and finds. */
struct restoration {
    struct server *server;
    uint32_t rooms;
    char why[RECORDS_WHY_MAX];
};

static struct payload *encode_state(void *context, const struct event *event)
{
    return perform_encode(context, event);
}

bool records_make_room(struct server *server, struct bytes record, uint64_t code,
                       struct restoring restoring, char ret_why[RECORDS_WHY_MAX])
{
    struct loop *loop = server->loops[code_owner(code, server->loop_count)];
    struct record_fault fault = {0};
    struct effects effects;
    restoring.encode = encode_state;
    restoring.context = loop;
    bool is_made = record_restore(&loop->relay, record, &restoring, &effects, &fault);
    if (is_made)
        perform_effects(loop, &effects);
    else
        records_explain(&fault, ret_why);
    return is_made;
}

void records_explain(const struct record_fault *fault, char ret_why[RECORDS_WHY_MAX])
{
    snprintf(ret_why, RECORDS_WHY_MAX, "%s%s%s", record_error_text(fault->error),
             fault->field == NULL ? "" : ": ", fault->field == NULL ? "" : fault->field);
}

static const char *restore_room(void *context, uint64_t key, struct bytes text, bool is_clean)
{
    struct restoration *restoration = context;
    struct record_fault fault = {0};
    const struct restoring restoring = {.origin_number = ORIGIN_OTHER,
                                        .ending = is_clean ? ENDING_STOP : ENDING_ANY};
    uint64_t code;
    if (!record_read_code(text, &code, &fault)) {
        records_explain(&fault, restoration->why);
        return restoration->why;
    }
    if (code != key)
        return "the record is another room's";
    if (!records_make_room(restoration->server, text, code, restoring, restoration->why))
        return restoration->why;
    restoration->rooms++;
    return NULL;
}

static void complain(void *context, uint64_t key, const char *why)
{
    const struct restoration *restoration = context;
    uint8_t code[CODE_LENGTH_MAX];
    if (key == 0) {
        fprintf(stderr, "party-sockets: --state-dir %s: the store fails, games go on: %s\n",
                restoration->server->config->state_directory, why);
        return;
    }
    size_t length = code_write(key, code);
    fprintf(stderr, "party-sockets: the record of room %.*s is set aside: %s\n", (int)length, code,
            why);
}

static void tell(const char *why)
{
    if (why == NULL)
        fprintf(stderr, "party-sockets: the store works again\n");
    else
        fprintf(stderr, "party-sockets: the store fails, games go on: %s\n", why);
}

bool records_load(struct server *server, struct store_engine *engine, uint32_t *ret_rooms)
{
    struct restoration restoration = {.server = server};
    struct store_loading loading = {restore_room, complain, &restoration};
    server->store = store_new(engine);
    bool is_loaded = server->store != NULL && store_load(server->store, &loading);
    *ret_rooms = restoration.rooms;
    return is_loaded;
}

/* Fills in the codes of a loop's rooms, and returns how many it has. */
static size_t copy_codes(const struct loop *loop, uint64_t *ret_codes)
{
    const struct room_table *rooms = &loop->relay.rooms;
    size_t count = 0;
    for (uint32_t i = 0; i < rooms->bucket_count; i++) {
        for (const struct room *room = rooms->buckets[i]; room != NULL; room = room->next_in_bucket)
            ret_codes[count++] = room->code;
    }
    return count;
}

bool records_take_over(struct server *server, struct store_engine *engine)
{
    size_t most = 1;
    size_t count = 0;
    for (uint32_t i = 0; i < server->loop_count; i++)
        most += server->loops[i]->relay.rooms.room_count;
    uint64_t *codes = malloc(most * sizeof *codes);
    if (codes == NULL) {
        engine->functions->close(engine);
        return false;
    }
    for (uint32_t i = 0; i < server->loop_count; i++)
        count += copy_codes(server->loops[i], codes + count);
    server->store = store_new(engine);
    if (server->store == NULL)
        free(codes);
    else
        store_take_over(server->store, codes, count);
    return server->store != NULL;
}

bool records_begin(struct server *server, bool has_rooms)
{
    const char *directory = server->config->state_directory;
    char why[STORE_WHY_MAX];
    uint32_t rooms = 0;
    if (directory == NULL)
        return true;
    struct store_engine *engine =
        has_rooms ? store_sqlite_open_later(directory, why) : store_sqlite_open(directory, why);
    if (why[0] != 0)
        fprintf(stderr, "party-sockets: --state-dir %s: %s\n", directory, why);
    if (engine == NULL) {
        fprintf(stderr, "party-sockets: each process needs a directory of its own: --state-dir "
                        "DIRECTORY, or STATE_DIR=DIRECTORY\n");
        return false;
    }
    bool is_ready =
        has_rooms ? records_take_over(server, engine) : records_load(server, engine, &rooms);
    if (!is_ready || !store_start(server->store, tell)) {
        fprintf(stderr, "party-sockets: not enough memory or threads for --state-dir\n");
        return false;
    }
    if (rooms > 0)
        printf("party-sockets has %" PRIu32 " room%s of %s\n", rooms, rooms == 1 ? "" : "s",
               directory);
    return true;
}

bool records_can_be_kept(const struct server *server)
{
    struct store_status status = {0};
    if (server->store != NULL)
        store_get_status(server->store, &status);
    return !status.is_failing;
}

void records_end(struct server *server)
{
    if (server->store != NULL && !store_stop(server->store, true, STORE_STOP_MS))
        fprintf(stderr, "party-sockets: the store could not write everything\n");
    server->store = NULL;
}

/* Which room is next: relay_take_changed(), or relay_take_changed_at_last(). */
typedef struct room *take_room(struct relay *relay);

/* How a record is written: record_write(), or record_write_at_stop(). */
typedef void write_record(struct writer *writer, const struct relay *relay,
                          const struct room *room);

/* False: the store has no room for it, or memory is short. */
static bool hand_over(struct loop *loop, const struct room *room, write_record *write)
{
    struct writer measure = writer_over(NULL, 0);
    size_t before = 0; /* bytes of the term, in a cluster */
    struct ownership_word owner = {0};
    if (loop->links != NULL) {
        owner = loop->links->owners[peers_slice_of(room->code)];
        before = RECORDER_TERM_BYTES;
    }
    write(&measure, &loop->relay, room);
    if (before > 0 && measure.length > BUS_RECORD_TEXT_MAX && write != record_write)
        return hand_over(loop, room,
                         record_write); /* the room is worth more than what was missed */
    uint8_t *text = malloc(before + measure.length);
    if (text == NULL)
        return false;
    if (before > 0)
        recorder_put_term(text, peers_term(owner));
    struct writer writer = writer_over(text + before, measure.length);
    write(&writer, &loop->relay, room);
    loop->work += measure.length / 1024 + 1;
    return store_put(loop->server->store, room->code, text, before + measure.length);
}

/* A store that is full is not asked all the time; nor is it for other rooms meanwhile. */
static void set_due(struct loop *loop, bool is_refused)
{
    bool is_prompt = loop->links != NULL && !is_refused;
    uint32_t interval_ms = is_prompt ? RECORDS_INTERVAL_CLUSTER_MS : RECORDS_INTERVAL_MS;
    loop->records_due_ms = loop->now_ms + interval_ms;
}

/*
 * Hands at most so many over; the rest waits for the next turn. What the store does not take now
 * comes again with all that changes meanwhile.
 */
static void write_some(struct loop *loop, uint32_t most, take_room *take)
{
    for (uint32_t i = 0; i < most; i++) {
        struct room *room = take(&loop->relay);
        if (room == NULL) {
            set_due(loop, false);
            return;
        }
        if (!hand_over(loop, room, record_write)) {
            room_note_change(room);
            set_due(loop, true);
            return;
        }
    }
}

int records_wait_ms(const struct loop *loop)
{
    int32_t changed_left_ms = relay_changed_left_ms(&loop->relay);
    if (!loop->writes_records || changed_left_ms < 0)
        return -1;
    int32_t left_ms = (int32_t)(loop->records_due_ms - loop->now_ms);
    if (left_ms > RECORDS_INTERVAL_MS)
        left_ms = 0; /* nothing was due for weeks, and the clock has wrapped */
    return left_ms < changed_left_ms ? changed_left_ms : left_ms;
}

void records_write(struct loop *loop)
{
    if (records_wait_ms(loop) == 0)
        write_some(loop, RECORDS_PER_TURN, relay_take_changed);
}

void records_write_last(struct loop *loop)
{
    if (loop->writes_records)
        write_some(loop, UINT32_MAX, relay_take_changed_at_last);
    loop->writes_records = false;
}

/* Without a place in the store, the record of before stands, and counts begin anew. */
void records_write_final(struct loop *loop, const struct room *room)
{
    bool has_moment = room_protocol(room) == PROTOCOL_3 && room->member_count == 0;
    (void)!hand_over(loop, room, has_moment ? record_write_at_stop : record_write);
}

void records_write_at_stop(struct loop *loop)
{
    const struct room_table *rooms = &loop->relay.rooms;
    for (uint32_t i = 0; loop->server->keeps_rooms && i < rooms->bucket_count; i++) {
        for (struct room *room = rooms->buckets[i]; room != NULL; room = room->next_in_bucket) {
            if (room_protocol(room) == PROTOCOL_3 && room->member_count == 0)
                records_write_final(loop, room);
        }
    }
}
