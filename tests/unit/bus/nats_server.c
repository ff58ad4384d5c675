#include "bus/nats_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 10000
#define LOOK_MS 5

bool nats_server_is_here(void)
{
    static const char *const folders[] = {"/usr/sbin", "/usr/bin", "/usr/local/bin"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[NATS_PATH_MAX];
        snprintf(path, sizeof path, "%s/nats-server", folders[i]);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

void nats_server_path(const struct nats_server *server, const char *name,
                      char ret_path[NATS_PATH_MAX])
{
    assert_true(snprintf(ret_path, NATS_PATH_MAX, "%s/%s", server->folder, name) < NATS_PATH_MAX);
}

/* Starts a program, whose words go to a file, or nowhere. It ends with the test. */
static pid_t start_program(char *const arguments[], const char *log)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int words = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (getppid() != parent || dup2(words, STDOUT_FILENO) < 0 || dup2(words, STDERR_FILENO) < 0)
        _exit(126);
    setenv("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    execvp(arguments[0], arguments);
    _exit(127);
}

void run_program(char *const arguments[])
{
    int status = 0;
    pid_t pid = start_program(arguments, "/dev/null");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

void nats_server_configure(const struct nats_server *server, const char *settings)
{
    char path[NATS_PATH_MAX];
    nats_server_path(server, "conf", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(settings, file);
    assert_int_equal(fclose(file), 0);
}

void nats_server_init(struct nats_server *server, const char *settings)
{
    memset(server, 0, sizeof *server);
    strcpy(server->folder, "/tmp/party-nats-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    nats_server_configure(server, settings);
}

/* Reads the port from the file that the server writes when it is ready. False: it is not there yet.
 */
static bool read_port(struct nats_server *server)
{
    char name[NATS_URL_MAX];
    char path[NATS_PATH_MAX];
    char text[512] = "";
    snprintf(name, sizeof name, "nats-server_%d.ports", (int)server->pid);
    nats_server_path(server, name, path);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *found = strstr(text, "127.0.0.1:");
    if (found == NULL)
        return false;
    server->port = (int)strtol(found + strlen("127.0.0.1:"), NULL, 10);
    snprintf(server->url, sizeof server->url, "nats://127.0.0.1:%d", server->port);
    return true;
}

void nats_server_start(struct nats_server *server)
{
    char configuration[NATS_PATH_MAX];
    char data[NATS_PATH_MAX];
    char log[NATS_PATH_MAX];
    char port[16];
    nats_server_path(server, "conf", configuration);
    nats_server_path(server, "data", data);
    nats_server_path(server, "log", log);
    snprintf(port, sizeof port, "%d", server->port == 0 ? -1 : server->port);
    char *arguments[] = {
        "nats-server", "-c", configuration,      "-a",           "127.0.0.1", "-p", port, "-js",
        "-sd",         data, "--ports_file_dir", server->folder, NULL};
    server->pid = start_program(arguments, log);
    for (int waited_ms = 0; !read_port(server); waited_ms += LOOK_MS) {
        int status = 0;
        if (waited_ms >= START_MS || waitpid(server->pid, &status, WNOHANG) != 0)
            fail_msg("nats-server does not start: see %s", log);
        poll(NULL, 0, LOOK_MS);
    }
}

static void send_signal(const struct nats_server *server, int signal, int wait_for)
{
    int status = 0;
    assert_int_equal(kill(server->pid, signal), 0);
    assert_int_equal(waitpid(server->pid, &status, wait_for), server->pid);
}

void nats_server_pause(const struct nats_server *server)
{
    send_signal(server, SIGSTOP, WUNTRACED);
}

void nats_server_go_on(const struct nats_server *server)
{
    send_signal(server, SIGCONT, WCONTINUED);
}

void nats_server_kill(struct nats_server *server)
{
    send_signal(server, SIGKILL, 0);
    server->pid = 0;
}

static void remove_tree(const char *path)
{
    char *arguments[] = {"rm", "-rf", "--", (char *)(uintptr_t)path, NULL};
    run_program(arguments);
}

void nats_server_lose_data(const struct nats_server *server)
{
    char data[NATS_PATH_MAX];
    nats_server_path(server, "data", data);
    remove_tree(data);
}

void nats_server_release(struct nats_server *server)
{
    if (server->pid != 0)
        nats_server_kill(server);
    remove_tree(server->folder);
}
