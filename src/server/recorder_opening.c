/*
 * Opens slices, one after the other: what each has is listed once and read room by room. The rooms
 * of several slices may be on their way to their loops at the same time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/record.h"
#include "server/recorder_parts.h"

static bool is_still_given(struct recorder *recorder, uint32_t slice, uint64_t term)
{
    return atomic_load(&recorder->wanted[slice]) == term;
}

void recorder_end_opening(struct recorder *recorder)
{
    free(recorder->opening.keys);
    recorder->opening = (struct opening){0};
}

static void finish(struct recorder *recorder, uint32_t slice)
{
    if (recorder->is_read[slice] && recorder->reviving[slice] == 0)
        atomic_store(&recorder->opened[slice], recorder->terms[slice]);
}

/* Writes the mark. False: it is not certain that it is there. */
static bool write_mark(struct recorder *recorder, const struct opening *opening)
{
    struct bus *bus = recorder->bus;
    const struct record_key key = {
        .kind = RECORD_KIND_MARK, .slice = opening->slice, .term = opening->term};
    char name[RECORDER_KEY_MAX];
    uint64_t revision;
    record_key_write(&key, name);
    /* Refused: this node wrote it before. */
    return bus->functions->record_write(bus, name, BYTES("{}"), 0, RECORDER_CALLS_MS, &revision) !=
           BUS_UNKNOWN;
}

/* Takes the keys of the slice. False: memory is short, or the list does not have the mark. */
static bool take_keys(struct opening *opening, const struct bus_entries *entries)
{
    bool has_mark = false;
    opening->keys = malloc((entries->count + 1) * sizeof *opening->keys);
    if (opening->keys == NULL)
        return false;
    for (uint32_t i = 0; i < entries->count; i++) {
        struct record_key *key = &opening->keys[opening->count];
        if (!record_key_read(entries->entries[i].key, key) || key->slice != opening->slice)
            continue;
        has_mark = has_mark || (key->kind == RECORD_KIND_MARK && key->term == opening->term);
        opening->count++;
    }
    if (opening->count > 0)
        qsort(opening->keys, opening->count, sizeof *opening->keys, record_key_compare);
    return has_mark;
}

/* The next slice that was given and is not read. False: there is none. */
static bool find_slice(struct recorder *recorder, struct opening *opening)
{
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
        if (recorder->terms[slice] == 0 || recorder->is_read[slice] ||
            recorder->reviving[slice] > 0)
            continue;
        *opening =
            (struct opening){.is_under_way = true, .slice = slice, .term = recorder->terms[slice]};
        return true;
    }
    return false;
}

/* False: the keyed store does not answer as it should. */
static bool begin(struct recorder *recorder)
{
    struct opening *opening = &recorder->opening;
    struct bus *bus = recorder->bus;
    struct bus_entries entries;
    char prefix[RECORDER_KEY_MAX];
    snprintf(prefix, sizeof prefix, "%u", opening->slice);
    return write_mark(recorder, opening) &&
           bus->functions->records_list(bus, prefix, RECORDER_CALLS_MS, &entries) == BUS_DONE &&
           take_keys(opening, &entries);
}

/* So many keys are of the code of the next one. */
static uint32_t count_of_code(const struct opening *opening)
{
    uint32_t count = 1;
    while (opening->next + count < opening->count &&
           opening->keys[opening->next + count].code == opening->keys[opening->next].code)
        count++;
    return count;
}

/* All keys of a code but the first one. */
static void discard_others(struct recorder *recorder, const struct record_key *keys, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        recorder_discard(&recorder->others, &keys[i], recorder->now_ms);
}

/* Makes a copy of a record without what is true only at once after a stop. NULL: memory is short.
 */
static struct revival *make_revival(const struct record_key *key, struct bytes record)
{
    struct revival *revival = malloc(sizeof *revival + record.length);
    if (revival == NULL)
        return NULL;
    *revival = (struct revival){
        .mail.kind = MAIL_REVIVE,
        .code = key->code,
        .is_final = record_has_moment(record),
        .length = record.length,
    };
    memcpy(revival->text, record.data, record.length);
    return revival;
}

/* first-write. */
static bool record_anew(struct recorder *recorder, struct recorded *recorded,
                        const struct revival *revival)
{
    struct bytes text = bytes_of(revival->text, revival->length);
    if (!revival->is_final)
        return recorder_write(recorder, recorded, text) != BUS_UNKNOWN;
    uint8_t *plain = malloc(revival->length);
    if (plain == NULL)
        return false;
    struct writer writer = writer_over(plain, revival->length);
    record_copy_without_moment(&writer, text);
    bool is_written =
        recorder_write(recorder, recorded, bytes_of(plain, writer.length)) != BUS_UNKNOWN;
    free(plain);
    return is_written;
}

/*
 * Has the room of a record made at the opening's term. The record is of that term already if this
 * opening began anew. False: come again.
 */
static bool revive(struct recorder *recorder, const struct record_key *key, struct bytes record,
                   uint64_t revision)
{
    uint64_t term = recorder->opening.term;
    bool is_own = key->term == term;
    struct revival *revival = make_revival(key, record);
    struct recorded *recorded =
        revival == NULL ? NULL : recorder_note(recorder, key->code, term, is_own ? revision : 0);
    if (recorded == NULL || (!is_own && !record_anew(recorder, recorded, revival))) {
        free(revival);
        return false;
    }
    revival->term = term;
    recorder->reviving[key->slice]++;
    recorder->reviving_count++;
    struct server *server = recorder->server;
    mailbox_post(&server->loops[code_owner(key->code, server->loop_count)]->mailbox,
                 &revival->mail);
    return true;
}

/* The text is valid until the next call. False: the keyed store does not answer. */
static bool read_record(struct recorder *recorder, const struct record_key *key,
                        struct bus_entries *ret_entries)
{
    struct bus *bus = recorder->bus;
    char name[RECORDER_KEY_MAX];
    record_key_write(key, name);
    return bus->functions->record_read(bus, name, RECORDER_CALLS_MS, ret_entries) == BUS_DONE;
}

/*
 * The record that counts is the first of its code, whose revision is told. But if that is a copy
 * which this opening made before it began anew, nobody has played in the room since: then what the
 * owner of before wrote at its end says more. False: come again.
 */
static bool read_best(struct recorder *recorder, const struct record_key *keys, uint32_t count,
                      struct bus_entries *ret_entries, uint64_t *ret_revision)
{
    bool is_copy =
        keys[0].term == recorder->opening.term && count > 1 && keys[1].kind == RECORD_KIND_ROOM;
    if (!read_record(recorder, &keys[0], ret_entries))
        return false;
    *ret_revision = ret_entries->count == 0 ? 0 : ret_entries->entries[0].revision;
    if (!is_copy)
        return true;
    if (!read_record(recorder, &keys[1], ret_entries))
        return false;
    return (ret_entries->count > 0 && record_has_moment(ret_entries->entries[0].text)) ||
           read_record(recorder, &keys[0], ret_entries);
}

/* Has the room of a code made. False: come again. */
static bool handle_record(struct recorder *recorder, const struct record_key *keys, uint32_t count)
{
    struct bus_entries entries;
    uint64_t revision;
    if (!read_best(recorder, keys, count, &entries, &revision))
        return false;
    bool is_reserved =
        entries.count > 0 && bytes_equal(entries.entries[0].text, BYTES(RECORDER_RESERVED));
    if (is_reserved) /* of an owner of before; its room never was, or was not recorded */
        recorder_discard(&recorder->others, &keys[0], recorder->now_ms);
    else if (entries.count > 0 && !revive(recorder, &keys[0], entries.entries[0].text, revision))
        return false;
    if (keys[0].term != recorder->opening.term && entries.count > 0 && !is_reserved)
        recorder_discard(&recorder->others, &keys[0], recorder->now_ms);
    discard_others(recorder, keys, count);
    return true;
}

static bool handle_code(struct recorder *recorder, const struct record_key *keys, uint32_t count)
{
    if (keys[0].term > recorder->opening.term)
        return true; /* terms: it is a later owner's */
    switch (keys[0].kind) {
    case RECORD_KIND_ROOM:
        return handle_record(recorder, keys, count);
    case RECORD_KIND_END:
        recorder_discard(&recorder->ends, &keys[0], recorder->now_ms + RECORDER_END_MS);
        discard_others(recorder, keys, count);
        return true;
    case RECORD_KIND_MARK:
        discard_others(recorder, keys, count);
        return true;
    }
    return true;
}

/* Goes on with the slice that is being opened. False: the keyed store does not answer. */
static bool go_on(struct recorder *recorder)
{
    struct opening *opening = &recorder->opening;
    for (uint32_t left = RECORDER_ROOMS_PER_TURN; left > 0 && opening->next < opening->count;
         left--) {
        uint32_t count = count_of_code(opening);
        if (recorder->reviving_count >= RECORDER_REVIVING_MAX)
            return true;
        if (!handle_code(recorder, &opening->keys[opening->next], count))
            return false;
        opening->next += count;
    }
    if (opening->next < opening->count)
        return true;
    recorder->is_read[opening->slice] = true;
    finish(recorder, opening->slice);
    recorder_end_opening(recorder);
    return true;
}

bool recorder_open_slices(struct recorder *recorder)
{
    struct opening *opening = &recorder->opening;
    if (opening->is_under_way && !is_still_given(recorder, opening->slice, opening->term))
        recorder_end_opening(recorder);
    bool is_new = !opening->is_under_way && find_slice(recorder, opening);
    if (!opening->is_under_way)
        return false;
    if ((is_new && !begin(recorder)) || !go_on(recorder)) {
        recorder_end_opening(recorder); /* it begins anew */
        recorder->retry_ms = recorder->now_ms + RECORDER_RETRY_MS;
        return false;
    }
    return recorder->reviving_count < RECORDER_REVIVING_MAX;
}

void recorder_was_revived(struct recorder *recorder, struct revival *revival)
{
    uint32_t slice = peers_slice_of(revival->code);
    uint8_t code[CODE_LENGTH_MAX];
    recorder->reviving[slice]--;
    recorder->reviving_count--;
    if (revival->why[0] != '\0')
        fprintf(stderr, "party-sockets: room %.*s can't be restored from its record: %s\n",
                (int)code_write(revival->code, code), (const char *)code, revival->why);
    free(revival);
    if (recorder->terms[slice] != 0)
        finish(recorder, slice);
}
