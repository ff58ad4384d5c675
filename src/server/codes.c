/* Protocol 3 has two kinds of codes, since a code on a network of one's own may be short. */
#include "server/codes.h"

#include "relay/code.h"

#define CODES_FOR_ROOMS_TIMES 4
#define CODES_FOR_ROOMS_LEAST 28

static enum code_kind kind_of(enum protocol protocol)
{
    return protocol == PROTOCOL_1 ? CODES_1 : protocol == PROTOCOL_2 ? CODES_2 : CODES_3;
}

static enum protocol protocol_of(enum code_kind kind)
{
    return kind == CODES_1 ? PROTOCOL_1 : kind == CODES_2 ? PROTOCOL_2 : PROTOCOL_3;
}

/* Rooms of this node, with one more. */
static uint64_t rooms_of(const struct loop *loop)
{
    return atomic_load_explicit(&loop->server->rooms, memory_order_relaxed) + 1;
}

/* The letters that a code of protocol 3 needs when there are so many rooms. */
static uint32_t length_of(const struct loop *loop, enum code_kind kind, uint64_t rooms)
{
    uint32_t region = code_region_index(loop->relay.config.instance.region);
    return code_length_needed(rooms, kind == CODES_3_NEAR, region);
}

/* Whether the slice is still this node's as it was when the code was confirmed. */
static bool is_good(const struct loop *loop, const struct known_code *known)
{
    struct ownership_word owner = loop->links->owners[peers_slice_of(known->code)];
    return peers_place(owner) == PEER_HERE && peers_term(owner) == known->term;
}

void codes_check_owners(struct loop *loop)
{
    for (enum code_kind kind = 0; kind < CODE_KINDS; kind++) {
        struct code_stock *stock = &loop->links->codes[kind];
        uint32_t kept = 0;
        for (uint32_t i = 0; i < stock->count; i++) {
            if (is_good(loop, &stock->codes[i]))
                stock->codes[kept++] = stock->codes[i];
        }
        stock->count = kept;
    }
}

static void draw(struct loop *loop, enum code_kind kind, struct code_request *request)
{
    uint64_t rooms = rooms_of(loop);
    /* Until they are given away there may be more rooms, and other nodes have some as well. */
    if (kind == CODES_3)
        rooms = CODES_FOR_ROOMS_LEAST + rooms * CODES_FOR_ROOMS_TIMES;
    uint32_t length = length_of(loop, kind, rooms);
    request->count = 0;
    while (request->count < CODES_ASKED) {
        struct known_code *known = &request->codes[request->count];
        if (!relay_draw_code(&loop->relay, protocol_of(kind), length, &known->code))
            return;
        known->term = peers_term(loop->links->owners[peers_slice_of(known->code)]);
        request->count++;
    }
}

/* Milliseconds until so much time has passed, at least 0. */
static int milliseconds_until(const struct loop *loop, uint32_t due_ms)
{
    int32_t left_ms = (int32_t)(due_ms - loop->now_ms);
    return left_ms < 0 ? 0 : left_ms;
}

/* Milliseconds until codes of this kind are to be asked for; -1: they are not. */
static int wait_ms(const struct loop *loop, enum code_kind kind)
{
    const struct links *links = loop->links;
    const struct code_request *request = &links->code_requests[kind];
    bool wants_none = links->own_slices == 0 || loop->relay.is_draining || loop->is_stopping;
    if (wants_none || request->is_out || links->codes[kind].count > CODES_KEPT - CODES_ASKED)
        return -1;
    int due_ms = milliseconds_until(loop, request->due_ms);
    /* Codes of the few slices that open first would be easy to guess. */
    int open_ms =
        links->opening_slices == 0 ? 0 : milliseconds_until(loop, links->opened_ms + CODES_WAIT_MS);
    return due_ms > open_ms ? due_ms : open_ms;
}

int codes_wait_ms(const struct loop *loop)
{
    int least_ms = -1;
    for (enum code_kind kind = 0; kind < CODE_KINDS; kind++) {
        int kind_ms = wait_ms(loop, kind);
        if (kind_ms >= 0 && (least_ms < 0 || kind_ms < least_ms))
            least_ms = kind_ms;
    }
    return least_ms;
}

void codes_fill(struct loop *loop)
{
    for (enum code_kind kind = 0; kind < CODE_KINDS; kind++) {
        struct code_request *request = &loop->links->code_requests[kind];
        if (wait_ms(loop, kind) != 0)
            continue;
        request->due_ms = loop->now_ms + CODES_RETRY_MS;
        draw(loop, kind, request);
        if (request->count == 0)
            continue;
        request->is_out = true;
        mailbox_post(loop->server->recorder, &request->mail);
    }
}

/* The first time tells that the loop can make rooms. */
static void note_stock(struct loop *loop)
{
    struct links *links = loop->links;
    bool has_all = true;
    for (enum code_kind kind = 0; kind < CODE_KINDS; kind++)
        has_all = has_all && links->codes[kind].count > 0;
    if (!has_all || links->had_codes)
        return;
    links->had_codes = true;
    atomic_fetch_add(&loop->server->peers->stocked_loops, 1);
}

void codes_receive(struct loop *loop, struct code_request *request)
{
    struct code_stock *stock = &loop->links->codes[request->kind];
    bool is_any_good = false;
    request->is_out = false;
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->codes[i].term == 0 || stock->count == CODES_KEPT)
            continue;
        stock->codes[stock->count++] = request->codes[i];
        is_any_good = true;
    }
    if (is_any_good)
        request->due_ms = loop->now_ms; /* more may be asked for at once */
    note_stock(loop);
}

static uint32_t letters_of(uint64_t code)
{
    uint8_t text[CODE_LENGTH_MAX];
    return (uint32_t)code_write(code, text);
}

/* Forgets the last codes until one is good and has so many letters. False: there is none. */
static bool has_good(const struct loop *loop, struct code_stock *stock, uint32_t length)
{
    while (stock->count > 0) {
        const struct known_code *known = &stock->codes[stock->count - 1];
        if (is_good(loop, known) && letters_of(known->code) >= length)
            return true;
        stock->count--;
    }
    return false;
}

static bool take(const struct loop *loop, struct code_stock *stock, uint32_t length,
                 uint64_t *ret_code)
{
    if (!has_good(loop, stock, length))
        return false;
    *ret_code = stock->codes[--stock->count].code;
    return true;
}

bool codes_take(struct loop *loop, enum protocol protocol, uint32_t length, uint64_t *ret_code)
{
    struct code_stock *codes = loop->links->codes;
    bool is_near = protocol == PROTOCOL_3 && length < length_of(loop, CODES_3, rooms_of(loop));
    /* Other loops make rooms meanwhile, so a code may turn out to be as short as it was. */
    return (is_near && take(loop, &codes[CODES_3_NEAR], length, ret_code)) ||
           take(loop, &codes[kind_of(protocol)], 0, ret_code);
}

bool codes_has(struct loop *loop, enum protocol protocol)
{
    if (loop_clock_ns(loop) > atomic_load(&loop->server->peers->fresh_until_ns))
        return false;
    uint32_t length = protocol == PROTOCOL_3 ? length_of(loop, CODES_3, rooms_of(loop)) : 0;
    return has_good(loop, &loop->links->codes[kind_of(protocol)], length);
}
