/*
 * Records in a chain of segments: a record is written behind the last one, and dropped from the
 * front. A segment is freed when its last record is dropped, so the log shrinks as its readers
 * confirm.
 */
#include "relay/log.h"

#include <assert.h>
#include <stdlib.h>

#include "base/allocation.h"

#define SEGMENT_BYTES_LEAST 256
#define SEGMENT_BYTES_MOST 4096
#define SEGMENTS_LEAST 16 /* of a full log, so that making room costs a small part of it */
#define RECORD_ALIGNMENT 8

enum record_content {
    RECORD_SKIPPED, /* `count` events that are not kept */
    RECORD_BYTES,   /* the frame is in the record */
    RECORD_PAYLOAD, /* the record has the address of a payload, and a reference to it */
};

struct log_record {
    uint32_t size;        /* of the whole record, a multiple of RECORD_ALIGNMENT */
    uint32_t count;       /* of events; 1 unless SKIPPED */
    uint32_t index;       /* of the seat; EVERYONE_BUT, ONE */
    uint16_t index_count; /* SOME: so many indices are in the record, in front of the frame */
    uint8_t readers;      /* enum log_readers */
    uint8_t content;      /* enum record_content */
    uint32_t frame_length;
    uint8_t data[];
};

struct log_segment {
    struct log_segment *next;
    uint32_t begin; /* of the records that are not dropped */
    uint32_t end;
    uint32_t capacity;
    _Alignas(RECORD_ALIGNMENT) uint8_t data[];
};

static size_t padded(size_t size)
{
    return (size + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT;
}

static struct log_record *record_at(const struct log_segment *segment, size_t at)
{
    return (struct log_record *)(void *)((uint8_t *)(uintptr_t)segment->data + at);
}

static uint8_t *frame_of(struct log_record *record)
{
    return record->data + record->index_count * sizeof(uint32_t);
}

static struct payload *payload_of(struct log_record *record)
{
    struct payload *payload;
    memcpy(&payload, frame_of(record), sizeof payload);
    return payload;
}

static size_t payload_cost(const struct payload *payload)
{
    return allocation_cost(sizeof *payload + payload->length);
}

static size_t segment_cost(uint32_t capacity)
{
    return allocation_cost(sizeof(struct log_segment) + capacity);
}

static void dismiss(struct log *log, size_t bytes)
{
    assert(bytes <= log->bytes);
    log->bytes -= bytes;
    log->account->dismiss(log, bytes);
}

/* The record's events are counted from now on, and no frame is kept. */
static void leave_out(struct log *log, struct log_record *record)
{
    if (record->content == RECORD_PAYLOAD) {
        struct payload *payload = payload_of(record);
        dismiss(log, payload_cost(payload));
        payload_release(payload);
    }
    record->content = RECORD_SKIPPED;
}

static void free_first_segment(struct log *log)
{
    struct log_segment *segment = log->first;
    log->first = segment->next;
    if (log->first == NULL)
        log->last = NULL;
    dismiss(log, segment_cost(segment->capacity));
    free(segment);
}

static void drop_first_record(struct log *log)
{
    struct log_segment *segment = log->first;
    struct log_record *record = record_at(segment, segment->begin);
    leave_out(log, record);
    if (record == log->state)
        log->state = NULL;
    if (record == log->newest)
        log->newest = NULL;
    log->oldest += record->count;
    segment->begin += record->size;
    if (segment->begin == segment->end)
        free_first_segment(log);
}

static void drop_all(struct log *log)
{
    while (log->first != NULL)
        drop_first_record(log);
}

void log_init(struct log *log, size_t bytes_max, const struct log_account *account)
{
    *log = (struct log){.bytes_max = bytes_max, .account = account};
}

void log_release(struct log *log)
{
    drop_all(log);
    assert(log->bytes == 0);
}

/* Admits so many bytes, for which the oldest records make room. False: it is in vain. */
static bool admit(struct log *log, size_t bytes)
{
    if (bytes > log->bytes_max)
        return false;
    while (log->bytes + bytes > log->bytes_max || !log->account->admit(log, bytes)) {
        if (log->first == NULL)
            return false;
        drop_first_record(log);
    }
    log->bytes += bytes;
    return true;
}

static struct log_segment *add_segment(struct log *log, size_t size)
{
    /* As large as all before it together: most rooms miss little, and a few very much. */
    size_t capacity = log->bytes;
    if (capacity > log->bytes_max / SEGMENTS_LEAST)
        capacity = log->bytes_max / SEGMENTS_LEAST;
    if (capacity > SEGMENT_BYTES_MOST)
        capacity = SEGMENT_BYTES_MOST;
    if (capacity < SEGMENT_BYTES_LEAST)
        capacity = SEGMENT_BYTES_LEAST;
    capacity -= sizeof(struct log_segment);
    if (capacity < size)
        capacity = size;
    if (capacity > UINT32_MAX || !admit(log, segment_cost((uint32_t)capacity)))
        return NULL;
    struct log_segment *segment = malloc(sizeof *segment + capacity);
    if (segment == NULL) {
        dismiss(log, segment_cost((uint32_t)capacity));
        return NULL;
    }
    segment->next = NULL;
    segment->begin = 0;
    segment->end = 0;
    segment->capacity = (uint32_t)capacity;
    /* What made room for it may have emptied the log. */
    if (log->last == NULL)
        log->first = segment;
    else
        log->last->next = segment;
    log->last = segment;
    return segment;
}

/* A record of `length` bytes behind its indices, which are written. NULL: memory is short. */
static struct log_record *add_record(struct log *log, const struct log_address *address,
                                     size_t length)
{
    uint32_t index_count = address->readers == LOG_SOME ? address->index_count : 0;
    size_t indices_length = index_count * sizeof(uint32_t);
    size_t size = padded(sizeof(struct log_record) + indices_length + length);
    struct log_segment *segment = log->last;
    assert(index_count <= UINT16_MAX);
    if (segment == NULL || segment->capacity - segment->end < size)
        segment = add_segment(log, size);
    if (segment == NULL)
        return NULL;
    struct log_record *record = record_at(segment, segment->end);
    *record = (struct log_record){
        .size = (uint32_t)size,
        .count = 1,
        .index = address->index,
        .index_count = (uint16_t)index_count,
        .readers = (uint8_t)address->readers,
    };
    if (index_count > 0)
        memcpy(record->data, address->indices, indices_length);
    segment->end += record->size;
    log->newest = record;
    log->next++;
    return record;
}

/* Nobody who missed this event can be given what came before or behind it. */
void log_lose(struct log *log)
{
    drop_all(log);
    log->next++;
    log->oldest = log->next;
}

static bool keep_bytes(struct log *log, const struct log_address *address, struct bytes frame)
{
    struct log_record *record = add_record(log, address, frame.length);
    if (record == NULL)
        return false;
    record->content = RECORD_BYTES;
    record->frame_length = (uint32_t)frame.length;
    memcpy(frame_of(record), frame.data, frame.length);
    return true;
}

static struct log_record *keep_payload(struct log *log, const struct log_address *address,
                                       struct payload *payload)
{
    size_t cost = payload_cost(payload);
    if (!admit(log, cost))
        return NULL;
    struct log_record *record = add_record(log, address, sizeof payload);
    if (record == NULL) {
        dismiss(log, cost);
        return NULL;
    }
    record->content = RECORD_PAYLOAD;
    record->frame_length = payload->length;
    memcpy(frame_of(record), &payload, sizeof payload);
    payload_acquire(payload);
    return record;
}

void log_keep(struct log *log, const struct log_address *address, struct bytes frame,
              struct payload *payload)
{
    bool is_kept = payload != NULL ? keep_payload(log, address, payload) != NULL
                                   : keep_bytes(log, address, frame);
    if (!is_kept)
        log_lose(log);
}

void log_keep_state(struct log *log, const struct log_address *address, struct payload *payload)
{
    if (log->state != NULL)
        leave_out(log, log->state);
    log->state = keep_payload(log, address, payload);
    if (log->state == NULL)
        log_lose(log);
}

/* Whether an event with this address has the same readers as that of the record. */
static bool is_alike(const struct log_record *record, const struct log_address *address)
{
    return record->readers == address->readers && record->index == address->index &&
           address->readers != LOG_SOME;
}

void log_skip_many(struct log *log, const struct log_address *address, uint32_t count)
{
    struct log_record *record = add_record(log, address, 0);
    log->next += count - 1;
    if (record == NULL)
        log_lose(log);
    else
        record->count = count;
}

void log_skip(struct log *log, const struct log_address *address)
{
    struct log_record *last = log->newest;
    bool may_count_more = last != NULL && last->content == RECORD_SKIPPED &&
                          is_alike(last, address) && last->count < UINT32_MAX;
    if (!may_count_more) {
        log_skip_many(log, address, 1);
        return;
    }
    last->count++;
    log->next++;
}

bool log_give_way(struct log *log)
{
    if (log->first == NULL)
        return false;
    drop_first_record(log);
    return true;
}

void log_drop_before(struct log *log, uint64_t number)
{
    while (log->first != NULL) {
        const struct log_record *record = record_at(log->first, log->first->begin);
        if (log->oldest + record->count > number)
            return;
        drop_first_record(log);
    }
}

static bool is_among(const struct log_record *record, uint32_t index)
{
    for (uint32_t i = 0; i < record->index_count; i++) {
        uint32_t one;
        memcpy(&one, record->data + i * sizeof one, sizeof one);
        if (one == index)
            return true;
    }
    return false;
}

static bool is_for(const struct log_record *record, uint32_t index)
{
    switch ((enum log_readers)record->readers) {
    case LOG_EVERYONE:
        return true;
    case LOG_EVERYONE_BUT:
        return record->index != index;
    case LOG_ONE:
        return record->index == index;
    case LOG_SOME:
        return is_among(record, index);
    }
    return false;
}

/* The record that the cursor stands at; NULL at the end. */
static struct log_record *current(struct log_cursor *cursor)
{
    while (cursor->segment != NULL && cursor->at == cursor->segment->end) {
        cursor->segment = cursor->segment->next;
        cursor->at = cursor->segment == NULL ? 0 : cursor->segment->begin;
    }
    return cursor->segment == NULL ? NULL : record_at(cursor->segment, cursor->at);
}

/* How many of the record's events the reader counts; the first of them has number `ret_first`. */
static uint64_t count_for_reader(const struct log_cursor *cursor, const struct log_record *record,
                                 uint64_t *ret_first)
{
    uint64_t end = cursor->number + record->count;
    *ret_first = cursor->number < cursor->reader.since ? cursor->reader.since : cursor->number;
    return *ret_first < end && is_for(record, cursor->reader.index) ? end - *ret_first : 0;
}

static void advance(struct log_cursor *cursor, const struct log_record *record)
{
    cursor->number += record->count;
    cursor->at += record->size;
}

static struct log_cursor cursor_at_oldest(const struct log *log, struct log_reader reader)
{
    return (struct log_cursor){
        .reader = reader,
        .segment = log->first,
        .at = log->first == NULL ? 0 : log->first->begin,
        .number = log->oldest,
    };
}

/* All events that the log has for the reader. */
static uint64_t count_all(const struct log *log, struct log_reader reader)
{
    struct log_cursor cursor = cursor_at_oldest(log, reader);
    const struct log_record *record;
    uint64_t count = 0;
    uint64_t first;
    while ((record = current(&cursor)) != NULL) {
        count += count_for_reader(&cursor, record, &first);
        advance(&cursor, record);
    }
    return count;
}

bool log_find_missed(const struct log *log, struct log_reader reader, uint64_t count,
                     struct log_cursor *ret_cursor)
{
    uint64_t all = count_all(log, reader);
    *ret_cursor = cursor_at_oldest(log, reader);
    if (all < count)
        return false;
    ret_cursor->to_pass = all - count;
    return true;
}

struct log_cursor log_find_rest(const struct log *log, struct log_reader reader, uint64_t count)
{
    struct log_cursor cursor;
    if (!log_find_missed(log, reader, count, &cursor))
        cursor.lost = count - count_all(log, reader);
    return cursor;
}

/* Goes on to the first record with an event that the reader missed; NULL: there is none. */
static struct log_record *pass_seen(struct log_cursor *cursor, uint64_t *ret_count,
                                    uint64_t *ret_first)
{
    struct log_record *record;
    while ((record = current(cursor)) != NULL) {
        uint64_t count = count_for_reader(cursor, record, ret_first);
        if (count > cursor->to_pass) {
            *ret_count = count - cursor->to_pass;
            *ret_first += cursor->to_pass;
            return record;
        }
        cursor->to_pass -= count;
        advance(cursor, record);
    }
    return NULL;
}

static struct bytes kept_frame(struct log_record *record)
{
    bool is_payload = record->content == RECORD_PAYLOAD;
    const uint8_t *frame = is_payload ? payload_of(record)->data : frame_of(record);
    return bytes_of(frame, record->frame_length);
}

static bool is_wanted(const struct log_cursor *cursor, struct log_record *record)
{
    const struct log_filter *filter = cursor->filter;
    return filter == NULL || filter->is_wanted(filter, kept_frame(record));
}

bool log_next_missed(struct log_cursor *cursor, struct log_missed *ret_missed)
{
    struct log_record *record;
    uint64_t count;
    uint64_t first;
    *ret_missed = (struct log_missed){.skipped = cursor->lost};
    cursor->lost = 0;
    while ((record = pass_seen(cursor, &count, &first)) != NULL) {
        bool is_kept = record->content != RECORD_SKIPPED && is_wanted(cursor, record);
        if (is_kept && ret_missed->skipped > 0)
            return true;
        cursor->to_pass = 0;
        advance(cursor, record);
        if (!is_kept) {
            ret_missed->skipped += count;
            continue;
        }
        ret_missed->payload = record->content == RECORD_PAYLOAD ? payload_of(record) : NULL;
        ret_missed->frame = kept_frame(record);
        return true;
    }
    return ret_missed->skipped > 0;
}

struct log_cursor log_begin(const struct log *log)
{
    return cursor_at_oldest(log, (struct log_reader){0});
}

bool log_next_entry(const struct log *log, struct log_cursor *cursor, struct log_entry *ret_entry)
{
    struct log_record *record = current(cursor);
    if (record == NULL)
        return false;
    bool is_kept = record->content != RECORD_SKIPPED;
    *ret_entry = (struct log_entry){
        .address = {.readers = (enum log_readers)record->readers,
                    .index = record->index,
                    .indices = (const uint32_t *)(const void *)record->data,
                    .index_count = record->index_count},
        .skipped = is_kept ? 0 : record->count,
        .is_state = record == log->state,
        .frame = is_kept ? kept_frame(record) : (struct bytes){0},
    };
    advance(cursor, record);
    return true;
}

void log_resume(struct log *log, uint64_t oldest)
{
    assert(log->first == NULL && log->next == 0);
    log->oldest = oldest;
    log->next = oldest;
}

uint64_t log_seen_until(const struct log *log, struct log_reader reader, uint64_t count)
{
    struct log_cursor cursor;
    uint64_t left;
    uint64_t first;
    if (count == 0)
        return log->next;
    if (!log_find_missed(log, reader, count, &cursor) || pass_seen(&cursor, &left, &first) == NULL)
        return log->oldest;
    return first;
}
