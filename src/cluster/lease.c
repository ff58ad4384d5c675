#include "cluster/lease.h"

#include "proto/json_fields.h"
#include "proto/utf8.h"

enum field {
    FIELD_VERSION,
    FIELD_NODE,
    FIELD_DRAINING,
    FIELD_EDGE_ONLY,
    FIELD_ENDED,
    FIELD_LOOPS,
    FIELD_READS,
    FIELD_WRITES,
    FIELD_ROOMS,
    FIELD_CLIENTS,
    FIELDS
};

static const char *const names[FIELDS] = {"version", "node",  "draining", "edgeOnly", "ended",
                                          "loops",   "reads", "writes",   "rooms",    "clients"};

static bool read_flag(const struct json_value *value, bool *ret_flag)
{
    *ret_flag = value->kind == JSON_TRUE;
    return value->kind == JSON_TRUE || value->kind == JSON_FALSE;
}

/* A lease may lack it: it is of an earlier release. */
static bool read_edge_only(const struct json_value *value, bool *ret_flag)
{
    *ret_flag = false;
    return value->kind == JSON_ABSENT || read_flag(value, ret_flag);
}

static bool read_number(const struct json_value *value, uint64_t *ret_number)
{
    return json_member_whole(value, LEASE_NUMBER_MAX, ret_number);
}

static bool read_loops(const struct json_value *value, uint32_t *ret_loops)
{
    uint64_t loops;
    bool is_read = json_member_whole(value, LEASE_LOOPS_MAX, &loops) && loops > 0;
    *ret_loops = is_read ? (uint32_t)loops : 0;
    return is_read;
}

bool lease_read(struct bytes text, struct lease *ret_lease)
{
    struct json_value values[FIELDS];
    size_t unknown_length;
    bool is_object;
    uint64_t version;
    *ret_lease = (struct lease){0};
    if (text.length > LEASE_TEXT_MAX || !utf8_is_valid(text) ||
        json_fields_read(text, names, FIELDS, values, &unknown_length, &is_object) !=
            JSON_NEXT_END ||
        !is_object)
        return false;
    return read_number(&values[FIELD_VERSION], &version) && version == LEASE_VERSION &&
           node_id_read_json(&values[FIELD_NODE], &ret_lease->node) &&
           read_flag(&values[FIELD_DRAINING], &ret_lease->is_draining) &&
           read_edge_only(&values[FIELD_EDGE_ONLY], &ret_lease->is_edge_only) &&
           read_flag(&values[FIELD_ENDED], &ret_lease->has_ended) &&
           read_loops(&values[FIELD_LOOPS], &ret_lease->loops) &&
           read_number(&values[FIELD_READS], &ret_lease->reads) &&
           read_number(&values[FIELD_WRITES], &ret_lease->writes) &&
           read_number(&values[FIELD_ROOMS], &ret_lease->rooms) &&
           read_number(&values[FIELD_CLIENTS], &ret_lease->clients);
}

void lease_write(struct writer *writer, const struct lease *lease)
{
    writer_put_number(writer, "{\"version\":", LEASE_VERSION);
    WRITER_PUT(writer, ",\"node\":\"");
    node_id_write(writer, &lease->node);
    writer_put_flag(writer, "\",\"draining\":", lease->is_draining);
    writer_put_flag(writer, ",\"edgeOnly\":", lease->is_edge_only);
    writer_put_flag(writer, ",\"ended\":", lease->has_ended);
    writer_put_number(writer, ",\"loops\":", lease->loops);
    writer_put_number(writer, ",\"reads\":", lease->reads);
    writer_put_number(writer, ",\"writes\":", lease->writes);
    writer_put_number(writer, ",\"rooms\":", lease->rooms);
    writer_put_number(writer, ",\"clients\":", lease->clients);
    writer_put_byte(writer, '}');
}
