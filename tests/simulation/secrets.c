/* RAND_set_rand_method() has no successor without a provider of one's own. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "secrets.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "network.h"

#define VALID_SECONDS (10L * 365 * 24 * 60 * 60)

static struct {
    struct tls_context *server;
    SSL_CTX *clients;
    bool are_used;
    uint64_t random_state;
} secrets;

static void require(bool is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "simulate: there is no way for %s\n", what);
    abort();
}

/* Other numbers than network_random()'s: how many OpenSSL needs is nobody else's business. */
static int draw_bytes(unsigned char *out, int length)
{
    for (int i = 0; i < length; i++) {
        uint64_t z = (secrets.random_state += 0x9E3779B97F4A7C15u);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        out[i] = (unsigned char)(z >> 32);
    }
    return 1;
}

static int is_ready(void)
{
    return 1;
}

static const RAND_METHOD random_method = {
    .bytes = draw_bytes, .pseudorand = draw_bytes, .status = is_ready};

/* Signed by itself; Ed25519, whose signatures all have one length. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    require(certificate != NULL && X509_set_version(certificate, 2) == 1, "a certificate");
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -VALID_SECONDS);
    X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_SECONDS);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"simulated", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    require(X509_sign(certificate, key, NULL) > 0, "signing a certificate");
    return certificate;
}

/* A file for the server to read, as an operator's. */
static FILE *make_file(char *path)
{
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    require(file != NULL, path);
    return file;
}

static void make(void)
{
    char key_path[] = "/tmp/simulate-key-XXXXXX";
    char certificate_path[] = "/tmp/simulate-certificate-XXXXXX";
    char why[256];
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    require(key != NULL, "a key");
    X509 *certificate = make_certificate(key);
    FILE *key_file = make_file(key_path);
    FILE *certificate_file = make_file(certificate_path);
    require(PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1, "writing a key");
    require(PEM_write_X509(certificate_file, certificate) == 1, "writing a certificate");
    fclose(key_file);
    fclose(certificate_file);
    secrets.server = tls_context_new(certificate_path, key_path, why, sizeof why);
    unlink(key_path);
    unlink(certificate_path);
    require(secrets.server != NULL, why);
    secrets.clients = SSL_CTX_new(TLS_client_method());
    require(secrets.clients != NULL, "a context");
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* When the process ends. */
static void release(void)
{
    tls_context_free(secrets.server);
    SSL_CTX_free(secrets.clients);
}

void secrets_begin(bool are_used)
{
    secrets.are_used = are_used;
    if (are_used && secrets.server == NULL) {
        require(RAND_set_rand_method(&random_method) == 1, "random numbers");
        make();
        require(atexit(release) == 0, "releasing it");
    }
    secrets.random_state = network_random();
}

struct tls_context *secrets_of_server(void)
{
    return secrets.are_used ? secrets.server : NULL;
}

SSL_CTX *secrets_of_clients(void)
{
    return secrets.are_used ? secrets.clients : NULL;
}
