/* SQLite behind the seam, with real files: other processes, a process that is killed, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store_sqlite.h"

#define RECORDS 200
#define DAMAGES 150
#define KILLS 20
#define PATH_BYTES 128

struct place {
    char directory[PATH_BYTES];
    char file[PATH_BYTES + 16];
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->directory, sizeof place->directory, "/tmp/party-store-XXXXXX");
    if (mkdtemp(place->directory) == NULL)
        return -1;
    snprintf(place->file, sizeof place->file, "%s/rooms.db", place->directory);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    static const char *const names[] = {"",         "-wal",         "-shm",
                                        ".damaged", ".damaged-wal", ".damaged-shm"};
    char path[PATH_BYTES + 32];
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        snprintf(path, sizeof path, "%s%s", place->file, names[i]);
        unlink(path);
    }
    chmod(place->directory, 0700);
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
    assert_string_equal(why, "");
    return engine;
}

static void refuse(const struct place *place, const char *expected)
{
    char why[STORE_WHY_MAX];
    assert_null(store_sqlite_open(place->directory, why));
    if (strstr(why, expected) == NULL)
        fail_msg("“%s” says nothing of “%s”", why, expected);
}

/* A text that tells its key and number. */
static void write_text(char text[64], uint64_t key, uint64_t number)
{
    snprintf(text, 64, "{\"key\":%llu,\"number\":%llu}", (unsigned long long)key,
             (unsigned long long)number);
}

static void put_numbered(struct store_engine *engine, uint64_t key, uint64_t number)
{
    char text[64];
    write_text(text, key, number);
    assert_true(engine->functions->put(engine, key, bytes_of_string(text)));
}

/* What was read. */
struct read {
    uint64_t keys[RECORDS + 1];
    uint64_t numbers[RECORDS + 1];
    uint32_t count;
    uint32_t damaged;
    uint32_t wrong; /* undamaged by its own word, and yet not what was written */
};

static void note(void *context, const struct store_record *record)
{
    struct read *read = context;
    char expected[64];
    char text[128];
    if (record->is_damaged) {
        read->damaged++;
        return;
    }
    snprintf(text, sizeof text, "%.*s", (int)record->text.length, (const char *)record->text.data);
    const char *number_text = strstr(text, "\"number\":");
    uint64_t number = number_text == NULL ? 0 : strtoull(number_text + 9, NULL, 10);
    write_text(expected, record->key, number);
    if (strcmp(text, expected) != 0)
        read->wrong++;
    if (read->count < ARRAY_LENGTH(read->keys)) {
        read->keys[read->count] = record->key;
        read->numbers[read->count++] = number;
    }
}

static struct read read_records(struct store_engine *engine)
{
    struct read read = {0};
    assert_true(engine->functions->read_all(engine, note, &read));
    return read;
}

static void what_is_committed_is_read_after_the_process(void **state)
{
    const struct place *place = *state;
    struct store_engine *engine = open_engine(place);
    assert_true(engine->functions->begin(engine));
    put_numbered(engine, 3, 1);
    put_numbered(engine, 1, 1);
    put_numbered(engine, UINT64_MAX, 1);
    put_numbered(engine, 3, 2);
    put_numbered(engine, 2, 1);
    assert_true(engine->functions->remove(engine, 2));
    assert_true(engine->functions->set_mark(engine, STORE_MARK_IN_USE, 1));
    assert_true(engine->functions->commit(engine, true));
    assert_true(engine->functions->begin(engine));
    put_numbered(engine, 1, 7);
    engine->functions->roll_back(engine);
    engine->functions->close(engine);

    engine = open_engine(place);
    struct read read = read_records(engine);
    uint32_t mark;
    assert_int_equal(read.count, 3);
    assert_int_equal(read.wrong + read.damaged, 0);
    assert_true(read.keys[0] == UINT64_MAX && read.keys[1] == 1 && read.keys[2] == 3);
    assert_true(read.numbers[1] == 1 && read.numbers[2] == 2);
    assert_true(engine->functions->read_mark(engine, STORE_MARK_IN_USE, &mark) && mark == 1);
    assert_true(engine->functions->read_mark(engine, STORE_MARK_STARTING, &mark) && mark == 0);
    engine->functions->close(engine);
}

static void only_its_owner_can_read_the_files(void **state)
{
    const struct place *place = *state;
    struct stat status;
    char path[PATH_BYTES + 32];
    struct store_engine *engine = open_engine(place);
    assert_true(engine->functions->begin(engine));
    put_numbered(engine, 1, 1);
    assert_true(engine->functions->commit(engine, false));
    static const char *const names[] = {"", "-wal"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        snprintf(path, sizeof path, "%s%s", place->file, names[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    engine->functions->close(engine);
}

static void a_second_process_is_refused(void **state)
{
    const struct place *place = *state;
    struct store_engine *engine = open_engine(place);
    pid_t pid = fork();
    if (pid == 0) {
        char why[STORE_WHY_MAX];
        bool is_refused = store_sqlite_open(place->directory, why) == NULL &&
                          strstr(why, "another process") != NULL;
        _exit(is_refused ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    engine->functions->close(engine);
}

static void a_record_is_set_aside_and_tries_are_counted(void **state)
{
    const struct place *place = *state;
    struct store_engine *engine = open_engine(place);
    assert_true(engine->functions->begin(engine));
    put_numbered(engine, 1, 1);
    put_numbered(engine, 2, 1);
    assert_true(engine->functions->set_tries(engine, 2, 2));
    assert_true(engine->functions->set_aside(engine, 1, "its version is unknown"));
    assert_true(engine->functions->commit(engine, false));
    struct read read = read_records(engine);
    assert_int_equal(read.count, 1);
    assert_true(read.keys[0] == 2);
    engine->functions->close(engine);
}

/* It is opened, and nothing in it can be read or written. */
static struct store_engine *open_closed(const struct place *place, const char *expected)
{
    char why[STORE_WHY_MAX];
    struct store_engine *engine = store_sqlite_open(place->directory, why);
    if (engine == NULL)
        fail_msg("%s: %s", place->directory, why);
    assert_string_equal(why, "");
    assert_false(engine->functions->begin(engine));
    if (strstr(engine->why, expected) == NULL)
        fail_msg("“%s” says nothing of “%s”", engine->why, expected);
    engine->functions->roll_back(engine);
    return engine;
}

static void a_newer_format_is_left_alone_until_it_is_gone(void **state)
{
    const struct place *place = *state;
    struct store_engine *engine = open_engine(place);
    engine->functions->close(engine);
    /* The format stands in bytes 60 to 63 of a file of SQLite. */
    int fd = open(place->file, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    uint8_t format[4] = {0, 0, 0, STORE_FORMAT + 1};
    assert_int_equal(pwrite(fd, format, sizeof format, 60), sizeof format);
    engine = open_closed(place, "newer version");
    assert_int_equal(pread(fd, format, sizeof format, 60), sizeof format);
    assert_int_equal(format[3], STORE_FORMAT + 1);
    close(fd);
    unlink(place->file);
    assert_true(engine->functions->begin(engine));
    put_numbered(engine, 1, 1);
    assert_true(engine->functions->commit(engine, false));
    engine->functions->close(engine);
}

static void what_is_no_database_is_put_aside(void **state)
{
    const struct place *place = *state;
    char why[STORE_WHY_MAX];
    char path[PATH_BYTES + 32];
    FILE *file = fopen(place->file, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is a letter and no database\n", file);
    fclose(file);
    struct store_engine *engine = store_sqlite_open(place->directory, why);
    assert_non_null(engine);
    assert_non_null(strstr(why, "damaged"));
    assert_int_equal(read_records(engine).count, 0);
    snprintf(path, sizeof path, "%s.damaged", place->file);
    assert_int_equal(access(path, R_OK), 0);
    engine->functions->close(engine);
}

static void a_place_that_cannot_be_written_is_told(void **state)
{
    const struct place *place = *state;
    struct place missing = {.directory = "/proc/1/no-such-place"};
    refuse(&missing, "");
    if (geteuid() == 0)
        return; /* root may write anywhere */
    chmod(place->directory, 0500);
    struct store_engine *engine = open_closed(place, "ermission");
    engine->functions->close(engine);
}

/* A disk without space is a limit of this process here. */
static void a_full_disk_fails_and_works_again_later(void **state)
{
    const struct place *place = *state;
    struct store_engine *engine = open_engine(place);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit limit = {.rlim_cur = 64 * 1024, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    bool is_full = false;
    uint64_t committed = 0;
    for (uint64_t number = 1; number < 1000 && !is_full; number++) {
        is_full = !engine->functions->begin(engine);
        char text[1024];
        memset(text, ' ', sizeof text);
        write_text(text, 1, number);
        text[strlen(text)] = ' ';
        struct bytes record = bytes_of(text, sizeof text);
        is_full = is_full || !engine->functions->put(engine, number, record) ||
                  !engine->functions->commit(engine, false);
        if (!is_full)
            committed = number;
    }
    assert_true(is_full && committed > 0);
    assert_true(engine->why[0] != 0);
    engine->functions->roll_back(engine);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(engine->functions->begin(engine));
    put_numbered(engine, 5000, 1);
    assert_true(engine->functions->commit(engine, false));
    engine->functions->close(engine);
}

/* A child writes records in order, and tells after each commit how far it is. */
_Noreturn static void write_until_killed(const struct place *place, int pipe_fd)
{
    char why[STORE_WHY_MAX];
    struct store_engine *engine = store_sqlite_open(place->directory, why);
    if (engine == NULL)
        _exit(1);
    for (uint64_t number = 1;; number++) {
        char text[64];
        if (!engine->functions->begin(engine))
            _exit(2);
        for (uint64_t key = 1; key <= 5; key++) {
            write_text(text, key, number);
            if (!engine->functions->put(engine, key, bytes_of_string(text)))
                _exit(3);
        }
        if (!engine->functions->commit(engine, false) ||
            write(pipe_fd, &number, sizeof number) != sizeof number)
            _exit(4);
    }
}

static void a_process_that_is_killed_loses_no_commit(void **state)
{
    const struct place *place = *state;
    for (uint64_t round = 0; round < KILLS; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0)
            write_until_killed(place, fds[1]);
        close(fds[1]);
        uint64_t committed = 0;
        uint64_t number;
        while (committed < 1 + round * 3 && read(fds[0], &number, sizeof number) == sizeof number)
            committed = number;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(fds[0], &number, sizeof number) == sizeof number)
            committed = number;
        close(fds[0]);
        struct store_engine *engine = open_engine(place);
        struct read read = read_records(engine);
        assert_int_equal(read.count, 5);
        assert_int_equal(read.wrong + read.damaged, 0);
        for (uint32_t i = 0; i < 5; i++) {
            assert_true(read.numbers[i] >= committed); /* one more may be there, untold */
            assert_true(read.numbers[i] == read.numbers[0]);
        }
        engine->functions->close(engine);
    }
}

static void fill(const struct place *place)
{
    struct store_engine *engine = open_engine(place);
    assert_true(engine->functions->begin(engine));
    for (uint64_t key = 1; key <= RECORDS; key++)
        put_numbered(engine, key, key * 3);
    assert_true(engine->functions->commit(engine, true));
    engine->functions->close(engine);
}

/* xorshift64 */
static uint64_t draw(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* Damages the file in one of four ways. */
static void damage(const struct place *place, unsigned round, uint64_t *random)
{
    struct stat status;
    int fd = open(place->file, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    off_t at = (off_t)(draw(random) % (uint64_t)status.st_size);
    uint8_t bytes[512] = {0};
    switch (round % 4) {
    case 0: /* some bits */
        for (int i = 0; i < 8; i++) {
            off_t place_of_byte = (off_t)(draw(random) % (uint64_t)status.st_size);
            uint8_t byte = (uint8_t)draw(random);
            assert_int_equal(pwrite(fd, &byte, 1, place_of_byte), 1);
        }
        break;
    case 1: /* the end is missing */
        assert_int_equal(ftruncate(fd, at), 0);
        break;
    case 2: /* a sector of zeros */
        assert_int_equal(pwrite(fd, bytes, sizeof bytes, at / 512 * 512), sizeof bytes);
        break;
    default: /* a page is where another one was */
        assert_true(pread(fd, bytes, sizeof bytes, at / 512 * 512) >= 0);
        assert_int_equal(pwrite(fd, bytes, sizeof bytes,
                                (off_t)(draw(random) % (uint64_t)status.st_size) / 512 * 512),
                         sizeof bytes);
        break;
    }
    close(fd);
}

/* Each record that is read is what was written, or says that it is damaged; or nothing is read. */
static void damage_is_noticed_and_never_fatal(void **state)
{
    const struct place *place = *state;
    uint64_t random = 20261201;
    for (unsigned round = 0; round < DAMAGES; round++) {
        struct read read = {0};
        char why[STORE_WHY_MAX];
        unlink(place->file);
        fill(place);
        damage(place, round, &random);
        struct store_engine *engine = store_sqlite_open(place->directory, why);
        assert_non_null(engine);
        if (!engine->functions->begin(engine)) {
            assert_true(engine->why[0] != 0);
            engine->functions->close(engine);
            continue;
        }
        engine->functions->roll_back(engine);
        bool is_read = engine->functions->read_all(engine, note, &read);
        assert_int_equal(read.wrong, 0);
        for (uint32_t i = 0; i < read.count; i++)
            assert_true(read.numbers[i] == read.keys[i] * 3);
        if (!is_read)
            assert_true(engine->functions->begin_anew(engine));
        assert_true(engine->functions->begin(engine) && engine->functions->commit(engine, false));
        engine->functions->close(engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
        TEST(what_is_committed_is_read_after_the_process),
        TEST(only_its_owner_can_read_the_files),
        TEST(a_second_process_is_refused),
        TEST(a_record_is_set_aside_and_tries_are_counted),
        TEST(a_newer_format_is_left_alone_until_it_is_gone),
        TEST(what_is_no_database_is_put_aside),
        TEST(a_place_that_cannot_be_written_is_told),
        TEST(a_full_disk_fails_and_works_again_later),
        TEST(a_process_that_is_killed_loses_no_commit),
        TEST(damage_is_noticed_and_never_fatal),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
