#ifndef COORD_NAMES_H
#define COORD_NAMES_H

/* The states a run can be asked for, by name: "init", "final", "best",
 * "step:100", "epoch:3". */

#include <stdbool.h>
#include <stdint.h>

enum state_kind { STATE_INIT, STATE_FINAL, STATE_BEST, STATE_STEP, STATE_EPOCH };

struct state_name {
    enum state_kind kind;
    int64_t number; /* of the step or epoch; 0 otherwise */
};

enum { STATE_TEXT = 32 }; /* bytes of the longest text, NUL included */

/* Strict: "epoch:03" and "Final" are refused. Returns whether it was one. */
bool state_parse(const char *text, struct state_name *ret);
void state_text(struct state_name state, char ret_text[STATE_TEXT]);

#endif
