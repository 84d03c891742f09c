/* record.c -- fills a framework's row from what was read, built and sampled.
 *
 * K_H = W / (R T rho), Qst = R T - U_B; 95 % is Student's t for the number of blocks times one
 * sigma.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/record.h"

#include "core/adsorption/statistics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void record_flag(screen_record *r, const char *flag) {
  size_t n = strlen(r->flags);
  snprintf(r->flags + n, sizeof r->flags - n, "%s%s", n ? " " : "", flag);
}

void record_widom(screen_record *r, const widom_result *w, double t) {
  double t95 = statistics_t95(STATISTICS_BLOCKS - 1);
  r->n_proposed = w->n_proposed;
  r->n_overlap = w->n_overlap;
  r->n_evaluated = w->n_evaluated;
  r->n_hole = w->n_hole;
  r->w = w->w;
  r->w_sigma = w->w_sigma;
  r->ln_w = w->w > 0 ? w->ln_w : NAN;
  r->henry = widom_henry(w->w, t, r->density);
  r->henry_sigma = widom_henry(w->w_sigma, t, r->density);
  r->henry_95 = t95 * r->henry_sigma;
  r->u_b = w->u * EV_KJ_MOL;
  r->u_b_sigma = w->u_sigma * EV_KJ_MOL;
  r->qst = GAS_CONSTANT * t / 1000 - r->u_b;
  r->qst_sigma = r->u_b_sigma;
  r->qst_95 = t95 * r->qst_sigma;
  r->ess = w->ess;
  r->max_share = w->max_share;
  r->discarded_share = w->discarded_share;
  r->hole_energy = w->hole_energy * EV_KJ_MOL;
  r->hole_contact = w->hole_contact;
  if (!(w->w > 0)) record_flag(r, "no-weight");
  if (w->not_converged) record_flag(r, "not-converged");
  if (w->holes_flagged) record_flag(r, "holes");
}

eqs_status record_framework(screen_record *r, const framework *f) {
  double parameters[6];
  structure_cell_parameters(f->cell.cell, parameters);
  r->a = parameters[0];
  r->b = parameters[1];
  r->c = parameters[2];
  r->alpha = parameters[3];
  r->beta = parameters[4];
  r->gamma = parameters[5];
  structure_formula(&f->cell, NULL, 0, r->formula, sizeof r->formula);
  r->n_atom = f->cell.n;
  r->density = structure_density(&f->cell) * 1000;
  r->volume = structure_mass(&f->cell) * MASS_UNIT_KG / r->density * 1e30;
  snprintf(r->cell_kind, sizeof r->cell_kind, "%s", f->primitive ? "primitive" : "given");
  r->replica_a = f->replica[0];
  r->replica_b = f->replica[1];
  r->replica_c = f->replica[2];
  r->n_atom_box = f->box.n;
  r->width_a = f->width[0];
  r->width_b = f->width[1];
  r->width_c = f->width[2];
  return structure_shortest_contact(&f->cell, &r->shortest_contact);
}

void record_warnings(screen_record *r, const structure *s) {
  for (int i = 0; i < s->n_warning; i++) {
    size_t n = strlen(r->warnings);
    snprintf(r->warnings + n, sizeof r->warnings - n, "%s%s", n ? "; " : "", s->warning[i]);
  }
}

void record_blank(screen_record *r) {
  const double undefined = NAN;
  *r = (screen_record){0};
  for (size_t k = 0; k < store_n_column; k++)
    if (store_columns[k].kind == STORE_REAL)
      memcpy((char *)r + store_columns[k].offset, &undefined, sizeof undefined);
}

void record_time(screen_record *r) {
  time_t now = time(NULL);
  struct tm utc;
  if (gmtime_r(&now, &utc)) strftime(r->finished, sizeof r->finished, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void record_name(screen_record *r, const char *path) {
  const char *slash = strrchr(path, '/');
  snprintf(r->name, sizeof r->name, "%s", slash ? slash + 1 : path);
  char *dot = strrchr(r->name, '.');
  if (dot && dot != r->name) *dot = 0;
  snprintf(r->path, sizeof r->path, "%s", path);
}
