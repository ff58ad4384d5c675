/* What harnesses have in common: exact copies, and choices made from the input's bytes. */
#ifndef PARTY_TESTS_FUZZ_INPUT_H
#define PARTY_TESTS_FUZZ_INPUT_H

#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"

/* The entry point that libFuzzer, or replay_main.c in its place, calls for each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A copy in memory of exactly its size, so that the address sanitizer sees whoever reads or writes
 * past its end. To be freed.
 */
static inline struct bytes_mut fuzz_copy(struct bytes source)
{
    struct bytes_mut copy = {malloc(source.length), source.length};
    assert(copy.data != NULL);
    if (source.length > 0)
        memcpy(copy.data, source.data, source.length);
    return copy;
}

/* Takes the next byte off the input; zero when it is used up. */
static inline uint8_t fuzz_take_byte(struct bytes *input)
{
    if (input->length == 0)
        return 0;
    uint8_t byte = input->data[0];
    *input = bytes_of(input->data + 1, input->length - 1);
    return byte;
}

/* Takes up to `length` bytes off the input. */
static inline struct bytes fuzz_take(struct bytes *input, size_t length)
{
    struct bytes taken = bytes_of(input->data, length < input->length ? length : input->length);
    *input = bytes_of(input->data + taken.length, input->length - taken.length);
    return taken;
}

#endif
