#include "worker/nn/lanes.h"

#include "worker/nn/transpose.h"
#include "worker/nn/vec.h"

#include <string.h>

enum { L = VEC_LANES };

int lanes_round(int B)
{
    return (B + L - 1) / L * L;
}

void lanes_pack(real *out, const real *in, int B, size_t F)
{
    for (int n = 0; n < B; n += L, in += L * F, out += L * F) {
        const size_t count = B - n < L ? (size_t)(B - n) : L;
        if (count < L)
            memset(out, 0, L * F * sizeof *out);
        transpose(out, L, in, F, count, F);
    }
}

void lanes_unpack(real *out, const real *in, int B, size_t F)
{
    for (int n = 0; n < B; n += L, in += L * F, out += L * F) {
        const size_t count = B - n < L ? (size_t)(B - n) : L;
        transpose(out, F, in, L, F, count);
    }
}
