/* isotherm_csv.h -- measured or simulated isotherms from a CSV file.
 *
 * A header names the columns, in any order: pressure, loading, and if wanted sigma (of the
 * loading), temperature, gas. Units are Pa, mol/kg, K unless the name says otherwise: pressure_kpa,
 * pressure_mbar, pressure_bar, pressure_atm, loading_mmol_g. Case, blanks and brackets in names do
 * not matter ("Pressure (bar)"). Comma, semicolon or tab, by the header; `#` starts a comment line.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ISOTHERM_CSV_H
#define EQS_ISOTHERM_CSV_H

#include "core/adsorption/isotherm.h"

enum { ISOTHERM_GASES = 8, ISOTHERM_NAME = 16, ISOTHERM_POINTS = 100000 };

typedef struct isotherm_series { /* the points of one gas, in the file's order */
  char gas[ISOTHERM_NAME];
  isotherm_point *point;
  int n, capacity;
} isotherm_series;

typedef struct isotherm_table {
  isotherm_series series[ISOTHERM_GASES];
  int n;
} isotherm_table;

/* temperature (K): of rows without one; 0 = the file must say. A file without a column `gas` is
 * about CO2. EQS_ERR_FILE; EQS_ERR_FORMAT names file, line and column. */
eqs_status isotherm_csv_read(const char *path, double temperature, isotherm_table *out) EQS_CHECK;
void isotherm_table_free(isotherm_table *t);

#endif
