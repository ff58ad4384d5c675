/*
 * The unsent output of connections in a handover. A payload that several queues share is written
 * once, before the first connection whose queue refers to it:
 *
 *     {"payload":1,"bytes":"817f..."}
 *     {"connection":17,...,"output":[[1,4096],"8105..."]}
 *     {"connection":18,...,"output":"8105..."}
 *
 * `[1,4096]` is payload 1 without its first 4096 bytes, which were sent. The payloads of each loop
 * are numbered from 1. A queue that shares nothing is one string, which older programs read, too. A
 * connection without a seat shares nothing, since it may go to any loop.
 */
#ifndef PARTY_SERVER_HANDOVER_OUTPUT_H
#define PARTY_SERVER_HANDOVER_OUTPUT_H

#include "base/writer.h"
#include "proto/json.h"
#include "server/loop.h"

/* How much output a loop may still hand over, and how many payloads it has numbered. */
struct output_allowance {
    size_t bytes_left;
    uint32_t payloads;
};

/* Begins with the loop's whole allowance, and without any number in its payloads. */
struct output_allowance output_allow(const struct loop *loop);

/*
 * Takes the connection's output from the allowance, and numbers the payloads that it shares and
 * that have no number yet. False: too little is left, and nothing was taken.
 */
MUST_CHECK bool output_take(struct output_allowance *allowance, const struct conn *conn);

/* The shared payload of the connection's queue that has this number; NULL: there is none. */
const struct payload *output_payload(const struct conn *conn, uint32_t number);

/* Writes such a payload, as a line. */
void output_put_payload(struct writer *writer, const struct payload *payload);

/* Writes the field, if the connection has output. */
void output_put(struct writer *writer, const struct conn *conn);

/* The payloads of a loop that were read. Zeroed but for `bytes_left`, it has none. */
struct output_payloads {
    struct restored_payload {
        struct json_value bytes; /* in the handover */
        struct loop *loop;       /* whose queues refer to `payload` */
        struct payload *payload; /* NULL: none does yet */
    } * items;
    uint32_t count;
    uint32_t capacity;
    size_t bytes_left; /* that may still be restored, of all output */
};

void output_payloads_release(struct output_payloads *payloads);

/* Reads a payload's line. False: it is wrong, or memory is short. */
MUST_CHECK bool output_read_payload(struct output_payloads *payloads,
                                    const struct json_value *number,
                                    const struct json_value *bytes);

/* Reads the field, if it is there, into the queue of a connection that has its seat already. */
MUST_CHECK bool output_read(struct output_payloads *payloads, struct loop *loop, struct conn *conn,
                            const struct json_value *value);

#endif
