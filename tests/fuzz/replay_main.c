/*
 * Stands in for libFuzzer: runs a harness on every file of one folder, and prints TAP.
 *
 *     json_replay tests/fuzz/corpus/json
 *
 * An input that fails ends the program; the last line names it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "fuzz/fuzz_input.h"

#define INPUT_BYTES_MAX (1u << 20)

static bool read_file(const char *path, struct buf *ret_content)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    buf_init(ret_content, INPUT_BYTES_MAX);
    uint8_t part[4096];
    size_t count;
    bool fits = true;
    while (fits && (count = fread(part, 1, sizeof part, file)) > 0)
        fits = buf_append(ret_content, bytes_of(part, count)) == BUF_OK;
    bool is_read = fits && ferror(file) == 0;
    fclose(file);
    return is_read;
}

static bool replay(const char *path)
{
    struct buf content;
    printf("# %s\n", path);
    if (!read_file(path, &content))
        return false;
    struct bytes_mut input = fuzz_copy(buf_view(&content));
    buf_release(&content);
    LLVMFuzzerTestOneInput(input.data, input.length);
    free(input.data);
    return true;
}

static int is_no_dot_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* How many inputs were run, or -1 when one could not be read. */
static int replay_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_no_dot_file, alphasort);
    bool all_are_read = true;
    if (count < 0) {
        printf("# %s: %s\n", folder, strerror(errno));
        return -1;
    }
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        all_are_read = replay(path) && all_are_read;
        free(entries[i]);
    }
    free(entries);
    return all_are_read ? count : -1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* so that the last line is there when an input crashes */
    int count = replay_folder(argv[1]);
    printf("1..1\n%s 1 - %d inputs of %s\n", count > 0 ? "ok" : "not ok", count < 0 ? 0 : count,
           argv[1]);
    return count > 0 ? 0 : 1;
}
