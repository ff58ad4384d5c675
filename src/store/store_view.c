/* Copies a store, and reads the copy. */
#include "store/store_view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/store_sqlite.h"

#define TRIES_MAX 50      /* of a copy, since a process may write meanwhile */
#define TRY_AGAIN_MS 20   /* a process begins its log anew a few times a second at most */
#define LOG_HEAD_BYTES 32 /* of SQLite's log; it is another one each time the log begins anew */
#define COPY_BYTES (64 * 1024)

/* Where the copy may be: in memory rather than on a disk, since it has secrets in it. */
static const char *const places[] = {"/dev/shm", "/tmp"};

/* The names of a store's file and of its log. */
struct files {
    char database[PATH_MAX];
    char log[PATH_MAX + 8];
};

/* What tells whether the files were written otherwise than at the log's end. */
struct stamp {
    ino_t number;
    off_t size;
    struct timespec written;
    uint8_t log_head[LOG_HEAD_BYTES]; /* zeros: there is no log, or nothing in it */
};

enum copying {
    COPYING_DONE,
    COPYING_AGAIN, /* the files changed meanwhile */
    COPYING_FAILED,
};

static void explain(char *why, const char *what, const char *where)
{
    char text[STORE_WHY_MAX / 2];
    snprintf(why, STORE_WHY_MAX, "%s%.64s: %s", what, where, strerror_r(errno, text, sizeof text));
}

static bool name_files(struct files *files, const char *directory)
{
    int length =
        snprintf(files->database, sizeof files->database, "%s/" STORE_FILE_NAME, directory);
    snprintf(files->log, sizeof files->log, "%s-wal", files->database);
    errno = ENAMETOOLONG;
    return length < (int)sizeof files->database;
}

/* A pipe under such a name must not make the view wait. */
static int open_to_read(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static bool read_stamp(const struct files *files, struct stamp *ret_stamp)
{
    struct stat status;
    *ret_stamp = (struct stamp){0};
    if (stat(files->database, &status) != 0)
        return false;
    ret_stamp->number = status.st_ino;
    ret_stamp->size = status.st_size;
    ret_stamp->written = status.st_mtim;
    int fd = open_to_read(files->log);
    if (fd < 0)
        return errno == ENOENT;
    uint8_t head[LOG_HEAD_BYTES];
    if (pread(fd, head, sizeof head, 0) == sizeof head)
        memcpy(ret_stamp->log_head, head, sizeof head);
    close(fd);
    return true;
}

/*
 * Whether a copy that was begun at `before` and was ready at `after` is of one moment, if the log
 * was copied last. While the log is the same one, whatever went from it into the file is still in
 * the log, and counts from there, also where the copy of the file has half of it. Without a log,
 * nothing may have been written at all.
 */
static bool is_of_one_moment(const struct stamp *before, const struct stamp *after)
{
    static const uint8_t none[LOG_HEAD_BYTES];
    if (before->number != after->number ||
        memcmp(before->log_head, after->log_head, LOG_HEAD_BYTES) != 0)
        return false;
    return memcmp(after->log_head, none, LOG_HEAD_BYTES) != 0 ||
           (before->size == after->size && before->written.tv_sec == after->written.tv_sec &&
            before->written.tv_nsec == after->written.tv_nsec);
}

static bool copy_bytes(int from, int to)
{
    static uint8_t bytes[COPY_BYTES];
    ssize_t length;
    while ((length = read(from, bytes, sizeof bytes)) > 0) {
        for (ssize_t written = 0; written < length;) {
            ssize_t more = write(to, bytes + written, (size_t)(length - written));
            if (more < 0)
                return false;
            written += more;
        }
    }
    return length == 0;
}

/* A log may be missing. */
static bool copy_file(const char *from, const char *to, bool may_be_missing)
{
    int in = open_to_read(from);
    if (in < 0)
        return may_be_missing && errno == ENOENT;
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_copied = out >= 0 && copy_bytes(in, out);
    int error = errno;
    close(in);
    if (out >= 0 && close(out) != 0)
        return false;
    errno = error;
    return is_copied;
}

/* The log comes last; see is_of_one_moment(). After a failure, errno says why. */
static enum copying copy_once(const struct files *from, const struct files *to)
{
    struct stamp before;
    struct stamp after;
    unlink(to->log); /* what a try before this one has left */
    if (!read_stamp(from, &before) || !copy_file(from->database, to->database, false) ||
        !copy_file(from->log, to->log, true) || !read_stamp(from, &after))
        return COPYING_FAILED;
    return is_of_one_moment(&before, &after) ? COPYING_DONE : COPYING_AGAIN;
}

static bool copy(const struct files *from, const struct files *to, const char *place, char *why)
{
    const struct timespec while_it_changes = {.tv_nsec = TRY_AGAIN_MS * 1000000};
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        enum copying copying = copy_once(from, to);
        if (copying == COPYING_FAILED)
            explain(why, "it can't be copied to ", place);
        if (copying != COPYING_AGAIN)
            return copying == COPYING_DONE;
        nanosleep(&while_it_changes, NULL);
    }
    snprintf(why, STORE_WHY_MAX, "it changes too fast to be looked at; try again");
    return false;
}

/* The copy has no name any more once it is open: so nothing of it is left, however this ends. */
static void remove_names(const char *directory, const struct files *files)
{
    unlink(files->database);
    unlink(files->log);
    rmdir(directory);
}

/* Opens a copy of the files in a new directory in `place`. */
static struct store_engine *open_copy(const struct files *from, const char *place, char *why)
{
    char directory[64];
    struct files to;
    snprintf(directory, sizeof directory, "%s/party-sockets-XXXXXX", place);
    if (mkdtemp(directory) == NULL) {
        explain(why, "it can't be copied to ", place);
        return NULL;
    }
    struct store_engine *engine = NULL;
    if (name_files(&to, directory) && copy(from, &to, place, why))
        engine = store_sqlite_open_copy(directory, why);
    remove_names(directory, &to);
    return engine;
}

static bool view(struct store_engine *engine, const struct store_viewing *viewing, char *why)
{
    bool is_read = engine->functions->read_all(engine, viewing->record, viewing->context) &&
                   store_sqlite_read_aside(engine, viewing->aside, viewing->context);
    memcpy(why, engine->why, STORE_WHY_MAX);
    engine->functions->close(engine);
    return is_read;
}

bool store_view(const char *directory, const struct store_viewing *viewing,
                char ret_why[STORE_WHY_MAX])
{
    struct files from;
    struct store_engine *engine = NULL;
    ret_why[0] = 0;
    if (!name_files(&from, directory) || access(from.database, R_OK) != 0) {
        explain(ret_why, STORE_FILE_NAME, "");
        return false;
    }
    for (size_t i = 0; engine == NULL && i < ARRAY_LENGTH(places); i++)
        engine = open_copy(&from, places[i], ret_why);
    return engine != NULL && view(engine, viewing, ret_why);
}
