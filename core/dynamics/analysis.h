/* analysis.h -- what eqs_analysis holds, for the loop over frames and for the reports.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ANALYSIS_H
#define EQS_ANALYSIS_H

#include "core/dynamics/density_map.h"
#include "core/dynamics/diffusion.h"
#include "core/dynamics/distribution.h"
#include "core/dynamics/selection.h"

enum { ANALYSIS_WARNINGS = 16 };

struct eqs_analysis {
  eqs_analysis_options o; /* its texts are copies */
  char *text[4];
  structure first;    /* frame of the first trajectory */
  selections groups;  /* whose diffusion is wanted */
  selections mapped;  /* one group, whose density is wanted */
  diffusion **moving; /* [groups.n] */
  distribution *pairs;
  density_map map;
  int open, n_trajectory;
  int64_t frames;  /* used */
  double interval; /* ps between frames; 0 = not known */
  char *warning[ANALYSIS_WARNINGS];
  int n_warning;
};

#endif
