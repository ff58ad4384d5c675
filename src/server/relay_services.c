/*
 * The relay's callbacks. Random numbers and newcomers are the loop's; rooms, retained bytes and
 * misses are counted for the process.
 */
#include "server/relay_services.h"

#include <stdlib.h>

#include "proto/origin.h"
#include "server/admission.h"
#include "server/codes.h"
#include "server/drain.h"
#include "server/recorder.h"
#include "store/store.h"

/* Returns 32 random bits, which come from the kernel RANDOM_WORDS at a time. */
static uint32_t draw_random(void *context)
{
    struct loop *loop = context;
    if (loop->random_left == 0) {
        loop->kernel->random(loop->random, sizeof loop->random);
        loop->random_left = RANDOM_WORDS;
    }
    return loop->random[--loop->random_left];
}

static struct member **seat_of(void *context, uint32_t client)
{
    const struct loop *loop = context;
    return &loop_client(loop, client)->seat;
}

static bool admit_room(void *context, uint32_t client, struct maker **ret_maker)
{
    struct loop *loop = context;
    struct server *server = loop->server;
    struct address address;
    unsigned before = atomic_fetch_add_explicit(&server->rooms, 1, memory_order_relaxed);
    if (before >= server->config->rooms_max) {
        atomic_fetch_sub_explicit(&server->rooms, 1, memory_order_relaxed);
        return false;
    }
    *ret_maker = NULL;
    if (client != CLIENT_NONE && admission_address_of(loop, loop_client(loop, client), &address))
        *ret_maker = makers_enter(&server->makers, address);
    return true;
}

/* The recorder writes a record of the end, unless the room goes on at another node. */
static void tell_of_end(const struct loop *loop, uint64_t code)
{
    struct ownership_word owner = loop->links->owners[peers_slice_of(code)];
    if (loop->links->gives_up || !peers_is_own(owner))
        return;
    uint8_t *text = malloc(RECORDER_TERM_BYTES);
    if (text == NULL)
        return;
    recorder_put_term(text, peers_term(owner));
    (void)!store_put(loop->server->store, code, text, RECORDER_TERM_BYTES);
}

/* If memory is short, the room is there again after a restart, for as long as it holds seats. */
static void forget_record(void *context, uint64_t code)
{
    struct loop *loop = context;
    if (loop->writes_records && loop->links != NULL)
        tell_of_end(loop, code);
    else if (loop->writes_records)
        (void)!store_remove(loop->server->store, code);
}

static void dismiss_room(void *context, struct maker *maker)
{
    struct loop *loop = context;
    atomic_fetch_sub_explicit(&loop->server->rooms, 1, memory_order_relaxed);
    makers_leave(&loop->server->makers, maker);
    drain_note_end(loop);
}

static void room_deserted(void *context, struct room *room)
{
    struct loop *loop = context;
    struct server *server = loop->server;
    uint32_t target;
    room->retained->vacancy.loop = loop->index;
    drain_note_end(loop);
    if (server->keeps_rooms) /* all are cut off now, and come back to the next process */
        return;
    if (!makers_add_vacancy(&server->makers, room->maker, &room->retained->vacancy, &target))
        return;
    struct loop *owner = server->loops[target];
    if (!atomic_exchange(&owner->vacant_mail_is_posted, true))
        mailbox_post(&owner->mailbox, &owner->vacant_mail);
}

static void room_occupied(void *context, struct room *room)
{
    struct loop *loop = context;
    makers_remove_vacancy(&loop->server->makers, room->maker, &room->retained->vacancy);
}

static bool admit_bytes(void *context, struct maker *maker, size_t count, bool is_certain)
{
    struct server *server = ((struct loop *)context)->server;
    size_t limit = server->retained_bytes_max / RETAINED_PARTS_OF_MAKER;
    size_t before = atomic_fetch_add_explicit(&server->retained_bytes, count, memory_order_relaxed);
    /*
     * A maker may have many rooms. Bytes that are certain for them may exceed the maker's part, but
     * only in the first half of all; the second half is for the other makers.
     */
    if (is_certain && before + count <= server->retained_bytes_max / 2)
        limit = SIZE_MAX;
    if (before + count <= server->retained_bytes_max && makers_admit_bytes(maker, count, limit))
        return true;
    atomic_fetch_sub_explicit(&server->retained_bytes, count, memory_order_relaxed);
    return false;
}

static void dismiss_bytes(void *context, struct maker *maker, size_t count)
{
    struct server *server = ((struct loop *)context)->server;
    atomic_fetch_sub_explicit(&server->retained_bytes, count, memory_order_relaxed);
    makers_dismiss_bytes(maker, count);
}

static bool may_tell(void *context, uint32_t client, bool is_found)
{
    struct loop *loop = context;
    struct conn *conn = loop_client(loop, client);
    return admission_may_tell_joiner(loop, conn, is_found);
}

static bool may_bring(void *context, uint32_t client, const struct room *room)
{
    struct loop *loop = context;
    struct address address;
    const struct conn *conn = loop_client(loop, client);
    if (!admission_address_of(loop, conn, &address) || address_is_private(address))
        return true;
    return newcomers_admit(&loop->newcomers, room->code, room->members_max, address, loop->now_ms);
}

static void code_needs(void *context, uint32_t client, uint64_t *ret_rooms, bool *ret_is_private)
{
    struct loop *loop = context;
    struct address address;
    *ret_rooms = atomic_load_explicit(&loop->server->rooms, memory_order_relaxed);
    *ret_is_private = admission_address_of(loop, loop_client(loop, client), &address) &&
                      address_is_private(address);
}

/* Whether the client's page may use a token that is for this origin; a native client has none. */
static bool is_for_client(const struct loop *loop, const struct conn *conn,
                          const struct token_claims *claims)
{
    uint8_t origin[ORIGIN_BYTES_MAX];
    struct bytes pattern = bytes_of(claims->origin, claims->origin_length);
    if (pattern.length == 0)
        return true;
    size_t length = origins_name(&loop->server->origins, conn->origin_number, origin);
    return origin_matches(bytes_of(origin, length), pattern);
}

static enum token_answer check_token(void *context, uint32_t client, struct bytes token,
                                     uint32_t *ret_members_max)
{
    struct loop *loop = context;
    const struct conn *conn = loop_client(loop, client);
    struct token_claims claims;
    switch (admission_check_token(loop, conn, token, &claims)) {
    case TOKEN_VERDICT_NOT_ASKED:
        return TOKEN_NOT_ASKED;
    case TOKEN_VERDICT_OK:
        break;
    case TOKEN_VERDICT_EXPIRED:
        return TOKEN_EXPIRED;
    case TOKEN_VERDICT_NO_MEMORY:
        return TOKEN_NO_MEMORY;
    case TOKEN_VERDICT_MALFORMED:
    case TOKEN_VERDICT_BAD_SIGNATURE:
        return TOKEN_INVALID;
    }
    if (!is_for_client(loop, conn, &claims))
        return TOKEN_OTHER_ORIGIN;
    if (claims.max_clients > 0 && claims.max_clients < *ret_members_max)
        *ret_members_max = claims.max_clients;
    return TOKEN_OK;
}

static bool may_guess(void *context, uint32_t client, const struct room *room, bool was_wrong)
{
    struct loop *loop = context;
    struct address address;
    if (!admission_address_of(loop, loop_client(loop, client), &address))
        return true;
    if (was_wrong)
        newcomers_note_guess(&loop->newcomers, room->code, address, loop->now_ms);
    return newcomers_may_guess(&loop->newcomers, room->code, address, loop->now_ms);
}

static bool take_code(void *context, enum protocol protocol, uint32_t length, uint64_t *ret_code)
{
    return codes_take(context, protocol, length, ret_code);
}

/* In this turn's picture of who owns what. */
static bool may_make(void *context, uint64_t code)
{
    const struct loop *loop = context;
    return peers_place(loop->links->owners[peers_slice_of(code)]) == PEER_HERE;
}

void relay_services_init(struct loop *loop)
{
    const struct config *config = loop->server->config;
    loop->writes_records = config->state_directory != NULL || loop->links != NULL;
    relay_init(&loop->relay,
               &(struct relay_config){
                   .loop_index = loop->index,
                   .loop_count = loop->server->loop_count,
                   .members_max = (uint32_t)config->clients_per_room_max,
                   .id_bytes_max = (uint32_t)config->client_id_bytes_max,
                   .host_grace_ms = (uint32_t)config->host_grace_ms,
                   .empty_room_grace_ms = (uint32_t)config->empty_room_grace_ms,
                   .hold_ms_max = (uint32_t)config->hold_ms,
                   .migrate_ms = (uint32_t)config->migrate_ms,
                   .log_bytes_max = (uint32_t)config->log_bytes_max,
                   .proof_ms = (uint32_t)config->origin_proof_ms,
                   .instance = config_instance(config),
                   .crowds = loop->crowds,
                   .notes_changes = loop->writes_records,
                   .record_rest_ms = loop->links == NULL ? 0 : RECORDS_REST_CLUSTER_MS,
                   .forget_record = forget_record,
                   .random = draw_random,
                   .seat_of = seat_of,
                   .admit_room = admit_room,
                   .dismiss_room = dismiss_room,
                   .room_deserted = room_deserted,
                   .room_occupied = room_occupied,
                   .admit_bytes = admit_bytes,
                   .dismiss_bytes = dismiss_bytes,
                   .may_tell = may_tell,
                   .may_bring = may_bring,
                   .code_needs = code_needs,
                   .check_token = check_token,
                   .may_guess = may_guess,
                   .may_make = loop->links != NULL ? may_make : NULL,
                   .take_code = loop->links != NULL ? take_code : NULL,
                   .context = loop,
               });
    loop->relay.now_ms = loop->now_ms;
}
