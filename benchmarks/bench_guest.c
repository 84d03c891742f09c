/* bench_guest.c -- the classical energy of rigid molecules at given poses in given frameworks.
 *
 * usage: bench_guest FRAMEWORKS.extxyz POSES
 *
 * A line of POSES is `frame gas x y z qx qy qz qw`: the frame of the first file (from 0) that the
 * molecule is in, its centre of mass (angstrom) and orientation, as core/adsorption/pose.h. Printed
 * is U in eV, a line each, with the force field of `--energy classical`: "inf" is an overlap, "nan"
 * a framework without parameters, whose reason goes to standard error. One molecule in an otherwise
 * empty framework, its images in neighbouring cells at least 24 angstrom apart.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/classical_energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APART 24.0 /* angstrom */

typedef struct host {
  int frame; /* -1 = none yet */
  char gas[8];
  framework f;
  guest_energy *energy; /* NULL: no parameters */
} host;

static void fail(const char *what, const char *name) {
  fprintf(stderr, "bench_guest: %s: %s\n", name, what);
  exit(1);
}

static void host_close(host *h) {
  if (h->energy) h->energy->ops->free(h->energy);
  if (h->frame >= 0) framework_free(&h->f);
  *h = (host){.frame = -1};
}

static void host_open(host *h, const eqs_structures *frames, int frame, const char *name,
                      workspace *work) {
  gas g;
  host_close(h);
  const structure *s = structures_frame(frames, frame);
  if (!s) fail("there is no such frame", "POSES");
  if (gas_find(name, &g) || framework_prepare_snapshot(s, APART, &h->f)) fail(eqs_error(), name);
  h->frame = frame;
  snprintf(h->gas, sizeof h->gas, "%s", name);
  if (classical_energy_open(&h->f, 1, &g, NULL, work, &h->energy)) {
    fprintf(stderr, "bench_guest: frame %d: %s\n", frame, eqs_error());
    h->energy = NULL;
  }
}

int main(int argc, char **argv) {
  if (argc != 3) fail("usage: bench_guest FRAMEWORKS.extxyz POSES", "two files are needed");
  eqs_structures *frames = NULL;
  if (eqs_structures_read(argv[1], NULL, &frames)) fail(eqs_error(), argv[1]);
  FILE *file = fopen(argv[2], "r");
  if (!file) fail("cannot be opened", argv[2]);
  workspace work = {0};
  if (workspace_set_threads(&work, 1)) fail(eqs_error(), "threads");
  host h = {.frame = -1};
  char line[512], name[8];
  for (int at = 1; fgets(line, sizeof line, file); at++) {
    int frame;
    pose p;
    double *x = p.position, *q = p.quaternion, u = NAN;
    if (sscanf(line, "%d %7s %lf %lf %lf %lf %lf %lf %lf", &frame, name, x, x + 1, x + 2, q, q + 1,
               q + 2, q + 3) != 9) {
      fprintf(stderr, "bench_guest: %s:%d: frame, gas and seven numbers are needed\n", argv[2], at);
      return 1;
    }
    if (frame != h.frame || strcmp(name, h.gas)) host_open(&h, frames, frame, name, &work);
    if (h.energy && classical_energy_poses(h.energy, 0, 1, &p, &u)) fail(eqs_error(), argv[2]);
    printf("%.17g\n", u);
  }
  fclose(file);
  host_close(&h);
  workspace_free(&work);
  eqs_structures_free(&frames);
  return 0;
}
