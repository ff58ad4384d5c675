/*
 * What a thread gives up that only moves bytes between sockets: whoever takes it over finds nearly
 * nothing of the kernel there.
 *
 * - seccomp(2): a list of system calls that it needs. Any other fails with ENOSYS, and the first
 * one is said on stderr: nothing is killed for a call that a new libc makes.
 * - Landlock, where the kernel has it: of all files it reads /dev/null and the process's own in
 *   /proc; by TCP it connects to nobody and listens nowhere (Linux 6.7).
 *
 * Other threads of the process stay free: certificates are read, and names looked up, by the main
 * one.
 */
#ifndef PARTY_NET_SANDBOX_H
#define PARTY_NET_SANDBOX_H

#include <stdbool.h>

#include "base/attributes.h"

/* Once, before threads enter the sandbox: calls that are refused are told by a signal, SIGSYS. */
void sandbox_init(void);

/*
 * For the calling thread, and those that it makes, for ever. False: the kernel has no seccomp, or
 * does not allow it; errno says why, and the thread is as free as before.
 */
MUST_CHECK bool sandbox_enter(void);

#endif
