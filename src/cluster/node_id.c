#include "cluster/node_id.h"

static bool is_of_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool node_id_set(struct node_id *id, struct bytes name, uint64_t incarnation)
{
    *id = (struct node_id){.incarnation = incarnation};
    if (name.length == 0 || name.length > NODE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        if (!is_of_name(name.data[i]))
            return false;
    }
    memcpy(id->name, name.data, name.length);
    return true;
}

static bool read_digit(uint8_t c, uint64_t *number)
{
    bool is_decimal = c >= '0' && c <= '9';
    if (!is_decimal && (c < 'a' || c > 'f'))
        return false;
    *number = *number << 4 | (uint64_t)(is_decimal ? c - '0' : c - 'a' + 10);
    return true;
}

bool node_id_read(struct bytes text, struct node_id *ret_id)
{
    uint64_t incarnation = 0;
    if (text.length < NODE_ID_DIGITS + 2 || text.length > NODE_ID_TEXT_MAX)
        return false;
    size_t name_length = text.length - NODE_ID_DIGITS - 1;
    if (text.data[name_length] != '.')
        return false;
    for (size_t i = name_length + 1; i < text.length; i++) {
        if (!read_digit(text.data[i], &incarnation))
            return false;
    }
    return node_id_set(ret_id, bytes_of(text.data, name_length), incarnation);
}

bool node_id_read_json(const struct json_value *value, struct node_id *ret_id)
{
    uint8_t text[NODE_ID_TEXT_MAX];
    size_t length;
    return value->kind == JSON_STRING && json_string_decode(value, text, sizeof text, &length) &&
           node_id_read(bytes_of(text, length), ret_id);
}

void node_id_write(struct writer *writer, const struct node_id *id)
{
    static const char digits[] = "0123456789abcdef";
    writer_put_string(writer, id->name);
    writer_put_byte(writer, '.');
    for (uint32_t i = 0; i < NODE_ID_DIGITS; i++)
        writer_put_byte(writer, (uint8_t)digits[id->incarnation >> (60 - 4 * i) & 15]);
}

int node_id_compare(const struct node_id *a, const struct node_id *b)
{
    int order = strcmp(a->name, b->name);
    if (order != 0)
        return order;
    return (a->incarnation > b->incarnation) - (a->incarnation < b->incarnation);
}
