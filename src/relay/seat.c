/* The sessions of a seat. */
#include "relay/seat.h"

#include <string.h>

bool seat_note_session(struct seat *seat, struct session session)
{
    if (session.hash == seat->sessions[0]) {
        if (session.attempt <= seat->attempt)
            return false;
        seat->attempt = session.attempt;
        return true;
    }
    for (int i = 1; i < SEAT_SESSIONS; i++) {
        if (session.hash == seat->sessions[i])
            return false;
    }
    memmove(seat->sessions + 1, seat->sessions, sizeof seat->sessions - sizeof seat->sessions[0]);
    seat->sessions[0] = session.hash;
    seat->attempt = session.attempt;
    return true;
}

bool seat_note_return(struct seat *seat, struct session session)
{
    bool is_last = session.hash == seat->sessions[0] && session.attempt == seat->attempt;
    return is_last || seat_note_session(seat, session);
}

bool seat_knows(const struct seat *seat, struct session session)
{
    for (int i = 0; i < SEAT_SESSIONS; i++) {
        if (session.hash == seat->sessions[i])
            return true;
    }
    return seat->sessions[0] == 0;
}
