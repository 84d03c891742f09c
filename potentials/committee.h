/* committee.h -- a committee of last layers: further linear readouts of a model's features, which
 * say how sure the model is (Bigi, Chong, Ceriotti, Grasselli, Mach. Learn.: Sci. Technol. 5,
 * 045018 (2024)).
 *
 * Member m's energy differs from the model's by dE_m = sum_i w_m . phi_i. phi_i are the l = 0
 * features of atom i, of every block of features that readouts read. The weights are a sample of
 * what the training data leave open, so that the spread of dE_m is an error estimate.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_COMMITTEE_H
#define EQS_COMMITTEE_H

#include "core/status.h"
#include "io/torch_archive.h"
#include "kernels/kernels.h"

enum { COMMITTEE_BLOCKS = 16, COMMITTEE_MAX = 4096 };

typedef struct committee {
  int n;                          /* members; 0 = the file has none */
  int width[COMMITTEE_BLOCKS];    /* of a member's weights of a block, padded */
  void *weight[COMMITTEE_BLOCKS]; /* [n][width] reals, on the device */
  double *limit; /* [n_element] spread of an atom above which its surroundings are unknown, eV; 0 =
                    the element was in no training frame */
} committee;

/* `committee.weight` [members][features] and `committee.limit` [n_element, ascending] below `from`;
 * nothing where there are none. The features are the scalars of n_block layouts.
 * element[n_element]: atomic numbers in the order of species. EQS_ERR_FORMAT names the tensor. */
eqs_status committee_read(const torch_value *from, const kernel_ops *k, int n_block,
                          const layout *const *block, int n_element, const int *element,
                          committee *out) EQS_CHECK;
void committee_free(committee *c, const kernel_ops *k);

/* Before the first block: de[members][n_atom] = 0. */
void committee_begin(const committee *c, const kernel_ops *k, int n_atom, double *de);
/* Adds what n atoms from `begin` get from their rows x of a block, of this layout. */
void committee_add(const committee *c, const kernel_ops *k, int block, const layout *a, int begin,
                   int n, const void *x, int n_atom, double *de);

/* Root mean square over the members: of dE of atom i, [members][n_atom]. */
double committee_spread(const committee *c, const double *de, int n_atom, int i);

#endif
