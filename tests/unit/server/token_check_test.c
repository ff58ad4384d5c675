/* Whole tokens: known ones, those of another algorithm, changed ones, and memory that lacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/token_check.h"
#include "support/base64url.h"

#define NOW_S 1800000000
#define CLAIMS "{\"exp\":1800000600,\"maxClients\":8,\"origin\":\"https://game.example\"}"
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define EDDSA "{\"alg\":\"EdDSA\"}"
#define ALLOCATIONS_MAX 1000

/* Allocations until OpenSSL gets no memory, once; -1: it always gets some. */
static int allocations_left = -1;

static bool is_refused(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return is_refused() ? NULL : malloc(size);
}

static void *reallocate(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return is_refused() ? NULL : realloc(old, size);
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

static struct token_key secret;
static struct token_key other_secret;
static struct token_key pair; /* it signs, and checks as its public key does */
static struct token_key public;
static struct token_claims claims;

static EVP_PKEY *public_part(EVP_PKEY *key)
{
    uint8_t raw[32];
    size_t length = sizeof raw;
    assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &length), 1);
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, length);
}

static int make_keys(void **state)
{
    (void)state;
    pair.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (pair.key == NULL)
        return -1;
    public.key = public_part(pair.key);
    return token_key_of_secret(BYTES("0123456789abcdef0123456789abcdef"), &secret) &&
                   token_key_of_secret(BYTES("0123456789abcdef0123456789abcdeg"), &other_secret)
               ? 0
               : -1;
}

static int free_keys(void **state)
{
    (void)state;
    token_key_release(secret);
    token_key_release(other_secret);
    token_key_release(pair);
    token_key_release(public);
    return 0;
}

/* A token that this key signs, with whatever header. */
static struct bytes mint(struct token_key key, const char *header, const char *payload)
{
    static char token[TOKEN_BYTES_MAX];
    uint8_t signature[64];
    size_t signature_length = sizeof signature;
    size_t length = base64url_write(token, bytes_of_string(header));
    token[length++] = '.';
    length += base64url_write(token + length, bytes_of_string(payload));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(
        EVP_DigestSignInit(context, NULL, key.is_secret ? EVP_sha256() : NULL, NULL, key.key), 1);
    assert_int_equal(
        EVP_DigestSign(context, signature, &signature_length, (const uint8_t *)token, length), 1);
    EVP_MD_CTX_free(context);
    token[length++] = '.';
    length += base64url_write(token + length, bytes_of(signature, signature_length));
    return bytes_of(token, length);
}

static enum token_verdict check(struct token_key key, struct bytes token)
{
    return token_check(key, token, NOW_S, &claims);
}

/* RFC 7515 A.1; its key there is `k` of a JSON Web Key. */
static void the_token_of_the_rfc_is_good(void **state)
{
    static const uint8_t known_secret[64] = {
        3,   35,  53, 75,  43,  15, 165, 188, 131, 126, 6,   101, 119, 123, 166, 143,
        90,  179, 40, 230, 240, 84, 201, 40,  169, 15,  132, 178, 210, 80,  46,  191,
        211, 251, 90, 146, 210, 6,  71,  239, 150, 138, 180, 195, 119, 98,  61,  34,
        61,  46,  33, 114, 5,   46, 79,  8,   192, 205, 154, 245, 103, 208, 128, 163};
    const struct bytes token =
        BYTES("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODA"
              "sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_w"
              "W1gFWFOEjXk");
    struct token_key key;
    (void)state;
    assert_true(token_key_of_secret(bytes_of(known_secret, sizeof known_secret), &key));
    assert_int_equal(token_check(key, token, 1300819379, &claims), TOKEN_VERDICT_OK);
    assert_int_equal(claims.max_clients, 0);
    assert_int_equal(claims.origin_length, 0);
    assert_int_equal(token_check(key, token, 1300819380, &claims), TOKEN_VERDICT_EXPIRED);
    token_key_release(key);
    assert_int_equal(token_check(secret, token, 1300819379, &claims), TOKEN_VERDICT_BAD_SIGNATURE);
}

/* RFC 8037 A.4: the signature is good, and the text is no JSON. */
static void the_signature_of_the_rfc_is_good(void **state)
{
    static const uint8_t known_public[32] = {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
                                             0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
                                             0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
                                             0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
    const struct bytes token =
        BYTES("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7"
              "-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
    struct token_key key = {
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, known_public, sizeof known_public),
        false};
    (void)state;
    assert_int_equal(check(key, token), TOKEN_VERDICT_MALFORMED);
    token_key_release(key);
    assert_int_equal(check(public, token), TOKEN_VERDICT_BAD_SIGNATURE);
}

static void a_good_token_tells_its_claims(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(&claims, 0xFF, sizeof claims);
        assert_int_equal(i == 0 ? check(secret, mint(secret, HS256, CLAIMS))
                                : check(public, mint(pair, EDDSA, CLAIMS)),
                         TOKEN_VERDICT_OK);
        assert_int_equal(claims.max_clients, 8);
        assert_true(bytes_equal(bytes_of(claims.origin, claims.origin_length),
                                BYTES("https://game.example")));
    }
}

static void the_key_fixes_the_algorithm(void **state)
{
    char pem[256] = {0};
    struct token_key published;
    (void)state;
    /* The public key, which everybody may know, as a secret: its PEM and its bytes. */
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, public.key), 1);
    int length = BIO_read(bio, pem, sizeof pem - 1);
    BIO_free(bio);
    for (int end = length - 1; end <= length; end++) {
        assert_true(token_key_of_secret(bytes_of(pem, (size_t)end), &published));
        assert_int_equal(check(public, mint(published, HS256, CLAIMS)),
                         TOKEN_VERDICT_BAD_SIGNATURE);
        assert_int_equal(check(public, mint(published, EDDSA, CLAIMS)),
                         TOKEN_VERDICT_BAD_SIGNATURE);
        token_key_release(published);
    }
    assert_int_equal(check(secret, mint(pair, EDDSA, CLAIMS)), TOKEN_VERDICT_BAD_SIGNATURE);
    assert_int_equal(check(secret, mint(pair, HS256, CLAIMS)), TOKEN_VERDICT_BAD_SIGNATURE);
    assert_int_equal(check(secret, mint(secret, EDDSA, CLAIMS)), TOKEN_VERDICT_BAD_SIGNATURE);
    assert_int_equal(check(public, mint(pair, HS256, CLAIMS)), TOKEN_VERDICT_BAD_SIGNATURE);
    assert_int_equal(check(secret, mint(other_secret, HS256, CLAIMS)), TOKEN_VERDICT_BAD_SIGNATURE);
    assert_int_equal(check(secret, mint(secret, "{\"alg\":\"none\"}", CLAIMS)),
                     TOKEN_VERDICT_BAD_SIGNATURE);
}

/* A token without signature: {"alg":"none"}, {"alg":"HS256"}, {"alg":"EdDSA"}. */
static void a_token_without_signature_is_bad(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct token_key key = i == 0 ? secret : public;
        assert_int_equal(check(key, BYTES("eyJhbGciOiJub25lIn0.e30.")),
                         TOKEN_VERDICT_BAD_SIGNATURE);
        assert_int_equal(check(key, BYTES("eyJhbGciOiJIUzI1NiJ9.e30.")),
                         TOKEN_VERDICT_BAD_SIGNATURE);
        assert_int_equal(check(key, BYTES("eyJhbGciOiJFZERTQSJ9.e30.")),
                         TOKEN_VERDICT_BAD_SIGNATURE);
        assert_int_equal(check(key, BYTES("eyJhbGciOiJub25lIn0.e30")), TOKEN_VERDICT_MALFORMED);
        assert_int_equal(check(key, BYTES("")), TOKEN_VERDICT_MALFORMED);
    }
}

static void claims_are_read_of_good_tokens_only(void **state)
{
    (void)state;
    assert_int_equal(check(secret, mint(other_secret, HS256, "{\"exp\":1}")),
                     TOKEN_VERDICT_BAD_SIGNATURE);
    assert_int_equal(check(secret, mint(other_secret, HS256, "no JSON")),
                     TOKEN_VERDICT_BAD_SIGNATURE);
    assert_int_equal(check(secret, mint(secret, HS256, "{\"exp\":1}")), TOKEN_VERDICT_EXPIRED);
    assert_int_equal(check(secret, mint(secret, HS256, "no JSON")), TOKEN_VERDICT_MALFORMED);
    assert_int_equal(check(secret, mint(secret, "{\"alg\":\"HS256\",\"crit\":[\"a\"]}", CLAIMS)),
                     TOKEN_VERDICT_MALFORMED);
}

static void assert_no_change_is_good(struct token_key key, struct bytes good)
{
    uint8_t token[TOKEN_BYTES_MAX];
    assert_int_equal(check(key, good), TOKEN_VERDICT_OK);
    memcpy(token, good.data, good.length);
    for (size_t bit = 0; bit < good.length * 8; bit++) {
        token[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(check(key, bytes_of(token, good.length)), TOKEN_VERDICT_OK);
        token[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t length = 0; length < good.length; length++)
        assert_int_not_equal(check(key, bytes_of(token, length)), TOKEN_VERDICT_OK);
    for (unsigned c = 0; c <= UINT8_MAX; c++) {
        token[good.length] = (uint8_t)c;
        assert_int_not_equal(check(key, bytes_of(token, good.length + 1)), TOKEN_VERDICT_OK);
    }
}

static void a_changed_token_is_never_good(void **state)
{
    (void)state;
    assert_no_change_is_good(secret, mint(secret, HS256, CLAIMS));
    assert_no_change_is_good(public, mint(pair, EDDSA, CLAIMS));
}

/* Refuses one allocation after the other, until the check needs no more. */
static void assert_lack_is_told(struct token_key key, struct bytes token, enum token_verdict right)
{
    int count = 0;
    for (bool was_refused = true; was_refused && count < ALLOCATIONS_MAX; count++) {
        allocations_left = count;
        enum token_verdict verdict = check(key, token);
        was_refused = allocations_left < 0;
        allocations_left = -1;
        assert_true(verdict == right || (was_refused && verdict == TOKEN_VERDICT_NO_MEMORY));
    }
    assert_in_range(count, 2, ALLOCATIONS_MAX - 1);
}

static void memory_that_lacks_is_no_fault_of_the_token(void **state)
{
    (void)state;
    assert_lack_is_told(secret, mint(secret, HS256, CLAIMS), TOKEN_VERDICT_OK);
    assert_lack_is_told(secret, mint(other_secret, HS256, CLAIMS), TOKEN_VERDICT_BAD_SIGNATURE);
    assert_lack_is_told(public, mint(pair, EDDSA, CLAIMS), TOKEN_VERDICT_OK);
    struct bytes token = mint(pair, EDDSA, CLAIMS);
    uint8_t changed[TOKEN_BYTES_MAX];
    memcpy(changed, token.data, token.length);
    uint8_t *digit = &changed[token.length - 10];
    *digit = *digit == 'A' ? 'B' : 'A'; /* stays one of base64url */
    assert_lack_is_told(public, bytes_of(changed, token.length), TOKEN_VERDICT_BAD_SIGNATURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_of_the_rfc_is_good),
        cmocka_unit_test(the_signature_of_the_rfc_is_good),
        cmocka_unit_test(a_good_token_tells_its_claims),
        cmocka_unit_test(the_key_fixes_the_algorithm),
        cmocka_unit_test(a_token_without_signature_is_bad),
        cmocka_unit_test(claims_are_read_of_good_tokens_only),
        cmocka_unit_test(a_changed_token_is_never_good),
        cmocka_unit_test(memory_that_lacks_is_no_fault_of_the_token),
    };
    if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1)
        return 1;
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
