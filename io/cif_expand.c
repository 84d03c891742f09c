/* cif_expand.c -- from sites to all atoms of the cell.
 *
 * A site near a special position is first moved onto it (the mean of its images that nearly
 * coincide), then every operator is applied and equal images are merged. Coordinates given to four
 * digits put such images up to 0.01 angstrom apart.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"
#include "io/cif_parts.h"
#include "io/elements.h"

static const double merge_distance = 0.1; /* angstrom */

enum { MAX_IMAGES = 4000000, MAX_GRID = 20000 };

/* Fractional positions of the atoms while the cell fills up, hashed by voxels of 0.5 angstrom. */
typedef struct grid {
  int size[3];
  size_t mask;      /* buckets - 1 */
  int *head, *next; /* chains of atoms per bucket, -1 ends */
  double (*x)[3];
  int *site;
  int n;
} grid;

static int wrap_index(int k, int size) { return ((k % size) + size) % size; }

static size_t bucket(const grid *g, const int k[3]) {
  uint64_t hash = 0;
  for (int d = 0; d < 3; d++)
    hash = hash * (uint64_t)(MAX_GRID + 1) + (uint64_t)wrap_index(k[d], g->size[d]);
  hash *= 0x9e3779b97f4a7c15u;
  return (size_t)(hash >> 40) & g->mask;
}

static void grid_place(const grid *g, const double x[3], int k[3]) {
  for (int d = 0; d < 3; d++) k[d] = (int)floor(x[d] * g->size[d]);
}

/* An atom within the merge distance of x, or -1. */
static int grid_find(const grid *g, const double cell[9], const double x[3]) {
  int k[3], at[3];
  grid_place(g, x, k);
  for (int a = -1; a <= 1; a++)
    for (int b = -1; b <= 1; b++)
      for (int c = -1; c <= 1; c++) {
        at[0] = k[0] + a;
        at[1] = k[1] + b;
        at[2] = k[2] + c;
        for (int i = g->head[bucket(g, at)]; i >= 0; i = g->next[i])
          if (cif_distance(cell, g->x[i], x) < merge_distance) return i;
      }
  return -1;
}

static void grid_insert(grid *g, const double x[3], int site) {
  int k[3];
  grid_place(g, x, k);
  size_t at = bucket(g, k);
  memcpy(g->x[g->n], x, sizeof g->x[0]);
  g->site[g->n] = site;
  g->next[g->n] = g->head[at];
  g->head[at] = g->n++;
}

static eqs_status grid_make(grid *g, const double cell[9], size_t capacity) {
  double width[3];
  cell_widths(cell, width);
  for (int k = 0; k < 3; k++) {
    double n = floor(width[k] / 0.5);
    g->size[k] = n < 1.0 ? 1 : n > MAX_GRID ? MAX_GRID : (int)n;
  }
  size_t cells = 64;
  while (cells < 2 * capacity) cells *= 2;
  g->mask = cells - 1;
  EQS_TRY(alloc_array(&g->head, cells, sizeof *g->head, "atoms of the cell"));
  EQS_TRY(alloc_array(&g->next, capacity, sizeof *g->next, "atoms of the cell"));
  EQS_TRY(alloc_array(&g->x, capacity, sizeof *g->x, "atoms of the cell"));
  EQS_TRY(alloc_array(&g->site, capacity, sizeof *g->site, "atoms of the cell"));
  for (size_t i = 0; i < cells; i++) g->head[i] = -1;
  return EQS_OK;
}

static void grid_free(grid *g) {
  free(g->head);
  free(g->next);
  free(g->x);
  free(g->site);
}

/* Mean of the images of x that nearly coincide with it: the special position itself. */
static void idealise(const cif_symmetry *symmetry, const double cell[9], double x[3]) {
  double sum[3] = {0}, image[3];
  int count = 0;
  for (int k = 0; k < symmetry->n; k++) {
    cif_apply(&symmetry->op[k], x, image);
    if (cif_distance(cell, x, image) >= merge_distance) continue;
    for (int d = 0; d < 3; d++) sum[d] += image[d] - x[d] - round(image[d] - x[d]);
    count++;
  }
  for (int d = 0; d < 3 && count > 1; d++) x[d] += sum[d] / count;
}

static eqs_status place_site(const cif_site *all, int i, const cif_symmetry *symmetry,
                             const double cell[9], grid *g, int *duplicates) {
  double x[3], image[3];
  memcpy(x, all[i].x, sizeof x);
  idealise(symmetry, cell, x);
  int begin = g->n;
  for (int k = 0; k < symmetry->n; k++) {
    cif_apply(&symmetry->op[k], x, image);
    for (int d = 0; d < 3; d++) {
      image[d] -= floor(image[d]);
      if (image[d] >= 1.0) image[d] = 0.0;
    }
    int same = grid_find(g, cell, image);
    if (same >= begin) continue;
    if (same >= 0 && all[g->site[same]].number == all[i].number) {
      (*duplicates)++;
      continue;
    }
    if (same >= 0)
      EQS_FAIL(EQS_ERR_FORMAT, "sites '%s' and '%s' are on the same place",
               all[g->site[same]].label, all[i].label);
    if (g->n == STRUCTURE_MAX_ATOMS)
      EQS_FAIL(EQS_ERR_FORMAT, "more than %d atoms in the cell", (int)STRUCTURE_MAX_ATOMS);
    grid_insert(g, image, i);
  }
  return EQS_OK;
}

static eqs_status refuse_overlap(const cif_site *site, const grid *g, const structure *s) {
  structure_contact tight;
  EQS_TRY(structure_contacts(s, NULL, &tight));
  if (tight.distance <= 0.0 || tight.ratio >= CIF_OVERLAP) return EQS_OK;
  EQS_FAIL(EQS_ERR_FORMAT,
           "atoms overlap: '%s' (%s, atom %d) and '%s' (%s, atom %d) are %.3f angstrom apart; "
           "remove one, or resolve the disorder",
           site[g->site[tight.i]].label, element_symbol(s->number[tight.i]), tight.i + 1,
           site[g->site[tight.j]].label, element_symbol(s->number[tight.j]), tight.j + 1,
           tight.distance);
}

static eqs_status to_structure(const cif_site *site, const grid *g, structure *s) {
  int any_charge = 0;
  for (int i = 0; i < g->n; i++) {
    const double *x = g->x[i];
    double position[3];
    for (int k = 0; k < 3; k++)
      position[k] = x[0] * s->cell[k] + x[1] * s->cell[3 + k] + x[2] * s->cell[6 + k];
    double charge = site[g->site[i]].charge;
    any_charge = any_charge || charge != 0.0;
    EQS_TRY(structure_append(s, site[g->site[i]].number, position, charge));
  }
  if (!any_charge) structure_drop_charges(s);
  return EQS_OK;
}

eqs_status cif_expand(const cif_site *site, int n, const cif_symmetry *symmetry, structure *s) {
  grid g = {0};
  eqs_status status = EQS_OK;
  int duplicates = 0;
  size_t images = mul_size((size_t)n, (size_t)symmetry->n);
  if (images > MAX_IMAGES)
    EQS_FAIL(EQS_ERR_FORMAT, "%d sites with %d operators are more than a cell can hold", n,
             symmetry->n);
  EQS_TRY_DONE(grid_make(&g, s->cell, images < STRUCTURE_MAX_ATOMS ? images : STRUCTURE_MAX_ATOMS));
  for (int i = 0; i < n; i++)
    if (!site[i].drop) EQS_TRY_DONE(place_site(site, i, symmetry, s->cell, &g, &duplicates));
  if (g.n == 0) EQS_TRY_DONE(status_fail(EQS_ERR_FORMAT, "no atom is left"));
  EQS_TRY_DONE(to_structure(site, &g, s));
  if (duplicates)
    EQS_TRY_DONE(structure_warn(s, "%d atoms were listed twice: kept once", duplicates));
  EQS_TRY_DONE(refuse_overlap(site, &g, s));
done:
  grid_free(&g);
  return status;
}
