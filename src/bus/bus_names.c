#include "bus/bus_names.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool bus_cluster_is_valid(const char *cluster)
{
    size_t length = strnlen(cluster, BUS_CLUSTER_MAX + 1);
    if (length == 0 || length > BUS_CLUSTER_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_letter_or_digit(cluster[i]) && cluster[i] != '-')
            return false;
    }
    return true;
}

/* Whether it is words with dots between them: so it has no wildcard, and no word is empty. */
static bool is_words(const char *text, size_t most)
{
    size_t length = strnlen(text, most + 1);
    bool is_within = false;
    if (length > most)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool is_dot = text[i] == '.';
        if ((is_dot && !is_within) ||
            (!is_dot && !is_letter_or_digit(text[i]) && text[i] != '-' && text[i] != '_'))
            return false;
        is_within = !is_dot;
    }
    return is_within;
}

bool bus_name_subject(const char *cluster, const char *subject, char ret_name[BUS_NAME_MAX])
{
    if (!is_words(subject, BUS_SUBJECT_MAX))
        return false;
    snprintf(ret_name, BUS_NAME_MAX, "party-sockets.%s.%s", cluster, subject);
    return true;
}

void bus_name_bucket(const char *cluster, const char *purpose, char ret_name[BUS_NAME_MAX])
{
    snprintf(ret_name, BUS_NAME_MAX, "party-sockets-%s-%s", cluster, purpose);
}

void bus_name_stream(const char *bucket, char ret_name[BUS_NAME_MAX])
{
    snprintf(ret_name, BUS_NAME_MAX, "KV_%s", bucket);
}

bool bus_name_key(const char *bucket, const char *key, char ret_name[BUS_NAME_MAX])
{
    if (!is_words(key, BUS_KEY_MAX))
        return false;
    snprintf(ret_name, BUS_NAME_MAX, "$KV.%s.%s", bucket, key);
    return true;
}
