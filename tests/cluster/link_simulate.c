/*
 * Two ends of a link over a bad network.
 *
 *     link_simulate [--seed N] [--seeds N | --for SECONDS] [--trace]
 *
 * A seed plays half a minute of faults. Then the network works, and soon both ends must be whole,
 * stay so, and be quiet when nobody has anything to say. Then single faults come, which must be
 * noticed in time.
 */
#include <stdio.h>

#include "cluster/link_world.h"

#define FAULTS_MS 30000
/* What is late arrives, the peer is taken for lost, and the link begins anew. */
#define HEALING_MS (LATE_MS + LINK_SILENT_MS + 2 * LINK_IDLE_MS)
#define CALM_MS 10000

struct world world;

uint64_t draw_number(void)
{
    uint64_t high = draw(UINT32_MAX);
    return high << 32 | draw(UINT32_MAX);
}

/* A few ways through a network that works. */
static uint64_t margin_ms(void)
{
    return 6 * (world.manners.way_ms + 3);
}

static void begin(struct end *end)
{
    uint64_t session = draw_number() | 1;
    truth_begin(end, session);
    link_begin(&end->link, session, world.now_ms);
    tell("%c begins %04x", name_of(end), (unsigned)(session & 0xFFFF));
}

static void send(struct end *end, bool has_bytes)
{
    struct letter letter = {.has_bytes = has_bytes};
    letter.header = link_next(&end->link, has_bytes, world.now_ms);
    end->spoken += !has_bytes;
    truth_sent(end, &letter);
    tell("%c sends %s of %04x, answers %04x, %llu, %llu", name_of(end),
         has_bytes ? "bytes" : "none", (unsigned)(letter.header.session & 0xFFFF),
         (unsigned)(letter.header.answers & 0xFFFF), (unsigned long long)letter.header.number,
         (unsigned long long)letter.header.received);
    network_send(end, letter);
    if (link_check(&end->link, world.now_ms) == LINK_MUST_SPEAK)
        broken("%c has spoken, and must speak at once again", name_of(end));
}

static void receive(struct end *end, const struct letter *letter)
{
    const struct link_header *header = &letter->header;
    enum link_verdict verdict = link_receive(&end->link, header, letter->has_bytes, world.now_ms);
    if (verdict == LINK_VOID) {
        world.outcome.voids++;
        truth_check_void(end, letter);
        begin(end);
        if (link_receive(&end->link, header, letter->has_bytes, world.now_ms) != LINK_IGNORED)
            broken("%c does not ignore what has voided its link", name_of(end));
    } else if (verdict == LINK_TAKEN) {
        world.outcome.taken++;
        truth_taken(end, letter);
    }
}

static void say_something(struct end *end)
{
    if (end->says_ms > world.now_ms || !link_is_open(&end->link) || world.is_quiet)
        return;
    uint32_t count = once_in(5) ? 1 + draw(6) : 1;
    for (uint32_t i = 0; i < count; i++)
        send(end, true);
    end->says_ms = world.now_ms + 1 + draw(2 * world.manners.says_ms);
}

static void take_turn(struct end *end)
{
    struct letter letter;
    while (network_deliver(end, &letter)) {
        if (end->is_up)
            receive(end, &letter);
    }
    if (!end->is_up)
        return;
    say_something(end);
    if (link_check(&end->link, world.now_ms) == LINK_LOST) {
        world.outcome.losses++;
        begin(end);
    }
    if (link_check(&end->link, world.now_ms) == LINK_MUST_SPEAK)
        send(end, false);
    truth_check_turn(end);
    end->wakes_ms = world.now_ms + link_wait_ms(&end->link, world.now_ms);
    end->stopped_ms = world.now_ms + (world.has_faults ? draw(world.manners.late_ms + 1) : 0);
}

static void come_up(struct end *end)
{
    end->is_up = true;
    end->stopped_ms = 0;
    end->wakes_ms = world.now_ms;
    begin(end);
}

static void cut(struct end *end, uint64_t until_ms)
{
    end->is_cut = true;
    end->cut_ms = until_ms;
    tell("what %c sends is lost until %llu", name_of(end), (unsigned long long)until_ms);
}

static void make_fault(void)
{
    struct end *end = &world.ends[draw(ENDS)];
    uint64_t span_ms = 100 + draw(once_in(3) ? 8000 : 1500);
    switch (draw(8)) {
    case 0:
        end->stopped_ms = world.now_ms + span_ms;
        tell("%c stops for %llu ms", name_of(end), (unsigned long long)span_ms);
        break;
    case 1:
        end->is_up = false;
        end->up_ms = world.now_ms + span_ms;
        tell("%c is down for %llu ms", name_of(end), (unsigned long long)span_ms);
        break;
    case 2:
        cut(other_end(end), world.now_ms + span_ms);
        cut(end, world.now_ms + span_ms);
        break;
    case 3:
        cut(end, world.now_ms + span_ms);
        break;
    case 4:
    case 5:
        network_repeat(end);
        break;
    default:
        network_forge(end);
    }
}

/* When something happens at this end next. */
static uint64_t next_of(const struct end *end)
{
    uint64_t next_ms = network_due_ms(end);
    if (!end->is_up)
        return end->up_ms < next_ms ? end->up_ms : next_ms;
    if (end->wakes_ms < next_ms)
        next_ms = end->wakes_ms;
    if (link_is_open(&end->link) && !world.is_quiet && end->says_ms < next_ms)
        next_ms = end->says_ms;
    return next_ms > end->stopped_ms ? next_ms : end->stopped_ms;
}

static void run_end(struct end *end)
{
    if (end->is_cut && end->cut_ms <= world.now_ms)
        end->is_cut = false;
    if (!end->is_up && end->up_ms <= world.now_ms)
        come_up(end);
    if (next_of(end) <= world.now_ms)
        take_turn(end);
}

static void run_until(uint64_t end_ms)
{
    while (world.now_ms < end_ms) {
        uint64_t next_ms = world.has_faults && world.fault_ms < end_ms ? world.fault_ms : end_ms;
        for (uint32_t i = 0; i < ENDS; i++) {
            uint64_t at_ms = next_of(&world.ends[i]);
            if (at_ms < next_ms)
                next_ms = at_ms;
        }
        if (next_ms > world.now_ms)
            world.now_ms = next_ms;
        if (world.has_faults && world.fault_ms <= world.now_ms) {
            make_fault();
            world.fault_ms = world.now_ms + 1 + draw(2 * world.manners.fault_ms);
        }
        for (uint32_t i = 0; i < ENDS; i++)
            run_end(&world.ends[i]);
    }
}

static void heal(void)
{
    tell("all heals");
    world.has_faults = false;
    for (uint32_t i = 0; i < ENDS; i++) {
        struct end *end = &world.ends[i];
        end->is_cut = false;
        if (!end->is_up)
            come_up(end);
        end->stopped_ms = 0;
    }
}

/* Both become whole. In the time that is left and in a while that follows nobody begins anew. */
static void become_whole(void)
{
    uint64_t begun_ms = world.now_ms;
    world.is_quiet = false;
    world.ends[0].says_ms = world.ends[1].says_ms = world.now_ms;
    do
        run_until(world.now_ms + 1);
    while (!truth_is_whole() && world.now_ms < begun_ms + HEALING_MS);
    if (world.outcome.whole_ms < world.now_ms - begun_ms)
        world.outcome.whole_ms = world.now_ms - begun_ms;
    run_until(begun_ms + HEALING_MS);
    uint32_t lives = world.ends[0].life_count + world.ends[1].life_count;
    run_until(world.now_ms + CALM_MS);
    if (world.ends[0].life_count + world.ends[1].life_count != lives)
        broken("an end begins anew, and nothing is wrong");
    world.is_quiet = true;
    run_until(world.now_ms + LINK_ACKNOWLEDGE_MS + margin_ms());
    if (!truth_is_whole())
        broken("the ends are not whole");
}

static void stay_quiet(void)
{
    uint32_t spoken[ENDS] = {world.ends[0].spoken, world.ends[1].spoken};
    run_until(world.now_ms + CALM_MS);
    for (uint32_t i = 0; i < ENDS; i++) {
        if (world.ends[i].spoken - spoken[i] > CALM_MS / LINK_IDLE_MS + 1)
            broken("%c speaks %u times, and has nothing to say", name_of(&world.ends[i]),
                   world.ends[i].spoken - spoken[i]);
    }
}

/* An end has ended a life by then, and not much before. */
static void expect_end(const struct end *end, uint64_t in_ms, const char *why)
{
    uint32_t lives = end->life_count;
    uint64_t by_ms = world.now_ms + in_ms + margin_ms();
    while (end->life_count == lives && world.now_ms < by_ms)
        run_until(world.now_ms + 1);
    if (end->life_count == lives)
        broken("%c does not notice in %llu ms that %s", name_of(end), (unsigned long long)in_ms,
               why);
}

static void expect_open(uint64_t in_ms)
{
    const struct end *ends = world.ends;
    run_until(world.now_ms + in_ms + margin_ms());
    if (!link_is_open(&ends[0].link) || !link_is_open(&ends[1].link))
        broken("the ends are not open after %llu ms", (unsigned long long)in_ms);
}

static void send_and_lose(struct end *end)
{
    cut(end, NEVER);
    send(end, true);
    end->wakes_ms = world.now_ms;
}

static void lose_last_message(struct end *end)
{
    send_and_lose(end);
    end->is_cut = false;
    expect_end(other_end(end), LINK_IDLE_MS, "the last message was lost");
}

static void lose_all_messages(struct end *end)
{
    uint64_t first_ms = world.now_ms;
    send_and_lose(end);
    run_until(first_ms + LINK_UNACKNOWLEDGED_MS / 2);
    send_and_lose(end);
    expect_end(end, first_ms + LINK_UNACKNOWLEDGED_MS - world.now_ms, "nobody acknowledges");
}

static void fall_silent(struct end *end)
{
    cut(end, NEVER);
    expect_end(other_end(end), LINK_SILENT_MS, "the other end is silent");
}

static void restart(struct end *end)
{
    come_up(end);
    expect_end(other_end(end), LINK_ACKNOWLEDGE_MS, "the other end has begun anew");
    expect_open(0);
}

static void restart_unheard(struct end *end)
{
    cut(end, NEVER);
    come_up(end);
    run_until(world.now_ms + LINK_IDLE_MS);
    end->is_cut = false;
    expect_end(other_end(end), LINK_OPENING_MS + LINK_ACKNOWLEDGE_MS, "the other end begins anew");
    expect_open(0);
}

/* Nothing that was sent before the link began, and nothing forged, does any harm. */
static void send_junk(struct end *end)
{
    uint32_t lives = world.ends[0].life_count + world.ends[1].life_count;
    for (uint32_t i = 0; i < ALBUM_MAX; i++) {
        network_forge_unproven(end);
        network_repeat(end);
    }
    run_until(world.now_ms + CALM_MS / 2);
    if (world.ends[0].life_count + world.ends[1].life_count != lives)
        broken("what proves nothing voids a link");
}

/* A single fault, from two ends that are whole and quiet. */
static void notice_fault(void)
{
    static void (*const faults[])(struct end *) = {
        lose_last_message, lose_all_messages, fall_silent, restart, restart_unheard, send_junk};
    struct end *end = &world.ends[draw(ENDS)];
    faults[draw(ARRAY_LENGTH(faults))](end);
    end->is_cut = false;
}

static void draw_manners(struct manners *manners)
{
    static const uint32_t often[] = {0, 0, 1000, 200, 40, 8};
    *manners = (struct manners){
        .loses = often[draw(ARRAY_LENGTH(often))],
        .doubles = often[draw(ARRAY_LENGTH(often))],
        .delays = often[draw(ARRAY_LENGTH(often))],
        .fault_ms = once_in(2) ? 2000 : 200 + draw(300),
        .late_ms = once_in(2)   ? 0
                   : once_in(2) ? 20
                                : 300,
        .says_ms = once_in(2) ? 100 : 400,
    };
}

/* Forgets what the last seed has used. */
static void clear_world(void)
{
    world.now_ms = 1000;
    world.has_faults = true;
    world.is_quiet = false;
    world.fault_ms = 0;
    world.wire_count = world.album_count = 0;
    world.order = 0;
    world.outcome = (struct outcome){0};
    for (uint32_t i = 0; i < ENDS; i++) {
        struct end *end = &world.ends[i];
        end->is_up = end->is_cut = false;
        end->stopped_ms = end->wakes_ms = end->last_due_ms = end->cut_ms = end->says_ms = 0;
        end->life_count = end->spoken = 0;
        end->up_ms = world.now_ms + draw(2) * draw(500);
    }
}

static void play(char *summary, size_t capacity)
{
    seeds_watch(&world.now_ms);
    clear_world();
    draw_manners(&world.manners);
    run_until(world.now_ms + FAULTS_MS);
    heal();
    become_whole();
    stay_quiet();
    notice_fault();
    become_whole();
    const struct outcome *outcome = &world.outcome;
    snprintf(summary, capacity,
             "%u messages, %u taken, %u forged, %u lives, of which %u voided and %u lost, whole "
             "after %llu ms",
             outcome->letters, outcome->taken, outcome->forged,
             world.ends[0].life_count + world.ends[1].life_count, outcome->voids, outcome->losses,
             (unsigned long long)outcome->whole_ms);
}

int main(int argument_count, char **arguments)
{
    return seeds_play(argument_count, arguments, play);
}
