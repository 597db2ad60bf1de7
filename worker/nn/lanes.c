#include "worker/nn/lanes.h"

#include "worker/nn/vec.h"

enum { L = VEC_LANES };

int lanes_round(int B)
{
    return (B + L - 1) / L * L;
}

void lanes_pack(real *out, const real *in, int B, size_t F)
{
    for (int n = 0; n < B; n += L, in += L * F, out += L * F) {
        const size_t count = B - n < L ? (size_t)(B - n) : L;
        for (size_t f = 0; f < F; f++) {
            for (size_t i = 0; i < count; i++)
                out[f * L + i] = in[i * F + f];
            for (size_t i = count; i < L; i++)
                out[f * L + i] = 0;
        }
    }
}

void lanes_unpack(real *out, const real *in, int B, size_t F)
{
    for (int n = 0; n < B; n += L, in += L * F, out += L * F) {
        const size_t count = B - n < L ? (size_t)(B - n) : L;
        for (size_t i = 0; i < count; i++)
            for (size_t f = 0; f < F; f++)
                out[i * F + f] = in[f * L + i];
    }
}
