#include "worker/nn/conv_op.h"

#include "worker/nn/lanes.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

/* The first that suits; the last one suits every shape. */
static const struct conv_op *const OPS[] = {&conv_direct};

const struct conv_op *conv_choose(const struct conv *conv, bool exact)
{
    size_t i = 0;

    while (!OPS[i]->suits(conv) || (exact && !OPS[i]->exact))
        i++;
    return OPS[i];
}

struct bias_work {
    const struct conv_call *call;
    real *db;
    const real *dout;
};

/* One channel: its pixels in lanes, group after group. */
static void bias_item(void *arg, int o, int who)
{
    const struct bias_work *w = arg;
    const struct conv *v = w->call->conv;
    const size_t plane = (size_t)v->OH * (size_t)v->OW * VEC_LANES;
    const int groups = lanes_round(w->call->B) / VEC_LANES;
    real total = 0;

    (void)who;
    for (int g = 0; g < groups; g++) {
        const real *dout = w->dout + ((size_t)g * (size_t)v->O + (size_t)o) * plane;
        vec sum = {0};
        for (size_t i = 0; i < plane; i += VEC_LANES)
            sum += vec_load(dout + i);
        total += vec_sum(sum);
    }
    w->db[o] = total;
}

void conv_bias(const struct conv_call *call, real *db, const real *dout)
{
    struct bias_work work = {call, db, dout};

    team_run(call->team, call->conv->O, bias_item, &work);
}
