/* The CPU time and the resident memory of a running process, from /proc. */
#ifndef PARTY_BENCH_PROCESS_H
#define PARTY_BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"
#include "base/bytes.h"

#define PROCESS_THREADS_MAX 64 /* further threads count in the sums, but not one by one */

struct process_usage {
    uint64_t at_ns;      /* when the CPU time was read; see clock_ns.h */
    double cpu_seconds;  /* of all living threads, exact to the nanosecond */
    double user_seconds; /* by the kernel's count, in ticks of 10 ms, as is the next */
    double system_seconds;
    uint64_t resident_kib;
    unsigned thread_count;
    struct {
        pid_t id;
        double cpu_seconds;
    } threads[PROCESS_THREADS_MAX];
};

/* False: there is no such process, or another user has it. */
MUST_CHECK bool process_read(pid_t pid, struct process_usage *ret_usage);

/* The CPU seconds that the busiest thread used between two readings. */
double process_busiest_thread(const struct process_usage *before,
                              const struct process_usage *after);

#endif
