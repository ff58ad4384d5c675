/* A benchmark that fails in one place is wrong as a whole, so nothing is cleaned up or saved. */
#include "give_up.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEAR_LINE "\r\033[K" /* the progress line may stand there */

void give_up(const char *format, ...)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&once); /* never unlocked: a second thread must print nothing */
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%sparty-bench: ", isatty(STDERR_FILENO) ? CLEAR_LINE : "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(EXIT_FAILURE);
}

void *allocate_or_give_up(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL)
        give_up("not enough memory");
    return memory;
}
