/*
 * Makes a program fail that takes over from another one (LD_PRELOAD), in the way that WAY_TO_FAIL
 * names: when it begins to read what it was handed, when it has restored that, or when it starts a
 * thread for its store. Rehearsals, and the former program, do not fail.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int handover_fd = -1;
static void *handover;
static const char *way = "";

__attribute__((constructor)) static void look(void)
{
    const char *text = getenv("PARTY_SOCKETS_HANDOVER");
    int fd;
    int former_fd;
    if (text == NULL || sscanf(text, "%d %d", &fd, &former_fd) != 2 || former_fd < 0)
        return;
    handover_fd = fd;
    way = getenv("WAY_TO_FAIL");
}

/* The function that this one stands before. */
static void find(void **ret_function, const char *name)
{
    *ret_function = dlsym(RTLD_NEXT, name);
}

static int is(const char *name)
{
    return strcmp(way, name) == 0;
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    void *(*real)(void *, size_t, int, int, int, off_t);
    find((void **)&real, "mmap");
    int is_handover = fd >= 0 && fd == handover_fd;
    if (is_handover && is("crash at the start"))
        raise(SIGSEGV);
    if (is_handover && is("no memory")) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *result = real(at, length, protection, flags, fd, offset);
    if (is_handover)
        handover = result;
    return result;
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    return mmap(at, length, protection, flags, fd, offset);
}

int munmap(void *at, size_t length)
{
    int (*real)(void *, size_t);
    find((void **)&real, "munmap");
    if (handover != NULL && at == handover && is("crash"))
        *(volatile int *)8 = 1;
    if (handover != NULL && at == handover && is("abort"))
        abort();
    while (handover != NULL && at == handover && is("hang"))
        pause();
    return real(at, length);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    find((void **)&real, "pthread_create");
    return is("no thread") ? EAGAIN : real(thread, attributes, run, argument);
}
