/*
 * The log of a room of protocol 3 at an upgrade, in bytes: logs are most of what a process hands
 * over, and everybody waits until they are read. Both programs run on the same machine, so numbers
 * are in its byte order. A change needs another number of the handover; see server/handover.h.
 */
#include "relay/record_parts.h"

enum raw_content { RAW_SKIPPED, RAW_FRAME, RAW_STATE };

/* What is in front of an event's indices, each of four bytes, and of its frame. */
struct raw_event {
    uint32_t index;       /* of the seat; EVERYONE_BUT, ONE */
    uint32_t length;      /* of the frame; SKIPPED: so many events are not kept */
    uint16_t index_count; /* SOME */
    uint8_t readers;      /* enum log_readers */
    uint8_t content;      /* enum raw_content */
};

_Static_assert(sizeof(struct raw_event) == 12, "it has no padding, which would not be initialised");
_Static_assert(LOG_EVERYONE == 0 && LOG_EVERYONE_BUT == 1 && LOG_ONE == 2 && LOG_SOME == 3,
               "handovers have these numbers");

static bool has_index(uint8_t readers)
{
    return readers == LOG_EVERYONE_BUT || readers == LOG_ONE;
}

static struct raw_event raw_of(const struct log_entry *entry)
{
    const struct log_address *address = &entry->address;
    uint8_t readers = (uint8_t)address->readers;
    struct raw_event raw = {
        .index = has_index(readers) ? address->index : 0,
        .index_count = readers == LOG_SOME ? (uint16_t)address->index_count : 0,
        .readers = readers,
    };
    if (entry->is_state) {
        raw.content = RAW_STATE;
    } else if (entry->skipped > 0) {
        raw.content = RAW_SKIPPED;
        raw.length = entry->skipped;
    } else {
        raw.content = RAW_FRAME;
        raw.length = (uint32_t)entry->frame.length;
    }
    return raw;
}

void record_write_log(struct writer *writer, const struct room *room)
{
    struct log_cursor cursor;
    struct log_entry entry;
    if (room->party == NULL)
        return;
    cursor = log_begin(&room->party->log);
    while (log_next_entry(&room->party->log, &cursor, &entry)) {
        struct raw_event raw = raw_of(&entry);
        writer_put(writer, bytes_of(&raw, sizeof raw));
        writer_put(writer, bytes_of(entry.address.indices, raw.index_count * sizeof(uint32_t)));
        if (raw.content == RAW_FRAME)
            writer_put(writer, entry.frame);
    }
}

/* Takes the next bytes. False: there are fewer. */
static bool take(struct bytes *rest, size_t length, struct bytes *ret_bytes)
{
    if (length > rest->length)
        return false;
    *ret_bytes = bytes_of(rest->data, length);
    *rest = bytes_of(rest->data + length, rest->length - length);
    return true;
}

/* Takes the indices of an event, and says whom it is for. False: it is for nobody. */
static bool take_address(struct bytes *rest, const struct raw_event *raw,
                         uint32_t indices[TARGETS_MAX], struct log_address *ret_address)
{
    struct bytes bytes;
    uint32_t count = raw->index_count;
    if (raw->readers > LOG_SOME || count > (raw->readers == LOG_SOME ? TARGETS_MAX : 0) ||
        raw->index > (has_index(raw->readers) ? INDEX_AUDIENCE - 1 : 0) ||
        !take(rest, count * sizeof *indices, &bytes))
        return false;
    if (count > 0)
        memcpy(indices, bytes.data, bytes.length);
    for (uint32_t i = 0; i < count; i++) {
        if (indices[i] >= INDEX_AUDIENCE)
            return false;
    }
    *ret_address = (struct log_address){.readers = (enum log_readers)raw->readers,
                                        .index = raw->index,
                                        .indices = count > 0 ? indices : NULL,
                                        .index_count = count};
    return true;
}

static bool take_event(struct room *room, struct bytes *rest)
{
    struct log *log = &room->party->log;
    struct raw_event raw;
    struct log_address address;
    struct bytes bytes;
    uint32_t indices[TARGETS_MAX];
    if (!take(rest, sizeof raw, &bytes))
        return false;
    memcpy(&raw, bytes.data, sizeof raw);
    if (!take_address(rest, &raw, indices, &address))
        return false;
    switch (raw.content) {
    case RAW_SKIPPED:
        if (raw.length == 0)
            return false;
        log_skip_many(log, &address, raw.length);
        return true;
    case RAW_FRAME:
        if (raw.length == 0 || !take(rest, raw.length, &bytes))
            return false;
        log_keep(log, &address, bytes, NULL);
        return true;
    case RAW_STATE:
        if (raw.length != 0 || room_state(room) == NULL)
            return false;
        log_keep_state(log, &address, room_state(room));
        return true;
    default:
        return false;
    }
}

bool record_read_log(struct room *room, struct bytes log)
{
    while (log.length > 0) {
        if (!take_event(room, &log))
            return false;
    }
    return true;
}
