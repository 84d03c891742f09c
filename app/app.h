/* app.h -- the sub-commands of `equisorb` and the few things they share.
 *
 * app/ sees nothing of the library but core/equisorb.h. A sub-command gets its own argument vector
 * (argv[0] is its name) and returns the exit code of the process.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_APP_H
#define EQS_APP_H

#include <stddef.h>
#include <stdio.h>

#include "core/equisorb.h"

/* Exit codes; after a signal it is 128 + its number: 130 for Ctrl-C, 143 for SIGTERM. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int info_main(int argc, char **argv);
int convert_main(int argc, char **argv);
int evaluate_main(int argc, char **argv);
int screen_main(int argc, char **argv);
int merge_main(int argc, char **argv);
int gcmc_main(int argc, char **argv);
int tmmc_main(int argc, char **argv);
int pores_main(int argc, char **argv);
int widom_main(int argc, char **argv);
int md_main(int argc, char **argv);
int relax_main(int argc, char **argv);
int elastic_main(int argc, char **argv);
int analyze_main(int argc, char **argv);
int isotherm_main(int argc, char **argv);
int serve_main(int argc, char **argv);
int atoms_main(int argc, char **argv);
int walls_main(int argc, char **argv);
int holes_main(int argc, char **argv);

/* From here on Ctrl-C and SIGTERM only raise a flag; a second one ends the process at once. */
void app_catch_signals(void);
int app_stopped(void);   /* the signal seen, or 0 */
int app_stop_code(void); /* the exit code for it */

/* Prints "equisorb COMMAND: message" on standard error and returns EXIT_FAILED. */
int app_fail(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with the hint to ask --help; returns EXIT_USAGE. */
int app_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The two print nothing from here on. */
void app_silence(void);

/* Letters to change from one word to the other, for those shorter than 32. */
int app_distance(const char *a, const char *b);

/* Whether both paths lead to one file that exists. */
int app_same_file(const char *a, const char *b);

double app_seconds(void);        /* a monotonic clock */
double app_peak_megabytes(void); /* largest resident size so far */

/* A line on standard error that overwrites itself; nothing at all if that is no terminal. */
typedef struct progress {
  int on;
  size_t width; /* columns to clear */
  double shown; /* when it was last written */
} progress;
progress progress_start(void);
void progress_show(progress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void progress_clear(progress *p);

/* A JSON string with its quotes; NULL gives null. */
void json_string(FILE *out, const char *s);

#endif
