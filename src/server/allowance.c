/* Tokens, which connections earn with time, and what is left of the share of a turn. */
#include "server/allowance.h"

#include "server/admission.h"

#define FRAME_TOKENS 1000 /* tokens are thousandths of a frame */
#define FRAME_BURST_SECONDS 2
#define BYTE_BURST_SECONDS 8

/* The most tokens for bytes that a connection may have. */
static int32_t byte_burst(const struct loop *loop)
{
    return (int32_t)(loop->server->config->byte_rate_max * BYTE_BURST_SECONDS);
}

void allowance_fill(struct loop *loop, struct conn *conn)
{
    conn->rate_tokens =
        (uint32_t)loop->server->config->message_rate_max * FRAME_BURST_SECONDS * FRAME_TOKENS;
    conn->byte_tokens = byte_burst(loop);
    conn->rate_filled_ms = loop->now_ms;
}

/* Adds the tokens that the connection has earned since the last call. */
static void earn_tokens(struct loop *loop, struct conn *conn)
{
    const struct config *config = loop->server->config;
    uint64_t elapsed_ms = loop->now_ms - conn->rate_filled_ms;
    /* For each frame a second, a connection earns a thousandth of a frame in a millisecond. */
    uint64_t burst = config->message_rate_max * FRAME_BURST_SECONDS * FRAME_TOKENS;
    uint64_t tokens = conn->rate_tokens + elapsed_ms * config->message_rate_max;
    conn->rate_tokens = (uint32_t)(tokens < burst ? tokens : burst);
    uint64_t bytes_missing = (uint64_t)((int64_t)byte_burst(loop) - conn->byte_tokens);
    uint64_t bytes =
        elapsed_ms * ((config->byte_rate_max + 999) / 1000); /* rounded up to whole bytes */
    conn->byte_tokens += (int32_t)(bytes < bytes_missing ? bytes : bytes_missing);
    conn->rate_filled_ms = loop->now_ms;
}

/* Frames that may be read now: as many as the rate allows, and at most those left of the share. */
static uint32_t count_allowed_frames(const struct loop *loop, const struct conn *conn)
{
    if (loop->server->config->message_rate_max == 0)
        return loop->share_left;
    uint32_t frames = conn->rate_tokens / FRAME_TOKENS;
    return frames < loop->share_left ? frames : loop->share_left;
}

bool allowance_lets_join(struct loop *loop, const struct conn *conn)
{
    return conn->seat != NULL || conn->is_away || admission_may_spend(loop, conn->subnet);
}

void allowance_inherit(struct loop *loop, struct conn *heir, struct conn *from)
{
    earn_tokens(loop, heir);
    earn_tokens(loop, from);
    if (from->rate_tokens < heir->rate_tokens)
        heir->rate_tokens = from->rate_tokens;
    if (from->byte_tokens < heir->byte_tokens)
        heir->byte_tokens = from->byte_tokens;
}

bool allowance_lets_resume(struct loop *loop, struct conn *conn)
{
    const struct config *config = loop->server->config;
    if (conn->input == NULL)
        return true;
    earn_tokens(loop, conn);
    if (!allowance_lets_join(loop, conn))
        return false;
    bool has_frames = config->message_rate_max == 0 || conn->rate_tokens >= FRAME_TOKENS;
    bool has_bytes = config->byte_rate_max == 0 ||
                     !ws_reader_waits_for_bytes(&conn->input->reader, conn->byte_tokens);
    return has_frames && has_bytes;
}

void allowance_begin_share(struct loop *loop, const struct conn *conn)
{
    if (loop->share_owner == conn)
        return;
    loop->share_owner = conn;
    loop->share_left = FRAMES_PER_TURN;
    loop->share_bytes_left = READ_BYTES_PER_TURN;
    loop->share_end = loop->work + WORK_PER_TURN;
}

bool allowance_share_is_used_up(const struct loop *loop)
{
    return loop->share_left == 0 || loop->share_bytes_left == 0 || loop->work >= loop->share_end;
}

struct bytes_mut allowance_share_of(const struct loop *loop, struct bytes_mut in)
{
    if (in.length > loop->share_bytes_left)
        in.length = loop->share_bytes_left;
    return in;
}

void allowance_pay_for_bytes(struct loop *loop, struct bytes_mut *in, const struct bytes_mut *rest)
{
    size_t length = (size_t)(rest->data - in->data);
    loop->share_bytes_left -= (uint32_t)length;
    loop->work += 1 + length / 1024;
    bytes_mut_skip(in, length);
}

struct allowance allowance_give(struct loop *loop, struct conn *conn, struct ws_reader *reader)
{
    earn_tokens(loop, conn);
    bool is_bounded = loop->server->config->byte_rate_max > 0;
    struct allowance given = {
        .frames = count_allowed_frames(loop, conn),
        .bytes = is_bounded ? conn->byte_tokens : INT64_MAX,
    };
    reader->frames_left = given.frames;
    reader->bytes_at_once = is_bounded ? (uint32_t)byte_burst(loop) : 0;
    reader->bytes_left = given.bytes;
    return given;
}

void allowance_pay(struct loop *loop, struct conn *conn, struct allowance given,
                   const struct ws_reader *reader)
{
    uint32_t frames = given.frames - reader->frames_left;
    loop->share_left -= frames;
    uint32_t tokens = frames * FRAME_TOKENS;
    /* The connection may have inherited fewer tokens meanwhile than it was given. */
    if (loop->server->config->message_rate_max > 0)
        conn->rate_tokens = conn->rate_tokens > tokens ? conn->rate_tokens - tokens : 0;
    if (loop->server->config->byte_rate_max > 0)
        conn->byte_tokens -= (int32_t)(given.bytes - reader->bytes_left);
}
