/* Lists of entity tags. A tag may contain commas, so http_list_next() can't split such a list. */
#include "proto/http_etag.h"

static void skip(struct bytes *text, size_t count)
{
    text->data += count;
    text->length -= count;
}

/* Skips commas and white space before an element (RFC 9110 5.6.1: elements may be empty). */
static void skip_to_element(struct bytes *list)
{
    while (list->length > 0 && memchr(", \t", list->data[0], 3) != NULL)
        skip(list, 1);
}

/* Takes the first tag off the list, without the mark of a weak one. False: there is none. */
static bool take_tag(struct bytes *list, struct bytes *ret_tag)
{
    if (list->length >= 2 && memcmp(list->data, "W/", 2) == 0)
        skip(list, 2);
    if (list->length < 2 || list->data[0] != '"')
        return false;
    const uint8_t *end = memchr(list->data + 1, '"', list->length - 1);
    if (end == NULL)
        return false;
    *ret_tag = bytes_of(list->data, (size_t)(end - list->data) + 1);
    skip(list, ret_tag->length);
    return true;
}

bool http_etag_is_listed(struct bytes if_none_match, struct bytes etag)
{
    struct bytes tag;
    if (bytes_equal(if_none_match, BYTES("*")))
        return true;
    for (skip_to_element(&if_none_match); take_tag(&if_none_match, &tag);
         skip_to_element(&if_none_match)) {
        if (bytes_equal(tag, etag))
            return true;
    }
    return false;
}
