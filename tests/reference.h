/* reference.h -- reference energies, forces and stresses from the original codes, for the tests.
 *
 * Reads both the project's small files (tests/data/reference) and the full ones that lie outside
 * (folder EQS_SHARED, by default ../shared beside the source; absent on most machines). Everything
 * here fails the running test with a message rather than return an error.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TESTS_REFERENCE_H
#define EQS_TESTS_REFERENCE_H

#include "core/equisorb.h"

enum { REFERENCE_PATH = 4096, REFERENCE_NAME = 64 };

typedef struct reference_case {
  char name[REFERENCE_NAME];
  char head[REFERENCE_NAME]; /* MACE's head or the SevenNet tag; "" if there is none */
  int n;
  int *number;      /* [n] */
  double *position; /* [n][3] angstrom */
  double cell[9];
  int pbc[3];
  double energy;    /* eV */
  double *energies; /* [n] */
  double *forces;   /* [n][3] eV/angstrom */
  int has_forces, has_stress;
  double stress[9]; /* eV/angstrom^3, ASE's sign */
  /* Factors on the tolerances of single precision, 1 unless a test has a measured reason: the
   * original program in float32 is as far from its own float64. */
  double energy_slack, stress_slack;
} reference_case;

typedef struct reference {
  int n;
  reference_case *cases; /* [n] */
} reference;

/* One file of MACE cases: all structures and heads of one model. */
reference reference_load_mace(const char *path);
/* One file of SevenNet: one structure, one case per model tag (in `head`). */
reference reference_load_sevennet(const char *path);
void reference_free(reference *r);

/* Path of a file that exists: `relative` under EQS_SOURCE_DIR/tests/data, or under EQS_SHARED.
 * Returns 0 if there is none. */
int reference_data(const char *relative, char path[REFERENCE_PATH]);
int reference_shared(const char *relative, char path[REFERENCE_PATH]);
/* File `relative` in the folder that environment variable `variable` names. */
int reference_in(const char *variable, const char *relative, char path[REFERENCE_PATH]);
/* Names (without the ending, sorted, at most `most`) of the files in `folder` that end so. */
int reference_list(const char *folder, const char *ending, char (*names)[REFERENCE_NAME], int most);

/* Ends the running test as skipped, and says why on standard error. */
void reference_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Evaluates the case as a batch of one and compares; `label` goes into messages. Double: energy and
 * per-atom energies 1e-9 eV per atom, forces 1e-8 eV/angstrom, stress 1e-9 eV/angstrom^3; single:
 * energy 1e-5 (one atom's 2e-5), 1e-4, 1e-6. Forces are relative to the largest one where that is
 * above 1. */
void reference_check(eqs_context *c, const eqs_model *m, const reference_case *r,
                     eqs_precision precision, const char *label);

/* Opens the device that EQS_TEST_DEVICE names (default: host), with two threads; the test is
 * skipped where there is no such GPU. Loads a model or fails the test. */
eqs_context *reference_context(void);
eqs_model *reference_model(eqs_context *c, const char *path, const char *head, const char *modal,
                           eqs_precision precision);
eqs_systems reference_systems(const reference_case *r, int first[2]);

#endif
