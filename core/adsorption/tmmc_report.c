/* tmmc_report.c -- isotherms of a transition-matrix run as CSV or JSON text.
 *
 * Intervals are half widths at 95 %. Undefined numbers are empty fields and null.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/run_text.h"
#include "core/adsorption/tmmc.h"
#include "core/locale_c.h"
#include "io/fields.h"

static const char columns[] =
    "label,component,temperature_K,pressure_Pa,fugacity_Pa,uptake_mol_kg,uptake_95,excess_mol_kg,"
    "excess_95,molecules_per_cell,molecules_95,qst_kJ_mol,qst_95,tail,reach,flags\n";

static void put_flags(FILE *f, const tmmc_result *r, const tmmc_point *p) {
  const char *const flag[4] = {"n-max", "reach", "holes", "few-trips"};
  const int set[4] = {p->tail_flagged, p->reach_flagged, r->holes_flagged, r->few_trips};
  run_text_flags(f, 4, flag, set);
}

eqs_status tmmc_csv(const tmmc_result *r, int n, const tmmc_row *rows, const char *label,
                    const char *name, int heading, char **text) {
  LOCALE_C();
  size_t size;
  FILE *f;
  EQS_TRY(run_text_open(text, &size, &f));
  if (heading) fputs(columns, f);
  for (int i = 0; i < n; i++) {
    const tmmc_point *p = &rows[i].point;
    const double x[] = {
        p->temperature,    rows[i].pressure,    p->fugacity,         p->uptake.mean,
        p->uptake.ci95,    rows[i].excess.mean, rows[i].excess.ci95, p->molecules.mean,
        p->molecules.ci95, p->heat.mean,        p->heat.ci95,        p->tail,
        p->reach};
    csv_text(f, label);
    fputc(',', f);
    csv_text(f, name);
    run_text_fields(f, x, (int)(sizeof x / sizeof x[0]));
    fputc(',', f);
    put_flags(f, r, p);
    fputc('\n', f);
  }
  return run_text_close(text, f);
}

static void put_row(FILE *f, const tmmc_result *r, const tmmc_row *row) {
  const tmmc_point *p = &row->point;
  fputs("{\"temperature_K\": ", f);
  json_number(f, p->temperature);
  run_text_member(f, "pressure_Pa", row->pressure);
  run_text_member(f, "fugacity_Pa", p->fugacity);
  run_text_value(f, "uptake_mol_kg", p->uptake);
  run_text_value(f, "excess_mol_kg", row->excess);
  run_text_value(f, "molecules_per_cell", p->molecules);
  run_text_value(f, "qst_kJ_mol", p->heat);
  run_text_member(f, "tail", p->tail);
  run_text_member(f, "reach", p->reach);
  fputs(", \"flags\": \"", f);
  put_flags(f, r, p);
  fputs("\"}", f);
}

/* ln Pi(N) and the mean energy of the box with N guests. */
static void put_distribution(FILE *f, const tmmc_result *r) {
  fputs(", \"ln_probability\": [", f);
  for (int n = 0; n <= r->n_max; n++) {
    if (n) fputs(", ", f);
    json_number(f, r->ln_pi[n]);
  }
  fputs("], \"energy_eV\": [", f);
  for (int n = 0; n <= r->n_max; n++) {
    if (n) fputs(", ", f);
    json_number(f, r->moment[n][0]);
  }
  fputc(']', f);
}

static void put_transition(FILE *f, const tmmc_transition *t) {
  fputs(", \"transition\": ", f);
  if (!t->found) {
    fputs("null", f);
    return;
  }
  fputs("{\"low\": ", f);
  json_number(f, t->low);
  run_text_member(f, "high", t->high);
  run_text_member(f, "barrier_kT", t->barrier);
  run_text_value(f, "ln_fugacity_Pa", t->ln_fugacity);
  fputc('}', f);
}

eqs_status tmmc_json(const tmmc_result *r, int n, const tmmc_row *rows, const tmmc_transition *t,
                     const char *label, const char *name, char **text) {
  LOCALE_C();
  size_t size;
  FILE *f;
  EQS_TRY(run_text_open(text, &size, &f));
  fputs("{\"label\": ", f);
  json_text(f, label);
  fputs(", \"component\": ", f);
  json_text(f, name);
  run_text_member(f, "temperature_K", r->temperature);
  run_text_member(f, "fugacity_Pa", r->fugacity);
  run_text_member(f, "framework_mass_u", r->framework_mass);
  fprintf(f, ", \"cells\": %d, \"max_guests\": %d, \"highest\": %d, \"round_trips\": %lld",
          r->cells, r->n_max, r->highest, (long long)r->round_trips);
  run_text_value(f, "henry_mol_kg_Pa", tmmc_henry(r));
  fputs(", \"isotherm\": [", f);
  for (int i = 0; i < n; i++) {
    if (i) fputs(", ", f);
    put_row(f, r, rows + i);
  }
  fputc(']', f);
  put_transition(f, t);
  put_distribution(f, r);
  run_text_moves(f, r->counts);
  fprintf(f, ", \"n_moves\": %lld, \"energies\": %lld, \"surrogate_energies\": %lld",
          (long long)r->moves, (long long)r->energies, (long long)r->surrogate_energies);
  run_text_holes(f, r->n_overlap, r->n_hole, r->hole_energy, r->discarded_share);
  run_text_member(f, "largest_drift_eV", r->largest_drift);
  fputs("}\n", f);
  return run_text_close(text, f);
}
