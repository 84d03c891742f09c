/* record.h -- fills a framework's row from what was read, built and sampled.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RECORD_H
#define EQS_RECORD_H

#include "core/adsorption/framework.h"
#include "core/adsorption/widom.h"
#include "io/store.h"

void record_flag(screen_record *r, const char *flag);
/* An empty record: real numbers are NAN. */
void record_blank(screen_record *r);
/* When it was finished: now. */
void record_time(screen_record *r);
/* The path, and the name: the file's without folder and suffix. */
void record_name(screen_record *r, const char *path);
void record_warnings(screen_record *r, const structure *s);
eqs_status record_framework(screen_record *r, const framework *f) EQS_CHECK;
/* Needs r->density; adds the flags of the sampling. t: temperature, K. */
void record_widom(screen_record *r, const widom_result *w, double t);

#endif
