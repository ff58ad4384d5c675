/* OpenSSL over a BIO of our own: it reads the bytes that the poller reported, where they are, and
 * appends what it writes to the client's output. */
#include "client_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "give_up.h"

struct client_tls_context {
    SSL_CTX *ssl_context;
    BIO_METHOD *method;
    const struct client_tls_settings *settings;
};

struct client_tls {
    const struct client_tls_context *context;
    SSL *ssl; /* NULL: there is no connection */
    SSL_SESSION *ticket;
    struct outbox output;
    struct outbox_pool *pool;
    struct bytes_mut *input; /* during client_tls_read() */
};

static int read_input(BIO *bio, char *out, size_t capacity, size_t *ret_length)
{
    const struct client_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t length = tls->input == NULL ? 0 : tls->input->length;
    if (length == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    if (length > capacity)
        length = capacity;
    memcpy(out, tls->input->data, length);
    bytes_mut_skip(tls->input, length);
    *ret_length = length;
    return 1;
}

static int write_output(BIO *bio, const char *data, size_t length, size_t *ret_length)
{
    struct client_tls *tls = BIO_get_data(bio);
    *ret_length = length;
    return outbox_append(&tls->output, tls->pool, bytes_of(data, length));
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* OpenSSL calls this for each ticket. Returning 1 keeps the reference. */
static int keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct client_tls *tls = SSL_get_app_data(ssl);
    SSL_SESSION_free(tls->ticket);
    tls->ticket = ticket;
    return 1;
}

/* Takes any chain without looking at it: building one costs time that is not the server's. */
static int accept_any_chain(X509_STORE_CTX *chain, void *context)
{
    (void)context;
    X509_STORE_CTX_set_error(chain, X509_V_OK);
    return 1;
}

static void check_certificates(SSL_CTX *ssl_context, const struct client_tls_settings *settings)
{
    const char *path = settings->authority_path;
    if (!settings->checks_certificate) {
        SSL_CTX_set_cert_verify_callback(ssl_context, accept_any_chain, NULL);
        return;
    }
    SSL_CTX_set_verify(ssl_context, SSL_VERIFY_PEER, NULL);
    if (path == NULL)
        SSL_CTX_set_default_verify_paths(ssl_context);
    else if (SSL_CTX_load_verify_locations(ssl_context, path, NULL) != 1)
        give_up("can't read certificates from %s", path);
}

struct client_tls_context *client_tls_context_new(const struct client_tls_settings *settings)
{
    struct client_tls_context *context = allocate_or_give_up(1, sizeof *context);
    context->settings = settings;
    context->ssl_context = SSL_CTX_new(TLS_client_method());
    context->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "client");
    if (context->ssl_context == NULL || context->method == NULL)
        give_up("OpenSSL gives us no context");
    BIO_meth_set_read_ex(context->method, read_input);
    BIO_meth_set_write_ex(context->method, write_output);
    BIO_meth_set_ctrl(context->method, control);
    SSL_CTX_set_min_proto_version(context->ssl_context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context->ssl_context, SSL_MODE_RELEASE_BUFFERS);
    if (settings->keeps_tickets) {
        SSL_CTX_set_session_cache_mode(context->ssl_context,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context->ssl_context, keep_ticket);
    }
    check_certificates(context->ssl_context, settings);
    return context;
}

void client_tls_context_free(struct client_tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl_context);
    BIO_meth_free(context->method);
    free(context);
}

struct client_tls *client_tls_new(struct client_tls_context *context)
{
    struct client_tls *tls = allocate_or_give_up(1, sizeof *tls);
    tls->context = context;
    return tls;
}

void client_tls_free(struct client_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_SESSION_free(tls->ticket);
    free(tls);
}

/* Names the host for the server to choose its certificate by, and for the check of it. */
static void name_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *check = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(check, host) == 1)
        return; /* an address is not sent as a server name: RFC 6066 3 */
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             (void *)(uintptr_t)host); /* SSL_set_tlsext_host_name() drops the const */
    SSL_set1_host(ssl, host);
}

void client_tls_open(struct client_tls *tls, struct outbox_pool *pool)
{
    tls->pool = pool;
    tls->output = (struct outbox){0};
    tls->ssl = SSL_new(tls->context->ssl_context);
    BIO *bio = BIO_new(tls->context->method);
    if (tls->ssl == NULL || bio == NULL)
        give_up("not enough memory");
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    name_host(tls->ssl, tls->context->settings->host);
    if (tls->ticket != NULL)
        SSL_set_session(tls->ssl, tls->ticket);
    ERR_clear_error();
    (void)SSL_connect(tls->ssl); /* the hello is written; the answer is read as input comes */
}

void client_tls_close(struct client_tls *tls)
{
    /* OpenSSL takes an SSL that ends without close_notify for broken, and its session with it. */
    SSL_set_quiet_shutdown(tls->ssl, 1);
    SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    tls->ssl = NULL;
    outbox_clear(&tls->output, tls->pool);
}

struct outbox *client_tls_output(struct client_tls *tls)
{
    return &tls->output;
}

void client_tls_seal(struct client_tls *tls, struct outbox *text)
{
    uint8_t copy[CLIENT_TLS_TEXT_BYTES];
    while (text->length > 0 && SSL_is_init_finished(tls->ssl) == 1) {
        size_t written;
        size_t length = outbox_copy(text, copy, sizeof copy);
        if (SSL_write_ex(tls->ssl, copy, length, &written) != 1 || written != length)
            give_up("OpenSSL could not encrypt %zu bytes", length);
        outbox_consume(text, tls->pool, length);
    }
}

enum client_tls_result client_tls_read(struct client_tls *tls, struct bytes_mut *input,
                                       uint8_t text[CLIENT_TLS_TEXT_BYTES], size_t *ret_length)
{
    tls->input = input;
    ERR_clear_error(); /* SSL_get_error() reads the thread's queue of errors */
    int result = SSL_read_ex(tls->ssl, text, CLIENT_TLS_TEXT_BYTES, ret_length);
    tls->input = NULL;
    if (result == 1)
        return CLIENT_TLS_TEXT;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return CLIENT_TLS_NEED_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return CLIENT_TLS_ENDED;
    default:
        return CLIENT_TLS_FAILED;
    }
}

void client_tls_complaint(const struct client_tls *tls, char *ret_why, size_t why_capacity)
{
    long verdict = SSL_get_verify_result(tls->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (verdict != X509_V_OK)
        snprintf(ret_why, why_capacity, "%s (--ca FILE, or --insecure)",
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(ret_why, why_capacity, "%s", reason != NULL ? reason : "unknown error");
}

bool client_tls_is_resumed(const struct client_tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}
