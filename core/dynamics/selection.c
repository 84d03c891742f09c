/* selection.c -- groups by element, formula or range of atoms.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/selection.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/elements.h"

static eqs_status find_bonds(selections *l) {
  if (l->have_bonds) return EQS_OK;
  EQS_TRY(structure_components(l->s, &l->bonds));
  l->have_bonds = 1;
  return EQS_OK;
}

/* An empty group with room for all atoms. */
static eqs_status new_group(selections *l, const char *name, size_t length, selection **out) {
  size_t n = (size_t)l->s->n;
  selection *grown = realloc(l->group, ((size_t)l->n + 1) * sizeof *grown);
  if (!grown) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: groups");
  l->group = grown;
  *out = &grown[l->n++];
  **out = (selection){.n = 0};
  if (length >= sizeof(*out)->name)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the name of a group has at most %zu letters",
             sizeof(*out)->name - 1);
  memcpy((*out)->name, name, length);
  EQS_TRY(alloc_array(&(*out)->first, n + 1, sizeof *(*out)->first, "a group"));
  EQS_TRY(alloc_array(&(*out)->member, n, sizeof *(*out)->member, "a group"));
  return alloc_array(&(*out)->mass, n, sizeof *(*out)->mass, "a group");
}

static void add_atom(const structure *s, selection *g, int atom) {
  int at = g->first[g->n + 1]++;
  g->member[at] = atom;
  g->mass[at] = element_mass(s->number[atom]);
}

static void begin_centre(selection *g) { g->first[g->n + 1] = g->first[g->n]; }

static eqs_status add_element(selections *l, int z, const char *name, size_t length) {
  selection *g;
  EQS_TRY(new_group(l, name, length, &g));
  for (int i = 0; i < l->s->n; i++)
    if (l->s->number[i] == z) {
      begin_centre(g);
      add_atom(l->s, g, i);
      g->n++;
    }
  if (g->n == 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "there is no %.*s in the trajectory", (int)length, name);
  return EQS_OK;
}

static void formula_of(const selections *l, int piece, char *out, size_t size) {
  const structure_components_list *c = &l->bonds;
  structure_formula(l->s, c->member + c->first[piece], c->atoms[piece], out, size);
}

static eqs_status add_formula(selections *l, const char *name, size_t length) {
  selection *g;
  char formula[64], seen[256] = "";
  const structure_components_list *c = &l->bonds;
  EQS_TRY(find_bonds(l));
  EQS_TRY(new_group(l, name, length, &g));
  for (int piece = 0; piece < c->n; piece++) {
    if (c->dimension[piece] > 0) continue;
    formula_of(l, piece, formula, sizeof formula);
    size_t n = strlen(seen);
    if (!strstr(seen, formula)) snprintf(seen + n, sizeof seen - n, "%s%s", n ? ", " : "", formula);
    if (strcmp(formula, g->name)) continue;
    begin_centre(g);
    for (int k = c->first[piece]; k < c->first[piece + 1]; k++) add_atom(l->s, g, c->member[k]);
    g->n++;
  }
  if (g->n == 0)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "no molecule %s is found by its bonds in the first frame (there are: %s); a range of "
             "atoms, 425-460:3, says which they are",
             g->name, *seen ? seen : "none");
  return EQS_OK;
}

static eqs_status add_all_formulas(selections *l) {
  char formula[64];
  int before = l->n;
  EQS_TRY(find_bonds(l));
  for (int piece = 0; piece < l->bonds.n; piece++) {
    int known = 0;
    if (l->bonds.dimension[piece] > 0) continue;
    formula_of(l, piece, formula, sizeof formula);
    for (int g = before; g < l->n; g++) known |= !strcmp(l->group[g].name, formula);
    if (!known) EQS_TRY(add_formula(l, formula, strlen(formula)));
  }
  if (l->n == before)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "no molecules are found by bonds in the first frame; name an element, or atoms as "
             "425-460:3");
  return EQS_OK;
}

/* "425-460:3" */
static eqs_status add_range(selections *l, const char *name, size_t length) {
  char *end;
  selection *g;
  long first = strtol(name, &end, 10), last = *end == '-' ? strtol(end + 1, &end, 10) : first;
  long each = *end == ':' ? strtol(end + 1, &end, 10) : 1;
  if (end != name + length || first < 1 || last < first || each < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "'%.*s' is no range of atoms; write 425-460:3", (int)length, name);
  if (last > l->s->n)
    EQS_FAIL(EQS_ERR_ARGUMENT, "'%.*s': there are %d atoms", (int)length, name, l->s->n);
  if ((last - first + 1) % each)
    EQS_FAIL(EQS_ERR_ARGUMENT, "'%.*s': %ld atoms are not molecules of %ld", (int)length, name,
             last - first + 1, each);
  EQS_TRY(new_group(l, name, length, &g));
  for (long i = first; i <= last; i++) {
    if ((i - first) % each == 0) begin_centre(g);
    add_atom(l->s, g, (int)i - 1);
    if ((i - first + 1) % each == 0) g->n++;
  }
  return EQS_OK;
}

eqs_status selections_add(selections *l, const structure *s, const char *text) {
  l->s = s;
  for (const char *at = text;;) {
    size_t n = strcspn(at, ",");
    int z = n <= 2 ? element_find(at, n) : 0;
    /* case tells cobalt from carbon monoxide */
    if (z && strncmp(element_symbol(z), at, n)) z = 0;
    if (n == 0) EQS_FAIL(EQS_ERR_ARGUMENT, "an empty name in '%.60s'", text);
    if (isdigit((unsigned char)*at)) EQS_TRY(add_range(l, at, n));
    else if (z) EQS_TRY(add_element(l, z, at, n));
    else if (n == 9 && !strncmp(at, "molecules", n)) EQS_TRY(add_all_formulas(l));
    else EQS_TRY(add_formula(l, at, n));
    if (!at[n]) return EQS_OK;
    at += n + 1;
  }
}

eqs_status selections_host(selections *l, const structure *s, const char *host) {
  int framework = !strcmp(host, "host"), all = !strcmp(host, "all"), endless = 0;
  l->s = s;
  if (!framework && !all && strcmp(host, "none"))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the drift removed is that of host, all or none, not '%s'", host);
  EQS_TRY(alloc_array(&l->host, (size_t)s->n, sizeof *l->host, "the host"));
  if (framework) EQS_TRY(find_bonds(l));
  for (int c = 0; framework && c < l->bonds.n; c++) endless |= l->bonds.dimension[c] > 0;
  for (int i = 0; i < s->n && (all || framework); i++)
    if (!endless || l->bonds.dimension[l->bonds.component[i]] > 0) l->host[l->n_host++] = i;
  return EQS_OK;
}

void selections_free(selections *l) {
  for (int g = 0; g < l->n; g++) {
    free(l->group[g].first);
    free(l->group[g].member);
    free(l->group[g].mass);
  }
  free(l->group);
  free(l->host);
  if (l->have_bonds) structure_components_free(&l->bonds);
  *l = (selections){.n = 0};
}
