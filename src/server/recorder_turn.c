/* A turn: mail of the loops, slices that were lost, records, codes, slices to open, and garbage. */
#include "server/recorder.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/recorder_parts.h"

static void tell(const char *why)
{
    if (why == NULL)
        fprintf(stderr, "party-sockets: the cluster takes records of rooms again\n");
    else
        fprintf(stderr, "party-sockets: rooms are not recorded, games go on: %s\n", why);
}

struct recorder *recorder_new(struct server *server, struct bus *bus,
                              const struct recorder_owners *owners)
{
    struct recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL)
        return NULL;
    recorder->server = server;
    recorder->bus = bus;
    recorder->owners = *owners;
    recorder_init_engine(recorder);
    if (!mailbox_init(&recorder->mailbox, server->kernel)) {
        free(recorder);
        return NULL;
    }
    server->store = store_new(&recorder->engine);
    if (server->store == NULL) {
        mailbox_release(&recorder->mailbox);
        free(recorder);
        return NULL;
    }
    store_drive(server->store, tell);
    server->recorder = &recorder->mailbox;
    return recorder;
}

static void drop_mail(struct mail *mail)
{
    while (mail != NULL) {
        struct mail *next = mail->next;
        if (mail->kind == MAIL_REVIVE)
            free(CONTAINER_OF(mail, struct revival, mail));
        mail = next;
    }
}

void recorder_free(struct recorder *recorder)
{
    if (recorder == NULL)
        return;
    drop_mail(recorder->unread);
    drop_mail(mailbox_take_all(&recorder->mailbox));
    mailbox_release(&recorder->mailbox);
    recorder_end_opening(recorder);
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++)
        recorder_forget_slice(recorder, slice);
    recorder_release_garbage(&recorder->ends);
    recorder_release_garbage(&recorder->others);
    recorder->server->recorder = NULL;
    free(recorder);
}

void recorder_give(struct recorder *recorder, uint32_t slice, uint64_t term)
{
    atomic_store(&recorder->wanted[slice], term);
}

bool recorder_has_opened(const struct recorder *recorder, uint32_t slice, uint64_t term)
{
    return atomic_load(&recorder->opened[slice]) == term;
}

uint64_t recorder_flush(struct recorder *recorder)
{
    return atomic_fetch_add(&recorder->flushes_asked, 1) + 1;
}

bool recorder_has_flushed(const struct recorder *recorder, uint64_t flush)
{
    return atomic_load(&recorder->flushed) >= flush;
}

/* What was handed over before a flush was asked for is in the store by now. */
static void write_records(struct recorder *recorder)
{
    uint64_t asked = atomic_load(&recorder->flushes_asked);
    if (recorder->now_ms < recorder->store_retry_ms)
        return;
    if (store_write(recorder->server->store))
        atomic_store(&recorder->flushed, asked);
    else
        recorder->store_retry_ms = recorder->now_ms + RECORDER_RETRY_MS;
}

/* Forgets what this node had in slices that it has lost, or has at another term. */
static void look_at_slices(struct recorder *recorder)
{
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
        uint64_t term = atomic_load(&recorder->wanted[slice]);
        if (term == recorder->terms[slice])
            continue;
        recorder_forget_slice(recorder, slice);
        atomic_store(&recorder->opened[slice], 0); /* an era may bring the same term again */
        recorder->terms[slice] = term;
        recorder->is_read[slice] = false;
    }
}

/* Reserves one code. False: the keyed store does not answer. */
static bool reserve(struct recorder *recorder, struct known_code *known)
{
    struct recorded reserved = {.code = known->code, .term = known->term};
    uint32_t slice = peers_slice_of(known->code);
    const struct record_key key = {
        .kind = RECORD_KIND_ROOM, .slice = slice, .code = known->code, .term = known->term};
    struct bus *bus = recorder->bus;
    char name[RECORDER_KEY_MAX];
    if (recorder->terms[slice] != known->term || recorder_find(recorder, known->code) != NULL) {
        known->term = 0;
        return true;
    }
    record_key_write(&key, name);
    enum bus_outcome outcome = bus->functions->record_write(bus, name, BYTES(RECORDER_RESERVED), 0,
                                                            RECORDER_CALLS_MS, &reserved.revision);
    bool is_kept = outcome == BUS_DONE &&
                   recorder_note(recorder, reserved.code, reserved.term, reserved.revision) != NULL;
    if (!is_kept)
        known->term = 0;
    return outcome != BUS_UNKNOWN;
}

/* Reserves codes until the keyed store does not answer; returns whether it always did. */
static bool reserve_all(struct recorder *recorder, struct code_request *request)
{
    bool is_answered = true;
    for (uint32_t i = 0; i < request->count; i++) {
        if (!is_answered)
            request->codes[i].term = 0;
        else
            is_answered = reserve(recorder, &request->codes[i]);
    }
    return is_answered;
}

/* confirm: the map is read after the last acknowledgement. */
static void confirm(struct recorder *recorder, struct code_request *request)
{
    const struct recorder_owners *owners = &recorder->owners;
    bool is_answered = reserve_all(recorder, request);
    bool was_read = owners->look(owners->context);
    for (uint32_t i = 0; i < request->count; i++) {
        struct known_code *known = &request->codes[i];
        if (known->term == 0 ||
            (was_read && owners->owns(owners->context, peers_slice_of(known->code), known->term)))
            continue;
        recorder_forget(recorder, known->code);
        known->term = 0;
    }
    if (!is_answered || !was_read)
        recorder->retry_ms = recorder->now_ms + RECORDER_RETRY_MS;
}

/* Nothing is asked while the keyed store is left alone, or loops that ask would put that off. */
static void answer(struct recorder *recorder, struct code_request *request)
{
    if (recorder->now_ms >= recorder->retry_ms)
        confirm(recorder, request);
    else
        for (uint32_t i = 0; i < request->count; i++)
            request->codes[i].term = 0;
    mailbox_post(&recorder->server->loops[request->loop]->mailbox, &request->mail);
}

/* One request for codes a turn. Returns whether there is more mail. */
static bool read_mail(struct recorder *recorder)
{
    bool has_confirmed = false;
    if (recorder->unread == NULL)
        recorder->unread = mailbox_take_all(&recorder->mailbox);
    while (recorder->unread != NULL && !has_confirmed) {
        struct mail *mail = recorder->unread;
        recorder->unread = mail->next;
        if (mail->kind == MAIL_REVIVE) {
            recorder_was_revived(recorder, CONTAINER_OF(mail, struct revival, mail));
            continue;
        }
        answer(recorder, CONTAINER_OF(mail, struct code_request, mail));
        has_confirmed = true;
    }
    return recorder->unread != NULL;
}

bool recorder_turn(struct recorder *recorder, uint64_t now_ms)
{
    recorder->now_ms = now_ms;
    look_at_slices(recorder);
    write_records(recorder);
    bool has_more = read_mail(recorder);
    if (now_ms < recorder->retry_ms)
        return has_more;
    bool is_opening = true;
    /* Whoever waits for a slice can't play, and records of others can wait. */
    for (uint32_t i = 0; is_opening && i < RECORDER_OPENINGS_PER_TURN; i++)
        is_opening = recorder_open_slices(recorder);
    has_more = has_more || is_opening;
    if (!recorder_clean(recorder))
        recorder->retry_ms = now_ms + RECORDER_RETRY_MS;
    return has_more;
}
