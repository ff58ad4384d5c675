/* What members of rooms of protocol 3 may say, in the order in which it is checked. */
#include <stdlib.h>
#include <string.h>

#include "relay/relay_model_3_parts.h"

#define TARGETS_MOST 64
#define TO_TOLD_MOST 512        /* bytes of `to` that an error repeats */
#define AUDIENCE_SENDS_MOST 200 /* in a second */

static const struct fault_3 no_fault = {0};
static const struct fault_3 peer_not_found = {"peer-not-found", "Target peer not found"};

/* The member `to` of an error: whom the message was for, as it said; to be freed. */
static char *refused_to(const struct said_3 *said, struct fault_3 fault)
{
    if (said->of != NULL && strcmp(said->of, "send") == 0) {
        struct bytes to = field_3(said, "to").raw;
        if (to.length > 0 && to.length <= TO_TOLD_MOST)
            return format_text(",\"to\":%.*s", (int)to.length, (const char *)to.data);
    }
    if (said->of != NULL && strcmp(said->of, "binary") == 0 && fault.code == peer_not_found.code) {
        const uint8_t *head = said->text.data;
        if (head[0] % 128 == 2)
            return format_text(",\"to\":\"host\"");
        return format_text(",\"to\":%u",
                           (unsigned)head[1] << 24 | head[2] << 16 | head[3] << 8 | head[4]);
    }
    return format_text("%s", "");
}

void refuse_3(struct model_3 *model, const struct said_3 *said, struct fault_3 fault)
{
    struct model_3_member *member = find_client_3(model, said->client);
    bool has_seat = member != NULL && !watches_3(member);
    char *of = said->of == NULL ? format_text("%s", "") : format_text(",\"of\":\"%s\"", said->of);
    char *to = has_seat ? refused_to(said, fault) : format_text("%s", "");
    size_t length = strlen(fault.text);
    bool names_protocol = strcmp(fault.code, "wrong-protocol") == 0;
    char *protocol = names_protocol ? format_text(",\"protocol\":%c", fault.text[length - 1])
                                    : format_text("%s", "");
    char *number =
        has_seat ? format_text(",\"n\":%ju", (uintmax_t)member->heard) : format_text("%s", "");
    char *text = format_text("{\"type\":\"error\",\"code\":\"%s\",\"message\":\"%s\"%s%s%s%s}",
                             fault.code, fault.text, of, protocol, to, number);
    free(of);
    free(protocol);
    free(to);
    free(number);
    if (has_seat)
        tell_seat_3(model, member, MODEL_3_KEPT, text);
    else
        expect_heard_3(model, said->client, text);
}

/* What JSON and binary messages have in common: whom they are for, and how they read. */
struct sending {
    bool is_for_all; /* but the sender */
    uint32_t target_count;
    uint32_t targets[TARGETS_MOST]; /* indices of seats, each once */
    bool is_volatile;
    char *text; /* owned */
};

static void deliver(struct model_3 *model, struct model_3_room *room,
                    const struct model_3_member *sender, struct sending *sending)
{
    enum model_3_keeping keeping = sending->is_volatile ? MODEL_3_COUNTED : MODEL_3_KEPT;
    if (sending->is_for_all)
        tell_all_3(model, room, sender, keeping, format_text("%s", sending->text));
    for (uint32_t i = 0; i < sending->target_count; i++)
        tell_seat_3(model, find_seat_3(room, sending->targets[i]), keeping,
                    format_text("%s", sending->text));
    free(sending->text);
}

static void add_target(const struct model_3_room *room, struct sending *sending, uint32_t index)
{
    for (uint32_t i = 0; i < sending->target_count; i++) {
        if (sending->targets[i] == index)
            return;
    }
    assert_true(sending->target_count < TARGETS_MOST && index < room->next_index);
    sending->targets[sending->target_count++] = index;
}

/* The audience has said so much in this second, and may not say more. */
static bool is_busy(const struct model_3 *model, struct model_3_room *room)
{
    if (model->now_ms >= room->busy_since_ms + 1000) {
        room->busy_since_ms = model->now_ms;
        room->busy_count = 0;
    }
    return ++room->busy_count > AUDIENCE_SENDS_MOST;
}

/* Why the audience may say nothing. */
static struct fault_3 audience_fault(const struct model_3 *model, struct model_3_room *room)
{
    if (room->audience_is_muted)
        return (struct fault_3){"audience-muted", "The audience is muted"};
    if (find_seat_3(room, room->host) == NULL)
        return peer_not_found;
    if (is_busy(model, room))
        return (struct fault_3){"audience-busy", "The audience sends too much"};
    return no_fault;
}

/* An array of indices, as it is read. */
struct target_list {
    struct model_3_room *room;
    struct sending *sending;
    uint32_t element_count;
};

static void note_element(void *context, struct simple_value key, struct simple_value value)
{
    struct target_list *list = context;
    (void)key;
    list->element_count++;
    for (uint32_t i = 0; i < list->room->member_count; i++) {
        uint32_t index = list->room->members[i].index;
        if (index != MODEL_3_NONE && is_index_3(value, index))
            add_target(list->room, list->sending, index);
    }
}

static struct fault_3 to_fault(struct model_3_room *room, struct simple_value to,
                               struct sending *sending)
{
    struct target_list list = {room, sending, 0};
    if (to.kind == JSON_ABSENT) {
        sending->is_for_all = true;
        return no_fault;
    }
    if (to.kind == JSON_ARRAY)
        simple_json_each_member(to.raw, note_element, &list);
    else
        note_element(&list, (struct simple_value){0}, to);
    if (to.kind == JSON_STRING) {
        char *form = canonical_form(to);
        if (strcmp(form, "host") == 0 && find_seat_3(room, room->host) != NULL)
            add_target(room, sending, room->host);
        free(form);
    }
    if (list.element_count == 0 || list.element_count > TARGETS_MOST)
        return (struct fault_3){"bad-to", "to must name 1 to 64 peers"};
    return sending->target_count == 0 ? peer_not_found : no_fault;
}

static void expect_send(struct model_3 *model, const struct said_3 *said)
{
    struct model_3_member *sender = find_client_3(model, said->client);
    struct model_3_room *room = model->clients[said->client].room;
    struct bytes data = field_3(said, "data").raw;
    struct sending sending = {.is_volatile = field_3(said, "volatile").kind == JSON_TRUE};
    struct fault_3 fault = no_fault;
    if (!watches_3(sender))
        fault = to_fault(room, field_3(said, "to"), &sending);
    if (fault.code == NULL && !is_flag_3(field_3(said, "volatile")))
        fault = (struct fault_3){"bad-volatile", "volatile must be true or false"};
    if (fault.code == NULL && watches_3(sender))
        fault = audience_fault(model, room);
    if (fault.code != NULL) {
        refuse_3(model, said, fault);
        return;
    }
    char *from = watches_3(sender) ? format_text("\"audience\":true")
                                   : format_text("\"from\":%u", sender->index);
    sending.text =
        format_text("{\"type\":\"message\",%s%s%.*s}", from, data.length > 0 ? ",\"data\":" : "",
                    (int)data.length, (const char *)data.data);
    free(from);
    if (watches_3(sender))
        add_target(room, &sending, room->host);
    deliver(model, room, sender, &sending);
}

/* Whom a binary message is for. False: it has no head that says so. */
static bool read_head(const struct said_3 *said, struct bytes *ret_payload, uint64_t *ret_index)
{
    const uint8_t *head = said->text.data;
    size_t length = said->text.length;
    if (length == 0 || head[0] % 128 > 2)
        return false;
    *ret_payload = bytes_of(head + 1, length - 1);
    *ret_index = 0;
    if (head[0] % 128 != 1)
        return true;
    if (length < 5)
        return false;
    for (uint32_t i = 1; i < 5; i++)
        *ret_index = *ret_index * 256 + head[i];
    *ret_payload = bytes_of(head + 5, length - 5);
    return true;
}

/* A binary message as it is told; to be freed. */
static char *binary_text(const struct model_3_member *sender, struct bytes payload)
{
    uint8_t head[5] = {0};
    for (uint32_t i = 1; i < 5; i++)
        head[i] = (uint8_t)(sender->index >> (32 - 8 * i));
    if (watches_3(sender))
        head[0] = 1;
    char *begin = printable(bytes_of(head, watches_3(sender) ? 1 : 5));
    char *end = printable(payload);
    char *text = format_text("%s%s", begin, end);
    free(begin);
    free(end);
    return text;
}

static void expect_binary(struct model_3 *model, const struct said_3 *said)
{
    struct model_3_member *sender = find_client_3(model, said->client);
    struct model_3_room *room = model->clients[said->client].room;
    struct sending sending = {0};
    struct fault_3 fault = no_fault;
    struct bytes payload = {0};
    uint64_t index = 0;
    if (!read_head(said, &payload, &index)) {
        refuse_3(model, said, (struct fault_3){"invalid-binary", "Invalid binary message"});
        return;
    }
    sending.is_volatile = said->text.data[0] >= 128;
    sending.is_for_all = said->text.data[0] % 128 == 0 && !watches_3(sender);
    if (said->text.data[0] % 128 == 2 || watches_3(sender))
        index = room->host;
    if (watches_3(sender))
        fault = audience_fault(model, room);
    else if (!sending.is_for_all && find_seat_3(room, (uint32_t)index) == NULL)
        fault = peer_not_found;
    if (fault.code != NULL) {
        refuse_3(model, said, fault);
        return;
    }
    if (!sending.is_for_all)
        add_target(room, &sending, (uint32_t)index);
    sending.text = binary_text(sender, payload);
    deliver(model, room, sender, &sending);
}

static void expect_ping(struct model_3 *model, const struct said_3 *said)
{
    struct model_3_member *member = find_client_3(model, said->client);
    struct simple_value seen = field_3(said, "seen");
    if (watches_3(member)) {
        expect_heard_3(model, said->client, format_text("{\"type\":\"pong\"}"));
        return;
    }
    if (is_whole_3(seen, (double)member->confirmed, (double)member->event_count))
        member->confirmed = (uint64_t)number_of(seen);
    expect_heard_3(model, said->client,
                   format_text("{\"type\":\"pong\",\"heard\":%ju}", (uintmax_t)member->heard));
}

static void expect_nothing(struct model_3 *model, const struct said_3 *said)
{
    (void)model;
    (void)said;
}

static void expect_leave(struct model_3 *model, const struct said_3 *said)
{
    struct model_3_room *room = model->clients[said->client].room;
    expect_heard_3(model, said->client, format_text("{\"type\":\"left\"}"));
    vacate_3(model, room, find_client_3(model, said->client), "left");
}

enum speakers { ANYBODY, MEMBERS, HOST };

struct rule {
    const char *type;
    enum speakers speakers;
    const char *refusal; /* of who is not the host */
    void (*expect)(struct model_3 *model, const struct said_3 *said);
};

/* The rule of a type; NULL: it is unknown. */
static const struct rule *find_rule(struct simple_value type)
{
    static const struct rule rules[] = {
        {"create", ANYBODY, NULL, expect_create_3},
        {"join", ANYBODY, NULL, expect_join_3},
        {"send", MEMBERS, NULL, expect_send},
        {"ping", MEMBERS, NULL, expect_ping},
        {"resumed", MEMBERS, NULL, expect_nothing}, /* nothing was unasked */
        {"leave", MEMBERS, NULL, expect_leave},
        {"set_state", HOST, "Only the host can set state", expect_set_state_3},
        {"set_room", HOST, "Only the host can do that", expect_set_room_3},
        {"set_host", HOST, "Only the host can do that", expect_set_host_3},
        {"kick", HOST, "Only the host can do that", expect_kick_3},
        {"mute_audience", HOST, "Only the host can do that", expect_mute_3},
        {"close_room", HOST, "Only the host can close the room", expect_close_room_3},
    };
    const struct rule *found = NULL;
    if (type.kind != JSON_STRING)
        return NULL;
    struct simple_string name = simple_json_decode(type.raw);
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        if (simple_string_equals(&name, rules[i].type))
            found = &rules[i];
    }
    simple_string_release(&name);
    return found;
}

/* The relay has heard the client, which counts if it has a seat. */
static void note_heard(struct model_3 *model, uint32_t client, bool is_counted)
{
    struct model_3_member *member = find_client_3(model, client);
    if (member == NULL || watches_3(member))
        return;
    if (member->index == 0)
        model->clients[client].room->is_known = true;
    member->heard += is_counted;
}

static void expect_rule(struct model_3 *model, const struct rule *rule, const struct said_3 *said)
{
    const struct model_3_room *room = model->clients[said->client].room;
    const struct model_3_member *member = find_client_3(model, said->client);
    bool is_host = member != NULL && !watches_3(member) && member->index == room->host;
    if (rule->speakers != ANYBODY && member == NULL)
        refuse_3(model, said, (struct fault_3){"not-in-room", "Not in a room"});
    else if (rule->speakers == HOST && !is_host)
        refuse_3(model, said, (struct fault_3){"not-host", rule->refusal});
    else
        rule->expect(model, said);
}

void expect_answer_3(struct model_3 *model, uint32_t client, struct bytes text)
{
    enum json_kind kind = simple_json_parse(text).kind;
    struct simple_value type = {0};
    if (kind == JSON_OBJECT)
        type = simple_json_member(text, "type");
    const struct rule *rule = find_rule(type);
    struct said_3 said = {client, text, rule == NULL ? NULL : rule->type};
    bool is_uncounted =
        rule != NULL && (rule->expect == expect_ping || rule->expect == expect_nothing);
    note_heard(model, client, !is_uncounted);
    if (kind == JSON_ABSENT)
        refuse_3(model, &said, (struct fault_3){"invalid-json", "Invalid JSON"});
    else if (rule == NULL)
        refuse_3(model, &said, (struct fault_3){"unknown-type", "Unknown message type"});
    else
        expect_rule(model, rule, &said);
}

void expect_binary_answer_3(struct model_3 *model, uint32_t client, struct bytes message)
{
    struct said_3 said = {client, message, "binary"};
    note_heard(model, client, true);
    if (model->clients[client].room == NULL)
        refuse_3(model, &said, (struct fault_3){"not-in-room", "Not in a room"});
    else
        expect_binary(model, &said);
}
