/* SQLite behind the store's seam. */
#include "store/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_KIB 2048
#define WAL_PAGES 1000           /* after so many a commit moves them into the file */
#define WAL_BYTES_KEPT (8 << 20) /* of a log that was longer once */

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLL_BACK,
    STATEMENT_PUT,
    STATEMENT_REMOVE,
    STATEMENT_SET_ASIDE,
    STATEMENT_SET_TRIES,
    STATEMENT_SET_MARK,
    STATEMENT_READ_MARK,
    STATEMENT_READ_ALL,
    STATEMENT_READ_ASIDE,
    STATEMENTS,
};

static const char *const statement_texts[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLL_BACK] = "ROLLBACK",
    [STATEMENT_PUT] = "REPLACE INTO rooms(key, checksum, record) VALUES(?1, ?2, ?3)",
    [STATEMENT_REMOVE] = "DELETE FROM rooms WHERE key = ?1",
    [STATEMENT_SET_ASIDE] = ("INSERT INTO aside SELECT key, ?2, record, unixepoch() "
                             "FROM rooms WHERE key = ?1"),
    [STATEMENT_SET_TRIES] = "UPDATE rooms SET tries = ?2 WHERE key = ?1",
    [STATEMENT_SET_MARK] = "INSERT OR REPLACE INTO marks(mark, value) VALUES(?1, ?2)",
    [STATEMENT_READ_MARK] = "SELECT value FROM marks WHERE mark = ?1",
    [STATEMENT_READ_ALL] = "SELECT key, checksum, record, tries FROM rooms ORDER BY key",
    [STATEMENT_READ_ASIDE] = "SELECT key, reason, time FROM aside ORDER BY time, rowid",
};

static const char schema[] =
    "CREATE TABLE rooms(key INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, record TEXT NOT NULL,"
    "  tries INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE aside(key INTEGER NOT NULL, reason TEXT NOT NULL, record TEXT NOT NULL,"
    "  time INTEGER NOT NULL);"
    "CREATE TABLE marks(mark INTEGER PRIMARY KEY, value INTEGER NOT NULL);";

struct sqlite_engine {
    struct store_engine base;
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS];
    bool is_open;    /* else `begin` tries to open it */
    bool is_useless; /* trying again would help nobody: another process has it, or the path is wrong
                      */
    char path[PATH_MAX];
};

static struct sqlite_engine *engine_of(struct store_engine *base)
{
    return CONTAINER_OF(base, struct sqlite_engine, base);
}

/* FNV-1a over the key and the text. */
static uint64_t checksum_of(uint64_t key, struct bytes text)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (int shift = 0; shift < 64; shift += 8)
        hash = (hash ^ (key >> shift & 0xFF)) * UINT64_C(0x100000001B3);
    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ text.data[i]) * UINT64_C(0x100000001B3);
    return hash;
}

static bool fail(struct sqlite_engine *engine)
{
    snprintf(engine->base.why, sizeof engine->base.why, "%s", sqlite3_errmsg(engine->database));
    return false;
}

static bool fail_with_errno(struct sqlite_engine *engine)
{
    char text[STORE_WHY_MAX];
    snprintf(engine->base.why, sizeof engine->base.why, "%s", strerror_r(errno, text, sizeof text));
    return false;
}

/* Runs a statement that gives no rows; its values were bound before. */
static bool run(struct sqlite_engine *engine, enum statement which)
{
    sqlite3_stmt *statement = engine->statements[which];
    bool is_done = sqlite3_step(statement) == SQLITE_DONE || fail(engine);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return is_done;
}

static bool run_with_key(struct sqlite_engine *engine, enum statement which, uint64_t key)
{
    sqlite3_bind_int64(engine->statements[which], 1, (sqlite3_int64)key);
    return run(engine, which);
}

static void roll_back(struct store_engine *base)
{
    struct sqlite_engine *engine = engine_of(base);
    char why[STORE_WHY_MAX];
    /* Some errors have rolled back already. The reason that counts is that of the error. */
    memcpy(why, base->why, sizeof why);
    if (engine->is_open && sqlite3_get_autocommit(engine->database) == 0)
        run(engine, STATEMENT_ROLL_BACK);
    memcpy(base->why, why, sizeof why);
}

static bool set_pragma(struct sqlite_engine *engine, const char *text)
{
    return sqlite3_exec(engine->database, text, NULL, NULL, NULL) == SQLITE_OK || fail(engine);
}

/*
 * With NORMAL, a commit outlives the process, and the machine from the next checkpoint on. That
 * setting can't change within a transaction, so a durable commit is followed by a checkpoint, which
 * waits for the disk.
 */
static bool commit(struct store_engine *base, bool is_durable)
{
    struct sqlite_engine *engine = engine_of(base);
    if (!run(engine, STATEMENT_COMMIT))
        return false;
    return !is_durable || set_pragma(engine, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static bool put(struct store_engine *base, uint64_t key, struct bytes text)
{
    struct sqlite_engine *engine = engine_of(base);
    sqlite3_stmt *statement = engine->statements[STATEMENT_PUT];
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)checksum_of(key, text));
    sqlite3_bind_text64(statement, 3, (const char *)text.data, text.length, SQLITE_STATIC,
                        SQLITE_UTF8);
    return run_with_key(engine, STATEMENT_PUT, key);
}

static bool remove_record(struct store_engine *base, uint64_t key)
{
    return run_with_key(engine_of(base), STATEMENT_REMOVE, key);
}

static bool set_aside(struct store_engine *base, uint64_t key, const char *reason)
{
    struct sqlite_engine *engine = engine_of(base);
    sqlite3_bind_text(engine->statements[STATEMENT_SET_ASIDE], 2, reason, -1, SQLITE_STATIC);
    return run_with_key(engine, STATEMENT_SET_ASIDE, key) && remove_record(base, key);
}

static bool set_tries(struct store_engine *base, uint64_t key, uint32_t tries)
{
    struct sqlite_engine *engine = engine_of(base);
    sqlite3_bind_int64(engine->statements[STATEMENT_SET_TRIES], 2, tries);
    return run_with_key(engine, STATEMENT_SET_TRIES, key);
}

static bool set_mark(struct store_engine *base, enum store_mark mark, uint32_t value)
{
    struct sqlite_engine *engine = engine_of(base);
    sqlite3_bind_int64(engine->statements[STATEMENT_SET_MARK], 2, value);
    return run_with_key(engine, STATEMENT_SET_MARK, mark);
}

static bool read_mark(struct store_engine *base, enum store_mark mark, uint32_t *ret_value)
{
    struct sqlite_engine *engine = engine_of(base);
    sqlite3_stmt *statement = engine->statements[STATEMENT_READ_MARK];
    sqlite3_bind_int64(statement, 1, mark);
    int result = sqlite3_step(statement);
    *ret_value = result == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(statement, 0) : 0;
    bool is_read = result == SQLITE_ROW || result == SQLITE_DONE || fail(engine);
    sqlite3_reset(statement);
    return is_read;
}

static bool read_all(struct store_engine *base,
                     void (*visit)(void *context, const struct store_record *record), void *context)
{
    struct sqlite_engine *engine = engine_of(base);
    sqlite3_stmt *statement = engine->statements[STATEMENT_READ_ALL];
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        uint64_t key = (uint64_t)sqlite3_column_int64(statement, 0);
        const void *text = sqlite3_column_blob(statement, 2);
        struct store_record record = {
            .key = key,
            .text = bytes_of(text, (size_t)sqlite3_column_bytes(statement, 2)),
            .tries = (uint32_t)sqlite3_column_int64(statement, 3),
        };
        uint64_t checksum = (uint64_t)sqlite3_column_int64(statement, 1);
        record.is_damaged = checksum != checksum_of(key, record.text);
        visit(context, &record);
    }
    bool is_read = result == SQLITE_DONE || fail(engine);
    sqlite3_reset(statement);
    return is_read;
}

bool store_sqlite_read_aside(struct store_engine *base,
                             void (*visit)(void *context, uint64_t key, const char *reason,
                                           uint64_t time),
                             void *context)
{
    struct sqlite_engine *engine = engine_of(base);
    sqlite3_stmt *statement = engine->statements[STATEMENT_READ_ASIDE];
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *reason = (const char *)sqlite3_column_text(statement, 1);
        visit(context, (uint64_t)sqlite3_column_int64(statement, 0), reason == NULL ? "" : reason,
              (uint64_t)sqlite3_column_int64(statement, 2));
    }
    bool is_read = result == SQLITE_DONE || fail(engine);
    sqlite3_reset(statement);
    return is_read;
}

/* Reads a number that SQLite keeps about the file, or finds that the file is none of its own. */
static bool read_format(struct sqlite_engine *engine, int *ret_format)
{
    sqlite3_stmt *statement = NULL;
    *ret_format = 0;
    if (sqlite3_prepare_v2(engine->database, "PRAGMA user_version", -1, &statement, NULL) !=
        SQLITE_OK)
        return fail(engine);
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *ret_format = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return result == SQLITE_ROW || fail(engine);
}

static bool prepare_all(struct sqlite_engine *engine)
{
    for (int i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(engine->database, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &engine->statements[i], NULL) != SQLITE_OK)
            return fail(engine);
    }
    return true;
}

/* The lock is taken with the first transaction, and kept. */
static bool set_up(struct sqlite_engine *engine)
{
    char pragmas[256];
    int format;
    snprintf(
        pragmas, sizeof pragmas,
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
        "PRAGMA cache_size = -%d; PRAGMA wal_autocheckpoint = %d; PRAGMA journal_size_limit = %d;"
        "BEGIN EXCLUSIVE",
        CACHE_KIB, WAL_PAGES, WAL_BYTES_KEPT);
    if (!set_pragma(engine, pragmas) || !read_format(engine, &format))
        return false;
    if (format > STORE_FORMAT) {
        snprintf(engine->base.why, sizeof engine->base.why,
                 "its format %d is of a newer version, which knows how to go back", format);
        return false;
    }
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version = %d", STORE_FORMAT);
    if (format == 0 && (!set_pragma(engine, schema) || !set_pragma(engine, version)))
        return false;
    return set_pragma(engine, "COMMIT") && prepare_all(engine);
}

/* Whether the operator has named something that can't become a store. */
static bool is_wrong_path(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG;
}

/* SQLite's other files get the rights of this one. */
static bool prepare_file(struct sqlite_engine *engine)
{
    int fd = open(engine->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        engine->is_useless = is_wrong_path(errno);
        return fail_with_errno(engine);
    }
    close(fd);
    return true;
}

static bool open_file(struct sqlite_engine *engine)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (!prepare_file(engine))
        return false;
    if (sqlite3_open_v2(engine->path, &engine->database, flags, NULL) != SQLITE_OK)
        return fail(engine);
    engine->is_open = set_up(engine);
    return engine->is_open;
}

static void close_file(struct sqlite_engine *engine)
{
    engine->is_open = false;
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(engine->statements[i]);
        engine->statements[i] = NULL;
    }
    sqlite3_close(engine->database);
    engine->database = NULL;
}

/* Renames the file and what SQLite has beside it. */
static bool put_away(struct sqlite_engine *engine)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        char from[PATH_MAX + 16];
        char to[PATH_MAX + 16];
        snprintf(from, sizeof from, "%s%s", engine->path, endings[i]);
        snprintf(to, sizeof to, "%s.damaged%s", engine->path, endings[i]);
        if (rename(from, to) != 0 && errno != ENOENT) {
            return fail_with_errno(engine);
        }
    }
    return true;
}

static bool begin_anew(struct store_engine *base)
{
    struct sqlite_engine *engine = engine_of(base);
    close_file(engine);
    return put_away(engine) && open_file(engine);
}

static void close_engine(struct store_engine *base)
{
    struct sqlite_engine *engine = engine_of(base);
    close_file(engine);
    free(engine);
}

/* Makes what is there usable. A damaged file is put away. */
static bool open_or_begin_anew(struct sqlite_engine *engine, bool *ret_is_anew)
{
    *ret_is_anew = false;
    if (open_file(engine))
        return true;
    int result = engine->database == NULL ? SQLITE_CANTOPEN : sqlite3_errcode(engine->database);
    engine->is_useless |= result == SQLITE_BUSY;
    if (result == SQLITE_BUSY)
        snprintf(engine->base.why, sizeof engine->base.why, "another process uses it");
    *ret_is_anew = result == SQLITE_CORRUPT || result == SQLITE_NOTADB;
    return *ret_is_anew && begin_anew(&engine->base);
}

/* Makes the directory that the path is in, if it is not there. */
static bool make_directory(struct sqlite_engine *engine)
{
    char *slash = strrchr(engine->path, '/');
    *slash = '\0';
    bool is_made = mkdir(engine->path, 0700) == 0 || errno == EEXIST;
    *slash = '/';
    engine->is_useless = !is_made && is_wrong_path(errno);
    return is_made || fail_with_errno(engine);
}

static bool open_path(struct sqlite_engine *engine, bool *ret_is_anew)
{
    return make_directory(engine) && open_or_begin_anew(engine, ret_is_anew);
}

static void tell_of_damage(char ret_text[STORE_WHY_MAX])
{
    snprintf(ret_text, STORE_WHY_MAX, "it was damaged, and is " STORE_FILE_NAME ".damaged now");
}

static bool open_again(struct sqlite_engine *engine)
{
    bool is_anew = false;
    close_file(engine);
    bool is_open = open_path(engine, &is_anew);
    if (is_open && is_anew)
        tell_of_damage(engine->base.notice);
    return is_open;
}

static bool begin(struct store_engine *base)
{
    struct sqlite_engine *engine = engine_of(base);
    return (engine->is_open || open_again(engine)) && run(engine, STATEMENT_BEGIN);
}

static const struct store_engine_functions functions = {
    .begin = begin,
    .put = put,
    .remove = remove_record,
    .set_mark = set_mark,
    .set_aside = set_aside,
    .set_tries = set_tries,
    .commit = commit,
    .roll_back = roll_back,
    .read_all = read_all,
    .read_mark = read_mark,
    .begin_anew = begin_anew,
    .close = close_engine,
};

/* False: `engine->base.why` says why. */
static bool set_path(struct sqlite_engine *engine, const char *directory)
{
    int length = snprintf(engine->path, sizeof engine->path, "%s/" STORE_FILE_NAME, directory);
    errno = ENAMETOOLONG;
    engine->is_useless = length >= (int)sizeof engine->path;
    return !engine->is_useless || fail_with_errno(engine);
}

/* NULL: memory is short. */
static struct sqlite_engine *new_engine(char ret_why[STORE_WHY_MAX])
{
    struct sqlite_engine *engine = calloc(1, sizeof *engine);
    ret_why[0] = 0;
    if (engine == NULL)
        snprintf(ret_why, STORE_WHY_MAX, "memory is short");
    else
        engine->base.functions = &functions;
    return engine;
}

struct store_engine *store_sqlite_open(const char *directory, char ret_why[STORE_WHY_MAX])
{
    bool is_anew = false;
    struct sqlite_engine *engine = new_engine(ret_why);
    if (engine == NULL)
        return NULL;
    bool is_open = set_path(engine, directory) && open_path(engine, &is_anew);
    if (is_open && is_anew)
        tell_of_damage(ret_why);
    if (is_open || !engine->is_useless)
        return &engine->base;
    memcpy(ret_why, engine->base.why, STORE_WHY_MAX);
    close_engine(&engine->base);
    return NULL;
}

struct store_engine *store_sqlite_open_later(const char *directory, char ret_why[STORE_WHY_MAX])
{
    struct sqlite_engine *engine = new_engine(ret_why);
    if (engine == NULL || set_path(engine, directory))
        return engine == NULL ? NULL : &engine->base;
    memcpy(ret_why, engine->base.why, STORE_WHY_MAX);
    close_engine(&engine->base);
    return NULL;
}

struct store_engine *store_sqlite_open_copy(const char *directory, char ret_why[STORE_WHY_MAX])
{
    struct sqlite_engine *engine = new_engine(ret_why);
    if (engine == NULL)
        return NULL;
    if (set_path(engine, directory) && open_file(engine))
        return &engine->base;
    memcpy(ret_why, engine->base.why, STORE_WHY_MAX);
    close_engine(&engine->base);
    return NULL;
}
