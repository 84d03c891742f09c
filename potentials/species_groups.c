/* species_groups.c -- a counting sort.
 * SPDX-License-Identifier: MIT */
#include "potentials/species_groups.h"

void sort_species(const int *species, int begin, int end, species_groups *g, int *local,
                  int *global) {
  int at[SPECIES_MAX] = {0}, most = -1;
  for (int i = begin; i < end; i++) {
    at[species[i]]++;
    if (species[i] > most) most = species[i];
  }
  g->n = 0;
  g->first[0] = 0;
  for (int s = 0; s <= most; s++) {
    if (!at[s]) continue;
    int first = g->first[g->n];
    g->species[g->n] = s;
    g->first[++g->n] = first + at[s];
    at[s] = first;
  }
  for (int i = begin; local && i < end; i++) {
    int to = at[species[i]]++;
    local[to] = i - begin;
    global[to] = i;
  }
}

void group_species(const batch *b, int begin, int end, species_groups *g) {
  if (b->blocks) {
    sort_species(b->blocks->species, begin, end, g, NULL, NULL);
    g->local = b->blocks->local + begin;
    g->global = b->blocks->global + begin;
    return;
  }
  sort_species(b->species, begin, end, g, g->own_local, g->own_global);
  g->local = g->own_local;
  g->global = g->own_global;
}
