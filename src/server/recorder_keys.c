/* Keys as texts, what this node has recorded, and keys that nobody needs any more. */
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/recorder_parts.h"

#define MARK "-" /* in place of a code; no code has it */
#define END ".end"

void record_key_write(const struct record_key *key, char ret_text[RECORDER_KEY_MAX])
{
    uint8_t code[CODE_LENGTH_MAX + 1] = MARK;
    size_t length = key->kind == RECORD_KIND_MARK ? 1 : code_write(key->code, code);
    snprintf(ret_text, RECORDER_KEY_MAX, "%u.%.*s.%llu%s", key->slice, (int)length,
             (const char *)code, (unsigned long long)key->term,
             key->kind == RECORD_KIND_END ? END : "");
}

/* The bytes before the next dot, of which the text keeps the rest. */
static struct bytes take_word(struct bytes *text)
{
    size_t length = 0;
    while (length < text->length && text->data[length] != '.')
        length++;
    struct bytes word = bytes_of(text->data, length);
    size_t taken = length < text->length ? length + 1 : length;
    *text = bytes_of(text->data + taken, text->length - taken);
    return word;
}

static bool read_number(struct bytes word, uint64_t most, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (word.length == 0 || word.length > 16)
        return false;
    for (size_t i = 0; i < word.length; i++) {
        if (word.data[i] < '0' || word.data[i] > '9')
            return false;
        number = number * 10 + (word.data[i] - '0');
    }
    *ret_number = number;
    return number <= most;
}

static bool read_key(struct bytes text, struct record_key *ret_key)
{
    uint64_t slice;
    struct bytes slice_word = take_word(&text);
    struct bytes code = take_word(&text);
    struct bytes term = take_word(&text);
    *ret_key = (struct record_key){.kind = RECORD_KIND_ROOM, .code = RECORDER_NO_CODE};
    if (!read_number(slice_word, MAP_SLICES - 1, &slice) ||
        !read_number(term, MAP_NUMBER_MAX, &ret_key->term) || ret_key->term == 0)
        return false;
    ret_key->slice = (uint32_t)slice;
    if (bytes_equal(code, BYTES(MARK))) {
        ret_key->kind = RECORD_KIND_MARK;
        return text.length == 0;
    }
    if (bytes_equal(text, BYTES("end")))
        ret_key->kind = RECORD_KIND_END;
    else if (text.length > 0)
        return false;
    return code_read(code, &ret_key->code) && peers_slice_of(ret_key->code) == slice;
}

/* Numbers and codes can be spelled in several ways: two keys would be taken for one. */
bool record_key_read(struct bytes text, struct record_key *ret_key)
{
    char written[RECORDER_KEY_MAX];
    if (!read_key(text, ret_key))
        return false;
    record_key_write(ret_key, written);
    return bytes_equal(text, bytes_of_string(written));
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int record_key_compare(const void *a, const void *b)
{
    const struct record_key *one = a;
    const struct record_key *other = b;
    int order = compare_numbers(one->code, other->code);
    if (order == 0)
        order = compare_numbers(other->term, one->term);
    return order != 0 ? order : (int)other->kind - (int)one->kind;
}

static int compare_codes(const void *a, const void *b)
{
    const struct recorded *one = a;
    const struct recorded *other = b;
    return compare_numbers(one->code, other->code);
}

/* The tree of the code's slice. */
static void **tree_of(struct recorder *recorder, uint64_t code)
{
    return &recorder->recorded[peers_slice_of(code)];
}

struct recorded *recorder_find(struct recorder *recorder, uint64_t code)
{
    struct recorded sought = {.code = code};
    struct recorded **place = tfind(&sought, tree_of(recorder, code), compare_codes);
    return place == NULL ? NULL : *place;
}

struct recorded *recorder_note(struct recorder *recorder, uint64_t code, uint64_t term,
                               uint64_t revision)
{
    struct recorded *recorded = recorder_find(recorder, code);
    if (recorded == NULL) {
        recorded = calloc(1, sizeof *recorded);
        if (recorded == NULL)
            return NULL;
        recorded->code = code;
        if (tsearch(recorded, tree_of(recorder, code), compare_codes) == NULL) {
            free(recorded);
            return NULL;
        }
    }
    recorded->term = term;
    recorded->revision = revision;
    recorded->has_ended = false;
    return recorded;
}

void recorder_forget(struct recorder *recorder, uint64_t code)
{
    struct recorded *recorded = recorder_find(recorder, code);
    if (recorded == NULL)
        return;
    tdelete(recorded, tree_of(recorder, code), compare_codes);
    free(recorded);
}

void recorder_forget_slice(struct recorder *recorder, uint32_t slice)
{
    tdestroy(recorder->recorded[slice], free);
    recorder->recorded[slice] = NULL;
}

void recorder_discard(struct garbage_queue *queue, const struct record_key *key, uint64_t due_ms)
{
    bool is_full = queue->count == RECORDER_GARBAGE_MAX;
    struct garbage *garbage = is_full ? NULL : malloc(sizeof *garbage);
    if (garbage == NULL)
        return;
    garbage->next = NULL;
    garbage->due_ms = due_ms;
    record_key_write(key, garbage->key);
    if (queue->last == NULL)
        queue->first = garbage;
    else
        queue->last->next = garbage;
    queue->last = garbage;
    queue->count++;
}

static void drop_first(struct garbage_queue *queue)
{
    struct garbage *garbage = queue->first;
    queue->first = garbage->next;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->count--;
    free(garbage);
}

/* A code whose end was removed is free again. */
static void free_code(struct recorder *recorder, const char *name)
{
    struct record_key key;
    if (!record_key_read(bytes_of_string(name), &key) || key.kind != RECORD_KIND_END)
        return;
    const struct recorded *recorded = recorder_find(recorder, key.code);
    if (recorded != NULL && recorded->has_ended && recorded->term == key.term)
        recorder_forget(recorder, key.code);
}

/*
 * Names keys of the end's code with earlier terms, at most RECORDER_GHOSTS_MAX. False: the keyed
 * store does not answer.
 */
static bool list_ghosts(struct recorder *recorder, const struct record_key *end,
                        char ret_names[RECORDER_GHOSTS_MAX][RECORDER_KEY_MAX], uint32_t *ret_count)
{
    struct bus *bus = recorder->bus;
    struct bus_entries entries;
    char prefix[RECORDER_KEY_MAX];
    uint8_t code[CODE_LENGTH_MAX];
    *ret_count = 0;
    snprintf(prefix, sizeof prefix, "%u.%.*s", end->slice, (int)code_write(end->code, code),
             (const char *)code);
    if (bus->functions->records_list(bus, prefix, RECORDER_CALLS_MS, &entries) != BUS_DONE)
        return false;
    for (uint32_t i = 0; i < entries.count && *ret_count < RECORDER_GHOSTS_MAX; i++) {
        struct record_key key;
        if (record_key_read(entries.entries[i].key, &key) && key.term < end->term)
            record_key_write(&key, ret_names[(*ret_count)++]);
    }
    return true;
}

/*
 * An owner of before that stood still may have written its record late. Without the end beside it
 * the next owner would take that for a room.
 */
static bool remove_ghosts(struct recorder *recorder, const char *name)
{
    struct bus *bus = recorder->bus;
    char names[RECORDER_GHOSTS_MAX][RECORDER_KEY_MAX];
    struct record_key end;
    uint32_t count;
    if (!record_key_read(bytes_of_string(name), &end) || end.kind != RECORD_KIND_END)
        return true;
    if (!list_ghosts(recorder, &end, names, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (bus->functions->record_remove(bus, names[i], RECORDER_CALLS_MS) == BUS_UNKNOWN)
            return false;
    }
    return true;
}

static bool clean(struct recorder *recorder, struct garbage_queue *queue, uint32_t *left)
{
    struct bus *bus = recorder->bus;
    while (*left > 0 && queue->first != NULL && queue->first->due_ms <= recorder->now_ms) {
        --*left;
        if (!remove_ghosts(recorder, queue->first->key) ||
            bus->functions->record_remove(bus, queue->first->key, RECORDER_CALLS_MS) == BUS_UNKNOWN)
            return false;
        free_code(recorder, queue->first->key);
        drop_first(queue);
    }
    return true;
}

bool recorder_clean(struct recorder *recorder)
{
    uint32_t left = RECORDER_GARBAGE_PER_TURN;
    return clean(recorder, &recorder->others, &left) && clean(recorder, &recorder->ends, &left);
}

void recorder_release_garbage(struct garbage_queue *queue)
{
    while (queue->first != NULL)
        drop_first(queue);
}
