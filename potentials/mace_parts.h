/* mace_parts.h -- what mace_read.c (from the file), mace_prepare.c (per element) and mace.c
 * (evaluation) share.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MACE_PARTS_H
#define EQS_MACE_PARTS_H

#include <pthread.h>

#include "io/torch_archive.h"
#include "potentials/contraction.h"
#include "potentials/convolution.h"
#include "potentials/mace.h"
#include "potentials/mace_nonlinear.h"
#include "potentials/zbl.h"

enum { LAYERS_MAX = 8 };

typedef enum { READOUT_NONE, READOUT_LINEAR, READOUT_NONLINEAR } readout_kind;

/* E_n += w . h (linear) or w . y (non-linear) with y = act(h W), or act(act(h W) middle + bias);
 * the head's scale is inside w, constants are inside E0. */
typedef struct mace_readout {
  readout_kind kind;
  void *w;
  linear_map hidden;
  linear_map middle; /* k = NULL if there is none */
  void *bias;        /* of middle, one row */
  double constant;   /* of the normalised silu */
} mace_readout;

/* What tells interaction blocks apart; see mace.c. */
typedef struct interaction_kind {
  const char *name;
  int residual;   /* one mixing matrix and a self-connection, not one matrix per element */
  int density;    /* messages are divided by a density, not by the average number of neighbours */
  int same_skip;  /* the self-connection does not depend on the element */
  int attention;  /* weights depend on the features of both atoms */
  int non_linear; /* a gate follows the mixing */
} interaction_kind;

/* One interaction with its product basis and readout. Arrays over species are filled by
 * mace_prepare for the elements that occur. */
typedef struct mace_layer {
  int residual, density, use_sc;
  linear_map up; /* of the previous layer's features */
  void *up_rows; /* first layer only: up of every element's embedding, [n_element][up.out.size] */
  convolution conv;
  layout message;
  double density_slope, density_offset; /* messages are divided by slope D + offset */
  const torch_value *mix_weight, *skip_weight;
  double mix_factor;          /* one over the average number of neighbours; 1 with a density */
  layout mixed;               /* what the mixing makes: the message, or what the gate sees */
  linear_map mix;             /* residual: aggregate -> mixed */
  mace_nonlinear *non_linear; /* mixed -> message; NULL = they are the same */
  linear_map attend_from, attend_to; /* attention: h -> an atom's rows as neighbour, as centre */
  linear_map skip;                   /* the self-connection, if it is one for all elements */
  /* [n_element]; residual: the self-connection h -> hidden; otherwise aggregate -> message, which
   * is the file's linear and skip_tp in one (the density between them is a scalar) */
  linear_map *by_element;
  void *skip_rows; /* first layer, residual: skip of the embedding, [n_element][hidden.size] */
  contraction contraction;
  int n_weight_element; /* 1 if the contraction's weights do not depend on the element */
  double *weight[N_L][CORRELATION_MAX]; /* [n_weight_element][n_path][mul] */
  int n_weight_path[N_L][CORRELATION_MAX];
  void **coefficient; /* [n_weight_element] */
  linear_map product;
  mace_readout readout;
} mace_layer;

typedef struct mace {
  potential base;
  pthread_mutex_t lock;
  int n_element;
  int *element, *sorted_element;
  double *e0, *device_e0; /* [n_element] E0 + shift of the head in use; where kernels read it */
  double *radius, *device_radius; /* [n_element] of the distance transform; NULL without one */
  double scale;                   /* of the interaction energy */
  layout embedding;
  double *embedding_weight; /* [n_element][mul] */
  const char **heads;
  char *architecture;
  int has_zbl;
  zbl_parameters zbl;
  int n_layer;
  mace_layer layer[LAYERS_MAX];
} mace;

eqs_status mace_prepare(potential *p, const unsigned char *present) EQS_CHECK;
eqs_status mace_evaluate(const potential *p, workspace *w, const batch *b, double *energies,
                         double (*gradient)[3]) EQS_CHECK;
int mace_features(const potential *p, feature out[FEATURES_MAX]);
int mace_exchanged(const potential *p, int layer, int reverse);
void mace_free(potential *p);

#endif
