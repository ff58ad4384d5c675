/* Dispatches mail by its kind. */
#include "server/mail.h"

#include <stdlib.h>

#include "server/budget.h"
#include "server/codes.h"
#include "server/conn_in.h"
#include "server/conn_life.h"
#include "server/conn_out.h"
#include "server/drain.h"
#include "server/eviction.h"
#include "server/handover.h"
#include "server/http/gather.h"
#include "server/http/routes.h"
#include "server/perform.h"
#include "server/remote.h"
#include "server/resting.h"
#include "server/revival.h"
#include "server/stopping.h"

static void receive_connection(struct loop *loop, struct conn *conn)
{
    if (!conn_life_receive(loop, conn))
        return;
    if (loop->is_stopping)
        stopping_say_goodbye(loop, conn);
    else if (conn->state != CONN_DEAD)
        conn_in_resume(loop, conn);
}

/* Ends vacant rooms; posts the mail again for those that this phase has no time for. */
static void end_vacant_rooms(struct loop *loop)
{
    struct server *server = loop->server;
    struct effects effects;
    struct vacancy *vacancy;
    atomic_store(&loop->vacant_mail_is_posted, false);
    while (!loop_phase_is_over(loop) && !server->keeps_rooms &&
           (vacancy = makers_take_over(&server->makers, loop->index)) != NULL) {
        relay_end_deserted(&loop->relay, vacancy, &effects);
        perform_effects(loop, &effects);
        loop->work++;
    }
    if (loop_phase_is_over(loop) && !atomic_exchange(&loop->vacant_mail_is_posted, true))
        mailbox_post(&loop->mailbox, &loop->vacant_mail);
}

/* With the last loop's reply, answers the request and reads the connection on. */
static void receive_answer(struct loop *loop, struct mail *mail)
{
    struct answer answer;
    struct conn *conn = gather_collect(loop, mail, &answer);
    if (conn == NULL)
        return;
    routes_answer(loop, conn, &answer);
    gather_release(&answer);
    if (conn->state == CONN_HTTP)
        conn_in_resume(loop, conn);
}

static void evict(struct loop *loop)
{
    struct conn *victims[EVICTED_AT_ONCE];
    uint32_t count = eviction_choose(loop, victims);
    for (uint32_t i = 0; i < count; i++) {
        loop->stats.counters[COUNTER_EVICTED]++;
        conn_out_abandon(loop, victims[i]);
    }
}

static void copy_for_rehearsal(struct loop *loop)
{
    handover_empty_part(&loop->part);
    loop->part_failed = !handover_write(loop, true, &loop->part);
    loop->work += loop->part.length / 1024;
    atomic_fetch_sub(&loop->server->restless_loops, 1);
    loop_tell_main(loop);
}

static void receive_message(struct loop *loop, struct remote_mail *mail)
{
    size_t bytes = mail->length + REMOTE_MAIL_OVERHEAD;
    remote_receive(loop, mail);
    atomic_fetch_add(&loop->remote_handled, bytes);
}

void mail_handle(struct loop *loop, struct mail *mail)
{
    switch ((enum mail_kind)mail->kind) {
    case MAIL_CONNECTION:
        remote_look_at_owners(loop); /* what the loop that has sent it knows, this one must */
        receive_connection(loop, CONTAINER_OF(mail, struct conn, mail));
        break;
    case MAIL_SNAPSHOT_REQUEST:
        gather_answer(loop, mail);
        break;
    case MAIL_SNAPSHOT_REPLY:
        receive_answer(loop, mail);
        break;
    case MAIL_WEIGH:
        budget_weigh(loop);
        break;
    case MAIL_SHED:
        budget_shed(loop);
        break;
    case MAIL_EVICT:
        evict(loop);
        break;
    case MAIL_DRAIN:
        drain_begin(loop);
        break;
    case MAIL_STOP:
        stopping_begin(loop);
        break;
    case MAIL_VACANT:
        end_vacant_rooms(loop);
        break;
    case MAIL_COPY:
        copy_for_rehearsal(loop);
        break;
    case MAIL_REST:
        resting_begin(loop);
        break;
    case MAIL_GO_ON:
        resting_cancel(loop);
        break;
    case MAIL_HOLD:
        loop->is_held = true;
        break;
    case MAIL_REMOTE:
        receive_message(loop, CONTAINER_OF(mail, struct remote_mail, mail));
        break;
    case MAIL_OWNERS:
        atomic_store(&loop->owners_mail_is_posted, false);
        break;
    case MAIL_CODES:
        codes_receive(loop, CONTAINER_OF(mail, struct code_request, mail));
        break;
    case MAIL_REVIVE:
        revival_receive(loop, CONTAINER_OF(mail, struct revival, mail));
        break;
    }
}

void mail_drop(struct loop *loop, struct mail *mail)
{
    if (mail->kind == MAIL_SNAPSHOT_REQUEST || mail->kind == MAIL_SNAPSHOT_REPLY)
        gather_drop(mail); /* which may free it */
    else if (mail->kind == MAIL_CONNECTION)
        conn_life_drop(loop, CONTAINER_OF(mail, struct conn, mail));
    else if (mail->kind == MAIL_REMOTE)
        free(CONTAINER_OF(mail, struct remote_mail, mail));
    else if (mail->kind == MAIL_REVIVE)
        free(CONTAINER_OF(mail, struct revival, mail));
}
