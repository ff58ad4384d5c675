/*
 * Takes rights away from a thread that only moves bytes between sockets. So code that takes over
 * the thread can use little of the kernel.
 *
 * - seccomp(2): a list of the system calls that the thread needs. Any other call fails with ENOSYS,
 *   and the first one is printed on stderr. It does not kill the process, since a new libc may make
 *   new calls.
 * - Landlock, where the kernel has it: the thread may read /dev/null and /proc/self, and no other
 *   files. It may not connect or listen by TCP (Linux 6.7).
 *
 * Other threads of the process keep all rights: the main thread reads certificates and looks up
 * names.
 */
#ifndef PARTY_NET_SANDBOX_H
#define PARTY_NET_SANDBOX_H

#include <stdbool.h>

#include "base/attributes.h"

/*
 * Call it once before threads enter the sandbox: installs the handler for refused calls (SIGSYS).
 */
void sandbox_init(void);

/*
 * Restricts the calling thread, and threads that it creates, for ever. False: the kernel has no
 * seccomp or does not allow it, errno says why, and there is no filter.
 */
MUST_CHECK bool sandbox_enter(void);

#endif
