#include "server/ticket_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/tls.h"
#include "proto/hex.h"
#include "proto/json_fields.h"
#include "proto/utf8.h"

#define FILE_NAME "tickets.json"
#define FILE_BYTES_MAX 1024
#define FILE_VERSION 1

/* The age is of the newest key, in seconds, at the time `written`, of the clock on the wall. */
enum { FIELD_VERSION, FIELD_WRITTEN, FIELD_AGE, FIELD_KEYS, FIELDS };

static const char *const names[] = {"version", "written", "age", "keys"};

static uint64_t now_s(const struct server *server)
{
    return server->kernel->now_ns() / 1000000000;
}

/* False: there is no state directory, no TLS, or the path is too long. */
static bool has_file(const struct server *server, char ret_path[PATH_MAX])
{
    const char *directory = server->config->state_directory;
    if (server->tls == NULL || directory == NULL)
        return false;
    int length = snprintf(ret_path, PATH_MAX, "%s/" FILE_NAME, directory);
    return length > 0 && length < PATH_MAX;
}

static bool parse(struct bytes text, struct ticket_keys_copy *ret_keys, uint64_t *ret_written_s,
                  uint64_t *ret_age_s)
{
    struct json_value values[FIELDS];
    size_t unknown_length;
    bool is_object;
    uint64_t version;
    const uint64_t most = (uint64_t)1 << 53;
    return utf8_is_valid(text) &&
           json_fields_read(text, names, FIELDS, values, &unknown_length, &is_object) ==
               JSON_NEXT_END &&
           is_object && json_member_whole(&values[FIELD_VERSION], most, &version) &&
           version == FILE_VERSION &&
           json_member_whole(&values[FIELD_WRITTEN], most, ret_written_s) &&
           json_member_whole(&values[FIELD_AGE], most, ret_age_s) &&
           hex_read(&values[FIELD_KEYS], (uint8_t *)ret_keys, sizeof *ret_keys);
}

/* Keys whose clock is unclear, or that are too old, are not used; `age_s` is that of now. */
static void take_over(const struct server *server, struct ticket_keys_copy *keys,
                      uint64_t written_s, uint64_t age_s)
{
    int64_t away_s = server->kernel->wall_clock_s() - (int64_t)written_s;
    if (away_s < 0 || age_s + (uint64_t)away_s >= 2 * (uint64_t)TICKET_KEY_SECONDS)
        return;
    uint64_t since_s = now_s(server) - age_s - (uint64_t)away_s;
    memcpy(keys->since_s, &since_s, sizeof since_s);
    ticket_keys_restore(tls_context_ticket_keys(server->tls), keys);
}

void ticket_file_read(struct server *server)
{
    char path[PATH_MAX];
    uint8_t text[FILE_BYTES_MAX];
    struct ticket_keys_copy keys;
    uint64_t written_s;
    uint64_t age_s;
    if (!has_file(server, path))
        return;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t length = read(fd, text, sizeof text);
    close(fd);
    unlink(path);
    if (length > 0 && parse(bytes_of(text, (size_t)length), &keys, &written_s, &age_s))
        take_over(server, &keys, written_s, age_s);
    explicit_bzero(text, sizeof text);
    explicit_bzero(&keys, sizeof keys);
}

void ticket_file_write(const struct server *server)
{
    char path[PATH_MAX];
    uint8_t text[FILE_BYTES_MAX];
    struct ticket_keys_copy keys;
    struct writer writer = writer_over(text, sizeof text);
    uint64_t since_s;
    if (!has_file(server, path))
        return;
    ticket_keys_save(tls_context_ticket_keys(server->tls), &keys);
    memcpy(&since_s, keys.since_s, sizeof since_s);
    writer_put_number(&writer, "{\"version\":", FILE_VERSION);
    writer_put_number(&writer, ",\"written\":", (uint64_t)server->kernel->wall_clock_s());
    writer_put_number(&writer, ",\"age\":", now_s(server) - since_s);
    WRITER_PUT(&writer, ",\"keys\":");
    hex_write(&writer, bytes_of((const uint8_t *)&keys, sizeof keys));
    WRITER_PUT(&writer, "}\n");
    unlink(path); /* whatever is there, with rights of its own */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        bool is_whole =
            writer_fits(&writer) && write(fd, writer.data, writer.length) == (ssize_t)writer.length;
        close(fd);
        if (!is_whole)
            unlink(path);
    }
    explicit_bzero(text, sizeof text);
    explicit_bzero(&keys, sizeof keys);
}
