/*
 * The floor over TLS: OpenSSL with its defaults, and no more. Bytes that come in are decrypted
 * where they are. What a connection is owed becomes records when it is sent: as few as fit. The
 * sockets, the loop and the system calls are those of the plain floor.
 */
#ifndef PARTY_BENCH_FLOOR_TLS_H
#define PARTY_BENCH_FLOOR_TLS_H

#include "floor.h"

/* PEM files. Gives up by itself, with a sentence, when OpenSSL refuses them. */
void floor_tls_start(const char *certificate_path, const char *key_path);

/* Takes encrypted bytes; calls floor_received_plain() with what is in them. */
void floor_tls_received(struct floor *floor, int fd, const uint8_t *data, size_t length);

/* Turns the plain bytes that the connection is owed into records. */
void floor_tls_seal(struct floor *floor, int fd);

/* Sends a few bytes of the floor's own. */
void floor_tls_say(struct floor *floor, int fd, const char *bytes, size_t length);

void floor_tls_close(struct floor_connection *connection);

#endif
