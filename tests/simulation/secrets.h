/*
 * TLS for a simulated server and its clients: a certificate that is made when it is first asked
 * for, and random bits of the seed in place of OpenSSL's, so that two runs of a seed exchange the
 * same bytes. It stays for all seeds of the process.
 */
#ifndef PARTY_TESTS_SECRETS_H
#define PARTY_TESTS_SECRETS_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* A seed begins: whether its server speaks TLS. */
void secrets_begin(bool are_used);

/* NULL when the seed's server speaks plain text. */
struct tls_context *secrets_of_server(void);
SSL_CTX *secrets_of_clients(void);

#endif
