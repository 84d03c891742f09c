/* pores.c -- `equisorb pores`: diameters, channels, pockets, volume and surface of frameworks.
 *
 * Every frame of every file is a row. The table is written as the rows come; JSON and CSV too. A
 * framework that fails is a message on standard error, and the others go on.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "pores";

static const char help_text[] =
    "usage: equisorb pores FILE... [--probe R] [--json] [--csv FILE] [--block FILE]\n"
    "\n"
    "The empty space of frameworks (CIF, extended XYZ; every frame), atoms being hard spheres. No\n"
    "model is needed. Columns of the table:\n"
    "\n"
    "  Di, Df, Dif       diameters (angstrom) of the largest sphere that fits anywhere, of the\n"
    "                    largest that can travel through the crystal, of the largest along the "
    "way\n"
    "                    of the latter; they do not depend on the probe\n"
    "  void, helium      share of the cell outside all atoms; <exp(-U/kT)> of helium at 298 K\n"
    "  V, V pocket       share of the cell where the probe's centre can be: in channels, in "
    "pockets\n"
    "  m2/g, pocket      area that the probe's centre can roll over, in channels and in pockets\n"
    "  channels          how many, of how many dimensions (1 tube, 2 layer, 3 network)\n"
    "  pockets           places where the probe fits but from where it cannot get out\n"
    "\n"
    "  --probe R         radius of the probe, angstrom (default 1.82, nitrogen; CO2 1.65, He 1.3)\n"
    "  --spacing H       of the grid, angstrom (default 0.15); diameters are refined beyond it\n"
    "  --radii NAME      of the atoms: uff (default), half of UFF's sigma; vdw, Bondi's and "
    "CCDC's\n"
    "  --surface-points N  per atom (default 1000)\n"
    "  --json            an array of objects on standard output, with every channel and pocket\n"
    "  --csv FILE        one row per framework, all numbers\n"
    "  --block FILE      spheres that cover the pockets: their number, then fractional centre and\n"
    "                    radius, as RASPA and Zeo++ have it; for one framework\n"
    "  --threads N       0, the default, uses all cores; results do not depend on it\n"
    "  --disorder HOW    refuse disordered structures (default), or keep the major group\n"
    "\n"
    "example: equisorb pores MFI.cif ITQ-29.cif --probe 1.65 --csv pores.csv\n"
    "\n"
    "exit codes: 0 done; 1 an error, or some frameworks failed; 2 wrong usage; 130 stopped by\n"
    "Ctrl-C, 143 by SIGTERM";

enum {
  OPTION_PROBE = OPTION_OWN,
  OPTION_SPACING,
  OPTION_RADII,
  OPTION_POINTS,
  OPTION_CSV,
  OPTION_BLOCK
};

typedef struct job {
  eqs_pores_options options;
  int threads, disorder_major, json, n_file;
  const char *csv, *block;
  eqs_context *context;
  FILE *csv_file;
  progress line;
  const char *doing; /* name of the framework in work */
  int n_row, n_failed, n_atom;
} job;

/* ---- output */

static const double m2_per_g = 6022.14076; /* angstrom^2/u */

static void put_dimensions(FILE *out, const eqs_pores_result *r, int n) {
  eqs_pores_space s = {.size = sizeof s};
  int many[4] = {0}, any = 0;
  for (int i = 0; i < n; i++)
    if (!eqs_pores_space_get(r, i, &s) && s.dimension >= 1 && s.dimension <= 3) many[s.dimension]++;
  for (int d = 3; d >= 1; d--)
    if (many[d]) fprintf(out, "%s%d x %d-D", any++ ? ", " : "", many[d], d);
  if (!any) fputs("none", out);
}

static void put_heading(const job *j) {
  printf("probe %g angstrom, radii %s, grid %g angstrom\n\n", j->options.probe, j->options.radii,
         j->options.spacing);
  printf("%-24s %7s %7s %7s  %6s %6s  %7s %8s  %8s %8s  pockets  channels\n", "framework", "Di",
         "Df", "Dif", "void", "helium", "V", "V pocket", "m2/g", "pocket");
}

static void put_row(const job *j, const eqs_pores_result *r, const eqs_pores_summary *s) {
  if (!j->n_row) put_heading(j);
  printf("%-24.60s %7.3f %7.3f %7.3f  %6.4f %6.4f  %7.5f %8.5f  %8.1f %8.1f  %7d  ", j->doing,
         s->di, s->df, s->dif, s->void_fraction, s->helium_void_fraction, s->channel_fraction,
         s->pocket_fraction, s->channel_area / s->mass * m2_per_g,
         s->pocket_area / s->mass * m2_per_g, s->n_pocket);
  put_dimensions(stdout, r, s->n_channel);
  putchar('\n');
  fflush(stdout);
}

typedef struct value {
  const char *name;
  double x;
} value;

enum { VALUES = 20 };

static int list_values(const eqs_pores_summary *s, value v[VALUES]) {
  const double cm3 = m2_per_g / 1e4; /* angstrom^3/u in cm3/g */
  const value all[] = {
      {"volume", s->volume},
      {"mass", s->mass},
      {"density", s->density},
      {"di", s->di},
      {"df", s->df},
      {"dif", s->dif},
      {"void_fraction", s->void_fraction},
      {"helium_void_fraction", s->helium_void_fraction},
      {"helium_pore_volume_cm3_g", s->helium_void_fraction * s->volume / s->mass * cm3},
      {"channel_fraction", s->channel_fraction},
      {"pocket_fraction", s->pocket_fraction},
      {"channel_volume_cm3_g", s->channel_fraction * s->volume / s->mass * cm3},
      {"pocket_volume_cm3_g", s->pocket_fraction * s->volume / s->mass * cm3},
      {"channel_area_m2_g", s->channel_area / s->mass * m2_per_g},
      {"pocket_area_m2_g", s->pocket_area / s->mass * m2_per_g},
      {"channel_area_m2_cm3", s->channel_area / s->volume * 1e4},
      {"pocket_area_m2_cm3", s->pocket_area / s->volume * 1e4},
  };
  int n = (int)(sizeof all / sizeof *all);
  memcpy(v, all, sizeof all);
  return n;
}

static int dimension_of(const eqs_pores_result *r, int n) {
  eqs_pores_space s = {.size = sizeof s};
  int most = 0;
  for (int i = 0; i < n; i++)
    if (!eqs_pores_space_get(r, i, &s) && s.dimension > most) most = s.dimension;
  return most;
}

static void put_json(const job *j, const char *path, const eqs_pores_result *r,
                     const eqs_pores_summary *s) {
  value v[VALUES];
  int n = list_values(s, v), n_space = s->n_channel + s->n_pocket;
  printf("%s{\"name\": ", j->n_row ? ",\n " : "[");
  json_string(stdout, j->doing);
  printf(", \"file\": ");
  json_string(stdout, path);
  printf(", \"atoms\": %d, \"probe\": %.10g, \"spacing\": %.10g, \"radii\": ", j->n_atom,
         j->options.probe, j->options.spacing);
  json_string(stdout, j->options.radii);
  for (int i = 0; i < n; i++) printf(", \"%s\": %.10g", v[i].name, v[i].x);
  printf(", \"channels\": %d, \"pockets\": %d, \"spaces\": [", s->n_channel, s->n_pocket);
  for (int i = 0; i < n_space; i++) {
    eqs_pores_space x = {.size = sizeof x};
    if (eqs_pores_space_get(r, i, &x)) continue;
    printf("%s{\"kind\": \"%s\", \"dimension\": %d, \"volume\": %.10g, \"diameter\": %.10g, "
           "\"center\": [%.10g, %.10g, %.10g]}",
           i ? ", " : "", x.dimension ? "channel" : "pocket", x.dimension, x.volume, x.diameter,
           x.center[0], x.center[1], x.center[2]);
  }
  printf("]}");
}

static void put_cell(FILE *f, const char *s) {
  int quoted = strpbrk(s, ",\"\r\n") != NULL;
  if (quoted) fputc('"', f);
  for (; *s; s++) {
    if (*s == '"') fputc('"', f);
    fputc(*s, f);
  }
  if (quoted) fputc('"', f);
}

static void put_csv(const job *j, const char *path, const eqs_pores_result *r,
                    const eqs_pores_summary *s) {
  value v[VALUES];
  int n = list_values(s, v);
  FILE *f = j->csv_file;
  if (!j->n_row) {
    fputs("name,file,atoms,probe,spacing,radii", f);
    for (int i = 0; i < n; i++) fprintf(f, ",%s", v[i].name);
    fputs(",channels,channel_dimension,pockets\n", f);
  }
  put_cell(f, j->doing);
  fputc(',', f);
  put_cell(f, path);
  fprintf(f, ",%d,%.10g,%.10g,%s", j->n_atom, j->options.probe, j->options.spacing,
          j->options.radii);
  for (int i = 0; i < n; i++) fprintf(f, ",%.10g", v[i].x);
  fprintf(f, ",%d,%d,%d\n", s->n_channel, dimension_of(r, s->n_channel), s->n_pocket);
}

static int write_block(const char *path, const eqs_pores_result *r, int n) {
  FILE *f = fopen(path, "w");
  if (!f) return app_fail(name, "cannot write %s: %s", path, strerror(errno));
  fprintf(f, "%d\n", n);
  for (int i = 0; i < n; i++) {
    double at[3], radius;
    if (eqs_pores_sphere_get(r, i, at, &radius)) break;
    fprintf(f, "%.6f %.6f %.6f %.4f\n", at[0], at[1], at[2], radius);
  }
  int bad = ferror(f);
  if (fclose(f) || bad) return app_fail(name, "cannot write %s: %s", path, strerror(errno));
  return EXIT_OK;
}

/* ---- work */

static int watch(double share, void *user) {
  job *j = user;
  progress_show(&j->line, "%.40s: %.0f %%", j->doing, 100 * share);
  return app_stopped() != 0;
}

static int one_frame(job *j, const char *path, const eqs_structures *s, int i) {
  eqs_pores_result *r = NULL;
  eqs_pores_summary sum = {.size = sizeof sum};
  eqs_systems view = {.size = sizeof view};
  j->doing = eqs_structures_name(s, i);
  int code = EXIT_OK;
  eqs_status status = eqs_structures_view(s, i, &view);
  if (status == EQS_OK) status = eqs_pores(j->context, s, i, &j->options, watch, j, &r);
  progress_clear(&j->line);
  if (status == EQS_ERR_INTERRUPTED) return app_stop_code();
  if (status != EQS_OK || eqs_pores_summary_get(r, &sum)) {
    j->n_failed++;
    return app_fail(name, "%s: %s: %s", path, j->doing, eqs_error());
  }
  j->n_atom = view.first[1];
  if (j->json) put_json(j, path, r, &sum);
  else put_row(j, r, &sum);
  if (j->csv_file) put_csv(j, path, r, &sum);
  if (j->block) code = write_block(j->block, r, sum.n_sphere);
  j->n_row++;
  eqs_pores_result_free(&r);
  return code;
}

static int one_file(job *j, const char *path) {
  eqs_structures *s = NULL;
  eqs_read_options options = {.size = sizeof options, .disorder_major = j->disorder_major};
  if (eqs_structures_read(path, &options, &s)) {
    j->n_failed++;
    return app_fail(name, "%s", eqs_error());
  }
  int code = EXIT_OK, n = eqs_structures_count(s);
  if (j->block && n > 1)
    code = app_usage(name, "--block is for one framework, %s has %d frames", path, n);
  for (int i = 0; i < n && code != EXIT_USAGE && !app_stopped(); i++) {
    int this_one = one_frame(j, path, s, i);
    if (this_one != EXIT_OK) code = this_one;
  }
  eqs_structures_free(&s);
  return code;
}

static int run(job *j, char **paths) {
  int code = EXIT_OK;
  if (eqs_context_open("host", &j->context) || eqs_context_set_threads(j->context, j->threads))
    return app_fail(name, "%s", eqs_error());
  if (j->csv && !(j->csv_file = fopen(j->csv, "w")))
    return app_fail(name, "cannot write %s: %s", j->csv, strerror(errno));
  app_catch_signals();
  j->line = progress_start();
  for (int i = 0; i < j->n_file && code != EXIT_USAGE && !app_stopped(); i++) {
    int this_one = one_file(j, paths[i]);
    if (this_one != EXIT_OK) code = this_one;
  }
  if (j->json && code != EXIT_USAGE) puts(j->n_row ? "]" : "[]");
  if (app_stopped()) {
    app_fail(name, "stopped after %d frameworks", j->n_row);
    code = app_stop_code();
  }
  int bad = j->csv_file && ferror(j->csv_file);
  if (j->csv_file && (fclose(j->csv_file) || bad))
    return app_fail(name, "cannot write %s: %s", j->csv, strerror(errno));
  return code;
}

static int option_one(job *j, int option, const char *text) {
  switch (option) {
  case OPTION_JSON: j->json = 1; return EXIT_OK;
  case OPTION_CSV: j->csv = text; return EXIT_OK;
  case OPTION_BLOCK: j->block = text; return EXIT_OK;
  case OPTION_PROBE: return option_double(name, "--probe", text, 0.01, 20, &j->options.probe);
  case OPTION_SPACING: return option_double(name, "--spacing", text, 0.02, 2, &j->options.spacing);
  case OPTION_POINTS:
    return option_int(name, "--surface-points", text, 10, 1000000, &j->options.surface_points);
  case OPTION_THREADS: return option_int(name, "--threads", text, 0, 4096, &j->threads);
  case OPTION_RADII:
    if (strcmp(text, "uff") != 0 && strcmp(text, "vdw") != 0)
      return app_usage(name, "--radii is uff or vdw, not '%s'", text);
    j->options.radii = text;
    return EXIT_OK;
  default:
    if (strcmp(text, "refuse") != 0 && strcmp(text, "major") != 0)
      return app_usage(name, "--disorder is refuse or major, not '%s'", text);
    j->disorder_major = *text == 'm';
    return EXIT_OK;
  }
}

int pores_main(int argc, char **argv) {
  static const struct option table[] = {{"help", no_argument, NULL, OPTION_HELP},
                                        {"json", no_argument, NULL, OPTION_JSON},
                                        {"probe", required_argument, NULL, OPTION_PROBE},
                                        {"spacing", required_argument, NULL, OPTION_SPACING},
                                        {"radii", required_argument, NULL, OPTION_RADII},
                                        {"surface-points", required_argument, NULL, OPTION_POINTS},
                                        {"csv", required_argument, NULL, OPTION_CSV},
                                        {"block", required_argument, NULL, OPTION_BLOCK},
                                        {"threads", required_argument, NULL, OPTION_THREADS},
                                        {"disorder", required_argument, NULL, OPTION_DISORDER},
                                        {NULL, 0, NULL, 0}};
  job j = {.options = {.size = sizeof j.options, .probe = 1.82, .spacing = 0.15, .radii = "uff"}};
  int option, code;
  opterr = 0;
  while ((option = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
    if (option == OPTION_HELP) {
      puts(help_text);
      return EXIT_OK;
    }
    if (option == ':') return app_usage(name, "%s wants a value", argv[optind - 1]);
    if (option == '?') return app_usage(name, "unknown option %s", argv[optind - 1]);
    if ((code = option_one(&j, option, optarg))) return code;
  }
  j.n_file = argc - optind;
  if (j.n_file < 1) return app_usage(name, "which file?");
  if (j.block && j.n_file > 1) return app_usage(name, "--block is for one framework");
  code = run(&j, argv + optind);
  eqs_context_free(&j.context);
  return code;
}
