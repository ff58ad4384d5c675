/*
 * A recorder without a node: its bus is a keyed store in memory, and its loops are mailboxes, for
 * which the test answers.
 *
 *     struct stage *stage = stage_begin();
 *     stage_keep(stage, "5.AAAA.1", "{}");
 *     ...
 *     stage_end(stage);
 */
#ifndef PARTY_TESTS_RECORDER_FIXTURE_H
#define PARTY_TESTS_RECORDER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/recorder_parts.h"

#define FAKE_RECORDS_MAX 1024
#define STAGE_LOOPS 2
#define STAGE_REVIVALS_MAX 1024

struct fake_record {
    char key[RECORDER_KEY_MAX];
    uint8_t *text;
    size_t length;
    uint64_t revision;
};

/* A keyed store. What it gives is freed at the next call, so a late reader is noticed. */
struct fake_bus {
    struct bus bus;
    struct fake_record records[FAKE_RECORDS_MAX];
    uint32_t count;
    uint64_t revision;
    uint32_t calls;      /* so far */
    uint32_t fails_at;   /* this call, from 1 on, has no answer; 0: each has one */
    bool is_done_though; /* and is carried out */
    bool is_cut_off;     /* no call is carried out or has an answer */
    bool refuses;        /* all writes */
    bool hides_marks;    /* lists are of a replica that lags */
    struct bus_entry *given;
    uint32_t given_count;
};

/* What a loop was given. */
struct revived {
    uint64_t code;
    uint64_t term;
    bool is_final;
    uint32_t loop;
    char *text;
};

struct stage {
    struct server server;
    struct loop *loops;
    struct fake_bus bus;
    struct recorder *recorder;
    uint64_t now_ms;
    bool is_map_readable;
    uint32_t looks; /* at the map, so far */
    uint64_t owned[MAP_SLICES];
    struct revived revived[STAGE_REVIVALS_MAX];
    uint32_t revived_count;
    const char *why; /* with which loops answer that there is no room; NULL: there is one */
};

/* This node owns nothing at first. */
struct stage *stage_begin(void);
void stage_end(struct stage *stage);

/* The same recorder's end, and a new one over the same keyed store. */
void stage_restart(struct stage *stage);

/* The slice is this node's, at this term; 0: it is not. */
void stage_give(struct stage *stage, uint32_t slice, uint64_t term);

/* Puts a record into the keyed store. */
void stage_keep(struct stage *stage, const char *key, const char *text);

/* The text of a record; NULL: there is none. It belongs to the keyed store. */
const char *stage_text(const struct stage *stage, const char *key);
void stage_expect(const struct stage *stage, const char *key, const char *text);
void stage_expect_none(const struct stage *stage, const char *key);

/* One turn, in which time passes until the recorder asks again after a failure. */
bool stage_turn(struct stage *stage);

/* Answers for the loops all that they were given. Returns how much that was. */
uint32_t stage_answer(struct stage *stage);

/* Turns and answers until the slice is served at this term. Fails after many turns. */
void stage_open(struct stage *stage, uint32_t slice, uint64_t term);

/* The last that a loop was given of this code; NULL: nothing. */
const struct revived *stage_revived(const struct stage *stage, uint64_t code);

/* The code of this number, from 0 on, among those of the protocol in the slice. */
uint64_t stage_code(enum protocol protocol, uint32_t slice, uint32_t number);

/* A key of a room. It is valid until the next call but three. */
const char *stage_key(uint64_t code, uint64_t term);
const char *stage_key_of(enum record_kind kind, uint32_t slice, uint64_t code, uint64_t term);

#endif
