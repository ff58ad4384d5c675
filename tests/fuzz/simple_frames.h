/*
 * WebSocket reading for the tests: the whole stream at once, from front to back, straight along
 * RFC 6455, one byte at a time where that is clearer. What it makes of a stream is a trace, which
 * the harness also takes of the reader under test.
 */
#ifndef PARTY_TESTS_SIMPLE_FRAMES_H
#define PARTY_TESTS_SIMPLE_FRAMES_H

#include "base/buf.h"
#include "proto/ws_message.h"

/* All that was read from a stream, as bytes: two traces are equal if and only if the reads are. */
struct trace {
    struct buf reads;
    uint64_t frame_count; /* frames whose header was read */
    bool has_ended;       /* by a close or an error: nothing may follow */
    bool is_idle;         /* else: the stream ended between two messages */
};

void trace_init(struct trace *trace);
void trace_release(struct trace *trace);

/* Adds a read; its payload is copied. */
void trace_add(struct trace *trace, const struct ws_read *read);

bool trace_equals(const struct trace *a, const struct trace *b);

/* Reads a stream of a client's frames. The caller releases the trace. */
void simple_frames_read(struct bytes stream, size_t message_bytes_max, struct trace *ret_trace);

#endif
