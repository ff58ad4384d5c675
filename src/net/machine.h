/* Resources and address of the machine or container. */
#ifndef PARTY_NET_MACHINE_H
#define PARTY_NET_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of memory: the machine's, or the lowest limit of a control group around the process. */
uint64_t machine_memory_bytes(void);

/*
 * Bytes that the process may still allocate without swapping, as the kernel estimates, within the
 * control groups' limits.
 */
uint64_t machine_available_bytes(void);

/* Bytes of the process that are resident, as the kernel counts; 0: unknown. */
uint64_t machine_resident_bytes(void);

/* Bytes that the process has allocated and not freed. */
uint64_t machine_heap_bytes(void);

/*
 * Gets so many bytes for what the calling thread allocates next, at most MACHINE_HEAP_BYTES_MAX, in
 * some calls of the kernel. Each page by itself, when it is used first, takes ten times as long in
 * a virtual machine. Call machine_keep_freed() before, or the bytes are given back at once.
 */
void machine_prepare_heap(size_t bytes);

/*
 * Whether the process keeps all memory that is freed from now on, for what is allocated later. Call
 * it while there is one thread.
 */
void machine_keep_freed(bool is_kept);

#define MACHINE_HEAP_BYTES_MAX (64 * 1024 * 1024)

#define MACHINE_ADDRESS_BYTES_MAX 16 /* an IPv4 address as text, with its NUL */

/*
 * Writes the address at which others in the same network reach the machine: the one that the
 * default route uses, or that of any interface if there is no route. False: there is none. Makes
 * two or three system calls, and sends nothing.
 */
bool machine_address(char ret_text[MACHINE_ADDRESS_BYTES_MAX]);

/*
 * Raises the soft limit of descriptors to the hard one, which any process may do. Returns the
 * limit, but at most `wanted`.
 */
uint32_t machine_raise_descriptor_limit(uint32_t wanted);

#endif
