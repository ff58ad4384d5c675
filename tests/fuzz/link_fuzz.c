/*
 * What one node of a cluster reads from another one, which may be anything: a message of a link,
 * and the items in its part of the stream.
 *
 * - A header that is read is the same again when it is written. A link takes it at any moment; what
 *   voids the link is ignored by the one that then begins.
 * - Items that are read are the same bytes again when they are written. The stream in pieces gives
 *   the same items as the whole.
 *
 * Input: a byte of how long the pieces are; a message. If it has no header, all of it is stream.
 */
#include "cluster/link.h"
#include "cluster/link_item.h"
#include "fuzz/fuzz_input.h"

#define ITEM_MAX 4096
#define SESSION 7
#define PEER 8

static void check_turn(const struct link *link, uint64_t now_ms)
{
    uint64_t wait_ms = link_wait_ms(link, now_ms);
    assert(wait_ms <= LINK_IDLE_MS);
    assert((wait_ms == 0) == (link_check(link, now_ms) != LINK_NOTHING_DUE));
}

static void receive(struct link *link, const struct link_header *header, bool has_bytes)
{
    enum link_verdict verdict = link_receive(link, header, has_bytes, 2000);
    assert(verdict != LINK_TAKEN || (has_bytes && header->answers == SESSION));
    check_turn(link, 2000);
    if (verdict != LINK_VOID)
        return;
    assert(header->answers == SESSION);
    link_begin(link, SESSION + 1000, 2000);
    verdict = link_receive(link, header, has_bytes, 2000);
    assert(verdict == LINK_IGNORED || header->answers == SESSION + 1000);
    check_turn(link, 2000);
}

/* To a link that nobody has answered yet, and to one that has sent and taken something. */
static void check_links(const struct link_header *header, bool has_bytes)
{
    const struct link_header answer = {.session = PEER, .answers = SESSION, .number = 1};
    struct link link;
    link_begin(&link, SESSION, 1000);
    receive(&link, header, has_bytes);
    link_begin(&link, SESSION, 1000);
    enum link_verdict verdict = link_receive(&link, &answer, true, 1000);
    assert(verdict == LINK_TAKEN);
    (void)link_next(&link, true, 1000);
    receive(&link, header, has_bytes);
}

static struct bytes check_message(struct bytes message)
{
    uint8_t written[LINK_HEADER_BYTES];
    struct writer writer = writer_over(written, sizeof written);
    struct link_header header;
    struct bytes stream;
    if (!link_header_read(message, &header, &stream))
        return message;
    link_header_write(&writer, &header);
    assert(bytes_equal(writer_view(&writer), bytes_of(message.data, LINK_HEADER_BYTES)));
    assert(stream.length == message.length - LINK_HEADER_BYTES);
    check_links(&header, stream.length > 0);
    return stream;
}

static bool write_frame(struct buf *buf, const struct link_item *item)
{
    size_t begin = link_put_frame(buf, item->text, item->counts, link_item_client(item, 0));
    bool is_written = begin != SIZE_MAX;
    for (uint32_t i = 1; i < item->client_count; i++)
        is_written = is_written && link_add_client(buf, begin, link_item_client(item, i));
    return is_written;
}

static bool write(struct buf *buf, const struct link_item *item)
{
    switch (item->kind) {
    case LINK_ENTER:
        return link_put_enter(buf, item);
    case LINK_SAY:
        return link_put_say(buf, item->client, item->is_binary, item->text);
    case LINK_LEAVE:
        return link_put_leave(buf, item->client, item->departure);
    case LINK_ENTERED:
        return link_put_entered(buf, item);
    case LINK_FRAME:
        return write_frame(buf, item);
    case LINK_CLOSE:
        return link_put_close(buf, item->client, item->code, item->text);
    case LINK_ASK:
        return link_put_ask(buf, item);
    case LINK_ANSWER:
        return link_put_answer(buf, item);
    case LINK_RETURN:
        return link_put_return(buf, item);
    case LINK_KINDS:
        break;
    }
    return false;
}

/* Reads items off the stream, and writes them again; says what is left. */
static enum link_reading read_items(struct bytes *stream, struct buf *written)
{
    for (;;) {
        struct link_item item;
        struct bytes before = *stream;
        enum link_reading reading = link_item_next(stream, ITEM_MAX, &item);
        if (reading != LINK_ITEM) {
            assert(stream->data == before.data && stream->length == before.length);
            assert(reading == LINK_BROKEN || stream->length < ITEM_MAX);
            return reading;
        }
        assert(stream->length < before.length && before.length - stream->length <= ITEM_MAX);
        bool is_written = write(written, &item);
        assert(is_written);
    }
}

/* The same in pieces. What is not read yet is kept in memory of exactly its size. */
static enum link_reading read_pieces(struct bytes whole, size_t piece_length, struct buf *written)
{
    enum link_reading reading = LINK_NEEDS_MORE;
    struct bytes rest = bytes_of(whole.data, 0);
    while (reading == LINK_NEEDS_MORE && whole.length > 0) {
        struct bytes piece = fuzz_take(&whole, piece_length);
        struct bytes_mut copy = fuzz_copy(bytes_of(rest.data, rest.length + piece.length));
        struct bytes stream = bytes_of(copy.data, copy.length);
        reading = read_items(&stream, written);
        rest = bytes_of(piece.data + piece.length - stream.length, stream.length);
        free(copy.data);
    }
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    size_t piece_length = 1 + (size_t)fuzz_take_byte(&input);
    struct bytes_mut copy = fuzz_copy(input);
    struct bytes all = check_message(bytes_of(copy.data, copy.length));
    struct bytes stream = all;
    struct buf written;
    struct buf again;
    buf_init(&written, SIZE_MAX / 2);
    buf_init(&again, SIZE_MAX / 2);
    enum link_reading reading = read_items(&stream, &written);
    assert(bytes_equal(buf_view(&written), bytes_of(all.data, all.length - stream.length)));
    enum link_reading in_pieces = read_pieces(all, piece_length, &again);
    assert(in_pieces == reading);
    assert(bytes_equal(buf_view(&again), buf_view(&written)));
    buf_release(&written);
    buf_release(&again);
    free(copy.data);
    return 0;
}
