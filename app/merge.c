/* merge.c -- `equisorb merge`: the stores of shards become one.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <getopt.h>

static const char name[] = "merge";

static const char help_text[] =
    "usage: equisorb merge OUT.db STORE.db... [--mixed]\n"
    "\n"
    "Takes the rows of stores of equisorb screen into one, which is made if it is not there: "
    "those\n"
    "of --shard 1/8, 2/8, ... The same screen command without --shard, on OUT.db, then finds the\n"
    "rows, does what is left (such as the stages that rank all frameworks) and shows the table of\n"
    "all. Of two rows of the same content and settings one stays: rather the one that has not\n"
    "failed, then the one whose path comes first. Stores that were run with different settings "
    "are\n"
    "refused. A store is taken as a whole: after a kill the same command goes on, and once more "
    "it\n"
    "changes nothing. The stores stay as they are.\n"
    "\n"
    "  --mixed   also stores of different settings, such as two gases; a row keeps its own\n"
    "\n"
    "exit codes: 0 done; 1 an error; 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM\n"
    "\n"
    "example:\n"
    "  equisorb merge co2.db co2-*.shard.db\n"
    "  equisorb screen cifs/ --model sevennet_0.pth --gas CO2 --temperature 298 --output co2.db\n";

enum { OPTION_MIXED = OPTION_OWN };

static int watch(int done, int of, void *user) {
  progress_show(user, "store %d of %d", done + 1, of);
  return app_stopped() != 0;
}

static void report(const eqs_merge_counts *c, int n, const char *out) {
  printf("%s: %d stores, %lld rows new, %lld better than before, %lld known\n", out, n,
         (long long)c->n_new, (long long)c->n_better, (long long)c->n_known);
  if (c->n_unfinished)
    app_fail(name,
             "beside the stores are %d files of rows that are not done; the shards' own commands "
             "finish them, or screen begins them again",
             c->n_unfinished);
}

static int run(const char *out, const char *const *stores, int n, const eqs_merge_options *o) {
  eqs_merge_counts counts = {.size = sizeof counts};
  progress line = progress_start();
  app_catch_signals();
  eqs_status status = eqs_screen_merge(out, stores, n, o, watch, &line, &counts);
  progress_clear(&line);
  if (status != EQS_OK) {
    app_fail(name, "%s", eqs_error());
    return status == EQS_ERR_INTERRUPTED ? app_stop_code() : EXIT_FAILED;
  }
  report(&counts, n, out);
  return EXIT_OK;
}

int merge_main(int argc, char **argv) {
  static const struct option table[] = {{"help", no_argument, NULL, OPTION_HELP},
                                        {"mixed", no_argument, NULL, OPTION_MIXED},
                                        {NULL, 0, NULL, 0}};
  eqs_merge_options o = {.size = sizeof o};
  int option;
  while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
    if (option == OPTION_HELP) {
      fputs(help_text, stdout);
      return EXIT_OK;
    }
    if (option != OPTION_MIXED) return app_usage(name, "that option is not known");
    o.mixed = 1;
  }
  if (argc - optind < 2) return app_usage(name, "give the store to write and stores to read");
  return run(argv[optind], (const char *const *)argv + optind + 1, argc - optind - 1, &o);
}
