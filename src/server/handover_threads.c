#include "server/handover_threads.h"

#include <stdio.h>

#include "net/machine.h"

/* What is restored needs four fifths of the bytes of its text. Less than that is never too much. */
#define HEAP_BYTES_OF(length) ((length) / 4 * 3)

/* The part of a loop, and what became of it. */
struct work {
    struct server *server;
    struct handover_part part;
    struct handover_counts counts;
    pthread_t thread;
    bool has_thread;
    bool is_restored;
    char why[HANDOVER_WHY_MAX];
};

static void *restore(void *argument)
{
    struct work *work = argument;
    machine_prepare_heap(HEAP_BYTES_OF(work->part.lines.length));
    work->is_restored = handover_restore_part(work->server, &work->part, &work->counts, work->why);
    return NULL;
}

static bool has_parts_of_loops(const struct server *server, const struct handover_header *header,
                               size_t length)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < header->part_count; i++)
        bytes += header->part_bytes[i];
    return header->part_count == server->loop_count && bytes == length;
}

/* All parts but the first have a thread, if there can be one. */
static void restore_all(struct work *works, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        works[i].has_thread = pthread_create(&works[i].thread, NULL, restore, &works[i]) == 0;
    for (uint32_t i = 0; i < count; i++) {
        if (works[i].has_thread)
            pthread_join(works[i].thread, NULL);
        else
            (void)restore(&works[i]);
    }
}

/* Adds up what became of the parts. */
static bool sum_up(const struct work *works, uint32_t count, struct handover_counts *ret_counts,
                   char ret_why[HANDOVER_WHY_MAX])
{
    *ret_counts = (struct handover_counts){0};
    for (uint32_t i = 0; i < count; i++) {
        ret_counts->rooms += works[i].counts.rooms;
        ret_counts->connections += works[i].counts.connections;
        if (!works[i].is_restored) {
            memcpy(ret_why, works[i].why, HANDOVER_WHY_MAX);
            return false;
        }
    }
    return true;
}

bool handover_restore_in_threads(struct server *server, const struct handover_header *header,
                                 struct bytes text, bool is_rehearsal,
                                 struct handover_counts *ret_counts, char ret_why[HANDOVER_WHY_MAX])
{
    struct work works[LOOPS_MAX];
    pthread_mutex_t claims = PTHREAD_MUTEX_INITIALIZER;
    struct bytes lines = handover_lines(text);
    if (!has_parts_of_loops(server, header, lines.length))
        return handover_restore(server, text, is_rehearsal, ret_counts, ret_why);
    for (uint32_t i = 0; i < header->part_count; i++) {
        size_t length = (size_t)header->part_bytes[i];
        works[i] = (struct work){
            .server = server,
            .part = {.lines = bytes_of(lines.data, length),
                     .loop = server->loops[i],
                     .claims = &claims,
                     .output_bytes_max = HANDED_OVER_OUTPUT_MAX / header->part_count,
                     .is_rehearsal = is_rehearsal},
        };
        lines = bytes_of(lines.data + length, lines.length - length);
    }
    machine_keep_freed(true);
    restore_all(works, header->part_count);
    machine_keep_freed(false);
    return sum_up(works, header->part_count, ret_counts, ret_why) &&
           (is_rehearsal || handover_check(server, ret_why));
}
