/* sevennet.h -- SevenNet (Park et al., J. Chem. Theory Comput. 20, 4857 (2024)), a NequIP network:
 * layers of a linear map, an equivariant convolution, a linear map, a self connection and a gate.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SEVENNET_H
#define EQS_SEVENNET_H

#include "io/torch_archive.h"
#include "potentials/convolution.h"

enum { SEVENNET_LAYERS_MAX = 16 };

/* One layer: x -> gate(linear_2(sum_j R Y linear_1(x)_j) + self(x)). */
typedef struct sevennet_layer {
  layout x, gate, next;                /* features in, input of the gate, features out */
  int gate_offset[N_L];                /* of the gates of each l in row 0 of the gate's input */
  linear_map linear_1, linear_2, self; /* linear_2 holds 1 / (mean number of neighbours) */
  void *bias_1, *bias_self; /* added to the scalars after linear_1 and self: the modal channel's
                               share, folded; NULL where there is none */
  convolution conv;
} sevennet_layer;

typedef struct sevennet {
  potential head;
  int n_layer, n_element;
  double act; /* constant of every silu */
  sevennet_layer layer[SEVENNET_LAYERS_MAX];
  /* The first layer's features depend on the species alone: rows of linear_1(x), self(x). */
  void *h_first, *self_first;
  void *readout;         /* [channels]: both linear maps of the readout in one */
  void *readout_scaled;  /* [n_element][channels]: dE_i/dx of the last features */
  double *scale, *shift; /* [n_element] eV */
  double *device_scale, *device_shift;
  int *elements; /* [n_element], ascending */
  char *text;    /* the strings of head.info */
  const char **modals;
} sevennet;

int sevennet_is(const torch_value *root);
/* From a checkpoint of the sevenn package; nothing of the archive is kept. EQS_ERR_FORMAT,
 * EQS_ERR_UNSUPPORTED (names what is missing), EQS_ERR_ARGUMENT (options). */
eqs_status sevennet_load(const torch_archive *a, const eqs_model_options *o, const kernel_ops *k,
                         potential **out) EQS_CHECK;

extern const potential_ops sevennet_ops;

#endif
