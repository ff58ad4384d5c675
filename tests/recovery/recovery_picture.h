/* Whether what a player knows and has said is what the witness has seen. */
#ifndef PARTY_TESTS_RECOVERY_PICTURE_H
#define PARTY_TESTS_RECOVERY_PICTURE_H

#include "recovery/recovery_player.h"
#include "recovery/recovery_witness.h"

/* Nothing is under way to the player: its picture is the room as it is, and it has taken all that
 * its seat was promised. */
void check_picture(struct witness *witness, const struct player *player);

/* What the player has said and did not give up was handled. */
void check_said(const struct witness *witness, const struct player *player);

#endif
