/* What who comes hears of the room and of its own seat; what the relay drew is taken from that. */
#include <stdlib.h>

#include "relay/relay_model_3_parts.h"

void read_epoch_3(struct simple_value value, char ret_epoch[MODEL_3_EPOCH_DIGITS + 1])
{
    ret_epoch[0] = '\0';
    if (!is_string_of_3(value, MODEL_3_EPOCH_DIGITS, MODEL_3_EPOCH_DIGITS))
        return;
    char *form = canonical_form(value);
    if (strspn(form, "0123456789abcdef") == MODEL_3_EPOCH_DIGITS)
        strcpy(ret_epoch, form);
    free(form);
}

struct simple_value heard_field_3(struct model_3 *model, uint32_t client, const char *name)
{
    const struct fake_client *fake = &world_of_3(model, client)->clients[client];
    if (fake->text_count == 0)
        fail_msg("client %u heard nothing", client);
    assert_int_equal(simple_json_parse(bytes_of_string(fake->texts[0])).kind, JSON_OBJECT);
    return simple_json_member(bytes_of_string(fake->texts[0]), name);
}

void begin_epoch_3(struct model_3 *model, struct model_3_member *member)
{
    forget_events_3(member);
    read_epoch_3(heard_field_3(model, member->client, "epoch"), member->epoch);
    assert_int_equal(strlen(member->epoch), MODEL_3_EPOCH_DIGITS);
    char *before = member->epochs;
    if (before != NULL)
        assert_null(strstr(before, member->epoch));
    member->epochs = format_text("%s %s", before == NULL ? "" : before, member->epoch);
    free(before);
}

/* A `,"url":...` for who enters the room, to be freed. */
static char *url_field(const struct model_3_room *room)
{
    return room->url == NULL ? format_text("%s", "") : format_text(",\"url\":\"%s\"", room->url);
}

void expect_created_3(struct model_3 *model, uint32_t client)
{
    const struct model_3_room *room = model->clients[client].room;
    struct model_3_member *member = find_client_3(model, client);
    char *url = url_field(room);
    begin_epoch_3(model, member);
    expect_heard_3(
        model, client,
        format_text("{\"type\":\"created\",\"room\":\"%s\",\"index\":0,\"hold\":%u,"
                    "\"epoch\":\"%s\"%s,\"instance\":\"%.*s\",\"region\":\"%.*s\"}",
                    room->code, (uint32_t)(room->hold_ms / 1000), member->epoch, url,
                    (int)model->instance.id.length, (const char *)model->instance.id.data,
                    (int)model->instance.region.length, (const char *)model->instance.region.data));
    free(url);
}

/* The indices of the others in seats who are here, or who are away, ascending; to be freed. */
static char *indices_of(struct model_3_room *room, const struct model_3_member *except,
                        bool are_here)
{
    char *indices = format_text("%s", "");
    for (uint32_t index = 0; index < room->next_index; index++) {
        const struct model_3_member *member = find_seat_3(room, index);
        if (member == NULL || member == except || is_here_3(member) != are_here)
            continue;
        char *more = format_text("%s%s%u", indices, indices[0] == '\0' ? "" : ",", index);
        free(indices);
        indices = more;
    }
    return indices;
}

/* The end of a `joined` that is not recovered; to be freed. */
static char *picture_of(struct model_3_room *room, const struct model_3_member *member)
{
    /* In a room without a host the first one who comes to a seat is the host. */
    uint32_t host_index = room->host == MODEL_3_NONE ? member->index : room->host;
    char *host = host_index == MODEL_3_NONE ? format_text("null") : format_text("%u", host_index);
    char *present = indices_of(room, member, true);
    char *away = indices_of(room, member, false);
    char *peers = watches_3(member) ? format_text("%s", "")
                                    : format_text(",\"peers\":[%s],\"away\":[%s]", present, away);
    char *picture = format_text(",\"host\":%s%s,\"locked\":%s,\"maxClients\":%u,\"state\":%s", host,
                                peers, room->is_locked ? "true" : "false", room->members_max,
                                room->state != NULL ? "true" : "false");
    free(host);
    free(present);
    free(away);
    free(peers);
    return picture;
}

void expect_joined_3(struct model_3 *model, struct model_3_room *room,
                     const struct model_3_member *member, bool is_recovered, uint64_t seen)
{
    char *url = url_field(room);
    char *picture = is_recovered ? format_text("%s", "") : picture_of(room, member);
    char *text;
    if (watches_3(member))
        text = format_text("{\"type\":\"joined\",\"room\":\"%s\",\"recovered\":false%s%s}",
                           room->code, url, picture);
    else
        text = format_text("{\"type\":\"joined\",\"room\":\"%s\",\"index\":%u,\"hold\":%u,"
                           "\"epoch\":\"%s\",\"recovered\":%s,\"seen\":%ju,\"heard\":%ju%s%s}",
                           room->code, member->index, (uint32_t)(room->hold_ms / 1000),
                           member->epoch, is_recovered ? "true" : "false", (uintmax_t)seen,
                           (uintmax_t)member->heard, url, picture);
    free(url);
    free(picture);
    expect_heard_3(model, member->client, text);
    if (!is_recovered && room->state != NULL)
        expect_heard_3(model, member->client,
                       format_text("{\"type\":\"state\",\"data\":%s}", room->state));
}

/* What a small log has forgotten only the relay knows; but nobody has missed nothing. */
static bool is_found(struct model_3 *model, const struct model_3_member *member,
                     const struct entrant_3 *entrant)
{
    bool is_count =
        entrant->seen >= (double)member->confirmed && entrant->seen <= (double)member->event_count;
    if (!is_count || model->has_large_logs || entrant->seen == (double)member->event_count)
        return is_count;
    return number_of(heard_field_3(model, member->client, "seen")) == entrant->seen;
}

void expect_resumption_3(struct model_3 *model, struct model_3_room *room,
                         struct model_3_member *member, const struct entrant_3 *entrant)
{
    bool is_same = strcmp(entrant->epoch, member->epoch) == 0;
    bool takes_over =
        !is_same && entrant->epoch[0] != '\0' && member->heard == 0 && member->confirmed == 0;
    bool has_missed = is_same && is_found(model, member, entrant);
    uint64_t seen = has_missed ? (uint64_t)entrant->seen : 0;
    bool is_retold = takes_over || (has_missed && seen < member->retold);
    if (!is_same && !takes_over)
        begin_epoch_3(model, member);
    else if (!takes_over && !has_missed)
        seen = member->event_count;
    if (!takes_over)
        member->confirmed = seen;
    if (is_retold)
        member->retold = member->event_count;
    expect_joined_3(model, room, member, has_missed && !is_retold, seen);
    /* The picture of the room has the private state; in what was missed it may be missing. */
    if (is_retold)
        expect_private_state_3(model, room, member);
    if (has_missed || takes_over)
        expect_replay_3(model, member, seen, is_retold ? room : NULL);
    if (!is_retold)
        expect_private_state_3(model, room, member);
}
