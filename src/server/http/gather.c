/* Snapshots of all loops for one connection. */
#include "server/http/gather.h"

#include <stdlib.h>
#include <string.h>

struct gather_part {
    struct mail mail;
    struct gather *gather;
    union {
        struct {
            struct loop_stats stats;
            union { /* depending on the question */
                struct history history;
                uint32_t crowds[ORIGINS_MAX + 1];
            };
        };
        struct room_answer room;
    };
};

struct gather {
    struct loop *asker;
    struct conn *conn; /* WAITING, or dead; its place is kept until all parts are back */
    struct question question;
    uint32_t part_count;
    uint32_t parts_left;
    struct gather_part parts[];
};

/* The connection waits for so many parts. NULL: memory is short. */
static struct gather *make_gather(struct loop *loop, struct conn *conn, struct question question,
                                  uint32_t part_count)
{
    struct gather *gather = malloc(sizeof *gather + part_count * sizeof gather->parts[0]);
    if (gather == NULL)
        return NULL;
    *gather = (struct gather){
        .asker = loop,
        .conn = conn,
        .question = question,
        .part_count = part_count,
        .parts_left = part_count,
    };
    conn_set_state(conn, CONN_WAITING);
    conn->is_awaited = true;
    poller_pause(loop->poller, &conn->socket);
    return gather;
}

/* Whether another node has the code, or nobody. */
static bool is_elsewhere(const struct loop *loop, const struct question *question)
{
    return loop->links != NULL && question->kind == QUESTION_ROOM &&
           peers_place(loop->links->owners[peers_slice_of(question->code)]) != PEER_HERE;
}

/* Asks the home of the code. False: nobody can be asked now. */
static bool ask_home(struct loop *loop, struct conn *conn, const struct question *question)
{
    uint32_t slice = peers_slice_of(question->code);
    struct link_end *end = links_find_home(loop, slice, question->code);
    struct attachment *attachment = links_attachment(loop, conn);
    struct gather *gather =
        end == NULL || attachment == NULL ? NULL : make_gather(loop, conn, *question, 1);
    if (gather == NULL)
        return false;
    *attachment = (struct attachment){.end = end, .question = gather};
    end->clients++;
    links_put_ask(end, &(struct link_item){
                           .client = conn->handle,
                           .room_code = question->code,
                           .has_address = true,
                           .address = subnets_address(&loop->server->subnets, conn->asker),
                       });
    return true;
}

bool gather_begin(struct loop *loop, struct conn *conn, struct question question)
{
    struct server *server = loop->server;
    bool is_for_one = question.kind == QUESTION_ROOM;
    uint32_t part_count = is_for_one ? 1 : server->loop_count;
    uint32_t first = is_for_one ? code_owner(question.code, server->loop_count) : 0;
    if (is_elsewhere(loop, &question))
        return ask_home(loop, conn, &question);
    struct gather *gather = make_gather(loop, conn, question, part_count);
    if (gather == NULL)
        return false;
    for (uint32_t i = 0; i < part_count; i++) {
        struct gather_part *part = &gather->parts[i];
        part->mail.kind = MAIL_SNAPSHOT_REQUEST;
        part->gather = gather;
        mailbox_post(&server->loops[first + i]->mailbox, &part->mail);
    }
    return true;
}

static struct loop_stats snapshot(const struct loop *loop)
{
    struct loop_stats stats = loop->stats;
    stats.rooms = loop->relay.rooms.room_count;
    stats.buffered = loop->charged;
    stats.changed = relay_count_changed(&loop->relay);
    return stats;
}

static struct room_answer describe_room(const struct loop *loop, uint64_t code)
{
    struct room_answer answer = {0};
    const struct room *room = relay_find_room(&loop->relay, code);
    if (room == NULL)
        return answer;
    answer.is_found = true;
    answer.clients = room->member_count;
    answer.members_max = room->members_max;
    answer.protocol = room_protocol(room);
    if (room->party != NULL) {
        answer.is_locked = room->party->is_locked;
        answer.has_password = access_has_password(room->party->access);
        answer.away = room->absent_count;
        answer.audience = party_audience_count(room->party);
    }
    answer.origin_length =
        origins_name(&loop->server->origins, room->origin_number, (uint8_t *)answer.origin);
    struct bytes url = room_url(room);
    answer.url_length = (uint16_t)url.length;
    if (url.length == 0)
        return answer;
    answer.url = malloc(url.length);
    answer.is_unknown = answer.url == NULL;
    if (answer.url != NULL)
        memcpy(answer.url, url.data, url.length);
    return answer;
}

void gather_answer(struct loop *loop, struct mail *mail)
{
    struct gather_part *part = CONTAINER_OF(mail, struct gather_part, mail);
    const struct question *question = &part->gather->question;
    if (question->kind == QUESTION_ROOM)
        part->room = describe_room(loop, question->code);
    else
        part->stats = snapshot(loop);
    if (question->kind == QUESTION_STATS)
        part->history = loop->history;
    if (question->kind == QUESTION_METRICS)
        memcpy(part->crowds, loop->crowds, sizeof part->crowds);
    part->mail.kind = MAIL_SNAPSHOT_REPLY;
    mailbox_post(&part->gather->asker->mailbox, &part->mail);
}

/* Counts the question for the asker's address, as for one who asks here. */
static bool may_tell(struct loop *loop, const struct link_item *item, bool is_found)
{
    struct subnets *subnets = &loop->server->subnets;
    uint32_t now_ms = loop_clock_ms(loop);
    uint32_t subnet = item->has_address ? subnets_enter(subnets, item->address) : SUBNET_NONE;
    if (subnet == SUBNET_NONE)
        return true; /* the edge counts it */
    bool may = subnets_may_ask(subnets, subnet, now_ms) &&
               subnets_may_tell(subnets, subnet, !is_found, now_ms);
    subnets_leave(subnets, subnet, now_ms);
    return may;
}

void gather_tell(struct loop *loop, struct link_end *end, const struct link_item *item)
{
    uint32_t slice = peers_slice_of(item->room_code);
    struct link_item reply = {.client = item->client, .room.is_unknown = true};
    struct room_answer answer = {0};
    bool is_served = peers_place(loop->links->owners[slice]) == PEER_HERE &&
                     code_owner(item->room_code, loop->server->loop_count) == loop->index;
    if (is_served) {
        answer = describe_room(loop, item->room_code);
        reply.room = (struct link_room){
            .is_unknown = answer.is_unknown,
            .is_untold = !may_tell(loop, item, answer.is_found),
            .is_found = answer.is_found,
            .is_locked = answer.is_locked,
            .has_password = answer.has_password,
            .protocol = (uint8_t)answer.protocol,
            .clients = answer.clients,
            .away = answer.away,
            .audience = answer.audience,
            .members_max = answer.members_max,
        };
        reply.origin = links_origin(bytes_of((const uint8_t *)answer.origin, answer.origin_length));
        reply.text = bytes_of(answer.url, answer.url == NULL ? 0 : answer.url_length);
    }
    if (reply.room.is_untold) /* nothing that depends on the room */
        reply = (struct link_item){.client = item->client, .room.is_untold = true};
    links_put_answer(end, &reply);
    free(answer.url);
}

/* The home's answer, as a loop's part of it. */
static struct room_answer answer_of(const struct link_item *item)
{
    const struct link_room *room = &item->room;
    struct room_answer answer = {
        .is_found = room->is_found,
        .is_unknown = room->is_unknown,
        .is_untold = room->is_untold,
        .is_locked = room->is_locked,
        .has_password = room->has_password,
        .away = room->away,
        .audience = room->audience,
        .clients = room->clients,
        .members_max = room->members_max,
        .protocol = (enum protocol)room->protocol,
        .origin_length = (uint16_t)item->origin.length,
    };
    if (item->origin.length > 0)
        memcpy(answer.origin, item->origin.data, item->origin.length);
    if (item->text.length == 0)
        return answer;
    bool fits = item->text.length <= URL_FILLED_BYTES_MAX;
    answer.url = fits ? malloc(item->text.length) : NULL;
    answer.is_unknown |= answer.url == NULL;
    answer.url_length = answer.url == NULL ? 0 : (uint16_t)item->text.length;
    if (answer.url != NULL)
        memcpy(answer.url, item->text.data, item->text.length);
    return answer;
}

static void reply(struct loop *loop, struct attachment *attachment, struct room_answer answer)
{
    struct gather_part *part = &attachment->question->parts[0];
    attachment->end->clients--;
    *attachment = (struct attachment){0};
    part->room = answer;
    part->gather = CONTAINER_OF(part, struct gather, parts[0]);
    part->mail.kind = MAIL_SNAPSHOT_REPLY;
    mailbox_post(&loop->mailbox, &part->mail);
}

void gather_take(struct loop *loop, const struct link_end *end, const struct link_item *item)
{
    const struct conn *conn = handles_find(&loop->connections, item->client);
    struct attachment *attachment = conn == NULL ? NULL : links_attachment(loop, conn);
    if (attachment != NULL && attachment->end == end && attachment->question != NULL)
        reply(loop, attachment, answer_of(item));
}

void gather_void(struct loop *loop, const struct link_end *end)
{
    for (uint32_t i = 0; i < loop->links->attachment_count; i++) {
        struct attachment *attachment = &loop->links->attachments[i];
        bool is_behind = end == NULL || attachment->end == end;
        if (is_behind && attachment->question != NULL)
            reply(loop, attachment, (struct room_answer){.is_unknown = true});
    }
}

static void add_crowds(uint32_t *total, const uint32_t *part)
{
    for (uint32_t i = 0; i <= ORIGINS_MAX; i++)
        total[i] += part[i];
}

static void put_together(const struct gather *gather, struct answer *ret_answer)
{
    *ret_answer = (struct answer){.question = gather->question};
    if (gather->question.kind == QUESTION_ROOM) {
        ret_answer->room = gather->parts[0].room;
        return;
    }
    for (uint32_t i = 0; i < gather->part_count; i++)
        stats_add(&ret_answer->total, &gather->parts[i].stats);
    for (uint32_t i = 0; gather->question.kind == QUESTION_METRICS && i < gather->part_count; i++)
        add_crowds(ret_answer->crowds, gather->parts[i].crowds);
    if (gather->question.kind != QUESTION_STATS)
        return;
    ret_answer->history = gather->parts[0].history;
    for (uint32_t i = 1; i < gather->part_count; i++)
        history_add(&ret_answer->history, &gather->parts[i].history);
}

static bool is_for_room(const struct gather *gather)
{
    return gather->question.kind == QUESTION_ROOM;
}

static void free_gather(struct gather *gather)
{
    if (is_for_room(gather) && gather->parts[0].mail.kind == MAIL_SNAPSHOT_REPLY)
        free(gather->parts[0].room.url);
    free(gather);
}

void gather_release(struct answer *answer)
{
    free(answer->room.url);
    answer->room.url = NULL;
}

struct conn *gather_collect(struct loop *loop, struct mail *mail, struct answer *ret_answer)
{
    struct gather *gather = CONTAINER_OF(mail, struct gather_part, mail)->gather;
    if (--gather->parts_left > 0)
        return NULL;
    struct conn *conn = gather->conn;
    conn->is_awaited = false;
    if (conn->state == CONN_WAITING) {
        put_together(gather, ret_answer);
        if (is_for_room(gather))
            gather->parts[0].room.url = NULL; /* `ret_answer` owns it now */
    } else {
        loop_mark_ending(loop, conn);
        conn = NULL;
    }
    free_gather(gather);
    return conn;
}

void gather_drop(struct mail *mail)
{
    struct gather *gather = CONTAINER_OF(mail, struct gather_part, mail)->gather;
    if (--gather->parts_left == 0)
        free_gather(gather);
}
