/*
 * Guests do what a scene says, one thing after the other. Whoever waits for something lets the
 * whole world go on meanwhile (world.h). What comes too late, or is not what was to come, ends the
 * process with the scene's name.
 */
#ifndef PARTY_TESTS_GUESTS_H
#define PARTY_TESTS_GUESTS_H

#include "base/attributes.h"
#include "network.h"

/* What is on its way is there by then, and handled, however the network cuts and delays it. */
#define PROMPT_NS (2 * NETWORK_S)

struct guest;

/* The scene that all of this belongs to; NULL: none any more, and all guests are gone. */
void guests_begin(const char *scene, bool is_traced);

/* Comes and speaks a protocol; its clientId is `name`. Returns when its WebSocket is open. */
struct guest *guest_come(int protocol, const char *name);
/* The same, and creates a room, or joins one as somebody who is new or comes back. */
struct guest *guest_create(int protocol, const char *name, uint32_t members_max);
struct guest *guest_join(int protocol, const char *name, const char *code);

/* Somebody asks for a page. Returns the answer, to be freed; NULL: it was cut off. */
char *scene_visit(const char *path);
/* The same; this must be the answer: status and body. */
void scene_ask(const char *path, const char *status, const char *body);

/* Somebody comes who gets this status instead of a WebSocket. */
void scene_expect_refusal(const char *status);

/* The code of the room that it is in, and its index or, in protocol 1, its name; as JSON. */
const char *guest_code(const struct guest *guest);
const char *guest_index(const struct guest *guest);

/* Of protocol 3: what it needs to come back. */
const char *guest_epoch(const struct guest *guest);

/* Notes the code, and who it is in the room, of a text that tells so. */
void guest_take_seat(struct guest *guest, const char *text);

PRINTF_LIKE(2, 3) void guest_say(struct guest *guest, const char *format, ...);
void guest_say_bytes(struct guest *guest, const void *text, size_t length);
/* For what is no text message. */
struct wire *guest_wire(struct guest *guest);

/* Those who come from now on have one public address, until the scene ends or asks for another. */
void guests_share_address(void);

/* Like guest_hear(), but NULL when the guest is gone, or hears nothing. */
const char *guest_hear_if(struct guest *guest, uint64_t within_ns);
/* The next that it hears; it is the guest's until the next is waited for. */
const char *guest_hear(struct guest *guest, uint64_t within_ns);
/* The next that it hears, promptly, is just this. */
PRINTF_LIKE(2, 3) void guest_expect(struct guest *guest, const char *format, ...);
/* It has heard nothing that it was not asked about, and does now: all that it has caused is done.
 */
void guest_catch_up(struct guest *guest);
/* The server closes it; it hears nothing before. Any reason: NULL. */
void guest_expect_close(struct guest *guest, unsigned code, const char *reason, uint64_t within_ns);
/* Whatever it hears before. */
void guest_expect_close_at_last(struct guest *guest, unsigned code, const char *reason,
                                uint64_t within_ns);
/* What happens to a guest is known from the outside alone: whether the server has its connection.
 */
bool guest_is_connected(struct guest *guest);
void guest_expect_lost(struct guest *guest, uint64_t within_ns);

/* It leaves: with 1000, or with another code; by the network's fault. */
void guest_leave(struct guest *guest, unsigned code);
void guest_cut_off(struct guest *guest);

_Noreturn PRINTF_LIKE(1, 2) void scene_fails(const char *format, ...);
void scene_wait(uint64_t for_ns);

/* Both clocks, since a server's time may go on in gaps in which its process stands still. */
struct moment {
    uint64_t now_ns;
    uint64_t stood_still_ns;
};

struct moment scene_now(void);
/* So much time has passed since a moment, and no more. */
void scene_expect_elapsed(const char *what, struct moment since, uint64_t least_ns,
                          uint64_t most_ns);

#endif
