/* pore_union.c -- union-find with winding vectors.
 *
 * Image T of i is with image T + offset(i) of its root. The link (i, 0)-(j, T) says that image
 * offset(i) of root(i) is with image T + offset(j) of root(j); with one root, the difference is a
 * translation that maps the piece onto itself.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pore_union.h"

#include <stdlib.h>

eqs_status pore_union_open(pore_union *u, int n) {
  *u = (pore_union){.n = n};
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&u->parent, (size_t)n, sizeof *u->parent, "pore pieces"));
  EQS_TRY_DONE(alloc_array(&u->offset, (size_t)n, sizeof *u->offset, "pore pieces"));
  EQS_TRY_DONE(alloc_array(&u->span, (size_t)n, sizeof *u->span, "pore pieces"));
  for (int i = 0; i < n; i++) u->parent[i] = i;
done:
  if (status != EQS_OK) pore_union_free(u);
  return status;
}

void pore_union_free(pore_union *u) {
  free(u->parent);
  free(u->offset);
  free(u->span);
  *u = (pore_union){0};
}

int pore_union_root(pore_union *u, int i, int offset[3]) {
  int total[3] = {0, 0, 0}, root = i;
  for (; u->parent[root] != root; root = u->parent[root])
    for (int k = 0; k < 3; k++) total[k] += u->offset[root][k];
  if (offset) memcpy(offset, total, sizeof total);
  while (u->parent[i] != root) { /* shorten the way */
    int next = u->parent[i], hop[3];
    memcpy(hop, u->offset[i], sizeof hop);
    memcpy(u->offset[i], total, sizeof total);
    u->parent[i] = root;
    for (int k = 0; k < 3; k++) total[k] -= hop[k];
    i = next;
  }
  return root;
}

/* The translation from root(i) to root(j) that the link states; 1 if they are one root. */
static int link_of(pore_union *u, int i, int j, const int shift[3], int *a, int *b, int w[3]) {
  int from[3], to[3];
  *a = pore_union_root(u, i, from);
  *b = pore_union_root(u, j, to);
  for (int k = 0; k < 3; k++) w[k] = shift[k] + to[k] - from[k];
  return *a == *b;
}

int pore_union_joined(pore_union *u, int i, int j, const int shift[3]) {
  int a, b, w[3];
  if (!link_of(u, i, j, shift, &a, &b, w)) return 0;
  lattice_span s = u->span[a];
  const double v[3] = {w[0], w[1], w[2]};
  lattice_span_add(&s, v);
  return s.rank == u->span[a].rank;
}

int pore_union_join(pore_union *u, int i, int j, const int shift[3]) {
  int a, b, w[3];
  if (link_of(u, i, j, shift, &a, &b, w)) {
    const double v[3] = {w[0], w[1], w[2]};
    lattice_span_add(&u->span[a], v);
    return a;
  }
  u->parent[b] = a; /* image w of b is with image 0 of a */
  for (int k = 0; k < 3; k++) u->offset[b][k] = -w[k];
  for (int m = 0; m < u->span[b].rank; m++) lattice_span_add(&u->span[a], u->span[b].v[m]);
  return a;
}
