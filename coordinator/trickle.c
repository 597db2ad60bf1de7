#include "coordinator/trickle.h"

bool trickle_take(struct trickle *trickle, int64_t now_ms, uint64_t *ret_left_out)
{
    const int64_t each_ms = 1000 / TRICKLE_RATE;
    int64_t made_up = (now_ms - trickle->since_ms) / each_ms;

    *ret_left_out = 0;
    if (made_up >= trickle->taken) {
        trickle->taken = 0;
        trickle->since_ms = now_ms;
    } else if (made_up > 0) {
        trickle->taken -= made_up;
        trickle->since_ms += made_up * each_ms;
    }
    if (trickle->taken >= TRICKLE_BURST) {
        trickle->left_out++;
        return false;
    }
    trickle->taken++;
    *ret_left_out = trickle->left_out;
    trickle->left_out = 0;
    return true;
}
