#include "net/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/clock.h"

#define VARIABLE "PARTY_SOCKETS_HANDOVER"
#define VARIABLE_BYTES_MAX (128 + PATH_MAX)
#define HANDOVER_NAME "party-sockets-handover"
#define FORMER_NAME "party-sockets-former"
#define ARGUMENTS_MAX 1024                         /* that a way back has */
#define ENVIRONMENT_MAX 4096                       /* variables that a successor gets */
#define ENVIRONMENT_SEEN_MAX (2 * ENVIRONMENT_MAX) /* of a successor that a script has started */
#define REHEARSAL_FD 3
#define ASK_INTERVAL_MS 20

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};

static char **own_arguments;
static char own_path[PATH_MAX];
static struct bytes own_options;

/* What the handler of a fatal signal needs, which may allocate nothing. */
static struct {
    int former_fd;
    char variable[VARIABLE_BYTES_MAX];
    char *arguments[ARGUMENTS_MAX + 1];
    char *environment[ENVIRONMENT_MAX + 2];
} way_back = {.former_fd = -1};

/*
 * A file with the texts that the former program was started with begins with how many they are.
 * Behind them is the text of its options file, which only the former program itself reads.
 */
struct text_counts {
    uint32_t arguments;
    uint32_t variables;
};

void process_note(char **arguments)
{
    static const char deleted[] = " (deleted)"; /* the kernel's, of a file that was replaced */
    own_arguments = arguments;
    ssize_t length = readlink("/proc/self/exe", own_path, sizeof own_path - 1);
    if (length < 0)
        length = 0;
    own_path[length] = '\0';
    size_t mark = sizeof deleted - 1;
    if ((size_t)length > mark && strcmp(own_path + length - mark, deleted) == 0)
        own_path[(size_t)length - mark] = '\0';
}

/*
 * A rehearsal that hangs must not outlive the relay, whose pid is `relay`; 0: an older relay did
 * not tell. The relay may have ended before prctl(). A script that does not exec its program is
 * another parent, and could not be a successor either: the process would be the script's.
 */
static void end_with(pid_t relay)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (relay == 0 || getppid() == relay)
        return;
    fprintf(stderr,
            "party-sockets: the rehearsal is no child of process %ld: that process has "
            "ended, or a script does not exec the program\n",
            (long)relay);
    _exit(EXIT_FAILURE);
}

struct process_start process_look_up(void)
{
    struct process_start start = {
        .role = PROCESS_ORDINARY, .handover_fd = -1, .former_fd = -1, .texts_fd = -1};
    int path_at = 0;
    int relay = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
    const char *text = getenv(VARIABLE);
    if (text == NULL)
        return start;
    /* NOLINTNEXTLINE(cert-err34-c): this program has written it */
    if (sscanf(text, "rehearse %d %d", &start.handover_fd, &relay) >= 1)
        start.role = PROCESS_REHEARSAL;
    /* NOLINTNEXTLINE(cert-err34-c): the same */
    else if (sscanf(text, "%d %d %u %d %u %n", &start.handover_fd, &start.former_fd, &start.count,
                    &start.texts_fd, &start.restoring_s, &path_at) == 5)
        start.role = PROCESS_SUCCESSOR;
    /* Where the program was put, though the file that runs may have been moved away since. */
    if (start.role == PROCESS_SUCCESSOR && path_at > 0 && text[path_at] != '\0')
        snprintf(own_path, sizeof own_path, "%s", text + path_at);
    unsetenv(VARIABLE); /* NOLINT(concurrency-mt-unsafe): the same */
    if (start.role == PROCESS_REHEARSAL)
        end_with(relay);
    return start;
}

/*
 * Fills the environment of the next program: the variable, and this one's. False: it has too many
 * variables.
 */
static bool make_environment(char **ret_environment, char *variable)
{
    size_t count = 0;
    ret_environment[count++] = variable;
    for (char **at = environ; *at != NULL; at++) {
        if (count > ENVIRONMENT_MAX)
            return false;
        if (strncmp(*at, VARIABLE "=", sizeof VARIABLE) != 0)
            ret_environment[count++] = *at;
    }
    ret_environment[count] = NULL;
    return true;
}

/* Writes the variable of a successor. */
static void write_variable(char ret_text[VARIABLE_BYTES_MAX], int handover_fd, int former_fd,
                           unsigned count, int texts_fd, unsigned restoring_s)
{
    snprintf(ret_text, VARIABLE_BYTES_MAX, VARIABLE "=%d %d %u %d %u %s", handover_fd, former_fd,
             count, texts_fd, restoring_s, own_path);
}

static void execute_open(int program_fd, char **arguments, char **environment)
{
    syscall(SYS_execveat, program_fd, "", arguments, environment, AT_EMPTY_PATH);
}

static void go_back(void)
{
    alarm(0); /* it would end the former program, which has no handler yet */
    if (way_back.former_fd >= 0)
        execute_open(way_back.former_fd, way_back.arguments, way_back.environment);
}

static __attribute__((noreturn)) void handle_fatal_signal(int number)
{
    static const char told[] = "party-sockets: the new program failed before it had taken over; "
                               "the former one goes on\n";
    sigset_t signals;
    (void)!write(STDERR_FILENO, told, sizeof told - 1);
    /* The handler's own signal is blocked while it runs, and execve() would keep that. */
    sigemptyset(&signals);
    for (size_t i = 0; i < ARRAY_LENGTH(fatal_signals); i++)
        sigaddset(&signals, fatal_signals[i]);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    go_back();
    _exit(128 + number);
}

static void handle_fatal_signals(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    for (size_t i = 0; i < ARRAY_LENGTH(fatal_signals); i++)
        sigaction(fatal_signals[i], &action, NULL);
}

static bool write_all(int fd, struct bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(fd, bytes.data, bytes.length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes.data += written;
        bytes.length -= (size_t)written;
    }
    return true;
}

static int make_file(const char *name)
{
    return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

int process_make_room(size_t bytes)
{
    int fd = make_file(HANDOVER_NAME);
    if (fd < 0 || bytes == 0 || fallocate(fd, 0, 0, (off_t)bytes) == 0)
        return fd;
    close(fd);
    return -1;
}

bool process_seal(int fd, const struct bytes *parts, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        if (!write_all(fd, parts[i]))
            return false;
        length += parts[i].length;
    }
    return ftruncate(fd, (off_t)length) == 0 &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
}

/* Takes `count` texts, each with its end, and ends their list. False: they are not all there. */
static bool take_texts(struct bytes *rest, uint32_t count, size_t maximum, char **ret_texts)
{
    if (count > maximum)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *end = rest->length == 0 ? NULL : memchr(rest->data, '\0', rest->length);
        if (end == NULL)
            return false;
        ret_texts[i] = (char *)(uintptr_t)rest->data;
        *rest = bytes_of(end + 1, rest->length - (size_t)(end + 1 - rest->data));
    }
    ret_texts[count] = NULL;
    return true;
}

/*
 * The former program gets the arguments and the environment that it had: what started the new one
 * (a script at the same path, for example) may have changed them into what the former one does not
 * understand. The file stays mapped, since the texts are in it.
 */
static bool recall_texts(int texts_fd)
{
    struct text_counts counts;
    struct bytes rest;
    if (texts_fd < 0 || !process_map(texts_fd, &rest) || rest.length < sizeof counts)
        return false;
    memcpy(&counts, rest.data, sizeof counts);
    rest = bytes_of(rest.data + sizeof counts, rest.length - sizeof counts);
    if (!take_texts(&rest, counts.arguments, ARGUMENTS_MAX, way_back.arguments) ||
        !take_texts(&rest, counts.variables, ENVIRONMENT_MAX, way_back.environment + 1))
        return false;
    way_back.environment[0] = way_back.variable;
    return true;
}

void process_note_options(struct bytes text)
{
    own_options = text;
}

bool process_former_options(const struct process_start *start, struct bytes *ret_text)
{
    struct text_counts counts;
    if (start->role != PROCESS_SUCCESSOR || start->former_fd >= 0 || start->texts_fd < 0 ||
        !process_map(start->texts_fd, ret_text) || ret_text->length < sizeof counts)
        return false;
    memcpy(&counts, ret_text->data, sizeof counts);
    *ret_text = bytes_of(ret_text->data + sizeof counts, ret_text->length - sizeof counts);
    return take_texts(ret_text, counts.arguments, ARGUMENTS_MAX, way_back.arguments) &&
           take_texts(ret_text, counts.variables, ENVIRONMENT_MAX, way_back.environment);
}

static bool use_own_texts(void)
{
    size_t count = 0;
    for (; own_arguments[count] != NULL && count < ARGUMENTS_MAX; count++)
        way_back.arguments[count] = own_arguments[count];
    way_back.arguments[count] = NULL;
    return make_environment(way_back.environment, way_back.variable);
}

/* A file with the arguments and the environment of this program. -1: they are too many. */
static int seal_texts(void)
{
    static struct bytes parts[1 + ARGUMENTS_MAX + ENVIRONMENT_MAX + 1];
    struct text_counts counts = {0};
    size_t count = 1;
    for (; own_arguments[counts.arguments] != NULL; counts.arguments++) {
        const char *text = own_arguments[counts.arguments];
        if (counts.arguments == ARGUMENTS_MAX)
            return -1;
        parts[count++] = bytes_of(text, strlen(text) + 1);
    }
    for (; environ[counts.variables] != NULL; counts.variables++) {
        const char *text = environ[counts.variables];
        if (counts.variables == ENVIRONMENT_MAX)
            return -1;
        parts[count++] = bytes_of(text, strlen(text) + 1);
    }
    parts[0] = bytes_of(&counts, sizeof counts);
    parts[count++] = own_options;
    int fd = make_file(FORMER_NAME);
    if (fd < 0 || process_seal(fd, parts, count))
        return fd;
    close(fd);
    return -1;
}

void process_guard(const struct process_start *start, unsigned seconds)
{
    if (start->role != PROCESS_SUCCESSOR || start->former_fd < 0)
        return;
    write_variable(way_back.variable, start->handover_fd, -1, start->count + 1, start->texts_fd, 0);
    if (way_back.former_fd < 0 && !recall_texts(start->texts_fd) && !use_own_texts())
        return;
    way_back.former_fd = start->former_fd;
    handle_fatal_signals(handle_fatal_signal);
    alarm(seconds);
}

void process_go_back(const struct process_start *start)
{
    if (start->role == PROCESS_SUCCESSOR)
        go_back();
}

void process_settle(struct process_start *start)
{
    if (start->role != PROCESS_SUCCESSOR)
        return;
    alarm(0);
    if (way_back.former_fd >= 0)
        handle_fatal_signals(SIG_DFL);
    way_back.former_fd = -1;
    if (start->former_fd >= 0)
        close(start->former_fd);
    if (start->texts_fd >= 0)
        close(start->texts_fd);
    close(start->handover_fd);
    start->handover_fd = -1;
    start->former_fd = -1;
    start->texts_fd = -1;
}

bool process_map(int handover_fd, struct bytes *ret_text)
{
    struct stat status;
    if (fstat(handover_fd, &status) != 0)
        return false;
    if (status.st_size <= 0) {
        errno = ENODATA;
        return false;
    }
    void *text = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, handover_fd, 0);
    if (text == MAP_FAILED)
        return false;
    *ret_text = bytes_of(text, (size_t)status.st_size);
    return true;
}

void process_unmap(struct bytes text)
{
    munmap((void *)(uintptr_t)text.data, text.length);
}

void process_keep_descriptor(int fd, bool is_kept)
{
    ioctl(fd, is_kept ? FIONCLEX : FIOCLEX); /* the loops' sandbox has no fcntl() */
}

bool process_keep_no_descriptors(void)
{
    return close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0;
}

static bool explain(char *ret_why, const char *what, int error)
{
    snprintf(ret_why, PROCESS_WHY_MAX, "%s: %s", what, strerrordesc_np(error));
    return false;
}

/* The rehearsal has no descriptors but stderr's and the handover's. */
static int add_descriptors(posix_spawn_file_actions_t *actions, int handover_fd)
{
    int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, handover_fd, REHEARSAL_FD);
    return error;
}

/* The relay blocks signals that it reads from a descriptor. They should end a rehearsal. */
static int unblock_signals(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigemptyset(&none);
    int error = posix_spawnattr_setsigmask(attributes, &none);
    return error == 0 ? posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK) : error;
}

static int spawn_rehearsal(int handover_fd, char **environment, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = add_descriptors(&actions, handover_fd);
        if (error == 0)
            error = unblock_signals(&attributes);
        if (error == 0)
            error =
                posix_spawn(ret_pid, own_path, &actions, &attributes, own_arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static bool start_rehearsal(int handover_fd, pid_t *ret_pid, char *ret_why)
{
    char variable[VARIABLE_BYTES_MAX];
    char *environment[ENVIRONMENT_MAX + 2];
    snprintf(variable, sizeof variable, VARIABLE "=rehearse %d %ld", REHEARSAL_FD, (long)getpid());
    if (!make_environment(environment, variable))
        return explain(ret_why, "there are too many environment variables", E2BIG);
    int error = spawn_rehearsal(handover_fd, environment, ret_pid);
    return error == 0 || explain(ret_why, "the new program can't be started", error);
}

enum waited { WAITED_ENDED, WAITED_TOO_LONG, WAITED_CANCELLED };

static enum waited wait_for_end(pid_t pid, int timeout_ms, int cancel_fd)
{
    int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd sources[] = {{.fd = pid_fd, .events = POLLIN},
                               {.fd = cancel_fd, .events = POLLIN}};
    enum waited waited = WAITED_TOO_LONG;
    if (pid_fd >= 0 && poll(sources, 2, timeout_ms) > 0)
        waited = (sources[0].revents & POLLIN) != 0 ? WAITED_ENDED : WAITED_CANCELLED;
    if (pid_fd >= 0)
        close(pid_fd);
    return waited;
}

bool process_rehearse(int handover_fd, int timeout_ms, int cancel_fd, uint32_t *ret_took_ms,
                      char ret_why[PROCESS_WHY_MAX])
{
    pid_t pid;
    int status = 0;
    uint32_t began_ms = clock_now_ms();
    if (!start_rehearsal(handover_fd, &pid, ret_why))
        return false;
    enum waited waited = wait_for_end(pid, timeout_ms, cancel_fd);
    *ret_took_ms = clock_now_ms() - began_ms;
    if (waited != WAITED_ENDED)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (waited == WAITED_CANCELLED)
        snprintf(ret_why, PROCESS_WHY_MAX, "a signal came");
    else if (waited == WAITED_TOO_LONG)
        snprintf(ret_why, PROCESS_WHY_MAX, "its rehearsal took longer than %d s",
                 timeout_ms / 1000);
    else if (WIFSIGNALED(status))
        snprintf(ret_why, PROCESS_WHY_MAX, "its rehearsal died of signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != PROCESS_REHEARSED)
        snprintf(ret_why, PROCESS_WHY_MAX, "its rehearsal ended with status %d",
                 WEXITSTATUS(status));
    else
        return true;
    return false;
}

void process_replace(int handover_fd, unsigned count, unsigned restoring_s,
                     char ret_why[PROCESS_WHY_MAX])
{
    char variable[VARIABLE_BYTES_MAX];
    char *environment[ENVIRONMENT_MAX + 2];
    int own_fd = open("/proc/self/exe", O_RDONLY); /* which execve() keeps open */
    int texts_fd = seal_texts();
    write_variable(variable, handover_fd, own_fd, count + 1, texts_fd, restoring_s);
    if (!make_environment(environment, variable)) {
        (void)explain(ret_why, "there are too many environment variables", E2BIG);
        return;
    }
    process_keep_descriptor(handover_fd, true);
    if (texts_fd >= 0)
        process_keep_descriptor(texts_fd, true);
    execve(own_path, own_arguments, environment);
    (void)explain(ret_why, "the new program can't be started", errno);
    write_variable(variable, handover_fd, -1, count + 1, texts_fd, 0);
    if (own_fd >= 0)
        execute_open(own_fd, own_arguments, environment);
}

/* Reads a file of /proc, as text. False: there is none, or another user owns the process. */
static bool read_process(long pid, const char *file, char *ret_text, size_t capacity,
                         size_t *ret_length)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return false;
    *ret_length = fread(ret_text, 1, capacity - 1, stream);
    ret_text[*ret_length] = '\0';
    fclose(stream);
    return true;
}

/* Whether the process blocks SIGUSR2, as one does that reads it from a descriptor. */
static bool reads_signal(long pid)
{
    char text[4096];
    size_t length;
    if (!read_process(pid, "status", text, sizeof text, &length))
        return false;
    const char *line = strstr(text, "\nSigBlk:");
    if (line == NULL)
        return false;
    unsigned long long blocked = strtoull(line + sizeof "\nSigBlk:" - 1, NULL, 16);
    return (blocked >> (SIGUSR2 - 1) & 1) != 0;
}

/* Reads the next text of the stream, with its end. False: there is none, or it is cut short. */
static bool next_text(FILE *stream, char **text, size_t *capacity)
{
    ssize_t length = getdelim(text, capacity, '\0', stream);
    return length > 0 && (*text)[length - 1] == '\0';
}

/*
 * The variable of a successor; empty if the process is none. Its count grows with each one. A
 * script that starts the program may have put it behind others.
 */
static void read_variable(long pid, char ret_text[VARIABLE_BYTES_MAX])
{
    char path[64];
    char *text = NULL;
    size_t capacity = 0;
    ret_text[0] = '\0';
    snprintf(path, sizeof path, "/proc/%ld/environ", pid);
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return;
    for (int i = 0; i < ENVIRONMENT_SEEN_MAX && next_text(stream, &text, &capacity); i++) {
        if (strncmp(text, VARIABLE "=", sizeof VARIABLE) == 0) {
            snprintf(ret_text, VARIABLE_BYTES_MAX, "%s", text);
            break;
        }
    }
    free(text);
    fclose(stream);
}

/* Whether the process rehearses: it has a child. Also if that can't be known. */
static bool rehearses(long pid)
{
    char file[64];
    char text[16];
    size_t length;
    snprintf(file, sizeof file, "task/%ld/children", pid);
    return !read_process(pid, file, text, sizeof text, &length) || length > 0;
}

/* Whether the successor with this variable has taken over: then it has closed the handover. */
static bool has_settled(long pid, const char *text)
{
    char path[64];
    char file[64];
    int handover_fd = -1;
    /* NOLINTNEXTLINE(cert-err34-c): this program has written it */
    if (sscanf(text, VARIABLE "=%d", &handover_fd) != 1)
        return false;
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", pid, handover_fd);
    ssize_t length = readlink(path, file, sizeof file - 1);
    file[length < 0 ? 0 : length] = '\0';
    return strstr(file, HANDOVER_NAME) == NULL;
}

bool process_ask(long pid, int timeout_ms, int idle_ms, char ret_why[PROCESS_WHY_MAX])
{
    char before[VARIABLE_BYTES_MAX];
    char now[VARIABLE_BYTES_MAX];
    if (pid <= 0 || kill((pid_t)pid, 0) != 0)
        return explain(ret_why, "--upgrade", pid <= 0 ? EINVAL : errno);
    if (!reads_signal(pid)) {
        snprintf(ret_why, PROCESS_WHY_MAX,
                 "--upgrade: process %ld can't be upgraded: it is no party-sockets that can", pid);
        return false;
    }
    read_variable(pid, before);
    if (kill((pid_t)pid, SIGUSR2) != 0)
        return explain(ret_why, "--upgrade", errno);
    uint32_t began_ms = clock_now_ms();
    uint32_t busy_ms = began_ms; /* when it was seen to be busy with the upgrade last */
    do {
        (void)poll(NULL, 0, ASK_INTERVAL_MS);
        read_variable(pid, now);
        if (strcmp(before, now) != 0 || rehearses(pid))
            busy_ms = clock_now_ms();
        if (now[0] != '\0' && strcmp(before, now) != 0 && has_settled(pid, now)) {
            snprintf(ret_why, PROCESS_WHY_MAX,
                     "--upgrade: the new program failed, the former one goes on; its log says why");
            return strstr(now, " -1 ") == NULL;
        }
    } while (kill((pid_t)pid, 0) == 0 && clock_now_ms() - began_ms < (uint32_t)timeout_ms &&
             clock_now_ms() - busy_ms < (uint32_t)idle_ms);
    snprintf(ret_why, PROCESS_WHY_MAX, "--upgrade: process %ld %s; its log says why", pid,
             kill((pid_t)pid, 0) == 0 ? "goes on as it is" : "has ended");
    return false;
}
