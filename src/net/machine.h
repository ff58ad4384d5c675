/* What the machine, or the container, gives the process. */
#ifndef PARTY_NET_MACHINE_H
#define PARTY_NET_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of memory: the machine's, or the least that a control group above the process allows. */
uint64_t machine_memory_bytes(void);

/* Bytes of the process that are in memory, by the kernel's count; 0: it does not tell. */
uint64_t machine_resident_bytes(void);

/* Bytes that the process has allocated and not freed. */
uint64_t machine_heap_bytes(void);

#define MACHINE_ADDRESS_BYTES_MAX 16 /* an IPv4 address as text, and its end */

/*
 * The address at which others in the same network reach the machine: that of the way to the rest of
 * the world, or of any interface if there is no such way. False: it has none. Two or three system
 * calls; nothing is sent.
 */
bool machine_address(char ret_text[MACHINE_ADDRESS_BYTES_MAX]);

/*
 * Raises the soft limit of descriptors to the hard one, which is free to do, and returns it; at
 * most `most`.
 */
uint32_t machine_raise_descriptor_limit(uint32_t most);

#endif
