/* Turns, requests and events. ownership_map.c reads the map, ownership_judge.c takes slices. */
#include "cluster/ownership.h"

#include "base/attributes.h"
#include "cluster/ownership_parts.h"

void ownership_init(struct ownership *ownership, const struct node_id *self, uint32_t loops,
                    uint64_t random)
{
    *ownership = (struct ownership){.self = *self, .loops = loops, .random = random};
}

void ownership_be_edge_only(struct ownership *ownership)
{
    ownership->is_edge_only = true;
}

void ownership_set_figures(struct ownership *ownership, uint64_t rooms, uint64_t clients)
{
    ownership->rooms = rooms < LEASE_NUMBER_MAX ? rooms : LEASE_NUMBER_MAX;
    ownership->clients = clients < LEASE_NUMBER_MAX ? clients : LEASE_NUMBER_MAX;
}

bool ownership_settle(struct ownership *ownership, enum ownership_request_kind kind,
                      uint64_t serial)
{
    struct ownership_pending *pending = &ownership->pending[kind];
    if (!pending->is_out || pending->serial != serial)
        return false;
    pending->is_out = false;
    return true;
}

/* Reads the map now; a read that was sent before does not count. */
static void read_map_anew(struct ownership *ownership)
{
    ownership->pending[OWNERSHIP_READ_MAP].is_out = false;
    ownership->map_due_ms = ownership->now_ms;
}

/* look: a try is over. It was sent since the pause: expire() has ended those from before. */
static void end_try(struct ownership *ownership, bool is_read)
{
    uint64_t tried_ms = ownership->now_ms - ownership->look_since_ms;
    if (!ownership->must_look || (!is_read && tried_ms < OWNERSHIP_TRIES_MS))
        return;
    ownership->must_look = false;
    ownership->is_found = is_read;
}

static void map_read_failed(struct ownership *ownership)
{
    uint64_t retry_ms = ownership->pending[OWNERSHIP_READ_MAP].sent_ms + OWNERSHIP_RETRY_MS;
    ownership->map_due_ms = retry_ms > ownership->now_ms ? retry_ms : ownership->now_ms;
    end_try(ownership, false);
}

void ownership_map_was_read(struct ownership *ownership, uint64_t serial,
                            const struct map_history *history)
{
    if (!ownership_settle(ownership, OWNERSHIP_READ_MAP, serial))
        return;
    if (!map_history_is_sound(history) || !ownership_take_in(ownership, history)) {
        map_read_failed(ownership);
        return;
    }
    ownership->was_read = true;
    ownership->must_read = false;
    ownership->map_read_ms = ownership->pending[OWNERSHIP_READ_MAP].sent_ms;
    end_try(ownership, true);
}

void ownership_map_was_not_read(struct ownership *ownership, uint64_t serial)
{
    if (ownership_settle(ownership, OWNERSHIP_READ_MAP, serial))
        map_read_failed(ownership);
}

static void end_writing(struct ownership *ownership)
{
    ownership->must_read = true;
    ownership->gave_ms = ownership->now_ms;
    read_map_anew(ownership);
}

void ownership_map_was_written(struct ownership *ownership, uint64_t serial,
                               enum ownership_written outcome)
{
    /* Whatever the outcome is said to be, only what is read counts. */
    (void)outcome;
    if (ownership_settle(ownership, OWNERSHIP_WRITE_MAP, serial))
        end_writing(ownership);
}

void ownership_lease_was_written(struct ownership *ownership, uint64_t serial, uint64_t sequence)
{
    uint64_t *renewals = ownership->renewals;
    const uint32_t last = OWNERSHIP_RENEWALS - 1;
    if (!ownership_settle(ownership, OWNERSHIP_WRITE_LEASE, serial))
        return;
    /* own-lease: the sequences of another stream compare with nothing. */
    if (sequence <= renewals[last])
        ownership->renewal_count = 0;
    memmove(renewals, renewals + 1, last * sizeof *renewals);
    renewals[last] = sequence;
    if (ownership->renewal_count < OWNERSHIP_RENEWALS)
        ownership->renewal_count++;
    ownership->wants_leases = ownership->renewal_count == OWNERSHIP_RENEWALS;
    ownership->has_ended = ownership->is_ending;
}

void ownership_lease_was_not_written(struct ownership *ownership, uint64_t serial)
{
    ownership_settle(ownership, OWNERSHIP_WRITE_LEASE, serial);
}

void ownership_leases_were_not_read(struct ownership *ownership, uint64_t serial)
{
    ownership_settle(ownership, OWNERSHIP_READ_LEASES, serial);
}

/* Requests without an outcome in time have an unknown one. */
static void expire(struct ownership *ownership)
{
    for (uint32_t kind = 0; kind < OWNERSHIP_REQUESTS; kind++) {
        struct ownership_pending *pending = &ownership->pending[kind];
        if (!pending->is_out || ownership->now_ms - pending->sent_ms < OWNERSHIP_PATIENCE_MS)
            continue;
        pending->is_out = false;
        if (kind == OWNERSHIP_READ_MAP)
            map_read_failed(ownership);
        else if (kind == OWNERSHIP_WRITE_MAP)
            end_writing(ownership);
    }
}

static void begin_look(struct ownership *ownership)
{
    ownership->must_look = true;
    ownership->look_since_ms = ownership->now_ms;
}

/* wait */
static void open_slices(struct ownership *ownership)
{
    bool is_fresh =
        ownership->was_read && ownership->now_ms - ownership->map_read_ms <= OWNERSHIP_FRESH_MS;
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        struct ownership_slice *slice = &ownership->slices[i];
        if (slice->known_ms == 0)
            slice->known_ms = ownership->now_ms;
        if (slice->state == SLICE_GIVEN) {
            slice->state = SLICE_WAITING;
            slice->opens_ms = ownership->now_ms + (slice->is_moved ? 0 : OWNERSHIP_WAIT_MS);
        } else if (slice->state == SLICE_WAITING && ownership->now_ms >= slice->opens_ms &&
                   is_fresh && !ownership->must_look) {
            slice->state = SLICE_OPEN;
            ownership->has_changes = true;
        }
    }
}

/* Whether reading the leases now would end a judgement before anything could be written by it. */
static bool is_judging(const struct ownership *ownership)
{
    const struct ownership_pending *pending = ownership->pending;
    bool can_not_write = pending[OWNERSHIP_WRITE_MAP].is_out || ownership->must_read;
    return pending[OWNERSHIP_READ_LEASES].is_out ||
           (ownership->judgement.is_valid && can_not_write);
}

static void follow_hint(struct ownership *ownership)
{
    uint64_t read_ms = ownership->pending[OWNERSHIP_READ_MAP].sent_ms;
    if (!ownership->is_hinted || ownership->now_ms - read_ms < OWNERSHIP_HINT_MS ||
        is_judging(ownership))
        return;
    ownership->is_hinted = false;
    ownership->map_due_ms = ownership->now_ms;
    ownership->wants_leases = ownership->renewal_count == OWNERSHIP_RENEWALS;
}

void ownership_begin_turn(struct ownership *ownership, uint64_t now_ms)
{
    bool has_paused = !ownership->has_turned || (now_ms > ownership->now_ms &&
                                                 now_ms - ownership->now_ms > OWNERSHIP_PAUSE_MS);
    if (now_ms > ownership->now_ms)
        ownership->now_ms = now_ms;
    if (has_paused)
        begin_look(ownership);
    ownership->has_turned = true;
    expire(ownership);
    follow_hint(ownership);
    open_slices(ownership);
    ownership_share(ownership);
}

void ownership_hint(struct ownership *ownership)
{
    ownership->is_hinted = true;
}

void ownership_allow_yields(struct ownership *ownership, bool is_allowed)
{
    ownership->keeps_slices = !is_allowed;
}

void ownership_heir_has_opened(struct ownership *ownership)
{
    ownership->gave_ms = 0;
}

void ownership_is_serving(struct ownership *ownership, uint32_t slice, uint64_t term)
{
    struct ownership_slice *own = &ownership->slices[slice];
    own->is_served |= own->state == SLICE_OPEN && own->term == term;
}

void ownership_has_handed_over(struct ownership *ownership, uint32_t slice, uint64_t term)
{
    struct ownership_slice *own = &ownership->slices[slice];
    own->is_handed_over |= own->state == SLICE_YIELDED && own->term == term && own->told_term == 0;
}

void ownership_drain(struct ownership *ownership)
{
    ownership->is_draining = true;
}

void ownership_leave(struct ownership *ownership)
{
    if (!ownership->is_leaving)
        ownership->lease_due_ms = ownership->now_ms;
    ownership->is_draining = true;
    ownership->is_leaving = true;
}

void ownership_end(struct ownership *ownership)
{
    if (ownership->is_ending)
        return;
    ownership->is_draining = true;
    ownership->is_ending = true;
    ownership->pending[OWNERSHIP_WRITE_LEASE].is_out = false;
    ownership->lease_due_ms = ownership->now_ms;
    ownership_lose_all(ownership, OWNERSHIP_LOST_NOBODY);
}

static bool is_told(const struct ownership_slice *slice, bool is_open)
{
    return slice->told_term == (is_open && slice->state == SLICE_OPEN ? slice->term : 0);
}

static bool next_loss(struct ownership *ownership, struct ownership_event *ret_event)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        struct ownership_slice *slice = &ownership->slices[i];
        bool is_lost = slice->state != SLICE_OPEN || slice->term != slice->told_term;
        if (slice->told_term == 0 || !is_lost)
            continue;
        *ret_event = (struct ownership_event){.kind = OWNERSHIP_LOST,
                                              .slice = i,
                                              .term = slice->told_term,
                                              .why = slice->lost_why,
                                              .to = slice->lost_to,
                                              .to_term = slice->lost_term};
        if (slice->lost_why == OWNERSHIP_LOST_UNKNOWN || slice->lost_why == OWNERSHIP_LOST_ERA)
            ownership_find_owner(ownership, i, &ret_event->to, &ret_event->to_term);
        slice->told_term = 0;
        return true;
    }
    return false;
}

static bool next_opening(struct ownership *ownership, struct ownership_event *ret_event)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        struct ownership_slice *slice = &ownership->slices[i];
        if (is_told(slice, true) || ownership->must_look)
            continue;
        slice->told_term = slice->term;
        *ret_event =
            (struct ownership_event){.kind = OWNERSHIP_OPENED, .slice = i, .term = slice->term};
        return true;
    }
    return false;
}

/* Events of which there is one at a time. */
static bool next_era(struct ownership *ownership, struct ownership_event *ret_event)
{
    if (!ownership->has_map ||
        (ownership->is_era_told && ownership->told_era == ownership->map.era))
        return false;
    ownership->is_era_told = true;
    ownership->told_era = ownership->map.era;
    *ret_event = (struct ownership_event){.kind = OWNERSHIP_ERA, .era = ownership->map.era};
    return true;
}

static bool next_end_of_look(struct ownership *ownership, struct ownership_event *ret_event)
{
    if (ownership->must_look || !ownership->is_look_told)
        return false;
    ownership->is_look_told = false;
    *ret_event =
        (struct ownership_event){.kind = OWNERSHIP_LOOKED, .is_found = ownership->is_found};
    return true;
}

bool ownership_next_event(struct ownership *ownership, struct ownership_event *ret_event)
{
    if (ownership->must_look && !ownership->is_look_told) {
        ownership->is_look_told = true;
        *ret_event = (struct ownership_event){.kind = OWNERSHIP_MUST_LOOK};
        return true;
    }
    if (ownership->has_changes && next_loss(ownership, ret_event))
        return true;
    if (next_era(ownership, ret_event) || next_end_of_look(ownership, ret_event))
        return true;
    if (ownership->has_changes && next_opening(ownership, ret_event))
        return true;
    /* What opened before the node must look is told afterwards. */
    ownership->has_changes = ownership->has_changes && ownership->must_look;
    if (!ownership->has_ended || ownership->is_end_told)
        return false;
    ownership->is_end_told = true;
    *ret_event = (struct ownership_event){.kind = OWNERSHIP_ENDED};
    return true;
}

static bool wants(const struct ownership *ownership, enum ownership_request_kind kind)
{
    switch (kind) {
    case OWNERSHIP_WRITE_LEASE:
        /* The node that ends says so only when nothing of it is served any more. */
        return ownership->now_ms >= ownership->lease_due_ms && !ownership->has_ended &&
               !(ownership->is_ending && ownership->has_changes);
    case OWNERSHIP_READ_MAP:
        return ownership->now_ms >= ownership->map_due_ms &&
               (!ownership->is_ending || ownership->must_look);
    case OWNERSHIP_READ_LEASES:
        return ownership->wants_leases && ownership->has_map && !ownership->must_look &&
               !ownership->is_ending;
    case OWNERSHIP_WRITE_MAP:
    case OWNERSHIP_REQUESTS:
        break;
    }
    return !ownership->must_look && !ownership->is_ending;
}

static struct bytes write_lease(struct ownership *ownership)
{
    struct writer writer = writer_over(ownership->lease_text, sizeof ownership->lease_text);
    const struct lease lease = {
        .node = ownership->self,
        .is_draining = ownership->is_draining,
        .is_edge_only = ownership->is_edge_only,
        .has_ended = ownership->is_ending,
        .loops = ownership->loops,
        .reads = MAP_VERSION,
        .writes = MAP_VERSION,
        .rooms = ownership->rooms,
        .clients = ownership->clients,
    };
    lease_write(&writer, &lease);
    return writer_view(&writer);
}

/* Fills the request in. False: there is nothing to ask for. */
static bool make_request(struct ownership *ownership, struct ownership_request *request)
{
    struct map map;
    struct writer writer = writer_over(ownership->text, sizeof ownership->text);
    struct ownership_judgement *judgement = &ownership->judgement;
    request->revision = ownership->last_revision;
    switch (request->kind) {
    case OWNERSHIP_WRITE_LEASE:
        ownership->lease_due_ms = ownership->now_ms + OWNERSHIP_PERIOD_MS;
        request->text = write_lease(ownership);
        return true;
    case OWNERSHIP_READ_MAP:
        ownership->map_due_ms = ownership->now_ms + OWNERSHIP_PERIOD_MS;
        return true;
    case OWNERSHIP_READ_LEASES:
        ownership->wants_leases = false;
        judgement->asked_ms = ownership->now_ms;
        judgement->is_valid = false;
        memcpy(judgement->renewals, ownership->renewals, sizeof judgement->renewals);
        return true;
    case OWNERSHIP_WRITE_MAP:
    case OWNERSHIP_REQUESTS:
        break;
    }
    if (!ownership_plan_entry(ownership, &map))
        return false;
    map_write(&writer, &map);
    request->text = writer_view(&writer);
    return writer_fits(&writer);
}

bool ownership_next_request(struct ownership *ownership, struct ownership_request *ret_request)
{
    for (uint32_t kind = 0; kind < OWNERSHIP_REQUESTS; kind++) {
        struct ownership_pending *pending = &ownership->pending[kind];
        *ret_request = (struct ownership_request){.kind = (enum ownership_request_kind)kind};
        if (pending->is_out || !wants(ownership, ret_request->kind) ||
            !make_request(ownership, ret_request))
            continue;
        ret_request->serial = ++ownership->last_serial;
        *pending = (struct ownership_pending){true, ret_request->serial, ownership->now_ms};
        return true;
    }
    return false;
}

bool ownership_must_look(const struct ownership *ownership)
{
    return ownership->must_look || !ownership->has_turned;
}

uint64_t ownership_term(const struct ownership *ownership, uint32_t slice)
{
    const struct ownership_slice *own = &ownership->slices[slice];
    return own->state == SLICE_OPEN && !ownership_must_look(ownership) ? own->term : 0;
}

uint64_t ownership_yielded_term(const struct ownership *ownership, uint32_t slice)
{
    const struct ownership_slice *own = &ownership->slices[slice];
    return own->state == SLICE_YIELDED ? own->term : 0;
}

bool ownership_find_last_read(const struct ownership *ownership, uint64_t *ret_ms)
{
    *ret_ms = ownership->map_read_ms;
    return ownership->was_read;
}

bool ownership_find_owner(const struct ownership *ownership, uint32_t slice,
                          struct node_id *ret_owner, uint64_t *ret_term)
{
    const struct map_slice *entry = &ownership->map.slices[slice];
    if (!ownership->has_map)
        return false;
    *ret_owner = ownership->map.nodes[entry->owner];
    *ret_term = entry->term;
    return true;
}

bool ownership_owns(const struct ownership *ownership, const struct node_id *node)
{
    bool owns = !ownership->has_map;
    for (uint32_t i = 0; i < MAP_SLICES && !owns; i++)
        owns = node_id_equal(&ownership->map.nodes[ownership->map.slices[i].owner], node);
    return owns;
}
