#include "server/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/machine.h"
#include "net/tls.h"
#include "server/conn_life.h"
#include "server/handover_threads.h"

static bool refuse(const char *why)
{
    fprintf(stderr, "party-sockets: SIGUSR2: there is no upgrade: %s\n", why);
    return false;
}

typedef struct mail *mail_of(struct loop *loop);

static struct mail *copy_mail(struct loop *loop)
{
    return &loop->copy_mail;
}

static struct mail *rest_mail(struct loop *loop)
{
    return &loop->rest_mail;
}

static struct mail *go_on_mail(struct loop *loop)
{
    return &loop->go_on_mail;
}

static struct mail *hold_mail(struct loop *loop)
{
    return &loop->hold_mail;
}

static void post_all(struct server *server, mail_of *mail)
{
    for (uint32_t i = 0; i < server->loop_count; i++)
        mailbox_post(&server->loops[i]->mailbox, mail(server->loops[i]));
}

/*
 * Posts the mail, and waits until all loops have done what it asks for; --admin-listen goes on
 * meanwhile. False: not in time.
 */
static bool ask_all(struct server *server, mail_of *mail, int timeout_ms)
{
    uint32_t began_ms = clock_now_ms();
    bool can_accept = true; /* until descriptors are short */
    atomic_store(&server->restless_loops, server->loop_count);
    post_all(server, mail);
    for (;;) {
        struct pollfd sources[] = {{.fd = server->news_fd, .events = POLLIN},
                                   {.fd = can_accept ? server->admin_fd : -1, .events = POLLIN}};
        uint64_t count;
        if (atomic_load(&server->restless_loops) == 0)
            return true;
        int left_ms = timeout_ms - (int)(clock_now_ms() - began_ms);
        if (left_ms <= 0)
            return false;
        if (poll(sources, 2, left_ms) <= 0)
            continue;
        if ((sources[0].revents & POLLIN) != 0)
            (void)!read(server->news_fd, &count, sizeof count);
        if ((sources[1].revents & POLLIN) != 0)
            can_accept = conn_life_accept_admin(server);
    }
}

static void make_header(const struct server *server, struct handover_header *ret_header)
{
    *ret_header = (struct handover_header){
        .listener_fd = server->listener_fd,
        .admin_fd = server->admin_fd,
        .started_ns = server->started_ns,
        .rested_ns = server->rested_ns,
        .upgrades = server->upgrades,
        .started_s = server->started_s,
        .part_count = server->loop_count,
        .has_ticket_keys = server->tls != NULL,
    };
    for (uint32_t i = 0; i < server->loop_count; i++)
        ret_header->part_bytes[i] = server->loops[i]->part.length;
    memcpy(ret_header->listens_on, server->listens_on, sizeof ret_header->listens_on);
    if (server->tls != NULL)
        ticket_keys_save(tls_context_ticket_keys(server->tls), &ret_header->ticket_keys);
}

static size_t bytes_of_parts(const struct server *server)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < server->loop_count; i++)
        bytes += server->loops[i]->part.length;
    return bytes;
}

static void free_parts(struct server *server)
{
    for (uint32_t i = 0; i < server->loop_count; i++)
        buf_release(&server->loops[i]->part);
}

/* Puts the header and the parts of the loops into the file, and seals it. */
static bool seal(const struct server *server, int fd)
{
    uint8_t first_line[HANDOVER_HEADER_BYTES_MAX];
    struct writer writer = writer_over(first_line, sizeof first_line);
    struct bytes parts[LOOPS_MAX + 1];
    struct handover_header header;
    bool is_whole = true;
    make_header(server, &header);
    handover_write_header(&writer, &header);
    parts[0] = writer_view(&writer);
    for (uint32_t i = 0; i < server->loop_count; i++) {
        is_whole = is_whole && !server->loops[i]->part_failed;
        parts[i + 1] = buf_view(&server->loops[i]->part);
    }
    if (!is_whole)
        errno = ENOMEM;
    is_whole = is_whole && process_seal(fd, parts, server->loop_count + 1);
    explicit_bzero(&header, sizeof header);
    explicit_bzero(first_line, sizeof first_line);
    return is_whole;
}

/* The rehearsal has all that this process has once more, and the handover is there twice. */
static bool has_memory(const struct server *server)
{
    uint64_t needed = machine_heap_bytes() + 2 * bytes_of_parts(server);
    return needed <= machine_available_bytes();
}

/* Has the new program restore what is in the file now. */
static bool rehearse_with(struct server *server, int fd, int signal_fd)
{
    char why[PROCESS_WHY_MAX];
    if (fd < 0 || !seal(server, fd))
        return refuse(strerrordesc_np(errno));
    bool is_good =
        process_rehearse(fd, UPGRADE_REHEARSAL_MS, signal_fd, &server->rehearsal_ms, why);
    if (is_good && server->rehearsal_ms > UPGRADE_LONGEST_MS)
        return refuse("its rehearsal took so long that players would notice");
    return is_good || refuse(why);
}

static bool rehearse(struct server *server, int signal_fd)
{
    if (!ask_all(server, copy_mail, UPGRADE_ANSWER_MS)) {
        /* A late loop would write while the next try reads, so there is none. */
        server->is_upgrade_stuck = true;
        return refuse("a loop does not answer");
    }
    if (!has_memory(server))
        return refuse("there is too little memory for a second copy of the rooms");
    int fd = process_make_room(0);
    bool is_good = rehearse_with(server, fd, signal_fd);
    if (fd >= 0)
        close(fd);
    return is_good;
}

/*
 * The loops come to rest. What they will write finds its memory there, in the parts of the
 * rehearsal and in a file: getting it from the kernel took a fifth of the time that all wait. The
 * handover has output besides, and what came meanwhile.
 */
static bool come_to_rest(struct server *server)
{
    size_t bytes = bytes_of_parts(server);
    server->handover_fd = process_make_room(bytes + bytes / HANDOVER_GROWTH_SHARE);
    if (server->handover_fd < 0)
        return refuse(strerrordesc_np(errno));
    server->keeps_rooms = true;
    if (ask_all(server, rest_mail, REST_MS + UPGRADE_ANSWER_MS))
        return true;
    server->keeps_rooms = false;
    post_all(server, go_on_mail);
    close(server->handover_fd);
    return refuse("a loop does not come to rest");
}

bool upgrade_prepare(struct server *server, int signal_fd)
{
    if (server->is_upgrade_stuck)
        return refuse("a loop did not answer before");
    if (rehearse(server, signal_fd) && come_to_rest(server))
        return true;
    if (!server->is_upgrade_stuck)
        free_parts(server);
    return false;
}

void upgrade_hold(struct server *server)
{
    server->rested_ns = server->kernel->now_ns();
    pthread_barrier_init(&server->resting_loops, NULL, server->loop_count);
    post_all(server, hold_mail);
}

void upgrade_execute(struct server *server)
{
    char why[PROCESS_WHY_MAX] = "the rooms can't be handed over";
    if (seal(server, server->handover_fd)) {
        process_keep_descriptor(server->listener_fd, true);
        if (server->admin_fd >= 0)
            process_keep_descriptor(server->admin_fd, true);
        unsigned restoring_s = UPGRADE_RESTORING_S + 4 * server->rehearsal_ms / 1000;
        process_replace(server->handover_fd, server->executions, restoring_s, why);
    }
    free_parts(server);
    (void)refuse(why);
}

static bool complain(const char *why)
{
    fprintf(stderr, "party-sockets: the handover can't be taken over: %s\n", why);
    return false;
}

bool upgrade_read(struct upgrade *upgrade, struct process_start start)
{
    char why[HANDOVER_WHY_MAX];
    *upgrade = (struct upgrade){.start = start};
    if (start.role == PROCESS_ORDINARY)
        return true;
    if (!process_map(start.handover_fd, &upgrade->text))
        return complain(strerrordesc_np(errno));
    return handover_read_header(upgrade->text, &upgrade->header, why) || complain(why);
}

void upgrade_give_ticket_keys(struct upgrade *upgrade, struct tls_context *tls)
{
    struct handover_header *header = &upgrade->header;
    if (tls != NULL && header->has_ticket_keys)
        ticket_keys_restore(tls_context_ticket_keys(tls), &header->ticket_keys);
    explicit_bzero(&header->ticket_keys, sizeof header->ticket_keys);
}

bool upgrade_restore(struct server *server, struct upgrade *upgrade,
                     struct handover_counts *ret_counts)
{
    char why[HANDOVER_WHY_MAX];
    bool is_rehearsal = upgrade->start.role == PROCESS_REHEARSAL;
    bool is_restored = handover_restore_in_threads(server, &upgrade->header, upgrade->text,
                                                   is_rehearsal, ret_counts, why);
    process_unmap(upgrade->text);
    upgrade->text = (struct bytes){0};
    return is_restored || complain(why);
}

void upgrade_settle(const struct server *server, struct upgrade *upgrade)
{
    bool is_successor = upgrade->start.role == PROCESS_SUCCESSOR;
    process_settle(&upgrade->start);
    if (!is_successor || process_keep_no_descriptors())
        return; /* descriptors of its own are closed on execution since they were made */
    for (uint32_t i = 0; i < server->loop_count; i++) {
        uint32_t at = 0;
        const struct conn *conn;
        while ((conn = loop_next_connection(server->loops[i], &at)) != NULL)
            process_keep_descriptor(conn->socket.fd, false);
    }
    process_keep_descriptor(server->listener_fd, false);
    if (server->admin_fd >= 0)
        process_keep_descriptor(server->admin_fd, false);
}
