/*
 * TLS (OpenSSL) without sockets: bytes from the peer are fed in and read as plain text, plain text
 * is written and comes out as bytes for the peer, queued in the session's own outbox. So it is the
 * same whichever poller moves the bytes.
 *
 * A context belongs to the process and is safe from any thread; a session belongs to the loop that
 * has its connection, and moves with it.
 */
#ifndef PARTY_NET_TLS_H
#define PARTY_NET_TLS_H

#include "base/buf.h"
#include "net/outbox.h"

struct tls_context;

/*
 * Loads a certificate with its chain and its key, both PEM files. NULL with a sentence in
 * `ret_why`.
 */
MUST_CHECK struct tls_context *tls_context_new(const char *certificate_path, const char *key_path,
                                               char *ret_why, size_t why_capacity);

/*
 * Loads the files anew, for sessions to come; those that are there go on, and what was resumable
 * stays so. False, and nothing changed: a sentence is in `ret_why`.
 */
MUST_CHECK bool tls_context_reload(struct tls_context *context, char *ret_why, size_t why_capacity);

/* Accepts NULL. Its sessions must have been freed. */
void tls_context_free(struct tls_context *context);

struct tls_session;

/* NULL: memory is short. */
MUST_CHECK struct tls_session *tls_session_new(struct tls_context *context,
                                               struct outbox_pool *pool);
void tls_session_free(struct tls_session *session);

/* What is to be sent to the peer; the pool is the session's. */
struct outbox *tls_session_output(struct tls_session *session);

/* The session leaves its loop (NULL), or comes to another, with what it has queued. */
void tls_session_set_pool(struct tls_session *session, struct outbox_pool *pool);

enum tls_result {
    TLS_DATA,      /* plain text was read */
    TLS_NEED_MORE, /* all that was fed is used up */
    TLS_ENDED,     /* the peer said that it sends no more (close_notify) */
    TLS_FAILED,    /* the connection is no good; what to tell the peer may be queued */
};

/*
 * Feeds bytes from the peer, which must stay valid until tls_session_settle(). After feeding,
 * read until it yields no data, or until the reader wants no more for now; then settle: what is
 * not read yet is kept, and is read on after the next feeding (which may be of nothing).
 */
MUST_CHECK bool tls_session_feed(struct tls_session *session, struct bytes in);
enum tls_result tls_session_read(struct tls_session *session, uint8_t *out, size_t capacity,
                                 size_t *ret_length);
MUST_CHECK bool tls_session_settle(struct tls_session *session);

/* Bytes that the session keeps for later reading. */
size_t tls_session_kept(const struct tls_session *session);

/* Encrypts plain text, at most TLS_WRITE_BYTES_MAX, into the output. False: it failed. */
#define TLS_WRITE_BYTES_MAX 16384
MUST_CHECK bool tls_session_write(struct tls_session *session, struct bytes text);

/* Tells the peer, in the output, that no more will be sent (close_notify); once. */
void tls_session_end(struct tls_session *session);

/*
 * Whether the session has said all that it says in answer to a hello: before that, reading may take
 * milliseconds, for the certificate's key is used.
 */
bool tls_session_has_answered(const struct tls_session *session);

/*
 * Whether reading may bring the answer about: of the hello what is kept is a whole record, or it is
 * not the first.
 */
bool tls_session_may_answer(const struct tls_session *session);

/* Milliseconds since the session began. */
uint32_t tls_session_age_ms(const struct tls_session *session);

/* Whether the handshake is done, and whether it resumed an earlier session. */
bool tls_session_is_open(const struct tls_session *session);
bool tls_session_is_resumed(const struct tls_session *session);

#endif
