#ifndef COORD_RNG_H
#define COORD_RNG_H

/* Random numbers as pure functions of what they are for (Philox4x32-10; Salmon,
 * Moraes, Dror, Shaw, SC11; librandom123). The key is the seed; the counter is
 * (draw, index, epoch, stream). So the augmentation of sample i in epoch e
 * depends on (seed, e, i) and on nothing else: not on the batch size, the order,
 * the number of threads or where a run was resumed.
 *
 * Everything here is exactly reproducible on every machine: integers are exact,
 * uniforms are 24-bit, and normals use no function of the C library's.
 */

#include <stddef.h>
#include <stdint.h>

/* Values are part of every result: append, never renumber. */
enum rng_stream {
    RNG_INIT = 1,    /* initial weights; index = tensor number */
    RNG_ORDER = 2,   /* permutation of the training set; epoch */
    RNG_AUGMENT = 3, /* flips and crops; epoch, index = example */
    RNG_LABELS = 4,  /* spoiled labels: worker/data/spoil.h */
    RNG_DROPOUT = 5,
    RNG_SUBSET = 6,   /* which examples a subset holds */
    RNG_DATA = 7,     /* synthetic data sets */
    RNG_PROBE = 8,    /* random directions; epoch = which, index = tensor number */
    RNG_SHUFFLE = 9,  /* where the blocks of an image go */
    RNG_ZERO = 10,    /* values set to 0; epoch = copy, index = example */
    RNG_PERMUTE = 11, /* the order of hidden units; index = set of units */
    RNG_NOISE = 12,   /* a state of noise; index = tensor number */
};

struct rng {
    uint32_t key[2];
    uint32_t counter[4]; /* next block (2^34 draws in all), index, epoch, stream */
    uint32_t block[4];   /* the current four words */
    unsigned used;       /* how many of them are spent */
};

/* Start the stream for (seed, stream, epoch, index) at its first draw. */
struct rng rng_at(uint64_t seed, enum rng_stream stream, uint32_t epoch, uint32_t index);

uint32_t rng_u32(struct rng *rng);

/* Uniform in [0, n), unbiased (Lemire's rejection). n > 0. */
uint32_t rng_below(struct rng *rng, uint32_t n);

/* Uniform in [0, 1): 24 random bits times 2^-24. */
double rng_uniform(struct rng *rng);

/* Standard normal, Box-Muller in double; two uniforms a draw, so |x| < 5.8. */
double rng_normal(struct rng *rng);

/* Fill order[0..n) with a random permutation of 0..n-1 (Fisher-Yates). */
void rng_permutation(struct rng *rng, uint32_t *order, uint32_t n);

#endif
