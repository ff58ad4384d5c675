/* Shared payloads. */
#include "base/payload.h"

#include <assert.h>
#include <stdlib.h>

struct payload *payload_new(uint32_t length, size_t *account)
{
    struct payload *payload = malloc(sizeof *payload + length);
    if (payload == NULL)
        return NULL;
    payload->account = account;
    payload->references = 1;
    payload->length = length;
    payload->number = 0;
    *account += length;
    return payload;
}

void payload_release(struct payload *payload)
{
    if (payload == NULL || payload_is_lasting(payload))
        return;
    assert(payload->references > 0);
    if (--payload->references > 0)
        return;
    *payload->account -= payload->length;
    free(payload);
}
