/* What one core could do at most: fused multiply-adds on registers alone, in
 * GF/s (two operations each), with 8 and with 16 lanes. Prints "avx2 GF/S avx512
 * GF/S"; 0 where the CPU or the build has none. */

#include "common/clock.h"
#include "worker/nn/isa.h"

#include <stdio.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { ROUNDS = 5, LOOPS = 4000000 };

#ifdef __x86_64__

/* Twelve chains: more than latency times ports, fewer than registers. */
#define CHAINS(DO)                                                                       \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
enum { CHAIN_COUNT = 12 };

#define START(k) __m256 a##k = _mm256_set1_ps((float)k);
#define STEP(k)  __asm__("vfmadd231ps %1, %1, %0" : "+x"(a##k) : "x"(x));
#define END(k)   __asm__ volatile("" : : "x"(a##k));

__attribute__((target("avx2,fma"))) static void run_avx2(void)
{
    const __m256 x = _mm256_set1_ps(0.5f);
    CHAINS(START)

    for (int i = 0; i < LOOPS; i++) {
        CHAINS(STEP)
    }
    CHAINS(END)
}

#undef START
#undef STEP
#undef END
#define START(k) __m512 a##k = _mm512_set1_ps((float)k);
#define STEP(k)  __asm__("vfmadd231ps %1, %1, %0" : "+v"(a##k) : "v"(x));
#define END(k)   __asm__ volatile("" : : "v"(a##k));

__attribute__((target("avx512f"))) static void run_avx512(void)
{
    const __m512 x = _mm512_set1_ps(0.5f);
    CHAINS(START)

    for (int i = 0; i < LOOPS; i++) {
        CHAINS(STEP)
    }
    CHAINS(END)
}

static double best(void (*run)(void), int lanes)
{
    double most = 0;

    for (int i = 0; i < ROUNDS; i++) {
        const int64_t start = clock_mono_us();
        run();
        const double seconds = (double)(clock_mono_us() - start) * 1e-6;
        const double rate = 2e-9 * lanes * CHAIN_COUNT * (double)LOOPS / seconds;
        most = rate > most ? rate : most;
    }
    return most;
}

#endif

int main(void)
{
    double avx2 = 0, avx512 = 0;

#ifdef __x86_64__
    avx2 = best(run_avx2, 8);
    if (isa_usable(ISA_AVX512))
        avx512 = best(run_avx512, 16);
#endif
    printf("avx2 %.1f avx512 %.1f\n", avx2, avx512);
    return 0;
}
