#ifndef COORD_NN_TEAM_H
#define COORD_NN_TEAM_H

/* Threads that share the work of one step. The engine's rule for the same bits on
 * any number of them: a number is computed by one member, whole, in an order that
 * depends on the work and not on the team. So work is cut into items by what they
 * write (groups of images, channels, tiles of a gradient), never into partial sums.
 *
 * The maker is member 0 and works too. Nothing here allocates after team_new.
 */

struct error;
struct team;

enum { TEAM_MAX = 64 };

/* 1 <= threads <= TEAM_MAX. ERR_NO_MEMORY, ERR_INVALID. */
struct team *team_new(int threads, struct error *err);
void team_free(struct team **team);

/* 1 for NULL, which is a team of the caller alone. */
int team_size(const struct team *team);

/* One item of work; who in [0, team_size) tells which member's scratch to use. */
typedef void team_item(void *arg, int item, int who);

/* Have every item of [0, count) done once, by anybody, in any order; returns when
 * all are. What the members wrote is visible to the caller and to the next run. Not
 * to be called from within an item. */
void team_run(struct team *team, int count, team_item *run, void *arg);

#endif
