/* Writes the same rows in two ways. All texts are our own, so nothing needs to be escaped. */
#include "report.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "give_up.h"

#define NANOSECONDS_PER_US 1000.0

void report_json(struct report *report, const char *group, const char *name, const char *json)
{
    assert(report->count < REPORT_ROWS_MAX);
    struct report_row *row = &report->rows[report->count++];
    snprintf(row->group, sizeof row->group, "%s", group == NULL ? "" : group);
    snprintf(row->name, sizeof row->name, "%s", name);
    snprintf(row->json, sizeof row->json, "%s", json);
}

void report_number(struct report *report, const char *group, const char *name, double value)
{
    char json[64];
    snprintf(json, sizeof json, value < 100000 ? "%.6g" : "%.0f", value);
    report_json(report, group, name, json);
}

void report_count(struct report *report, const char *group, const char *name, uint64_t value)
{
    char json[64];
    snprintf(json, sizeof json, "%llu", (unsigned long long)value);
    report_json(report, group, name, json);
}

void report_text(struct report *report, const char *group, const char *name, const char *value)
{
    char json[64];
    snprintf(json, sizeof json, "\"%s\"", value);
    report_json(report, group, name, json);
}

void report_latency(struct report *report, const char *group, const struct histogram *histogram)
{
    static const struct {
        const char *name;
        double share;
    } percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    for (size_t i = 0; i < ARRAY_LENGTH(percentiles); i++) {
        double value_ns = (double)histogram_percentile(histogram, percentiles[i].share);
        report_number(report, group, percentiles[i].name, value_ns / NANOSECONDS_PER_US);
    }
    report_number(report, group, "max", (double)histogram->longest_ns / NANOSECONDS_PER_US);
    report_count(report, group, "count", histogram->count);
}

/* Prints a name for people, with blanks between its words. */
static void print_words(const char *name, int width)
{
    int printed = 0;
    for (; name[printed] != '\0'; printed++)
        putchar(name[printed] == '_' ? ' ' : name[printed]);
    printf("%*s", width > printed ? width - printed : 0, "");
}

void report_print(const struct report *report)
{
    const char *group = "";
    for (unsigned i = 0; i < report->count; i++) {
        const struct report_row *row = &report->rows[i];
        bool is_in_group = row->group[0] != '\0';
        bool is_new_line = !is_in_group || strcmp(group, row->group) != 0;
        if (is_new_line && i > 0)
            putchar('\n');
        if (is_new_line)
            print_words(is_in_group ? row->group : row->name, 24);
        if (is_in_group) {
            printf("%s", is_new_line ? "" : "  ");
            print_words(row->name, 0);
            putchar(' ');
        }
        printf("%s", row->json);
        group = row->group;
    }
    putchar('\n');
}

void report_write(const struct report *report, const char *path)
{
    const char *group = "";
    FILE *file = fopen(path, "we");
    if (file == NULL)
        give_up("can't write %s: %s", path, strerror(errno));
    fputc('{', file);
    for (unsigned i = 0; i < report->count; i++) {
        const struct report_row *row = &report->rows[i];
        bool is_same = strcmp(group, row->group) == 0;
        if (!is_same && group[0] != '\0')
            fputc('}', file);
        if (i > 0)
            fputc(',', file);
        if (!is_same && row->group[0] != '\0')
            fprintf(file, "\"%s\":{", row->group);
        fprintf(file, "\"%s\":%s", row->name, row->json);
        group = row->group;
    }
    fprintf(file, "%s}\n", group[0] != '\0' ? "}" : "");
    if (fclose(file) != 0)
        give_up("can't write %s: %s", path, strerror(errno));
}
