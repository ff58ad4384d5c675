/* Keys of tokens: which files are one, known signatures, and replacing the key in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/sandbox.h"
#include "net/token_key.h"

static char path[] = "/tmp/token-key-test-XXXXXX";
static char why[256];

/* RFC 8037 A.2 and RFC 7515 A.1, in which it is `k`. */
static const uint8_t public_bytes[32] = {
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
static const uint8_t secret_bytes[64] = {
    3,   35,  53, 75,  43,  15, 165, 188, 131, 126, 6,   101, 119, 123, 166, 143,
    90,  179, 40, 230, 240, 84, 201, 40,  169, 15,  132, 178, 210, 80,  46,  191,
    211, 251, 90, 146, 210, 6,  71,  239, 150, 138, 180, 195, 119, 98,  61,  34,
    61,  46,  33, 114, 5,   46, 79,  8,   192, 205, 154, 245, 103, 208, 128, 163};

static void write_file(struct bytes text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.length, file), text.length);
    fclose(file);
}

/* Reads a key of this file; the key's algorithm, or the sentence that says what is wrong. */
static const char *outcome(struct bytes text)
{
    struct token_key key;
    static char algorithm[8];
    write_file(text);
    if (!token_key_of_file(path, &key, why, sizeof why)) {
        assert_non_null(strstr(why, path));
        return why;
    }
    struct bytes name = token_key_algorithm(key);
    snprintf(algorithm, sizeof algorithm, "%.*s", (int)name.length, (const char *)name.data);
    token_key_release(key);
    return algorithm;
}

static void assert_fault(struct bytes text, const char *fault)
{
    const char *said = outcome(text);
    if (strstr(said, fault) == NULL)
        fail_msg("'%s' instead of '%s'", said, fault);
}

/* Writes a key in PEM; returns its length. `wants_private`: with what signs. */
static size_t write_pem(EVP_PKEY *key, bool wants_private, char *out, size_t capacity)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_non_null(key);
    assert_int_equal(wants_private ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                                   : PEM_write_bio_PUBKEY(bio, key),
                     1);
    int length = BIO_read(bio, out, (int)capacity);
    assert_true(length > 0 && length < (int)capacity);
    BIO_free(bio);
    return (size_t)length;
}

static EVP_PKEY *known_public_key(void)
{
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_bytes, sizeof public_bytes);
}

static void a_secret_is_a_line_of_32_characters(void **state)
{
    (void)state;
    assert_string_equal(outcome(BYTES("0123456789abcdef0123456789abcdef")), "HS256");
    assert_string_equal(outcome(BYTES("0123456789abcdef0123456789abcdef\n")), "HS256");
    assert_string_equal(outcome(BYTES("0123456789abcdef0123456789abcdef\r\n")), "HS256");
    assert_string_equal(outcome(BYTES("!~-_+/=*0123456789abcdef01234567")), "HS256");
    assert_fault(BYTES(""), "at least 32");
    assert_fault(BYTES("\n"), "at least 32");
    assert_fault(BYTES("0123456789abcdef0123456789abcde"), "at least 32");
    assert_fault(BYTES("0123456789abcdef0123456789abcde\r\n"), "at least 32");
    assert_fault(BYTES("0123456789abcdef0123456789abcdef "), "neither");
    assert_fault(BYTES("0123456789abcdef0123456789abcdef\n\n"), "neither");
    assert_fault(BYTES("0123456789abcdef\n0123456789abcdef\n"), "neither");
    assert_fault(BYTES("0123456789abcdef\0000123456789abcdef"), "neither");
    assert_fault(BYTES("0123456789abcdef0123456789abcde\x7F"), "neither");
    assert_fault(BYTES("0123456789abcdef0123456789abcd\xC3\xA9"), "neither");
}

static void a_secret_has_a_longest_file(void **state)
{
    char text[TOKEN_KEY_FILE_BYTES_MAX + 1];
    (void)state;
    memset(text, 'a', sizeof text);
    assert_string_equal(outcome(bytes_of(text, TOKEN_KEY_FILE_BYTES_MAX)), "HS256");
    assert_fault(bytes_of(text, TOKEN_KEY_FILE_BYTES_MAX + 1), "too long");
}

/* Whoever has the public key could sign if it were taken for a secret. */
static void a_public_key_of_another_form_is_no_secret(void **state)
{
    uint8_t der[64];
    uint8_t *end = der;
    (void)state;
    EVP_PKEY *key = known_public_key();
    int length = i2d_PUBKEY(key, &end);
    EVP_PKEY_free(key);
    assert_int_equal(length, 44);
    assert_fault(bytes_of(der, (size_t)length), "neither");
    assert_fault(BYTES("{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                       "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
                 "neither");
    assert_fault(BYTES("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz"),
                 "neither");
}

static void a_pem_file_has_a_public_key_of_ed25519(void **state)
{
    static const struct {
        const char *type;
        const char *group;
    } others[] = {{"ED448", NULL}, {"X25519", NULL}, {"EC", "P-256"}};
    char text[2048] = "A key:\n";
    (void)state;
    EVP_PKEY *key = known_public_key();
    size_t length = write_pem(key, false, text + 7, sizeof text - 7);
    EVP_PKEY_free(key);
    assert_string_equal(outcome(bytes_of(text + 7, length)), "EdDSA");
    assert_string_equal(outcome(bytes_of(text, length + 7)), "EdDSA");
    assert_string_equal(outcome(bytes_of(text + 7, length - 1)), "EdDSA");
    assert_fault(bytes_of(text + 7, length - 30), "no public key of Ed25519");
    text[7 + 40] = '!';
    assert_fault(bytes_of(text + 7, length), "no public key of Ed25519");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, others[i].type, others[i].group);
        length = write_pem(key, false, text, sizeof text);
        EVP_PKEY_free(key);
        assert_fault(bytes_of(text, length), "no public key of Ed25519");
    }
    key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    length = write_pem(key, false, text, sizeof text);
    EVP_PKEY_free(key);
    assert_fault(bytes_of(text, length), "no public key of Ed25519");
    assert_fault(BYTES("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                 "no public key of Ed25519");
}

static void a_private_key_is_refused(void **state)
{
    char text[2048];
    (void)state;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    size_t length = write_pem(key, true, text, sizeof text);
    assert_fault(bytes_of(text, length), "private key");
    length += write_pem(key, false, text + length, sizeof text - length);
    assert_fault(bytes_of(text, length), "private key");
    EVP_PKEY_free(key);
}

static void a_file_that_is_not_there_is_told(void **state)
{
    struct token_key key;
    (void)state;
    assert_false(token_key_of_file("/no/such/key", &key, why, sizeof why));
    assert_string_equal(why, "can't use token key /no/such/key: No such file or directory");
    assert_false(token_key_of_file("/", &key, why, sizeof why));
    assert_string_equal(why, "can't use token key /: Is a directory");
    assert_null(token_keys_new("/no/such/key", why, sizeof why));
}

/* RFC 7515 A.1 and RFC 8037 A.4. */
static const struct known {
    const char *text;
    uint8_t signature[64];
    size_t signature_length;
} known_mac =
    {"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0"
     "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
     {116, 24,  223, 180, 151, 153, 224, 37,  79, 250, 96, 125, 216, 173, 187, 186,
      22,  212, 37,  77,  105, 214, 191, 240, 91, 88,  5,  88,  83,  132, 141, 121},
     32},
  known_signature = {"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
                     {0x86, 0x0c, 0x98, 0xd2, 0x29, 0x7f, 0x30, 0x60, 0xa3, 0x3f, 0x42, 0x73, 0x96,
                      0x72, 0xd6, 0x1b, 0x53, 0xcf, 0x3a, 0xde, 0xfe, 0xd3, 0xd3, 0xc6, 0x72, 0xf3,
                      0x20, 0xdc, 0x02, 0x1b, 0x41, 0x1e, 0x9d, 0x59, 0xb8, 0x62, 0x8d, 0xc3, 0x51,
                      0xe2, 0x48, 0xb8, 0x8b, 0x29, 0x46, 0x8e, 0x0e, 0x41, 0x85, 0x5b, 0x0f, 0xb7,
                      0xd8, 0x3b, 0xb1, 0x5b, 0xe9, 0x02, 0xbf, 0xcc, 0xb8, 0xcd, 0x0a, 0x02},
                     64};

static enum signature_verdict check(struct token_key key, const struct known *known, size_t length)
{
    return token_key_check(key, bytes_of_string(known->text), bytes_of(known->signature, length));
}

static void assert_known(struct token_key key, const struct known *known)
{
    struct known changed = *known;
    assert_int_equal(check(key, known, known->signature_length), SIGNATURE_GOOD);
    for (size_t length = 0; length <= sizeof known->signature; length++) {
        if (length != known->signature_length)
            assert_int_equal(check(key, known, length), SIGNATURE_BAD);
    }
    for (size_t bit = 0; bit < known->signature_length * 8; bit++) {
        changed.signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(check(key, &changed, known->signature_length), SIGNATURE_BAD);
        changed.signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    changed.text = "another text";
    assert_int_equal(check(key, &changed, known->signature_length), SIGNATURE_BAD);
}

static void known_signatures_are_good_and_others_are_not(void **state)
{
    struct token_key secret;
    struct token_key public = {known_public_key(), false};
    (void)state;
    assert_true(token_key_of_secret(bytes_of(secret_bytes, sizeof secret_bytes), &secret));
    assert_known(secret, &known_mac);
    assert_known(public, &known_signature);
    token_key_release(secret);
    token_key_release(public);
}

static void write_secret(char digit)
{
    char text[40];
    memset(text, digit, sizeof text);
    write_file(bytes_of(text, sizeof text));
}

static void the_key_in_use_is_replaced_by_a_good_one_only(void **state)
{
    char text[2048];
    (void)state;
    write_secret('a');
    struct token_keys *keys = token_keys_new(path, why, sizeof why);
    assert_non_null(keys);
    struct token_key first = token_keys_hold(keys);

    write_file(BYTES("too short"));
    assert_false(token_keys_reload(keys, why, sizeof why));
    assert_non_null(strstr(why, path));
    struct token_key still = token_keys_hold(keys);
    assert_ptr_equal(still.key, first.key);
    token_key_release(still);

    EVP_PKEY *key = known_public_key();
    write_file(bytes_of(text, write_pem(key, false, text, sizeof text)));
    EVP_PKEY_free(key);
    assert_true(token_keys_reload(keys, why, sizeof why));
    struct token_key second = token_keys_hold(keys);
    token_keys_free(keys);

    /* References outlive the key's time in use, and the holder. */
    assert_true(bytes_equal(token_key_algorithm(first), BYTES("HS256")));
    assert_int_equal(check(first, &known_mac, 32), SIGNATURE_BAD);
    assert_int_equal(check(second, &known_signature, 64), SIGNATURE_GOOD);
    token_key_release(first);
    token_key_release(second);
}

/* What a thread found that has given up what a loop gives up. */
struct confined {
    struct token_key keys[2];
    bool is_confined;
    enum signature_verdict verdicts[2];
};

static void *check_in_sandbox(void *argument)
{
    struct confined *confined = argument;
    confined->is_confined = sandbox_enter();
    confined->verdicts[0] = check(confined->keys[0], &known_mac, 32);
    confined->verdicts[1] = check(confined->keys[1], &known_signature, 64);
    return NULL;
}

static void signatures_are_checked_in_the_sandbox(void **state)
{
    struct confined confined = {.keys[1] = {known_public_key(), false}};
    pthread_t thread;
    (void)state;
    assert_true(
        token_key_of_secret(bytes_of(secret_bytes, sizeof secret_bytes), &confined.keys[0]));
    sandbox_init();
    assert_int_equal(pthread_create(&thread, NULL, check_in_sandbox, &confined), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    token_key_release(confined.keys[0]);
    token_key_release(confined.keys[1]);
    if (!confined.is_confined)
        skip();
    assert_int_equal(confined.verdicts[0], SIGNATURE_GOOD);
    assert_int_equal(confined.verdicts[1], SIGNATURE_GOOD);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_a_line_of_32_characters),
        cmocka_unit_test(a_secret_has_a_longest_file),
        cmocka_unit_test(a_public_key_of_another_form_is_no_secret),
        cmocka_unit_test(a_pem_file_has_a_public_key_of_ed25519),
        cmocka_unit_test(a_private_key_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_told),
        cmocka_unit_test(known_signatures_are_good_and_others_are_not),
        cmocka_unit_test(the_key_in_use_is_replaced_by_a_good_one_only),
        cmocka_unit_test(signatures_are_checked_in_the_sandbox),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
