/*
 * The results: one list of named values, printed as a table for people and as JSON for programs.
 *
 * A name has words separated by underscores, and the unit last. A group is an object in the JSON.
 */
#ifndef PARTY_BENCH_REPORT_H
#define PARTY_BENCH_REPORT_H

#include "histogram.h"
#include "options.h"

#define REPORT_ROWS_MAX 128

struct report_row {
    char group[32]; /* empty: none */
    char name[32];
    char json[64];
};

struct report {
    unsigned count;
    struct report_row rows[REPORT_ROWS_MAX];
};

/* `group` may be NULL. Add the rows of a group one after the other. */
void report_number(struct report *report, const char *group, const char *name, double value);
void report_count(struct report *report, const char *group, const char *name, uint64_t value);
void report_text(struct report *report, const char *group, const char *name, const char *value);
void report_json(struct report *report, const char *group, const char *name, const char *json);

/* Percentiles in microseconds. */
void report_latency(struct report *report, const char *group, const struct histogram *histogram);

void report_print(const struct report *report);

/* Gives up when the file can't be written. */
void report_write(const struct report *report, const char *path);

#endif
