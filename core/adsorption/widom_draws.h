/* widom_draws.h -- weighted draws of an insertion run, and what they say at any temperature.
 *
 * Draw i has density q_i relative to uniform and energy U_i; g_i = exp(-U_i/kT)/q_i, W = <g>. If
 * poses came from a table of N uniform ones, that table's own error is part of the answer:
 * var W = var(g)/n + (<g^2 q> - W^2)/N, since <g^2 q>_q = <exp(-2U/kT)>_uniform; the same for U_B
 * with g (U - U_B)/W in place of g. Holes and overlaps weigh 0 and count.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WIDOM_DRAWS_H
#define EQS_WIDOM_DRAWS_H

#include "core/status.h"

typedef enum draw_kind { DRAW_KEPT, DRAW_OVERLAP, DRAW_HOLE } draw_kind;

typedef struct widom_draw {
  int64_t index;       /* of the pose */
  double u;            /* eV; of a hole what the model said, NAN included */
  double ln_q;         /* ln q_i */
  double ln_defensive; /* ln of the defensive part of q_i; -INFINITY if there is none */
  int kind;            /* draw_kind */
  int blocked;         /* 1: in a pocket */
} widom_draw;

typedef struct widom_draws {
  widom_draw *draw;
  int64_t n, capacity;
  int64_t n_table; /* poses in the table; 0: every draw is a fresh one */
} widom_draws;

/* One temperature. Energies eV, sigma = one standard error, 95 % = two-sided with Student's t of
 * the blocks; NAN = undefined. */
typedef struct widom_point {
  double temperature;
  double ln_w, w, w_sigma, w_95;
  double w_table_sigma; /* part of w_sigma that only a larger table makes smaller */
  double u, u_sigma, u_95;
  double ess, max_share;
  double defensive_share; /* of the weight, from the defensive part */
  double discarded_share; /* of the weight, had holes been kept; 1 if one was not a number */
  double w_unblocked, w_unblocked_sigma; /* with the pockets */
  double u_unblocked, u_unblocked_sigma;
  int not_converged, holes_flagged;
} widom_point;

/* EQS_ERR_MEMORY. */
eqs_status widom_draws_add(widom_draws *d, const widom_draw *draw) EQS_CHECK;
void widom_draws_free(widom_draws *d);
/* temperature in K. With no draws at all everything is undefined. */
void widom_draws_point(const widom_draws *d, double temperature, widom_point *out);
/* <g^2>/<g>^2 - 1 that draws from the density exp(ln_q[i]) would have had: the energies needed for
 * a relative error s are this over s^2. INFINITY if nothing is known. */
double widom_draws_variance(const widom_draws *d, double temperature, const double *ln_q);

#endif
