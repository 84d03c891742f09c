/* run_text.c -- pieces of CSV and JSON that the reports of all sampling runs are made of.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/run_text.h"

#include "io/fields.h"

#include <stdlib.h>

eqs_status run_text_open(char **text, size_t *size, FILE **f) {
  *text = NULL;
  *f = open_memstream(text, size);
  if (!*f) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the results");
  return EQS_OK;
}

eqs_status run_text_close(char **text, FILE *f) {
  int bad = ferror(f);
  if (fclose(f) == 0 && !bad) return EQS_OK;
  free(*text);
  *text = NULL;
  EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the results");
}

void run_text_fields(FILE *f, const double *x, int n) {
  for (int k = 0; k < n; k++) {
    fputc(',', f);
    csv_number(f, x[k]);
  }
}

void run_text_flags(FILE *f, int n, const char *const *flag, const int *set) {
  int written = 0;
  for (int k = 0; k < n; k++)
    if (set[k]) fprintf(f, "%s%s", written++ ? " " : "", flag[k]);
}

void run_text_member(FILE *f, const char *key, double x) {
  fprintf(f, ", \"%s\": ", key);
  json_number(f, x);
}

void run_text_value(FILE *f, const char *key, series_value v) {
  fprintf(f, ", \"%s\": {\"mean\": ", key);
  json_number(f, v.mean);
  run_text_member(f, "sigma", v.sigma);
  run_text_member(f, "ci95", v.ci95);
  fputc('}', f);
}

void run_text_holes(FILE *f, int64_t n_overlap, int64_t n_hole, double hole_energy,
                    double discarded_share) {
  fprintf(f, ", \"overlaps\": %lld, \"holes\": %lld", (long long)n_overlap, (long long)n_hole);
  run_text_member(f, "hole_energy_eV", hole_energy);
  run_text_member(f, "discarded_share", discarded_share);
}

void run_text_moves(FILE *f, const chain_count counts[CHAIN_KINDS]) {
  fputs(", \"moves\": {", f);
  for (int k = 0; k < CHAIN_KINDS; k++) {
    const chain_count *c = &counts[k];
    fprintf(f,
            "%s\"%s\": {\"tried\": %lld, \"passed\": %lld, \"accepted\": %lld, \"energies\": %lld}",
            k ? ", " : "", chain_kind_name[k], (long long)c->tried, (long long)c->passed,
            (long long)c->accepted, (long long)c->energies);
  }
  fputc('}', f);
}
