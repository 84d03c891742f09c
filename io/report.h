/* report.h -- screening results for people (a ranked table) and for programs (CSV).
 * SPDX-License-Identifier: MIT */
#ifndef EQS_REPORT_H
#define EQS_REPORT_H

#include "io/store.h"

/* Rows reach the reporters through this, so that a report never holds more than it needs. */
typedef eqs_status (*report_row)(const void *context, size_t i, screen_record *out);

/* Text to read: warnings, then a row per framework, those that got furthest first, then by falling
 * Henry coefficient, failures last; then the rows of stage "isotherm" in the order given, the
 * legend of the flags that occur, and why frameworks went no further. *text is freed with free().
 */
eqs_status report_table(size_t n, report_row row, const void *context, double pressure,
                        char **text) EQS_CHECK;
/* RFC 4180: a header, all columns of the store, and pressure, uptake (K_H p, mol/kg),
 * uptake_linear, stopped. */
eqs_status report_csv(size_t n, report_row row, const void *context, double pressure,
                      const char *path) EQS_CHECK;

/* Henry's law holds at this pressure: at most 0.1 molecules per primitive cell, so no site is more
 * than a tenth full (a Langmuir site then deviates by at most a tenth). */
int report_linear(const screen_record *r, double pressure);

/* 1 if the word is among the row's flags. */
int report_has_flag(const screen_record *r, const char *flag);

#endif
