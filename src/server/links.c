/*
 * What an end has before its link is open waits until it is. Each turn's message of an end goes out
 * in pieces of at most LINK_MESSAGE_BYTES_MAX.
 */
#include "server/links.h"

#include <stdlib.h>

#include "relay/code.h"

#define KEPT_BYTES_MAX ((size_t)64 << 10) /* of a buffer's memory, when it is empty */

bool links_init(struct loop *loop)
{
    loop->links = calloc(1, sizeof *loop->links);
    if (loop->links == NULL)
        return false;
    loop->links->advanced_ms = loop->now_ms;
    for (enum code_kind kind = 0; kind < CODE_KINDS; kind++)
        loop->links->code_requests[kind] = (struct code_request){
            .mail.kind = MAIL_CODES, .kind = kind, .loop = loop->index, .due_ms = loop->now_ms};
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++)
        loop->links->owners[slice].word = PEER_NOBODY;
    return true;
}

static void forget_frame(struct link_end *end)
{
    payload_release(end->frame_payload);
    end->frame_payload = NULL;
    end->frame_begin = SIZE_MAX;
}

static void free_end(struct loop *loop, struct link_end *end)
{
    loop->charged -= end->charged;
    loop->links->in_bytes -= end->in_bytes;
    forget_frame(end);
    buf_release(&end->out);
    buf_release(&end->in);
    free(end);
}

void links_release(struct loop *loop)
{
    struct links *links = loop->links;
    if (links == NULL)
        return;
    for (uint32_t i = 0; i < links->count; i++)
        free_end(loop, links->ends[i]);
    for (uint32_t i = 0; i < links->attachment_count; i++)
        free(links->attachments[i].way_back);
    free(links->attachments);
    free(links->adrift.clients);
    free(links);
    loop->links = NULL;
}

static uint64_t now_ms(const struct loop *loop)
{
    return loop->links->now_ms;
}

void links_advance(struct loop *loop)
{
    struct links *links = loop->links;
    links->now_ms += (uint32_t)(loop->now_ms - links->advanced_ms);
    links->advanced_ms = loop->now_ms;
}

static uint64_t draw_session(const struct loop *loop)
{
    uint64_t session = 0;
    while (session == 0)
        loop->kernel->random(&session, sizeof session);
    return session;
}

static struct link_end *add_end(struct loop *loop, uint64_t incarnation, uint32_t peer_loop)
{
    struct links *links = loop->links;
    struct link_end *end = links->count < LINKS_MAX ? calloc(1, sizeof *end) : NULL;
    if (end == NULL)
        return NULL;
    end->incarnation = incarnation;
    end->peer_loop = peer_loop;
    end->frame_begin = SIZE_MAX;
    buf_init(&end->out, LINK_OUT_BYTES_MAX);
    buf_init(&end->in, LINK_ITEM_BYTES_MAX + LINK_MESSAGE_BYTES_MAX);
    end->used_ms = now_ms(loop);
    link_begin(&end->link, draw_session(loop), end->used_ms);
    links->ends[links->count++] = end;
    return end;
}

/* Whether such a loop of a peer may be there: a stranger can't make this loop keep ends for it. */
static bool is_known(const struct loop *loop, const struct link_header *header)
{
    const struct peers *peers = loop->server->peers;
    for (uint32_t place = 0; place < PEERS_MAX; place++) {
        uint64_t incarnation = atomic_load(&peers->peers[place].incarnation);
        if (incarnation == header->from)
            return header->loop < atomic_load(&peers->peers[place].loops);
        if (incarnation == 0)
            break;
    }
    return false;
}

struct link_end *links_find(struct loop *loop, uint64_t incarnation, uint32_t peer_loop)
{
    struct links *links = loop->links;
    for (uint32_t i = 0; i < links->count; i++) {
        struct link_end *end = links->ends[i];
        if (end->incarnation == incarnation && end->peer_loop == peer_loop)
            return end;
    }
    return add_end(loop, incarnation, peer_loop);
}

struct link_end *links_find_home(struct loop *loop, uint32_t slice, uint64_t code)
{
    struct ownership_word owner = loop->links->owners[slice];
    if (!peers_is_other(owner))
        return NULL;
    const struct peer *peer = &loop->server->peers->peers[peers_place(owner)];
    struct link_end *end = links_find(loop, atomic_load(&peer->incarnation),
                                      code_owner(code, atomic_load(&peer->loops)));
    return end == NULL || end->is_void ? NULL : end;
}

/* Makes room for the attachments of all handles there are. */
static bool has_places(struct loop *loop)
{
    struct links *links = loop->links;
    uint32_t capacity = loop->connections.capacity;
    if (links->attachment_count >= capacity)
        return true;
    struct attachment *attachments = realloc(links->attachments, capacity * sizeof *attachments);
    if (attachments == NULL)
        return false;
    memset(attachments + links->attachment_count, 0,
           (capacity - links->attachment_count) * sizeof *attachments);
    links->attachments = attachments;
    links->attachment_count = capacity;
    return true;
}

struct attachment *links_attachment(struct loop *loop, const struct conn *conn)
{
    return has_places(loop) ? &loop->links->attachments[conn->handle & HANDLE_INDEX_MASK] : NULL;
}

_Static_assert(LINK_ID_MAX == CLIENT_ID_CANONICAL_MAX, "a link takes each clientId");

void links_tell_join(struct link_item *item, const struct join *join)
{
    item->text = bytes_of(join->id, join->id_length);
    item->seat = (struct link_seat){.code = join->code,
                                    .epoch = join->epoch,
                                    .seen = join->seen,
                                    .session = join->session.hash,
                                    .attempt = join->session.attempt};
}

void links_read_join(const struct link_item *item, struct join *ret_join)
{
    const struct link_seat *seat = &item->seat;
    ret_join->code = seat->code;
    ret_join->session = (struct session){.hash = seat->session, .attempt = seat->attempt};
    ret_join->epoch = seat->epoch;
    ret_join->seen = seat->seen;
    ret_join->unasked = item->unasked;
    ret_join->is_audience = false;
    ret_join->password_length = 0;
    ret_join->id_length = item->text.length;
    memcpy(ret_join->id, item->text.data, item->text.length);
}

/* Another item follows: clients can't be added to the frame before it any more. */
static void note_put(struct link_end *end, bool is_put)
{
    forget_frame(end);
    if (!is_put)
        end->is_void = true;
}

void links_put_enter(struct link_end *end, const struct link_item *item)
{
    note_put(end, link_put_enter(&end->out, item));
}

void links_put_say(struct link_end *end, uint32_t client, bool is_binary, struct bytes text)
{
    note_put(end, link_put_say(&end->out, client, is_binary, text));
}

void links_put_leave(struct link_end *end, uint32_t client, uint8_t departure)
{
    note_put(end, link_put_leave(&end->out, client, departure));
}

void links_put_return(struct link_end *end, const struct link_item *item)
{
    note_put(end, link_put_return(&end->out, item));
}

void links_put_entered(struct link_end *end, const struct link_item *item)
{
    note_put(end, link_put_entered(&end->out, item));
}

void links_put_close(struct link_end *end, uint32_t client, uint16_t code, struct bytes reason)
{
    note_put(end, link_put_close(&end->out, client, code, reason));
}

void links_put_ask(struct link_end *end, const struct link_item *item)
{
    note_put(end, link_put_ask(&end->out, item));
}

void links_put_answer(struct link_end *end, const struct link_item *item)
{
    note_put(end, link_put_answer(&end->out, item));
}

/*
 * Whether this is the frame that the last item has. Long frames are in payloads, which are
 * compared by their address, since the end holds the payload.
 */
static bool is_last_frame(const struct link_end *end, struct bytes frame, uint64_t counts,
                          const struct payload *payload)
{
    if (end->frame_begin == SIZE_MAX || end->frame_length != frame.length ||
        end->frame_counts != counts)
        return false;
    if (payload != NULL || end->frame_payload != NULL)
        return payload == end->frame_payload;
    return memcmp(link_frame_at(&end->out, end->frame_begin), frame.data, frame.length) == 0;
}

void links_put_frame(struct link_end *end, uint32_t client, struct bytes frame, uint64_t counts,
                     struct payload *payload)
{
    if (is_last_frame(end, frame, counts, payload) &&
        link_add_client(&end->out, end->frame_begin, client))
        return;
    forget_frame(end);
    end->frame_begin = link_put_frame(&end->out, frame, counts, client);
    end->frame_length = frame.length;
    end->frame_counts = counts;
    end->frame_payload = payload == NULL ? NULL : payload_acquire(payload);
    if (end->frame_begin == SIZE_MAX)
        end->is_void = true;
}

static void charge(struct loop *loop, struct link_end *end)
{
    size_t bytes = end->in.capacity + end->out.capacity;
    loop->charged += bytes - end->charged;
    end->charged = bytes;
    loop->links->in_bytes += end->in.length - end->in_bytes;
    end->in_bytes = end->in.length;
}

struct link_end *links_take(struct loop *loop, struct bytes message)
{
    struct link_header header;
    struct bytes stream;
    if (!link_header_read(message, &header, &stream) || !is_known(loop, &header))
        return NULL;
    struct link_end *end = links_find(loop, header.from, header.loop);
    if (end == NULL || end->is_void)
        return end;
    bool was_open = link_is_open(&end->link);
    enum link_verdict verdict = link_receive(&end->link, &header, stream.length > 0, now_ms(loop));
    loop->links->has_new_link |= !was_open && link_is_open(&end->link);
    if (verdict == LINK_IGNORED)
        return NULL;
    end->used_ms = now_ms(loop);
    bool fits = loop->links->in_bytes + stream.length <= LINKS_IN_BYTES_MAX;
    if (verdict == LINK_VOID || !fits || buf_append(&end->in, stream) != BUF_OK)
        end->is_void = true;
    charge(loop, end);
    return end;
}

bool links_next_item(struct loop *loop, struct link_end *end, struct link_item *ret_item)
{
    struct bytes stream = bytes_of(end->in.data + end->taken, end->in.length - end->taken);
    if (end->is_void)
        return false;
    switch (link_item_next(&stream, LINK_ITEM_BYTES_MAX, ret_item)) {
    case LINK_ITEM:
        end->taken = end->in.length - stream.length;
        return true;
    case LINK_NEEDS_MORE:
        break;
    case LINK_BROKEN:
        end->is_void = true;
        return false;
    }
    memmove(end->in.data, stream.data, stream.length);
    end->in.length = stream.length;
    end->taken = 0;
    if (end->in.length == 0 && end->in.capacity > KEPT_BYTES_MAX)
        buf_release(&end->in);
    charge(loop, end);
    return false;
}

struct link_end *links_find_void(struct loop *loop)
{
    struct links *links = loop->links;
    for (uint32_t i = 0; i < links->count; i++) {
        if (links->ends[i]->is_void)
            return links->ends[i];
    }
    return NULL;
}

void links_begin_anew(struct loop *loop, struct link_end *end)
{
    forget_frame(end);
    buf_release(&end->out);
    buf_release(&end->in);
    end->taken = 0;
    end->is_void = false;
    link_begin(&end->link, draw_session(loop), now_ms(loop));
    charge(loop, end);
}

/* Sends one message, with this part of the stream. */
static void send(struct loop *loop, struct link_end *end, struct bytes part)
{
    const struct peers *peers = loop->server->peers;
    struct link_header header = link_next(&end->link, part.length > 0, now_ms(loop));
    header.from = peers->incarnation;
    header.loop = (uint8_t)loop->index;
    struct writer writer = writer_over(loop->links->message, sizeof loop->links->message);
    link_header_write(&writer, &header);
    writer_put(&writer, part);
    if (!peers->publish(peers->context, end->incarnation, end->peer_loop, writer_view(&writer)))
        end->is_void = true;
}

static void flush(struct loop *loop, struct link_end *end)
{
    size_t most = LINK_MESSAGE_BYTES_MAX - LINK_HEADER_BYTES;
    forget_frame(end);
    for (size_t at = 0; at < end->out.length && !end->is_void; at += most) {
        size_t left = end->out.length - at;
        send(loop, end, bytes_of(end->out.data + at, left < most ? left : most));
    }
    end->out.length = 0;
    if (end->out.capacity > KEPT_BYTES_MAX)
        buf_release(&end->out);
    charge(loop, end);
}

/* Says what a link has to say when it has no items. */
static void speak(struct loop *loop, struct link_end *end)
{
    switch (link_check(&end->link, now_ms(loop))) {
    case LINK_NOTHING_DUE:
        break;
    case LINK_MUST_SPEAK:
        send(loop, end, (struct bytes){0});
        break;
    case LINK_LOST:
        end->is_void = true;
        break;
    }
}

/*
 * Whether nobody misses the end. One that is open stays: its peer may have something for it at any
 * moment, and would find the link void.
 */
static bool is_unused(struct loop *loop, const struct link_end *end)
{
    return end->clients == 0 && !link_is_open(&end->link) &&
           now_ms(loop) - end->used_ms > LINK_UNUSED_MS;
}

void links_flush(struct loop *loop)
{
    struct links *links = loop->links;
    for (uint32_t i = 0; i < links->count; i++) {
        struct link_end *end = links->ends[i];
        if (end->is_void)
            continue;
        if (end->out.length > 0 && link_is_open(&end->link)) {
            end->used_ms = now_ms(loop);
            flush(loop, end);
        } else if (is_unused(loop, end)) {
            links->ends[i--] = links->ends[--links->count];
            free_end(loop, end);
        } else {
            speak(loop, end);
        }
    }
}

int links_wait_ms(const struct loop *loop)
{
    const struct links *links = loop->links;
    uint64_t least_ms = LINK_UNUSED_MS;
    for (uint32_t i = 0; i < links->count; i++) {
        const struct link_end *end = links->ends[i];
        bool is_due = end->is_void || (end->out.length > 0 && link_is_open(&end->link));
        uint64_t wait_ms = is_due ? 0 : link_wait_ms(&end->link, now_ms(loop));
        least_ms = wait_ms < least_ms ? wait_ms : least_ms;
    }
    if (links->adrift.count > 0) {
        int32_t left_ms = (int32_t)(links->adrift.due_ms - loop->now_ms);
        uint64_t wait_ms = left_ms < 0 ? 0 : (uint64_t)left_ms;
        least_ms = wait_ms < least_ms ? wait_ms : least_ms;
    }
    return links->count == 0 && links->adrift.count == 0 ? -1 : (int)least_ms;
}
