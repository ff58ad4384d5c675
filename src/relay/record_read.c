/* Reads the fields of a record. record_restore.c makes a room of them. */
#include "proto/json_fields.h"
#include "proto/utf8.h"
#include "relay/record_parts.h"

#define FIELD_NAME(name, text) text,

static const char *const record_names[] = {FOR_EACH_RECORD_FIELD(FIELD_NAME)};
const char *const record_member_names[] = {FOR_EACH_RECORD_MEMBER_FIELD(FIELD_NAME)};

_Static_assert(ARRAY_LENGTH(record_member_names) <= RECORD_OBJECT_FIELDS_MAX,
               "a member is such an object");

#define ERROR_TEXT(name, text) [RECORD_##name] = (text),

const char *record_error_text(enum record_error error)
{
    static const char *const texts[] = {FOR_EACH_RECORD_ERROR(ERROR_TEXT)};
    return texts[error];
}

bool record_fail(struct record_fault *fault, enum record_error error, const char *field)
{
    *fault = (struct record_fault){error, field};
    return false;
}

/* Reads the fields of a text; the result is that of json_fields_read(). */
static enum json_next read_fields(struct bytes text, struct record_object *object,
                                  bool *ret_is_object)
{
    return json_fields_read(text, object->names, object->field_count, object->values,
                            &object->unknown_length, ret_is_object);
}

bool record_read_object(const struct json_value *value, const char *const *names,
                        uint32_t field_count, struct record_object *ret_object)
{
    bool is_object;
    *ret_object = (struct record_object){.names = names, .field_count = field_count};
    return value->kind == JSON_OBJECT &&
           read_fields(value->raw, ret_object, &is_object) == JSON_NEXT_END;
}

static bool check_version(const struct record_object *record, struct record_fault *ret_fault)
{
    uint64_t version;
    if (!record_need_whole(record, RECORD_FIELD_VERSION, COUNT_MAX, &version, ret_fault))
        return false;
    return version == RECORD_VERSION || record_fail(ret_fault, RECORD_UNKNOWN_VERSION, NULL);
}

bool record_read(struct bytes text, struct record_object *ret_record,
                 struct record_fault *ret_fault)
{
    bool is_object;
    *ret_record = (struct record_object){.names = record_names, .field_count = RECORD_FIELDS};
    if (text.length > RECORD_BYTES_MAX)
        return record_fail(ret_fault, RECORD_TOO_LONG, NULL);
    if (!utf8_is_valid(text))
        return record_fail(ret_fault, RECORD_NOT_JSON, NULL);
    if (read_fields(text, ret_record, &is_object) != JSON_NEXT_END)
        return record_fail(ret_fault, RECORD_NOT_JSON, NULL);
    if (!is_object)
        return record_fail(ret_fault, RECORD_NOT_AN_OBJECT, NULL);
    return check_version(ret_record, ret_fault);
}

void record_write_unknown(struct writer *writer, struct bytes text)
{
    struct json_walk walk;
    struct json_value key;
    struct json_value value;
    json_walk_begin(&walk, text);
    while (json_walk_next(&walk, &key, &value) == JSON_NEXT_MEMBER) {
        if (json_field_find(record_names, RECORD_FIELDS, &key) < RECORD_FIELDS)
            continue;
        writer_put_byte(writer, ',');
        writer_put(writer, key.raw);
        writer_put_byte(writer, ':');
        record_put_json(writer, value.raw);
    }
}

bool record_has_moment(struct bytes text)
{
    struct record_object record;
    struct record_fault fault;
    return record_read(text, &record, &fault) &&
           record.values[RECORD_FIELD_MOMENT].kind != JSON_ABSENT;
}

void record_copy_without_moment(struct writer *writer, struct bytes text)
{
    struct record_object record;
    struct record_fault fault;
    uint8_t before = '{';
    if (!record_read(text, &record, &fault))
        return;
    for (uint32_t field = 0; field < RECORD_FIELDS; field++) {
        if (field == RECORD_FIELD_MOMENT || record.values[field].kind == JSON_ABSENT)
            continue;
        writer_put_byte(writer, before);
        writer_put_byte(writer, '"');
        writer_put_string(writer, record_names[field]);
        WRITER_PUT(writer, "\":");
        writer_put(writer, record.values[field].raw);
        before = ',';
    }
    record_write_unknown(writer, text);
    writer_put_byte(writer, '}');
}

/* Notes what is wrong with a field that is not as it must be. */
static bool fail_field(const struct record_object *object, uint32_t field,
                       struct record_fault *ret_fault)
{
    bool is_missing = object->values[field].kind == JSON_ABSENT;
    return record_fail(ret_fault, is_missing ? RECORD_FIELD_MISSING : RECORD_FIELD_WRONG,
                       object->names[field]);
}

bool record_need_kind(const struct record_object *object, uint32_t field, enum json_kind kind,
                      struct record_fault *ret_fault)
{
    return object->values[field].kind == kind || fail_field(object, field, ret_fault);
}

bool record_need_whole(const struct record_object *object, uint32_t field, uint64_t most,
                       uint64_t *ret_number, struct record_fault *ret_fault)
{
    return json_member_whole(&object->values[field], most, ret_number) ||
           fail_field(object, field, ret_fault);
}

bool record_may_whole(const struct record_object *object, uint32_t field, uint64_t most,
                      uint64_t *number, struct record_fault *ret_fault)
{
    return object->values[field].kind == JSON_ABSENT ||
           record_need_whole(object, field, most, number, ret_fault);
}

bool record_need_flag(const struct record_object *object, uint32_t field, bool *ret_flag,
                      struct record_fault *ret_fault)
{
    enum json_kind kind = object->values[field].kind;
    *ret_flag = kind == JSON_TRUE;
    return kind == JSON_TRUE || kind == JSON_FALSE || fail_field(object, field, ret_fault);
}

/* Whether the value is the text of this code as code_write() writes it. */
static bool is_text_of(const struct json_value *value, uint64_t code)
{
    uint8_t text[CODE_LENGTH_MAX];
    return json_string_equals(value, bytes_of(text, code_write(code, text)));
}

bool record_need_code(const struct record_object *record, uint64_t *ret_code,
                      struct record_fault *ret_fault)
{
    const struct json_value *value = &record->values[RECORD_FIELD_CODE];
    return (value->kind == JSON_STRING && relay_read_code(value, ret_code) &&
            is_text_of(value, *ret_code)) ||
           fail_field(record, RECORD_FIELD_CODE, ret_fault);
}

bool record_read_code(struct bytes text, uint64_t *ret_code, struct record_fault *ret_fault)
{
    struct record_object record;
    return record_read(text, &record, ret_fault) && record_need_code(&record, ret_code, ret_fault);
}
