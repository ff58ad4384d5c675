/* What the files of the recorder share, and nobody else includes. */
#ifndef PARTY_SERVER_RECORDER_PARTS_H
#define PARTY_SERVER_RECORDER_PARTS_H

#include "relay/code.h"
#include "server/recorder.h"
#include "store/store.h"
#include "store/store_engine.h"

#define RECORDER_KEY_MAX 64         /* bytes, with its NUL */
#define RECORDER_GHOSTS_MAX 8       /* that go with an end: one an owner that stood still */
#define RECORDER_NO_CODE UINT64_MAX /* of a mark; 0 is the code AAAA */

/* What a key is about. */
enum record_kind {
    RECORD_KIND_ROOM,
    RECORD_KIND_END,
    RECORD_KIND_MARK,
};

struct record_key {
    enum record_kind kind;
    uint32_t slice;
    uint64_t code;
    uint64_t term;
};

/* A record of this node at the term of its slice. */
struct recorded {
    uint64_t code;
    uint64_t term;
    uint64_t revision;
    /* The room has ended, and its end is there still: a room that got this code now would be taken
     * for ended by who gets the slice next. */
    bool has_ended;
};

/* A key that is to be removed. */
struct garbage {
    struct garbage *next;
    uint64_t due_ms;
    char key[RECORDER_KEY_MAX];
};

struct garbage_queue {
    struct garbage *first;
    struct garbage *last;
    uint32_t count;
};

/* The slice that is being opened. */
struct opening {
    bool is_under_way;
    uint32_t slice;
    uint64_t term;
    struct record_key *keys; /* of the slice, by code, then the highest term first, ends first */
    uint32_t count;
    uint32_t next;
};

struct recorder {
    struct server *server;
    struct bus *bus;
    struct recorder_owners owners;
    struct mailbox mailbox;
    struct mail *unread;
    struct store_engine engine;
    uint64_t now_ms;
    uint64_t retry_ms;                   /* the keyed store is not asked before */
    uint64_t store_retry_ms;             /* the same for what loops have handed over */
    _Atomic uint64_t wanted[MAP_SLICES]; /* terms of this node; 0: it is not this node's */
    _Atomic uint64_t opened[MAP_SLICES]; /* those at which the slice may be served */
    _Atomic uint64_t flushes_asked;
    _Atomic uint64_t flushed;      /* the last of these that is done */
    uint64_t terms[MAP_SLICES];    /* as `wanted` was when the recorder looked last */
    uint32_t reviving[MAP_SLICES]; /* rooms on their way to loops; */
    bool is_read[MAP_SLICES];      /* all rooms of the slice are on their way, or there */
    uint32_t reviving_count;       /* of all slices */
    struct opening opening;
    void *recorded[MAP_SLICES];  /* trees of struct recorded, see tsearch(3) */
    struct garbage_queue ends;   /* in the order of their times */
    struct garbage_queue others; /* at once */
    bool is_length_told;
};

/* recorder_keys.c */
/* The code of a mark does not matter. */
void record_key_write(const struct record_key *key, char ret_text[RECORDER_KEY_MAX]);
/* False: it is none that record_key_write() writes. */
bool record_key_read(struct bytes text, struct record_key *ret_key);
int record_key_compare(const void *a, const void *b);

/* The record of a code; NULL: there is none of this node. */
struct recorded *recorder_find(struct recorder *recorder, uint64_t code);
/* Adds one, or makes it one of a room that lives, with this term and revision. NULL: memory is
 * short. */
struct recorded *recorder_note(struct recorder *recorder, uint64_t code, uint64_t term,
                               uint64_t revision);
void recorder_forget(struct recorder *recorder, uint64_t code);
/* Forgets those of a slice. */
void recorder_forget_slice(struct recorder *recorder, uint32_t slice);

/* Notes that a key is to be removed. Where memory is short the key stays until the slice opens
 * anew. */
void recorder_discard(struct garbage_queue *queue, const struct record_key *key, uint64_t due_ms);
/* Removes some keys. False: the keyed store does not answer. */
bool recorder_clean(struct recorder *recorder);
void recorder_release_garbage(struct garbage_queue *queue);

/* recorder_engine.c */
void recorder_init_engine(struct recorder *recorder);
/*
 * Writes a record under this node's own key. Refused: this node wrote it before, and the
 * acknowledgement was lost; then it takes the revision there, and goes on.
 */
enum bus_outcome recorder_write(struct recorder *recorder, struct recorded *recorded,
                                struct bytes text);

/* recorder_opening.c: opens slices. Returns whether there is more to do at once. */
bool recorder_open_slices(struct recorder *recorder);
/* A loop's answer, which the function frees. */
void recorder_was_revived(struct recorder *recorder, struct revival *revival);
void recorder_end_opening(struct recorder *recorder);

#endif
