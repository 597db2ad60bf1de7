#include "worker/env.h"

#include <stdlib.h>
#include <string.h>

static bool set_to(const char *name, const char *value)
{
    const char *now = getenv(name);

    return (!now || strcmp(now, value) != 0) && setenv(name, value, 1) == 0;
}

/* The fastest kernels that every CPU of this kind has, or NULL. */
static const char *core_type(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

bool env_prepare(void)
{
    bool changed = set_to("OPENBLAS_NUM_THREADS", "1");

    changed = set_to("OMP_NUM_THREADS", "1") || changed;
    if (!getenv("OPENBLAS_CORETYPE") && core_type())
        changed = setenv("OPENBLAS_CORETYPE", core_type(), 1) == 0 || changed;
    return changed;
}
