/* OpenSSL over a BIO of our own, as in the generator. Its records go to the connection's queue. */
#include "floor_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 16384 /* the longest text of a record */

static SSL_CTX *context;
static BIO_METHOD *method;

/* The call that is under way; the floor has one thread. */
static struct {
    struct floor_connection *connection;
    const uint8_t *in;
    size_t in_length;
} call;

static _Noreturn void die(const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    fprintf(stderr, "party-floor: %s: %s\n", what, reason != NULL ? reason : "unknown error");
    exit(EXIT_FAILURE);
}

static int read_in(BIO *bio, char *out, size_t capacity, size_t *ret_length)
{
    BIO_clear_retry_flags(bio);
    size_t length = call.in_length < capacity ? call.in_length : capacity;
    if (length == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, call.in, length);
    call.in += length;
    call.in_length -= length;
    *ret_length = length;
    return 1;
}

static int write_queue(BIO *bio, const char *data, size_t length, size_t *ret_length)
{
    (void)bio;
    floor_queue(call.connection, (const uint8_t *)data, length);
    *ret_length = length;
    return 1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

void floor_tls_start(const char *certificate_path, const char *key_path)
{
    context = SSL_CTX_new(TLS_server_method());
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "floor");
    if (context == NULL || method == NULL)
        die("no TLS");
    if (SSL_CTX_use_certificate_chain_file(context, certificate_path) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key_path, SSL_FILETYPE_PEM) != 1)
        die("can't use certificate and key");
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"floor", 5);
    SSL_CTX_set_num_tickets(context, 1); /* as the relay */
    BIO_meth_set_read_ex(method, read_in);
    BIO_meth_set_write_ex(method, write_queue);
    BIO_meth_set_ctrl(method, control);
}

static void open_session(struct floor_connection *connection)
{
    connection->ssl = SSL_new(context);
    BIO *bio = BIO_new(method);
    if (connection->ssl == NULL || bio == NULL)
        die("out of memory");
    BIO_set_init(bio, 1);
    SSL_set_bio(connection->ssl, bio, bio);
    SSL_set_accept_state(connection->ssl);
}

void floor_tls_received(struct floor *floor, int fd, const uint8_t *data, size_t length)
{
    static uint8_t text[TEXT_BYTES];
    struct floor_connection *connection = &floor->connections[fd];
    size_t text_length;
    if (connection->ssl == NULL)
        open_session(connection);
    call.in = data;
    call.in_length = length;
    for (;;) {
        call.connection = connection;
        ERR_clear_error();
        if (SSL_read_ex(connection->ssl, text, sizeof text, &text_length) != 1)
            break;
        floor_received_plain(floor, fd, text, text_length);
    }
    if (connection->owed > 0)
        floor_list(floor, fd); /* of a handshake */
}

static void seal(struct floor_connection *connection, const uint8_t *bytes, size_t length)
{
    size_t written;
    call.connection = connection;
    if (SSL_write_ex(connection->ssl, bytes, length, &written) != 1 || written != length)
        die("a record could not be made");
}

void floor_tls_seal(struct floor *floor, int fd)
{
    struct floor_connection *connection = &floor->connections[fd];
    while (connection->plain_owed > 0) {
        size_t length = connection->plain_owed < TEXT_BYTES ? connection->plain_owed : TEXT_BYTES;
        seal(connection, floor->frames + connection->plain_sent, length);
        connection->plain_owed -= length;
        connection->plain_sent =
            (uint32_t)((connection->plain_sent + length) % floor->options->frame_bytes_out);
    }
}

void floor_tls_say(struct floor *floor, int fd, const char *bytes, size_t length)
{
    seal(&floor->connections[fd], (const uint8_t *)bytes, length);
    floor_list(floor, fd);
}

void floor_tls_close(struct floor_connection *connection)
{
    SSL_free(connection->ssl);
}
