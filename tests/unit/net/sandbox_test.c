/* The sandbox: what a thread can't do in it, and that others can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/sandbox.h"

/* Errors that the confined thread met; 0: the call worked. */
struct found {
    bool is_confined;
    int socket_error;
    int second_error;
    int exec_error;
    int file_error;
    int null_error;
    int statm_error;
    int allocation_error;
    bool sorts;
};

static int error_of(long result)
{
    return result < 0 ? errno : 0;
}

static int error_of_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    int error = error_of(fd);
    if (fd >= 0)
        close(fd);
    return error;
}

static int compare(const void *one, const void *other)
{
    return *(const int *)one - *(const int *)other;
}

/* More than a room of a few: libc asks once how much memory there is. */
static bool can_sort(void)
{
    static int numbers[4096];
    int count = sizeof numbers / sizeof numbers[0];
    for (int i = 0; i < count; i++)
        numbers[i] = count - i;
    qsort(numbers, (size_t)count, sizeof numbers[0], compare);
    return numbers[0] == 1 && numbers[count - 1] == count;
}

static void *look_around(void *argument)
{
    struct found *found = argument;
    char *const nothing[] = {NULL};
    found->is_confined = sandbox_enter();
    if (!found->is_confined)
        return NULL;
    found->sorts = can_sort();
    found->socket_error = error_of(socket(AF_INET, SOCK_STREAM, 0));
    found->second_error = error_of(syscall(SYS_getppid));
    found->exec_error = error_of(execve("/bin/true", nothing, nothing));
    found->file_error = error_of_file("/etc/hostname");
    found->null_error = error_of_file("/dev/null");
    found->statm_error = error_of_file("/proc/self/statm");
    void *memory = malloc(1 << 24);
    found->allocation_error = memory == NULL ? ENOMEM : 0;
    free(memory);
    return NULL;
}

static void a_thread_gives_up_what_it_does_not_need(void **state)
{
    struct found found = {0};
    pthread_t thread;
    int said[2];
    (void)state;
    sandbox_init();
    int error_fd = dup(STDERR_FILENO);
    assert_int_equal(pipe(said), 0);
    dup2(said[1], STDERR_FILENO);
    assert_int_equal(pthread_create(&thread, NULL, look_around, &found), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    dup2(error_fd, STDERR_FILENO);
    close(error_fd);
    close(said[1]);
    if (!found.is_confined)
        skip(); /* the kernel does not allow it */

    char text[1024] = "";
    ssize_t length = read(said[0], text, sizeof text - 1);
    close(said[0]);
    assert_true(length > 0);
    assert_ptr_equal(strchr(text, '\n'), text + length - 1); /* one line, and it names the first */
    char number[32];
    snprintf(number, sizeof number, "call %04d ", (int)SYS_socket);
    assert_non_null(strstr(text, number));

    assert_true(found.sorts);
    assert_int_equal(found.socket_error, ENOSYS);
    assert_int_equal(found.second_error, ENOSYS);
    assert_int_equal(found.exec_error, ENOSYS);
    assert_int_equal(found.null_error, 0);
    assert_int_equal(found.statm_error, 0);
    assert_int_equal(found.allocation_error, 0);
    bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
    assert_int_equal(found.file_error, has_landlock ? EACCES : 0);
}

static void other_threads_stay_free(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(error_of_file("/proc/cpuinfo"), 0);
    assert_true(getppid() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_gives_up_what_it_does_not_need),
        cmocka_unit_test(other_threads_stay_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
