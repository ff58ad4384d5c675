/* The machine of a link, and the header of its messages. */
#include "cluster/link.h"

#include <assert.h>

#include "cluster/numbers.h"

#define HEADER_MARK "link\2" /* and the version */

bool link_header_read(struct bytes message, struct link_header *ret_header,
                      struct bytes *ret_stream)
{
    const struct bytes mark = BYTES(HEADER_MARK);
    if (message.length < LINK_HEADER_BYTES ||
        !bytes_equal(bytes_of(message.data, mark.length), mark))
        return false;
    const uint8_t *fields = message.data + mark.length;
    *ret_header = (struct link_header){
        .from = number_read(fields),
        .loop = fields[8],
        .session = number_read(fields + 9),
        .answers = number_read(fields + 17),
        .number = number_read(fields + 25),
        .received = number_read(fields + 33),
    };
    *ret_stream = bytes_of(message.data + LINK_HEADER_BYTES, message.length - LINK_HEADER_BYTES);
    return ret_header->session != 0;
}

void link_header_write(struct writer *writer, const struct link_header *header)
{
    WRITER_PUT(writer, HEADER_MARK);
    number_write(writer, header->from);
    writer_put_byte(writer, header->loop);
    number_write(writer, header->session);
    number_write(writer, header->answers);
    number_write(writer, header->number);
    number_write(writer, header->received);
}

void link_begin(struct link *link, uint64_t session, uint64_t now_ms)
{
    assert(session != 0);
    *link =
        (struct link){.session = session, .is_urgent = true, .heard_ms = now_ms, .sent_ms = now_ms};
}

bool link_is_open(const struct link *link)
{
    return link->is_open;
}

static void owe(struct link *link, uint64_t now_ms)
{
    if (!link->owes)
        link->owed_ms = now_ms;
    link->owes = true;
}

/* The message proves nothing: it may have been sent before this session began. */
static void hear_unproven(struct link *link, uint64_t session, uint64_t now_ms)
{
    if (session == link->peer_session)
        return;
    if (link->is_open) {
        owe(link, now_ms);
        return;
    }
    link->peer_session = session;
    link->is_urgent = true;
}

static void open_with(struct link *link, uint64_t peer_session)
{
    link->is_open = true;
    link->peer_session = peer_session;
    link->is_urgent = true;
}

static void take_acknowledgement(struct link *link, uint64_t received, uint64_t now_ms)
{
    if (received <= link->acknowledged)
        return;
    link->acknowledged = received;
    link->unacknowledged_ms = now_ms;
}

enum link_verdict link_receive(struct link *link, const struct link_header *header, bool has_bytes,
                               uint64_t now_ms)
{
    if (header->answers != link->session) {
        hear_unproven(link, header->session, now_ms);
        return LINK_IGNORED;
    }
    if (header->received > link->sent)
        return LINK_IGNORED; /* forged: so much was never sent */
    if (!link->is_open)
        open_with(link, header->session);
    if (header->session != link->peer_session)
        return LINK_VOID;
    link->heard_ms = now_ms;
    take_acknowledgement(link, header->received, now_ms);
    if (header->number <= link->received)
        return LINK_IGNORED;
    if (!has_bytes || header->number - link->received > 1)
        return LINK_VOID;
    link->received++;
    owe(link, now_ms);
    return LINK_TAKEN;
}

struct link_header link_next(struct link *link, bool has_bytes, uint64_t now_ms)
{
    assert(!has_bytes || link->is_open);
    if (has_bytes && link->acknowledged == link->sent)
        link->unacknowledged_ms = now_ms;
    link->sent += has_bytes;
    link->sent_ms = now_ms;
    link->owes = false;
    link->is_urgent = false;
    return (struct link_header){
        .session = link->session,
        .answers = link->peer_session,
        .number = link->sent,
        .received = link->received,
    };
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When the link is lost unless something comes. */
static uint64_t lost_at_ms(const struct link *link)
{
    uint64_t silent_ms = link->heard_ms + LINK_SILENT_MS;
    if (link->acknowledged == link->sent)
        return silent_ms;
    return least(silent_ms, link->unacknowledged_ms + LINK_UNACKNOWLEDGED_MS);
}

/* When the link has to speak unless it has spoken before. */
static uint64_t speaks_at_ms(const struct link *link)
{
    if (link->is_urgent)
        return 0;
    uint64_t idle_ms = link->sent_ms + (link->is_open ? LINK_IDLE_MS : LINK_OPENING_MS);
    return link->owes ? least(idle_ms, link->owed_ms + LINK_ACKNOWLEDGE_MS) : idle_ms;
}

enum link_due link_check(const struct link *link, uint64_t now_ms)
{
    if (now_ms >= lost_at_ms(link))
        return LINK_LOST;
    return now_ms >= speaks_at_ms(link) ? LINK_MUST_SPEAK : LINK_NOTHING_DUE;
}

uint64_t link_wait_ms(const struct link *link, uint64_t now_ms)
{
    uint64_t next_ms = least(lost_at_ms(link), speaks_at_ms(link));
    return next_ms > now_ms ? next_ms - now_ms : 0;
}
