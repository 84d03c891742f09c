/* henry_report.c -- the result of eqs_widom: a table to read, JSON, CSV.
 *
 * The columns of the screening store come first, then those of the sampling. In CSV everything is
 * on the line of each temperature; in JSON what depends on the temperature is in the list `points`.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/henry.h"

#include "core/adsorption/statistics.h"
#include "core/locale_c.h"
#include "io/fields.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- the columns of the store */

/* Columns that only screening fills come last. */
static int is_own(const store_column *c) { return c->offset < offsetof(screen_record, stage); }

/* What the temperatures share; the rest is per temperature. */
static int is_shared(const store_column *c) {
  if (c->offset >= offsetof(screen_record, n_proposed) &&
      c->offset <= offsetof(screen_record, n_hole))
    return 1;
  return strcmp(c->name, "temperature") != 0 && strcmp(c->name, "flags") != 0 &&
         (c->offset < offsetof(screen_record, w) ||
          c->offset > offsetof(screen_record, molecules_per_cell));
}

static void put_field(FILE *f, const screen_record *r, const store_column *c,
                      void (*text)(FILE *, const char *), void (*number)(FILE *, double)) {
  const char *field = (const char *)r + c->offset;
  int64_t integer;
  double real;
  if (c->kind == STORE_TEXT) {
    text(f, field);
  } else if (c->kind == STORE_INTEGER) {
    memcpy(&integer, field, sizeof integer);
    fprintf(f, "%lld", (long long)integer);
  } else {
    memcpy(&real, field, sizeof real);
    number(f, real);
  }
}

/* ---- the columns of the sampling */

typedef struct extra {
  const char *name;
  double value;
} extra;

enum { EXTRAS = 27, POINT_EXTRAS = 5 };

static void run_extras(const eqs_widom_result *r, extra out[EXTRAS]) {
  const importance_result *s = &r->sampling;
  int table = s->n_table > 0;
  const extra all[EXTRAS] = {
      {"error_asked", r->error},
      {"n_draw", (double)s->n_draw},
      {"n_energy", (double)s->n_energy},
      {"n_energy_pilot", (double)s->n_pilot},
      {"pilot_rounds", s->n_pilot_round},
      {"fit_parameters", s->corrected ? s->n_parameter : 0},
      {"surrogate_rms", s->rms * EV_KJ_MOL},
      {"surrogate_offset", s->offset * EV_KJ_MOL},
      {"surrogate_rms_as_given", s->rms_as_given * EV_KJ_MOL},
      {"surrogate_w", s->surrogate_w},
      {"surrogate_w_sigma", s->surrogate_w_sigma},
      {"n_table", (double)s->n_table},
      {"open_share", table ? s->accessible : (double)NAN},
      {"open_share_sigma", table ? s->accessible_sigma : (double)NAN},
      {"defensive_eps", table ? s->eps : (double)NAN},
      {"surrogate_heat", table ? s->heat : (double)NAN},
      {"outside_share", s->outside_share},
      {"n_outside", s->n_outside},
      {"n_outside_attractive", s->n_outside_attractive},
      {"grid_spacing", table ? r->grid_spacing : (double)NAN},
      {"grid_rms", table ? r->grid_rms : (double)NAN},
      {"pocket_probe", r->probe > 0 ? r->probe : (double)NAN},
      {"n_blocked", (double)s->n_blocked},
      {"n_energy_search", (double)s->n_search},
      {"n_place", s->n_site},
      {"host_share", r->n_frame ? r->frames.host_share * EV_KJ_MOL : (double)NAN},
      {"draw_share", r->n_frame ? r->frames.draw_share : (double)NAN},
  };
  memcpy(out, all, sizeof all);
}

static void point_extras(const eqs_widom_result *r, int t, extra out[POINT_EXTRAS]) {
  const widom_point *p = &r->sampling.point[t];
  const double per_w = widom_henry(1, p->temperature, r->row[t].density);
  const double t95 = statistics_t95(STATISTICS_BLOCKS - 1);
  const extra all[POINT_EXTRAS] = {
      {"defensive_share", r->sampling.n_table ? p->defensive_share : (double)NAN},
      {"w_table_sigma", p->w_table_sigma},
      {"henry_with_pockets", per_w * p->w_unblocked},
      {"henry_with_pockets_95", per_w * t95 * p->w_unblocked_sigma},
      {"qst_with_pockets", GAS_CONSTANT * p->temperature / 1000 - EV_KJ_MOL * p->u_unblocked},
  };
  memcpy(out, all, sizeof all);
}

/* ---- CSV and JSON */

static void put_csv(FILE *f, const eqs_widom_result *r) {
  extra run[EXTRAS], point[POINT_EXTRAS];
  run_extras(r, run);
  point_extras(r, 0, point);
  for (size_t k = 0; k < store_n_column; k++)
    if (is_own(&store_columns[k])) fprintf(f, "%s,", store_columns[k].name);
  for (int k = 0; k < POINT_EXTRAS; k++) fprintf(f, "%s,", point[k].name);
  for (int k = 0; k < EXTRAS; k++) fprintf(f, "%s,", run[k].name);
  fputs("method,surrogate,surrogate_charges\n", f);
  for (int t = 0; t < r->n; t++) {
    for (size_t k = 0; k < store_n_column; k++) {
      if (!is_own(&store_columns[k])) continue;
      put_field(f, &r->row[t], &store_columns[k], csv_text, csv_number);
      fputc(',', f);
    }
    point_extras(r, t, point);
    for (int k = 0; k < POINT_EXTRAS; k++) csv_number(f, point[k].value), fputc(',', f);
    for (int k = 0; k < EXTRAS; k++) csv_number(f, run[k].value), fputc(',', f);
    fprintf(f, "%s,%s,%s\n", r->method, r->surrogate, r->charges);
  }
}

static void put_extras(FILE *f, int n, const extra *e, const char *indent) {
  for (int k = 0; k < n; k++) {
    fprintf(f, "%s%s\"%s\": ", k ? ",\n" : "", indent, e[k].name);
    json_number(f, e[k].value);
  }
}

static void put_columns(FILE *f, const screen_record *r, int shared, const char *indent) {
  for (size_t k = 0; k < store_n_column; k++) {
    const store_column *c = &store_columns[k];
    if (!is_own(c) || is_shared(c) != shared) continue;
    fprintf(f, "%s\"%s\": ", indent, c->name);
    put_field(f, r, c, json_text, json_number);
    fputs(",\n", f);
  }
}

static void put_or_null(FILE *f, const char *s) {
  if (*s) json_text(f, s);
  else fputs("null", f);
}

static void put_json(FILE *f, const eqs_widom_result *r) {
  extra run[EXTRAS], point[POINT_EXTRAS];
  run_extras(r, run);
  fputs("{\n", f);
  put_columns(f, &r->row[0], 1, "  ");
  fprintf(f, "  \"method\": \"%s\",\n  \"surrogate\": ", r->method);
  put_or_null(f, r->surrogate);
  fputs(",\n  \"surrogate_charges\": ", f);
  put_or_null(f, r->charges);
  fputs(",\n", f);
  put_extras(f, EXTRAS, run, "  ");
  fputs(",\n  \"points\": [\n", f);
  for (int t = 0; t < r->n; t++) {
    fputs("    {\n", f);
    put_columns(f, &r->row[t], 0, "      ");
    point_extras(r, t, point);
    put_extras(f, POINT_EXTRAS, point, "      ");
    fprintf(f, "\n    }%s\n", t + 1 < r->n ? "," : "");
  }
  fputs("  ]\n}\n", f);
}

/* ---- the table */

static const struct {
  const char *flag, *what;
} legends[] = {
    {"not-converged", "fewer than 50 effective samples, or one weight above a tenth"},
    {"error-not-reached", "the budget of energies was spent first: raise --max-energies"},
    {"table-too-small", "the classical poses are too few for that error: raise --table"},
    {"poor-surrogate", "the classical potential finds the wrong places; errors may be too small"},
    {"weight-outside", "weight where the classical potential is above 50 kT, left out of K_H: look "
                       "at outside_share; holes of the model, or a potential with too high walls"},
    {"none-open", "the classical potential leaves no room for the gas"},
    {"pockets", "weight in pockets that the gas cannot reach is left out; with them: "
                "henry_with_pockets in --json"},
    {"no-weight", "no draw had any weight"},
    {"holes", "more than 1e-3 of the weight was in holes of the model and is left out"},
    {"gas-energy", "the model's isolated gas molecule is far from the reference"},
    {"gas-unchecked", "no reference energy of the gas for the model's functional"},
    {"warnings", "the reader of the structure had something to say: see --json"},
};

static void put_sampling(FILE *f, const eqs_widom_result *r) {
  const importance_result *s = &r->sampling;
  fprintf(f, "%lld energies of the model", (long long)s->n_energy);
  if (!s->n_table) {
    fprintf(f, ", %lld uniform draws\n", (long long)s->n_draw);
    return;
  }
  fprintf(f, ", %lld of them in %d pilot round%s\n", (long long)s->n_pilot, s->n_pilot_round,
          s->n_pilot_round == 1 ? "" : "s");
  fprintf(f, "surrogate %s, charges %s: %lld poses, %.3g open", r->surrogate, r->charges,
          (long long)s->n_table, s->accessible);
  fprintf(f, "; off by %.2g kJ/mol", s->rms_as_given * EV_KJ_MOL);
  if (s->corrected)
    fprintf(f, ", %.2g with %d fitted parameters", s->rms * EV_KJ_MOL, s->n_parameter);
  fputc('\n', f);
  if (s->n_site)
    fprintf(f, "it misses the wells: %lld energies of chains found them, draws are around these\n",
            (long long)s->n_search);
  if (r->n_frame)
    fprintf(f,
            "%d snapshots of the empty framework; its own energy adds %.2g kJ/mol to Qst\n"
            "draws make %.0f %% of the variance of K_H, the framework the rest\n",
            r->n_frame, -r->frames.host_share * EV_KJ_MOL, 100 * r->frames.draw_share);
}

static void put_table(FILE *f, const eqs_widom_result *r) {
  const screen_record *b = &r->row[0];
  for (const char *c = b->name; *c; c++) /* it comes from a file name: no control characters */
    fputc((unsigned char)*c < 32 || *c == 127 ? '?' : *c, f);
  fprintf(f, "  %s  %s\n", b->formula, b->gas);
  if (strstr(b->flags, "gas-energy"))
    fprintf(f, "WARNING: isolated %s: this model gives %.3f eV, the reference is %.3f eV\n", b->gas,
            b->gas_check_ev, b->gas_reference_ev);
  fprintf(f, "box %lld x %lld x %lld, %lld atoms, %s\n", (long long)b->replica_a,
          (long long)b->replica_b, (long long)b->replica_c, (long long)b->n_atom_box,
          b->replica_rule);
  put_sampling(f, r);
  fprintf(f, "\n%9s  %13s  %9s  %8s  %8s  %8s  flags\n", "T K", "K_H mol/kg/Pa", "+-95%",
          "Qst kJ/mol", "+-95%", "ESS");
  for (int t = 0; t < r->n; t++) {
    const screen_record *p = &r->row[t];
    fprintf(f, "%9.2f  %13.5g  %9.2g  %10.3f  %8.2g  %8.0f  %s\n", p->temperature, p->henry,
            p->henry_95, p->qst, p->qst_95, p->ess, p->flags);
  }
  int any = 0;
  for (size_t k = 0; k < sizeof legends / sizeof *legends; k++) {
    int seen = 0;
    for (int t = 0; t < r->n; t++) seen |= strstr(r->row[t].flags, legends[k].flag) != NULL;
    if (seen) fprintf(f, "%s  %-17s  %s\n", any++ ? "" : "\n", legends[k].flag, legends[k].what);
  }
}

eqs_status eqs_widom_text(const eqs_widom_result *r, const char *format, char **text) {
  LOCALE_C();
  static const struct {
    const char *name;
    void (*put)(FILE *f, const eqs_widom_result *r);
  } formats[] = {{"table", put_table}, {"json", put_json}, {"csv", put_csv}};
  size_t size = 0;
  *text = NULL;
  if (!r || !format) EQS_FAIL(EQS_ERR_ARGUMENT, "no result, or no format");
  for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
    if (strcmp(format, formats[k].name) != 0) continue;
    FILE *f = open_memstream(text, &size);
    if (f) formats[k].put(f, r);
    int bad = !f || ferror(f);
    if ((f && fclose(f)) || bad) {
      free(*text);
      *text = NULL;
      EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the results");
    }
    return EQS_OK;
  }
  EQS_FAIL(EQS_ERR_ARGUMENT, "the format is table, json or csv, not '%.40s'", format);
}
