/*
 * A witness of all that goes into a server of protocol 3 and comes out of it.
 *
 * Players know only what reached them. The witness sees each text when the server gets it and when
 * the server tells it, on connections that players have given up, too. So it knows which messages
 * the server has handled, who had a seat then, and thus what each seat was promised. Of logs,
 * counts of events and holds it knows nothing: it compares promises with what players take.
 */
#ifndef PARTY_TESTS_RECOVERY_WITNESS_H
#define PARTY_TESTS_RECOVERY_WITNESS_H

#include "recovery/recovery_server.h"
#include "recovery/recovery_text.h"
#include "recovery/recovery_verdict.h"

#define WITNESS_SEATS 512
#define WITNESS_ROOMS 128
#define WITNESS_STATES 64 /* of a room, to which a crash may go back */
#define WITNESS_EPOCHS 2048
#define WITNESS_IDS 2048 /* of the messages of a player */

enum witness_kind {
    ITEM_MESSAGE,
    ITEM_VOLATILE,
    ITEM_STATE,
    ITEM_ERROR,
};

/* One event that a seat was promised. */
struct witness_item {
    enum witness_kind kind;
    uint32_t player; /* that said it; 0 of an error, and so is `life` */
    uint32_t life;
    uint32_t id;     /* of an error its `n` */
    uint32_t from;   /* the seat's index */
    bool is_of_gone; /* that seat was gone when the item was to be told again */
};

enum witness_presence {
    SEAT_PRESENT,
    SEAT_AWAY,
    SEAT_GONE,
    SEAT_DOUBTFUL, /* a crash may have lost it, or lost that it was given up */
};

struct witness_seat {
    uint32_t room;
    uint32_t index;
    uint32_t player;
    enum witness_presence presence;
    uint64_t begun_ms;
    uint64_t gone_ms;
    uint64_t lost_ms;  /* when the server saw that the connection was lost */
    uint64_t held_ms;  /* after a restart the seat is held until then, unless its member is back */
    bool is_lost;      /* by a crash, unless somebody hears of it later */
    bool is_uncounted; /* a crash has lost the counts, and nobody has come back since */
    char epoch[TEXT_STRING_MAX];
    uint64_t heard;             /* messages in this epoch that the server has handled */
    bool is_confirmed;          /* the server knows that events of this epoch were seen */
    uint32_t first_item;        /* of this epoch */
    uint64_t first_event;       /* `events` of the room before this epoch */
    uint64_t retold_until;      /* the number of the last event that was told as messages alone */
    struct witness_item *items; /* owned, in the order of promising */
    uint32_t item_count;
    uint32_t item_capacity;
    uint32_t next;         /* the item that the player takes next */
    uint32_t retold;       /* items that its player is being told again, up to this one; 0: none */
    bool may_lack;         /* the first ones of these may be lost, in the server's log */
    uint64_t skipped;      /* told since the player took the item before that */
    uint64_t taken_events; /* `events` of the room when the server told what was taken last */
};

/* The state of a room, from a time on. */
struct witness_past {
    struct witness_item state;
    uint64_t since_ms;
};

struct witness_room {
    char code[TEXT_STRING_MAX];
    uint32_t host;
    uint32_t next_index;
    uint64_t events;   /* an upper bound: the room had no more numbered events */
    uint64_t large_at; /* `events` at the last one that was too large; 0: none was */
    bool ends_with_host;
    bool has_state;
    struct witness_item state;
    struct witness_past past[WITNESS_STATES]; /* the newest states, oldest first */
    uint32_t past_count;
    uint64_t host_since_ms;
    uint64_t doubtful_ms; /* a crash may have lost what happened since then; UINT64_MAX: nothing */
    uint64_t sure_ms;     /* the host is the same until then, since the server was restarted */
};

struct witness_link {
    uint32_t player;
    struct witness_seat *seat; /* NULL: none */
    uint64_t barrier;          /* what `resumed` must say before anything counts; 0: nothing */
    bool is_state_due;         /* the next text is the state behind `joined` */
    bool ends_with_host;       /* of the room that was asked for last */
    char asked_epoch[TEXT_STRING_MAX];
    char asked_code[TEXT_STRING_MAX];
};

/* The message that the server handles now. */
struct witness_input {
    uint32_t connection; /* RECOVERY_NONE: there is none */
    struct bytes text;
    struct witness_seat *seat; /* that counts it; NULL: nobody does */
    bool is_of_host;
    bool is_refused; /* an error with its number came */
    bool is_lost; /* the server had no memory for it, closed the connection, and did not hear it */
    struct witness_sender *sender; /* who said it, in `data`; NULL: it says nobody */
    uint32_t id;
    uint32_t id_before; /* of what it had said before */
};

/* What a player said last, of what the server handled. */
struct witness_sender {
    uint32_t life;
    uint32_t id;
    const struct witness_seat *seat;
    char epoch[TEXT_STRING_MAX];
    uint8_t handled[WITNESS_IDS]; /* how often, at most UINT8_MAX */
};

struct witness {
    struct verdict *verdict;
    const struct recovery_server *server;
    uint64_t now_ms;
    uint64_t full_ms; /* when the server last had all rooms that it may have; 0: never */
    struct witness_input input;
    uint32_t recovering; /* the connection that is told what it missed; RECOVERY_NONE: none is */
    uint32_t retelling;  /* the same, if it does not know the seat's counts and is told messages */
    bool begins_retelling; /* from the beginning on */
    struct witness_link links[RECOVERY_CONNECTIONS];
    struct witness_sender senders[RECOVERY_PLAYERS];
    struct witness_room rooms[WITNESS_ROOMS];
    uint32_t room_count;
    struct witness_seat *seats[WITNESS_SEATS]; /* owned */
    uint32_t seat_count;
    uint64_t epochs[WITNESS_EPOCHS]; /* hashes of those that were told */
    uint32_t epoch_count;
    uint32_t recovered_count;
    uint32_t unrecovered_count; /* in the same epoch */
};

/* What the witness knows of a text that the server told, for when a player takes it. */
struct witness_mark {
    struct witness_seat *seat; /* NULL: the connection had none */
    uint32_t items;            /* that the seat was promised before */
    uint64_t events;
    bool is_state;  /* the one behind `joined` */
    bool is_retold; /* with what was said since the seat's counts began */
    bool is_begun;  /* the first of that was not taken before */
    bool may_lack;  /* see witness_seat */
};

/* `verdict` and `server` must outlive the witness. */
void witness_init(struct witness *witness, const struct recovery_server *server,
                  struct verdict *verdict);
void witness_release(struct witness *witness);

void witness_opened(struct witness *witness, uint32_t connection, uint32_t player);

/* Around the call in which the server gets the text. */
void witness_before_input(struct witness *witness, uint32_t connection, struct bytes text);
void witness_after_input(struct witness *witness);

struct witness_mark witness_told(struct witness *witness, uint32_t connection, struct bytes text);

/* The server closed the connection; or sees that it is over, see recovery_server.close. */
void witness_server_closed(struct witness *witness, uint32_t connection, uint16_t code);
void witness_closed(struct witness *witness, uint32_t connection, uint16_t code);

/* Before the server is told. */
void witness_passes(struct witness *witness, uint32_t ms);
/* What happened before `kept_ms` is not lost. */
void witness_crashes(struct witness *witness, uint64_t kept_ms);
/* The crash has lost a room. */
void witness_loses_room(struct witness *witness, const char *code);
/* After a crash or a planned stop the server is there again, and holds each seat for so long. */
void witness_restarts(struct witness *witness, uint32_t hold_ms, uint32_t migrate_ms);

/* The seat is gone now. */
void witness_ends_seat(struct witness *witness, struct witness_seat *seat);

/* A player takes what the server told when it made the mark. */
void witness_took(struct witness *witness, const struct witness_mark *mark, struct bytes text);

/* The seat of a connection; NULL: it has none. */
struct witness_seat *witness_seat_of(struct witness *witness, uint32_t connection);

/* The seat at this index, gone or not; NULL: there was none. */
struct witness_seat *witness_find_seat(struct witness *witness, uint32_t room, uint32_t index);

/* Nothing is under way to this seat: its player has taken all that it was promised. */
void witness_expect_all_taken(struct witness *witness, struct witness_seat *seat);

#endif
