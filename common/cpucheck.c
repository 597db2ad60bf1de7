/* Refuses to start on a CPU that lacks what the rest of the program was built
 * for, with a sentence instead of an illegal instruction. Built without -march,
 * and run before main and before every other constructor of ours. */

#include <unistd.h>

#if defined(__x86_64__)
__attribute__((constructor(101))) static void cpu_check(void)
{
    static const char sentence[] =
        "coord: this CPU lacks AVX2, FMA or BMI2 (x86-64-v3), which this build "
        "needs; rebuild with 'make ARCH=-march=native'\n";

    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2"))
        return;
    ssize_t ignored = write(STDERR_FILENO, sentence, sizeof sentence - 1);
    (void)ignored;
    _exit(2);
}
#endif
