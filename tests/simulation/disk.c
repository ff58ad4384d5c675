/* A table of records, and those before it, to which a crash may go back. */
#include "disk.h"

#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "refusals.h"
#include "world.h"

#define RECORDS_MAX 256
#define FORMER_MAX 3                  /* commits that a crash may cost, beside the one under way */
#define SLOW_NS (2 * NETWORK_S)       /* a commit that is slow takes at most so long; */
#define QUICK_NS (30 * NETWORK_MS)    /* another */
#define FULL_NS (8 * NETWORK_S)       /* that the disk is full, at most */
#define FULL_EACH_NS (40 * NETWORK_S) /* between two such times, at most */

struct kept_record {
    uint64_t key;
    uint8_t *text; /* owned */
    size_t length;
    uint32_t tries;
    bool is_damaged;
};

struct table {
    struct kept_record records[RECORDS_MAX];
    uint32_t count;
    uint32_t marks[STORE_MARKS];
};

/* What was there before a commit that is not durable. */
struct former {
    struct table table;
    uint64_t since_ns; /* if the commit is lost, changes since then are */
};

static struct {
    struct store_engine engine;
    bool has_faults;
    bool is_unplugged;
    bool is_in_transaction;
    struct table table;   /* what was committed, perhaps under way */
    struct table scratch; /* and what the transaction makes of it */
    struct former formers[FORMER_MAX];
    uint32_t former_count;
    uint64_t busy_until_ns;
    uint64_t fills_ns; /* when the disk is full next, */
    uint64_t full_until_ns;
    uint64_t since_ns; /* all that had changed before is committed */
} disk;

static void clear(struct table *table)
{
    for (uint32_t i = 0; i < table->count; i++)
        free(table->records[i].text);
    table->count = 0;
}

static uint8_t *copy_text(const uint8_t *text, size_t length)
{
    uint8_t *copy = certain_malloc(length + 1);
    memcpy(copy, text, length);
    return copy;
}

static void copy(struct table *into, const struct table *from)
{
    clear(into);
    *into = *from;
    for (uint32_t i = 0; i < into->count; i++)
        into->records[i].text = copy_text(from->records[i].text, from->records[i].length);
}

static void move(struct table *into, struct table *from)
{
    clear(into);
    *into = *from;
    from->count = 0;
}

static struct kept_record *find(struct table *table, uint64_t key)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->records[i].key == key)
            return &table->records[i];
    }
    return NULL;
}

static bool fail(const char *why)
{
    strcpy(disk.engine.why, why);
    return false;
}

/* Whether there is no space, for as long as the seed wants. */
static bool is_full(void)
{
    uint64_t now_ns = network_now_ns();
    if (disk.has_faults && now_ns >= disk.fills_ns) {
        disk.full_until_ns = now_ns + network_random() % FULL_NS;
        disk.fills_ns = disk.full_until_ns + network_random() % FULL_EACH_NS;
    }
    return now_ns < disk.full_until_ns;
}

static bool begin(struct store_engine *engine)
{
    (void)engine;
    if (disk.is_unplugged)
        return fail("the process is dead");
    if (disk.is_in_transaction)
        world_fail("a transaction within a transaction", 0);
    disk.is_in_transaction = true;
    copy(&disk.scratch, &disk.table);
    return true;
}

static bool put(struct store_engine *engine, uint64_t key, struct bytes text)
{
    struct kept_record *record = find(&disk.scratch, key);
    (void)engine;
    if (is_full() && network_once_in(2))
        return fail("the disk is full");
    if (record == NULL && disk.scratch.count == RECORDS_MAX)
        world_fail("more records than there can be rooms", key);
    if (record == NULL)
        record = &disk.scratch.records[disk.scratch.count++];
    else
        free(record->text);
    *record = (struct kept_record){
        .key = key, .text = copy_text(text.data, text.length), .length = text.length};
    return true;
}

static bool remove_record(struct store_engine *engine, uint64_t key)
{
    struct table *table = &disk.scratch;
    struct kept_record *record = find(table, key);
    (void)engine;
    if (record == NULL)
        return true;
    free(record->text);
    *record = table->records[--table->count];
    return true;
}

static bool set_mark(struct store_engine *engine, enum store_mark mark, uint32_t value)
{
    (void)engine;
    disk.scratch.marks[mark] = value;
    return true;
}

static bool set_aside(struct store_engine *engine, uint64_t key, const char *reason)
{
    const struct kept_record *record = find(&disk.scratch, key);
    if (record == NULL || !record->is_damaged)
        world_fail(reason, key);
    return remove_record(engine, key);
}

static bool set_tries(struct store_engine *engine, uint64_t key, uint32_t tries)
{
    struct kept_record *record = find(&disk.scratch, key);
    (void)engine;
    if (record != NULL)
        record->tries = tries;
    return true;
}

static void forget_formers(void)
{
    for (uint32_t i = 0; i < disk.former_count; i++)
        clear(&disk.formers[i].table);
    disk.former_count = 0;
}

static void keep_former(void)
{
    if (disk.former_count == FORMER_MAX) {
        clear(&disk.formers[0].table);
        memmove(disk.formers, disk.formers + 1, (FORMER_MAX - 1) * sizeof *disk.formers);
        disk.former_count--;
    }
    struct former *former = &disk.formers[disk.former_count++];
    former->table.count = 0;
    move(&former->table, &disk.table);
    former->since_ns = disk.since_ns;
}

static bool commit(struct store_engine *engine, bool is_durable)
{
    (void)engine;
    world_goes_on();
    if (is_full())
        return fail("the disk is full");
    disk.is_in_transaction = false;
    if (is_durable)
        forget_formers();
    else
        keep_former();
    move(&disk.table, &disk.scratch);
    bool is_slow = disk.has_faults && network_once_in(20);
    if (!is_durable)
        disk.busy_until_ns = network_now_ns() + network_random() % (is_slow ? SLOW_NS : QUICK_NS);
    return true;
}

static void roll_back(struct store_engine *engine)
{
    (void)engine;
    disk.is_in_transaction = false;
    clear(&disk.scratch);
}

static bool read_all(struct store_engine *engine,
                     void (*visit)(void *context, const struct store_record *record), void *context)
{
    (void)engine;
    for (uint32_t i = 0; i < disk.table.count; i++) {
        const struct kept_record *kept = &disk.table.records[i];
        const struct store_record record = {.key = kept->key,
                                            .text = bytes_of(kept->text, kept->length),
                                            .is_damaged = kept->is_damaged,
                                            .tries = kept->tries};
        visit(context, &record);
    }
    return true;
}

static bool read_mark(struct store_engine *engine, enum store_mark mark, uint32_t *ret_value)
{
    (void)engine;
    *ret_value = disk.table.marks[mark];
    return true;
}

static bool begin_anew(struct store_engine *engine)
{
    (void)engine;
    world_fail("the server begins anew with a store that can be read", 0);
}

static void close_engine(struct store_engine *engine)
{
    (void)engine;
    disk.is_in_transaction = false;
    clear(&disk.scratch);
}

static const struct store_engine_functions functions = {
    .begin = begin,
    .put = put,
    .remove = remove_record,
    .set_mark = set_mark,
    .set_aside = set_aside,
    .set_tries = set_tries,
    .commit = commit,
    .roll_back = roll_back,
    .read_all = read_all,
    .read_mark = read_mark,
    .begin_anew = begin_anew,
    .close = close_engine,
};

void disk_begin(bool has_faults)
{
    disk_end();
    memset(&disk, 0, sizeof disk);
    disk.engine.functions = &functions;
    disk.has_faults = has_faults;
    disk.since_ns = network_now_ns();
    disk.fills_ns = network_now_ns() + network_random() % FULL_EACH_NS;
}

void disk_end(void)
{
    forget_formers();
    clear(&disk.table);
    clear(&disk.scratch);
}

void disk_end_faults(void)
{
    disk.has_faults = false;
    disk.full_until_ns = 0;
}

struct store_engine *disk_open(void)
{
    disk.is_unplugged = false;
    disk.busy_until_ns = 0;
    return &disk.engine;
}

uint64_t disk_busy_until_ns(void)
{
    return disk.busy_until_ns;
}

void disk_unplug(void)
{
    disk.is_unplugged = true;
}

uint64_t disk_crash(uint64_t *ret_damaged_key)
{
    bool is_under_way = disk.busy_until_ns > network_now_ns() && network_once_in(2);
    uint32_t lost = network_once_in(2) ? is_under_way : network_below(disk.former_count + 1);
    for (; lost > 0 && disk.former_count > 0; lost--) {
        struct former *former = &disk.formers[--disk.former_count];
        move(&disk.table, &former->table);
        disk.since_ns = former->since_ns;
    }
    forget_formers(); /* what the next server reads will be there for all later ones */
    *ret_damaged_key = 0;
    if (disk.table.count > 0 && network_once_in(6)) {
        struct kept_record *record = &disk.table.records[network_below(disk.table.count)];
        record->is_damaged = true;
        *ret_damaged_key = record->key;
    }
    return disk.since_ns;
}

void disk_note_kept(uint64_t until_ns)
{
    if (until_ns > disk.since_ns)
        disk.since_ns = until_ns;
}

uint32_t disk_records(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < disk.table.count; i++)
        count += !disk.table.records[i].is_damaged;
    return count;
}
