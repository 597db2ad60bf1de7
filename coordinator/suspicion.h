#ifndef COORD_SUSPICION_H
#define COORD_SUSPICION_H

/* Whether a worker's machine is to blame for the jobs that fail on it. What is known is
 * the jobs that failed there in a row, and what came of each elsewhere: one that then
 * succeeds on another host speaks against this one, one that fails there too was the
 * job's own fault and is forgotten, and a success here ends the row.
 *
 * With SUSPICION_ROW jobs in the row it is in doubt, and takes only jobs that failed
 * elsewhere, so that one bad machine does not try a whole sweep; when as many of them
 * have succeeded elsewhere it is found bad. The caller decides what follows.
 *
 * It knows neither clock nor database. A zeroed one knows of nothing.
 */

#include <stdbool.h>
#include <stdint.h>

enum { SUSPICION_ROW = 5, SUSPICION_MAX = 16 };

struct suspicion {
    int64_t jobs[SUSPICION_MAX]; /* that failed here, in a row, each once */
    bool cleared[SUSPICION_MAX]; /* it succeeded elsewhere */
    int count;
};

/* A job failed here and is to be tried again; one that is to be tried no more failed by
 * its own fault, and is not told of. Beyond SUSPICION_MAX nothing is added. */
void suspicion_failed(struct suspicion *suspicion, int64_t job);

/* A job succeeded here. */
void suspicion_succeeded(struct suspicion *suspicion);

/* A job succeeded on another host. Returns whether this one is now found bad. */
bool suspicion_elsewhere(struct suspicion *suspicion, int64_t job);

/* A job failed elsewhere too, or will not be tried any more. */
void suspicion_forget(struct suspicion *suspicion, int64_t job);

bool suspicion_doubts(const struct suspicion *suspicion);

#endif
