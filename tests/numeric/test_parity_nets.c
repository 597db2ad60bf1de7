/* Networks and optimizers against PyTorch, as they are used: in float. With direct sums
 * within 1e-5 of what PyTorch has in double (1e-4 after 20 steps), with Winograd's
 * within 1e-3 (1e-2). */

#include "tests/numeric/paritykit.h"

static const struct mode EXACT = {"exact", true, 1e-5, 1e-4, 3};
static const struct mode FAST = {"fast", false, 1e-3, 1e-2, 3};

int main(void)
{
    return parity_main(&EXACT, &FAST);
}
