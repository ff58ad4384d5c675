/* The network between two ends. When it works, it is in order. */
#include "cluster/link_world.h"

static void post(struct letter letter, uint64_t due_ms)
{
    if (world.wire_count == WIRE_MAX)
        broken("the wire is full");
    letter.due_ms = due_ms;
    letter.order = world.order++;
    world.wire[world.wire_count++] = letter;
}

static bool happens(uint32_t once)
{
    return world.has_faults && once > 0 && once_in(once);
}

static void keep_picture(struct letter letter)
{
    world.album[world.album_count++ % ALBUM_MAX] = letter;
}

static bool is_lost(const struct end *from)
{
    return from->is_cut || happens(world.manners.loses);
}

void network_send(const struct end *from, struct letter letter)
{
    struct end *sender = &world.ends[from - world.ends];
    uint64_t due_ms = world.now_ms + world.manners.way_ms + draw(3);
    world.outcome.letters++;
    letter.to = (uint32_t)(other_end(from) - world.ends);
    keep_picture(letter);
    if (is_lost(from)) {
        tell("%c's message is lost", name_of(from));
        return;
    }
    if (due_ms < sender->last_due_ms)
        due_ms = sender->last_due_ms;
    sender->last_due_ms = due_ms;
    if (happens(world.manners.delays))
        due_ms += once_in(2) ? draw(20) : draw(LATE_MS);
    post(letter, due_ms);
    if (happens(world.manners.doubles))
        post(letter, due_ms + (once_in(2) ? 0 : draw(LATE_MS)));
}

void network_repeat(struct end *to)
{
    uint32_t count = world.album_count < ALBUM_MAX ? world.album_count : ALBUM_MAX;
    if (count == 0)
        return;
    struct letter letter = world.album[draw(count)];
    if (&world.ends[letter.to] == to)
        post(letter, world.now_ms + 1);
}

/* A session of this end: none, one that never was, one that was, or the one that is. */
static uint64_t draw_session(struct end *end)
{
    if (once_in(4))
        return 0;
    if (once_in(4))
        return draw_number();
    return once_in(2) ? life_of(end)->session : end->lives[draw(end->life_count)].session;
}

/* A number near the one that is right, or near the ends. */
static uint64_t draw_near(uint64_t right)
{
    static const uint64_t ends[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63};
    return once_in(2) ? right + draw(4) - 1 : ends[draw(ARRAY_LENGTH(ends))];
}

static struct letter forge(struct end *to)
{
    struct end *from = other_end(to);
    struct letter letter = {
        .to = (uint32_t)(to - world.ends), .is_forged = true, .has_bytes = once_in(2)};
    letter.header = (struct link_header){
        .session = draw_session(from),
        .answers = draw_session(to),
        .number = draw_near(life_of(from)->sent),
        .received = draw_near(life_of(from)->taken),
    };
    if (letter.header.session == 0)
        letter.header.session = draw_number() | 1;
    return letter;
}

/*
 * Whoever knows the receiver's session could say what the sender might say, and would be believed.
 * So a forger who knows it says only what can't be.
 */
void network_forge(struct end *to)
{
    if (other_end(to)->life_count == 0 || to->life_count == 0)
        return;
    struct letter letter = forge(to);
    if (letter.header.answers == life_of(to)->session) {
        letter.header.number = letter.has_bytes ? 0 : UINT64_MAX - draw(2);
        letter.header.received = once_in(2) ? UINT64_MAX - draw(2) : 0;
    }
    world.outcome.forged++;
    tell("something is forged for %c", name_of(to));
    post(letter, world.now_ms + 1);
}

void network_forge_unproven(struct end *to)
{
    struct letter letter = forge(to);
    if (letter.header.answers == life_of(to)->session)
        letter.header.received = UINT64_MAX - draw(2);
    post(letter, world.now_ms + 1);
}

static bool comes_before(const struct letter *a, const struct letter *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

/* The first letter for this end; NULL: there is none. */
static struct letter *first_letter(const struct end *to)
{
    struct letter *first = NULL;
    for (uint32_t i = 0; i < world.wire_count; i++) {
        struct letter *letter = &world.wire[i];
        if (&world.ends[letter->to] == to && (first == NULL || comes_before(letter, first)))
            first = letter;
    }
    return first;
}

uint64_t network_due_ms(const struct end *to)
{
    const struct letter *first = first_letter(to);
    return first != NULL ? first->due_ms : NEVER;
}

bool network_deliver(struct end *to, struct letter *ret_letter)
{
    struct letter *first = first_letter(to);
    if (first == NULL || first->due_ms > world.now_ms)
        return false;
    *ret_letter = *first;
    *first = world.wire[--world.wire_count];
    return true;
}
