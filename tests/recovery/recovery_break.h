/*
 * Rules of protocol 3 that a play breaks on purpose: each must be found.
 *
 * The reference server breaks those that begin with SERVER, the players those with CLIENT.
 */
#ifndef PARTY_TESTS_RECOVERY_BREAK_H
#define PARTY_TESTS_RECOVERY_BREAK_H

/* clang-format off */
#define FOR_EACH_RECOVERY_BREAK(X) \
    X(NONE) \
    X(SERVER_COUNT_RESTARTS)     /* who is not recovered begins with 0, in the same epoch */ \
    X(SERVER_HEARD_RESTARTS)     /* the same of what was heard */ \
    X(SERVER_EPOCH_KEPT)         /* somebody who knows nothing gets the counts that there were */ \
    X(SERVER_OLD_INPUT)          /* a replaced connection is still listened to */ \
    X(SERVER_NO_BARRIER)         /* what was said before an unasked `joined` was known is taken */ \
    X(SERVER_STALE_BARRIER)      /* `resumed` with another number is taken */ \
    X(SERVER_STALE_JOIN)         /* the join of a connection that was given up is obeyed */ \
    X(SERVER_OLD_SESSION)        /* the same, if another session has followed */ \
    X(SERVER_SESSIONS_FORGOTTEN) /* sessions are forgotten with their seat */ \
    X(SERVER_ERROR_UNHEARD)      /* what is refused is not counted as heard */ \
    X(SERVER_GARBAGE_UNHEARD)    /* what is no JSON is not counted as heard */ \
    X(SERVER_PING_HEARD)         /* `ping` is counted as heard */ \
    X(SERVER_VOLATILE_UNHEARD)   /* a volatile message is not counted as heard */ \
    X(SERVER_VOLATILE_UNCOUNTED) /* nor is it counted for its recipient */ \
    X(SERVER_SELF_UNCOUNTED)     /* nor is a message to oneself */ \
    X(SERVER_ERROR_UNCOUNTED)    /* nor is an error */ \
    X(SERVER_AWAY_UNCOUNTED)     /* nor is what happens while one is away */ \
    X(SERVER_SKIPPED_SHORT)      /* `skipped` counts one too few */ \
    X(SERVER_SKIPPED_SILENT)     /* what is not kept is not told of at all */ \
    X(SERVER_OLD_STATE)          /* a state is skipped though it is the newest */ \
    X(SERVER_HOLE)               /* recovered, though the log lost something */ \
    X(SERVER_LARGE_HOLE)         /* recovered, though something was too large */ \
    X(SERVER_ORDER)              /* missed events come in wrong order */ \
    X(SERVER_MISSED_TWICE)       /* missed events begin with `seen`, not behind it */ \
    X(SERVER_COUNT_OF_ANOTHER)   /* a seat's count is copied from another */ \
    X(SERVER_CONFIRMED_ALL)      /* `ping` makes the log forget all, and not what was seen */ \
    X(SERVER_NEVER_RECOVERS)     /* nobody is recovered */ \
    X(SERVER_NO_HOLD)            /* a lost member's seat is gone at once */ \
    X(SERVER_SILENT_LEFT)        /* who is away isn't told later that somebody left */ \
    X(SERVER_SILENT_BACK)        /* nobody is told that somebody is back */ \
    X(SERVER_BACK_TWICE)         /* a replaced member is `peer_back`, too */ \
    X(SERVER_STATE_UNTOLD)       /* who is not recovered is not told the state */ \
    X(SERVER_LOST_SKIPPED)       /* who comes back after a crash misses what was said since */ \
    X(SERVER_RETELLING_ENDS)     /* ... or is told older events than its picture of the room */ \
    X(SERVER_CRASH_KEEPS_EPOCH)  /* a crash loses the counts and not the epoch */ \
    X(CLIENT_RESENDS_HEARD)      /* sends again from `heard`, not from what follows it */ \
    X(CLIENT_RESENDS_LESS)       /* ... one too few */ \
    X(CLIENT_RESENDS_NOTHING)    \
    X(CLIENT_KEEPS_OWN_COUNT)    /* does not take `heard` for its own count */ \
    X(CLIENT_PING_COUNTED)       /* counts its pings */ \
    X(CLIENT_VOLATILE_UNCOUNTED) /* does not count its volatile messages */ \
    X(CLIENT_SKIPPED_ONCE)       /* counts `skipped` as one event */ \
    X(CLIENT_ERROR_UNCOUNTED)    /* does not count errors */ \
    X(CLIENT_STATE_COUNTED)      /* counts the state behind `joined` */ \
    X(CLIENT_SEEN_IGNORED)       /* does not take `seen` when it is not recovered */ \
    X(CLIENT_EPOCH_MISSED)       /* in a new epoch leaves out what `heard` of the old one covers */ \
    X(CLIENT_NEVER_RESUMES)      /* does not answer an unasked `joined` */ \
    X(CLIENT_SAME_ATTEMPT)       /* does not count its attempts */ \
    X(CLIENT_SAME_SESSION)       /* has the same session after a reload */
/* clang-format on */

#define RECOVERY_BREAK(name) BREAK_##name,
enum recovery_break { FOR_EACH_RECOVERY_BREAK(RECOVERY_BREAK) RECOVERY_BREAK_COUNT };
#undef RECOVERY_BREAK

#endif
