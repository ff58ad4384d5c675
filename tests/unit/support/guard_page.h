/* Puts bytes right before an unreadable page, so that reading one byte too far is a crash. */
#ifndef PARTY_TESTS_GUARD_PAGE_H
#define PARTY_TESTS_GUARD_PAGE_H

#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"

struct guarded {
    uint8_t *memory;
    size_t memory_length; /* with the unreadable page */
    struct bytes_mut bytes;
};

static inline struct guarded guarded_copy(struct bytes source)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t readable = (source.length / page + 1) * page;
    struct guarded guarded = {.memory_length = readable + page};
    guarded.memory = mmap(NULL, guarded.memory_length, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(guarded.memory != MAP_FAILED);
    int failed = mprotect(guarded.memory + readable, page, PROT_NONE);
    assert(failed == 0);
    (void)failed;
    uint8_t *first = guarded.memory + readable - source.length;
    if (source.length > 0)
        memcpy(first, source.data, source.length);
    guarded.bytes = (struct bytes_mut){first, source.length};
    return guarded;
}

static inline struct bytes guarded_view(const struct guarded *guarded)
{
    return bytes_of(guarded->bytes.data, guarded->bytes.length);
}

static inline void guarded_free(struct guarded *guarded)
{
    munmap(guarded->memory, guarded->memory_length);
}

#endif
