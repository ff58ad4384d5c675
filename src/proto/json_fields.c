#include "proto/json_fields.h"

uint32_t json_field_find(const char *const *names, uint32_t count, const struct json_value *key)
{
    /* Most names begin otherwise, and are not looked at any further. */
    uint8_t first = key->raw.data[1];
    uint32_t field = 0;
    while (field < count && ((first != (uint8_t)names[field][0] && !key->has_escapes) ||
                             !json_string_equals(key, bytes_of_string(names[field]))))
        field++;
    return field;
}

enum json_next json_fields_read(struct bytes text, const char *const *names, uint32_t count,
                                struct json_value *ret_values, size_t *ret_unknown_length,
                                bool *ret_is_object)
{
    struct json_walk walk;
    struct json_value key;
    struct json_value value;
    enum json_next next;
    *ret_unknown_length = 0;
    for (uint32_t i = 0; i < count; i++)
        ret_values[i] = (struct json_value){0};
    json_walk_begin(&walk, text);
    while ((next = json_walk_next(&walk, &key, &value)) == JSON_NEXT_MEMBER) {
        uint32_t field = json_field_find(names, count, &key);
        if (field < count)
            ret_values[field] = value;
        else
            *ret_unknown_length += key.raw.length + value.raw.length + sizeof ",:" - 1;
    }
    *ret_is_object = walk.is_object;
    return next;
}
