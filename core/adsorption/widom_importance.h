/* widom_importance.h -- Widom insertion to an asked error with few expensive energies.
 *
 * Poses are drawn from the density q (relative to uniform) of a cheap surrogate Us with a defensive
 * share eps of all poses that the surrogate leaves open (pose_table.h), and W = <exp(-U/kT)/q>. It
 * is exact whatever the surrogate, as long as exp(-U/kT) is nothing where Us > 50 kT; a random
 * sample of that region is checked and its share of the weight reported. Over several temperatures
 * q is the mean of the densities at the lowest and the highest: exp(-bU) is convex in b, so weights
 * are bounded for every temperature between.
 *
 * Pilot rounds (eps = 0.5) say how good the surrogate is; where that saves more than it costs, its
 * difference from U is fitted and added. Then all is frozen, the pilots' averages are thrown away,
 * and rounds follow until the asked error is reached. Where the surrogate misses the wells (ESS per
 * draw below 1 %), chains with the expensive energy find them, and draws are made around what they
 * found (widom_sites.c). Without a surrogate draws are uniform and the bits are those of widom_run.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WIDOM_IMPORTANCE_H
#define EQS_WIDOM_IMPORTANCE_H

#include "core/adsorption/surrogate_fit.h"
#include "core/adsorption/widom.h"
#include "core/adsorption/widom_draws.h"

enum { IMPORTANCE_TEMPERATURES = 64, IMPORTANCE_PILOTS = 3 };
#define IMPORTANCE_REACH_KT    50.0  /* the surrogate leaves open what is below this */
#define IMPORTANCE_CLASH       100.0 /* kJ/mol: above it in Us, U < 0 is a hole of the model */
#define IMPORTANCE_POOR_ESS    0.01  /* ESS/n below this: the surrogate is poor */
#define IMPORTANCE_POOR_SHARE  0.3   /* of the weight from the defensive part: likewise */
#define IMPORTANCE_OUTSIDE_MAX 1e-3  /* share of weight outside that is flagged */

typedef enum importance_phase {
  IMPORTANCE_TABLE,      /* done, of: cheap energies */
  IMPORTANCE_PILOT,      /* done, of: draws of this round */
  IMPORTANCE_PRODUCTION, /* done, of: expensive energies, budget */
  IMPORTANCE_OUTSIDE,    /* done, of: draws */
  IMPORTANCE_CHAINS      /* done, of: sweeps */
} importance_phase;

typedef struct importance_progress {
  importance_phase phase;
  int64_t done, of;
  int64_t n_energy; /* expensive energies so far */
  double error;     /* 95 %, relative, of K_H where it is worst; NAN before production */
} importance_progress;

typedef struct importance_settings {
  uint64_t seed;
  uint32_t stream;    /* of this framework */
  const double *cell; /* [9] angstrom, the region to draw in */
  int n_temperature;
  const double *temperature; /* K */
  int n_sampled;             /* the first so many are drawn for and reach `error`; 0 = all */
  double error;              /* 95 %, relative, of K_H; 0: spend the whole budget */
  int64_t max_energy;        /* expensive energies at most; 0 = 20000 */
  int64_t max_draw;          /* production draws at most; 0 = 100 max_energy */
  int64_t table, table_max;  /* cheap poses at first, and at most; 0 = 10^6, 1.6 10^7 */
  double eps;                /* defensive share, in (0, 1]; 0 = 0.1 */
  double heat;               /* surrogate's temperature over T; 0: 1, 1.5 or 2 by the pilots */
  int round, pilot;          /* draws per round; 0 = 400, 250; pilot -1: none, and what `fit` has
                              * learnt before is used as it is */
  int outside;               /* energies spent outside of the open region; 0 = 50, -1 = none */
  int batch;                 /* poses per call of a callback, at most */
  void *context;             /* of the callbacks */
  widom_energy expensive;    /* INFINITY: an overlap, NAN: a hole */
  widom_energy cheap;        /* NULL: plain insertion */
  int (*overlap)(void *context, const pose *p);    /* as in widom.h; may be NULL */
  int (*blocked)(void *context, const pose *p);    /* 1 in a pocket; may be NULL */
  double (*contact)(void *context, const pose *p); /* as in widom.h; may be NULL */
  const gas *molecule; /* whose symmetry the kernels of the chains use; NULL: none */
  int no_chain;        /* 1: no chains, however poor the surrogate is */
  surrogate_fit *fit;  /* learns the correction; NULL: the surrogate stays as it is */
  /* Often; non-zero stops with EQS_ERR_INTERRUPTED. May be NULL. */
  int (*progress)(void *context, const importance_progress *p);
  /* A file that the expensive energies are kept in after every round and on interruption; if it is
   * there, they are taken from it, for any error, budget or temperature. NULL: none. */
  const char *state;
  const char *condition; /* of the energies: model, gas, framework; below 3500 characters */
  reservoir *sample;     /* gets poses with their weight at the first temperature, as in widom.h */
} importance_settings;

/* Energies eV. NAN = undefined. */
typedef struct importance_result {
  int n_point;
  widom_point point[IMPORTANCE_TEMPERATURES];
  int64_t n_table, n_draw;
  int64_t n_energy, n_pilot;             /* expensive energies in all, and before production */
  int64_t n_overlap, n_hole, n_blocked;  /* of the production draws */
  double accessible, accessible_sigma;   /* f: the share of poses that the surrogate leaves open */
  double surrogate_w, surrogate_w_sigma; /* at the first temperature, uncorrected */
  double eps, heat;                      /* of the production density */
  int n_pilot_round, corrected, n_parameter;
  double rms, offset;  /* of U - Us as used, weighted by exp(-U/kT) at the first temperature */
  double rms_as_given; /* of the surrogate before its correction */
  double hole_energy, hole_contact;    /* as in widom.h */
  double outside_share;                /* of the weight, as sampled in the region left out */
  int n_outside, n_outside_attractive; /* energies there, and how many were below 0 */
  int target_missed;                   /* the budget was spent before the asked error was reached */
  int searched;     /* chains were asked for; n_site = 0: they found nothing, or too few energies */
  int n_site;       /* poses of the chains that draws were made around; 0: the surrogate led */
  int64_t n_search; /* energies that finding them took, among n_pilot */
  int table_limited;   /* the table's own error is above the asked one: a larger one is needed */
  int surrogate_poor;  /* ESS/n or the defensive share say so, of chains' draws too */
  int outside_flagged; /* the surrogate shuts out weight: W is too small by that share */
  int none_open;       /* no pose of the table is open: W = 0 */
} importance_result;

/* EQS_ERR_ARGUMENT: settings out of range. EQS_ERR_INTERRUPTED. EQS_ERR_FILE, EQS_ERR_FORMAT: the
 * state. Errors of the callbacks. */
eqs_status widom_importance_run(const importance_settings *s, importance_result *out) EQS_CHECK;

#endif
