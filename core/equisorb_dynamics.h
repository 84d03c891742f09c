/* equisorb_dynamics.h -- the public interface to molecular dynamics and relaxation.
 *
 * A part of equisorb.h, which says what holds for all of it and is the header to include.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQUISORB_DYNAMICS_H
#define EQUISORB_DYNAMICS_H

#ifndef EQUISORB_H
#error "include equisorb.h"
#endif

/* ------------------------------------------------------------------------ molecular dynamics */

/* Masses are the standard atomic weights. Times in fs, pressures in Pa. */
typedef struct eqs_md_options {
  size_t size;
  const char *thermostat;   /* NULL = "none": constant energy; "langevin", "csvr", "nose-hoover" */
  const char *barostat;     /* NULL = "none"; "isotropic", "full": stochastic cell rescaling */
  int64_t steps;            /* of the whole run, those before a checkpoint included */
  double timestep;          /* fs; 0 = 0.5 */
  double temperature;       /* K; also that of the velocities drawn at the start */
  double thermostat_time;   /* fs; 0 = 100; one over the friction of "langevin" */
  double pressure;          /* Pa */
  double barostat_time;     /* fs; 0 = 1000 */
  double compressibility;   /* 1/Pa; 0 = 1e-10; an estimate, the averages do not depend on it */
  uint64_t seed;            /* below 2^63 */
  const char *log;          /* CSV of energies, temperature, pressure, cell; NULL = none */
  int64_t log_every;        /* steps; 0 = 10 */
  const char *trajectory;   /* extended XYZ with momenta, or FILE.h5: H5MD; NULL = none */
  int64_t trajectory_every; /* steps; 0 = 100 */
  int unwrapped;            /* 1: positions in it are continuous in time */
  const char *checkpoint;   /* file; NULL = none */
  int64_t checkpoint_every; /* steps; 0 = 1000 */
  int go_on;                /* 1: a checkpoint that exists is continued; 0: it is refused */
  const char *final_state;  /* extended XYZ of the last good state; NULL = none */
  double limit_temperature; /* K; 0 = ten times the temperature, at least 10000 */
  double limit_force;       /* eV/angstrom on an atom; 0 = 500 */
  double limit_energy;      /* eV per atom that the conserved energy may be off; 0 = 1 */
  const char *velocities;   /* NULL = "draw"; "file": those of the structure, the total momentum
                               removed where the thermostat holds it */
  const char *rigid;        /* groups whose molecules move as rigid bodies, named as for
                               eqs_analysis_options; NULL = none. Not with a barostat */
} eqs_md_options;

typedef struct eqs_md_progress {
  size_t size;
  int64_t step, steps;
  double time;                     /* ps */
  double temperature;              /* K */
  double potential;                /* eV */
  double pressure;                 /* Pa; NAN without a volume */
  double ns_per_day, seconds_left; /* NAN while unknown */
} eqs_md_progress;

/* After every step. 1 stops: the checkpoint is written first; 2 writes it and goes on. */
typedef int (*eqs_md_watch)(const eqs_md_progress *p, void *user);

/* Of all steps of the run, those before a checkpoint included. */
typedef struct eqs_md_summary {
  size_t size;
  int64_t step;                           /* steps made */
  double temperature, temperature_spread; /* K: mean, standard deviation */
  double pressure;                        /* Pa, mean; NAN without a volume */
  double volume;                          /* angstrom^3, mean; 0 without */
  double drift; /* eV per atom and ps: slope of a straight line through the conserved energy */
} eqs_md_summary;

/* Molecular dynamics of frame i. The same bits for any number of threads, and for a run that is
 * stopped and continued. log, trajectory and checkpoint belong together: continuing cuts the first
 * two back to the checkpoint. watch and out may be NULL. EQS_ERR_ARGUMENT: options, or a checkpoint
 * of other settings. EQS_ERR_DIVERGED: a limit is passed or something is not finite (names the step
 * and the atom): the last good state is in final_state, the checkpoint is the last one on schedule.
 * EQS_ERR_INTERRUPTED: the watch stopped it. */
EQS_API eqs_status eqs_md(eqs_context *c, const eqs_model *m, const eqs_structures *frames, int i,
                          const eqs_md_options *options, eqs_md_watch watch, void *user,
                          eqs_md_summary *out) EQS_CHECK;

/* One of several runs. */
typedef struct eqs_md_job {
  size_t size;
  const eqs_structures *frames;
  int frame;
  const eqs_md_options *options; /* its files are its own */
  eqs_md_summary summary;        /* out */
  eqs_status status;             /* out: as of eqs_md */
  char message[600];             /* out: why it is not at its end; "" = it is */
} eqs_md_job;

/* Runs side by side, step by step: small systems are evaluated together. Each has the bits of a run
 * on its own. One that explodes, or cannot be started, stops alone. watch is called after each step
 * of all that are left, with sums over the runs (of temperature the mean), and stops or checkpoints
 * all of them. The status is that of the first failure, or of the interruption. */
EQS_API eqs_status eqs_md_batch(eqs_context *c, const eqs_model *m, int n, eqs_md_job *jobs,
                                eqs_md_watch watch, void *user) EQS_CHECK;

/* -------------------------------------------------------------------------------- relaxation */

typedef struct eqs_relax_options {
  size_t size;
  const char *method; /* NULL = "lbfgs"; "fire" */
  const char *cell;   /* NULL = "fixed"; "isotropic", "full" */
  double force;       /* eV/angstrom: done when no atom feels more; 0 = 0.01 */
  double stress;      /* Pa: and no component of the stress is further from -pressure; 0 = 1e7 */
  double pressure;    /* Pa, from outside */
  int64_t max_steps;  /* 0 = 1000 */
} eqs_relax_options;

typedef struct eqs_relax_progress {
  size_t size;
  int64_t step, max_steps;
  double energy; /* eV */
  double force;  /* eV/angstrom, the largest */
  double stress; /* Pa, the largest, less the pressure; 0 with a fixed cell */
} eqs_relax_progress;

typedef int (*eqs_relax_watch)(const eqs_relax_progress *p, void *user); /* non-zero stops */

typedef struct eqs_relaxed eqs_relaxed;

/* Moves atoms, and the cell if asked, to where energy plus pressure times volume is least.
 * *out is set on success and with EQS_ERR_INTERRUPTED, also where max_steps did not suffice.
 * EQS_ERR_ARGUMENT: options; EQS_ERR_DIVERGED: no finite energy. watch may be NULL. */
EQS_API eqs_status eqs_relax(eqs_context *c, const eqs_model *m, const eqs_structures *frames,
                             int i, const eqs_relax_options *options, eqs_relax_watch watch,
                             void *user, eqs_relaxed **out) EQS_CHECK;
/* The structure and its energy, forces and stress; pointers belong to r. `last` may be NULL.
 * Returns 1 if the criteria are met. */
EQS_API int eqs_relaxed_view(const eqs_relaxed *r, eqs_systems *systems, eqs_result *result,
                             eqs_relax_progress *last);
EQS_API void eqs_relaxed_free(eqs_relaxed **r);

/* ------------------------------------------------------------------------- elastic constants */

typedef struct eqs_elastic_options {
  size_t size;
  double strain;     /* the largest; 0 = 0.005 */
  int points;        /* strains per component, both signs, even; 0 = 4 */
  double force;      /* eV/angstrom: atoms are relaxed to it at each strain; 0 = 0.001 */
  double tolerance;  /* angstrom: of the search for symmetry; 0 = 0.01 */
  int64_t max_steps; /* of each relaxation; 0 = 1000 */
} eqs_elastic_options;

typedef struct eqs_modulus {
  double value, sigma; /* one standard error, of the fits */
} eqs_modulus;

/* Rows and columns are xx yy zz yz xz xy; shears are twice the tensor's component. Pa. */
typedef struct eqs_elastic_result {
  size_t size;
  eqs_modulus c[6][6];        /* symmetric, and as the point group asks */
  eqs_modulus measured[6][6]; /* stress i per strain j, as fitted */
  double asymmetry;           /* the largest |measured ij - measured ji| */
  double defect;              /* the largest change that the point group made */
  int n_rotation;             /* of the point group */
  char point_group[8];
  eqs_modulus bulk[3], shear[3]; /* Voigt, Reuss, Hill */
  eqs_modulus young, poisson;    /* of Hill's averages; Poisson's ratio has no unit */
  double stability;              /* the smallest eigenvalue of c; Born: stable if above 0 */
  double residual[6];            /* stress of the reference, Pa */
  int64_t evaluations;           /* of the model */
} eqs_elastic_result;

/* After every evaluation: strained states done, of how many; non-zero stops. */
typedef int (*eqs_elastic_watch)(int done, int total, void *user);

/* Elastic constants by finite strain: the reference, best relaxed with its cell, is strained by
 * each of the six components, its atoms relaxed, and the stress fitted by a parabola. Of a
 * reference under pressure they are the coefficients of stress by strain. watch may be NULL.
 * EQS_ERR_ARGUMENT: options, not periodic in three directions. EQS_ERR_DIVERGED: a relaxation that
 * does not end. EQS_ERR_INTERRUPTED. */
EQS_API eqs_status eqs_elastic(eqs_context *c, const eqs_model *m, const eqs_relaxed *reference,
                               const eqs_elastic_options *options, eqs_elastic_watch watch,
                               void *user, eqs_elastic_result *out) EQS_CHECK;

/* --------------------------------------------------------------------- analysis of trajectories */

/* Groups are named by a list: "Li" (atoms of an element), "CO2" (molecules of a formula, by bonds
 * in the first frame), "molecules" (every formula), "425-460:3" (these atoms, in molecules of
 * three).
 */
typedef struct eqs_analysis_options {
  size_t size;
  const char *diffusion; /* groups; NULL = none */
  const char *rdf;       /* "all", or pairs: "Zn-O,O-O"; NULL = none */
  const char *density;   /* one group; NULL = none */
  const char *drift;   /* removed: NULL = "host": the framework's, or that of all atoms where there
                          is none; "all"; "none" */
  int blocks;          /* per trajectory, in which errors are the spread; 0 = 5 */
  int unwrapped;       /* 1: positions in extended XYZ are continuous in time */
  int density_centers; /* 1: the map counts centres of mass; 0: atoms */
  double skip;         /* ps left out at the beginning of each trajectory */
  double interval;     /* fs between frames; 0 = by the frames' time */
  double spacing;      /* angstrom that centres must get on average: a cage; 0 = 3 */
  double rdf_distance; /* angstrom; 0 = half the smallest width, at most 12 */
  double rdf_step;     /* angstrom; 0 = 0.05 */
  double density_step; /* angstrom; 0 = 0.25 */
  int threads;         /* 0 = all cores; the same bits for any number */
} eqs_analysis_options;

typedef struct eqs_analysis eqs_analysis;

/* After every frame, with the share of the file that is read; non-zero stops. */
typedef int (*eqs_analysis_watch)(double share, void *user);

/* EQS_ERR_ARGUMENT: options. */
EQS_API eqs_status eqs_analysis_open(const eqs_analysis_options *options,
                                     eqs_analysis **out) EQS_CHECK;
/* Reads a trajectory (extended XYZ or H5MD) once; the next one must have the same atoms, and is
 * independent of it. watch may be NULL. EQS_ERR_ARGUMENT: groups or pairs that are not there;
 * EQS_ERR_FORMAT: names file and frame; EQS_ERR_INTERRUPTED. After an error nothing can be added.
 */
EQS_API eqs_status eqs_analysis_add(eqs_analysis *a, const char *path, eqs_analysis_watch watch,
                                    void *user) EQS_CHECK;
/* what: "table" or "json": everything but the map; "diffusion.csv", "msd.csv", "rdf.csv";
 * "density.cube". The path "-" is standard output. EQS_ERR_ARGUMENT: no such thing, or it was not
 * asked for, or nothing was added. */
EQS_API eqs_status eqs_analysis_write(const eqs_analysis *a, const char *what,
                                      const char *path) EQS_CHECK;
EQS_API void eqs_analysis_free(eqs_analysis **a);

#endif
