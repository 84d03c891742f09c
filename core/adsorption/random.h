/* random.h -- random numbers as a pure function of (seed, stream, index): Philox 4x32-10.
 *
 * Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011). Nothing
 * is carried from draw to draw, so a result cannot depend on batches, threads or restarts.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RANDOM_H
#define EQS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* One block of the bijection: 10 rounds. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* n uniform doubles in [0, 1), 53 bits each, for draw `index` of `stream` under `seed`. */
void random_uniform(uint64_t seed, uint32_t stream, uint64_t index, size_t n, double *out);
/* The same draw from its number `first` on, which is even. */
void random_uniform_from(uint64_t seed, uint32_t stream, uint64_t index, size_t first, size_t n,
                         double *out);
/* Pairs of uniform numbers become pairs of normal ones (Box and Muller); n even. */
void random_make_normal(double *x, size_t n);
/* One number of the gamma distribution of this shape (at least 0) and scale 1, which takes a draw
 * of its own: G. Marsaglia, W. Tsang, ACM Trans. Math. Softw. 26, 363 (2000). */
double random_gamma(uint64_t seed, uint32_t stream, uint64_t index, double shape);

#endif
