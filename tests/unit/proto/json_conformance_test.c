/*
 * The JSON validator against RFC 8259: a test for each case of the folder that it is given, one
 * file for each section of the RFC (tests/conformance/json).
 *
 * A line is a case: `+`, a space and a text that is accepted, or `-`, a space and one that is
 * refused. A percent sign and two hexadecimal digits are that byte. Other lines that begin with `#`
 * are comments.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <glob.h>

#include "proto/json.h"
#include "proto/utf8.h"
#include "support/guard_page.h"
#include "support/json_goes.h"

#define CASES_MAX 2048
#define LINE_BYTES_MAX 1024
#define NAME_BYTES_MAX (LINE_BYTES_MAX + 64)

struct json_case {
    char name[NAME_BYTES_MAX];
    uint8_t text[LINE_BYTES_MAX];
    size_t length;
    bool is_accepted;
};

static struct json_case cases[CASES_MAX];
static struct CMUnitTest tests[CASES_MAX];
static size_t case_count;

/* As a message is judged: its UTF-8 first, then the text, at once or in goes. */
static void is_judged_right(void **state)
{
    const struct json_case *one = *state;
    struct guarded guarded = guarded_copy(bytes_of(one->text, one->length));
    struct bytes text = guarded_view(&guarded);
    bool is_utf8 = utf8_is_valid(text);
    assert_int_equal(is_utf8 && json_validate(text) != JSON_ABSENT, one->is_accepted);
    for (size_t length = 1; is_utf8 && length <= 3; length++)
        assert_int_equal(json_kind_in_goes(text, length) != JSON_ABSENT, one->is_accepted);
    guarded_free(&guarded);
}

/* Decodes in place; returns the length. */
static size_t decode(uint8_t *out, const char *text)
{
    size_t length = 0;
    for (; *text != '\0'; length++) {
        unsigned byte;
        if (text[0] == '%' && isxdigit(text[1]) && sscanf(text + 1, "%2x", &byte) == 1) {
            out[length] = (uint8_t)byte;
            text += 3;
        } else {
            out[length] = (uint8_t)*text++;
        }
    }
    return length;
}

static bool read_line(const char *section, unsigned number, const char *line)
{
    if (line[0] == '#' || line[0] == '\0')
        return true;
    if ((line[0] != '+' && line[0] != '-') || (line[1] != ' ' && line[1] != '\0') ||
        case_count == CASES_MAX)
        return false;
    const char *text = line[1] == ' ' ? line + 2 : "";
    struct json_case *one = &cases[case_count];
    one->is_accepted = line[0] == '+';
    one->length = decode(one->text, text);
    snprintf(one->name, sizeof one->name, "%s:%u %s: %s", section, number,
             one->is_accepted ? "accepted" : "refused", text);
    tests[case_count++] = (struct CMUnitTest){one->name, is_judged_right, NULL, NULL, one};
    return true;
}

static bool read_file(const char *path)
{
    char line[LINE_BYTES_MAX];
    FILE *file = fopen(path, "r");
    const char *section = strrchr(path, '/') + 1;
    bool is_good = file != NULL;
    for (unsigned number = 1; is_good && fgets(line, sizeof line, file) != NULL; number++) {
        size_t length = strcspn(line, "\n");
        is_good = line[length] == '\n';
        line[length] = '\0';
        is_good = is_good && read_line(section, number, line);
        if (!is_good)
            fprintf(stderr, "%s:%u is no case\n", path, number);
    }
    if (file != NULL)
        fclose(file);
    return is_good;
}

int main(void)
{
    glob_t files;
    bool is_good = glob(JSON_CASES "/*.txt", 0, NULL, &files) == 0;
    for (size_t i = 0; is_good && i < files.gl_pathc; i++)
        is_good = read_file(files.gl_pathv[i]);
    if (!is_good)
        return EXIT_FAILURE;
    globfree(&files);
    return _cmocka_run_group_tests("RFC 8259", tests, case_count, NULL, NULL);
}
