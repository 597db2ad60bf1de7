#include "worker/nn/conv_op.h"
#include "worker/nn/lanes.h"
#include "worker/nn/simd/plane.h"
#include "worker/nn/team.h"

enum { L = VEC_LANES };

struct sums {
    const struct conv_call *call;
    const struct plane_kernels *run;
    real *db;
    const real *dout;
};

/* One channel, in all images. */
static void sum_channel(void *arg, int item, int who)
{
    const struct sums *s = arg;
    const struct conv *v = s->call->conv;
    const size_t n = (size_t)v->OH * (size_t)v->OW, O = (size_t)v->O;
    double lanes[L] = {0}, sum = 0;

    (void)who;
    for (int b = 0; b < s->call->B; b += L) {
        const int live = s->call->B - b < L ? s->call->B - b : L;
        const real *plane = s->dout + ((size_t)(b / L) * O + (size_t)item) * n * L;

        for (size_t i = 0; i < n; i += PLANE_RUN)
            s->run->sum(lanes, plane + i * L, n - i < PLANE_RUN ? n - i : PLANE_RUN,
                        live);
    }
    for (int l = 0; l < L; l++)
        sum += lanes[l];
    s->db[item] = (real)sum;
}

void conv_bias(const struct conv_call *call, real *db, const real *dout)
{
    struct sums sums = {call, ISA_PICK(plane_kernels, call->isa), db, dout};

    team_run(call->team, call->conv->O, sum_channel, &sums);
}
