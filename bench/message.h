/*
 * The messages between clients and server: `send` messages as finished frames, and the events that
 * come back.
 *
 * The value `data` is a string that begins with a mark: the kind of the message, the member that
 * sent it, and its number among that member's messages of this kind. Filler follows.
 *
 *     {"type":"send","data":"b00000000002axxxxxxxx"}
 */
#ifndef PARTY_BENCH_MESSAGE_H
#define PARTY_BENCH_MESSAGE_H

#include "base/attributes.h"
#include "base/bytes.h"

#define CLIENT_ID_LENGTH 8 /* for everybody, so that frames of one kind have one length */
#define MARK_LENGTH 13     /* kind, 4 digits for the member, 8 for the number, hexadecimal */
#define DATA_BYTES_LEAST (MARK_LENGTH + 2)

enum message_kind {
    MESSAGE_BROADCAST = 'b',
    MESSAGE_PING = 'p',
    MESSAGE_ANSWER = 'a',
    MESSAGE_STATE = 's',
};

struct message {
    enum message_kind kind;
    uint16_t member;
    uint32_t number;
};

/* A masked frame with a `send` message. It is made once and sent many times with another number. */
struct send_frame {
    uint8_t *bytes; /* owned */
    size_t length;
    size_t header_length;
    size_t number_offset; /* in the payload, where the masking begins to count */
};

struct send_shape {
    enum message_kind kind;
    uint16_t member;   /* the sender */
    struct bytes to;   /* JSON; empty: to everyone else */
    size_t data_bytes; /* of the value `data`, quotes included; at least DATA_BYTES_LEAST */
};

/* The number of bytes that a `send` message's text has around the value `data`. */
size_t message_bytes_around_data(struct bytes to);

void send_frame_init(struct send_frame *frame, const struct send_shape *shape);
void send_frame_release(struct send_frame *frame);

/* Writes the number into the frame, and returns its bytes. */
struct bytes send_frame_numbered(struct send_frame *frame, uint32_t number);

/* The length of the frame in which a relay of protocol 1 passes such a message on. */
size_t message_relayed_length(size_t data_bytes);

#define MASKED_FRAME_HEADER_MAX 14

/* Writes a masked frame of any text or control payload; returns its length. */
size_t masked_frame_write(uint8_t *out, uint8_t opcode, struct bytes payload);

enum event_type {
    EVENT_MESSAGE,
    EVENT_CREATED,
    EVENT_JOINED,
    EVENT_PEER_JOINED,
    EVENT_PEER_LEFT,
    EVENT_PEER_AWAY,
    EVENT_PEER_BACK,
    EVENT_HOST,
    EVENT_SKIPPED,
    EVENT_STATE,
    EVENT_PONG,
    EVENT_AUDIENCE,
    EVENT_ERROR,
    EVENT_UNKNOWN,
};

enum event_type event_type(struct bytes text);

/* The text behind `"name":` in an event; empty if it isn't there. Only for events into which no
 * client can have put this name. */
struct bytes event_field(struct bytes text, struct bytes name);

/*
 * Reads a `message` event. `place` remembers where the last mark was: events of one kind look
 * alike, so a comparison replaces a search. False: this is another event, or has no mark.
 */
MUST_CHECK bool message_read(struct bytes text, size_t *place, struct message *ret_message);

/* The clientId of a member, quotes included: JSON, of a fixed length. */
struct client_id {
    char json[CLIENT_ID_LENGTH + 12];
};

struct client_id client_id_of(uint32_t member);

/* The one for protocol 3, which wants at least 16 bytes; no message has it. */
struct client_id long_client_id_of(uint32_t member);

#endif
