/* Checks UTF-8 byte by byte, with a fast path for ASCII, which nearly all bytes of games are. */
#include "proto/utf8.h"

#define HIGH_BITS 0x8080808080808080u

/* Sets what must follow a lead byte (Unicode 15, table 3-7). False: it is no lead byte. */
static bool begin_sequence(struct utf8_state *state, uint8_t lead)
{
    uint8_t lowest = 0x80;
    uint8_t highest = 0xBF;
    uint8_t left;

    if (lead >= 0xC2 && lead <= 0xDF) {
        left = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        left = 2;
        if (lead == 0xE0)
            lowest = 0xA0; /* lower bytes would make an overlong form */
        if (lead == 0xED)
            highest = 0x9F; /* higher bytes would make a surrogate */
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        left = 3;
        if (lead == 0xF0)
            lowest = 0x90;
        if (lead == 0xF4)
            highest = 0x8F; /* higher bytes would exceed U+10FFFF */
    } else {
        return false;
    }
    *state = (struct utf8_state){left, lowest, highest};
    return true;
}

static size_t skip_ascii(struct bytes part, size_t at)
{
    uint64_t words[4];
    while (part.length - at >= sizeof words) {
        memcpy(words, part.data + at, sizeof words);
        if (((words[0] | words[1] | words[2] | words[3]) & HIGH_BITS) != 0)
            break;
        at += sizeof words;
    }
    while (part.length - at >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, part.data + at, sizeof word);
        if ((word & HIGH_BITS) != 0)
            break;
        at += sizeof word;
    }
    while (at < part.length && part.data[at] < 0x80)
        at++;
    return at;
}

bool utf8_feed(struct utf8_state *state, struct bytes part)
{
    size_t at = 0;
    while (at < part.length) {
        if (state->continuation_bytes_left == 0) {
            at = skip_ascii(part, at);
            if (at == part.length)
                return true;
            if (!begin_sequence(state, part.data[at++]))
                return false;
            continue;
        }
        uint8_t byte = part.data[at++];
        if (byte < state->next_lowest || byte > state->next_highest)
            return false;
        state->continuation_bytes_left--;
        state->next_lowest = 0x80;
        state->next_highest = 0xBF;
    }
    return true;
}

bool utf8_is_valid(struct bytes text)
{
    struct utf8_state state = {0};
    return utf8_feed(&state, text) && utf8_is_complete(&state);
}

size_t utf8_encode(uint8_t *out, uint32_t code_point)
{
    if (code_point < 0x80) {
        out[0] = (uint8_t)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (uint8_t)(0xC0 | code_point >> 6);
        out[1] = (uint8_t)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code_point >> 12);
        out[1] = (uint8_t)(0x80 | (code_point >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code_point >> 18);
    out[1] = (uint8_t)(0x80 | (code_point >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code_point >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code_point & 0x3F));
    return 4;
}
