/*
 * The record of a room: what of it outlives the process, as one JSON object on one line.
 *
 * A record has a version, and each field of the room in a fixed order, so people can read it and
 * tools can compare it. Times are in milliseconds. Whoever restores it gets the room as it would be
 * if all its connections had just been cut off: see "Records" in ARCHITECTURE.md for what that
 * means in each protocol.
 *
 * A record contains clientIds, which are secrets in protocols 2 and 3. It is read as a client's
 * bytes are: everything in it may be wrong.
 */
#ifndef PARTY_RELAY_RECORD_H
#define PARTY_RELAY_RECORD_H

#include "base/writer.h"
#include "relay/relay.h"

#define RECORD_VERSION 1
#define RECORD_BYTES_MAX (64 * 1024 * 1024)
#define RECORD_UNKNOWN_BYTES_MAX (16 * 1024) /* of fields that this version does not know */
/*
 * A restored room's next index is the next multiple of this above the recorded one. So it gives no
 * index again that the room gave after its last record, if that index was below this multiple. The
 * owner has to record a room anew before its next index reaches it.
 */
#define RECORD_INDEX_STEP 16

/*
 * Each error in one line: its name and its text. Those with `field` in their text are about
 * record_fault.field.
 */
/* clang-format off */
#define FOR_EACH_RECORD_ERROR(X) \
    X(TOO_LONG, "the record is too long") \
    X(NOT_JSON, "the record is not JSON") \
    X(NOT_AN_OBJECT, "the record is not an object") \
    X(UNKNOWN_VERSION, "the record has an unknown version") \
    X(FIELD_MISSING, "a field of the record is missing") \
    X(FIELD_WRONG, "a field of the record has a wrong value") \
    X(TOO_MANY_MEMBERS, "the room has too many members") \
    X(ID_TOO_LONG, "a clientId is too long") \
    X(STATE_TOO_LARGE, "a state is too large") \
    X(TOO_MUCH_UNKNOWN, "the record has too many unknown fields") \
    X(CODE_TAKEN, "a room has the code already") \
    X(CODE_OF_OTHER_LOOP, "the code belongs to another loop") \
    X(TOO_MANY_ROOMS, "there are too many rooms") \
    X(RETAINS_TOO_MUCH, "rooms retain too much") \
    X(NO_MEMORY, "memory is short")
/* clang-format on */

#define RECORD_ERROR(name, text) RECORD_##name,

enum record_error { FOR_EACH_RECORD_ERROR(RECORD_ERROR) RECORD_ERRORS };

struct record_fault {
    enum record_error error;
    const char *field; /* the name of the field that is missing or wrong; NULL: it is about none */
};

const char *record_error_text(enum record_error error);

/* Writes the record of a room of this relay. */
void record_write(struct writer *writer, const struct relay *relay, const struct room *room);

/*
 * The same at a planned stop, when all have been cut off and nobody is in the room: with what lets
 * members of protocol 3 go on as if nothing else had happened. Nobody may play on after that.
 */
void record_write_at_stop(struct writer *writer, const struct relay *relay,
                          const struct room *room);

/*
 * The same when the process replaces itself by another program: with the counts of those who are in
 * the room, too, since they stay there. The audience is not in it: see relay_write_visitor(). The
 * events of a log are not in it, but in record_write_log().
 */
void record_write_at_upgrade(struct writer *writer, const struct relay *relay,
                             const struct room *room);

/* Whether it is a record of record_write_at_stop() of a room of protocol 3. */
bool record_has_moment(struct bytes text);

/* Writes a record as record_write() has written it: without what is true only after a stop. */
void record_copy_without_moment(struct writer *writer, struct bytes text);

/* The events of the room's log, which are no text; nothing if there are none. */
void record_write_log(struct writer *writer, const struct room *room);

/*
 * Reads the code of a recorded room; the number modulo the number of loops is the loop that must
 * restore the room. False: the text is no such record, and `ret_fault` says why.
 */
bool record_read_code(struct bytes text, uint64_t *ret_code, struct record_fault *ret_fault);

/* How the process that wrote a record ended. */
enum ending {
    ENDING_ANY,  /* something may have happened after the record was written: counts begin anew */
    ENDING_STOP, /* the record is of record_write_at_stop(), and nothing happened after it */
    /* It is of record_write_at_upgrade(): the room goes on, and relay_take_over() follows. */
    ENDING_UPGRADE,
};
/*
 * Writes what an operator may see of a record, as one JSON object on one line: no clientIds, no
 * password, nobody who was kicked, no content of states and messages. False: the text is no record
 * of this version, and `ret_fault` says why; what was written then means nothing.
 */
bool record_show(struct writer *writer, struct bytes text, struct record_fault *ret_fault);

/* What a room that is restored needs from the relay's owner. */
struct restoring {
    uint16_t origin_number; /* the room is counted there; see struct speaker */
    enum ending ending;
    struct maker *maker; /* of the room, which it counts already; NULL: not known */
    /* ENDING_UPGRADE: what record_write_log() wrote. Older programs have the events in the record.
     */
    struct bytes log;
    /*
     * Encodes an event, which is a state, as members get it. Returns it with one reference, which
     * belongs to the relay; NULL: memory is short.
     */
    struct payload *(*encode)(void *context, const struct event *event);
    void *context; /* of encode() */
};

/*
 * Makes the room of a record. The relay calls admit_room() with CLIENT_NONE, since nobody creates
 * the room now; the owner performs the effects, which count the room for its origin. False: nothing
 * was changed, and `ret_fault` says why.
 */
MUST_CHECK bool record_restore(struct relay *relay, struct bytes text,
                               const struct restoring *restoring, struct effects *ret_effects,
                               struct record_fault *ret_fault);

/*
 * After ENDING_UPGRADE: the client has the seat of the member with this index, which was in the
 * room and is still there. False: the room has no such member, or it was taken over.
 */
MUST_CHECK bool relay_take_over(struct relay *relay, uint64_t code, uint32_t index, uint32_t client,
                                struct member **seat);

/* A member of the audience as a JSON object, and such a member again, in the same way. */
void relay_write_visitor(struct writer *writer, const struct member *member);
MUST_CHECK bool relay_take_over_visitor(struct relay *relay, uint64_t code,
                                        const struct json_value *visitor, uint32_t client,
                                        struct member **seat);

/* Whether all members that are present were taken over. */
MUST_CHECK bool relay_all_are_taken_over(const struct relay *relay);

#endif
