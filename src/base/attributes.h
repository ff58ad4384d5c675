/* Compiler attributes under names that say what they are for. */
#ifndef PARTY_BASE_ATTRIBUTES_H
#define PARTY_BASE_ATTRIBUTES_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(string, first) __attribute__((format(printf, string, first)))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The structure that contains `member` at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Keeps what happens seldom out of a function that is called often. */
#define COLD __attribute__((cold, noinline))

/* For functions that each delivery calls, and that the compiler does not always inline. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

#endif
