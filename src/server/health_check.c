/*
 * Does what `curl --fail http://localhost:3000/health` would do, for an image that has no curl. The
 * deadline is a signal, since it must also bound the look-up of the name and the TLS handshake.
 */
#include "server/health_check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/inquiry.h"

/* The answer begins with the status line, which is all that is needed. */
#define ANSWER_BYTES_MAX 512

static _Noreturn void give_up(int number)
{
    static const char sentence[] = "party-sockets: no answer in time\n";
    (void)number;
    (void)!write(STDERR_FILENO, sentence, sizeof sentence - 1);
    _exit(EXIT_FAILURE);
}

static void set_deadline(void)
{
    struct sigaction action = {.sa_handler = give_up};
    sigset_t alarms;
    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL); /* the parent process may have blocked it */
    signal(SIGPIPE, SIG_IGN);
    alarm(HEALTH_CHECK_TIMEOUT_S);
}

/*
 * The PROXY header that the server expects when it listens on the address of a proxy that
 * introduces its connections; else none.
 */
static struct bytes introduction(const void *config, struct address own)
{
    const struct trusted_proxy *proxy = config_find_proxy(config, own);
    bool is_wanted = proxy != NULL && proxy->introduces;
    return is_wanted ? BYTES("PROXY UNKNOWN\r\n") : (struct bytes){0};
}

bool health_check(const struct config *config, char *ret_why, size_t why_capacity)
{
    char answer[ANSWER_BYTES_MAX + 1];
    struct inquiry inquiry = {
        .host = config->host != NULL ? config->host : "127.0.0.1",
        .port = (uint16_t)config->port,
        .introduction = introduction,
        .context = config,
        .is_secure = config->tls_certificate != NULL,
        .question = BYTES("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    };
    set_deadline();
    bool is_answered = inquiry_make(&inquiry, answer, ANSWER_BYTES_MAX, ret_why, why_capacity);
    alarm(0);
    if (!is_answered)
        return false;
    if (strncmp(answer, "HTTP/1.1 200 ", 13) == 0)
        return true;
    answer[strcspn(answer, "\r\n")] = '\0';
    for (char *at = answer; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
            *at = '?';
    }
    snprintf(ret_why, why_capacity, "/health is answered with '%.100s'", answer);
    return false;
}
