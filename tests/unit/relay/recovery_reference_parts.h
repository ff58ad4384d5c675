/* The seats, rooms and connections of the reference server, for its own files. */
#ifndef PARTY_TESTS_RECOVERY_REFERENCE_PARTS_H
#define PARTY_TESTS_RECOVERY_REFERENCE_PARTS_H

#include "recovery/recovery_text.h"
#include "relay/recovery_reference.h"

#define REFERENCE_KEPT_MAX 64
#define REFERENCE_SEATS_MAX 64 /* of a room, at once */
#define REFERENCE_ROOMS_MAX 128
#define REFERENCE_SESSIONS 4 /* of a clientId that are remembered */
#define REFERENCE_KICKED_MAX 256
#define REFERENCE_TEXT_MAX 2048

enum reference_kind {
    KEPT_EVENT,
    KEPT_VOLATILE,
    KEPT_STATE,
};

/* An event that a seat may have missed. */
struct reference_kept {
    uint64_t n;
    enum reference_kind kind;
    char *text; /* owned */
};

struct reference_seat {
    uint32_t index;
    char client_id[TEXT_STRING_MAX];
    uint32_t connection; /* RECOVERY_NONE: away */
    uint64_t since_ms;   /* present, or away */
    uint64_t present_ms; /* how long it was, the last time */
    char epoch[TEXT_STRING_MAX];
    uint64_t count;    /* numbered events */
    uint64_t heard;    /* messages */
    bool is_confirmed; /* the member knows some of the events of the epoch */
    uint64_t retold;   /* so many events are told as messages alone */
    uint64_t hole;     /* the last event that is not in the list; 0: all are */
    uint64_t barrier;  /* what `resumed` must say before anything counts; 0: nothing */
    struct reference_kept kept[REFERENCE_KEPT_MAX + 1];
    uint32_t kept_count;
};

/* The sessions of a clientId, the newest one first. It outlives the seat. */
struct reference_sessions {
    char client_id[TEXT_STRING_MAX];
    char names[REFERENCE_SESSIONS][TEXT_STRING_MAX];
    uint64_t attempt; /* in the newest one */
};

struct reference_room {
    bool is_live;
    char code[TEXT_STRING_MAX];
    uint32_t host; /* index; RECOVERY_NONE: nobody is */
    uint32_t next_index;
    uint64_t max_clients;
    uint64_t hold_ms;
    bool ends_with_host;
    uint64_t hostless_ms; /* so long the host has been away while others were present */
    char *state;          /* owned; the text of the event; NULL: none */
    struct reference_seat *seats[REFERENCE_SEATS_MAX]; /* owned, ascending by index */
    uint32_t seat_count;
    struct reference_sessions known[RECOVERY_PLAYERS];
    uint32_t known_count;
    char kicked[REFERENCE_KICKED_MAX][TEXT_STRING_MAX]; /* epochs */
    uint32_t kicked_count;
};

struct reference_connection {
    bool is_open;
    struct reference_room *room; /* NULL: none, and no seat */
    struct reference_seat *seat;
};

struct reference {
    struct recovery_server *server;
    enum recovery_break broken;
    uint32_t kept_events;
    uint64_t now_ms;
    uint32_t epochs;
    uint32_t codes;
    uint64_t unasked;
    struct reference_connection connections[RECOVERY_CONNECTIONS];
    struct reference_room *rooms[REFERENCE_ROOMS_MAX]; /* owned */
    uint32_t room_count;
};

static inline bool reference_breaks(const struct reference *reference, enum recovery_break rule)
{
    return reference->broken == rule;
}

/* Of recovery_reference_seats.c: */

void reference_tell(struct reference *reference, uint32_t connection, const char *text);
void reference_close_connection(struct reference *reference, uint32_t connection, uint16_t code);

void reference_begin_epoch(struct reference *reference, struct reference_seat *seat);

/* Counts an event of a seat, keeps it and tells it. */
void reference_emit(struct reference *reference, struct reference_seat *seat,
                    enum reference_kind kind, const char *text);

/* The same for all seats of the room but one, which may be NULL. */
void reference_emit_to_others(struct reference *reference, struct reference_room *room,
                              const struct reference_seat *except, enum reference_kind kind,
                              const char *text);

/* An event that has nothing but an index, as "peer_away". */
void reference_emit_index(struct reference *reference, struct reference_room *room,
                          const struct reference_seat *except, const char *type, uint32_t index);

struct reference_seat *reference_find_seat(struct reference_room *room, uint64_t index);
struct reference_seat *reference_add_seat(struct reference *reference, struct reference_room *room,
                                          const char *client_id);

/* `why` is as in `peer_left`. The room may be over with that. */
void reference_remove_seat(struct reference *reference, struct reference_room *room,
                           struct reference_seat *seat, const char *why);
void reference_free_seat(struct reference_seat *seat);
void reference_end_room(struct reference *reference, struct reference_room *room);

/* The connection is lost; the seat is held. */
void reference_lose_seat(struct reference *reference, struct reference_room *room,
                         struct reference_seat *seat);

/* The member asks for this, or has been asked: `asked` has its `epoch` and `seen`, if any. */
void reference_answer_join(struct reference *reference, struct reference_room *room,
                           struct reference_seat *seat, uint32_t connection, struct bytes asked);

/* The present member with the lowest index is the host, if nobody is. */
void reference_elect_host(struct reference *reference, struct reference_room *room);

void reference_passes(struct reference *reference, uint32_t ms);

#endif
