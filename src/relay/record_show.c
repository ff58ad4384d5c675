/*
 * Shows a record without its secrets. Each field that is shown is named here: what this version
 * does not know may be a secret, and stays out.
 */
#include <stdlib.h>

#include "relay/record_parts.h"

/* A member, of whom the clientId is left out. */
struct shown_member {
    uint32_t index;
    struct record_object fields;
};

/* Writes a field as it stands in the record, if it has this kind. */
static void show_field(struct writer *writer, const struct record_object *object, uint32_t field,
                       bool is_shown)
{
    if (!is_shown)
        return;
    WRITER_PUT(writer, ",\"");
    writer_put_string(writer, object->names[field]);
    WRITER_PUT(writer, "\":");
    writer_put(writer, object->values[field].raw);
}

static void show_number(struct writer *writer, const struct record_object *object, uint32_t field)
{
    show_field(writer, object, field, object->values[field].kind == JSON_NUMBER);
}

static void show_flag(struct writer *writer, const struct record_object *object, uint32_t field)
{
    enum json_kind kind = object->values[field].kind;
    show_field(writer, object, field, kind == JSON_TRUE || kind == JSON_FALSE);
}

/* The link up to its query or fragment, or nothing of it if it has a user: these may be secrets. */
static void show_url(struct writer *writer, const struct json_value *url)
{
    if (url->kind != JSON_STRING || memchr(url->raw.data, '@', url->raw.length) != NULL)
        return;
    size_t length = 1;
    while (length + 1 < url->raw.length && memchr("?#", url->raw.data[length], 2) == NULL)
        length++;
    WRITER_PUT(writer, ",\"url\":");
    writer_put(writer, bytes_of(url->raw.data, length));
    writer_put_byte(writer, '"');
}

/* How many elements an array has. */
static void show_count(struct writer *writer, const char *before, const struct json_value *array)
{
    struct bytes rest = array->raw;
    struct json_value element;
    uint64_t count = 0;
    if (array->kind != JSON_ARRAY)
        return;
    while (json_array_next(&rest, &element))
        count++;
    writer_put_number(writer, before, count);
}

static void show_length(struct writer *writer, const char *before, const struct json_value *value)
{
    if (value->kind != JSON_ABSENT)
        writer_put_number(writer, before, value->raw.length);
}

static void show_settings(struct writer *writer, const struct record_object *record)
{
    const struct json_value *values = record->values;
    show_number(writer, record, RECORD_FIELD_MAX_CLIENTS);
    show_number(writer, record, RECORD_FIELD_NEXT_INDEX);
    show_field(writer, record, RECORD_FIELD_HOST,
               values[RECORD_FIELD_HOST].kind == JSON_NUMBER ||
                   values[RECORD_FIELD_HOST].kind == JSON_NULL);
    show_url(writer, &values[RECORD_FIELD_URL]);
    show_number(writer, record, RECORD_FIELD_HOLD);
    show_field(writer, record, RECORD_FIELD_ON_HOST_LEFT,
               values[RECORD_FIELD_ON_HOST_LEFT].kind == JSON_STRING);
    show_flag(writer, record, RECORD_FIELD_LOCKED);
    show_number(writer, record, RECORD_FIELD_MAX_AUDIENCE);
    show_flag(writer, record, RECORD_FIELD_AUDIENCE_MUTED);
    show_flag(writer, record, RECORD_FIELD_CREATOR_KNOWN);
    if (values[RECORD_FIELD_PASSWORD].kind != JSON_ABSENT)
        WRITER_PUT(writer, ",\"hasPassword\":true");
    show_count(writer, ",\"kickedCount\":", &values[RECORD_FIELD_KICKED]);
    show_count(writer, ",\"bannedCount\":", &values[RECORD_FIELD_BANNED]);
}

static int compare_indices(const void *a, const void *b)
{
    const struct shown_member *first = a;
    const struct shown_member *second = b;
    return (first->index > second->index) - (first->index < second->index);
}

static bool read_member(const struct json_value *value, struct shown_member *ret_member,
                        struct record_fault *ret_fault)
{
    uint64_t index;
    if (!record_read_object(value, record_member_names, RECORD_MEMBER_FIELDS, &ret_member->fields))
        return record_fail(ret_fault, RECORD_FIELD_WRONG, "members");
    if (!record_need_whole(&ret_member->fields, RECORD_MEMBER_INDEX, UINT32_MAX, &index, ret_fault))
        return false;
    ret_member->index = (uint32_t)index;
    return true;
}

static void show_member(struct writer *writer, const struct record_object *member)
{
    WRITER_PUT(writer, "{\"index\":");
    writer_put(writer, member->values[RECORD_MEMBER_INDEX].raw);
    show_flag(writer, member, RECORD_MEMBER_HERE);
    show_number(writer, member, RECORD_MEMBER_HOLD_LEFT);
    show_number(writer, member, RECORD_MEMBER_STAYED);
    show_number(writer, member, RECORD_MEMBER_CUT_OFF);
    writer_put_byte(writer, '}');
}

/* By index: the record has them by clientId. */
static bool show_members(struct writer *writer, const struct json_value *array,
                         struct record_fault *ret_fault)
{
    struct bytes rest = array->raw;
    struct json_value element;
    size_t count = 0;
    size_t read = 0;
    while (json_array_next(&rest, &element))
        count++;
    struct shown_member *members = calloc(count + 1, sizeof *members);
    if (members == NULL)
        return record_fail(ret_fault, RECORD_NO_MEMORY, NULL);
    rest = array->raw;
    while (json_array_next(&rest, &element) && read_member(&element, &members[read], ret_fault))
        read++;
    qsort(members, read, sizeof *members, compare_indices);
    WRITER_PUT(writer, ",\"members\":[");
    for (size_t i = 0; i < read; i++) {
        if (i > 0)
            writer_put_byte(writer, ',');
        show_member(writer, &members[i].fields);
    }
    writer_put_byte(writer, ']');
    free(members);
    return read == count;
}

bool record_show(struct writer *writer, struct bytes text, struct record_fault *ret_fault)
{
    struct record_object record;
    uint64_t code;
    if (!record_read(text, &record, ret_fault) || !record_need_code(&record, &code, ret_fault) ||
        !record_need_kind(&record, RECORD_FIELD_PROTOCOL, JSON_NUMBER, ret_fault) ||
        !record_need_kind(&record, RECORD_FIELD_MEMBERS, JSON_ARRAY, ret_fault))
        return false;
    WRITER_PUT(writer, "{\"code\":");
    writer_put(writer, record.values[RECORD_FIELD_CODE].raw);
    show_number(writer, &record, RECORD_FIELD_PROTOCOL);
    show_settings(writer, &record);
    if (!show_members(writer, &record.values[RECORD_FIELD_MEMBERS], ret_fault))
        return false;
    show_length(writer, ",\"stateBytes\":", &record.values[RECORD_FIELD_STATE]);
    show_length(writer, ",\"privateStateBytes\":", &record.values[RECORD_FIELD_PRIVATE_STATE]);
    writer_put_flag(writer,
                    ",\"hasMoment\":", record.values[RECORD_FIELD_MOMENT].kind != JSON_ABSENT);
    writer_put_number(writer, ",\"recordBytes\":", text.length);
    writer_put_byte(writer, '}');
    return true;
}
