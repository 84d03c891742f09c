/* diffusion.h -- mean-square displacements over all lags, and the diffusion coefficients in them.
 *
 * Lags grow by levels (D. Frenkel, B. Smit, Understanding Molecular Simulation, section 4.4.2): 16
 * lags of one frame, then eight per doubling with time origins that many frames apart, so memory
 * grows with the logarithm of the length. No displacement crosses from one block into the next:
 * blocks are independent runs, and every error is the spread of what each of them gives alone.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DIFFUSION_H
#define EQS_DIFFUSION_H

#include <stdint.h>

#include "core/adsorption/series.h"

enum { DIFFUSION_POINTS = 16, DIFFUSION_LEVELS = 40, DIFFUSION_BLOCKS = 1000 };
enum { DIFFUSION_LAGS = DIFFUSION_POINTS + (DIFFUSION_LEVELS - 1) * DIFFUSION_POINTS / 2 };

#define DIFFUSION_SLOPE  0.1 /* the log-log slope is within this of 1 where motion is diffusive */
#define DIFFUSION_WINDOW 4.0 /* and the longest such lag at least so many times the shortest */

typedef struct diffusion diffusion;

/* Six components of a symmetric tensor: xx yy zz yz xz xy. */
typedef struct diffusion_point {
  double lag;       /* ps */
  double msd;       /* angstrom^2: mean over the blocks */
  double sigma;     /* one standard error; NAN with one block */
  double tensor[6]; /* <d_a d_b>, angstrom^2 */
  double slope;     /* d ln msd / d ln lag, over lags from half to twice this one; NAN */
  int64_t n;        /* displacements averaged: time origins times centres */
} diffusion_point;

typedef struct diffusion_result {
  int n_block, n_point;
  diffusion_point *point; /* [n_point]; diffusion_result_free */
  int first, last;        /* points that the line is fitted to; -1 = there is no window */
  const char *fault;      /* why this is no diffusion; NULL = it is */
  double displacement;    /* angstrom: root of the last msd of the window, or of the last lag */
  double slope;           /* d ln msd / d ln lag over the window; NAN without */
  series_value d;         /* a third of the trace, angstrom^2/ps; NAN without a window */
  series_value tensor[6];
  double principal[3]; /* eigenvalues of the tensor, ascending; NAN without a window */
} diffusion_result;

/* n centres. EQS_ERR_ARGUMENT: none. */
eqs_status diffusion_open(int n, diffusion **out) EQS_CHECK;
/* What follows is independent of what was before; due before the first frame as well. A block left
 * without two frames does not count. EQS_ERR_ARGUMENT: more than DIFFUSION_BLOCKS. */
eqs_status diffusion_block(diffusion *d) EQS_CHECK;
/* Positions [n][3] of the next frame, angstrom, continuous in time within the block. */
eqs_status diffusion_add(diffusion *d, const double (*x)[3]) EQS_CHECK;
/* interval: between frames, ps. The window is the longest run of lags, up to half of the shortest
 * block, whose slope is within DIFFUSION_SLOPE of 1 and that spans DIFFUSION_WINDOW; the centres
 * must come further than `spacing` (angstrom) in it. The line msd = c + 6 D lag is fitted with
 * weights lag^-3, as the variance of an msd grows. */
eqs_status diffusion_finish(const diffusion *d, double interval, double spacing,
                            diffusion_result *out) EQS_CHECK;
void diffusion_result_free(diffusion_result *r);
void diffusion_free(diffusion **d);

#endif
