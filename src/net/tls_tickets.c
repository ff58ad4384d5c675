/* Keeps two keys, and encrypts with the newer one. */
#include "net/tls_tickets.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

void ticket_keys_init(struct ticket_keys *keys)
{
    memset(keys, 0, sizeof *keys);
    pthread_mutex_init(&keys->lock, NULL);
}

void ticket_keys_release(struct ticket_keys *keys)
{
    pthread_mutex_destroy(&keys->lock);
    OPENSSL_cleanse(keys, sizeof *keys);
}

/* Call it under the lock. After a long time without calls neither key may be used any more. */
static void expire(struct ticket_keys *keys, uint64_t now_s)
{
    uint64_t age_s = now_s - keys->since_s;
    if (age_s < TICKET_KEY_SECONDS)
        return;
    keys->previous = keys->newest;
    keys->has_previous = keys->has_newest && age_s < 2 * TICKET_KEY_SECONDS;
    keys->has_newest = false;
    keys->since_s += age_s / TICKET_KEY_SECONDS * TICKET_KEY_SECONDS;
}

static bool make(struct ticket_keys *keys, uint64_t now_s)
{
    struct ticket_key key;
    /*
     * Only the first key's age counts from its creation. A later key replaces one at the end of its
     * period.
     */
    bool is_first = !keys->has_previous;
    if (RAND_bytes((unsigned char *)&key, sizeof key) != 1)
        return false;
    keys->newest = key;
    keys->has_newest = true;
    if (is_first)
        keys->since_s = now_s;
    OPENSSL_cleanse(&key, sizeof key);
    return true;
}

bool ticket_keys_newest(struct ticket_keys *keys, uint64_t now_s, struct ticket_key *ret_key)
{
    pthread_mutex_lock(&keys->lock);
    expire(keys, now_s);
    bool is_there = keys->has_newest || make(keys, now_s);
    if (is_there)
        *ret_key = keys->newest;
    pthread_mutex_unlock(&keys->lock);
    return is_there;
}

static bool is_named(const struct ticket_key *key, const uint8_t *name)
{
    return memcmp(key->name, name, sizeof key->name) == 0;
}

bool ticket_keys_find(struct ticket_keys *keys, const uint8_t name[TICKET_NAME_BYTES],
                      uint64_t now_s, struct ticket_key *ret_key)
{
    pthread_mutex_lock(&keys->lock);
    expire(keys, now_s);
    const struct ticket_key *found = NULL;
    if (keys->has_newest && is_named(&keys->newest, name))
        found = &keys->newest;
    else if (keys->has_previous && is_named(&keys->previous, name))
        found = &keys->previous;
    if (found != NULL)
        *ret_key = *found;
    pthread_mutex_unlock(&keys->lock);
    return found != NULL;
}

void ticket_keys_save(struct ticket_keys *keys, struct ticket_keys_copy *ret_copy)
{
    pthread_mutex_lock(&keys->lock);
    ret_copy->newest = keys->newest;
    ret_copy->previous = keys->previous;
    memcpy(ret_copy->since_s, &keys->since_s, sizeof keys->since_s);
    ret_copy->has_newest = keys->has_newest;
    ret_copy->has_previous = keys->has_previous;
    pthread_mutex_unlock(&keys->lock);
}

void ticket_keys_restore(struct ticket_keys *keys, const struct ticket_keys_copy *copy)
{
    pthread_mutex_lock(&keys->lock);
    keys->newest = copy->newest;
    keys->previous = copy->previous;
    memcpy(&keys->since_s, copy->since_s, sizeof keys->since_s);
    keys->has_newest = copy->has_newest != 0;
    keys->has_previous = copy->has_previous != 0;
    pthread_mutex_unlock(&keys->lock);
}
