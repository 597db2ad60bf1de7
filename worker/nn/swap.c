#include "worker/nn/swap.h"

#include <string.h>

void swap_outer(real *out, const real *in, size_t M, size_t N, size_t n)
{
    for (size_t j = 0; j < N; j++)
        for (size_t i = 0; i < M; i++)
            memcpy(out + (j * M + i) * n, in + (i * N + j) * n, n * sizeof *out);
}
