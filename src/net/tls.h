/*
 * TLS (OpenSSL) without sockets. The caller feeds bytes from the peer and reads plain text. It
 * writes plain text, and the session queues bytes for the peer in its own outbox. So TLS works with
 * any poller.
 *
 * A context belongs to the process and is safe from any thread. A session belongs to the loop that
 * has its connection, and moves with it.
 */
#ifndef PARTY_NET_TLS_H
#define PARTY_NET_TLS_H

#include "base/buf.h"
#include "net/outbox.h"
#include "net/tls_tickets.h"

struct tls_context;

/* Loads a certificate with its chain, and its key: PEM files. NULL: `ret_why` says why. */
MUST_CHECK struct tls_context *tls_context_new(const char *certificate_path, const char *key_path,
                                               char *ret_why, size_t why_capacity);

/*
 * Loads the files again, for new sessions. Present sessions go on, and tickets stay valid. False:
 * nothing was changed, and `ret_why` says why.
 */
MUST_CHECK bool tls_context_reload(struct tls_context *context, char *ret_why, size_t why_capacity);

/* The keys of tickets. Who writes them must wipe them. */
struct ticket_keys *tls_context_ticket_keys(struct tls_context *context);

/* Frees a context, or NULL. Its sessions must have been freed before. */
void tls_context_free(struct tls_context *context);

struct tls_session;

/* NULL: memory is short. */
MUST_CHECK struct tls_session *tls_session_new(struct tls_context *context,
                                               struct outbox_pool *pool);
void tls_session_free(struct tls_session *session);

/* The bytes for the peer. The queue uses the session's pool. */
struct outbox *tls_session_output(struct tls_session *session);

/* Takes the session, with its queue, away from its loop (NULL) or to another one. */
void tls_session_set_pool(struct tls_session *session, struct outbox_pool *pool);

enum tls_result {
    TLS_DATA,      /* plain text was read */
    TLS_NEED_MORE, /* all fed bytes are used up */
    TLS_ENDED,     /* the peer sends no more (close_notify) */
    TLS_FAILED,    /* the connection is broken; an alert for the peer may be queued */
};

/*
 * Feeds bytes from the peer, which must stay valid until tls_session_settle(). The caller then
 * reads until there is no data, or until it wants no more for now; then it settles. The session
 * keeps unread bytes until after the next tls_session_feed(), which may feed nothing. False: memory
 * is short.
 */
MUST_CHECK bool tls_session_feed(struct tls_session *session, struct bytes in);
enum tls_result tls_session_read(struct tls_session *session, uint8_t *out, size_t capacity,
                                 size_t *ret_length);
MUST_CHECK bool tls_session_settle(struct tls_session *session);

/* Bytes that the session keeps to be read later. */
size_t tls_session_kept(const struct tls_session *session);

/* Encrypts plain text, at most TLS_WRITE_BYTES_MAX, into the output. False: OpenSSL failed. */
#define TLS_WRITE_BYTES_MAX 16384
MUST_CHECK bool tls_session_write(struct tls_session *session, struct bytes text);

/* Queues a close_notify for the peer, once. */
void tls_session_end(struct tls_session *session);

/*
 * Whether the session has sent its whole answer to the hello. Before that, reading may take
 * milliseconds, since the certificate's key is used.
 */
bool tls_session_has_answered(const struct tls_session *session);

/*
 * Whether reading may produce the answer: the unread bytes are a whole record, or some of the hello
 * has been read.
 */
bool tls_session_may_answer(const struct tls_session *session);

/* Milliseconds since the session was created, less those that it was forgiven. */
uint32_t tls_session_age_ms(const struct tls_session *session);

/* The peer is not to blame for so many milliseconds of the session's age. */
void tls_session_forgive(struct tls_session *session, uint32_t ms);

/* Whether the handshake is complete, and whether it resumed an earlier session. */
bool tls_session_is_open(const struct tls_session *session);
bool tls_session_is_resumed(const struct tls_session *session);

#endif
