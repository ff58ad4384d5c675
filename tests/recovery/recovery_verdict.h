/* Whether all promises were kept so far; the first one that was not is remembered. */
#ifndef PARTY_TESTS_RECOVERY_VERDICT_H
#define PARTY_TESTS_RECOVERY_VERDICT_H

#include "base/attributes.h"

#include <stdbool.h>

struct verdict {
    bool is_broken;
    char what[240];
};

/* Returns `is_kept`. What is printed says what was promised to whom and is not so. */
PRINTF_LIKE(3, 4)
bool promise(struct verdict *verdict, bool is_kept, const char *format, ...);

#endif
