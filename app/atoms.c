/* atoms.c -- `equisorb atoms`: energies and levels of isolated atoms with a density functional.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <strings.h>

static const char name[] = "atoms";

static const char help_text[] =
    "usage: equisorb atoms --elements H,C,O [--functional PBE] [--relativity none|scalar] "
    "[--spin]\n"
    "\n"
    "Total energies and levels of isolated neutral atoms, spherical, in their ground\n"
    "configuration: what the isolated-atom energies (E0) of a model trained with that functional\n"
    "should be compared with. A model whose labels come from pseudopotentials has another zero; "
    "then\n"
    "differences alone mean something, such as spin-polarised minus not.\n"
    "\n"
    "  --elements LIST   symbols, with ranges: H,C,O or H-Ne,Fe\n"
    "  --functional F    any LDA or GGA: LDA, PBE, revPBE, RPBE, PBEsol, BLYP, BP86, PW91, or the\n"
    "                    identifiers of libxc joined by +: gga_x_pbe+gga_c_pbe (default PBE)\n"
    "  --relativity R    none, the default, or scalar: Koelling and Harmon's equation\n"
    "  --spin            spin-polarised, open shells parallel (Hund's rule)\n"
    "  --levels          the levels too, in the table\n"
    "  --json            an array of objects on standard output, levels included\n"
    "  --csv FILE        one row per level\n"
    "\n"
    "example: equisorb atoms --elements H,C,N,O --spin\n"
    "\n"
    "exit codes: 0 done, 1 failed, 2 wrong usage";

enum { OPTION_ELEMENTS = OPTION_OWN, OPTION_FUNCTIONAL, OPTION_RELATIVITY, OPTION_SPIN };
enum { OPTION_LEVELS = OPTION_SPIN + 1, OPTION_CSV, ELEMENTS = 118 };

static const double hartree_ev = 27.211386245988;

typedef struct job {
  eqs_atom_options options;
  int n, number[ELEMENTS], json, levels, done;
  const char *csv;
  FILE *csv_file;
} job;

/* ---- elements */

static int find_element(const char *s, size_t n) {
  for (int z = 1; z <= ELEMENTS && n; z++) {
    const char *symbol = eqs_element_symbol(z);
    if (strlen(symbol) == n && !strncasecmp(symbol, s, n)) return z;
  }
  return 0;
}

static int add_elements(job *j, const char *text) {
  for (const char *s = text; *s;) {
    size_t n = strcspn(s, ",-"), m = 0;
    int from = find_element(s, n), to = from;
    if (s[n] == '-') {
      m = strcspn(s + n + 1, ",");
      to = find_element(s + n + 1, m++);
    }
    if (!from || !to || to < from)
      return app_usage(name, "--elements is a list of symbols, as in H,C,O or H-Ne, not '%.40s'",
                       s);
    for (int z = from; z <= to && j->n < ELEMENTS; z++) j->number[j->n++] = z;
    s += n + m;
    if (*s == ',') s++;
  }
  return EXIT_OK;
}

/* ---- output */

static char letter(int l) { return "spdf"[l & 3]; }

static void put_row(const job *j, const eqs_atom *a) {
  if (!j->done)
    printf("%s, %s, %s\n\n%-7s %20s %20s %9s\n", a->functional,
           j->options.relativistic ? "scalar-relativistic" : "non-relativistic",
           a->spins == 2 ? "spin-polarised" : "spin-restricted", "element", "total, eV",
           "total, hartree", "rounds");
  printf("%-7s %20.6f %20.9f %9d\n", eqs_element_symbol(a->number), a->total, a->total / hartree_ev,
         a->iterations);
  for (int k = 0; j->levels && k < a->n_orbital; k++)
    for (int s = 0; s < a->spins; s++)
      if (a->orbital[k].occupation[s] > 0)
        printf("  %d%c%-4s %20.6f %20.9f %9g\n", a->orbital[k].n, letter(a->orbital[k].l),
               a->spins == 1 ? ""
               : s           ? " down"
                             : " up",
               a->orbital[k].energy[s], a->orbital[k].energy[s] / hartree_ev,
               a->orbital[k].occupation[s]);
}

static void put_json(const job *j, const eqs_atom *a) {
  printf("%s{\"element\": \"%s\", \"number\": %d, \"functional\": ", j->done ? ",\n " : "[",
         eqs_element_symbol(a->number), a->number);
  json_string(stdout, a->functional);
  printf(", \"relativity\": \"%s\", \"spins\": %d, \"total_ev\": %.12g, \"total_hartree\": %.14g, "
         "\"kinetic_ev\": %.12g, \"hartree_ev\": %.12g, \"nuclear_ev\": %.12g, \"xc_ev\": %.12g, "
         "\"levels\": [",
         j->options.relativistic ? "scalar" : "none", a->spins, a->total, a->total / hartree_ev,
         a->kinetic, a->hartree, a->nuclear, a->xc);
  int any = 0;
  for (int k = 0; k < a->n_orbital; k++)
    for (int s = 0; s < a->spins; s++)
      if (a->orbital[k].occupation[s] > 0)
        printf("%s{\"n\": %d, \"l\": %d, \"spin\": %d, \"occupation\": %g, \"energy_ev\": %.12g}",
               any++ ? ", " : "", a->orbital[k].n, a->orbital[k].l, s, a->orbital[k].occupation[s],
               a->orbital[k].energy[s]);
  printf("]}");
}

static void put_csv(const job *j, const eqs_atom *a) {
  if (!j->done)
    fputs("element,number,functional,relativity,spins,total_ev,total_hartree,n,l,spin,occupation,"
          "energy_ev,energy_hartree\n",
          j->csv_file);
  for (int k = 0; k < a->n_orbital; k++)
    for (int s = 0; s < a->spins; s++)
      if (a->orbital[k].occupation[s] > 0)
        fprintf(j->csv_file, "%s,%d,%s,%s,%d,%.12g,%.14g,%d,%d,%d,%g,%.12g,%.14g\n",
                eqs_element_symbol(a->number), a->number, a->functional,
                j->options.relativistic ? "scalar" : "none", a->spins, a->total,
                a->total / hartree_ev, a->orbital[k].n, a->orbital[k].l, s,
                a->orbital[k].occupation[s], a->orbital[k].energy[s],
                a->orbital[k].energy[s] / hartree_ev);
}

/* ---- work */

static int run(job *j) {
  int code = EXIT_OK;
  if (j->csv && !(j->csv_file = fopen(j->csv, "w")))
    return app_fail(name, "cannot write %s: %s", j->csv, strerror(errno));
  app_catch_signals();
  for (int i = 0; i < j->n && !app_stopped(); i++) {
    eqs_atom a = {.size = sizeof a};
    if (eqs_atom_compute(&j->options, j->number[i], &a)) {
      code = app_fail(name, "%s", eqs_error());
      break;
    }
    if (j->json) put_json(j, &a);
    else put_row(j, &a);
    if (j->csv_file) put_csv(j, &a);
    j->done++;
  }
  if (j->json) puts(j->done ? "]" : "[]");
  if (app_stopped()) code = app_stop_code();
  int bad = j->csv_file && ferror(j->csv_file);
  if (j->csv_file && (fclose(j->csv_file) || bad))
    return app_fail(name, "cannot write %s: %s", j->csv, strerror(errno));
  return code;
}

static int option_one(job *j, int option, const char *text) {
  switch (option) {
  case OPTION_ELEMENTS: return add_elements(j, text);
  case OPTION_FUNCTIONAL: j->options.functional = text; return EXIT_OK;
  case OPTION_RELATIVITY:
    if (strcmp(text, "none") != 0 && strcmp(text, "scalar") != 0)
      return app_usage(name, "--relativity is none or scalar, not '%.40s'", text);
    j->options.relativistic = *text == 's';
    return EXIT_OK;
  case OPTION_SPIN: j->options.polarised = 1; return EXIT_OK;
  case OPTION_LEVELS: j->levels = 1; return EXIT_OK;
  case OPTION_CSV: j->csv = text; return EXIT_OK;
  default: j->json = 1; return EXIT_OK;
  }
}

int atoms_main(int argc, char **argv) {
  static const struct option table[] = {{"help", no_argument, NULL, OPTION_HELP},
                                        {"elements", required_argument, NULL, OPTION_ELEMENTS},
                                        {"functional", required_argument, NULL, OPTION_FUNCTIONAL},
                                        {"relativity", required_argument, NULL, OPTION_RELATIVITY},
                                        {"spin", no_argument, NULL, OPTION_SPIN},
                                        {"levels", no_argument, NULL, OPTION_LEVELS},
                                        {"json", no_argument, NULL, OPTION_JSON},
                                        {"csv", required_argument, NULL, OPTION_CSV},
                                        {NULL, 0, NULL, 0}};
  job j = {.options = {.size = sizeof j.options}};
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
  if (optind < argc) return app_usage(name, "what is '%s'?", argv[optind]);
  if (!j.n) return app_usage(name, "which elements? --elements H,C,O");
  return run(&j);
}
