/*
 * Keys of records as the keyed store of a cluster lists them, which may be anything.
 *
 * - A key that is read is the same bytes again when it is written, and is of the slice of its code.
 * - The order of keys is one: what is before another key is not behind it, and only equal keys have
 *   no order. Sorted, all keys of a code are together, the highest term first.
 *
 * Input: keys, each on a line.
 */
#include "fuzz/fuzz_input.h"
#include "server/recorder_parts.h"

#define KEYS_MAX 64

static bool read_key(struct bytes text, struct record_key *ret_key)
{
    char again[RECORDER_KEY_MAX];
    struct bytes_mut copy = fuzz_copy(text);
    bool is_read = record_key_read(bytes_of(copy.data, copy.length), ret_key);
    if (is_read) {
        record_key_write(ret_key, again);
        assert(bytes_equal(text, bytes_of_string(again)));
        assert(ret_key->slice < MAP_SLICES);
        assert(ret_key->term > 0 && ret_key->term <= MAP_NUMBER_MAX);
        assert((ret_key->kind == RECORD_KIND_MARK) == (ret_key->code == RECORDER_NO_CODE));
        assert(ret_key->kind == RECORD_KIND_MARK ||
               peers_slice_of(ret_key->code) == ret_key->slice);
    }
    free(copy.data);
    return is_read;
}

static bool is_same(const struct record_key *a, const struct record_key *b)
{
    return a->kind == b->kind && a->code == b->code && a->term == b->term;
}

/* Keys of marks of several slices have no order; a list is of one slice. */
static void check_order(const struct record_key *keys, size_t count)
{
    for (size_t a = 0; a < count; a++) {
        for (size_t b = a; b < count; b++) {
            int order = record_key_compare(&keys[a], &keys[b]);
            int other = record_key_compare(&keys[b], &keys[a]);
            assert(order <= 0 && other >= 0);
            assert((order == 0) == (other == 0));
            assert((order == 0) == is_same(&keys[a], &keys[b]));
            assert(keys[a].code != keys[b].code || keys[a].term >= keys[b].term);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_key keys[KEYS_MAX];
    struct bytes input = bytes_of(data, size);
    size_t count = 0;
    while (input.length > 0 && count < KEYS_MAX) {
        size_t length = 0;
        while (length < input.length && input.data[length] != '\n')
            length++;
        count += read_key(fuzz_take(&input, length), &keys[count]);
        (void)fuzz_take_byte(&input);
    }
    if (count > 0)
        qsort(keys, count, sizeof *keys, record_key_compare);
    check_order(keys, count);
    return 0;
}
