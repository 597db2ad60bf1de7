#include "worker/nn/isa.h"

#include <stdlib.h>
#include <string.h>

static const char *const NAMES[ISA_COUNT] = {"avx2", "avx512"};

bool isa_usable(enum isa isa)
{
    if (isa == ISA_AVX2)
        return true; /* or the program would not have started: common/cpucheck.c */
#ifdef __x86_64__
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

enum isa isa_choose(void)
{
    const char *wanted = getenv("COORD_ISA");

    for (int i = 0; wanted && i < ISA_COUNT; i++)
        if (strcmp(wanted, NAMES[i]) == 0 && isa_usable((enum isa)i))
            return (enum isa)i;
    return isa_usable(ISA_AVX512) ? ISA_AVX512 : ISA_AVX2;
}

const char *isa_name(enum isa isa)
{
    return NAMES[isa];
}
