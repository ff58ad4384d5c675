/* Uses blocking calls, which no loop may make. Only --check-health does. */
#include "net/inquiry.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"

/* Returns a connected socket, or -1 with errno of the last address. */
static int connect_to_any(const struct addrinfo *addresses)
{
    int error = 0;
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
        int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0)
            return fd;
        error = errno;
        if (fd >= 0)
            close(fd);
    }
    errno = error;
    return -1;
}

static int open_connection(const struct inquiry *inquiry, char *ret_why, size_t why_capacity)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char service[8];
    snprintf(service, sizeof service, "%u", inquiry->port);
    int error = getaddrinfo(inquiry->host, service, &hints, &found);
    if (error != 0) {
        snprintf(ret_why, why_capacity, "can't resolve host %s: %s", inquiry->host,
                 gai_strerror(error));
        return -1;
    }
    int fd = connect_to_any(found);
    if (fd < 0)
        snprintf(ret_why, why_capacity, "can't connect to %s port %u: %s", inquiry->host,
                 inquiry->port, strerrordesc_np(errno));
    freeaddrinfo(found);
    return fd;
}

static ssize_t read_some(int fd, SSL *ssl, char *out, size_t capacity)
{
    return ssl != NULL ? SSL_read(ssl, out, (int)capacity) : read(fd, out, capacity);
}

/*
 * Sends the question and reads the answer. A question fits into an empty socket, so one call sends
 * it. `ssl`: NULL for plain text.
 */
static bool ask(int fd, SSL *ssl, struct bytes question, char *ret_answer, size_t capacity)
{
    size_t length = 0;
    ssize_t count = ssl != NULL ? SSL_write(ssl, question.data, (int)question.length)
                                : send(fd, question.data, question.length, MSG_NOSIGNAL);
    if (count != (ssize_t)question.length)
        return false;
    do {
        count = read_some(fd, ssl, ret_answer + length, capacity - length);
        length += count > 0 ? (size_t)count : 0;
    } while (count > 0 && length < capacity);
    ret_answer[length] = '\0';
    return length > 0;
}

static bool ask_over_tls(int fd, struct bytes question, char *ret_answer, size_t capacity)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;
    bool is_answered = false;
    if (ssl != NULL) {
        SSL_set_security_level(ssl, 0); /* the certificate need not be trusted */
        is_answered = SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1 &&
                      ask(fd, ssl, question, ret_answer, capacity);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    return is_answered;
}

/* Sends the introduction. It fits into an empty socket, so one call sends it. */
static bool introduce(int fd, const struct inquiry *inquiry)
{
    struct address own;
    if (inquiry->introduction == NULL || !socket_own_address(fd, &own))
        return true;
    struct bytes words = inquiry->introduction(inquiry->context, own);
    return words.length == 0 ||
           send(fd, words.data, words.length, MSG_NOSIGNAL) == (ssize_t)words.length;
}

bool inquiry_make(const struct inquiry *inquiry, char *ret_answer, size_t capacity, char *ret_why,
                  size_t why_capacity)
{
    int fd = open_connection(inquiry, ret_why, why_capacity);
    if (fd < 0)
        return false;
    bool is_answered = introduce(fd, inquiry);
    if (is_answered)
        is_answered = inquiry->is_secure ? ask_over_tls(fd, inquiry->question, ret_answer, capacity)
                                         : ask(fd, NULL, inquiry->question, ret_answer, capacity);
    if (!is_answered)
        snprintf(ret_why, why_capacity, "no answer from %s port %u", inquiry->host, inquiry->port);
    close(fd);
    return is_answered;
}
