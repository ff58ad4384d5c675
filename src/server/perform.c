/* Writes an event once, frames it once, and appends it to each recipient's queue. */
#include "server/perform.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "relay/dialect.h"
#include "server/admission.h"
#include "server/allowance.h"
#include "server/conn_out.h"

static enum ws_opcode opcode_of(const struct event *event)
{
    return event->type == EVENT_BINARY ? WS_OPCODE_BINARY : WS_OPCODE_TEXT;
}

/* Encodes the event's frame into a new payload. False: memory is short. */
static bool encode_shared(struct loop *loop, const struct event *event, size_t text_length,
                          struct frame *ret_frame)
{
    uint8_t header[WS_FRAME_HEADER_OUT_MAX];
    size_t header_length = ws_frame_write_header(header, opcode_of(event), text_length);
    if (text_length > UINT32_MAX - sizeof header)
        return false;
    ret_frame->payload = payload_new((uint32_t)(header_length + text_length), &loop->charged);
    if (ret_frame->payload == NULL)
        return false;
    memcpy(ret_frame->payload->data, header, header_length);
    struct writer writer = writer_over(ret_frame->payload->data + header_length, text_length);
    dialect_write(&writer, event);
    assert(writer.length == text_length);
    ret_frame->bytes = bytes_of(ret_frame->payload->data, ret_frame->payload->length);
    return true;
}

/*
 * Encodes an event and its frame header, once for all recipients. A small frame is written to
 * scratch memory, with the header right before the text. A large frame is measured first, and then
 * written to a payload that all recipients share.
 */
static bool encode(struct loop *loop, const struct event *event, struct frame *ret_frame)
{
    uint8_t *text = loop->scratch + WS_FRAME_HEADER_OUT_MAX;
    bool is_small = event->data.length < SHARED_FRAME_BYTES_MIN;
    struct writer writer =
        writer_over(text, is_small ? sizeof loop->scratch - WS_FRAME_HEADER_OUT_MAX : 0);
    dialect_write(&writer, event);
    loop->work += writer.length / 1024;
    if (!writer_fits(&writer))
        return encode_shared(loop, event, writer.length, ret_frame);

    uint8_t header[WS_FRAME_HEADER_OUT_MAX];
    size_t header_length = ws_frame_write_header(header, opcode_of(event), writer.length);
    uint8_t *first = text - header_length;
    memcpy(first, header, header_length);
    *ret_frame = (struct frame){.bytes = bytes_of(first, header_length + writer.length)};
    return true;
}

/* Encodes the event's frame into a new payload, however short it is. False: memory is short. */
static bool encode_to_keep(struct loop *loop, const struct event *event, struct frame *ret_frame)
{
    struct writer measure = writer_over(NULL, 0);
    dialect_write(&measure, event);
    loop->work += measure.length / 1024;
    return encode_shared(loop, event, measure.length, ret_frame);
}

struct payload *perform_encode(struct loop *loop, const struct event *event)
{
    struct frame frame;
    return encode_to_keep(loop, event, &frame) ? frame.payload : NULL;
}

static inline void tell(struct loop *loop, uint32_t client, const struct frame *frame)
{
    conn_out_frame(loop, loop_client(loop, client), frame);
}

/*
 * Ends a connection for which an event can't be encoded, so that its client never misses an event
 * unnoticed.
 */
static void abandon_recipient(struct loop *loop, uint32_t client)
{
    conn_out_lose_for_memory(loop, loop_client(loop, client));
}

static inline void tell_or_abandon(struct loop *loop, uint32_t client, const struct frame *frame)
{
    if (frame != NULL)
        tell(loop, client, frame);
    else
        abandon_recipient(loop, client);
}

static void count_deliveries(struct loop *loop, uint32_t count)
{
    loop->stats.counters[COUNTER_DELIVERIES] += count;
    loop->work += count;
}

static void tell_event(struct loop *loop, uint32_t client, const struct event *event)
{
    struct frame frame = {0};
    if (event->type == EVENT_ERROR)
        loop->stats.errors[event->error]++;
    if (!encode(loop, event, &frame)) {
        abandon_recipient(loop, client);
        return;
    }
    if (event->type == EVENT_SKIPPED)
        frame.counts = event->number;
    tell(loop, client, &frame);
    count_deliveries(loop, 1);
    payload_release(frame.payload);
}

static void tell_error(struct loop *loop, uint32_t client, enum relay_error error)
{
    enum protocol protocol = conn_protocol(loop_client(loop, client));
    tell_event(loop, client,
               &(struct event){.type = EVENT_ERROR,
                               .error = error,
                               .protocol = protocol,
                               .of = envelope_type_name(ENVELOPE_JOIN)});
}

static void perform_to_client(struct loop *loop, const struct effect_to_client *effect)
{
    tell_event(loop, effect->client, &effect->event);
}

/*
 * Queues the frame for all members of the room but one, and for the audience if it is for that.
 * Without a frame, their connections are ended.
 */
static void queue_for_room(struct loop *loop, const struct room *room, uint32_t except,
                           bool is_for_audience, const struct frame *frame)
{
    uint32_t told = 0;
    uint32_t at = 0;
    uint32_t client;
    while ((is_for_audience || at < room->member_count) && room_next_client(room, &at, &client)) {
        if (client == except)
            continue;
        tell_or_abandon(loop, client, frame);
        told++;
    }
    count_deliveries(loop, told);
}

static void perform_to_room(struct loop *loop, const struct effect_to_room *effect)
{
    struct frame frame = {0};
    bool is_encoded = encode(loop, &effect->event, &frame);
    queue_for_room(loop, effect->room, effect->except, false, is_encoded ? &frame : NULL);
    payload_release(frame.payload);
}

/* The same for those members that the address lists. */
static void queue_for_targets(struct loop *loop, const struct party *party,
                              const struct log_address *address, const struct frame *frame)
{
    uint32_t told = 0;
    uint32_t at = 0;
    uint32_t client;
    while (party_next_target(party, address, &at, &client)) {
        tell_or_abandon(loop, client, frame);
        told++;
    }
    count_deliveries(loop, told);
}

/* Sends an event of protocol 3 to those whom it is for, and has the room count it. */
static void perform_emit(struct loop *loop, const struct effect_emit *effect)
{
    const struct party *party = effect->room->party;
    struct frame frame = {0};
    const struct frame *encoded = encode(loop, &effect->event, &frame) ? &frame : NULL;
    frame.counts = 1;
    enum log_readers readers = effect->address.readers;
    uint32_t except = effect->except == NULL ? CLIENT_NONE : effect->except->client;
    if (effect->event.type == EVENT_ERROR)
        loop->stats.errors[effect->event.error]++;
    if (readers == LOG_EVERYONE || readers == LOG_EVERYONE_BUT)
        queue_for_room(loop, effect->room, except, effect->is_for_audience, encoded);
    else
        queue_for_targets(loop, party, &effect->address, encoded);
    relay_note_event(effect->room, effect, frame.bytes, frame.payload);
    payload_release(frame.payload);
}

static void refuse_for_memory(struct loop *loop, uint32_t client)
{
    relay_unhear(loop_client(loop, client)->seat);
    loop->stats.counters[COUNTER_NO_MEMORY]++;
    conn_out_close(loop, loop_client(loop, client), WS_CLOSE_TRY_AGAIN_LATER,
                   BYTES("out of memory"));
}

static void perform_no_memory(struct loop *loop, const struct effect_no_memory *effect)
{
    refuse_for_memory(loop, effect->client);
}

/* All rooms retain too much for one more state. */
static void refuse_state(struct loop *loop, uint32_t client, const struct room *room)
{
    if (room->party == NULL) {
        tell_error(loop, client, ERROR_STATE_NO_MEMORY);
        return;
    }
    struct effect_emit refusal = relay_refusal_of_state(room);
    perform_emit(loop, &refusal);
}

/* The room keeps the same frame that the other members get, for all who join later. */
static void perform_keep_state(struct loop *loop, const struct effect_keep_state *effect)
{
    struct frame frame = {0};
    if (!encode_to_keep(loop, &effect->event, &frame)) {
        refuse_for_memory(loop, effect->client);
        return;
    }
    frame.counts = 1;
    if (relay_keep_state(&loop->relay, effect->room, frame.payload))
        queue_for_room(loop, effect->room, effect->client, true, &frame);
    else
        refuse_state(loop, effect->client, effect->room);
    payload_release(frame.payload);
}

static void perform_keep_private(struct loop *loop, const struct effect_keep_private *effect)
{
    struct frame frame = {0};
    if (!encode_to_keep(loop, &effect->event, &frame)) {
        refuse_for_memory(loop, effect->client);
        return;
    }
    if (!relay_keep_private(&loop->relay, effect->room, frame.payload))
        refuse_state(loop, effect->client, effect->room);
    payload_release(frame.payload);
}

static void tell_payload(struct loop *loop, uint32_t client, struct payload *payload)
{
    assert(payload != NULL);
    const struct frame frame = {.bytes = bytes_of(payload->data, payload->length),
                                .payload = payload};
    tell(loop, client, &frame);
    count_deliveries(loop, 1);
}

static void perform_tell_private(struct loop *loop, const struct effect_tell_private *effect)
{
    tell_payload(loop, effect->client, effect->room->party->private_state);
}

static bool is_retold(const struct log_filter *filter, struct bytes frame)
{
    return relay_is_retold(filter->room, ws_frame_payload(frame));
}

static void perform_tell_missed(struct loop *loop, const struct effect_tell_missed *effect)
{
    struct log_cursor cursor = effect->cursor;
    struct log_missed missed;
    const struct log_filter filter = {.is_wanted = is_retold, .room = effect->room};
    cursor.filter = effect->is_retold ? &filter : NULL;
    while (log_next_missed(&cursor, &missed)) {
        if (missed.skipped > 0) {
            tell_event(loop, effect->client,
                       &(struct event){
                           .type = EVENT_SKIPPED, .room = effect->room, .number = missed.skipped});
            continue;
        }
        const struct frame frame = {.bytes = missed.frame, .payload = missed.payload, .counts = 1};
        tell(loop, effect->client, &frame);
        count_deliveries(loop, 1);
        loop->work += missed.frame.length / 1024;
    }
}

static void perform_tell_state(struct loop *loop, const struct effect_tell_state *effect)
{
    tell_payload(loop, effect->client, room_state(effect->room));
}

/*
 * Closes a connection that guesses codes. If its own misses are too many, it hears of the last one.
 * If its address has had too many, it hears nothing that depends on a room, and may try again
 * later.
 */
static void close_guesser(struct loop *loop, struct conn *conn)
{
    if (!admission_is_guesser(loop, conn)) {
        conn_out_close(loop, conn, WS_CLOSE_TRY_AGAIN_LATER, BYTES("too many attempts"));
        return;
    }
    tell_error(loop, conn->handle,
               conn->lacks_password ? ERROR_WRONG_PASSWORD : ERROR_ROOM_NOT_FOUND);
    conn_out_close(loop, conn, WS_CLOSE_POLICY, BYTES("too many failed joins"));
}

/*
 * Delays the last answer to a connection that guesses codes. The connection is not read meanwhile,
 * and is closed afterwards.
 */
static void delay_answer(struct loop *loop, struct conn *conn)
{
    loop->stats.counters[COUNTER_JOINS_PENALIZED]++;
    if (!subnets_begin_waiting(&loop->server->subnets, conn->subnet)) {
        close_guesser(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_DELAYED);
    poller_pause(loop->poller, &conn->socket);
    loop_set_deadline(loop, conn, DEADLINE_PENALTY);
}

static void perform_untold(struct loop *loop, const struct effect_untold *effect)
{
    struct conn *conn = loop_client(loop, effect->client);
    if (conn->state == CONN_REMOTE)
        loop->links->entering = LINK_OUTCOME_UNTOLD;
    else
        delay_answer(loop, conn);
}

static void perform_not_found(struct loop *loop, const struct effect_not_found *effect)
{
    struct conn *conn = loop_client(loop, effect->client);
    if (conn->state == CONN_REMOTE) { /* its edge counts its misses, and tells it */
        loop->links->entering = effect->event.error == ERROR_WRONG_PASSWORD
                                    ? LINK_OUTCOME_WRONG_PASSWORD
                                    : LINK_OUTCOME_NOT_FOUND;
        return;
    }
    conn->lacks_password = effect->event.error == ERROR_WRONG_PASSWORD;
    if (admission_is_guesser(loop, conn))
        delay_answer(loop, conn);
    else
        tell_event(loop, effect->client, &effect->event);
}

/* The edge counts a miss at another node as one here, and may say less of it than that node did. */
static void perform_remote_miss(struct loop *loop, struct conn *conn, enum relay_error error)
{
    if (!admission_may_tell_joiner(loop, conn, false)) {
        delay_answer(loop, conn);
        return;
    }
    const struct event event = {.type = EVENT_ERROR,
                                .error = error,
                                .protocol = conn_protocol(conn),
                                .of = envelope_type_name(ENVELOPE_JOIN)};
    perform_not_found(loop, &(struct effect_not_found){.client = conn->handle, .event = event});
}

void perform_remote_outcome(struct loop *loop, struct conn *conn, enum link_outcome outcome)
{
    if (conn->state != CONN_OPEN)
        return;
    switch (outcome) {
    case LINK_OUTCOME_NOT_FOUND:
        perform_remote_miss(loop, conn, ERROR_ROOM_NOT_FOUND);
        break;
    case LINK_OUTCOME_WRONG_PASSWORD:
        perform_remote_miss(loop, conn, ERROR_WRONG_PASSWORD);
        break;
    case LINK_OUTCOME_UNTOLD:
        delay_answer(loop, conn);
        break;
    case LINK_OUTCOME_SEATED:
    case LINK_OUTCOME_REFUSED:
    case LINK_OUTCOMES:
        break;
    }
}

void perform_delayed_answer(struct loop *loop, struct conn *conn)
{
    admission_stop_waiting(loop, conn);
    conn_set_state(conn, CONN_OPEN);
    poller_resume(loop->poller, &conn->socket);
    close_guesser(loop, conn);
}

/* Closes a client that has lost its seat. */
static void close_unseated(struct loop *loop, uint32_t client, enum counter counter, uint16_t code,
                           struct bytes reason)
{
    struct conn *conn = loop_client(loop, client);
    admission_seat_changed(loop, conn);
    /* If it is neither, it is closing for another reason. */
    if (conn->state == CONN_OPEN || conn->state == CONN_REMOTE)
        loop->stats.counters[counter]++;
    conn_out_close(loop, conn, code, reason);
}

/*
 * Moves the connection, with its join, to the loop that owns the code. conn_in sends it away when
 * it has kept the unread input.
 */
static void perform_move(struct loop *loop, const struct effect_move *effect)
{
    struct conn *speaker = loop_client(loop, effect->client);
    if (speaker->state == CONN_REMOTE) { /* its edge counts this node's loops in another way */
        conn_out_close(loop, speaker, WS_CLOSE_SERVICE_RESTART, BYTES("server is restarting"));
        return;
    }
    struct conn_input *input = loop_need_input(loop, speaker);
    struct join *join = join_copy(effect->join);
    if (input == NULL || join == NULL) {
        free(join);
        conn_out_lose_for_memory(loop, speaker);
        return;
    }
    input->join = join;
    conn_set_state(speaker, CONN_MOVING);
    speaker->move_target = effect->loop;
}

static void perform_replaced(struct loop *loop, const struct effect_replaced *effect)
{
    struct conn *heir = loop_client(loop, effect->heir);
    struct conn *from = loop_client(loop, effect->client);
    if (heir->state == CONN_OPEN && from->state == CONN_OPEN) /* allowances are the edges' */
        allowance_inherit(loop, heir, from);
    close_unseated(loop, effect->client, COUNTER_REPLACED, WS_CLOSE_REPLACED, BYTES("replaced"));
}

static void perform_kicked(struct loop *loop, const struct effect_kicked *effect)
{
    close_unseated(loop, effect->client, COUNTER_KICKED, WS_CLOSE_KICKED, effect->reason);
}

/* The client has given this connection up, and joined over another one. */
static void perform_given_up(struct loop *loop, const struct effect_given_up *effect)
{
    struct conn *conn = loop_client(loop, effect->client);
    loop->stats.counters[COUNTER_GIVEN_UP]++;
    conn_out_close(loop, conn, WS_CLOSE_GIVEN_UP, BYTES("given up"));
}

static void perform_room_closed(struct loop *loop, const struct effect_room_closed *effect)
{
    const struct room *room = effect->room;
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(room, &at, &client))
        close_unseated(loop, client, COUNTER_ROOM_CLOSED, WS_CLOSE_ROOM_CLOSED,
                       BYTES("room closed"));
    loop->work += room->member_count;
}

/* Another node has its slice now, or nobody. Who is adrift already stays; see edge_keep_member().
 */
static void perform_room_lost(struct loop *loop, const struct effect_room_lost *effect)
{
    const struct room *room = effect->room;
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(room, &at, &client)) {
        if (!loop_client(loop, client)->is_away)
            close_unseated(loop, client, COUNTER_RESTARTING, WS_CLOSE_SERVICE_RESTART,
                           BYTES("server is restarting"));
    }
    loop->work += room->member_count;
}

static void perform_room_added(struct loop *loop, const struct effect_room_added *effect)
{
    origins_add_room(&loop->server->origins, effect->origin_number);
}

static void perform_room_gone(struct loop *loop, const struct effect_room_gone *effect)
{
    origins_remove_room(&loop->server->origins, effect->origin_number);
}

static void perform_room_proven(struct loop *loop, const struct effect_room_proven *effect)
{
    origins_prove(&loop->server->origins, effect->origin_number, loop->clock_ms);
}

#define PERFORM(name, member, fields)            \
    case EFFECT_##name:                          \
        perform_##member(loop, &effect->member); \
        break;

void perform_effects(struct loop *loop, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        switch (effect->kind) {
            FOR_EACH_EFFECT(PERFORM)
        }
    }
}
