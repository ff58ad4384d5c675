/* Reads keys, checks signatures, and swaps the key in use under a lock. */
#include "net/token_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAC_BYTES 32       /* of HMAC-SHA-256 */
#define SIGNATURE_BYTES 64 /* of Ed25519 (RFC 8032 5.1.6) */

struct token_keys {
    pthread_mutex_t lock; /* guards `current` */
    struct token_key current;
    const char *path;
};

bool token_key_of_secret(struct bytes secret, struct token_key *ret_key)
{
    ret_key->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, secret.data, secret.length);
    ret_key->is_secret = true;
    ERR_clear_error();
    return ret_key->key != NULL;
}

void token_key_release(struct token_key key)
{
    EVP_PKEY_free(key.key);
}

struct bytes token_key_algorithm(struct token_key key)
{
    return key.is_secret ? BYTES("HS256") : BYTES("EdDSA");
}

static enum signature_verdict check_mac(EVP_MD_CTX *context, EVP_PKEY *key, struct bytes text,
                                        struct bytes signature)
{
    uint8_t mac[MAC_BYTES];
    size_t length = sizeof mac;
    if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(context, mac, &length, text.data, text.length) != 1)
        return SIGNATURE_UNKNOWN;
    /* In constant time, so that nobody can guess the signature byte by byte. */
    bool is_good = length == sizeof mac && signature.length == length &&
                   CRYPTO_memcmp(mac, signature.data, length) == 0;
    OPENSSL_cleanse(mac, sizeof mac);
    return is_good ? SIGNATURE_GOOD : SIGNATURE_BAD;
}

static enum signature_verdict check_signature(EVP_MD_CTX *context, EVP_PKEY *key, struct bytes text,
                                              struct bytes signature)
{
    if (EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) != 1)
        return SIGNATURE_UNKNOWN;
    if (EVP_DigestVerify(context, signature.data, signature.length, text.data, text.length) == 1)
        return SIGNATURE_GOOD;
    /* OpenSSL notes no error about a signature that is merely wrong. */
    return ERR_peek_error() == 0 ? SIGNATURE_BAD : SIGNATURE_UNKNOWN;
}

static enum signature_verdict check_once(struct token_key key, struct bytes text,
                                         struct bytes signature)
{
    ERR_clear_error();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL)
        return SIGNATURE_UNKNOWN;
    enum signature_verdict verdict = key.is_secret
                                         ? check_mac(context, key.key, text, signature)
                                         : check_signature(context, key.key, text, signature);
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return verdict;
}

enum signature_verdict token_key_check(struct token_key key, struct bytes text,
                                       struct bytes signature)
{
    enum signature_verdict verdict = check_once(key, text, signature);
    /*
     * OpenSSL 3.0 notes no error either when its Ed25519 gets no memory to hash the text. So a
     * signature is called bad only if it is so twice.
     */
    bool is_in_doubt = verdict == SIGNATURE_BAD && !key.is_secret;
    return is_in_doubt ? check_once(key, text, signature) : verdict;
}

/*
 * Whether the key can be used. OpenSSL looks for its algorithms when it needs them first, so this
 * also does that outside of the sandbox.
 */
static bool try_key(struct token_key key)
{
    static const uint8_t signature[SIGNATURE_BYTES];
    return token_key_check(key, BYTES("trial"), bytes_of(signature, sizeof signature)) ==
           SIGNATURE_BAD;
}

/* Reads at most `capacity` bytes. -1: errno says why. */
static ssize_t read_file(const char *path, uint8_t *out, size_t capacity)
{
    size_t length = 0;
    ssize_t count = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (length < capacity && (count = read(fd, out + length, capacity - length)) > 0)
        length += (size_t)count;
    int error = errno;
    close(fd);
    errno = error;
    return count < 0 ? -1 : (ssize_t)length;
}

/* Returns the text without the end of its line, which an editor may have put there. */
static struct bytes without_line_end(struct bytes text)
{
    if (text.length > 0 && text.data[text.length - 1] == '\n')
        text.length--;
    if (text.length > 0 && text.data[text.length - 1] == '\r')
        text.length--;
    return text;
}

static bool is_visible(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    }
    return true;
}

/*
 * A public key that was taken for a secret would let everybody sign. One in DER or of SSH is not
 * visible ASCII, and a JSON Web Key begins with a brace.
 */
static const char *read_secret(struct bytes file, struct token_key *ret_key)
{
    struct bytes secret = without_line_end(file);
    if (!is_visible(secret) || (secret.length > 0 && secret.data[0] == '{'))
        return "it is neither an Ed25519 public key in PEM nor a line of visible ASCII characters";
    if (secret.length < TOKEN_SECRET_BYTES_MIN)
        return "a secret has at least 32 characters";
    return token_key_of_secret(secret, ret_key) ? NULL : "out of memory";
}

static const char *read_public_key(struct bytes file, struct token_key *ret_key)
{
    static const char wanted[] = "it is PEM, but no public key of Ed25519";
    if (memmem(file.data, file.length, "PRIVATE KEY-", 12) != NULL)
        return "it is a private key, which signs tokens; the relay needs the public key alone";
    BIO *bio = BIO_new_mem_buf(file.data, (int)file.length);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (key == NULL)
        return wanted;
    *ret_key = (struct token_key){key, false};
    if (EVP_PKEY_get_id(key) == EVP_PKEY_ED25519)
        return NULL;
    token_key_release(*ret_key);
    return wanted;
}

/* Makes a key of a file's contents. Returns NULL, or what is wrong. */
static const char *parse(struct bytes file, struct token_key *ret_key)
{
    if (file.length > TOKEN_KEY_FILE_BYTES_MAX)
        return "it is too long";
    bool is_pem = file.length > 0 && memmem(file.data, file.length, "-----BEGIN ", 11) != NULL;
    const char *fault = is_pem ? read_public_key(file, ret_key) : read_secret(file, ret_key);
    if (fault != NULL || try_key(*ret_key))
        return fault;
    token_key_release(*ret_key);
    return "out of memory";
}

bool token_key_of_file(const char *path, struct token_key *ret_key, char *ret_why,
                       size_t why_capacity)
{
    uint8_t file[TOKEN_KEY_FILE_BYTES_MAX + 1];
    ssize_t length = read_file(path, file, sizeof file);
    char reason[128];
    const char *fault = length >= 0 ? parse(bytes_of(file, (size_t)length), ret_key)
                                    : strerror_r(errno, reason, sizeof reason);
    OPENSSL_cleanse(file, sizeof file);
    if (fault != NULL)
        snprintf(ret_why, why_capacity, "can't use token key %s: %s", path, fault);
    return fault == NULL;
}

struct token_keys *token_keys_new(const char *path, char *ret_why, size_t why_capacity)
{
    struct token_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL) {
        snprintf(ret_why, why_capacity, "token key: out of memory");
        return NULL;
    }
    if (!token_key_of_file(path, &keys->current, ret_why, why_capacity)) {
        free(keys);
        return NULL;
    }
    keys->path = path;
    pthread_mutex_init(&keys->lock, NULL);
    return keys;
}

bool token_keys_reload(struct token_keys *keys, char *ret_why, size_t why_capacity)
{
    struct token_key loaded;
    if (!token_key_of_file(keys->path, &loaded, ret_why, why_capacity))
        return false;
    pthread_mutex_lock(&keys->lock);
    struct token_key old = keys->current;
    keys->current = loaded;
    pthread_mutex_unlock(&keys->lock);
    token_key_release(old);
    return true;
}

void token_keys_free(struct token_keys *keys)
{
    if (keys == NULL)
        return;
    token_key_release(keys->current);
    pthread_mutex_destroy(&keys->lock);
    free(keys);
}

struct token_key token_keys_hold(struct token_keys *keys)
{
    pthread_mutex_lock(&keys->lock);
    struct token_key held = keys->current;
    EVP_PKEY_up_ref(held.key);
    pthread_mutex_unlock(&keys->lock);
    return held;
}
