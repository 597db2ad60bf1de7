/* The same in double, where rounding hides nothing and nothing is allowed for it: the
 * formulas are PyTorch's, in every network, with either way to convolve. */

#include "tests/numeric/paritykit.h"

static const struct mode EXACT = {"exact", true, 1e-10, 1e-9, 0};
static const struct mode FAST = {"fast", false, 1e-10, 1e-9, 0};

int main(void)
{
    return parity_main(&EXACT, &FAST);
}
