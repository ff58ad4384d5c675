/* Reads the files of one process in /proc. A run does this a few times, never while it measures. */
#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock_ns.h"

/* Reads a small file whole, with a NUL behind it. */
static bool read_file(const char *path, char *text, size_t capacity)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t length = fread(text, 1, capacity - 1, file);
    fclose(file);
    text[length] = '\0';
    return length > 0;
}

static bool read_times(pid_t pid, struct process_usage *usage)
{
    char path[64];
    char text[1024];
    unsigned long long user;
    unsigned long long system;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_file(path, text, sizeof text))
        return false;
    /* The name, in brackets, may contain anything; fields are counted behind it. */
    const char *fields = strrchr(text, ')');
    if (fields == NULL ||
        sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
               &system) != 2)
        return false;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    usage->user_seconds = (double)user / ticks;
    usage->system_seconds = (double)system / ticks;
    return true;
}

static bool read_resident(pid_t pid, struct process_usage *usage)
{
    char path[64];
    char text[1024];
    unsigned long long kib;
    /* Not `statm`, whose counters lag behind by some pages a core. */
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    if (!read_file(path, text, sizeof text))
        return false;
    const char *line = strstr(text, "\nRss:");
    if (line == NULL || sscanf(line, "\nRss: %llu", &kib) != 1)
        return false;
    usage->resident_kib = kib;
    return true;
}

static void read_thread(pid_t pid, pid_t thread, struct process_usage *usage)
{
    char path[96];
    char text[128];
    unsigned long long on_cpu_ns;
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)pid, (int)thread);
    if (!read_file(path, text, sizeof text) || sscanf(text, "%llu", &on_cpu_ns) != 1)
        return;
    double cpu_seconds = (double)on_cpu_ns / (double)NANOSECONDS;
    usage->cpu_seconds += cpu_seconds;
    if (usage->thread_count == PROCESS_THREADS_MAX)
        return;
    usage->threads[usage->thread_count].id = thread;
    usage->threads[usage->thread_count].cpu_seconds = cpu_seconds;
    usage->thread_count++;
}

static bool read_threads(pid_t pid, struct process_usage *usage)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return false;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] != '.')
            read_thread(pid, (pid_t)atoi(entry->d_name), usage);
    }
    closedir(directory);
    return true;
}

bool process_read(pid_t pid, struct process_usage *ret_usage)
{
    /* Memory comes last, since the kernel looks at every page for it. */
    *ret_usage = (struct process_usage){.at_ns = clock_now_ns()};
    bool is_read =
        read_threads(pid, ret_usage) && read_times(pid, ret_usage) && read_resident(pid, ret_usage);
    /* On a kernel without schedstat, only the ticks are known. */
    if (ret_usage->cpu_seconds <= 0)
        ret_usage->cpu_seconds = ret_usage->user_seconds + ret_usage->system_seconds;
    return is_read;
}

static double thread_seconds(const struct process_usage *usage, pid_t thread)
{
    for (unsigned i = 0; i < usage->thread_count; i++) {
        if (usage->threads[i].id == thread)
            return usage->threads[i].cpu_seconds;
    }
    return 0;
}

double process_busiest_thread(const struct process_usage *before, const struct process_usage *after)
{
    double most = 0;
    for (unsigned i = 0; i < after->thread_count; i++) {
        double used = after->threads[i].cpu_seconds - thread_seconds(before, after->threads[i].id);
        most = used > most ? used : most;
    }
    return most;
}
