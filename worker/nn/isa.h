#ifndef COORD_NN_ISA_H
#define COORD_NN_ISA_H

/* Which instruction set the kernels of worker/nn/simd/ run with. They are compiled
 * once for each from the same sources, and give the same bits whichever is taken
 * (simd/simd.h says how); so this is a matter of speed alone, and tests compare. */

#include <stdbool.h>

enum isa { ISA_AVX2, ISA_AVX512, ISA_COUNT };

/* Whether this build has kernels for it and this CPU can run them. */
bool isa_usable(enum isa isa);

/* The best usable one, unless $COORD_ISA names another that is usable. */
enum isa isa_choose(void);

/* "avx2", "avx512" */
const char *isa_name(enum isa isa);

/* How a module of worker/nn/simd/ hands out its table of kernels:
 *
 *     const struct norm_kernels *norm_kernels(enum isa isa)
 *     {
 *         return ISA_PICK(norm_kernels, isa);
 *     }
 *
 * in worker/nn/, where every simd/ source defines `const struct norm_kernels
 * SIMD(norm_kernels)`, which the module's header declares with ISA_DECLARE. On
 * other architectures than x86-64 there is one variant, which is called AVX2. */
#ifdef __x86_64__
#define ISA_DECLARE(type, name) extern const struct type name##_avx2, name##_avx512
#define ISA_PICK(name, isa)     ((isa) == ISA_AVX512 ? &name##_avx512 : &name##_avx2)
#else
#define ISA_DECLARE(type, name) extern const struct type name##_avx2
#define ISA_PICK(name, isa)     ((void)(isa), &name##_avx2)
#endif

#endif
