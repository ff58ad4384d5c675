/* Tries a context before it serves clients. */
#ifndef PARTY_NET_TLS_TRIAL_H
#define PARTY_NET_TLS_TRIAL_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/attributes.h"

/*
 * Makes a handshake in memory, over TLS 1.2 and 1.3. False: it failed, as it would for every
 * client. OpenSSL's queue of errors may say why.
 */
MUST_CHECK bool tls_trial(SSL_CTX *server);

#endif
