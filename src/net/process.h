/*
 * How the process replaces itself by another program (execve(2)), which keeps its identity and the
 * descriptors that it is given, and what that program does to begin.
 *
 * A program finds out by process_look_up() that it is such a successor. Until it calls
 * process_settle(), a fatal signal, or a start that takes too long, executes the program that was
 * before, once, with the arguments and the environment that it had. Only the main thread calls
 * these functions.
 */
#ifndef PARTY_NET_PROCESS_H
#define PARTY_NET_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/bytes.h"

#define PROCESS_WHY_MAX 256

enum process_role {
    PROCESS_ORDINARY,
    PROCESS_REHEARSAL, /* tries to restore what `handover_fd` has, and ends */
    PROCESS_SUCCESSOR, /* takes over what `handover_fd` has, with all descriptors in it */
};

struct process_start {
    enum process_role role;
    int handover_fd; /* a file with the handover; -1 for PROCESS_ORDINARY */
    int former_fd;   /* of a successor: the program before it; -1: there is no way back */
    int texts_fd;    /* of a successor: the former program's arguments and environment; or -1 */
    unsigned count;  /* replacements so far in the life of the process */
    unsigned restoring_s; /* of a successor: the time that it has to restore */
};

/* Notes the arguments, which successors get, and where the program is. Call it first. */
void process_note(char **arguments);

/* Notes the text of the options that the program has from a file, for the way back. */
void process_note_options(struct bytes text);

/*
 * The text of the options that this program had before the new one failed. False: this is no way
 * back. It is of use until process_settle().
 */
bool process_former_options(const struct process_start *start, struct bytes *ret_text);

/*
 * What the environment says of this start. A rehearsal will be killed when the process that started
 * it ends, and ends here if that is not its parent.
 */
struct process_start process_look_up(void);

/* For a successor: from now on a fatal signal, or `seconds` without process_settle(), goes back. */
void process_guard(const struct process_start *start, unsigned seconds);

/* Goes back to the program before, and does not return if there is one. */
void process_go_back(const struct process_start *start);

/* Everything was taken over: there is no way back any more. */
void process_settle(struct process_start *start);

/* A file in memory with room for so many bytes, which has its pages already. -1: errno says why. */
MUST_CHECK int process_make_room(size_t bytes);

/*
 * Writes these parts into such a file, whatever its length, and has nobody change it any more.
 * False: errno says why.
 */
MUST_CHECK bool process_seal(int fd, const struct bytes *parts, size_t count);

/* Maps such a file for reading. False: errno says why. */
MUST_CHECK bool process_map(int handover_fd, struct bytes *ret_text);
void process_unmap(struct bytes text);

/* A successor's descriptors must stay open in execve(), and only there. */
void process_keep_descriptor(int fd, bool is_kept);

/* The same for all descriptors at once, none of which is kept. False: the kernel can't do that. */
MUST_CHECK bool process_keep_no_descriptors(void);

#define PROCESS_REHEARSED 86 /* the exit status of a rehearsal that went well */

/*
 * Has the program that is at this one's path now rehearse the handover, within `timeout_ms`. What
 * it says goes to stderr. Ends the rehearsal when `cancel_fd` becomes readable. False: `ret_why`.
 */
MUST_CHECK bool process_rehearse(int handover_fd, int timeout_ms, int cancel_fd,
                                 uint32_t *ret_took_ms, char ret_why[PROCESS_WHY_MAX]);

/*
 * Executes that program as the successor, and if that is not possible this one once more. Returns
 * only if neither is. The successor has `restoring_s` until process_settle() or another
 * process_guard(). The caller has let descriptors be kept.
 */
void process_replace(int handover_fd, unsigned count, unsigned restoring_s,
                     char ret_why[PROCESS_WHY_MAX]);

/*
 * Asks the process with this id, by SIGUSR2, to replace itself, and waits until it has done so. A
 * process without a handler for the signal would end, and is not asked. A process that was not seen
 * to rehearse or to begin anew for `idle_ms` has refused. False: `ret_why` says why.
 */
MUST_CHECK bool process_ask(long pid, int timeout_ms, int idle_ms, char ret_why[PROCESS_WHY_MAX]);

#endif
