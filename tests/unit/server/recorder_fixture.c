#include "recorder_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/kernel.h"

#define TURNS_MAX 2000
#define KEYS_VALID 4

static struct fake_bus *fake_of(struct bus *bus)
{
    return CONTAINER_OF(bus, struct fake_bus, bus);
}

static void *certain(void *memory)
{
    assert_non_null(memory);
    return memory;
}

static uint8_t *copy(struct bytes text)
{
    uint8_t *bytes = certain(malloc(text.length + 1));
    if (text.length > 0)
        memcpy(bytes, text.data, text.length);
    bytes[text.length] = 0;
    return bytes;
}

static void take_back(struct fake_bus *fake)
{
    for (uint32_t i = 0; i < fake->given_count; i++) {
        free((void *)(uintptr_t)fake->given[i].key.data);
        free((void *)(uintptr_t)fake->given[i].text.data);
    }
    free(fake->given);
    fake->given = NULL;
    fake->given_count = 0;
}

static void give(struct fake_bus *fake, const struct fake_record *record, bool has_text)
{
    struct bytes key = bytes_of_string(record->key);
    struct bus_entry *entry = &fake->given[fake->given_count++];
    *entry = (struct bus_entry){.key = bytes_of(copy(key), key.length)};
    if (!has_text)
        return;
    entry->text = bytes_of(copy(bytes_of(record->text, record->length)), record->length);
    entry->revision = record->revision;
}

/* Begins a call. False: it is not carried out. */
static bool begin_call(struct fake_bus *fake)
{
    take_back(fake);
    fake->calls++;
    snprintf(fake->bus.why, BUS_WHY_MAX, "no answer");
    return !fake->is_cut_off && (fake->calls != fake->fails_at || fake->is_done_though);
}

static enum bus_outcome outcome_of(const struct fake_bus *fake, enum bus_outcome outcome)
{
    return fake->is_cut_off || fake->calls == fake->fails_at ? BUS_UNKNOWN : outcome;
}

static struct fake_record *find(struct fake_bus *fake, const char *key)
{
    for (uint32_t i = 0; i < fake->count; i++) {
        if (strcmp(fake->records[i].key, key) == 0)
            return &fake->records[i];
    }
    return NULL;
}

static void keep(struct fake_bus *fake, const char *key, struct bytes text)
{
    struct fake_record *record = find(fake, key);
    if (record == NULL) {
        assert_true(fake->count < FAKE_RECORDS_MAX);
        record = &fake->records[fake->count++];
        *record = (struct fake_record){0};
        snprintf(record->key, sizeof record->key, "%s", key);
    }
    free(record->text);
    record->text = copy(text);
    record->length = text.length;
    record->revision = ++fake->revision;
}

static enum bus_outcome record_read(struct bus *bus, const char *key, uint32_t most_ms,
                                    struct bus_entries *ret_entries)
{
    struct fake_bus *fake = fake_of(bus);
    (void)most_ms;
    if (!begin_call(fake))
        return BUS_UNKNOWN;
    const struct fake_record *record = find(fake, key);
    fake->given = certain(malloc(sizeof *fake->given));
    if (record != NULL)
        give(fake, record, true);
    *ret_entries = (struct bus_entries){fake->revision, fake->given_count, fake->given};
    return outcome_of(fake, BUS_DONE);
}

static enum bus_outcome record_write(struct bus *bus, const char *key, struct bytes text,
                                     uint64_t expected_revision, uint32_t most_ms,
                                     uint64_t *ret_revision)
{
    struct fake_bus *fake = fake_of(bus);
    (void)most_ms;
    if (!begin_call(fake))
        return BUS_UNKNOWN;
    const struct fake_record *record = find(fake, key);
    if (fake->refuses || (record == NULL ? 0 : record->revision) != expected_revision)
        return outcome_of(fake, BUS_REFUSED);
    keep(fake, key, text);
    if (outcome_of(fake, BUS_DONE) == BUS_DONE)
        *ret_revision = fake->revision;
    return outcome_of(fake, BUS_DONE);
}

static enum bus_outcome record_remove(struct bus *bus, const char *key, uint32_t most_ms)
{
    struct fake_bus *fake = fake_of(bus);
    (void)most_ms;
    if (!begin_call(fake))
        return BUS_UNKNOWN;
    struct fake_record *record = find(fake, key);
    if (record != NULL) {
        free(record->text);
        *record = fake->records[--fake->count];
    }
    return outcome_of(fake, BUS_DONE);
}

static enum bus_outcome records_list(struct bus *bus, const char *prefix, uint32_t most_ms,
                                     struct bus_entries *ret_entries)
{
    struct fake_bus *fake = fake_of(bus);
    size_t length = strlen(prefix);
    (void)most_ms;
    if (!begin_call(fake))
        return BUS_UNKNOWN;
    fake->given = certain(malloc((fake->count + 1) * sizeof *fake->given));
    for (uint32_t i = 0; i < fake->count; i++) {
        const char *key = fake->records[i].key;
        bool is_hidden = fake->hides_marks && strstr(key, ".-.") != NULL;
        if (strncmp(key, prefix, length) == 0 && key[length] == '.' && !is_hidden)
            give(fake, &fake->records[i], false);
    }
    *ret_entries = (struct bus_entries){fake->revision, fake->given_count, fake->given};
    return outcome_of(fake, BUS_DONE);
}

static const struct bus_functions functions = {
    .record_read = record_read,
    .record_write = record_write,
    .record_remove = record_remove,
    .records_list = records_list,
};

static bool look(void *context)
{
    struct stage *stage = context;
    stage->looks++;
    return stage->is_map_readable;
}

static bool owns(void *context, uint32_t slice, uint64_t term)
{
    const struct stage *stage = context;
    assert_true(stage->looks > 0 && stage->is_map_readable);
    return stage->owned[slice] == term;
}

static void begin_recorder(struct stage *stage)
{
    const struct recorder_owners owners = {look, owns, stage};
    stage->recorder = recorder_new(&stage->server, &stage->bus.bus, &owners);
    assert_non_null(stage->recorder);
}

static void end_recorder(struct stage *stage)
{
    (void)store_stop(stage->server.store, true, 0);
    recorder_free(stage->recorder);
    assert_null(stage->server.recorder);
}

struct stage *stage_begin(void)
{
    struct stage *stage = certain(calloc(1, sizeof *stage));
    stage->now_ms = 1000;
    stage->is_map_readable = true;
    stage->bus.bus.functions = &functions;
    stage->server.kernel = &kernel_linux;
    stage->server.loop_count = STAGE_LOOPS;
    stage->loops = certain(calloc(STAGE_LOOPS, sizeof *stage->loops));
    for (uint32_t i = 0; i < STAGE_LOOPS; i++) {
        assert_true(mailbox_init(&stage->loops[i].mailbox, &kernel_linux));
        stage->server.loops[i] = &stage->loops[i];
    }
    begin_recorder(stage);
    return stage;
}

static void forget_revived(struct stage *stage)
{
    while (stage->revived_count > 0)
        free(stage->revived[--stage->revived_count].text);
}

void stage_end(struct stage *stage)
{
    (void)stage_answer(stage);
    end_recorder(stage);
    forget_revived(stage);
    take_back(&stage->bus);
    while (stage->bus.count > 0)
        free(stage->bus.records[--stage->bus.count].text);
    for (uint32_t i = 0; i < STAGE_LOOPS; i++)
        mailbox_release(&stage->loops[i].mailbox);
    free(stage->loops);
    free(stage);
}

void stage_restart(struct stage *stage)
{
    (void)stage_answer(stage);
    end_recorder(stage);
    forget_revived(stage);
    memset(stage->owned, 0, sizeof stage->owned);
    begin_recorder(stage);
}

void stage_give(struct stage *stage, uint32_t slice, uint64_t term)
{
    stage->owned[slice] = term;
    recorder_give(stage->recorder, slice, term);
}

void stage_keep(struct stage *stage, const char *key, const char *text)
{
    keep(&stage->bus, key, bytes_of_string(text));
}

const char *stage_text(const struct stage *stage, const char *key)
{
    for (uint32_t i = 0; i < stage->bus.count; i++) {
        if (strcmp(stage->bus.records[i].key, key) == 0)
            return (const char *)stage->bus.records[i].text;
    }
    return NULL;
}

void stage_expect(const struct stage *stage, const char *key, const char *text)
{
    const char *kept = stage_text(stage, key);
    if (kept == NULL)
        fail_msg("there is no record %s", key);
    assert_string_equal(kept, text);
}

void stage_expect_none(const struct stage *stage, const char *key)
{
    if (stage_text(stage, key) != NULL)
        fail_msg("there is a record %s", key);
}

bool stage_turn(struct stage *stage)
{
    stage->now_ms += RECORDER_RETRY_MS;
    return recorder_turn(stage->recorder, stage->now_ms);
}

static void answer(struct stage *stage, uint32_t loop, struct revival *revival)
{
    struct bytes text = bytes_of(revival->text, revival->length);
    assert_true(stage->revived_count < STAGE_REVIVALS_MAX);
    stage->revived[stage->revived_count++] =
        (struct revived){revival->code, revival->term, revival->is_final, loop, (char *)copy(text)};
    snprintf(revival->why, sizeof revival->why, "%s", stage->why == NULL ? "" : stage->why);
    mailbox_post(stage->server.recorder, &revival->mail);
}

uint32_t stage_answer(struct stage *stage)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < STAGE_LOOPS; i++) {
        struct mail *mail = mailbox_take_all(&stage->loops[i].mailbox);
        while (mail != NULL) {
            struct mail *next = mail->next;
            if (mail->kind == MAIL_REVIVE) {
                answer(stage, i, CONTAINER_OF(mail, struct revival, mail));
                count++;
            }
            mail = next;
        }
    }
    return count;
}

void stage_open(struct stage *stage, uint32_t slice, uint64_t term)
{
    for (int turns = 0; turns < TURNS_MAX; turns++) {
        (void)stage_turn(stage);
        if (recorder_has_opened(stage->recorder, slice, term))
            return;
        (void)stage_answer(stage);
    }
    fail_msg("slice %u does not open", slice);
}

const struct revived *stage_revived(const struct stage *stage, uint64_t code)
{
    for (uint32_t i = stage->revived_count; i > 0; i--) {
        if (stage->revived[i - 1].code == code)
            return &stage->revived[i - 1];
    }
    return NULL;
}

uint64_t stage_code(enum protocol protocol, uint32_t slice, uint32_t number)
{
    uint64_t code = protocol == PROTOCOL_1   ? 0
                    : protocol == PROTOCOL_2 ? CODE_2_FIRST
                                             : CODE_3_FIRST;
    for (;; code++) {
        if (peers_slice_of(code) == slice && code_reads_back(code) && number-- == 0)
            return code;
    }
}

const char *stage_key_of(enum record_kind kind, uint32_t slice, uint64_t code, uint64_t term)
{
    static char keys[KEYS_VALID][RECORDER_KEY_MAX];
    static uint32_t next;
    char *key = keys[next++ % KEYS_VALID];
    record_key_write(&(struct record_key){.kind = kind, .slice = slice, .code = code, .term = term},
                     key);
    return key;
}

const char *stage_key(uint64_t code, uint64_t term)
{
    return stage_key_of(RECORD_KIND_ROOM, peers_slice_of(code), code, term);
}
