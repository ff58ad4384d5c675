/* Reads limits of memory and descriptors at the start, and measures memory when asked. */
#include "net/machine.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <malloc.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attributes.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PAGE_BYTES 4096
#define HEAP_BLOCK_BYTES (60 * 1024)      /* below what malloc() maps apart, see main.c */
#define TRIM_THRESHOLD_BYTES (128 * 1024) /* of malloc() itself */

/* Returns the number in a file; UINT64_MAX if there is no such file, or it says `max`. */
static uint64_t read_limit(const char *path)
{
    char text[32];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    char *line = fgets(text, sizeof text, file);
    fclose(file);
    if (line == NULL || *line < '0' || *line > '9')
        return UINT64_MAX;
    return strtoull(line, NULL, 10);
}

/*
 * The lowest limit of a control group and the groups above it. Within a container `group` may not
 * exist.
 */
static uint64_t least_limit_above(const char *hierarchy, char *group, const char *file)
{
    uint64_t least = UINT64_MAX;
    for (;;) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s%s/%s", hierarchy, group, file);
        uint64_t limit = read_limit(path);
        if (limit < least)
            least = limit;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* Reads a line of /proc/self/cgroup: `0::/group` is version 2, `4:memory:/group` is version 1. */
static uint64_t limit_of_line(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL)
        return UINT64_MAX;
    *group++ = '\0';
    if (strcmp(controllers + 1, "") == 0)
        return least_limit_above(CGROUP_ROOT, group, "memory.max");
    if (strstr(controllers + 1, "memory") != NULL)
        return least_limit_above(CGROUP_ROOT "/memory", group, "memory.limit_in_bytes");
    return UINT64_MAX;
}

uint64_t machine_memory_bytes(void)
{
    uint64_t least = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *groups = fopen("/proc/self/cgroup", "re");
    if (groups == NULL)
        return least;
    char line[PATH_MAX];
    while (fgets(line, sizeof line, groups) != NULL) {
        uint64_t limit = limit_of_line(line);
        if (limit < least)
            least = limit;
    }
    fclose(groups);
    return least;
}

uint32_t machine_raise_descriptor_limit(uint32_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t soft = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            limit.rlim_cur = soft;
    }
    return limit.rlim_cur < wanted ? (uint32_t)limit.rlim_cur : wanted;
}

uint64_t machine_resident_bytes(void)
{
    unsigned long long total;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes no number that is too large */
    if (fscanf(file, "%llu %llu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Of the machine, as /proc/meminfo says; UINT64_MAX: it does not. */
static uint64_t available_in_machine(void)
{
    char line[128];
    unsigned long long kibibytes = 0;
    bool is_found = false;
    FILE *file = fopen("/proc/meminfo", "re");
    if (file == NULL)
        return UINT64_MAX;
    while (!is_found && fgets(line, sizeof line, file) != NULL)
        /* NOLINTNEXTLINE(cert-err34-c): the kernel writes no number that is too large */
        is_found = sscanf(line, "MemAvailable: %llu", &kibibytes) == 1;
    fclose(file);
    return is_found ? kibibytes * 1024 : UINT64_MAX;
}

uint64_t machine_available_bytes(void)
{
    uint64_t limit = machine_memory_bytes();
    uint64_t resident = machine_resident_bytes();
    uint64_t within = limit > resident ? limit - resident : 0;
    uint64_t available = available_in_machine();
    return within < available ? within : available;
}

uint64_t machine_heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Has the kernel give a block's whole pages. Before Linux 5.14 it can't, and changes nothing. */
static void populate(uint8_t *block, size_t bytes)
{
    uintptr_t first = ((uintptr_t)block + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
    uintptr_t end = ((uintptr_t)block + bytes) & ~(uintptr_t)(PAGE_BYTES - 1);
    if (end > first)
        (void)madvise((void *)first, end - first, MADV_POPULATE_WRITE);
}

void machine_prepare_heap(size_t bytes)
{
    uint8_t *blocks[MACHINE_HEAP_BYTES_MAX / HEAP_BLOCK_BYTES];
    size_t wanted = bytes / HEAP_BLOCK_BYTES;
    size_t count = 0;
    if (wanted > ARRAY_LENGTH(blocks))
        wanted = ARRAY_LENGTH(blocks);
    while (count < wanted && (blocks[count] = malloc(HEAP_BLOCK_BYTES)) != NULL)
        populate(blocks[count++], HEAP_BLOCK_BYTES);
    while (count > 0)
        free(blocks[--count]);
}

void machine_keep_freed(bool is_kept)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
    mallopt(M_TRIM_THRESHOLD, is_kept ? INT_MAX : TRIM_THRESHOLD_BYTES);
}

/*
 * Asks for the route to a far address. Connecting a UDP socket chooses a route and sends nothing.
 */
static bool address_of_route(struct in_addr *ret_address)
{
    struct sockaddr_in elsewhere = {
        .sin_family = AF_INET,
        .sin_port = htons(9),
        .sin_addr.s_addr = htonl(0xCB007101), /* 203.0.113.1, which nobody has (RFC 5737) */
    };
    struct sockaddr_in own;
    socklen_t length = sizeof own;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool is_known = connect(fd, (struct sockaddr *)&elsewhere, sizeof elsewhere) == 0 &&
                    getsockname(fd, (struct sockaddr *)&own, &length) == 0;
    close(fd);
    if (is_known)
        *ret_address = own.sin_addr;
    return is_known;
}

static bool address_of_interface(struct in_addr *ret_address)
{
    struct ifaddrs *first;
    bool is_known = false;
    if (getifaddrs(&first) != 0)
        return false;
    for (struct ifaddrs *at = first; at != NULL && !is_known; at = at->ifa_next) {
        bool is_up = (at->ifa_flags & IFF_UP) != 0 && (at->ifa_flags & IFF_LOOPBACK) == 0;
        is_known = is_up && at->ifa_addr != NULL && at->ifa_addr->sa_family == AF_INET;
        if (is_known)
            *ret_address = ((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr;
    }
    freeifaddrs(first);
    return is_known;
}

bool machine_address(char ret_text[MACHINE_ADDRESS_BYTES_MAX])
{
    struct in_addr address;
    return (address_of_route(&address) || address_of_interface(&address)) &&
           inet_ntop(AF_INET, &address, ret_text, MACHINE_ADDRESS_BYTES_MAX) != NULL;
}
