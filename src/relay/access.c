/* A room's password, and its outcasts. */
#include "relay/access.h"

#include <stdlib.h>

#include <nettle/memops.h>
#include <nettle/sha2.h>

/* Epochs of one seat, more than it can have: no other seat's are so near. */
#define EPOCHS_MAX (1u << 20)

struct access *access_new(void)
{
    return calloc(1, sizeof(struct access));
}

void access_free(struct access *access)
{
    if (access == NULL)
        return;
    free(access->kicked.items);
    free(access->banned.items);
    free(access);
}

bool access_cast_out(struct outcasts *outcasts, struct outcast outcast)
{
    if (outcasts->count == BANS_MAX) {
        outcasts->items[outcasts->first] = outcast;
        outcasts->first = (outcasts->first + 1) % BANS_MAX;
        return true;
    }
    if ((outcasts->count & (outcasts->count - 1)) == 0) { /* 0 or a power of 2: the array is full */
        uint32_t capacity = outcasts->count == 0 ? 1 : 2 * outcasts->count;
        struct outcast *items = realloc(outcasts->items, capacity * sizeof *items);
        if (items == NULL)
            return false;
        outcasts->items = items;
    }
    outcasts->items[outcasts->count++] = outcast;
    return true;
}

bool access_was_kicked(const struct access *access, uint64_t epoch)
{
    uint32_t count = access == NULL || epoch == 0 ? 0 : access->kicked.count;
    for (uint32_t i = 0; i < count; i++) {
        /* An epoch that the seat had before counts, too: its client may know no newer one. */
        if (access->kicked.items[i].epoch - epoch < EPOCHS_MAX)
            return true;
    }
    return false;
}

bool access_is_banned(const struct access *access, uint64_t id_hash)
{
    uint32_t count = access == NULL ? 0 : access->banned.count;
    for (uint32_t i = 0; i < count; i++) {
        if (access->banned.items[i].id_hash == id_hash)
            return true;
    }
    return false;
}

bool access_has_password(const struct access *access)
{
    return access != NULL && access->has_password;
}

static void digest_password(struct bytes password, const uint8_t salt[PASSWORD_SALT_BYTES],
                            uint8_t ret_digest[PASSWORD_DIGEST_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, PASSWORD_SALT_BYTES, salt);
    sha256_update(&context, password.length, password.data);
    sha256_digest(&context, PASSWORD_DIGEST_BYTES, ret_digest);
}

void access_set_password(struct access *access, struct bytes password, const uint8_t *salt)
{
    access->has_password = password.length > 0;
    if (!access->has_password)
        return;
    memcpy(access->salt, salt, PASSWORD_SALT_BYTES);
    digest_password(password, access->salt, access->digest);
}

bool access_is_password(const struct access *access, struct bytes password)
{
    uint8_t digest[PASSWORD_DIGEST_BYTES];
    if (!access_has_password(access))
        return false;
    digest_password(password, access->salt, digest);
    return memeql_sec(digest, access->digest, sizeof digest);
}
