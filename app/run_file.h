/* run_file.h -- run files: a YAML mapping of the long options of a command to their values.
 *
 * Every option is a key and every key an option, because one table (getopt_long's) is the list of
 * both. What the command line says comes before what the file says. Numbers may carry a unit.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RUN_FILE_H
#define EQS_RUN_FILE_H

#include <getopt.h>

#include "app/options.h"

/* Takes the value of an option; text is NULL for one without. EXIT_OK, or EXIT_USAGE after a
 * message. The text lives as long as the run_file. */
typedef int (*run_file_take)(void *user, int option, const char *text);

typedef struct run_file {
  char **text; /* [n] what options may point at */
  int n;
} run_file;

/* given[k] of entry k in the table (which ends with a NULL name): 1 leaves the file's value out.
 * many[k]: 1 allows a list of values there, which are taken one by one.
 * Reports line, key and the nearest key there is; EXIT_FAILED if the file cannot be read. */
int run_file_read(const char *command, const char *path, const struct option *table,
                  const char *given, const char *many, run_file_take take, void *user,
                  run_file *out);
void run_file_free(run_file *r);

/* Units of a number; the first is the one without a name. Ends with a NULL name. */
typedef struct unit {
  const char *name;
  double factor;
} unit;
extern const unit unit_time[], unit_temperature[], unit_pressure[], unit_compressibility[],
    unit_force[], unit_energy[];

/* "0.5", "0.5 fs", "10ps": in units of the first of the list, and there between least and most. */
int option_quantity(const char *command, const char *name, const char *text, const unit *units,
                    double least, double most, double *out);

#endif
