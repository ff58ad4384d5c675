/*
 * A household is a room and those who live there. What one of them has heard, the server has done
 * before: if that was before the changes that a crash has lost, it must be there again.
 */
#include "residents.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recovery/recovery_text.h"
#include "relay/code.h"
#include "wire.h"
#include "world.h"

#define HOUSEHOLDS_MAX 4
#define RESIDENTS_MAX 5
#define INDICES_MAX 1024
#define STATES_MAX 1024
#define INDEX_STEP 16 /* see "Records" in ARCHITECTURE.md */
#define NOBODY UINT32_MAX
#define BACK_NS (3 * NETWORK_S)     /* in which everybody comes back */
#define INTERVAL_NS (NETWORK_S / 4) /* between two things that one says */
#define SAYING_MAX 128

/* What somebody has said last, as another has heard it. */
struct saying {
    uint32_t connection;
    uint32_t count;
};

struct resident {
    struct household *household;
    uint32_t number;
    struct wire *wire; /* NULL: it has no connection */
    bool is_cut_off;   /* the server has stopped or crashed since it connected */
    bool is_seated;
    bool awaits_state; /* the next text is the state, if there is one: */
    uint32_t least; /* this one or a later one, since it was there before the join; 0: none was */
    uint64_t acts_ns;
    uint32_t others;    /* who are present */
    uint32_t index;     /* NOBODY: it has had none in this room */
    uint64_t index_ns;  /* when it heard that it was given this index */
    bool may_lose_seat; /* a crash may have lost it */
    uint32_t state;     /* that it was told last */
    uint32_t connections;
    uint32_t said;
    struct saying heard[RESIDENTS_MAX];
};

struct household {
    int protocol;
    uint32_t count;
    struct resident residents[RESIDENTS_MAX]; /* the first one makes the room */
    char code[TEXT_STRING_MAX];               /* empty: there is none */
    uint64_t code_ns;
    bool may_be_gone;
    bool is_gone; /* its record was damaged */
    uint32_t owners[INDICES_MAX];
    uint64_t owned_ns[INDICES_MAX];
    uint32_t state_said;           /* the number of the last state */
    uint32_t state_least;          /* the room has this state or a later one, */
    uint32_t state_most;           /* but none later than this */
    uint64_t state_ns[STATES_MAX]; /* when one was heard first; 0: it was not */
};

static struct {
    struct household households[HOUSEHOLDS_MAX];
    uint32_t count;
    bool is_traced;
    bool is_silent;
    bool is_over;
    uint64_t digest;
    uint64_t heard;
} residents;

#define FOR_EACH_RESIDENT(resident)                                                    \
    for (uint32_t at_ = 0; at_ < residents.count; at_++)                               \
        for (struct resident *resident = residents.households[at_].residents,          \
                             *const end_ = resident + residents.households[at_].count; \
             resident < end_; resident++)

PRINTF_LIKE(2, 3) static void trace(const struct resident *resident, const char *format, ...)
{
    if (!residents.is_traced)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%12.6f resident %" PRIu32 "/%s ", (double)network_now_ns() / 1e9, resident->number,
           resident->household->code);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

_Noreturn PRINTF_LIKE(2, 3) static void fail(const struct resident *resident, const char *format,
                                             ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "resident %" PRIu32 "/%s at %.6f: ", resident->number,
            resident->household->code, (double)network_now_ns() / 1e9);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

static void be_gone(struct resident *resident)
{
    resident->wire = NULL;
    resident->is_seated = false;
    resident->awaits_state = false;
    resident->acts_ns = network_now_ns() + network_random() % BACK_NS;
}

PRINTF_LIKE(2, 3) static void say(struct resident *resident, const char *format, ...)
{
    char text[SAYING_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trace(resident, "says %s", text);
    wire_say(resident->wire, text, (size_t)length);
}

/* Nobody has a room: the next one is another. */
static void forget_room(struct household *household)
{
    household->code[0] = '\0';
    household->may_be_gone = household->is_gone = false;
    household->state_least = household->state_most = 0;
    memset(household->state_ns, 0, sizeof household->state_ns);
    for (uint32_t i = 0; i < INDICES_MAX; i++)
        household->owners[i] = NOBODY;
    for (uint32_t i = 0; i < household->count; i++)
        household->residents[i].index = NOBODY;
}

/* Its index is its own: the one that it had, if no crash has lost it, and never another's. */
static void take_index(struct resident *resident, struct bytes text)
{
    struct household *household = resident->household;
    uint64_t index = text_number(text, "index");
    if (household->protocol == 1)
        return;
    if (index >= INDICES_MAX)
        fail(resident, "has no index: %.*s", (int)text.length, text.data);
    uint32_t owner = household->owners[index];
    if (owner != NOBODY && owner != resident->number)
        fail(resident, "gets the index %" PRIu64 ", which was that of %u", index, owner);
    if (resident->index != NOBODY && resident->index != index && !resident->may_lose_seat)
        fail(resident, "was %u, and comes back as %" PRIu64, resident->index, index);
    if (owner == NOBODY)
        household->owned_ns[index] = network_now_ns();
    household->owners[index] = resident->number;
    if (resident->index != index || resident->may_lose_seat)
        resident->index_ns = network_now_ns();
    resident->index = (uint32_t)index;
    resident->may_lose_seat = false;
}

static void take_created(struct resident *resident, struct bytes text)
{
    struct household *household = resident->household;
    forget_room(household);
    text_string(text, "room", household->code);
    household->code_ns = network_now_ns();
    resident->is_seated = true;
    resident->others = 0;
    resident->state = household->state_said; /* it is told none of before */
    take_index(resident, text);
}

static uint32_t count_of(struct bytes list)
{
    uint32_t count = list.length > 2;
    for (size_t i = 0; i < list.length; i++)
        count += list.data[i] == ',';
    return count;
}

/* In protocol 1 who comes back is behind all others, as somebody new. */
static void check_is_last(const struct resident *resident, struct bytes list)
{
    char end[16];
    size_t length = (size_t)snprintf(end, sizeof end, "\"p%u\"]", resident->number);
    if (list.length < length || memcmp(list.data + list.length - length, end, length) != 0)
        fail(resident, "is not the last of %.*s", (int)list.length, list.data);
}

static void take_joined(struct resident *resident, struct bytes text)
{
    struct household *household = resident->household;
    struct bytes list = text_member(text, household->protocol == 1 ? "clients" : "peers").raw;
    if (household->is_gone)
        fail(resident, "is in a room whose record was damaged");
    if (household->protocol == 1)
        check_is_last(resident, list);
    household->may_be_gone = false;
    resident->is_seated = true;
    resident->others = count_of(list) - (household->protocol == 1);
    resident->state = 0;
    resident->awaits_state = household->protocol == 2;
    take_index(resident, text);
}

/* Who joins is told the state, and then each later one. */
static void take_state(struct resident *resident, struct bytes text)
{
    struct household *household = resident->household;
    uint32_t data[TEXT_LIST_MAX];
    uint32_t state = text_list(text, "data", data) == 1 ? data[0] : 0;
    uint32_t least = resident->awaits_state ? resident->least : resident->state + 1;
    if (state < least || state > household->state_most)
        fail(resident, "is told %.*s, and it must be from %u to %u", (int)text.length, text.data,
             least, household->state_most);
    if (household->state_ns[state] == 0)
        household->state_ns[state] = network_now_ns();
    if (state > household->state_least)
        household->state_least = state;
    resident->state = state;
    resident->awaits_state = false;
}

/* Nothing that one says comes twice, or behind what it said later. */
static void take_message(struct resident *resident, struct bytes text)
{
    uint32_t data[TEXT_LIST_MAX];
    if (text_list(text, "data", data) != 3 || data[0] >= resident->household->count)
        fail(resident, "hears %.*s", (int)text.length, text.data);
    struct saying *last = &resident->heard[data[0]];
    bool is_new = data[1] > last->connection || data[2] > last->count;
    if (data[1] < last->connection || !is_new)
        fail(resident, "hears %.*s behind %u of connection %u", (int)text.length, text.data,
             last->count, last->connection);
    *last = (struct saying){data[1], data[2]};
    residents.heard++;
}

static void take_error(struct resident *resident, struct bytes text)
{
    struct household *household = resident->household;
    if (!text_has_string(text, "message", "Room not found"))
        fail(resident, "is told %.*s", (int)text.length, text.data);
    if (household->code[0] != '\0' && !household->may_be_gone)
        fail(resident, "does not find its room");
    if (resident->number == 0)
        forget_room(household);
    wire_close(resident->wire);
    be_gone(resident);
}

static void heard(void *owner, const char *sentence, size_t length)
{
    struct resident *resident = owner;
    struct bytes text = bytes_of((const uint8_t *)sentence, length);
    trace(resident, "hears %s", sentence);
    for (size_t i = 0; i < length; i++)
        residents.digest = (residents.digest ^ text.data[i]) * UINT64_C(0x100000001B3);
    residents.digest ^= network_now_ns();
    bool is_state = text_has_string(text, "type", "state");
    if (resident->awaits_state && !is_state && resident->least > 0)
        fail(resident, "is not told the state %u", resident->least);
    if (!is_state)
        resident->awaits_state = false;
    if (is_state)
        take_state(resident, text);
    else if (text_has_string(text, "type", "message"))
        take_message(resident, text);
    else if (text_has_string(text, "type", "peer_joined"))
        resident->others++;
    else if (text_has_string(text, "type", "peer_left"))
        resident->others--;
    else if (text_has_string(text, "type", "created"))
        take_created(resident, text);
    else if (text_has_string(text, "type", "joined"))
        take_joined(resident, text);
    else
        take_error(resident, text);
}

static void hear_close(void *owner, unsigned code, const char *reason)
{
    struct resident *resident = owner;
    trace(resident, "is closed with %u %s", code, reason);
    if (code != 1012 || !resident->is_cut_off)
        fail(resident, "is closed with %u %s", code, reason);
    wire_close(resident->wire);
    be_gone(resident);
}

static void ended(void *owner, bool is_reset)
{
    struct resident *resident = owner;
    trace(resident, is_reset ? "is reset" : "is ended");
    if (!resident->is_cut_off && !link_lacks_descriptor(wire_link(resident->wire)))
        fail(resident, "is cut off by the server");
    if (is_reset)
        wire_reset(resident->wire);
    else
        wire_close(resident->wire);
    be_gone(resident);
}

static void refused(void *owner, const char *response)
{
    struct resident *resident = owner;
    trace(resident, "is answered %.12s", response);
    if (!resident->is_cut_off && !link_lacks_descriptor(wire_link(resident->wire)))
        fail(resident, "is answered %s", response);
    wire_close(resident->wire);
    be_gone(resident);
}

static void opened(void *owner)
{
    struct resident *resident = owner;
    struct household *household = resident->household;
    resident->least = household->state_least;
    if (household->code[0] != '\0') {
        say(resident, "{\"type\":\"join\",\"clientId\":\"p%u\",\"room\":\"%s\"}", resident->number,
            household->code);
    } else if (resident->number == 0) {
        say(resident, "{\"type\":\"create\",\"clientId\":\"p0\",\"maxClients\":%u}",
            household->count);
    } else {
        wire_close(resident->wire);
        be_gone(resident);
    }
}

static const struct wire_events events = {
    .opened = opened, .heard = heard, .closed = hear_close, .ended = ended, .refused = refused};

static void connect_resident(struct resident *resident)
{
    const uint8_t octets[4] = {203, 0, 113, (uint8_t)resident->number};
    resident->wire =
        wire_open(address_of_ipv4(octets), resident->household->protocol, &events, resident);
    resident->is_cut_off = world_is_stopping();
    resident->connections++;
    resident->said = 0;
    resident->acts_ns = UINT64_MAX;
    trace(resident, "connects");
}

static void say_something(struct resident *resident)
{
    struct household *household = resident->household;
    bool may_set =
        household->protocol == 2 && resident->number == 0 && household->state_said + 1 < STATES_MAX;
    if (may_set && network_once_in(2)) {
        household->state_most = ++household->state_said;
        say(resident, "{\"type\":\"set_state\",\"data\":[%u]}", household->state_said);
    } else {
        say(resident, "{\"type\":\"send\",\"data\":[%u,%u,%u]}", resident->number,
            resident->connections, ++resident->said);
    }
}

static void act(struct resident *resident)
{
    bool may_enter = resident->number == 0 || resident->household->code[0] != '\0';
    resident->acts_ns = network_now_ns() + INTERVAL_NS / 2 + network_random() % INTERVAL_NS;
    if (resident->wire == NULL && may_enter)
        connect_resident(resident);
    else if (resident->is_seated && !resident->awaits_state && !residents.is_silent)
        say_something(resident);
}

uint64_t residents_next_ns(void)
{
    uint64_t next_ns = UINT64_MAX;
    FOR_EACH_RESIDENT(resident)
    {
        uint64_t due_ns =
            resident->wire != NULL && !resident->is_seated ? UINT64_MAX : resident->acts_ns;
        if (due_ns < next_ns)
            next_ns = due_ns;
    }
    return residents.is_over ? UINT64_MAX : next_ns;
}

void residents_act(void)
{
    if (residents.is_over)
        return;
    FOR_EACH_RESIDENT(resident)
    {
        if (resident->wire != NULL && !resident->is_seated)
            continue;
        if (resident->acts_ns == UINT64_MAX)
            resident->acts_ns = network_now_ns() + network_random() % INTERVAL_NS;
        if (resident->acts_ns <= network_now_ns())
            act(resident);
    }
}

void residents_begin(const struct clients_plan *plan)
{
    memset(&residents, 0, sizeof residents);
    if (!plan->restarts)
        return;
    residents.is_traced = plan->is_traced;
    residents.count = 1 + network_below(HOUSEHOLDS_MAX);
    for (uint32_t i = 0; i < residents.count; i++) {
        struct household *household = &residents.households[i];
        household->protocol = network_once_in(2) ? 1 : 2;
        household->count = 2 + network_below(RESIDENTS_MAX - 1);
        for (uint32_t j = 0; j < household->count; j++) {
            household->residents[j] = (struct resident){.household = household, .number = j};
            be_gone(&household->residents[j]);
        }
        forget_room(household);
    }
}

void residents_are_cut_off(void)
{
    FOR_EACH_RESIDENT(resident)
    {
        resident->is_cut_off = true;
    }
}

/* The next index is a multiple of INDEX_STEP, above those that are kept. */
static void lose_indices(struct household *household, uint64_t since_ns)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < INDICES_MAX; i++) {
        if (household->owners[i] != NOBODY && household->owned_ns[i] < since_ns)
            next = i + 1;
    }
    for (uint32_t i = (next / INDEX_STEP + 1) * INDEX_STEP; i < INDICES_MAX; i++)
        household->owners[i] = NOBODY;
    for (uint32_t i = 0; i < household->count; i++) {
        struct resident *resident = &household->residents[i];
        resident->may_lose_seat |= resident->index != NOBODY && resident->index_ns >= since_ns;
    }
}

static void lose_states(struct household *household, uint64_t since_ns)
{
    uint32_t state = household->state_least;
    for (; state > 0 && (household->state_ns[state] == 0 || household->state_ns[state] >= since_ns);
         state--)
        household->state_ns[state] = 0; /* if it is not lost, it is heard again */
    household->state_least = state;
}

void residents_lose_changes(uint64_t since_ns, uint64_t lost_code)
{
    char code[CODE_LENGTH_MAX + 1] = {0};
    code_write(lost_code, (uint8_t *)code);
    for (uint32_t i = 0; i < residents.count; i++) {
        struct household *household = &residents.households[i];
        if (household->code[0] == '\0')
            continue;
        household->is_gone |= lost_code != 0 && strcmp(household->code, code) == 0;
        household->may_be_gone |= household->is_gone || household->code_ns >= since_ns;
        lose_indices(household, since_ns);
        lose_states(household, since_ns);
    }
}

void residents_fall_silent(void)
{
    residents.is_silent = true;
}

void residents_check_rest(void)
{
    FOR_EACH_RESIDENT(resident)
    {
        const struct household *household = resident->household;
        if (!resident->is_seated)
            fail(resident, "is in no room");
        if (resident->others != household->count - 1)
            fail(resident, "knows %u others instead of %u", resident->others, household->count - 1);
        if (resident->number != 0 && resident->state != household->state_said &&
            household->state_most == household->state_said)
            fail(resident, "knows state %u, and not %u", resident->state, household->state_said);
    }
}

void residents_leave(void)
{
    residents.is_over = true;
    FOR_EACH_RESIDENT(resident)
    {
        if (resident->wire != NULL)
            wire_reset(resident->wire);
        be_gone(resident);
    }
}

uint64_t residents_digest(void)
{
    return residents.digest;
}

uint64_t residents_heard(void)
{
    return residents.heard;
}
