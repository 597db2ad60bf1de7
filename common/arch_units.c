#include "common/arch_units.h"

#include "common/error.h"

#include <stdlib.h>
#include <string.h>

struct finder {
    const struct arch *arch;
    struct arch_units *units;
    int *same;  /* (sets) the set that it has been joined to, itself if none */
    bool *lone; /* (sets) every unit has a colour of its own */
};

/* ---- sets ------------------------------------------------------------------- */

static int root(const struct finder *f, int set)
{
    while (f->same[set] != set)
        set = f->same[set];
    return set;
}

static int add_set(struct finder *f, int count)
{
    const int set = f->units->set_count++;

    f->units->sets[set] = (struct unit_set){.count = count, .from = -1};
    f->same[set] = set;
    return set;
}

/* The earlier one remains. Where both have another middle, nothing moves. */
static void join(struct finder *f, int a, int b)
{
    struct unit_set *sets = f->units->sets;

    a = root(f, a);
    b = root(f, b);
    if (a == b)
        return;
    if (a > b) {
        int swap = a;
        a = b;
        b = swap;
    }
    f->same[b] = a;
    f->lone[a] = f->lone[a] || f->lone[b] || (sets[a].from >= 0 && sets[b].from >= 0);
    if (sets[a].from < 0) {
        sets[a].from = sets[b].from;
        sets[a].at = sets[b].at;
    }
}

int arch_units_input(const struct arch_units *units, const struct layer *layer,
                     int *ret_repeat)
{
    const bool example = layer->input == LAYER_EXAMPLE;

    *ret_repeat = example ? 1 : units->repeat[layer->input];
    return example ? 0 : units->of[layer->input];
}

static void add_layer(struct finder *f, int i)
{
    struct arch_units *units = f->units;
    const struct layer *layer = &f->arch->layers[i];
    int repeat, set = arch_units_input(units, layer, &repeat);

    switch (layer->kind) {
    case LAYER_DENSE:
    case LAYER_CONV:
        set = add_set(f, layer->out.C);
        repeat = 1;
        break;
    case LAYER_FLATTEN:
        repeat *= layer->in.H * layer->in.W;
        break;
    case LAYER_ADD:
        join(f, set, layer->other == LAYER_EXAMPLE ? 0 : units->of[layer->other]);
        break;
    case LAYER_SUBSAMPLE:
        if (layer->out.C == layer->in.C)
            break;
        const int made = add_set(f, layer->out.C);
        units->sets[made].from = set;
        units->sets[made].at = (layer->out.C - layer->in.C) / 2;
        set = made;
        break;
    default:
        break;
    }
    /* A norm over pixels of a flattened image is in no network. */
    if (layer->kind == LAYER_NORM && repeat != 1)
        f->lone[root(f, set)] = true;
    units->of[i] = set;
    units->repeat[i] = repeat;
}

/* ---- colours ---------------------------------------------------------------- */

/* Units of one colour whose keys differ get another. Colours are numbered as they
 * first come. */
static void refine(int *colour, const int *key, int count, int *seen)
{
    int kinds = 0;

    for (int c = 0; c < count; c++) {
        int kind = 0;
        while (kind < kinds &&
               (seen[2 * kind] != colour[c] || seen[2 * kind + 1] != key[c]))
            kind++;
        if (kind == kinds) {
            seen[2 * kinds] = colour[c];
            seen[2 * kinds + 1] = key[c];
            kinds++;
        }
        colour[c] = kind;
    }
}

struct room {
    int *key, *seen; /* of the largest set, and twice that */
};

static void colour_norms(struct finder *f, const struct room *room)
{
    for (int i = 0; i < f->arch->layer_count; i++) {
        const struct layer *layer = &f->arch->layers[i];
        const int set = root(f, f->units->of[i]);
        if (layer->kind != LAYER_NORM || layer->norm != NORM_GROUP || f->lone[set])
            continue;
        const int size = layer->in.C / layer->norm_groups;
        for (int c = 0; c < layer->in.C; c++)
            room->key[c] = c / size;
        refine(f->units->sets[set].colour, room->key, layer->in.C, room->seen);
    }
}

/* What tells units of a set apart tells them apart in the set that has it as its
 * middle, and the other way round: once from the last set to the first, once back. */
static void colour_middles(struct finder *f, const struct room *room)
{
    struct unit_set *sets = f->units->sets;

    for (int i = f->units->set_count - 1; i >= 0; i--) {
        const struct unit_set *set = &sets[i];
        if (f->same[i] == i && set->from >= 0)
            refine(sets[set->from].colour, set->colour + set->at, sets[set->from].count,
                   room->seen);
    }
    for (int i = 0; i < f->units->set_count; i++) {
        const struct unit_set *set = &sets[i];
        if (f->same[i] != i || set->from < 0)
            continue;
        const int count = sets[set->from].count;
        for (int c = 0; c < set->count; c++) {
            const bool middle = c >= set->at && c < set->at + count;
            room->key[c] = middle ? sets[set->from].colour[c - set->at] : -1;
        }
        refine(set->colour, room->key, set->count, room->seen);
    }
}

/* Every layer then names a set that has not been joined to another. */
static int colour(struct finder *f, struct error *err)
{
    struct arch_units *units = f->units;
    struct room room = {0};
    int largest = 1, rc = -1;

    for (int i = 0; i < units->set_count; i++) {
        struct unit_set *set = &units->sets[i];
        largest = set->count > largest ? set->count : largest;
        set->colour = calloc((size_t)set->count, sizeof *set->colour);
        if (!set->colour)
            goto done;
        set->from = set->from < 0 ? -1 : root(f, set->from);
        for (int c = 0; f->lone[i] && c < set->count; c++)
            set->colour[c] = c;
    }
    room.key = calloc((size_t)largest, sizeof *room.key);
    room.seen = calloc((size_t)largest, 2 * sizeof *room.seen);
    if (!room.key || !room.seen)
        goto done;
    colour_norms(f, &room);
    colour_middles(f, &room);
    for (int i = 0; i < f->arch->layer_count; i++)
        units->of[i] = root(f, units->of[i]);
    rc = 0;

done:
    if (rc)
        err_set(err, ERR_NO_MEMORY, "no memory for the units of a network");
    free(room.key);
    free(room.seen);
    return rc;
}

/* ---- all -------------------------------------------------------------------- */

static int make_room(struct finder *f, struct error *err)
{
    const size_t layers = (size_t)f->arch->layer_count;
    struct arch_units *units = f->units;

    units->sets = calloc(layers + 1, sizeof *units->sets);
    units->of = calloc(layers + 1, sizeof *units->of);
    units->repeat = calloc(layers + 1, sizeof *units->repeat);
    f->same = calloc(layers + 1, sizeof *f->same);
    f->lone = calloc(layers + 1, sizeof *f->lone);
    if (units->sets && units->of && units->repeat && f->same && f->lone)
        return 0;
    return err_set(err, ERR_NO_MEMORY, "no memory for the units of a network");
}

int arch_units_find(const struct arch *arch, struct arch_units *ret, struct error *err)
{
    struct finder f = {.arch = arch, .units = ret};
    int rc;

    *ret = (struct arch_units){0};
    rc = make_room(&f, err);
    if (rc == 0) {
        f.lone[add_set(&f, arch->input.C)] = true;
        for (int i = 0; i < arch->layer_count; i++)
            add_layer(&f, i);
        f.lone[root(&f, arch->layer_count ? ret->of[arch->layer_count - 1] : 0)] = true;
        rc = colour(&f, err);
    }
    free(f.same);
    free(f.lone);
    return rc;
}

void arch_units_free(struct arch_units *units)
{
    for (int i = 0; i < units->set_count; i++)
        free(units->sets[i].colour);
    free(units->sets);
    free(units->of);
    free(units->repeat);
    *units = (struct arch_units){0};
}

/* Colours are numbered as they come, so a set whose units all differ ends in its
 * largest number. */
static bool can_move(const struct unit_set *set)
{
    for (int c = 0; c < set->count; c++)
        if (set->colour[c] != c)
            return true;
    return false;
}

int arch_check_permute(const struct arch *arch, struct error *err)
{
    struct arch_units units;
    bool found = false;
    int rc = arch_units_find(arch, &units, err);

    for (int i = 0; rc == 0 && i < arch->layer_count; i++)
        found = found || can_move(&units.sets[units.of[i]]);
    arch_units_free(&units);
    if (rc || found)
        return rc;
    return err_set(err, ERR_INVALID,
                   "the network has no hidden units that can change places");
}
