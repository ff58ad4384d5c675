/*
 * When memory is short while OpenSSL loads its ciphers, it silently goes on without some of them.
 * Then every handshake may fail.
 */
#include "net/tls_trial.h"

/* A handshake has at most two flights in each direction; a ticket may follow. */
#define STEPS_MAX 8

static bool is_waiting(SSL *ssl, int result)
{
    return result != 1 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ;
}

/* Makes a handshake between two ends, each of which reads what the other one writes. */
static bool shake_hands(SSL *client, SSL *server)
{
    for (int step = 0; step < STEPS_MAX; step++) {
        int connected = SSL_connect(client);
        int accepted = SSL_accept(server);
        if (connected == 1 && accepted == 1)
            return true;
        if ((connected != 1 && !is_waiting(client, connected)) ||
            (accepted != 1 && !is_waiting(server, accepted)))
            return false;
    }
    return false;
}

static bool connect_ends(SSL *client, SSL *server)
{
    BIO *client_end = NULL;
    BIO *server_end = NULL;
    if (client == NULL || server == NULL || BIO_new_bio_pair(&client_end, 0, &server_end, 0) != 1)
        return false;
    SSL_set_bio(client, client_end, client_end);
    SSL_set_bio(server, server_end, server_end);
    return shake_hands(client, server);
}

static bool try_version(SSL_CTX *server_context, SSL_CTX *client_context, int version)
{
    SSL_CTX_set_min_proto_version(client_context, version);
    SSL_CTX_set_max_proto_version(client_context, version);
    SSL *client = SSL_new(client_context);
    SSL *server = SSL_new(server_context);
    bool is_good = connect_ends(client, server);
    SSL_free(client);
    SSL_free(server);
    return is_good;
}

bool tls_trial(SSL_CTX *server)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    if (client == NULL)
        return false;
    SSL_CTX_set_security_level(client, 0); /* the certificate need not be trusted */
    bool is_good =
        try_version(server, client, TLS1_2_VERSION) && try_version(server, client, TLS1_3_VERSION);
    SSL_CTX_free(client);
    return is_good;
}
