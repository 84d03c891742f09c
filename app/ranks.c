/* ranks.c -- see ranks.h.
 * SPDX-License-Identifier: MIT */
#include "app/ranks.h"

#include <signal.h>
#include <string.h>

/* mpirun passes signals on to all; rank 0 alone decides what becomes of them. */
static void ignore_signals(void) {
  static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_IGN;
  for (size_t k = 0; k < sizeof signals / sizeof *signals; k++)
    sigaction(signals[k], &action, NULL);
}

int ranks_main(const char *command, int argc, char **argv,
               int (*run)(int argc, char **argv, eqs_comm *ranks)) {
  eqs_comm *ranks = NULL;
  if (eqs_comm_open(NULL, &ranks)) return app_fail(command, "%s", eqs_error());
  if (eqs_comm_rank(ranks)) {
    app_silence();
    ignore_signals();
  }
  int code = run(argc, argv, ranks);
  eqs_comm_close(&ranks);
  return code;
}

int ranks_join(const char *command, eqs_comm *ranks, eqs_context *context, int code) {
  if (code == EXIT_OK && eqs_context_set_comm(context, ranks))
    code = app_fail(command, "%s", eqs_error());
  if (code != EXIT_OK) eqs_comm_fail(ranks, code == EXIT_USAGE ? "wrong usage" : NULL);
  return code;
}

int ranks_serve(eqs_context *context, const eqs_model *model) {
  return eqs_context_serve(context, model) ? EXIT_FAILED : EXIT_OK;
}
