/* dense.h -- the fully connected networks of radial functions, over rows of jets in double.
 *
 * e3nn's FullyConnectedNet and mace-torch's RadialMLP (biases, LayerNorm): x <- c silu(norm(x W +
 * b)) after every layer but the last. The first layer may add a row for each of the two elements of
 * the edge: what an embedding of source and target becomes once it has been through the weights.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DENSE_H
#define EQS_DENSE_H

#include "core/arena.h"
#include "kernels/kernels.h"

enum { NETWORK_LAYERS_MAX = 8 };

typedef struct dense_layer {
  int in, out;
  double scale;               /* of the weights */
  const double *weight;       /* [in][out] */
  const double *bias;         /* [out] or NULL */
  const double *gain, *shift; /* [out] of the LayerNorm that follows, or NULL */
} dense_layer;

/* What a network is made from; dense_create copies everything. */
typedef struct dense_network {
  int n; /* layers */
  dense_layer layer[NETWORK_LAYERS_MAX];
  double act;                    /* c */
  double epsilon;                /* of the LayerNorms */
  int n_species;                 /* 0: it does not depend on the elements */
  const double *source, *target; /* [n_species][layer[0].out]: of the neighbour, of the centre */
} dense_network;

typedef struct dense dense;

/* The outputs are `n_group` groups of `channels[g]`, each padded in a row of the result; k is a
 * table in double, on whose device everything lies.
 * EQS_ERR_FORMAT: layers that do not fit each other or the outputs. */
eqs_status dense_create(const dense_network *net, const kernel_ops *k, int n_group,
                        const int *channels, dense **out) EQS_CHECK;
void dense_free(dense **d);
int dense_in_width(const dense *d);  /* padded */
int dense_out_width(const dense *d); /* padded */
int dense_species(const dense *d);   /* n_species of the network */
int64_t dense_parameters(const dense *d);

/* n edges, of which *n_edge are there, of `orders` rows (value, slope, curvature) from
 * x[n][orders][in_width] to out[n][orders][out_stride]. source, target: species of each edge, read
 * only if the network depends on them. */
eqs_status dense_evaluate(const dense *d, int n, const int *n_edge, int orders, const int *source,
                          const int *target, const double *x, double *out, int out_stride,
                          arena *scratch) EQS_CHECK;

#endif
