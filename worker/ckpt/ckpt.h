#ifndef COORD_CKPT_H
#define COORD_CKPT_H

/* Checkpoints: a state vector (common/arch.h) as a safetensors file with PyTorch's
 * names and layouts, so that it opens in PyTorch, also with load_state_dict(strict),
 * and PyTorch's open here. Every batch norm has PyTorch's num_batches_tracked, a
 * single I64, which is the state's step; reading, it may be missing and what it says
 * is not used. Any number is stored and read as it is, NaN and Inf too. The
 * file's bytes are a pure function of (arch, theta, meta): no time, no host; so
 * the content hash of a state is the same on every node. */

#include "common/arch.h"
#include "common/hash.h"
#include "worker/nn/real.h"

#include <stdint.h>

struct error;

struct ckpt_meta {
    const char *key;   /* of the run: 32 hex digits */
    const char *state; /* "init", "final", "epoch:3" */
    uint64_t step;
    uint32_t epoch;
};

/* The hash and size that the file of a state has, without writing one: how a
 * state that is derived anew is checked. */
int ckpt_hash(const struct arch *arch, const real *theta, const struct ckpt_meta *meta,
              char ret_hash[HASH_TEXT], uint64_t *ret_size, struct error *err);

/* Write a state to path and give the hash and size of the file. */
int ckpt_write(const char *path, const struct arch *arch, const real *theta,
               const struct ckpt_meta *meta, char ret_hash[HASH_TEXT], uint64_t *ret_size,
               struct error *err);

/* The same into the folder dir, named by the hash: DIR/HASH.safetensors. */
int ckpt_store(const char *dir, const struct arch *arch, const real *theta,
               const struct ckpt_meta *meta, char ret_hash[HASH_TEXT], uint64_t *ret_size,
               struct error *err);

/* Read a file into theta (arch->state_count). Every tensor of the arch must be
 * there, float32 (or float64, rounded), of the same shape; surplus ones are
 * errors too, and nothing is stored before all are checked. ERR_DATA. */
int ckpt_read(const char *path, const struct arch *arch, real *theta, struct error *err);

#endif
