/* A counter that is looked at by every allocation in a turn. */
#include "refusals.h"

#include <assert.h>
#include <stdlib.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the names that the linker's --wrap gives */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
/* NOLINTEND(bugprone-reserved-identifier) */

static struct {
    bool is_in_turn;
    uint64_t left; /* until one is refused; 0: none will be */
    uint64_t count;
} refusals;

void refusals_begin(void)
{
    refusals.is_in_turn = false;
    refusals.left = 0;
    refusals.count = 0;
}

void refusals_next(uint64_t number)
{
    refusals.left = number;
}

void refusals_enter_turn(void)
{
    refusals.is_in_turn = true;
}

void refusals_leave_turn(void)
{
    refusals.is_in_turn = false;
}

bool refusals_are_in_turn(void)
{
    return refusals.is_in_turn;
}

uint64_t refusals_count(void)
{
    return refusals.count;
}

static bool is_refused(void)
{
    if (!refusals.is_in_turn || refusals.left == 0 || --refusals.left > 0)
        return false;
    refusals.count++;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *pointer, size_t size)
{
    return is_refused() ? NULL : __real_realloc(pointer, size);
}

void *certain_malloc(size_t size)
{
    void *memory = __real_malloc(size);
    assert(memory != NULL || size == 0);
    return memory;
}

void *certain_calloc(size_t count, size_t size)
{
    void *memory = __real_calloc(count, size);
    assert(memory != NULL);
    return memory;
}

void *certain_realloc(void *pointer, size_t size)
{
    void *memory = __real_realloc(pointer, size);
    assert(memory != NULL);
    return memory;
}
