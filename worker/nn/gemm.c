#include "worker/nn/simd/gemm.h"

const struct gemm_kernels *gemm_kernels(enum isa isa)
{
    return ISA_PICK(gemm_kernels, isa);
}
