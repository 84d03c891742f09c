/* main.c -- the `equisorb` command: picks the sub-command, and what all of them share: signals,
 * messages, the progress line, the clock.
 *
 * SPDX-License-Identifier: MIT */
#include "app/app.h"

#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct entry {
  const char *name, *what;
  int (*run)(int argc, char **argv);
} entry;

static const entry commands[] = {
    {"info", "what a model or structure file holds", info_main},
    {"convert", "a model as one safetensors file", convert_main},
    {"evaluate", "energies, forces and stress of structures", evaluate_main},
    {"screen", "rank frameworks by gas uptake", screen_main},
    {"merge", "the results of a screening's shards in one file", merge_main},
    {"gcmc", "uptake of gases at a pressure, by grand canonical Monte Carlo", gcmc_main},
    {"tmmc", "whole isotherms from one run, by transition-matrix Monte Carlo", tmmc_main},
    {"pores", "diameters, channels, pockets, volume and surface of frameworks", pores_main},
    {"widom", "Henry coefficient of one framework to an asked error", widom_main},
    {"md", "molecular dynamics of a structure", md_main},
    {"relax", "atoms and cell to the nearest minimum", relax_main},
    {"elastic", "elastic constants and moduli by finite strain", elastic_main},
    {"analyze", "diffusion, radial distributions, density maps of trajectories", analyze_main},
    {"isotherm", "fits, selectivities and working capacities from loadings", isotherm_main},
    {"atoms", "energies and levels of isolated atoms with a density functional", atoms_main},
    {"walls", "a table of the repulsion of all pairs of atoms", walls_main},
    {"holes", "where a model has no short-range repulsion", holes_main},
    {"serve", "energies and forces for i-PI, ASE, LAMMPS over a socket", serve_main},
};
enum { N_COMMAND = sizeof commands / sizeof *commands };

static volatile sig_atomic_t stopped; /* written by the signal handler only */

static void on_signal(int number) {
  if (stopped) _exit(128 + number);
  stopped = number;
}

void app_catch_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

int app_stopped(void) { return (int)stopped; }
int app_stop_code(void) { return 128 + (int)stopped; }

static int silent; /* a rank whose messages rank 0 gives */

void app_silence(void) { silent = 1; }

static void say(const char *command, const char *format, va_list args) {
  if (silent) return;
  fprintf(stderr, "equisorb%s%s: ", command ? " " : "", command ? command : "");
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
}

int app_fail(const char *command, const char *format, ...) {
  va_list args;
  va_start(args, format);
  say(command, format, args);
  va_end(args);
  return EXIT_FAILED;
}

int app_usage(const char *command, const char *format, ...) {
  va_list args;
  va_start(args, format);
  say(command, format, args);
  va_end(args);
  if (!silent)
    fprintf(stderr, "Try 'equisorb %s%s--help'.\n", command ? command : "", command ? " " : "");
  return EXIT_USAGE;
}

int app_same_file(const char *a, const char *b) {
  struct stat x, y;
  return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

double app_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double app_peak_megabytes(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage)) return 0;
  return (double)usage.ru_maxrss / 1024;
}

progress progress_start(void) {
  progress p = {.on = isatty(STDERR_FILENO), .width = 0, .shown = 0};
  return p;
}

void progress_show(progress *p, const char *format, ...) {
  double now = app_seconds();
  if (!p->on || now - p->shown < 0.1) return;
  p->shown = now;
  char line[256];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  size_t width = strlen(line);
  fprintf(stderr, "\r%s%*s", line, width < p->width ? (int)(p->width - width) : 0, "");
  fflush(stderr);
  if (width > p->width) p->width = width;
}

void progress_clear(progress *p) {
  if (p->on && p->width) fprintf(stderr, "\r%*s\r", (int)p->width, "");
  p->width = 0;
}

void json_string(FILE *out, const char *s) {
  if (!s) {
    fputs("null", out);
    return;
  }
  fputc('"', out);
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
    else if (c < 0x20) fprintf(out, "\\u%04x", c);
    else fputc(c, out);
  }
  fputc('"', out);
}

int app_distance(const char *a, const char *b) {
  enum { ROW = 32 };
  int row[ROW];
  int n = (int)strlen(b);
  if (n >= ROW) return ROW;
  for (int j = 0; j <= n; j++) row[j] = j;
  for (int i = 1; *a && i < ROW; a++, i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      int best = diagonal + (tolower((unsigned char)*a) != b[j - 1]);
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[n];
}

static void help(void) {
  printf("equisorb %s: machine-learned force fields and adsorption screening\n\n"
         "usage: equisorb COMMAND ...\n\n",
         eqs_version());
  for (int i = 0; i < N_COMMAND; i++) printf("  %-10s%s\n", commands[i].name, commands[i].what);
  printf("\n'equisorb COMMAND --help' explains a command and shows an example.\n"
         "'equisorb --version' prints the version.\n\n"
         "exit codes: 0 done; 1 failed, the reason is on standard error; 2 wrong usage;\n"
         "130 stopped by Ctrl-C, 143 by SIGTERM\n");
}

static int unknown(const char *name) {
  int best = 0;
  for (int i = 1; i < N_COMMAND; i++)
    if (app_distance(name, commands[i].name) < app_distance(name, commands[best].name)) best = i;
  if (app_distance(name, commands[best].name) <= 3)
    return app_usage(NULL, "there is no command '%s'; did you mean '%s'?", name,
                     commands[best].name);
  return app_usage(NULL, "there is no command '%s'", name);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    help();
    return EXIT_USAGE;
  }
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
    help();
    return EXIT_OK;
  }
  if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
    printf("equisorb %s (with: host%s%s%s%s)\n", eqs_version(), eqs_has("cuda") ? " cuda" : "",
           eqs_has("hdf5") ? " hdf5" : "", eqs_has("libxc") ? " libxc" : "",
           eqs_has("mpi") ? " mpi" : "");
    return EXIT_OK;
  }
  for (int i = 0; i < N_COMMAND; i++)
    if (!strcmp(argv[1], commands[i].name)) {
      int code = commands[i].run(argc - 1, argv + 1);
      if (fflush(stdout) && code == EXIT_OK)
        code = app_fail(argv[1], "cannot write to standard output");
      return code;
    }
  return unknown(argv[1]);
}
