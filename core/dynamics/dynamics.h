/* dynamics.h -- molecular dynamics of point masses: one state, and the step that advances it.
 *
 * Forces come from a function, so that force fields and analytic potentials (tests) stand behind
 * the same integrators. Random numbers are functions of (seed, step): a state that is stored and
 * read again goes on with the same bits. All sums run over the atoms in order, whatever the number
 * of threads. Units: u, angstrom, fs, eV.
 *
 * The atoms of a state may be shared out over ranks: each rank has some, and all that is said of
 * the whole (energy, cell, thermostat). Then all ranks make the same calls, sums go over ranks, and
 * random numbers belong to atoms, so that a trajectory is that of one rank but for rounding. What
 * fails on one rank is told to the others.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DYNAMICS_H
#define EQS_DYNAMICS_H

#include <stdint.h>

#include "core/adsorption/checkpoint.h"
#include "core/comm.h"
#include "core/dynamics/rigid.h"

struct body_set; /* core/dynamics/bodies.h */

/* Energy (eV), forces (eV/angstrom) and stress (eV/angstrom^3, positive under tension; zero without
 * a volume) of n atoms in a cell. Positions lie inside a cell that is
 * periodic in three directions. With ranks: energy and stress of the whole, positions and forces of
 * the atoms that are here. */
typedef eqs_status dynamics_force(void *context, int n, const double (*x)[3], const double cell[9],
                                  double *energy, double (*force)[3], double stress[9]);

typedef enum thermostat_kind {
  THERMOSTAT_NONE,     /* the energy is constant */
  THERMOSTAT_LANGEVIN, /* B. Leimkuhler, C. Matthews, J. Chem. Phys. 138, 174102 (2013): BAOAB */
  THERMOSTAT_CSVR,     /* G. Bussi, D. Donadio, M. Parrinello, J. Chem. Phys. 126, 014101 (2007) */
  THERMOSTAT_NOSE_HOOVER /* G. Martyna et al., Mol. Phys. 87, 1117 (1996), chains */
} thermostat_kind;

/* Stochastic cell rescaling. */
typedef enum barostat_kind {
  BAROSTAT_NONE,
  BAROSTAT_ISOTROPIC, /* M. Bernetti, G. Bussi, J. Chem. Phys. 153, 114107 (2020) */
  BAROSTAT_FULL       /* V. Del Tatto et al., Appl. Sci. 12, 1139 (2022); never rotates the cell */
} barostat_kind;

typedef struct dynamics_settings {
  thermostat_kind thermostat;
  barostat_kind barostat;
  double step;            /* fs */
  double temperature;     /* K; of the thermostat and of the barostat's noise */
  double thermostat_time; /* fs; Langevin: one over the friction */
  double pressure;        /* eV/angstrom^3 */
  double barostat_time;   /* fs */
  double compressibility; /* angstrom^3/eV: an estimate; it only scales the time */
  uint64_t seed;
  const struct body_set *bodies; /* atoms that are rigid bodies; NULL = none. Never owned */
  int held;    /* 1: forces from outside act, so that the total momentum is no constant of motion */
  comm *ranks; /* the atoms are shared out over these; NULL = all are here. Never owned */
  int total;   /* with ranks: atoms of them all */
  const int *id; /* with ranks: [n] which atoms are here, ascending from 0. Never owned. Rigid
                    bodies have all atoms on one rank */
  void *context;
  dynamics_force *force;
} dynamics_settings;

enum { DYNAMICS_CHAIN = 3 };

typedef struct dynamics {
  dynamics_settings s;
  int n, total, pbc[3]; /* n: atoms here */
  double whole;         /* degrees of freedom: 3 total, less what rigid bodies lose */
  double degrees;       /* the same, or three fewer where the total momentum is held at zero */
  double *mass;         /* [n] u */
  double (*x)[3];       /* [n] angstrom; inside the cell if it is periodic in three directions */
  int (*image)[3];      /* [n] x + image . cell is continuous in time */
  double (*v)[3];       /* [n] angstrom/fs */
  double (*force)[3];
  double cell[9], energy, stress[9];
  int64_t at;       /* steps made */
  double exchanged; /* eV that thermostat and barostat have put in */
  double chain_x[DYNAMICS_CHAIN], chain_v[DYNAMICS_CHAIN]; /* of Nose and Hoover; 1, 1/fs */
  double strain[9];                                        /* of the barostat in the step at hand */
  double *number;                                          /* [3 n + 1] random */
  rigid_body *body; /* [bodies->n]; their atoms follow from them */
} dynamics;

/* What a state is like. Pressures in eV/angstrom^3, the kinetic part included; NAN without volume.
 */
typedef struct dynamics_figures {
  double kinetic, potential; /* eV */
  double conserved;          /* eV: constant but for the error of the step, in every ensemble */
  double temperature;        /* K */
  double volume;             /* angstrom^3; 0 unless periodic in three directions */
  double pressure;           /* a third of the trace of */
  double tensor[9];
} dynamics_figures;

/* Takes copies of all arrays. velocity NULL: drawn for s->temperature, total momentum removed
 * unless the atoms are held. cell and pbc NULL: not periodic. Evaluates the starting point.
 * EQS_ERR_ARGUMENT: settings, masses, a cell without volume. EQS_ERR_DIVERGED: no finite energy.
 * Whatever is returned, dynamics_free is due. */
eqs_status dynamics_open(dynamics *d, const dynamics_settings *s, int n, const double *mass,
                         const double (*x)[3], const double (*velocity)[3], const double *cell,
                         const int *pbc) EQS_CHECK;
/* One step. After EQS_ERR_DIVERGED (energy, force or cell) the state is where that happened. */
eqs_status dynamics_step(dynamics *d) EQS_CHECK;
/* The same in two parts, for who evaluates several states together: up to the new positions, and
 * from energy, force and stress that have been put into the state. */
eqs_status dynamics_advance(dynamics *d) EQS_CHECK;
eqs_status dynamics_evaluate(dynamics *d) EQS_CHECK; /* energy, force and stress */
eqs_status dynamics_complete(dynamics *d) EQS_CHECK;
/* Without ranks it cannot fail. */
eqs_status dynamics_measure(const dynamics *d, dynamics_figures *out) EQS_CHECK;
/* Position of atom i, continuous in time. */
void dynamics_unwrapped(const dynamics *d, int i, double out[3]);
/* All that changes, to or from an archive. */
void dynamics_archive(dynamics *d, archive *a);
/* The state of the same atoms, or a new one (zeroed before): EQS_ERR_MEMORY. */
eqs_status dynamics_copy(const dynamics *from, dynamics *to) EQS_CHECK;
void dynamics_free(dynamics *d);

/* Streams of random numbers. */
enum {
  DYNAMICS_START = 0x4d440001, /* velocities */
  DYNAMICS_THERMOSTAT,
  DYNAMICS_GAMMA,
  DYNAMICS_BAROSTAT
};

#endif
