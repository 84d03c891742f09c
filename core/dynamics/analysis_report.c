/* analysis_report.c -- what an analysis found, as table, JSON, CSV and cube file.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/run_text.h"
#include "core/dynamics/analysis.h"
#include "core/locale_c.h"
#include "io/elements.h"
#include "io/fields.h"
#include "io/whole_file.h"

#define SI 1e-8 /* angstrom^2/ps in m^2/s */

static const char *const component[6] = {"xx", "yy", "zz", "yz", "xz", "xy"};

typedef struct report {
  const eqs_analysis *a;
  FILE *file;
  diffusion_result *moving; /* [groups] */
  distribution_bin *bin;    /* room for one pair */
  int n_pair, n_bin;
} report;

static const char *fault_of(const diffusion_result *r) {
  return r->fault ? r->fault : r->n_block < 2 ? "one block has no error" : NULL;
}

/* m^2/s, and nothing where motion is not diffusive. */
static series_value in_si(const diffusion_result *r, series_value v) {
  if (r->fault) return (series_value){NAN, NAN, NAN};
  return (series_value){v.mean * SI, v.sigma * SI, v.ci95 * SI};
}

/* ---- table */

static void table_group(const report *w, int g) {
  const diffusion_result *r = &w->moving[g];
  const selection *s = &w->a->groups.group[g];
  FILE *f = w->file;
  fprintf(f, "\ndiffusion of %s: %d centre%s, %d blocks\n", s->name, s->n, s->n == 1 ? "" : "s",
          r->n_block);
  if (r->first >= 0)
    fprintf(f, "  window         %.4g to %.4g ps, log-log slope %.3f, way %.3g angstrom\n",
            r->point[r->first].lag, r->point[r->last].lag, r->slope, r->displacement);
  if (r->fault) {
    fprintf(f, "  not diffusive: %s (%.3g angstrom; a cage is taken to be %.3g)\n", r->fault,
            r->displacement, w->a->o.spacing);
    return;
  }
  fprintf(f, "  D              %.4g m2/s, 95 %% +- %.2g\n", r->d.mean * SI, r->d.ci95 * SI);
  for (int k = 0; k < 6; k++)
    fprintf(f, "  D_%s           %.4g m2/s, 95 %% +- %.2g\n", component[k], r->tensor[k].mean * SI,
            r->tensor[k].ci95 * SI);
  fprintf(f, "  principal      %.4g, %.4g, %.4g m2/s\n", r->principal[0] * SI, r->principal[1] * SI,
          r->principal[2] * SI);
}

static void table_pairs(const report *w) {
  int z[2];
  if (!w->a->pairs) return;
  fputs("\nradial distributions: highest peaks\n", w->file);
  for (int p = 0; p < w->n_pair; p++) {
    int best = 0;
    distribution_view(w->a->pairs, p, w->bin);
    distribution_pair(w->a->pairs, p, z);
    for (int i = 1; i < w->n_bin; i++)
      if (w->bin[i].g > w->bin[best].g) best = i;
    fprintf(w->file, "  %-2s-%-2s  g = %.4g +- %.2g at %.4g angstrom\n", element_symbol(z[0]),
            element_symbol(z[1]), w->bin[best].g, w->bin[best].sigma, w->bin[best].r);
  }
  if (w->n_bin > 0 && w->bin[w->n_bin - 1].r > distribution_half(w->a->pairs))
    fprintf(w->file, "  beyond %.4g angstrom, half the smallest width, there are images\n",
            distribution_half(w->a->pairs));
}

static void write_table(const report *w) {
  const eqs_analysis *a = w->a;
  fprintf(w->file, "trajectories     %d\nframes           %lld\n", a->n_trajectory,
          (long long)a->frames);
  if (a->interval > 0) fprintf(w->file, "interval         %.6g ps\n", a->interval);
  for (int g = 0; g < a->groups.n; g++) table_group(w, g);
  table_pairs(w);
  if (a->o.density)
    fprintf(w->file, "\ndensity of %s: %d x %d x %d voxels\n", a->mapped.group->name,
            a->map.side[0], a->map.side[1], a->map.side[2]);
  for (int k = 0; k < a->n_warning; k++) fprintf(w->file, "\nwarning: %s\n", a->warning[k]);
}

/* ---- JSON: arrays of arrays are named by their columns */

static void json_rows(FILE *f, const double *x, int n) {
  for (int k = 0; k < n; k++) {
    fputs(k ? ", " : "[", f);
    json_number(f, x[k]);
  }
  fputs("]", f);
}

static void json_group(const report *w, int g) {
  const diffusion_result *r = &w->moving[g];
  const selection *s = &w->a->groups.group[g];
  FILE *f = w->file;
  const char *fault = fault_of(r);
  fprintf(f, "%s\n  {\"group\": ", g ? "," : "");
  json_text(f, s->name);
  fprintf(f, ", \"centres\": %d, \"blocks\": %d, \"diffusive\": %s, \"fault\": ", s->n, r->n_block,
          r->fault ? "false" : "true");
  if (fault) json_text(f, fault);
  else fputs("null", f);
  run_text_member(f, "window_first_ps", r->first < 0 ? NAN : r->point[r->first].lag);
  run_text_member(f, "window_last_ps", r->last < 0 ? NAN : r->point[r->last].lag);
  run_text_member(f, "slope", r->slope);
  run_text_member(f, "displacement_A", r->displacement);
  run_text_value(f, "D_m2_s", in_si(r, r->d));
  for (int k = 0; k < 6; k++) {
    char key[16];
    snprintf(key, sizeof key, "D_%s_m2_s", component[k]);
    run_text_value(f, key, in_si(r, r->tensor[k]));
  }
  fputs(", \"principal_m2_s\": ", f);
  double axis[3];
  for (int k = 0; k < 3; k++) axis[k] = r->fault ? NAN : r->principal[k] * SI;
  json_rows(f, axis, 3);
  fputs(",\n   \"columns\": [\"lag_ps\", \"msd_A2\", \"sigma_A2\", \"slope\"], \"msd\": [", f);
  for (int i = 0; i < r->n_point; i++) {
    const diffusion_point *p = &r->point[i];
    if (i) fputs(", ", f);
    json_rows(f, (double[]){p->lag, p->msd, p->sigma, p->slope}, 4);
  }
  fputs("]}", f);
}

static void json_pair(const report *w, int p) {
  int z[2];
  FILE *f = w->file;
  distribution_view(w->a->pairs, p, w->bin);
  distribution_pair(w->a->pairs, p, z);
  fprintf(f, "%s\n  {\"pair\": \"%s-%s\", \"columns\": [\"r_A\", \"g\", \"sigma\", ", p ? "," : "",
          element_symbol(z[0]), element_symbol(z[1]));
  fputs("\"coordination\"], \"rdf\": [", f);
  for (int i = 0; i < w->n_bin; i++) {
    const distribution_bin *b = &w->bin[i];
    if (i) fputs(", ", f);
    json_rows(f, (double[]){b->r, b->g, b->sigma, b->coordination}, 4);
  }
  fputs("]}", f);
}

static void write_json(const report *w) {
  const eqs_analysis *a = w->a;
  FILE *f = w->file;
  fprintf(f, "{\"trajectories\": %d, \"frames\": %lld", a->n_trajectory, (long long)a->frames);
  run_text_member(f, "interval_ps", a->interval > 0 ? a->interval : NAN);
  fputs(", \"drift_removed\": ", f);
  json_text(f, a->o.drift);
  fputs(",\n \"diffusion\": [", f);
  for (int g = 0; g < a->groups.n; g++) json_group(w, g);
  fputs("],\n \"rdf\": [", f);
  for (int p = 0; p < w->n_pair; p++) json_pair(w, p);
  fputs("],\n \"warnings\": [", f);
  for (int k = 0; k < a->n_warning; k++) {
    if (k) fputs(", ", f);
    json_text(f, a->warning[k]);
  }
  fputs("]}\n", f);
}

/* ---- CSV */

static void csv_diffusion(const report *w) {
  FILE *f = w->file;
  fputs("group,centres,blocks,diffusive,fault,window_first_ps,window_last_ps,slope,displacement_A",
        f);
  fputs(",D_m2_s,D_sigma,D_ci95", f);
  for (int k = 0; k < 6; k++) fprintf(f, ",D_%s_m2_s,D_%s_ci95", component[k], component[k]);
  fputc('\n', f);
  for (int g = 0; g < w->a->groups.n; g++) {
    const diffusion_result *r = &w->moving[g];
    series_value d = in_si(r, r->d);
    const double x[7] = {r->first < 0 ? NAN : r->point[r->first].lag,
                         r->last < 0 ? NAN : r->point[r->last].lag,
                         r->slope,
                         r->displacement,
                         d.mean,
                         d.sigma,
                         d.ci95};
    csv_text(f, w->a->groups.group[g].name);
    fprintf(f, ",%d,%d,%d,", w->a->groups.group[g].n, r->n_block, !r->fault);
    if (fault_of(r)) csv_text(f, fault_of(r));
    run_text_fields(f, x, 7);
    for (int k = 0; k < 6; k++) {
      series_value t = in_si(r, r->tensor[k]);
      run_text_fields(f, (double[]){t.mean, t.ci95}, 2);
    }
    fputc('\n', f);
  }
}

static void csv_msd(const report *w) {
  FILE *f = w->file;
  fputs("group,lag_ps,msd_A2,sigma_A2,xx_A2,yy_A2,zz_A2,yz_A2,xz_A2,xy_A2,slope,displacements\n",
        f);
  for (int g = 0; g < w->a->groups.n; g++)
    for (int i = 0; i < w->moving[g].n_point; i++) {
      const diffusion_point *p = &w->moving[g].point[i];
      csv_text(f, w->a->groups.group[g].name);
      run_text_fields(f, (double[]){p->lag, p->msd, p->sigma}, 3);
      run_text_fields(f, p->tensor, 6);
      run_text_fields(f, &p->slope, 1);
      fprintf(f, ",%lld\n", (long long)p->n);
    }
}

static void csv_rdf(const report *w) {
  int z[2];
  fputs("pair,r_A,g,sigma,coordination\n", w->file);
  for (int p = 0; p < w->n_pair; p++) {
    distribution_view(w->a->pairs, p, w->bin);
    distribution_pair(w->a->pairs, p, z);
    for (int i = 0; i < w->n_bin; i++) {
      const distribution_bin *b = &w->bin[i];
      fprintf(w->file, "%s-%s", element_symbol(z[0]), element_symbol(z[1]));
      run_text_fields(w->file, (double[]){b->r, b->g, b->sigma, b->coordination}, 4);
      fputc('\n', w->file);
    }
  }
}

static void write_cube(const report *w) {
  const eqs_analysis *a = w->a;
  char title[128];
  const selections *l = &a->groups;
  int endless = l->n_host < a->first.n; /* a liquid has no scenery */
  snprintf(title, sizeof title, "density of %s%s", a->mapped.group->name,
           a->o.density_centers ? ", centres of mass" : "");
  density_map_write(&a->map, &a->first, endless ? l->n_host : 0, l->host, title, w->file);
}

/* ---- what is asked for */

static const struct {
  const char *name;
  void (*write)(const report *w);
  int diffusion, rdf, density; /* what it is made of */
} kinds[] = {{"table", write_table, 0, 0, 0},
             {"json", write_json, 0, 0, 0},
             {"diffusion.csv", csv_diffusion, 1, 0, 0},
             {"msd.csv", csv_msd, 1, 0, 0},
             {"rdf.csv", csv_rdf, 0, 1, 0},
             {"density.cube", write_cube, 0, 0, 1}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static eqs_status prepare(report *w) {
  const eqs_analysis *a = w->a;
  size_t n = (size_t)a->groups.n;
  if (a->pairs) w->n_pair = distribution_pairs(a->pairs, &w->n_bin);
  EQS_TRY(alloc_array(&w->moving, n, sizeof *w->moving, "results"));
  for (size_t g = 0; g < n; g++)
    EQS_TRY(diffusion_finish(a->moving[g], a->interval > 0 ? a->interval : 1, a->o.spacing,
                             &w->moving[g]));
  return alloc_array(&w->bin, (size_t)w->n_bin, sizeof *w->bin, "bins");
}

static eqs_status write_to(report *w, int kind, const char *path) {
  whole_file to;
  EQS_TRY(whole_file_open(&to, path));
  w->file = to.file;
  kinds[kind].write(w);
  return whole_file_close(&to, EQS_OK);
}

eqs_status eqs_analysis_write(const eqs_analysis *a, const char *what, const char *path) {
  LOCALE_C();
  report w = {.a = a};
  int kind = 0;
  if (!a || !what || !path) EQS_FAIL(EQS_ERR_ARGUMENT, "an analysis, a name and a path are due");
  while (kind < KINDS && strcmp(kinds[kind].name, what)) kind++;
  if (kind == KINDS) EQS_FAIL(EQS_ERR_ARGUMENT, "there is no '%s' of an analysis", what);
  if (a->n_trajectory == 0 || a->open)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no trajectory was read to its end");
  if ((kinds[kind].diffusion && !a->o.diffusion) || (kinds[kind].rdf && !a->o.rdf) ||
      (kinds[kind].density && !a->o.density))
    EQS_FAIL(EQS_ERR_ARGUMENT, "%s was not asked for when the analysis was opened", what);
  eqs_status status = prepare(&w);
  if (status == EQS_OK) status = write_to(&w, kind, path);
  for (int g = 0; w.moving && g < a->groups.n; g++) diffusion_result_free(&w.moving[g]);
  free(w.moving);
  free(w.bin);
  return status;
}
