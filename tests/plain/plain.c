/* plain.c -- runs the tests of tests/plain/criterion/criterion.h, each in a child process, and
 * prints their count. Exit code 1 if any failed or there are none.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/plain/criterion/criterion.h"

enum { SKIPPED = 77 };

static plain_test *first;
static int failures; /* of the test that this process runs */

void plain_add(plain_test *t) {
  t->next = first;
  first = t;
}

void plain_fail(int fatal, const char *file, int line, const char *text, const char *format, ...) {
  va_list arguments;
  fprintf(stderr, "%s:%d: failed: %s: ", file, line, text);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  failures++;
  if (fatal) exit(1);
}

void plain_skip(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(failures ? 1 : SKIPPED);
}

static plain_options suite_options(const char *suite) {
  for (const plain_test *t = first; t; t = t->next)
    if (!t->name && !strcmp(t->suite, suite)) return t->options;
  return (plain_options){0};
}

static void run_child(const plain_test *t) {
  plain_options suite = suite_options(t->suite);
  if (suite.init) suite.init();
  if (t->options.init) t->options.init();
  t->run();
  if (t->options.fini) t->options.fini();
  if (suite.fini) suite.fini();
  exit(failures ? 1 : 0);
}

int main(void) {
  int count[3] = {0}; /* passed, failed, skipped */
  for (const plain_test *t = first; t; t = t->next) {
    if (!t->name) continue;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) run_child(t);
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child) status = -1;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    int kind = code == 0 ? 0 : code == SKIPPED ? 2 : 1;
    if (kind == 1)
      printf("%s::%s FAILED (%s %d)\n", t->suite, t->name, code < 0 ? "signal" : "exit code",
             code < 0 ? WTERMSIG(status) : code);
    if (kind == 2) printf("%s::%s skipped\n", t->suite, t->name);
    count[kind]++;
  }
  printf("passed %d, failed %d, skipped %d\n", count[0], count[1], count[2]);
  return count[1] > 0 || count[0] + count[2] == 0;
}
