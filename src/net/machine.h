/* What the machine, or the container, gives the process. */
#ifndef PARTY_NET_MACHINE_H
#define PARTY_NET_MACHINE_H

#include <stdint.h>

/* Bytes of memory: the machine's, or the least that a control group above the process allows. */
uint64_t machine_memory_bytes(void);

/* Bytes of the process that are in memory, by the kernel's count; 0: it does not tell. */
uint64_t machine_resident_bytes(void);

/* Bytes that the process has allocated and not freed. */
uint64_t machine_heap_bytes(void);

/*
 * Raises the soft limit of descriptors to the hard one, which is free to do, and returns it; at
 * most `most`.
 */
uint32_t machine_raise_descriptor_limit(uint32_t most);

#endif
