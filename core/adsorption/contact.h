/* contact.h -- distances between an inserted molecule and the framework, for the overlap rule.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CONTACT_H
#define EQS_CONTACT_H

#include "core/adsorption/overlap.h"

typedef struct contacts {
  int n;
  double (*fraction)[3]; /* [n] framework atoms, fractional, in [0, 1) */
  int *number;           /* [n] */
  double cell[9], inverse[9], width[3];
} contacts;

/* Fully periodic framework. EQS_ERR_ARGUMENT: singular cell. EQS_ERR_MEMORY. */
eqs_status contacts_build(contacts *c, int n, const double *position, const int *number,
                          const double cell[9]) EQS_CHECK;
void contacts_free(contacts *c);

/* 1 if any of the m sites is closer to an image of a framework atom than the rule allows their
 * elements, all of which are set in it. */
int contacts_overlap(const contacts *c, int m, const double (*x)[3], const int *number,
                     const overlap_rule *rule);
/* 1 if any image of a is closer than `reach` to b; the atoms of the framework do not matter. */
int contacts_within(const contacts *c, const double a[3], const double b[3], double reach);
/* Shortest distance of any site to any framework atom, if below `reach`; else `reach`. */
double contacts_shortest(const contacts *c, int m, const double (*x)[3], double reach);

#endif
