/* How the keeper follows the slices that this node gives to others. */
#include "server/node_parts.h"
#include "store/store.h"

void node_allow_yields(struct node *node)
{
    struct store_status status;
    store_get_status(node->server->store, &status);
    ownership_allow_yields(&node->ownership, !status.is_failing);
}

void node_note_yield(struct node *node, uint32_t slice, uint64_t term)
{
    struct node_yields *yields = &node->yields;
    yields->terms[slice] = term;
    yields->are_any = true;
    yields->are_written = false;
}

void node_yields_are_shown(struct node *node)
{
    node->yields.changes = atomic_load(&node->peers.changes);
}

/* Whether each loop has handed its rooms over. The number of the picture wraps. */
static bool loops_are_done(const struct node *node)
{
    for (uint32_t i = 0; i < node->server->loop_count; i++) {
        unsigned handled = atomic_load(&node->server->loops[i]->owners_handled);
        if ((int)(handled - node->yields.changes) < 0)
            return false;
    }
    return true;
}

void node_follow_yields(struct node *node)
{
    struct node_yields *yields = &node->yields;
    if (!yields->are_any)
        return;
    if (!yields->are_written) {
        yields->are_written = loops_are_done(node);
        if (yields->are_written)
            yields->flush = recorder_flush(node->recorder);
        return;
    }
    if (!recorder_has_flushed(node->recorder, yields->flush))
        return;
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
        if (yields->terms[slice] != 0)
            ownership_has_handed_over(&node->ownership, slice, yields->terms[slice]);
        yields->terms[slice] = 0;
    }
    yields->are_any = false;
}
