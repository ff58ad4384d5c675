/* What the files of the record share: its fields, and how one reads them. */
#ifndef PARTY_RELAY_RECORD_PARTS_H
#define PARTY_RELAY_RECORD_PARTS_H

#include "proto/hex.h"
#include "relay/record.h"
#include "relay/relay_parts.h"

/* Each field of a record: its name here and its name in the text. */
/* clang-format off */
#define FOR_EACH_RECORD_FIELD(X) \
    X(VERSION, "version") \
    X(PROTOCOL, "protocol") \
    X(CODE, "code") \
    X(MAX_CLIENTS, "maxClients") \
    X(NEXT_INDEX, "nextIndex") \
    X(HOST, "host") \
    X(URL, "url") \
    X(HOLD, "hold") \
    X(ON_HOST_LEFT, "onHostLeft") \
    X(LOCKED, "locked") \
    X(MAX_AUDIENCE, "maxAudience") \
    X(AUDIENCE_MUTED, "audienceMuted") \
    X(CREATOR_KNOWN, "creatorKnown") \
    X(PASSWORD, "password") \
    X(KICKED, "kicked") \
    X(BANNED, "banned") \
    X(MEMBERS, "members") \
    X(STATE, "state") \
    X(PRIVATE_STATE, "privateState") \
    /* What holds only as long as nobody plays on: see record_moment.c. It is never kept. */ \
    X(MOMENT, "moment")

/* The same for a member. */
#define FOR_EACH_RECORD_MEMBER_FIELD(X) \
    X(ID, "id") \
    X(INDEX, "index") \
    X(HERE, "here") \
    X(HOLD_LEFT, "holdLeft") \
    X(STAYED, "stayed") \
    X(CUT_OFF, "cutOff")
/* clang-format on */

#define RECORD_FIELD(name, text) RECORD_FIELD_##name,
#define RECORD_MEMBER_FIELD(name, text) RECORD_MEMBER_##name,

enum record_field { FOR_EACH_RECORD_FIELD(RECORD_FIELD) RECORD_FIELDS };

enum record_member_field { FOR_EACH_RECORD_MEMBER_FIELD(RECORD_MEMBER_FIELD) RECORD_MEMBER_FIELDS };

/* The most fields that an object of a record has. */
#define RECORD_OBJECT_FIELDS_MAX RECORD_FIELDS

/* An object of a record, as views into the text. */
struct record_object {
    const char *const *names;
    uint32_t field_count;
    struct json_value values[RECORD_OBJECT_FIELDS_MAX]; /* JSON_ABSENT: it is missing */
    size_t unknown_length; /* of `,"name":value` for each field that is unknown */
};

extern const char *const record_member_names[RECORD_MEMBER_FIELDS];

/* Notes what is wrong, and returns false. */
bool record_fail(struct record_fault *fault, enum record_error error, const char *field);

/*
 * Reads the fields of a value that is an object; of two with one name the last counts. False: it is
 * none. The whole text must have been validated.
 */
bool record_read_object(const struct json_value *value, const char *const *names,
                        uint32_t field_count, struct record_object *ret_object);

/* Reads a whole record and validates all of its text. False: it is none of this version. */
bool record_read(struct bytes text, struct record_object *ret_record,
                 struct record_fault *ret_fault);

/* Writes the unknown fields of a record, each with a comma in front. */
void record_write_unknown(struct writer *writer, struct bytes text);

/* Read one field. False: it is missing or wrong, as the fault says. */
bool record_need_whole(const struct record_object *object, uint32_t field, uint64_t most,
                       uint64_t *ret_number, struct record_fault *ret_fault);
bool record_need_flag(const struct record_object *object, uint32_t field, bool *ret_flag,
                      struct record_fault *ret_fault);
bool record_need_kind(const struct record_object *object, uint32_t field, enum json_kind kind,
                      struct record_fault *ret_fault);
/* The same for a field that may be missing, which leaves the number as it is. */
bool record_may_whole(const struct record_object *object, uint32_t field, uint64_t most,
                      uint64_t *number, struct record_fault *ret_fault);
/* Reads the code, which must be written as code_write() writes it. */
bool record_need_code(const struct record_object *record, uint64_t *ret_code,
                      struct record_fault *ret_fault);

/* The `moment` of a room of protocol 3, with a comma in front. */
void record_put_moment(struct writer *writer, const struct room *room, enum ending ending);

/* Reads it into a room whose members are known. False: it is none, or memory is short. */
bool record_read_moment(struct relay *relay, struct room *room, const struct json_value *value,
                        const struct restoring *restoring);

/* Reads what record_write_log() wrote into a room of protocol 3. False: it is none. */
bool record_read_log(struct room *room, struct bytes log);

/*
 * The `moment` of a room of protocol 1 or 2 at an upgrade, with a comma in front, if the room still
 * waits for those who were there before it was restored.
 */
void record_put_restored(struct writer *writer, const struct relay *relay, const struct room *room);
bool record_read_restored(const struct relay *relay, const struct room *room,
                          const struct json_value *value);

/* What a seat of protocol 3 has of its client: epoch, counts, sessions. */
void record_put_seat(struct writer *writer, const struct party *party, const struct seat *seat);

/* Reads it. False: it is none, or the room's log can't have it. */
bool record_read_seat(const struct party *party, struct seat *seat, const struct json_value *value);

/* Copies JSON, in which line breaks become spaces, so that a record is one line. */
void record_put_json(struct writer *writer, struct bytes json);

#endif
