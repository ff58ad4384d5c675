#include "recovery/recovery_picture.h"

static void check_peers(struct witness *witness, const struct player *player,
                        const struct witness_seat *own)
{
    const struct witness_room *room = &witness->rooms[own->room];
    promise(witness->verdict, player->host == room->host,
            "player %u thinks that %u is host, not %u", player->number, player->host, room->host);
    for (uint32_t index = 0; index < PLAYER_INDICES; index++) {
        const struct witness_seat *seat = witness_find_seat(witness, own->room, index);
        enum player_peer peer = player->peers[index];
        bool is_here = seat != NULL && seat != own && seat->presence == SEAT_PRESENT;
        bool is_away = seat != NULL && seat != own && seat->presence == SEAT_AWAY;
        promise(witness->verdict,
                (peer == PEER_PRESENT) == is_here && (peer == PEER_AWAY) == is_away,
                "player %u: its picture of index %u is wrong: %u", player->number, index, peer);
        if (is_away)
            promise(witness->verdict,
                    witness->now_ms - seat->lost_ms <= RECOVERY_HOST_GRACE_MS + 1000,
                    "seat %u of player %u is held too long", index, seat->player);
        if (index > player->highest)
            break;
    }
}

void check_picture(struct witness *witness, const struct player *player)
{
    struct witness_seat *own = witness_seat_of(witness, player->connection);
    if (!promise(witness->verdict, own != NULL, "player %u has no seat and thinks that it has",
                 player->number))
        return;
    check_peers(witness, player, own);
    witness_expect_all_taken(witness, own);
}

void check_said(const struct witness *witness, const struct player *player)
{
    const struct witness_sender *sender = &witness->senders[player->number];
    for (uint32_t id = 1; id <= player->last_id; id++) {
        promise(witness->verdict, player->said[id] != SAID_KEPT || sender->handled[id] > 0,
                "player %u: message %u is lost", player->number, id);
    }
}
