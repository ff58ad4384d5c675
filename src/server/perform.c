/* An event is written once, framed once, and appended to each recipient's queue. */
#include "server/perform.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "relay/dialect.h"
#include "server/admission.h"
#include "server/allowance.h"
#include "server/conn_out.h"

/* The event's frame in memory of its own. False: memory is short. */
static bool encode_shared(struct loop *loop, const struct event *event, size_t text_length,
                          struct frame *ret_frame)
{
    uint8_t header[WS_FRAME_HEADER_OUT_MAX];
    size_t header_length = ws_frame_write_header(header, WS_OPCODE_TEXT, text_length);
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
 * Writes the event and its frame header, once for all recipients. Small frames go to scratch
 * memory, the header right before the text; large ones are measured first and then written where
 * all their recipients will share them.
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
    size_t header_length = ws_frame_write_header(header, WS_OPCODE_TEXT, writer.length);
    uint8_t *first = text - header_length;
    memcpy(first, header, header_length);
    *ret_frame = (struct frame){.bytes = bytes_of(first, header_length + writer.length)};
    return true;
}

/* The event's frame in memory of its own, however short it is. False: memory is short. */
static bool encode_to_keep(struct loop *loop, const struct event *event, struct frame *ret_frame)
{
    struct writer measure = writer_over(NULL, 0);
    dialect_write(&measure, event);
    loop->work += measure.length / 1024;
    return encode_shared(loop, event, measure.length, ret_frame);
}

static inline void tell(struct loop *loop, uint32_t client, const struct frame *frame)
{
    conn_out_frame(loop, loop_client(loop, client), frame);
}

/* A message that can't be encoded can't be delivered: who was to get it is closed, never skipped.
 */
static void abandon_recipient(struct loop *loop, uint32_t client)
{
    conn_out_lose_for_memory(loop, loop_client(loop, client));
}

static void count_deliveries(struct loop *loop, uint32_t count)
{
    loop->stats.counters[COUNTER_DELIVERIES] += count;
    loop->work += count;
}

static void tell_client(struct loop *loop, const struct effect *effect)
{
    struct frame frame = {0};
    if (effect->event.type == EVENT_ERROR)
        loop->stats.errors[effect->event.error]++;
    if (!encode(loop, &effect->event, &frame)) {
        abandon_recipient(loop, effect->client);
        return;
    }
    tell(loop, effect->client, &frame);
    count_deliveries(loop, 1);
    payload_release(frame.payload);
}

static void tell_error(struct loop *loop, uint32_t client, enum relay_error error)
{
    const struct effect answer = {
        .client = client,
        .event = {.type = EVENT_ERROR, .error = error},
    };
    tell_client(loop, &answer);
}

/* The frame to all members of the room but one; without a frame, they are lost. */
static void queue_for_room(struct loop *loop, const struct room *room, uint32_t except,
                           const struct frame *frame)
{
    uint32_t told = 0;
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(room, &at, &client)) {
        if (client == except)
            continue;
        if (frame != NULL)
            tell(loop, client, frame);
        else
            abandon_recipient(loop, client);
        told++;
    }
    count_deliveries(loop, told);
}

static void tell_room(struct loop *loop, const struct effect *effect)
{
    struct frame frame = {0};
    bool is_encoded = encode(loop, &effect->event, &frame);
    queue_for_room(loop, effect->room, effect->client, is_encoded ? &frame : NULL);
    payload_release(frame.payload);
}

static void refuse_for_memory(struct loop *loop, struct conn *speaker)
{
    loop->stats.counters[COUNTER_NO_MEMORY]++;
    conn_out_close(loop, speaker, WS_CLOSE_TRY_AGAIN_LATER, BYTES("out of memory"));
}

/* The frame that the others get is the one that is kept, and all who join later get it, too. */
static void keep_state(struct loop *loop, struct conn *speaker, const struct effect *effect)
{
    struct frame frame = {0};
    if (!encode_to_keep(loop, &effect->event, &frame)) {
        refuse_for_memory(loop, speaker);
        return;
    }
    if (relay_keep_state(&loop->relay, effect->room, frame.payload))
        queue_for_room(loop, effect->room, effect->client, &frame);
    else
        tell_error(loop, effect->client, ERROR_STATE_NO_MEMORY);
    payload_release(frame.payload);
}

static void tell_state(struct loop *loop, const struct effect *effect)
{
    struct payload *state = room_state(effect->room);
    const struct frame frame = {bytes_of(state->data, state->length), state};
    tell(loop, effect->client, &frame);
    count_deliveries(loop, 1);
}

/*
 * The last that a guesser hears. When its own misses are too many, the last of them is told; when
 * its address has had too many, nothing is that would depend on a room, and it may try later.
 */
static void turn_away(struct loop *loop, struct conn *conn)
{
    if (!admission_is_guesser(loop, conn)) {
        conn_out_close(loop, conn, WS_CLOSE_TRY_AGAIN_LATER, BYTES("too many attempts"));
        return;
    }
    tell_error(loop, conn->handle, ERROR_ROOM_NOT_FOUND);
    conn_out_close(loop, conn, WS_CLOSE_POLICY, BYTES("too many failed joins"));
}

/* A client that guesses codes waits for its last answer, is not read meanwhile, and is closed then.
 */
static void delay_answer(struct loop *loop, struct conn *conn)
{
    loop->stats.counters[COUNTER_JOINS_PENALIZED]++;
    if (!places_begin_waiting(&loop->server->places, conn->place)) {
        turn_away(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_DELAYED);
    poller_pause(loop->poller, &conn->socket);
    loop_set_deadline(loop, conn, DEADLINE_PENALTY);
}

void perform_delayed_answer(struct loop *loop, struct conn *conn)
{
    admission_stop_waiting(loop, conn);
    conn_set_state(conn, CONN_OPEN);
    poller_resume(loop->poller, &conn->socket);
    turn_away(loop, conn);
}

/* A client that has lost its seat is closed with the reason. */
static void close_unseated(struct loop *loop, uint32_t client, enum counter counter, uint16_t code,
                           struct bytes reason)
{
    struct conn *conn = loop_client(loop, client);
    admission_seat_changed(loop, conn);
    if (conn->state == CONN_OPEN) /* else it is closing for a reason of its own */
        loop->stats.counters[counter]++;
    conn_out_close(loop, conn, code, reason);
}

/*
 * The connection goes to the loop that has the code, and its join with it; conn_in sends it away
 * when what it was about to read is kept.
 */
static void move(struct loop *loop, struct conn *speaker, const struct effect *effect)
{
    struct conn_input *input = loop_need_input(loop, speaker);
    size_t length = offsetof(struct join, id) + effect->join->id_length;
    struct join *join = malloc(length);
    if (input == NULL || join == NULL) {
        free(join);
        conn_out_lose_for_memory(loop, speaker);
        return;
    }
    memcpy(join, effect->join, length);
    input->join = join;
    conn_set_state(speaker, CONN_MOVING);
    speaker->move_target = effect->loop;
}

static void close_replaced(struct loop *loop, struct conn *heir, uint32_t client)
{
    allowance_inherit(loop, heir, loop_client(loop, client));
    close_unseated(loop, client, COUNTER_REPLACED, WS_CLOSE_REPLACED, BYTES("replaced"));
}

static void close_members(struct loop *loop, const struct room *room)
{
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(room, &at, &client))
        close_unseated(loop, client, COUNTER_ROOM_CLOSED, WS_CLOSE_ROOM_CLOSED,
                       BYTES("room closed"));
    loop->work += room->member_count;
}

void perform_effects(struct loop *loop, struct conn *speaker, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        switch (effect->kind) {
        case EFFECT_TO_CLIENT:
            tell_client(loop, effect);
            break;
        case EFFECT_NOT_FOUND:
            if (admission_is_guesser(loop, speaker))
                delay_answer(loop, speaker);
            else
                tell_client(loop, effect);
            break;
        case EFFECT_UNTOLD:
            delay_answer(loop, speaker);
            break;
        case EFFECT_TO_ROOM:
            tell_room(loop, effect);
            break;
        case EFFECT_KEEP_STATE:
            keep_state(loop, speaker, effect);
            break;
        case EFFECT_TELL_STATE:
            tell_state(loop, effect);
            break;
        case EFFECT_ROOM_CLOSED:
            close_members(loop, effect->room);
            break;
        case EFFECT_REPLACED:
            close_replaced(loop, speaker, effect->client);
            break;
        case EFFECT_MOVE:
            move(loop, speaker, effect);
            break;
        case EFFECT_ROOM_ADDED:
            origins_add_room(&loop->server->origins, effect->origin);
            break;
        case EFFECT_ROOM_GONE:
            origins_remove_room(&loop->server->origins, effect->origin);
            break;
        case EFFECT_ROOM_PROVEN:
            origins_prove(&loop->server->origins, effect->origin, loop->clock_ms);
            break;
        case EFFECT_NO_MEMORY:
            refuse_for_memory(loop, speaker);
            break;
        }
    }
}
