/*
 * OpenSSL over two BIOs of our own: reading takes from the bytes that were fed, writing appends to
 * the session's outbox. So an idle session keeps no buffers.
 */
#include "net/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/clock.h"
#include "net/poller.h"
#include "net/tls_tickets.h"
#include "net/tls_trial.h"

/* Bytes that a poller may report at once, and bytes that were kept before. */
#define UNREAD_BYTES_MAX (2 * POLLER_RECEIVED_BYTES_MAX)

/* TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 offers nothing else. */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
/*
 * Hellos and key updates that a peer may send (RFC 8446 4.6.3). Each costs key derivations, and an
 * honest peer sends one in many gigabytes.
 */
#define COSTLY_MESSAGES_MAX 32
/* RFC 8446 5.1: type, version, length; and the longest record, which TLS 1.2 allows. */
#define RECORD_HEADER_BYTES 5
#define RECORD_BYTES_MAX (16384 + 2048)

struct tls_context {
    pthread_mutex_t lock; /* guards `current` */
    SSL_CTX *current;
    BIO_METHOD *method;
    const char *certificate_path;
    const char *key_path;
    struct ticket_keys ticket_keys;
};

struct tls_session {
    SSL *ssl;
    struct outbox output;
    struct outbox_pool *pool;
    struct bytes in; /* bytes that were fed and not read; in `unread` or in the caller's memory */
    struct buf unread;
    uint32_t costly_messages;
    uint32_t began_ms;
    bool has_read;     /* OpenSSL has read from the hello */
    bool has_answered; /* OpenSSL has answered the hello */
    bool has_ended;
};

/* Gives OpenSSL the next fed bytes. */
static int read_fed(BIO *bio, char *out, size_t capacity, size_t *ret_length)
{
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t length = session->in.length < capacity ? session->in.length : capacity;
    if (length == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, session->in.data, length);
    session->in.data += length;
    session->in.length -= length;
    *ret_length = length;
    return 1;
}

static int write_out(BIO *bio, const char *data, size_t length, size_t *ret_length)
{
    struct tls_session *session = BIO_get_data(bio);
    *ret_length = length;
    return outbox_append(&session->output, session->pool, bytes_of(data, length));
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "outbox");
    if (method == NULL)
        return NULL;
    BIO_meth_set_read_ex(method, read_fed);
    BIO_meth_set_write_ex(method, write_out);
    BIO_meth_set_ctrl(method, control);
    return method;
}

/* Fails, since nobody can be asked for a passphrase. */
static int refuse_passphrase(char *out, int capacity, int is_writing, void *context)
{
    (void)out;
    (void)capacity;
    (void)is_writing;
    (void)context;
    return 0;
}

/* ALPN (RFC 7301): of the protocols that a client offers, the server speaks HTTP/1.1 only. */
static int choose_protocol(SSL *ssl, const unsigned char **ret_chosen, unsigned char *ret_length,
                           const unsigned char *offered, unsigned int offered_length, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    (void)ssl;
    (void)context;
    int result =
        SSL_select_next_proto(&chosen, ret_length, ours, sizeof ours - 1, offered, offered_length);
    *ret_chosen = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static uint64_t now_seconds(void)
{
    return clock_now_ns() / 1000000000;
}

static bool use_ticket_key(const struct ticket_key *key, const unsigned char *iv, bool is_new,
                           EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    unsigned char mac_key[sizeof key->mac];
    memcpy(mac_key, key->mac, sizeof mac_key);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, sizeof mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_end(),
    };
    bool is_used = EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
                   EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, is_new) == 1;
    OPENSSL_cleanse(mac_key, sizeof mac_key);
    return is_used;
}

#define TICKET_FAILED (-1)
#define TICKET_REFUSED 0 /* a full handshake begins a new session */
#define TICKET_USED 1
#define TICKET_USED_RENEW 2

/* OpenSSL calls this for each ticket that it creates, and for each that a client presents. */
static int encrypt_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                          EVP_MAC_CTX *mac, int is_new)
{
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key newest;
    struct ticket_key key;
    int result = TICKET_FAILED;
    if (!ticket_keys_newest(&context->ticket_keys, now_seconds(), &newest))
        return TICKET_FAILED;
    if (is_new) {
        memcpy(name, newest.name, sizeof newest.name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
            use_ticket_key(&newest, iv, true, cipher, mac))
            result = TICKET_USED;
    } else if (!ticket_keys_find(&context->ticket_keys, name, now_seconds(), &key)) {
        result = TICKET_REFUSED;
    } else if (use_ticket_key(&key, iv, false, cipher, mac)) {
        /* In TLS 1.3 a ticket may be used once. */
        bool is_good = SSL_version(ssl) != TLS1_3_VERSION &&
                       memcmp(name, newest.name, sizeof newest.name) == 0;
        result = is_good ? TICKET_USED : TICKET_USED_RENEW;
        OPENSSL_cleanse(&key, sizeof key);
    }
    OPENSSL_cleanse(&newest, sizeof newest);
    return result;
}

static void configure(SSL_CTX *ssl_context, struct tls_context *context)
{
    SSL_CTX_set_app_data(ssl_context, context);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_context, encrypt_ticket);
    SSL_CTX_set_min_proto_version(ssl_context, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl_context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ssl_context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Tickets resume sessions: the client keeps them, and the server keeps nothing. */
    SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ssl_context, (const unsigned char *)"party", 5);
    SSL_CTX_set_num_tickets(ssl_context, 1);
    SSL_CTX_set_alpn_select_cb(ssl_context, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(ssl_context, refuse_passphrase);
}

static void explain(char *ret_why, size_t why_capacity, const char *what, const char *path)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(error);
    snprintf(ret_why, why_capacity, "can't use %s %s: %s", what, path,
             reason != NULL ? reason : "out of memory");
}

static SSL_CTX *load(struct tls_context *context, char *ret_why, size_t why_capacity)
{
    ERR_clear_error();
    SSL_CTX *loaded = SSL_CTX_new(TLS_server_method());
    if (loaded == NULL) {
        snprintf(ret_why, why_capacity, "TLS: out of memory");
        return NULL;
    }
    configure(loaded, context);
    const char *key = context->key_path;
    if (SSL_CTX_set_cipher_list(loaded, CIPHERS_1_2) != 1 ||
        SSL_CTX_use_certificate_chain_file(loaded, context->certificate_path) != 1) {
        explain(ret_why, why_capacity, "certificate", context->certificate_path);
    } else if (SSL_CTX_use_PrivateKey_file(loaded, key, SSL_FILETYPE_PEM) != 1 ||
               SSL_CTX_check_private_key(loaded) != 1) {
        explain(ret_why, why_capacity, "key", key);
    } else if (!tls_trial(loaded)) {
        explain(ret_why, why_capacity, "certificate", context->certificate_path);
    } else {
        return loaded;
    }
    SSL_CTX_free(loaded);
    return NULL;
}

struct tls_context *tls_context_new(const char *certificate_path, const char *key_path,
                                    char *ret_why, size_t why_capacity)
{
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        snprintf(ret_why, why_capacity, "TLS: out of memory");
        return NULL;
    }
    context->certificate_path = certificate_path;
    context->key_path = key_path;
    pthread_mutex_init(&context->lock, NULL);
    ticket_keys_init(&context->ticket_keys);
    context->method = method_new();
    if (context->method != NULL)
        context->current = load(context, ret_why, why_capacity);
    else
        snprintf(ret_why, why_capacity, "TLS: out of memory");
    if (context->current != NULL)
        return context;
    tls_context_free(context);
    return NULL;
}

bool tls_context_reload(struct tls_context *context, char *ret_why, size_t why_capacity)
{
    SSL_CTX *loaded = load(context, ret_why, why_capacity);
    if (loaded == NULL)
        return false;
    pthread_mutex_lock(&context->lock);
    SSL_CTX *old = context->current;
    context->current = loaded;
    pthread_mutex_unlock(&context->lock);
    SSL_CTX_free(old);
    return true;
}

struct ticket_keys *tls_context_ticket_keys(struct tls_context *context)
{
    return &context->ticket_keys;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->current);
    BIO_meth_free(context->method);
    pthread_mutex_destroy(&context->lock);
    ticket_keys_release(&context->ticket_keys);
    free(context);
}

/*
 * Whether a message is the last one of the server's answer. Finished ends it in TLS 1.3 and for a
 * resumption.
 */
static bool ends_answer(uint8_t type)
{
    return type == SSL3_MT_FINISHED || type == SSL3_MT_SERVER_DONE;
}

/* OpenSSL calls this for each handshake message, those after the handshake included. */
static void note_message(int is_ours, int version, int content_type, const void *data,
                         size_t length, SSL *ssl, void *pointer)
{
    struct tls_session *session = pointer;
    (void)version;
    (void)ssl;
    if (content_type != SSL3_RT_HANDSHAKE || length == 0)
        return;
    uint8_t type = *(const uint8_t *)data;
    if (is_ours) {
        session->has_answered |= ends_answer(type);
        return;
    }
    if (type != SSL3_MT_CLIENT_HELLO && type != SSL3_MT_KEY_UPDATE)
        return;
    if (++session->costly_messages > COSTLY_MESSAGES_MAX)
        session->in.length = 0; /* nothing more is read of what was fed */
}

static SSL *ssl_new(struct tls_context *context)
{
    pthread_mutex_lock(&context->lock);
    SSL_CTX *current = context->current;
    SSL_CTX_up_ref(current);
    pthread_mutex_unlock(&context->lock);
    SSL *ssl = SSL_new(current); /* takes a reference of its own */
    SSL_CTX_free(current);
    return ssl;
}

struct tls_session *tls_session_new(struct tls_context *context, struct outbox_pool *pool)
{
    struct tls_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->pool = pool;
    session->began_ms = clock_now_ms();
    buf_init(&session->unread, UNREAD_BYTES_MAX);
    session->ssl = ssl_new(context);
    BIO *bio = session->ssl == NULL ? NULL : BIO_new(context->method);
    if (bio == NULL) {
        tls_session_free(session);
        return NULL;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_accept_state(session->ssl);
    SSL_set_msg_callback(session->ssl, note_message);
    SSL_set_msg_callback_arg(session->ssl, session);
    return session;
}

void tls_session_free(struct tls_session *session)
{
    if (session == NULL)
        return;
    SSL_free(session->ssl);
    ERR_clear_error();
    outbox_clear(&session->output, session->pool);
    buf_release(&session->unread);
    free(session);
}

struct outbox *tls_session_output(struct tls_session *session)
{
    return &session->output;
}

void tls_session_set_pool(struct tls_session *session, struct outbox_pool *pool)
{
    if (session->pool != NULL)
        outbox_leave(&session->output, session->pool);
    session->pool = pool;
    if (pool != NULL)
        outbox_enter(&session->output, pool);
}

bool tls_session_feed(struct tls_session *session, struct bytes in)
{
    if (session->unread.length == 0) {
        session->in = in;
        return true;
    }
    bool is_appended = buf_append(&session->unread, in) == BUF_OK;
    session->in = buf_view(&session->unread);
    return is_appended;
}

enum tls_result tls_session_read(struct tls_session *session, uint8_t *out, size_t capacity,
                                 size_t *ret_length)
{
    session->has_read = true;
    ERR_clear_error(); /* SSL_get_error() reads the thread's queue of errors */
    int result = SSL_read_ex(session->ssl, out, capacity, ret_length);
    if (session->costly_messages > COSTLY_MESSAGES_MAX) {
        session->has_ended = true;
        return TLS_FAILED;
    }
    if (result == 1)
        return TLS_DATA;
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_NEED_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        session->has_ended = true; /* after a fatal error nothing more may be sent */
        return TLS_FAILED;
    }
}

bool tls_session_settle(struct tls_session *session)
{
    struct bytes rest = session->in;
    session->in = (struct bytes){0};
    if (rest.length == 0) {
        buf_release(&session->unread);
        return true;
    }
    if (session->unread.length == 0)
        return buf_append(&session->unread, rest) == BUF_OK;
    memmove(session->unread.data, rest.data, rest.length);
    session->unread.length = rest.length;
    return true;
}

size_t tls_session_kept(const struct tls_session *session)
{
    return session->unread.capacity;
}

bool tls_session_write(struct tls_session *session, struct bytes text)
{
    size_t written;
    ERR_clear_error();
    return SSL_write_ex(session->ssl, text.data, text.length, &written) == 1 &&
           written == text.length;
}

void tls_session_end(struct tls_session *session)
{
    if (session->has_ended || !SSL_is_init_finished(session->ssl))
        return;
    session->has_ended = true;
    ERR_clear_error();
    (void)SSL_shutdown(session->ssl);
}

bool tls_session_has_answered(const struct tls_session *session)
{
    return session->has_answered;
}

bool tls_session_may_answer(const struct tls_session *session)
{
    const struct buf *unread = &session->unread;
    if (unread->length < RECORD_HEADER_BYTES)
        return session->has_read && unread->length > 0;
    size_t length = (size_t)unread->data[3] << 8 | unread->data[4];
    bool is_whole = unread->length >= RECORD_HEADER_BYTES + length;
    return session->has_read || is_whole || length > RECORD_BYTES_MAX;
}

uint32_t tls_session_age_ms(const struct tls_session *session)
{
    return clock_now_ms() - session->began_ms;
}

void tls_session_forgive(struct tls_session *session, uint32_t ms)
{
    uint32_t age_ms = tls_session_age_ms(session);
    session->began_ms += ms < age_ms ? ms : age_ms;
}

bool tls_session_is_open(const struct tls_session *session)
{
    return SSL_is_init_finished(session->ssl) == 1;
}

bool tls_session_is_resumed(const struct tls_session *session)
{
    return SSL_session_reused(session->ssl) == 1;
}
