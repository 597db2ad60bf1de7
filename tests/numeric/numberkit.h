#ifndef COORD_NUMBERKIT_H
#define COORD_NUMBERKIT_H

/* The numbers that golden/make_nets.py and its tests agree upon: number i of a tensor
 * is a hash of the tensor's name, a seed and i. So golden files need not hold weights.
 * Needs goldenkit.h's includes. */

#include "common/arch.h"
#include "worker/nn/real.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* FNV-1a of the name. */
static inline uint64_t numberkit_base(const char *name, uint64_t seed)
{
    uint64_t base = 0xcbf29ce484222325u;

    for (const char *c = name; *c; c++)
        base = (base ^ (uint64_t)(unsigned char)*c) * 0x100000001b3u;
    return base + seed;
}

/* Splitmix64. */
static inline uint64_t numberkit_hash(uint64_t base, size_t i)
{
    uint64_t z = ((uint64_t)i + 1) * 0x9e3779b97f4a7c15u + base;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [middle - width, middle + width), rounded to float. */
static inline void numberkit_fill(real *to, size_t count, const char *name, uint64_t seed,
                                  double middle, double width)
{
    const uint64_t base = numberkit_base(name, seed);

    for (size_t i = 0; i < count; i++) {
        double unit = (double)(numberkit_hash(base, i) >> 40) * 0x1p-23 - 1;
        to[i] = (real)(float)(middle + width * unit);
    }
}

/* Every tensor of a state (arch->state_count). */
static inline void numberkit_state(const struct arch *arch, uint64_t seed, double gain,
                                   real *theta)
{
    static const struct {
        double middle, width;
    } RANGES[] = {
        [TENSOR_BIAS] = {0, 0.1},      [TENSOR_NORM_WEIGHT] = {1, 0.25},
        [TENSOR_NORM_BIAS] = {0, 0.1}, [TENSOR_MEAN] = {0, 0.2},
        [TENSOR_VAR] = {1, 0.5},
    };

    for (int t = 0; t < arch->tensor_count; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        double middle = RANGES[tensor->class].middle, width = RANGES[tensor->class].width;
        if (tensor->class == TENSOR_WEIGHT)
            width = gain * sqrt(6 / ((double)tensor->count / tensor->dim[0]));
        if (strstr(tensor->name, ".bn3.weight")) /* the end of a bottleneck's branch */
            middle *= gain, width *= gain;
        numberkit_fill(theta + tensor->offset, tensor->count, tensor->name, seed, middle,
                       width);
    }
}

/* Examples x (count, each) of about unit scale, and their labels below classes. */
static inline void numberkit_examples(uint64_t seed, size_t count, size_t each,
                                      int classes, real *x, uint8_t *labels)
{
    const uint64_t base = numberkit_base("y", seed);

    numberkit_fill(x, count * each, "x", seed, 0, sqrt(3));
    for (size_t i = 0; i < count; i++)
        labels[i] = (uint8_t)((numberkit_hash(base, i) >> 33) % (uint64_t)classes);
}

/* What stands for a tensor in a golden file: its norm, and sums under random signs. The
 * sums of a difference under SIGNS such signs have the difference's norm as their root
 * mean square, in expectation. */
enum { NUMBERKIT_SIGNS = 4 };

struct numberkit_digest {
    double norm, sum[NUMBERKIT_SIGNS];
};

static inline struct numberkit_digest numberkit_digest(const char *name, const real *x,
                                                       size_t count)
{
    const uint64_t base = numberkit_base(name, 0);
    struct numberkit_digest digest = {0};

    for (size_t i = 0; i < count; i++) {
        uint64_t signs = numberkit_hash(base, i);
        double value = (double)x[i];
        digest.norm += value * value;
        for (int k = 0; k < NUMBERKIT_SIGNS; k++)
            digest.sum[k] += signs >> k & 1 ? -value : value;
    }
    digest.norm = sqrt(digest.norm);
    return digest;
}

/* About the norm of the difference of two tensors. */
static inline double numberkit_off(const struct numberkit_digest *a,
                                   const struct numberkit_digest *b)
{
    double sum = 0;

    for (int k = 0; k < NUMBERKIT_SIGNS; k++)
        sum += (a->sum[k] - b->sum[k]) * (a->sum[k] - b->sum[k]);
    return sqrt(sum / NUMBERKIT_SIGNS);
}

#endif
