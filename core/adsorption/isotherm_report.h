/* isotherm_report.h -- a list of named numbers, as text, JSON or CSV.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ISOTHERM_REPORT_H
#define EQS_ISOTHERM_REPORT_H

#include "core/status.h"

typedef struct report_item {
  char section[16], name[24], quantity[32], unit[16];
  double value, sigma; /* value NAN = not known; sigma 0 = none */
} report_item;

typedef struct report_list {
  report_item *item;
  int n, capacity;
  char **note; /* sentences */
  int n_note;
} report_list;

eqs_status report_add(report_list *r, const char *section, const char *name, const char *quantity,
                      double value, double sigma, const char *unit) EQS_CHECK;
/* A sentence (printf style); one that is there already is not added again. */
eqs_status report_note(report_list *r, const char *format, ...)
    __attribute__((format(printf, 2, 3))) EQS_CHECK;
eqs_status report_render(const report_list *r, eqs_format format, char **text) EQS_CHECK;
void report_free(report_list *r);

#endif
