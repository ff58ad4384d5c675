#include "bus/nats_library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* Where each function goes, and its name. */
struct place {
    size_t offset;
    const char *name;
};

#define PLACE(name) {offsetof(struct nats_library, name), #name},
static const struct place places[] = {NATS_FUNCTIONS(PLACE)};

static bool find_functions(void *handle, const char *file, struct nats_library *library,
                           char why[BUS_WHY_MAX])
{
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        void *function = dlsym(handle, places[i].name);
        if (function == NULL) {
            snprintf(why, BUS_WHY_MAX, "%s has no function %s", file, places[i].name);
            return false;
        }
        memcpy((char *)library + places[i].offset, &function, sizeof function);
    }
    return true;
}

bool nats_library_load(const char *file, struct nats_library *ret_library,
                       char ret_why[BUS_WHY_MAX])
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc has an answer for each thread */
        snprintf(ret_why, BUS_WHY_MAX, "the library of NATS can't be loaded: %s", dlerror());
        return false;
    }
    if (!find_functions(handle, file, ret_library, ret_why)) {
        dlclose(handle);
        return false;
    }
    return true;
}
