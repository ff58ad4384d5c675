/* A loop's memory is allocated before its thread begins, and freed after it has ended. */
#include "server/loop_thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/sandbox.h"
#include "server/conn_life.h"
#include "server/deadlines.h"
#include "server/hold.h"
#include "server/http/gather.h"
#include "server/links.h"
#include "server/mail.h"
#include "server/records.h"
#include "server/relay_services.h"
#include "server/stopping.h"
#include "server/turn.h"

struct loop *loop_thread_new(struct server *server, uint32_t index)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->server = server;
    loop->kernel = server->kernel;
    loop->index = index;
    loop->clock_ms = loop_clock_ms(loop);
    loop->now_ms = loop->clock_ms;
    loop->records_due_ms = loop->now_ms;
    history_begin(&loop->history, loop_clock_ns(loop));
    loop->weigh_mail.kind = MAIL_WEIGH;
    loop->shed_mail.kind = MAIL_SHED;
    loop->evict_mail.kind = MAIL_EVICT;
    loop->drain_mail.kind = MAIL_DRAIN;
    loop->stop_mail.kind = MAIL_STOP;
    loop->vacant_mail.kind = MAIL_VACANT;
    loop->copy_mail.kind = MAIL_COPY;
    loop->rest_mail.kind = MAIL_REST;
    loop->go_on_mail.kind = MAIL_GO_ON;
    loop->hold_mail.kind = MAIL_HOLD;
    loop->owners_mail.kind = MAIL_OWNERS;
    loop->pool.account = &loop->charged;
    loop->is_listening = true;
    loop->first_ending = CLIENT_NONE;
    loop->first_dead = CLIENT_NONE;
    handles_init(&loop->connections);
    deadlines_init(loop);
    bool has_links = server->peers == NULL || links_init(loop);
    relay_services_init(loop);
    loop->mailbox.wake_fd = -1;
    loop->poller = server->kernel->poller_new(server->poller);
    if (loop->poller != NULL && !server->config->is_free && !poller_restrict(loop->poller))
        fprintf(stderr, "party-sockets: the kernel does not restrict the rings of io_uring: %s\n",
                strerrordesc_np(errno));
    newcomers_init(&loop->newcomers, server->kernel);
    if (has_links && loop->poller != NULL && mailbox_init(&loop->mailbox, server->kernel) &&
        poller_watch(loop->poller, loop->mailbox.wake_fd) &&
        (server->listener_fd < 0 || poller_listen(loop->poller, server->listener_fd)))
        return loop;
    loop_thread_free(loop);
    return NULL;
}

static void drop_mail(struct loop *loop, struct mail *mail)
{
    while (mail != NULL) {
        struct mail *next = mail->next;
        mail_drop(loop, mail);
        mail = next;
    }
}

void loop_thread_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->mailbox.wake_fd >= 0) {
        if (loop->links != NULL)
            gather_void(loop, NULL);
        drop_mail(loop, loop->unread_mail);
        drop_mail(loop, mailbox_take_all(&loop->mailbox));
        mailbox_release(&loop->mailbox);
    }
    poller_free(loop->poller);
    relay_release(&loop->relay);
    links_release(loop);
    answer_cache_release(&loop->answers);
    outbox_pool_release(&loop->pool);
    handles_release(&loop->connections);
    free(loop);
}

/*
 * Enters the sandbox, which takes away the rights that a loop does not need. The main thread keeps
 * them, to read certificates and look up names.
 */
static void give_up_rights(struct loop *loop)
{
    if (loop->server->config->is_free || sandbox_enter())
        return;
    if (!atomic_exchange(&loop->server->lack_of_sandbox_is_told, true))
        fprintf(stderr,
                "party-sockets: there is no sandbox, since the kernel does not allow it: %s\n",
                strerrordesc_np(errno));
}

void *loop_thread_run(void *argument)
{
    struct loop *loop = argument;
    poller_start(loop->poller);
    give_up_rights(loop);
    conn_life_attach_all(loop); /* of the process before, if there was one */
    for (;;) {
        turn_take(loop);
        if (loop->is_held) {
            hold(loop);
            return NULL;
        }
        bool is_over = (int32_t)(loop->now_ms - loop->stop_due_ms) >= 0;
        if (loop->is_stopping && (loop->stats.connections == 0 || is_over))
            break;
    }
    stopping_abandon_all(loop);
    records_write_at_stop(loop);
    stopping_wait_for_kernel(loop);
    return NULL;
}
