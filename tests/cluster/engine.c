/* The engine: the streams of map and leases, and the wire to it. */
#include <stdlib.h>

#include "cluster/world.h"

#define RACE_MS 2000
#define RESEND_MS 20000

void letter_release(struct letter *letter)
{
    free(letter->text);
    free(letter->leases);
    *letter = (struct letter){0};
}

static void post(struct letter letter)
{
    for (uint32_t i = 0; i < WIRE_MAX; i++) {
        if (world.wire[i].is_used)
            continue;
        world.wire[i] = letter;
        world.wire[i].is_used = true;
        return;
    }
    broken("the wire is full");
}

static void spoil(uint32_t node)
{
    if (world.nodes[node].good_ms < world.now_ms)
        world.nodes[node].good_ms = world.now_ms;
}

static uint8_t *copy_of(const uint8_t *text, size_t length)
{
    uint8_t *copy = malloc(length + 1);
    if (copy == NULL)
        abort();
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void engine_send(struct letter letter)
{
    letter.sent_ms = world.now_ms;
    letter.due_ms = world.now_ms + draw(2) * TICK_MS;
    if (world.has_faults && once_in(50)) {
        letter.due_ms += draw(8000);
        if (letter.due_ms > world.now_ms + 2 * TICK_MS &&
            world.nodes[letter.node].good_ms < letter.due_ms)
            world.nodes[letter.node].good_ms = letter.due_ms;
    }
    if (world.has_faults && once_in(100)) {
        struct letter again = letter;
        again.text = copy_of(letter.text, letter.length);
        again.due_ms += draw(3000);
        post(again);
    }
    post(letter);
}

static bool is_reachable(uint32_t node)
{
    return world.now_ms >= world.away_ms && world.now_ms >= world.nodes[node].cut_ms;
}

static void append(const struct letter *letter, const uint8_t *text, size_t length)
{
    struct stream *stream = &world.streams[world.stream];
    if (stream->count == ENTRIES_MAX)
        broken("the map has %d entries", ENTRIES_MAX);
    struct true_entry *entry = &stream->entries[stream->count++];
    *entry =
        (struct true_entry){.at_ms = world.now_ms, .text = bytes_of(copy_of(text, length), length)};
    truth_read(entry, stream->count);
    world.outcome.entries++;
    world.outcome.entries_ignored += !entry->stands;
    tell("map %u%s by %s, written at %llu", stream->count, entry->stands ? "" : ", ignored",
         letter != NULL ? name_of(&world.nodes[letter->node]) : "a vandal",
         letter != NULL ? (unsigned long long)letter->based_on_ms : 0ULL);
    if (entry->stands)
        truth_check_entry(stream, letter);
}

/* Mostly refuses all but the expected revision. Of two writers that race, both may be acknowledged.
 */
static bool accepts(const struct letter *letter)
{
    uint64_t last = world.streams[world.stream].count;
    uint64_t expected = letter->revision;
    if (expected > 0 && letter->stream != world.stream)
        return false; /* the last entry is another one */
    if (expected == last) {
        world.race_ms = world.now_ms;
        world.race_revision = expected;
        return true;
    }
    if (!world.has_faults)
        return false;
    if (world.race_revision == expected && world.now_ms - world.race_ms < RACE_MS && once_in(2))
        return true;
    return once_in(100);
}

static void write_lease(struct letter *outcome, const struct letter *letter)
{
    struct stream *stream = &world.streams[world.stream];
    struct true_lease *lease = &world.leases.of[letter->node];
    struct node *node = &world.nodes[letter->node];
    const char *text = (const char *)letter->text;
    lease->sequence = ++stream->lease_sequence;
    lease->is_draining = strstr(text, "\"draining\":true") != NULL;
    lease->has_ended = strstr(text, "\"ended\":true") != NULL;
    lease->length = letter->length;
    memcpy(lease->text, text, letter->length);
    /* An older one may come late, and is what there is then. */
    if (!lease->is_draining)
        node->draining_ms = 0;
    else if (node->draining_ms == 0)
        node->draining_ms = world.now_ms;
    if (lease->has_ended) {
        node->has_ended = true;
        truth_check_end(node);
    }
    outcome->is_acknowledged = true;
    outcome->sequence = lease->sequence;
}

static void read_leases(struct letter *outcome)
{
    outcome->leases = malloc(sizeof *outcome->leases);
    if (outcome->leases == NULL)
        abort();
    *outcome->leases = world.leases;
    /* A leader that no longer is one shows what was. */
    if (world.has_faults && world.kept_count > 0 && once_in(40))
        *outcome->leases =
            world.kept[draw(world.kept_count < LEASES_KEPT ? world.kept_count : LEASES_KEPT)];
}

static void read_map(struct letter *outcome)
{
    outcome->stream = world.stream;
    outcome->count = world.streams[world.stream].count;
    if (!world.has_faults || outcome->count == 0 || !once_in(100))
        return;
    outcome->count--; /* as of a leader that no longer is one */
    spoil(outcome->node);
}

static void serve(const struct letter *letter)
{
    struct letter outcome = {.is_outcome = true,
                             .kind = letter->kind,
                             .node = letter->node,
                             .serial = letter->serial,
                             .sent_ms = letter->sent_ms,
                             .due_ms = world.now_ms + draw(2) * TICK_MS};
    switch (letter->kind) {
    case OWNERSHIP_WRITE_LEASE:
        write_lease(&outcome, letter);
        break;
    case OWNERSHIP_READ_LEASES:
        read_leases(&outcome);
        break;
    case OWNERSHIP_READ_MAP:
        read_map(&outcome);
        break;
    case OWNERSHIP_WRITE_MAP:
        outcome.is_acknowledged = accepts(letter);
        if (outcome.is_acknowledged)
            append(letter, letter->text, letter->length);
        break;
    case OWNERSHIP_REQUESTS:
        broken("no such request");
    }
    post(outcome);
}

static void arrive(struct letter *letter)
{
    struct node *node = &world.nodes[letter->node];
    if (!is_reachable(letter->node)) {
        spoil(letter->node);
        /* TCP sends a request again. */
        if (!letter->is_outcome && once_in(2) && world.now_ms - letter->sent_ms < RESEND_MS)
            letter->due_ms = world.now_ms + TICK_MS + draw(2000);
        else
            letter_release(letter);
        return;
    }
    if (!letter->is_outcome) {
        if (world.now_ms - letter->sent_ms > 3 * TICK_MS)
            spoil(letter->node);
        serve(letter);
    } else if (!node->is_alive || node->inbox_count == INBOX_MAX ||
               (world.has_faults && once_in(30))) {
        spoil(letter->node);
    } else {
        node->inbox[node->inbox_count++] = *letter;
        *letter = (struct letter){0}; /* the inbox has what it owned */
        return;
    }
    letter_release(letter);
}

void engine_deliver(void)
{
    if (world.now_ms % 1000 == 0)
        world.kept[world.kept_count++ % LEASES_KEPT] = world.leases;
    for (uint32_t i = 0; i < WIRE_MAX; i++) {
        if (world.wire[i].is_used && world.wire[i].due_ms <= world.now_ms)
            arrive(&world.wire[i]);
    }
}

void engine_add_junk(void)
{
    static const char *const texts[] = {"", "{", "{\"version\":1,\"basedOn\":0}", "null", "\xff"};
    const char *text = texts[draw(ARRAY_LENGTH(texts))];
    append(NULL, (const uint8_t *)text, strlen(text));
}

/* Its disk is lost: other streams begin. */
void engine_lose_all(void)
{
    if (world.stream + 1 == STREAMS_MAX)
        return;
    tell("the engine has lost everything");
    world.stream++;
    world.race_ms = 0;
    world.kept_count = 0;
    world.leases = (struct leases){0};
}

void engine_release(void)
{
    for (uint32_t i = 0; i < WIRE_MAX; i++)
        letter_release(&world.wire[i]);
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct stream *stream = &world.streams[i];
        for (uint32_t j = 0; j < stream->count; j++)
            free((void *)(uintptr_t)stream->entries[j].text.data);
        free(stream->entries);
    }
}
