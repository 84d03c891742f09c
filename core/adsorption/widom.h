/* widom.h -- Widom insertion of a rigid molecule into one rigid framework.
 *
 * W = < exp(-U/kT) > over ALL draws, uniform in the cell and in orientation; a rejected draw has
 * weight 0 and counts. K_H = W / (R T rho), Qst = R T - U_B, U_B = sum U w / sum w. The energy is a
 * callback, so analytic potentials test what the models use.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WIDOM_H
#define EQS_WIDOM_H

#include "core/adsorption/reservoir.h"
#include "core/units.h"

#define GAS_CONSTANT     8.314462618       /* J/mol/K */
#define EV_KJ_MOL        96.48533212       /* kJ/mol per eV */
#define MASS_UNIT_KG     1.66053906660e-27 /* kg per atomic mass unit */
#define HOLE_KJ_MOL      200.0             /* wells deeper than this are faults of the model */
#define HOLE_SHARE_LIMIT 1e-3              /* discarded weight above this is flagged */
#define WIDOM_ESS_MIN    50                /* fewer effective samples: not converged */
#define WIDOM_SHARE_MAX  0.1               /* a single weight above this share: not converged */

/* Insertion energies, eV, relative to framework and gas apart; NAN or infinite where the model has
 * no finite answer (counted as a hole). */
typedef eqs_status (*widom_energy)(void *context, int n_pose, const pose *poses, double *u);

typedef struct widom_settings {
  int64_t n; /* draws, at least WIDOM_MIN */
  uint64_t seed;
  uint32_t stream;    /* of this framework */
  const double *cell; /* [9] angstrom, the region to draw in */
  double temperature; /* K */
  int batch;          /* poses per energy call, at most */
  void *context;      /* of the callbacks */
  widom_energy energy;
  /* 1 where the pose overlaps the framework: weight 0 without asking the model. May be NULL. */
  int (*overlap)(void *context, const pose *p);
  /* 1 in a pocket: counts only in what is called unblocked. May be NULL. */
  int (*blocked)(void *context, const pose *p);
  /* Shortest distance to the framework, angstrom, for the record of holes. May be NULL. */
  double (*contact)(void *context, const pose *p);
  /* After every batch; non-zero stops with EQS_ERR_INTERRUPTED. May be NULL. */
  int (*progress)(void *context, int64_t done);
  reservoir *sample; /* gets poses with their weight in W, pockets left out; may be NULL */
} widom_settings;

enum { WIDOM_MIN = 100 };

/* Energies eV, sigma = one standard error; NAN = undefined. */
typedef struct widom_result {
  int64_t n_proposed, n_overlap, n_evaluated, n_hole; /* evaluated = proposed - overlap */
  int64_t n_blocked;                                  /* of the evaluated ones */
  double ln_w, w, w_sigma;
  double u, u_sigma;                                  /* U_B */
  double w_unblocked, w_unblocked_sigma, u_unblocked; /* with the pockets */
  double ess, max_share;
  double discarded_share; /* of the weight, had holes been kept; 1 if one was not a number */
  double hole_energy;     /* lowest finite energy among holes; NAN if none */
  double hole_contact;    /* shortest contact among holes, angstrom; NAN if none */
  int not_converged, holes_flagged;
} widom_result;

/* EQS_ERR_ARGUMENT: settings out of range. EQS_ERR_INTERRUPTED. Errors of the callback. */
eqs_status widom_run(const widom_settings *s, widom_result *out) EQS_CHECK;

/* Henry coefficient, mol/kg/Pa, from W and the framework's density in kg/m^3. */
double widom_henry(double w, double temperature, double density);

#endif
