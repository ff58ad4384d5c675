/* What a guest hears waits in a list until the scene asks for it. */
#include "guests.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "refusals.h"
#include "wire.h"
#include "world.h"

#define TEXT_MAX 1024
#define NAME_MAX_LENGTH 32

struct heard {
    struct heard *next;
    char text[];
};

struct guest {
    struct guest *next;
    struct wire *wire; /* NULL: it is gone */
    int protocol;
    char name[NAME_MAX_LENGTH];
    char code[16];
    char epoch[20]; /* of protocol 3 */
    char index[NAME_MAX_LENGTH];
    uint32_t echoes;
    bool is_open;
    bool is_closed; /* by the server */
    bool is_ended;  /* without a word */
    bool is_refused;
    bool is_visitor; /* and asks for a page */
    unsigned close_code;
    char close_reason[128];
    struct heard *first;
    struct heard *last;
    struct heard *told; /* to the scene */
};

static struct {
    const char *scene;
    bool is_traced;
    struct guest *first;
    uint32_t count;
    bool share_address;
} guests;

void scene_fails(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "scene %s at %.6f: ", guests.scene, (double)network_now_ns() / 1e9);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

static void trace(const struct guest *guest, const char *what, const char *text)
{
    if (guests.is_traced)
        printf("%12.6f %s/%s %s %.300s\n", (double)network_now_ns() / 1e9, guests.scene,
               guest->name, what, text);
}

static void opened(void *owner)
{
    ((struct guest *)owner)->is_open = true;
    trace(owner, "is open", "");
}

/* A guest whose room has another home is seated again, and answers at once. */
static void answer_unasked(struct guest *guest, const char *text)
{
    const char *number = strstr(text, "\"unasked\":");
    uint32_t unasked;
    if (strncmp(text, "{\"type\":\"joined\"", 16) != 0 || number == NULL ||
        sscanf(number, "\"unasked\":%" SCNu32, &unasked) != 1)
        return;
    char answer[64];
    int length =
        snprintf(answer, sizeof answer, "{\"type\":\"resumed\",\"unasked\":%" PRIu32 "}", unasked);
    trace(guest, "says", answer);
    wire_say(guest->wire, answer, (size_t)length);
}

static void heard(void *owner, const char *text, size_t length)
{
    struct guest *guest = owner;
    struct heard *item = certain_malloc(sizeof *item + length + 1);
    item->next = NULL;
    memcpy(item->text, text, length + 1);
    if (guest->last != NULL)
        guest->last->next = item;
    else
        guest->first = item;
    guest->last = item;
    trace(guest, "hears", text);
    answer_unasked(guest, text);
}

/* It waits in the list as its bytes, in hexadecimal. */
static void heard_bytes(void *owner, struct bytes message)
{
    char text[TEXT_MAX] = "bytes";
    size_t at = strlen(text);
    for (size_t i = 0; i < message.length && at + 4 < sizeof text; i++)
        at += (size_t)snprintf(text + at, 4, " %02x", message.data[i]);
    heard(owner, text, at);
}

static void closed(void *owner, unsigned code, const char *reason)
{
    struct guest *guest = owner;
    trace(guest, "is closed:", reason);
    guest->is_closed = true;
    guest->close_code = code;
    snprintf(guest->close_reason, sizeof guest->close_reason, "%s", reason);
    wire_close(guest->wire);
    guest->wire = NULL;
}

static void ended(void *owner, bool is_reset)
{
    struct guest *guest = owner;
    trace(guest, is_reset ? "is reset" : "is ended", "");
    guest->is_ended = true;
    guest->is_refused = !guest->is_open && link_lacks_descriptor(wire_link(guest->wire));
    wire_close(guest->wire);
    guest->wire = NULL;
}

static void refused(void *owner, const char *response)
{
    struct guest *guest = owner;
    guest->is_refused = link_lacks_descriptor(wire_link(guest->wire));
    if (!guest->is_refused && !guest->is_visitor)
        scene_fails("%s is answered %s", guest->name, response);
    if (!guest->is_refused)
        heard(guest, response, strlen(response));
    wire_close(guest->wire);
    guest->wire = NULL;
}

static const struct wire_events events = {.opened = opened,
                                          .heard = heard,
                                          .heard_bytes = heard_bytes,
                                          .closed = closed,
                                          .ended = ended,
                                          .refused = refused};

static void free_guest(struct guest *guest)
{
    while (guest->first != NULL) {
        struct heard *item = guest->first;
        guest->first = item->next;
        free(item);
    }
    free(guest->told);
    if (guest->wire != NULL)
        wire_reset(guest->wire);
    free(guest);
}

void guests_begin(const char *scene, bool is_traced)
{
    while (guests.first != NULL) {
        struct guest *guest = guests.first;
        guests.first = guest->next;
        free_guest(guest);
    }
    guests.scene = scene;
    guests.share_address = false;
    guests.count++;
    guests.is_traced = is_traced;
}

static bool is_open_or_gone(void *context)
{
    const struct guest *guest = context;
    return guest->is_open || guest->wire == NULL;
}

void guests_share_address(void)
{
    guests.share_address = true;
    guests.count++;
}

/* An address of its own, so that guests are never too many for one address, or a common one. */
static struct address next_address(void)
{
    uint32_t number = guests.share_address ? guests.count : guests.count++;
    const uint8_t octets[4] = {203, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                               (uint8_t)number};
    return address_of_ipv4(octets);
}

struct guest *guest_come(int protocol, const char *name)
{
    struct guest *guest = certain_calloc(1, sizeof *guest);
    *guest = (struct guest){.protocol = protocol, .next = guests.first, .is_refused = true};
    snprintf(guest->name, sizeof guest->name, "%s", name);
    guests.first = guest;
    while (guest->is_refused) {
        guest->is_refused = false;
        guest->wire = wire_open(next_address(), protocol, &events, guest);
        trace(guest, "comes", "");
        if (!world_run_until_true(world_now_ns() + PROMPT_NS, is_open_or_gone, guest))
            scene_fails("%s gets no WebSocket", name);
        if (!guest->is_open && !guest->is_refused)
            scene_fails("%s is cut off before its WebSocket is open", name);
    }
    return guest;
}

static bool has_news(void *context)
{
    const struct guest *guest = context;
    return guest->first != NULL || guest->wire == NULL;
}

/* Somebody of this machine's own network, who may see all pages. */
static const uint8_t visitors_address[4] = {10, 0, 0, 1};

/* A home that a node can't hear any more is waited for until the link is void. */
static uint64_t patience_ns(void)
{
    return PROMPT_NS + (world_has_link_faults() ? 8 * NETWORK_S : 0);
}

char *scene_visit(const char *path)
{
    struct guest visitor = {.name = "visitor", .is_visitor = true, .is_refused = true};
    while (visitor.is_refused) {
        visitor.is_refused = false;
        visitor.wire = wire_ask(address_of_ipv4(visitors_address), path, &events, &visitor);
        if (!world_run_until_true(world_now_ns() + patience_ns(), has_news, &visitor))
            scene_fails("nobody answers who asks for %s", path);
    }
    if (visitor.first == NULL)
        return NULL;
    char *text = strdup(guest_hear(&visitor, 0));
    free(visitor.told);
    return text;
}

void scene_expect_refusal(const char *status)
{
    struct guest guest = {.name = "refused", .is_visitor = true, .is_refused = true};
    while (guest.is_refused) {
        guest.is_refused = false;
        guest.wire = wire_open(next_address(), 2, &events, &guest);
        if (!world_run_until_true(world_now_ns() + PROMPT_NS, has_news, &guest))
            scene_fails("nobody refuses who should get %s", status);
    }
    const char *text = guest_hear(&guest, 0);
    if (strncmp(text + 9, status, strlen(status)) != 0)
        scene_fails("who should get %s is answered %s", status, text);
    free(guest.told);
}

void scene_ask(const char *path, const char *status, const char *body)
{
    char *text = scene_visit(path);
    if (text == NULL)
        scene_fails("who asks for %s is cut off", path);
    const char *end = strstr(text, "\r\n\r\n");
    if (strncmp(text + 9, status, strlen(status)) != 0 || strcmp(end + 4, body) != 0)
        scene_fails("who asks for %s is answered %s", path, text);
    free(text);
}

void guest_say_bytes(struct guest *guest, const void *text, size_t length)
{
    if (guest->wire == NULL)
        scene_fails("%s is gone, and should say %.*s", guest->name, (int)length,
                    (const char *)text);
    wire_say(guest->wire, text, length);
}

const char *guest_epoch(const struct guest *guest)
{
    return guest->epoch;
}

void guest_say(struct guest *guest, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trace(guest, "says", text);
    guest_say_bytes(guest, text, (size_t)length);
}

struct wire *guest_wire(struct guest *guest)
{
    return guest->wire;
}

const char *guest_code(const struct guest *guest)
{
    return guest->code;
}

const char *guest_index(const struct guest *guest)
{
    return guest->index;
}

const char *guest_hear_if(struct guest *guest, uint64_t within_ns)
{
    (void)world_run_until_true(world_now_ns() + within_ns, has_news, guest);
    struct heard *item = guest->first;
    if (item == NULL)
        return NULL;
    guest->first = item->next;
    if (guest->first == NULL)
        guest->last = NULL;
    free(guest->told);
    guest->told = item;
    return item->text;
}

const char *guest_hear(struct guest *guest, uint64_t within_ns)
{
    const char *text = guest_hear_if(guest, within_ns);
    if (text == NULL && guest->wire == NULL)
        scene_fails("%s is gone (%u %s) and should hear something", guest->name, guest->close_code,
                    guest->close_reason);
    if (text == NULL)
        scene_fails("%s hears nothing", guest->name);
    return text;
}

void guest_expect(struct guest *guest, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *is_told = guest_hear(guest, PROMPT_NS);
    if (strcmp(is_told, text) != 0)
        scene_fails("%s hears %.300s instead of %s", guest->name, is_told, text);
}

/* Who is in a room talks to itself; who is in none is told so. */
void guest_catch_up(struct guest *guest)
{
    if (guest->code[0] == '\0') {
        guest_say(guest, "{\"type\":\"send\",\"data\":0}");
        guest_expect(guest, "{\"type\":\"error\",\"message\":\"Not in a room\"}");
        return;
    }
    guest->echoes++;
    guest_say(guest, "{\"type\":\"send\",\"to\":%s,\"data\":\"echo %u\"}", guest->index,
              guest->echoes);
    guest_expect(guest, "{\"type\":\"message\",\"from\":%s,\"data\":\"echo %u\"}", guest->index,
                 guest->echoes);
}

void guest_expect_close(struct guest *guest, unsigned code, const char *reason, uint64_t within_ns)
{
    if (!world_run_until_true(world_now_ns() + within_ns, has_news, guest))
        scene_fails("%s is not closed with %u", guest->name, code);
    if (guest->first != NULL)
        scene_fails("%s hears %.300s before its end", guest->name, guest->first->text);
    bool is_for_that = reason == NULL || strcmp(guest->close_reason, reason) == 0;
    if (!guest->is_closed || guest->close_code != code || !is_for_that)
        scene_fails("%s is closed with %u '%s' instead of %u", guest->name, guest->close_code,
                    guest->close_reason, code);
}

static bool is_gone(void *context)
{
    return ((const struct guest *)context)->wire == NULL;
}

void guest_expect_close_at_last(struct guest *guest, unsigned code, const char *reason,
                                uint64_t within_ns)
{
    (void)world_run_until_true(world_now_ns() + within_ns, is_gone, guest);
    while (guest->first != NULL)
        guest_hear(guest, 0);
    guest_expect_close(guest, code, reason, 0);
}

bool guest_is_connected(struct guest *guest)
{
    return guest->wire != NULL && link_is_served(wire_link(guest->wire));
}

static bool is_lost(void *context)
{
    return !guest_is_connected(context);
}

void guest_expect_lost(struct guest *guest, uint64_t within_ns)
{
    if (!world_run_until_true(world_now_ns() + within_ns, is_lost, guest))
        scene_fails("%s is still connected", guest->name);
}

void guest_leave(struct guest *guest, unsigned code)
{
    trace(guest, "leaves", "");
    wire_leave(guest->wire, code);
    guest->wire = NULL;
}

void guest_cut_off(struct guest *guest)
{
    trace(guest, "is cut off", "");
    if (guest->wire != NULL)
        wire_reset(guest->wire);
    guest->wire = NULL;
}

void guest_take_seat(struct guest *guest, const char *text)
{
    const char *room = strstr(text, "\"room\":\"");
    const char *index = strstr(text, "\"index\":");
    if (room == NULL || sscanf(room, "\"room\":\"%15[A-Za-z0-9]\"", guest->code) != 1)
        scene_fails("%s is told %s", guest->name, text);
    const char *epoch = strstr(text, "\"epoch\":\"");
    if (epoch != NULL)
        snprintf(guest->epoch, sizeof guest->epoch, "%.16s", epoch + strlen("\"epoch\":\""));
    if (guest->protocol == 1)
        snprintf(guest->index, sizeof guest->index, "\"%.20s\"", guest->name);
    else if (index == NULL || sscanf(index, "\"index\":%20[0-9]", guest->index) != 1)
        scene_fails("%s is told %s", guest->name, text);
}

struct guest *guest_create(int protocol, const char *name, uint32_t members_max)
{
    struct guest *guest = guest_come(protocol, name);
    guest_say(guest, "{\"type\":\"create\",\"clientId\":\"%s\",\"maxClients\":%u}", name,
              members_max);
    const char *text = guest_hear(guest, PROMPT_NS);
    if (strncmp(text, "{\"type\":\"created\"", 17) != 0)
        scene_fails("%s creates a room, and hears %s", name, text);
    guest_take_seat(guest, text);
    return guest;
}

struct guest *guest_join(int protocol, const char *name, const char *code)
{
    struct guest *guest = guest_come(protocol, name);
    guest_say(guest, "{\"type\":\"join\",\"clientId\":\"%s\",\"room\":\"%s\"}", name, code);
    const char *text = guest_hear(guest, PROMPT_NS);
    if (strncmp(text, "{\"type\":\"joined\"", 16) != 0)
        scene_fails("%s joins, and hears %s", name, text);
    guest_take_seat(guest, text);
    return guest;
}

void scene_wait(uint64_t for_ns)
{
    world_run_until(world_now_ns() + for_ns);
}

struct moment scene_now(void)
{
    return (struct moment){world_now_ns(), world_stood_still_before_ns()};
}

void scene_expect_elapsed(const char *what, struct moment since, uint64_t least_ns,
                          uint64_t most_ns)
{
    uint64_t elapsed_ns = world_now_ns() - since.now_ns;
    uint64_t gaps_ns = world_stood_still_ns() - since.stood_still_ns;
    if (elapsed_ns > most_ns || elapsed_ns + gaps_ns < least_ns)
        scene_fails("%s after %.3f s, not between %.3f and %.3f", what, (double)elapsed_ns / 1e9,
                    (double)least_ns / 1e9, (double)most_ns / 1e9);
}
