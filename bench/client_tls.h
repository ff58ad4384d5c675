/*
 * TLS of the load generator's clients (OpenSSL), without sockets: bytes from the server in, plain
 * text out, and the other way round. So the clients keep their poller and their one send a turn.
 *
 * All clients of the process share a context. A client's TLS lasts longer than its connections: it
 * keeps the newest ticket, and the next connection resumes the session.
 */
#ifndef PARTY_BENCH_CLIENT_TLS_H
#define PARTY_BENCH_CLIENT_TLS_H

#include "net/outbox.h"

#define CLIENT_TLS_TEXT_BYTES 16384 /* the longest text of a record */

struct client_tls_settings {
    const char *host;           /* the name that the server's certificate must have */
    const char *authority_path; /* PEM file; NULL: the system's authorities */
    bool checks_certificate;
    bool keeps_tickets; /* otherwise each connection makes a full handshake */
};

struct client_tls_context;

/* Gives up when OpenSSL refuses the settings. `settings` and its texts must outlive the context. */
struct client_tls_context *client_tls_context_new(const struct client_tls_settings *settings);
void client_tls_context_free(struct client_tls_context *context);

struct client_tls;

struct client_tls *client_tls_new(struct client_tls_context *context);
void client_tls_free(struct client_tls *tls); /* or NULL; its connection must be closed */

/* Begins a connection: its hello is in the output then. The output uses the pool. */
void client_tls_open(struct client_tls *tls, struct outbox_pool *pool);
void client_tls_close(struct client_tls *tls);

/* The bytes for the server. */
struct outbox *client_tls_output(struct client_tls *tls);

/* Encrypts the queued plain text into the output; before the end of the handshake it waits. */
void client_tls_seal(struct client_tls *tls, struct outbox *text);

enum client_tls_result {
    CLIENT_TLS_TEXT,      /* plain text was read */
    CLIENT_TLS_NEED_MORE, /* all input is used up */
    CLIENT_TLS_ENDED,     /* the server sends no more (close_notify) */
    CLIENT_TLS_FAILED,    /* client_tls_complaint() says why */
};

/* Reads the next text of the input, of which it consumes what it used. */
enum client_tls_result client_tls_read(struct client_tls *tls, struct bytes_mut *input,
                                       uint8_t text[CLIENT_TLS_TEXT_BYTES], size_t *ret_length);

/* Why this thread's last client_tls_read() failed. */
void client_tls_complaint(const struct client_tls *tls, char *ret_why, size_t why_capacity);

/* Whether the connection resumed a session. */
bool client_tls_is_resumed(const struct client_tls *tls);

#endif
