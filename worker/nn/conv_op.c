#include "worker/nn/conv_op.h"

/* The first that suits; the last one suits every shape. */
static const struct conv_op *const OPS[] = {&conv_winograd, &conv_direct};

const struct conv_op *conv_choose(const struct conv *conv, bool exact)
{
    size_t i = 0;

    while (!OPS[i]->suits(conv) || (exact && !OPS[i]->exact))
        i++;
    return OPS[i];
}
