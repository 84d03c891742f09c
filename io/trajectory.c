/* trajectory.c -- frames, and how far every atom has come since the one before.
 *
 * Displacements are those of the wrapped positions plus whole cells of the new frame: with a cell
 * that breathes, the scaling of far-away images does not enter (J. T. Bullerjahn, S. von Buelow,
 * M. Heidari, J. Henin, G. Hummer, J. Chem. Theory Comput. 19, 3406 (2023)).
 * SPDX-License-Identifier: MIT */
#include "io/trajectory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lattice_span.h"
#include "core/locale_c.h"
#include "core/neighbors.h"
#include "io/h5md.h"
#include "io/xyz.h"

struct trajectory {
  char *path;
  xyz_stream *xyz;
  h5md *h5;
  int unwrapped, n, cut;
  int64_t frames;
  structure atoms;
  h5md_frame row;  /* of H5MD: x is that of `atoms` */
  int *number;     /* [n] of the first frame */
  double (*at)[3]; /* [n] in the cell, the frame before */
  int (*image)[3]; /* [n] of the frame before, where the file says */
  double (*step)[3];
};

static eqs_status is_hdf5(const char *path, int *yes) {
  static const unsigned char magic[4] = {0x89, 'H', 'D', 'F'};
  unsigned char head[4] = {0};
  FILE *f = fopen(path, "rb");
  if (!f) EQS_FAIL(EQS_ERR_FILE, "%s: cannot be opened: %s", path, strerror(errno));
  *yes = fread(head, 1, sizeof head, f) == sizeof head && !memcmp(head, magic, sizeof head);
  fclose(f);
  return EQS_OK;
}

static eqs_status open_h5md(trajectory *t) {
  static const double origin[3] = {0, 0, 0};
  int n = 0;
  EQS_TRY(h5md_open(t->path, &n, &t->h5));
  if (n > STRUCTURE_MAX_ATOMS)
    EQS_FAIL(EQS_ERR_FORMAT, "%s: more than %d atoms", t->path, (int)STRUCTURE_MAX_ATOMS);
  for (int i = 0; i < n; i++) EQS_TRY(structure_append(&t->atoms, 1, origin, 0));
  EQS_TRY(alloc_array(&t->row.image, (size_t)n, sizeof *t->row.image, "images"));
  EQS_TRY(alloc_array(&t->row.v, (size_t)n, sizeof *t->row.v, "velocities"));
  return h5md_fixed(t->h5, t->atoms.number, t->atoms.pbc);
}

eqs_status trajectory_open(const char *path, int unwrapped, trajectory **out) {
  int hdf5 = 0;
  EQS_TRY(is_hdf5(path, &hdf5));
  EQS_TRY(alloc_array(out, 1, sizeof **out, "a trajectory"));
  trajectory *t = *out;
  t->unwrapped = unwrapped;
  t->path = strdup(path);
  eqs_status status = t->path ? hdf5 ? open_h5md(t) : xyz_open(path, &t->xyz)
                              : status_fail(EQS_ERR_MEMORY, "out of memory: a file name");
  if (status != EQS_OK) trajectory_close(out);
  return status;
}

/* ---- one frame */

static eqs_status read_h5md(trajectory *t, trajectory_frame *out, int *found) {
  int64_t all = h5md_frames(t->h5);
  *found = t->frames < all;
  if (!*found) return EQS_OK;
  t->row.x = t->atoms.position;
  EQS_TRY(h5md_read(t->h5, t->frames, &t->row));
  memcpy(t->atoms.cell, t->row.cell, sizeof t->atoms.cell);
  out->time = t->row.time;
  out->share = (double)(t->frames + 1) / (double)all;
  for (int i = 0; i < t->atoms.n; i++)
    for (int k = 0; k < 3; k++)
      if (!isfinite(t->atoms.position[i][k]))
        EQS_FAIL(EQS_ERR_FORMAT, "%s: frame %lld: the position of atom %d is not finite", t->path,
                 (long long)t->frames + 1, i + 1);
  return EQS_OK;
}

static eqs_status read_xyz(trajectory *t, trajectory_frame *out, int *found) {
  xyz_values v;
  EQS_TRY(xyz_next(t->xyz, &t->atoms, &v, found));
  t->cut = v.cut;
  out->time = v.time;
  out->share = v.share;
  return EQS_OK;
}

/* Room for what is kept, from the first frame; the same atoms in all others. */
static eqs_status compare(trajectory *t) {
  const structure *s = &t->atoms;
  size_t n = (size_t)s->n;
  if (t->frames == 0) {
    t->n = s->n;
    EQS_TRY(alloc_array(&t->number, n, sizeof *t->number, "elements"));
    EQS_TRY(alloc_array(&t->at, n, sizeof *t->at, "positions"));
    EQS_TRY(alloc_array(&t->image, n, sizeof *t->image, "images"));
    EQS_TRY(alloc_array(&t->step, n, sizeof *t->step, "displacements"));
    memcpy(t->number, s->number, n * sizeof *t->number);
  }
  if (s->n != t->n || memcmp(s->number, t->number, n * sizeof *t->number))
    EQS_FAIL(EQS_ERR_FORMAT, "%s: frame %lld has other atoms than the first", t->path,
             (long long)t->frames + 1);
  return EQS_OK;
}

/* The cell with rows of its own along directions that are not periodic, and its inverse. */
static eqs_status frame_of(const structure *s, double cell[9], double inverse[9]) {
  int periodic = s->pbc[0] + s->pbc[1] + s->pbc[2], k = 0;
  for (int i = 0; i < 9; i++) cell[i] = s->pbc[i / 3] ? s->cell[i] : i % 4 == 0;
  while (k < 2 && (s->pbc[k] != 0) == (periodic == 2)) k++;
  double *row = cell + 3 * k, *p = cell + 3 * ((k + 1) % 3), *q = cell + 3 * ((k + 2) % 3);
  if (periodic == 2) lattice_cross(p, q, row);
  if (periodic == 1) { /* row is the periodic one */
    double axis[3] = {0, 0, 0};
    axis[fabs(row[0]) < fabs(row[1]) ? 0 : 1] = 1;
    lattice_cross(row, axis, p);
    lattice_cross(row, p, q);
  }
  if (!cell_inverse(cell, inverse)) EQS_FAIL(EQS_ERR_FORMAT, "a cell without a volume");
  return EQS_OK;
}

static void displace(trajectory *t, int i, const double cell[9], const double inverse[9],
                     double *longest) {
  const structure *s = &t->atoms;
  const double *x = s->position[i];
  double at[3] = {x[0], x[1], x[2]}, d[3], f[3];
  int image[3] = {0, 0, 0};
  for (int k = 0; k < 3; k++) { /* into the cell */
    if (!s->pbc[k]) continue;
    double whole = floor(x[0] * inverse[k] + x[1] * inverse[3 + k] + x[2] * inverse[6 + k]);
    image[k] = fabs(whole) < 1e9 ? (int)whole : 0;
    for (int a = 0; a < 3; a++) at[a] -= image[k] * cell[3 * k + a];
    if (t->h5) image[k] += t->row.image[i][k];
  }
  for (int a = 0; a < 3; a++) d[a] = at[a] - t->at[i][a];
  for (int k = 0; k < 3; k++)
    f[k] = d[0] * inverse[k] + d[1] * inverse[3 + k] + d[2] * inverse[6 + k];
  for (int k = 0; k < 3; k++) {
    if (!s->pbc[k]) continue;
    double whole = t->h5 || t->unwrapped ? (double)image[k] - t->image[i][k] : -round(f[k]);
    for (int a = 0; a < 3; a++) d[a] += whole * cell[3 * k + a];
    *longest = fmax(*longest, fabs(f[k] + whole));
  }
  for (int a = 0; a < 3; a++) {
    t->step[i][a] = t->frames > 0 ? d[a] : 0;
    t->at[i][a] = at[a];
    t->image[i][a] = image[a];
  }
}

eqs_status trajectory_next(trajectory *t, trajectory_frame *out, int *found) {
  LOCALE_C();
  double cell[9], inverse[9], longest = 0;
  int pbc[3];
  memcpy(pbc, t->atoms.pbc, sizeof pbc);
  EQS_TRY(t->h5 ? read_h5md(t, out, found) : read_xyz(t, out, found));
  if (!*found) return EQS_OK;
  EQS_TRY(compare(t));
  if (t->frames > 0 && memcmp(pbc, t->atoms.pbc, sizeof pbc))
    EQS_FAIL(EQS_ERR_FORMAT, "%s: frame %lld is periodic in other directions than the first",
             t->path, (long long)t->frames + 1);
  eqs_status status = frame_of(&t->atoms, cell, inverse);
  if (status != EQS_OK)
    return status_prefix(status, "%s: frame %lld", t->path, (long long)t->frames + 1);
  for (int i = 0; i < t->n; i++) displace(t, i, cell, inverse, &longest);
  out->atoms = &t->atoms;
  out->step = t->step;
  out->longest = t->frames > 0 ? longest : 0;
  t->frames++;
  return EQS_OK;
}

int trajectory_cut(const trajectory *t) { return t->cut; }

void trajectory_close(trajectory **t) {
  if (!t || !*t) return;
  xyz_close(&(*t)->xyz);
  h5md_free(&(*t)->h5);
  structure_free(&(*t)->atoms);
  free((*t)->row.image);
  free((*t)->row.v);
  free((*t)->number);
  free((*t)->at);
  free((*t)->image);
  free((*t)->step);
  free((*t)->path);
  free(*t);
  *t = NULL;
}
