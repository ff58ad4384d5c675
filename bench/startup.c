/*
 * startup: measures several times how long a server takes to start, from just before exec to the
 * first connection that its port takes. It tries the port without a pause, so give the server a
 * core of its own.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock_ns.h"
#include "give_up.h"
#include "scenario.h"

#define WORDS_MAX 64
#define COMMAND_MAX 4096
#define PATIENCE_S 10
#define PORT_FIRST 20000 /* below the ports that connections come from: none meets itself */
#define PORT_COUNT 10000
#define TRIES_PER_LOOK 64 /* between two looks whether the program still runs */

/* The words of the command, with {port} replaced. They point into `text`. */
struct command {
    char text[COMMAND_MAX];
    char *words[WORDS_MAX + 1];
};

static void make_command(const char *pattern, unsigned port, struct command *ret_command)
{
    static const char place[] = "{port}";
    size_t length = 0;
    for (const char *at = pattern; *at != '\0' && length + 8 < COMMAND_MAX;) {
        if (strncmp(at, place, strlen(place)) == 0) {
            length += (size_t)sprintf(ret_command->text + length, "%u", port);
            at += strlen(place);
        } else {
            ret_command->text[length++] = *at++;
        }
    }
    ret_command->text[length] = '\0';
    unsigned count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(ret_command->text, " ", &rest); word != NULL && count < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest))
        ret_command->words[count++] = word;
    ret_command->words[count] = NULL;
    if (count == 0)
        give_up("--command is empty");
}

static unsigned free_port(void)
{
    static unsigned asked;
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        unsigned port = PORT_FIRST + ((unsigned)getpid() + asked++) % PORT_COUNT;
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (is_free)
            return port;
    }
    give_up("no port is free");
}

/* Executes the command in a new process, which writes the time to `started_ns` (shared memory). */
static pid_t start(const struct command *command, volatile uint64_t *started_ns)
{
    pid_t pid = fork();
    if (pid < 0)
        give_up("can't fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)!freopen("/dev/null", "w", stdout);
    *started_ns = clock_now_ns();
    execvp(command->words[0], command->words);
    _exit(127);
}

static double milliseconds_to_start(const struct options *options, volatile uint64_t *started_ns)
{
    char url[64];
    char why[256];
    struct target target;
    struct command command;
    unsigned port = free_port();
    make_command(options->command, port, &command);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u", port);
    if (!target_parse(url, &target, why, sizeof why))
        give_up("%s", why);

    pid_t pid = start(&command, started_ns);
    int fd = -1;
    uint64_t give_up_ns = clock_now_ns() + PATIENCE_S * NANOSECONDS;
    for (unsigned tries = 1; (fd = target_try(&target)) < 0; tries++) {
        if (tries % TRIES_PER_LOOK == 0 && waitpid(pid, NULL, WNOHANG) == pid)
            give_up("'%s' ended without taking a connection", command.words[0]);
        if (clock_now_ns() > give_up_ns) {
            kill(pid, SIGKILL);
            give_up("'%s' took no connection within %d s", command.words[0], PATIENCE_S);
        }
    }
    uint64_t connected_ns = clock_now_ns();
    close(fd);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return (double)(connected_ns - *started_ns) / 1e6;
}

static int compare(const void *a, const void *b)
{
    double first = *(const double *)a;
    double second = *(const double *)b;
    return (first > second) - (first < second);
}

static void startup_conduct(const struct options *options, struct report *report)
{
    double *rounds_ms = allocate_or_give_up(options->rounds, sizeof *rounds_ms);
    uint64_t *started_ns =
        mmap(NULL, sizeof *started_ns, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (started_ns == MAP_FAILED)
        give_up("not enough memory");
    for (uint64_t i = 0; i < options->rounds; i++)
        rounds_ms[i] = milliseconds_to_start(options, started_ns);
    qsort(rounds_ms, options->rounds, sizeof *rounds_ms, compare);
    uint64_t middle = options->rounds / 2;
    double median = options->rounds % 2 == 1 ? rounds_ms[middle]
                                             : (rounds_ms[middle - 1] + rounds_ms[middle]) / 2;
    report_number(report, "startup_ms", "min", rounds_ms[0]);
    report_number(report, "startup_ms", "median", median);
    report_number(report, "startup_ms", "max", rounds_ms[options->rounds - 1]);
    munmap(started_ns, sizeof *started_ns);
    free(rounds_ms);
}

const struct scenario scenario_startup = {.conduct = startup_conduct};
