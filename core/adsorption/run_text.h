/* run_text.h -- pieces of CSV and JSON that the reports of all sampling runs are made of.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RUN_TEXT_H
#define EQS_RUN_TEXT_H

#include "core/adsorption/chain.h"
#include "core/adsorption/series.h"

#include <stdio.h>

/* A stream into memory; after closing the caller frees the text. EQS_ERR_MEMORY, then NULL. */
eqs_status run_text_open(char **text, size_t *size, FILE **f) EQS_CHECK;
eqs_status run_text_close(char **text, FILE *f) EQS_CHECK;

/* CSV: a comma before each. */
void run_text_fields(FILE *f, const double *x, int n);

/* The names of those that are set, with spaces between. */
void run_text_flags(FILE *f, int n, const char *const *flag, const int *set);

/* JSON: members after others. */
void run_text_member(FILE *f, const char *key, double x);
void run_text_value(FILE *f, const char *key, series_value v); /* mean, sigma, ci95 */
void run_text_holes(FILE *f, int64_t n_overlap, int64_t n_hole, double hole_energy,
                    double discarded_share);
void run_text_moves(FILE *f, const chain_count counts[CHAIN_KINDS]);

#endif
