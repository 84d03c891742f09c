/* client.c -- ten lines against the installed library. SPDX-License-Identifier: MIT */
#include <equisorb.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  eqs_context *context = NULL;
  if (argc < 2 || eqs_context_open("host", &context)) return 1;
  eqs_model *model = NULL;
  int good = eqs_model_load(context, argv[1], NULL, &model) == EQS_OK;
  if (strcmp(eqs_version(), EQUISORB_VERSION) != 0) return 1;
  if (eqs_has("no such thing") || eqs_has(NULL)) return 1;
  printf("equisorb %s, %s\n", eqs_version(), good ? "model loaded" : eqs_error());
  eqs_model_free(&model);
  eqs_context_free(&context);
  return strcmp(argc > 2 ? argv[2] : "good", good ? "good" : "refused") != 0;
}
