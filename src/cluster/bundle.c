#include "cluster/bundle.h"

#include "cluster/numbers.h"

void bundle_put(struct writer *writer, struct bytes letter)
{
    number_write(writer, letter.length);
    writer_put(writer, letter);
}

bool bundle_next(struct bytes *bundle, struct bytes *ret_letter)
{
    if (bundle->length < BUNDLE_LENGTH_BYTES)
        return false;
    uint64_t length = number_read(bundle->data);
    struct bytes rest =
        bytes_of(bundle->data + BUNDLE_LENGTH_BYTES, bundle->length - BUNDLE_LENGTH_BYTES);
    if (length > rest.length)
        return false;
    *ret_letter = bytes_of(rest.data, (size_t)length);
    *bundle = bytes_of(rest.data + length, rest.length - (size_t)length);
    return true;
}
