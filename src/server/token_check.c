/* Puts together what proto/token knows of tokens and net/token_key of signatures. */
#include "server/token_check.h"

enum token_verdict token_check(struct token_key key, struct bytes token, int64_t now_s,
                               struct token_claims *ret_claims)
{
    struct token_parts parts;
    enum token_verdict verdict = token_open(token, token_key_algorithm(key), &parts);
    if (verdict != TOKEN_VERDICT_OK)
        return verdict;
    struct bytes signature = bytes_of(parts.signature, parts.signature_length);
    switch (token_key_check(key, parts.signed_text, signature)) {
    case SIGNATURE_GOOD:
        return token_read_claims(parts.payload, now_s, ret_claims);
    case SIGNATURE_BAD:
        return TOKEN_VERDICT_BAD_SIGNATURE;
    default:
        return TOKEN_VERDICT_NO_MEMORY;
    }
}
