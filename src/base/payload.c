/* Shared payloads. */
#include "base/payload.h"

#include <assert.h>
#include <stdlib.h>

struct payload *payload_new(uint32_t length)
{
    struct payload *payload = malloc(sizeof *payload + length);
    if (payload == NULL)
        return NULL;
    payload->references = 1;
    payload->length = length;
    return payload;
}

void payload_release(struct payload *payload)
{
    if (payload == NULL)
        return;
    assert(payload->references > 0);
    if (--payload->references == 0)
        free(payload);
}
