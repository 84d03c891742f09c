/* report.c -- the ranked table and the CSV file of a screening run.
 *
 * Uptake is K_H p, the Henry limit, with the K_H of the last stage that gave one; rows beyond it
 * carry the flag `nonlinear`. CSV cells are quoted where they must be; an undefined number is an
 * empty cell.
 *
 * SPDX-License-Identifier: MIT */
#include "io/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"
#include "io/fields.h"
#include "io/whole_file.h"

#define LINEAR_LIMIT 0.1 /* molecules per primitive cell */

typedef struct line {
  size_t i; /* which row */
  int failed, isotherm;
  int stage;    /* how far it got */
  double value; /* that the stage ranks by */
  char name[64];
} line;

typedef struct legend {
  const char *flag, *what;
} legend;

static const legend legends[] = {
    {"gas-energy", "the model's isolated gas molecule is off: see the warning above"},
    {"gas-unchecked", "the isolated gas molecule could not be checked: see the note above"},
    {"not-converged", "few draws carry the weight (ESS < 50, or one > 10 %): error bars too small"},
    {"error-not-reached", "the error bar is wider than asked: more energies are needed"},
    {"table-too-small", "the error bar is wider than asked: a larger table of poses is needed"},
    {"poor-surrogate", "the classical potential is a poor guide to the model here"},
    {"weight-outside", "over 0.1 % of the weight lay where the classical potential is high"},
    {"holes", "over 0.1 % of the weight lay in wells below -200 kJ/mol: discarded"},
    {"no-weight", "no insertion fitted: K_H = 0 within these draws"},
    {"none-open", "the classical potential leaves no place for the gas"},
    {"narrow", "no channel for the gas: its pockets, if any were sampled, are not blocked"},
    {"pockets", "over 0.1 % of the weight lay in pockets the gas cannot get to: not counted"},
    {"no-classical", "no classical parameters or charges: column `classical_missing`"},
    {"classical-rough", "few draws carry the classical weight: its error bar is too small"},
    {"not-settled", "the beginning of the isotherm's run still shows: more cycles are needed"},
    {"few-samples", "under five independent samples per block: more cycles are needed"},
    {"isotherm-holes", "over 0.1 % of the isotherm's weight lay in wells too deep to be real"},
    {"unknown-chemistry", "framework atoms unlike any that the model was trained on: see below"},
    {"warnings", "the file was read with warnings: see below"},
    {"nonlinear", "over 0.1 molecules per primitive cell: Henry's law overestimates uptake"},
};
enum { N_LEGEND = sizeof legends / sizeof legends[0] };
enum { REASON = 200, WARNINGS = 20 }; /* bytes of a text, rows with a text; the store has it all */

/* Of a row without any Henry coefficient there is nothing to say. */
int report_linear(const screen_record *r, double pressure) {
  return !(r->molecules_per_cell * pressure > LINEAR_LIMIT);
}

static const char *const stages[] = {"pores", "classical", "model", "isotherm"};

static int stage_of(const screen_record *r) {
  for (int k = 0; k < 4; k++)
    if (strcmp(r->stage, stages[k]) == 0) return k;
  return 0;
}

static double henry_of(const screen_record *r) {
  return stage_of(r) < 2 ? r->classical_henry : r->henry;
}

int report_has_flag(const screen_record *r, const char *flag) {
  size_t n = strlen(flag);
  for (const char *s = strstr(r->flags, flag); s; s = strstr(s + n, flag))
    if ((s == r->flags || s[-1] == ' ') && (s[n] == 0 || s[n] == ' ')) return 1;
  return 0;
}

static int by_rank(const void *pa, const void *pb) {
  const line *a = pa, *b = pb;
  if (a->isotherm || b->isotherm) /* last, as they came */
    return a->isotherm != b->isotherm ? a->isotherm - b->isotherm : (a->i > b->i) - (a->i < b->i);
  if (a->failed != b->failed) return a->failed - b->failed;
  if (!a->failed && a->stage != b->stage) return b->stage - a->stage;
  if (!a->failed && a->value != b->value) return a->value > b->value ? -1 : 1;
  int order = strcmp(a->name, b->name);
  return order ? order : (a->i > b->i) - (a->i < b->i);
}

/* For a terminal: control characters out, at most `width` bytes, never half a UTF-8 character. */
static void printable(const char *in, char *out, size_t width) {
  size_t n = 0;
  for (; in[n] && n < width; n++) out[n] = (unsigned char)in[n] < 32 || in[n] == 127 ? '?' : in[n];
  if (in[n])
    while (n && ((unsigned char)in[n] & 0xC0) == 0x80) n--;
  out[n] = 0;
}

/* Columns a string takes: continuation bytes take none. */
static int columns(const char *s) {
  int n = 0;
  for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
  return n;
}

static void put_name(FILE *f, const char *name, int width) {
  fprintf(f, "%s%*s", name, width > columns(name) ? width - columns(name) : 0, "");
}

static void put_gas_note(FILE *f, const screen_record *r) {
  double off = r->gas_check_ev - r->gas_reference_ev;
  if (report_has_flag(r, "gas-energy")) {
    fprintf(
        f,
        "WARNING: for an isolated %s molecule this model gives %.3f eV, the reference (%s) is\n"
        "  %.3f eV: %+.3f eV off, where 0.05 eV is the limit. The error enters every insertion\n"
        "  energy, at %g K up to a factor exp(%.1f) in a Henry coefficient. Do not trust absolute\n"
        "  values, and the ranking only with care; a model fitted to gas and framework together\n"
        "  is needed.\n\n",
        r->gas, r->gas_check_ev, r->functional, r->gas_reference_ev, off, r->temperature,
        fabs(off) / (8.617333262e-5 * r->temperature));
  } else if (report_has_flag(r, "gas-unchecked")) {
    fprintf(f,
            "Note: the isolated %s molecule (%.3f eV) could not be checked: no reference energy is "
            "stored for %s.\n\n",
            r->gas, r->gas_energy_ev,
            r->functional[0] ? "this gas and functional"
                             : "this model, whose functional is not known");
  }
}

static void put_heading(FILE *f, const screen_record *r, double pressure, int width) {
  fprintf(f, "%s at %g K, seed %lld", r->gas, r->temperature, (long long)r->seed);
  if (r->model_sha256[0]) {
    int added = strcmp(r->dispersion, "none") != 0;
    fprintf(f, ", %s %.12s%s%s, %s precision", r->model_family, r->model_sha256, added ? " + " : "",
            added ? r->dispersion : "", r->precision);
  }
  if (strcmp(r->method, "plain") == 0)
    fprintf(f, ", %lld insertions per framework", (long long)r->insertions);
  if (strcmp(r->method, "importance") == 0) fprintf(f, ", error asked %g %%", 100 * r->error_asked);
  fputs("\n\n", f);
  put_gas_note(f, r);
  char uptake[48];
  snprintf(uptake, sizeof uptake, "mol/kg at %g Pa", pressure);
  fprintf(f, "rank  ");
  put_name(f, "framework", width);
  fprintf(f, "  stage          Df  K_H class.  %10s %8s  %7s %6s  %20s  %7s  flags\n", "K_H",
          "+-95%", "Qst", "+-95%", uptake, "ESS");
  fprintf(f, "      ");
  put_name(f, "", width);
  fprintf(f, "  %15s  %31s  %14s\n", "angstrom", "mol/kg/Pa", "kJ/mol");
}

static void put_number(FILE *f, const char *format, int width, double x) {
  if (isfinite(x)) fprintf(f, format, width, x);
  else fprintf(f, "%*s", width, "-");
}

static void put_row(FILE *f, size_t rank, const screen_record *r, double pressure, int width) {
  char name[64];
  printable(r->name, name, sizeof name - 1);
  fprintf(f, "%4zu  ", rank);
  put_name(f, name, width);
  fprintf(f, "  %-9s", r->stage);
  put_number(f, " %*.2f", 6, r->df);
  put_number(f, "  %*.3e", 10, r->classical_henry);
  put_number(f, "  %*.3e", 10, r->henry);
  put_number(f, " %*.1e", 8, r->henry_95);
  put_number(f, "  %*.2f", 7, r->qst);
  put_number(f, " %*.2f", 6, r->qst_95);
  put_number(f, "  %*.3e", 20, henry_of(r) * pressure);
  put_number(f, "  %*.0f", 7, r->ess);
  fprintf(f, "  %s%s%s\n", r->flags, r->flags[0] && !report_linear(r, pressure) ? " " : "",
          report_linear(r, pressure) ? "" : "nonlinear");
}

static void put_failure(FILE *f, const screen_record *r, int width) {
  char name[64], reason[REASON + 1];
  printable(r->name, name, sizeof name - 1);
  printable(r->reason, reason, REASON);
  fprintf(f, "   -  ");
  put_name(f, name, width);
  fprintf(f, "  failed at the stage %s: %s%s\n", stages[stage_of(r)], reason,
          r->reason[strlen(reason)] ? "..." : "");
}

/* Of a point of an isotherm; the others are in the framework's row. */
static const char *const point_flags[] = {"not-settled", "few-samples", "isotherm-holes"};

static void put_point(FILE *f, const screen_record *r, int width) {
  char name[64];
  printable(r->name, name, sizeof name - 1);
  put_name(f, name, width);
  put_number(f, "  %*.3e", 10, r->isotherm_pressure);
  put_number(f, "  %*.4g", 10, r->isotherm_uptake);
  put_number(f, " %*.1e", 8, r->isotherm_uptake_95);
  put_number(f, "  %*.4g", 10, r->isotherm_excess);
  put_number(f, "  %*.2f", 7, r->isotherm_qst);
  put_number(f, " %*.2f", 6, r->isotherm_qst_95);
  fprintf(f, "  %8lld ", (long long)r->isotherm_energies);
  for (size_t i = 0; i < sizeof point_flags / sizeof *point_flags; i++)
    if (report_has_flag(r, point_flags[i])) fprintf(f, " %s", point_flags[i]);
  fputc('\n', f);
}

static void put_points(FILE *f, const screen_record *r, int first, int width) {
  if (first) {
    fputs("\nisotherms\n", f);
    put_name(f, "framework", width);
    fprintf(f, "  %10s  %10s %8s  %10s  %7s %6s  %8s  flags\n", "p", "uptake", "+-95%", "excess",
            "Qst", "+-95%", "energies");
    put_name(f, "", width);
    fprintf(f, "  %10s  %30s  %14s\n", "Pa", "mol/kg", "kJ/mol");
  }
  if (r->error == EQS_OK) {
    put_point(f, r, width);
    return;
  }
  char name[64], reason[REASON + 1];
  printable(r->name, name, sizeof name - 1);
  printable(r->reason, reason, REASON);
  put_name(f, name, width);
  put_number(f, "  %*.3e", 10, r->isotherm_pressure);
  fprintf(f, "  failed: %s\n", reason);
}

/* What a model with a committee says of itself. */
static void put_surety(FILE *f, const screen_record *r, int first, int width) {
  char name[64];
  if (first) {
    fputs("\nhow sure the model is (one standard error)\n", f);
    put_name(f, "framework", width + 2);
    fprintf(f, "  K_H factor      Qst  chemistry\n");
    put_name(f, "", width + 2);
    fprintf(f, "  %10s  %7s\n", "", "kJ/mol");
  }
  printable(r->name, name, sizeof name - 1);
  fputs("  ", f);
  put_name(f, name, width);
  put_number(f, "  %*.3g", 10, r->henry_factor);
  put_number(f, "  %*.2f", 7, r->qst_uncertainty);
  fprintf(f, "  %s: %s", r->chemistry, r->novelty_element);
  if (isfinite(r->novelty)) fprintf(f, " %.2f of its limit\n", r->novelty);
  else fputs(" was in no training frame\n", f);
}

static void put_stop(FILE *f, const screen_record *r, int first, int width) {
  char name[64];
  if (first) fputs("\nwent no further\n", f);
  printable(r->name, name, sizeof name - 1);
  fputs("  ", f);
  put_name(f, name, width);
  fprintf(f, "  %-9s  %s\n", r->stage, r->stopped);
}

static void put_warning(FILE *f, const screen_record *r) {
  char name[64], text[REASON + 1];
  printable(r->name, name, sizeof name - 1);
  printable(r->warnings, text, REASON);
  fprintf(f, "  %s: %s%s\n", name, text, r->warnings[strlen(text)] ? "..." : "");
}

static eqs_status sort_rows(size_t n, report_row row, const void *context, line *lines,
                            int *width) {
  for (size_t i = 0; i < n; i++) {
    screen_record r;
    EQS_TRY(row(context, i, &r));
    double value = stage_of(&r) ? henry_of(&r) : r.df;
    lines[i] = (line){.i = i,
                      .failed = r.error != EQS_OK,
                      .isotherm = stage_of(&r) == 3,
                      .stage = stage_of(&r),
                      .value = isnan(value) ? -1 : value};
    printable(r.name, lines[i].name, sizeof lines[i].name - 1);
    if (columns(lines[i].name) > *width) *width = columns(lines[i].name);
  }
  qsort(lines, n, sizeof *lines, by_rank);
  return EQS_OK;
}

static void put_legend(FILE *f, const int seen[N_LEGEND]) {
  for (int i = 0, any = 0; i < N_LEGEND; i++)
    if (seen[i]) fprintf(f, "%s  %-17s  %s\n", any++ ? "" : "\n", legends[i].flag, legends[i].what);
}

static void see(int seen[N_LEGEND], const screen_record *r, double pressure) {
  for (int i = 0; i < N_LEGEND; i++)
    seen[i] |= report_has_flag(r, legends[i].flag) ||
               (strcmp(legends[i].flag, "nonlinear") == 0 && !report_linear(r, pressure));
}

/* The rows, then the points; the numbers of frameworks and of those that failed. */
static eqs_status put_lines(FILE *f, size_t n, report_row row, const void *context, double pressure,
                            const line *lines, int width, size_t *n_framework, size_t *n_failed) {
  int seen[N_LEGEND] = {0};
  for (size_t k = 0; k < n; k++) {
    screen_record r;
    EQS_TRY(row(context, lines[k].i, &r));
    if (k == 0) put_heading(f, &r, pressure, width);
    if (!lines[k].failed) see(seen, &r, pressure);
    if (lines[k].isotherm) {
      put_points(f, &r, k == 0 || !lines[k - 1].isotherm, width);
      continue;
    }
    ++*n_framework;
    *n_failed += (size_t)lines[k].failed;
    if (lines[k].failed) put_failure(f, &r, width);
    else put_row(f, k + 1, &r, pressure, width);
  }
  if (n == 0) fputs("no frameworks\n", f);
  put_legend(f, seen);
  return EQS_OK;
}

static eqs_status put_table(FILE *f, size_t n, report_row row, const void *context, double pressure,
                            const line *lines, int width) {
  size_t n_framework = 0, n_failed = 0, n_warning = 0, n_stop = 0, n_sure = 0;
  EQS_TRY(put_lines(f, n, row, context, pressure, lines, width, &n_framework, &n_failed));
  for (size_t k = 0; k < n_framework; k++) {
    screen_record r;
    EQS_TRY(row(context, lines[k].i, &r));
    if (r.chemistry[0] && !lines[k].failed) put_surety(f, &r, n_sure++ == 0, width);
  }
  for (size_t k = 0; k < n_framework; k++) {
    screen_record r;
    EQS_TRY(row(context, lines[k].i, &r));
    if (r.stopped[0]) put_stop(f, &r, n_stop++ == 0, width);
  }
  for (size_t k = 0; k < n_framework && n_warning <= WARNINGS; k++) {
    screen_record r;
    EQS_TRY(row(context, lines[k].i, &r));
    if (!r.warnings[0] || lines[k].failed) continue;
    if (n_warning++ == 0) fputs("\nwarnings while reading\n", f);
    if (n_warning <= WARNINGS) put_warning(f, &r);
    else fputs("  and more: see the column `warnings` of the results\n", f);
  }
  if (n_failed) fprintf(f, "\n%zu of %zu frameworks failed\n", n_failed, n_framework);
  return EQS_OK;
}

eqs_status report_table(size_t n, report_row row, const void *context, double pressure,
                        char **text) {
  LOCALE_C();
  line *lines = NULL;
  size_t size = 0;
  int width = 9;
  *text = NULL;
  EQS_TRY(alloc_array(&lines, n, sizeof *lines, "the table"));
  FILE *f = NULL;
  eqs_status status = sort_rows(n, row, context, lines, &width);
  if (status != EQS_OK) goto done;
  f = open_memstream(text, &size);
  if (!f) {
    status = status_fail(EQS_ERR_MEMORY, "out of memory for the table");
    goto done;
  }
  status = put_table(f, n, row, context, pressure, lines, width);
  if (fclose(f) && status == EQS_OK)
    status = status_fail(EQS_ERR_MEMORY, "out of memory for the table");
  if (status != EQS_OK) {
    free(*text);
    *text = NULL;
  }
done:
  free(lines);
  return status;
}

static void put_record(FILE *f, const screen_record *r, double pressure) {
  for (size_t k = 0; k < store_n_column; k++) {
    const store_column *c = &store_columns[k];
    const char *field = (const char *)r + c->offset;
    int64_t integer;
    double real;
    if (c->kind == STORE_TEXT) {
      csv_text(f, field);
    } else if (c->kind == STORE_INTEGER) {
      memcpy(&integer, field, sizeof integer);
      fprintf(f, "%lld", (long long)integer);
    } else {
      memcpy(&real, field, sizeof real);
      csv_number(f, real);
    }
    fputc(',', f);
  }
  csv_number(f, pressure);
  fputc(',', f);
  csv_number(f, henry_of(r) * pressure);
  fprintf(f, ",%s,", isnan(henry_of(r)) ? "" : report_linear(r, pressure) ? "1" : "0");
  csv_text(f, r->stopped);
  fputc('\n', f);
}

eqs_status report_csv(size_t n, report_row row, const void *context, double pressure,
                      const char *path) {
  LOCALE_C();
  whole_file w;
  EQS_TRY(whole_file_open(&w, path));
  FILE *f = w.file;
  for (size_t k = 0; k < store_n_column; k++) fprintf(f, "%s,", store_columns[k].name);
  fputs("pressure,uptake,uptake_linear,stopped\n", f);
  eqs_status status = EQS_OK;
  for (size_t i = 0; i < n && status == EQS_OK; i++) {
    screen_record r;
    status = row(context, i, &r);
    if (status == EQS_OK) put_record(f, &r, pressure);
  }
  return whole_file_close(&w, status);
}
