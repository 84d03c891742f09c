/* selection.h -- groups of atoms and molecules, by what a user calls them.
 *
 *   Li            every atom of an element, on its own
 *   CO2           molecules of this formula (Hill order), found by bonds in the first frame
 *   molecules     a group for every formula there is
 *   425-460:3     atoms 425 to 460 (from 1) as molecules of three
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SELECTION_H
#define EQS_SELECTION_H

#include "io/structure.h"

typedef struct selection {
  char name[64];
  int n;        /* centres: atoms or molecules */
  int *first;   /* [n + 1] atoms of centre i are member[first[i]] .. member[first[i+1]-1] */
  int *member;  /* indices from 0 */
  double *mass; /* u, of the members */
} selection;

typedef struct selections {
  const structure *s;
  int have_bonds;
  structure_components_list bonds;
  selection *group;
  int n;
  int *host, n_host; /* atoms of endless pieces (frameworks), or all where there are none */
} selections;

/* Groups named in the list "CO2,Li"; adds to what is there. s must outlive the selections.
 * EQS_ERR_ARGUMENT: nothing of that name. */
eqs_status selections_add(selections *l, const structure *s, const char *text) EQS_CHECK;
/* host: "host": the framework, or all atoms where there is none; "all"; "none": nothing. */
eqs_status selections_host(selections *l, const structure *s, const char *host) EQS_CHECK;
void selections_free(selections *l);

#endif
