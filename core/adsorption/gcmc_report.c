/* gcmc_report.c -- the result of a grand canonical run as CSV or JSON text.
 *
 * One CSV line per component; intervals are half widths at 95 %. Undefined numbers are empty fields
 * and null.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/gcmc.h"
#include "core/adsorption/run_text.h"
#include "core/locale_c.h"
#include "io/fields.h"

static const char columns[] =
    "label,component,temperature_K,fugacity_Pa,uptake_mol_kg,uptake_95,excess_mol_kg,excess_95,"
    "molecules_per_cell,molecules_95,qst_kJ_mol,qst_95,energy_eV,energy_95,moves,used_moves,"
    "independent_samples,energies,surrogate_energies,overlaps,holes,discarded_share,flags\n";

static void put_flags(FILE *f, const gcmc_result *r) {
  const char *const flag[3] = {"not-settled", "few-samples", "holes"};
  const int set[3] = {r->not_settled, r->few_samples, r->holes_flagged};
  run_text_flags(f, 3, flag, set);
}

static void put_line(FILE *f, const gcmc_result *r, const char *label, const char *name, int i) {
  const double x[] = {r->temperature,       r->fugacity[i],       r->uptake[i].mean,
                      r->uptake[i].ci95,    r->excess[i].mean,    r->excess[i].ci95,
                      r->molecules[i].mean, r->molecules[i].ci95, r->heat[i].mean,
                      r->heat[i].ci95,      r->energy.mean,       r->energy.ci95};
  csv_text(f, label);
  fputc(',', f);
  csv_text(f, name);
  run_text_fields(f, x, (int)(sizeof x / sizeof x[0]));
  fprintf(f, ",%lld,%lld", (long long)r->moves, (long long)r->used_moves);
  run_text_fields(f, &r->n_effective, 1);
  fprintf(f, ",%lld,%lld,%lld,%lld", (long long)r->energies, (long long)r->surrogate_energies,
          (long long)r->n_overlap, (long long)r->n_hole);
  run_text_fields(f, &r->discarded_share, 1);
  fputc(',', f);
  put_flags(f, r);
  fputc('\n', f);
}

eqs_status gcmc_csv(const gcmc_result *r, const char *label, const char *const *name, int heading,
                    char **text) {
  LOCALE_C();
  size_t size;
  FILE *f;
  EQS_TRY(run_text_open(text, &size, &f));
  if (heading) fputs(columns, f);
  for (int i = 0; i < r->n_component; i++) put_line(f, r, label, name[i], i);
  return run_text_close(text, f);
}

static void put_component(FILE *f, const gcmc_result *r, const char *name, int i) {
  fputs("{\"name\": ", f);
  json_text(f, name);
  run_text_member(f, "fugacity_Pa", r->fugacity[i]);
  run_text_value(f, "uptake_mol_kg", r->uptake[i]);
  run_text_value(f, "excess_mol_kg", r->excess[i]);
  run_text_value(f, "molecules_per_cell", r->molecules[i]);
  run_text_value(f, "qst_kJ_mol", r->heat[i]);
  run_text_member(f, "translation_angstrom", r->step[i]);
  run_text_member(f, "rotation_radian", r->turn[i]);
  fputs(", \"covariance\": [", f);
  for (int j = 0; j < r->n_component; j++) {
    if (j) fputs(", ", f);
    json_number(f, r->covariance[i][j]);
  }
  fprintf(f, "], \"last_count\": %d}", r->final_count[i]);
}

eqs_status gcmc_json(const gcmc_result *r, const char *label, const char *const *name,
                     char **text) {
  LOCALE_C();
  size_t size;
  FILE *f;
  EQS_TRY(run_text_open(text, &size, &f));
  fputs("{\"label\": ", f);
  json_text(f, label);
  run_text_member(f, "temperature_K", r->temperature);
  run_text_member(f, "framework_mass_u", r->framework_mass);
  fprintf(f, ", \"cells\": %d, \"components\": [", r->cells);
  for (int i = 0; i < r->n_component; i++) {
    if (i) fputs(", ", f);
    put_component(f, r, name[i], i);
  }
  fputc(']', f);
  run_text_value(f, "energy_eV", r->energy);
  run_text_moves(f, r->counts);
  fprintf(f, ", \"n_moves\": %lld, \"used_moves\": %lld", (long long)r->moves,
          (long long)r->used_moves);
  fprintf(f, ", \"energies\": %lld, \"surrogate_energies\": %lld", (long long)r->energies,
          (long long)r->surrogate_energies);
  run_text_member(f, "inefficiency_moves", r->inefficiency);
  run_text_member(f, "independent_samples", r->n_effective);
  run_text_holes(f, r->n_overlap, r->n_hole, r->hole_energy, r->discarded_share);
  run_text_member(f, "lowest_binding_eV", r->lowest_binding);
  fprintf(f, ", \"trapped_guests\": %d", r->n_trapped);
  run_text_member(f, "last_energy_eV", r->final_energy);
  run_text_member(f, "largest_drift_eV", r->largest_drift);
  fputs(", \"flags\": \"", f);
  put_flags(f, r);
  fputs("\"}\n", f);
  return run_text_close(text, f);
}
