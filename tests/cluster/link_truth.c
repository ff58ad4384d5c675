/*
 * What is true of two ends, and what must hold:
 *
 * - A life takes bytes of one life of the other end, which has sent them to it; from the first on,
 *   in order, each once.
 * - A life sends bytes to one life of the other end, and that is the one it takes bytes of. So who
 *   hears the bytes of a new session has learned that the link to the old one is void.
 * - A message voids a link only if its sender knew the session.
 * - What was taken is acknowledged in time.
 * - The machine says when it has to be asked again.
 */
#include "cluster/link_world.h"

typedef unsigned long long ull;

void truth_begin(struct end *end, uint64_t session)
{
    if (end->life_count == LIVES_MAX)
        broken("%c begins anew for ever", name_of(end));
    end->lives[end->life_count++] = (struct life){.session = session, .owed_ms = NEVER};
}

static void pair_with(const struct end *end, struct life *life, uint64_t partner)
{
    if (life->partner != 0 && life->partner != partner)
        broken("a life of %c has bytes of two pairs of sessions", name_of(end));
    life->partner = partner;
}

void truth_sent(struct end *end, struct letter *letter)
{
    struct life *life = life_of(end);
    const struct link_header *header = &letter->header;
    if (letter->has_bytes) {
        letter->place = ++life->sent;
        if (header->answers == 0)
            broken("%c sends bytes to nobody", name_of(end));
        pair_with(end, life, header->answers);
    }
    if (header->session != life->session || header->number != life->sent ||
        header->received != life->taken)
        broken("%c says that it sent %llu and took %llu, not %llu and %llu", name_of(end),
               (ull)header->number, (ull)header->received, (ull)life->sent, (ull)life->taken);
    life->owed_ms = NEVER;
}

static struct life *find_life(struct end *end, uint64_t session)
{
    for (uint32_t i = end->life_count; i-- > 0;) {
        if (end->lives[i].session == session)
            return &end->lives[i];
    }
    return NULL;
}

void truth_taken(struct end *end, const struct letter *letter)
{
    struct life *life = life_of(end);
    struct life *sender = find_life(other_end(end), letter->header.session);
    if (letter->is_forged || sender == NULL)
        broken("%c takes what is forged", name_of(end));
    if (!letter->has_bytes)
        broken("%c takes what is not there", name_of(end));
    pair_with(end, life, sender->session);
    if (sender->partner != life->session)
        broken("%c takes bytes that were sent to another life", name_of(end));
    if (letter->place != life->taken + 1)
        broken("%c takes message %llu after %llu", name_of(end), (ull)letter->place,
               (ull)life->taken);
    life->taken++;
    if (life->owed_ms == NEVER)
        life->owed_ms = world.now_ms;
}

void truth_check_void(struct end *end, const struct letter *letter)
{
    if (letter->header.answers != life_of(end)->session)
        broken("what may be of another time voids the link of %c", name_of(end));
}

void truth_check_turn(struct end *end)
{
    const struct link *link = &end->link;
    uint64_t wait_ms = link_wait_ms(link, world.now_ms);
    uint64_t owed_ms = life_of(end)->owed_ms;
    if (owed_ms != NEVER && owed_ms + LINK_ACKNOWLEDGE_MS <= world.now_ms)
        broken("%c has not acknowledged for %llu ms", name_of(end), (ull)(world.now_ms - owed_ms));
    if (wait_ms == 0 || wait_ms > LINK_IDLE_MS ||
        link_check(link, world.now_ms + wait_ms - 1) != LINK_NOTHING_DUE ||
        link_check(link, world.now_ms + wait_ms) == LINK_NOTHING_DUE)
        broken("%c does not know when it has something to say", name_of(end));
}

/* All that each has sent, in a stream that both are in, was taken. */
bool truth_is_whole(void)
{
    const struct life *a = life_of(&world.ends[0]);
    const struct life *b = life_of(&world.ends[1]);
    return a->partner == b->session && b->partner == a->session && a->sent == b->taken &&
           b->sent == a->taken;
}
