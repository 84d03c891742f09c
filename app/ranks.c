/* ranks.c -- see ranks.h.
 * SPDX-License-Identifier: MIT */
#include "app/ranks.h"

#include <signal.h>
#include <stdlib.h>
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

int ranks_agree(eqs_comm *ranks, int code) {
  if (code != EXIT_OK) eqs_comm_fail(ranks, code == EXIT_USAGE ? "wrong usage" : NULL);
  return code;
}

int ranks_join(const char *command, eqs_comm *ranks, eqs_context *context, int code) {
  if (code == EXIT_OK && eqs_context_set_comm(context, ranks))
    code = app_fail(command, "%s", eqs_error());
  return ranks_agree(ranks, code);
}

int ranks_serve(eqs_context *context, const eqs_model *model) {
  return eqs_context_serve(context, model) ? EXIT_FAILED : EXIT_OK;
}

static int read_files(const structures_task *t, eqs_structures **files) {
  const eqs_read_options options = {.size = sizeof options,
                                    .disorder_major = t->model->disorder_major};
  for (int i = 0; i < t->n; i++)
    if (eqs_structures_read(t->path[i], &options, &files[i]))
      return app_fail(t->command, "%s", eqs_error());
  return t->plan ? t->plan(t->user, (const eqs_structures *const *)files) : EXIT_OK;
}

int ranks_structures(const structures_task *t, eqs_comm *ranks, int code) {
  eqs_context *context = NULL;
  eqs_model *model = NULL;
  eqs_structures **files = calloc((size_t)(t->n > 0 ? t->n : 1), sizeof *files);
  int serves = eqs_comm_rank(ranks) > 0, whole = 0;
  if (!files && code == EXIT_OK) code = app_fail(t->command, "out of memory");
  if (code == EXIT_OK && (!serves || t->whole)) code = read_files(t, files);
  if (code == EXIT_OK) whole = t->whole && t->whole(t->user);
  if (code == EXIT_OK) code = model_open(t->command, t->model, &context, &model);
  code = whole ? ranks_agree(ranks, code) : ranks_join(t->command, ranks, context, code);
  if (code == EXIT_OK && whole)
    code = t->run(t->user, context, model, (const eqs_structures *const *)files);
  else if (code == EXIT_OK)
    code = serves ? ranks_serve(context, model)
                  : t->run(t->user, context, model, (const eqs_structures *const *)files);
  for (int i = 0; files && i < t->n; i++) eqs_structures_free(&files[i]);
  free(files);
  eqs_model_free(&model);
  eqs_context_free(&context);
  return code;
}
