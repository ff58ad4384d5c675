/* Snapshots of all loops for one connection. */
#include "server/http/gather.h"

#include <stdlib.h>

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

bool gather_begin(struct loop *loop, struct conn *conn, struct question question)
{
    struct server *server = loop->server;
    bool is_for_one = question.kind == QUESTION_ROOM;
    uint32_t part_count = is_for_one ? 1 : server->loop_count;
    uint32_t first = is_for_one ? code_owner(question.code, server->loop_count) : 0;
    struct gather *gather = malloc(sizeof *gather + part_count * sizeof gather->parts[0]);
    if (gather == NULL)
        return false;
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
