/* What is in a directory is seen beside the process that uses it, of one moment, and untouched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store_sqlite.h"
#include "store/store_view.h"

#define KEYS 5
#define RECORD_BYTES 1000000 /* so large that SQLite's log begins anew all the time */
#define VIEWS 40
#define PATH_BYTES 128

struct place {
    char directory[PATH_BYTES];
    char file[PATH_BYTES + 16];
};

/* What was seen. */
struct seen {
    uint64_t numbers[KEYS + 1];
    uint64_t newest;
    uint32_t count;
    uint32_t damaged;
    uint32_t aside;
    char reason[STORE_WHY_MAX];
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->directory, sizeof place->directory, "/tmp/party-view-XXXXXX");
    if (mkdtemp(place->directory) == NULL)
        return -1;
    snprintf(place->file, sizeof place->file, "%s/rooms.db", place->directory);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    char log[PATH_BYTES + 32];
    snprintf(log, sizeof log, "%s-wal", place->file);
    unlink(place->file);
    unlink(log);
    rmdir(place->directory);
    free(place);
    return 0;
}

static struct store_engine *open_engine(const struct place *place)
{
    char why[STORE_WHY_MAX];
    struct store_engine *engine = store_sqlite_open(place->directory, why);
    if (engine == NULL)
        fail_msg("%s: %s", place->directory, why);
    return engine;
}

/* Writes a number into the record whose turn it is. So the newest numbers follow each other. */
static bool write_number(struct store_engine *engine, uint64_t number)
{
    static char text[RECORD_BYTES];
    memset(text, ' ', sizeof text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return engine->functions->begin(engine) &&
           engine->functions->put(engine, number % KEYS + 1, bytes_of(text, sizeof text)) &&
           engine->functions->commit(engine, false);
}

static void write_numbers(struct store_engine *engine, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++)
        assert_true(write_number(engine, number));
}

static void note(void *context, const struct store_record *record)
{
    struct seen *seen = context;
    seen->damaged += record->is_damaged;
    uint64_t number = strtoull((const char *)record->text.data, NULL, 10);
    if (number > seen->newest)
        seen->newest = number;
    if (seen->count < ARRAY_LENGTH(seen->numbers))
        seen->numbers[seen->count++] = number;
}

static void note_aside(void *context, uint64_t key, const char *reason, uint64_t time)
{
    struct seen *seen = context;
    assert_true(key != 0 && time > 0);
    seen->aside++;
    snprintf(seen->reason, sizeof seen->reason, "%s", reason);
}

static struct seen look(const struct place *place)
{
    struct seen seen = {0};
    const struct store_viewing viewing = {note, note_aside, &seen};
    char why[STORE_WHY_MAX];
    if (!store_view(place->directory, &viewing, why))
        fail_msg("%s", why);
    return seen;
}

static void refuse(const struct place *place, const char *expected)
{
    struct seen seen = {0};
    const struct store_viewing viewing = {note, note_aside, &seen};
    char why[STORE_WHY_MAX];
    assert_false(store_view(place->directory, &viewing, why));
    if (strstr(why, expected) == NULL)
        fail_msg("“%s” says nothing of “%s”", why, expected);
}

static void what_was_set_aside_is_seen_too(void **state)
{
    const struct place *place = *state;
    struct store_engine *engine = open_engine(place);
    write_numbers(engine, 1, KEYS);
    assert_true(engine->functions->begin(engine));
    assert_true(engine->functions->set_aside(engine, 3, "it is odd"));
    assert_true(engine->functions->commit(engine, false));
    struct seen seen = look(place); /* while the engine is open */
    assert_int_equal(seen.count, KEYS - 1);
    assert_int_equal(seen.damaged, 0);
    assert_int_equal(seen.aside, 1);
    assert_string_equal(seen.reason, "it is odd");
    engine->functions->close(engine);
    seen = look(place);
    assert_int_equal(seen.count, KEYS - 1);
}

/* Names, sizes and times of all that is in the directory. */
static void describe(const struct place *place, char ret_text[1024])
{
    struct dirent **entries;
    int count = scandir(place->directory, &entries, NULL, alphasort);
    size_t length = 0;
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES + 300];
        struct stat status;
        snprintf(path, sizeof path, "%s/%s", place->directory, entries[i]->d_name);
        assert_int_equal(stat(path, &status), 0);
        if (strcmp(entries[i]->d_name, "..") != 0)
            length += (size_t)snprintf(ret_text + length, 1024 - length, "%s %lld %lld.%ld\n",
                                       entries[i]->d_name, (long long)status.st_size,
                                       (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
        free(entries[i]);
    }
    free(entries);
}

static void expect_untouched(const struct place *place)
{
    char before[1024];
    char after[1024];
    describe(place, before);
    look(place);
    describe(place, after);
    assert_string_equal(before, after);
}

static void nothing_is_changed(void **state)
{
    const struct place *place = *state;
    pid_t pid = fork();
    if (pid == 0) {
        struct store_engine *engine = open_engine(place);
        _exit(write_number(engine, 1) ? 0 : 1); /* without closing: the log stays */
    }
    int status;
    assert_true(waitpid(pid, &status, 0) == pid && status == 0);
    expect_untouched(place);
    struct store_engine *engine = open_engine(place);
    assert_true(write_number(engine, 2));
    expect_untouched(place);
    assert_true(write_number(engine, 3));
    engine->functions->close(engine);
    expect_untouched(place);
    assert_int_equal(look(place).newest, 3);
}

_Noreturn static void write_until_killed(const struct place *place, int pipe_fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* when a check of the parent fails */
    struct store_engine *engine = open_engine(place);
    for (uint64_t number = 1; write_number(engine, number); number++) {
        if (write(pipe_fd, &number, sizeof number) != sizeof number)
            break;
        if (number % 5 == 0 && !(engine->functions->begin(engine) &&
                                 engine->functions->commit(engine, true))) /* empties the log */
            break;
    }
    _exit(1);
}

/* The records have the newest number and those before it. */
static void expect_neighbours(const struct seen *seen)
{
    for (uint32_t i = 0; i < seen->count; i++)
        assert_true(seen->numbers[i] % KEYS == i && seen->numbers[i] + KEYS > seen->newest);
}

static void all_that_is_seen_is_of_one_moment(void **state)
{
    const struct place *place = *state;
    int fds[2];
    uint64_t committed = 0;
    uint64_t last = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0)
        write_until_killed(place, fds[1]);
    for (int i = 0; i < VIEWS; i++) {
        do
            assert_int_equal(read(fds[0], &committed, sizeof committed), sizeof committed);
        while (committed <= last || committed < KEYS);
        struct seen seen = look(place);
        assert_int_equal(seen.count, KEYS);
        assert_int_equal(seen.damaged, 0);
        expect_neighbours(&seen);
        assert_true(seen.newest >= committed);
        last = committed;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fds[0]);
    close(fds[1]);
}

static void what_cannot_be_seen_is_told(void **state)
{
    const struct place *place = *state;
    char text[64] = {0};
    refuse(place, "No such file");
    FILE *file = fopen(place->file, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is a letter and no database\n", file);
    fclose(file);
    refuse(place, "not a database");
    file = fopen(place->file, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file)); /* it is still there */
    fclose(file);
    assert_string_equal(text, "this is a letter and no database\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_set_aside_is_seen_too, make_place, remove_place),
        cmocka_unit_test_setup_teardown(nothing_is_changed, make_place, remove_place),
        cmocka_unit_test_setup_teardown(all_that_is_seen_is_of_one_moment, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(what_cannot_be_seen_is_told, make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
