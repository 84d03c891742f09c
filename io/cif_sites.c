/* cif_sites.c -- atom sites of a CIF block: elements, coordinates, occupancies, charges, disorder.
 *
 * Of alternatives only one can be in a calculation. Sites in disorder groups: per assembly the
 * group of the highest mean occupancy stays. Partly occupied sites without a group: those that
 * could not be occupied together (closer than CIF_OVERLAP) compete, the highest occupancy stays,
 * if the place is occupied in more than half of the cells.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/cif_parts.h"
#include "io/elements.h"

static const double full = 0.995;        /* an occupancy from here on is 1 */
static const int max_disordered = 20000; /* sites of a file whose disorder is looked into */

/* Value i of a column that belongs to the loop of the sites; "" otherwise. */
static const char *entry(const cif_block *block, int tag, size_t i) {
  const cif_column *c = &block->column[tag], *x = &block->column[CIF_X];
  return c->loop == x->loop && i < c->n ? c->value[i] : "";
}

static eqs_status read_element(const cif_block *block, size_t i, cif_site *site, structure *s,
                               int *doubts) {
  const char *type = entry(block, CIF_TYPE, i), *label = entry(block, CIF_LABEL, i);
  int ambiguous = 0;
  site->number = type[0] ? element_from_label(type, NULL) : 0;
  if (!site->number) {
    site->number = element_from_label(label, &ambiguous);
    if (type[0] && site->number)
      EQS_TRY(structure_warn(s, "site '%s': type '%.20s' is no element, taken from the label",
                             site->label, type));
  }
  if (!site->number)
    EQS_FAIL(EQS_ERR_FORMAT,
             "site %zu ('%s', type '%.20s') has no element: correct its type symbol", i + 1,
             site->label, type);
  if (ambiguous && (*doubts)++ < 5)
    EQS_TRY(structure_warn(s, "site '%s' has no type symbol: taken as %s", site->label,
                           element_symbol(site->number)));
  return EQS_OK;
}

static eqs_status read_site(const cif_block *block, size_t i, cif_site *site, structure *s,
                            int *doubts) {
  const char *label = entry(block, CIF_LABEL, i), *type = entry(block, CIF_TYPE, i);
  snprintf(site->label, sizeof site->label, "%s", label[0] ? label : type);
  snprintf(site->assembly, sizeof site->assembly, "%s", entry(block, CIF_ASSEMBLY, i));
  snprintf(site->group, sizeof site->group, "%s", entry(block, CIF_GROUP, i));
  if (strcmp(site->group, "0") == 0) site->group[0] = 0;
  EQS_TRY(read_element(block, i, site, s, doubts));
  for (int k = 0; k < 3; k++) {
    const char *text = entry(block, CIF_X + k, i);
    if (!cif_number(text, &site->x[k]) || fabs(site->x[k]) > 1000.0)
      EQS_FAIL(EQS_ERR_FORMAT, "site %zu ('%s') has no usable coordinate %c: '%.30s'", i + 1,
               site->label, 'x' + k, text);
  }
  const char *occupancy = entry(block, CIF_OCCUPANCY, i), *charge = entry(block, CIF_CHARGE, i);
  site->occupancy = 1.0;
  if (occupancy[0] &&
      (!cif_number(occupancy, &site->occupancy) || site->occupancy < 0.0 || site->occupancy > 1.05))
    EQS_FAIL(EQS_ERR_FORMAT, "site %zu ('%s') has the occupancy '%.30s'", i + 1, site->label,
             occupancy);
  if (charge[0] && (!cif_number(charge, &site->charge) || fabs(site->charge) > 100.0))
    EQS_FAIL(EQS_ERR_FORMAT, "site %zu ('%s') has the charge '%.30s'", i + 1, site->label, charge);
  return EQS_OK;
}

/* Marks sites that are not simply there; the mark is `drop`, undone for those that stay. */
static int mark_disorder(cif_site *site, int n) {
  int marked = 0;
  for (int i = 0; i < n; i++) {
    int group = site[i].group[0] == '-';
    if (site[i].group[0] && !group) { /* one group alone, fully occupied, is no disorder */
      group = n > max_disordered;
      for (int j = 0; j < n && !group; j++)
        group = site[j].group[0] && strcmp(site[j].assembly, site[i].assembly) == 0 &&
                strcmp(site[j].group, site[i].group) != 0;
    }
    site[i].drop = group || site[i].occupancy < full;
    marked += site[i].drop;
  }
  return marked;
}

static void list_sites(const cif_site *site, int n, char *out, size_t size) {
  size_t used = 0;
  int shown = 0, all = 0;
  out[0] = 0;
  for (int i = 0; i < n; i++) {
    if (!site[i].drop) continue;
    all++;
    if (used + 80 > size) continue;
    used += (size_t)snprintf(out + used, size - used, "%s%s (occupancy %g%s%s)", shown ? ", " : "",
                             site[i].label, site[i].occupancy, site[i].group[0] ? ", group " : "",
                             site[i].group);
    shown++;
  }
  if (all > shown) snprintf(out + used, size - used, " and %d more", all - shown);
}

/* Mean occupancy of the group that site k stands for. */
static double group_occupancy(const cif_site *site, int n, int k) {
  double sum = 0.0;
  int count = 0;
  for (int i = 0; i < n; i++)
    if (strcmp(site[i].assembly, site[k].assembly) == 0 &&
        strcmp(site[i].group, site[k].group) == 0) {
      sum += site[i].occupancy;
      count++;
    }
  return sum / count;
}

/* First site of the same assembly (and group, if asked for) as site k. */
static int leader(const cif_site *site, int k, int same_group) {
  for (int i = 0; i < k; i++)
    if (site[i].group[0] && strcmp(site[i].assembly, site[k].assembly) == 0 &&
        (!same_group || strcmp(site[i].group, site[k].group) == 0))
      return i;
  return k;
}

/* Keeps one group of the assembly that site `head` begins. */
static void choose_group(cif_site *site, int n, int head) {
  int best = head;
  double best_occupancy = 0.0, total = 0.0;
  for (int i = head; i < n; i++) {
    if (!site[i].group[0] || strcmp(site[i].assembly, site[head].assembly) != 0) continue;
    if (leader(site, i, 1) != i) continue;
    double occupancy = group_occupancy(site, n, i);
    total += occupancy;
    if (occupancy > best_occupancy + 1e-9) {
      best_occupancy = occupancy;
      best = i;
    }
  }
  for (int i = head; i < n; i++)
    if (site[i].group[0] && strcmp(site[i].assembly, site[head].assembly) == 0)
      site[i].drop = strcmp(site[i].group, site[best].group) != 0 || total <= 0.5 + 1e-9;
}

static int compete(const cif_site *a, const cif_site *b, const cif_symmetry *symmetry,
                   const double cell[9]) {
  double limit = CIF_OVERLAP * (element_radius(a->number) + element_radius(b->number));
  for (int k = 0; k < symmetry->n; k++) {
    double image[3];
    cif_apply(&symmetry->op[k], b->x, image);
    if (cif_distance(cell, a->x, image) < limit) return 1;
  }
  return 0;
}

/* Partly occupied sites without a group: the highest occupancy first, its rivals go. */
static void choose_single(cif_site *site, int n, const cif_symmetry *symmetry,
                          const double cell[9]) {
  for (;;) {
    int best = -1;
    for (int i = 0; i < n; i++)
      if (site[i].drop == 2 && (best < 0 || site[i].occupancy > site[best].occupancy + 1e-9))
        best = i;
    if (best < 0) return;
    double total = site[best].occupancy;
    site[best].drop = 0;
    for (int i = 0; i < n; i++)
      if (site[i].drop == 2 && compete(&site[best], &site[i], symmetry, cell)) {
        total += site[i].occupancy;
        site[i].drop = 1;
      }
    site[best].drop = total <= 0.5 + 1e-9;
  }
}

static eqs_status keep_majority(cif_site *site, int n, int marked, const cif_symmetry *symmetry,
                                structure *s) {
  if (n > max_disordered || (double)marked * marked * symmetry->n > 5e7)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%d disordered sites are too many to choose from", marked);
  for (int i = 0; i < n; i++)
    if (site[i].drop && !site[i].group[0]) site[i].drop = 2;
  for (int i = 0; i < n; i++)
    if (site[i].drop && site[i].group[0] && leader(site, i, 0) == i) choose_group(site, n, i);
  choose_single(site, n, symmetry, s->cell);
  char text[400];
  list_sites(site, n, text, sizeof text);
  return structure_warn(s, "disorder: the majority is kept, left out: %s", text[0] ? text : "-");
}

static eqs_status resolve(cif_site *site, int n, int disorder_major, const cif_symmetry *symmetry,
                          structure *s) {
  int marked = mark_disorder(site, n);
  if (marked == 0) return EQS_OK;
  if (disorder_major) return keep_majority(site, n, marked, symmetry, s);
  char text[400];
  list_sites(site, n, text, sizeof text);
  EQS_FAIL(EQS_ERR_UNSUPPORTED,
           "%d disordered or partly occupied sites: %s; order the structure or keep the majority "
           "(--disorder major)",
           marked, text);
}

eqs_status cif_sites_read(const cif_block *block, const cif_symmetry *symmetry, int disorder_major,
                          structure *s, cif_site **out, int *n) {
  size_t rows = block->column[CIF_X].n;
  cif_site *site = NULL;
  int doubts = 0, given = 0, any_charge = 0;
  eqs_status status = EQS_OK;
  for (int k = 1; k < 3; k++)
    if (block->column[CIF_X + k].loop != block->column[CIF_X].loop)
      EQS_FAIL(EQS_ERR_FORMAT, "_atom_site_fract_%c is missing", 'x' + k);
  if (rows > STRUCTURE_MAX_ATOMS)
    EQS_FAIL(EQS_ERR_FORMAT, "%zu atom sites, more than %d", rows, (int)STRUCTURE_MAX_ATOMS);
  EQS_TRY(alloc_array(&site, rows, sizeof *site, "atom sites"));
  for (size_t i = 0; i < rows; i++) {
    EQS_TRY_DONE(read_site(block, i, &site[i], s, &doubts));
    given = given || entry(block, CIF_CHARGE, i)[0];
    any_charge = any_charge || site[i].charge != 0.0;
  }
  EQS_TRY_DONE(resolve(site, (int)rows, disorder_major, symmetry, s));
  if (given && !any_charge)
    EQS_TRY_DONE(structure_warn(s, "all charges are 0: taken as not given"));
  *out = site;
  *n = (int)rows;
  return EQS_OK;
done:
  free(site);
  return status;
}
