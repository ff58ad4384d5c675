/* Prints what the store has. */
#include "server/show_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/code.h"
#include "relay/record.h"
#include "store/store_view.h"

static void put_line(struct writer *writer)
{
    writer_put_byte(writer, '\n');
    (void)!fwrite(writer->data, 1, writer->length, stdout); /* show_state() asks for errors */
}

/* Prints a line about a record that is no room now. `what` is all up to the reason. */
static void print_problem(uint64_t key, const char *what, const char *reason, uint64_t time)
{
    uint8_t line[2 * STORE_WHY_MAX];
    uint8_t code[CODE_LENGTH_MAX];
    struct writer writer = writer_over(line, sizeof line);
    struct bytes text = bytes_of_string(reason);
    if (text.length > STORE_WHY_MAX / 2)
        text.length = STORE_WHY_MAX / 2;
    WRITER_PUT(&writer, "{\"code\":\"");
    writer_put(&writer, bytes_of(code, code_write(key, code)));
    writer_put_string(&writer, what);
    writer_put_json_text(&writer, text);
    writer_put_byte(&writer, '"');
    if (time > 0)
        writer_put_number(&writer, ",\"time\":", time);
    writer_put_byte(&writer, '}');
    if (writer.length < writer.capacity)
        put_line(&writer);
}

static void print_fault(uint64_t key, const struct record_fault *fault)
{
    char reason[STORE_WHY_MAX];
    snprintf(reason, sizeof reason, "%s%s%s", record_error_text(fault->error),
             fault->field == NULL ? "" : ": ", fault->field == NULL ? "" : fault->field);
    print_problem(key, "\",\"problem\":\"", reason, 0);
}

static void print_record(void *context, const struct store_record *record)
{
    struct record_fault fault = {0};
    struct writer measure = writer_over(NULL, 0);
    uint64_t code;
    (void)context;
    if (record->is_damaged) {
        print_problem(record->key, "\",\"problem\":\"", STORE_DAMAGED, 0);
        return;
    }
    if (!record_show(&measure, record->text, &fault) ||
        !record_read_code(record->text, &code, &fault)) {
        print_fault(record->key, &fault);
        return;
    }
    if (code != record->key) {
        print_problem(record->key, "\",\"problem\":\"", "the record is another room's", 0);
        return;
    }
    uint8_t *line = malloc(measure.length + 1);
    struct writer writer = writer_over(line, measure.length + 1);
    fault = (struct record_fault){.error = RECORD_NO_MEMORY};
    if (line != NULL && record_show(&writer, record->text, &fault))
        put_line(&writer);
    else
        print_fault(record->key, &fault);
    free(line);
}

static void print_aside(void *context, uint64_t key, const char *reason, uint64_t time)
{
    (void)context;
    print_problem(key, "\",\"setAside\":\"", reason, time);
}

bool show_state(const char *directory, char *ret_why, size_t why_capacity)
{
    const struct store_viewing viewing = {.record = print_record, .aside = print_aside};
    char why[STORE_WHY_MAX];
    bool is_shown = store_view(directory, &viewing, why);
    if (!is_shown)
        snprintf(ret_why, why_capacity, "--show-state %s: %s", directory, why);
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return is_shown;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
    snprintf(ret_why, why_capacity, "--show-state can't print: %s", strerror(errno));
    return false;
}
