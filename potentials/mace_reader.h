/* mace_reader.h -- small readers of a MACE module's tree, shared by mace_read.c (the model),
 * mace_read_layer.c (one layer) and what that calls.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MACE_READER_H
#define EQS_MACE_READER_H

#include "kernels/upload.h"
#include "potentials/mace_parts.h"

enum { NAME = 160 };

typedef struct mace_reader {
  mace *m;
  const torch_value *root;
  const kernel_ops *k;
  int head, n_head;
} mace_reader;

/* Below `from`, by a printf-style dotted name; NULL if absent. */
const torch_value *mace_find(const torch_value *from, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The modules of a ModuleList: a list in a configuration in JSON, else its dict. Ask it for the
 * length, and for one by mace_find. */
const torch_value *mace_modules(const torch_value *root, const char *name);
/* A tensor as a new array of double; n = its number of elements. *out is NULL on failure. */
eqs_status mace_read_array(const torch_value *v, const char *what, double **out,
                           size_t *n) EQS_CHECK;
eqs_status mace_read_number(const torch_value *from, const char *name, double *out) EQS_CHECK;
/* A boolean attribute; `otherwise` where it is absent. */
int mace_flag(const torch_value *from, const char *name, int otherwise);
/* e3nn Irreps ((mul, (l, parity)), ...), natural parity, at most L_MAX. */
eqs_status mace_read_irreps(const torch_value *v, const char *what, irreps *out) EQS_CHECK;
/* Irreps with one block per l. */
eqs_status mace_read_layout(const torch_value *v, const char *what, layout *out) EQS_CHECK;
/* The flat weights of an e3nn Linear without biases. */
eqs_status mace_read_flat(const torch_value *v, const char *what, double **out,
                          size_t *n) EQS_CHECK;
/* Such a Linear from `in` (in slots `from`) to `out`. */
eqs_status mace_read_linear(const mace_reader *r, const torch_value *v, const char *what,
                            const irreps *from, const layout *in, const layout *out, double factor,
                            linear_map *map) EQS_CHECK;
/* EQS_ERR_UNSUPPORTED unless `f` is the function or module called `wanted` ("silu", "SiLU"). */
eqs_status mace_check_function(const torch_value *f, const char *wanted,
                               const char *what) EQS_CHECK;
/* The constant of a normalised activation of that name. */
eqs_status mace_read_activation(const torch_value *act, const char *wanted, const char *what,
                                double *out) EQS_CHECK;

/* Which interaction block; EQS_ERR_UNSUPPORTED names one that is not implemented. */
eqs_status mace_interaction_kind(const torch_value *block, const interaction_kind **kind) EQS_CHECK;

/* The weights of layer t's convolution: its radial or edge network, and the maps of attention. */
eqs_status mace_read_radial(mace_reader *r, int t, const interaction_kind *kind,
                            const layout *features, const radial_basis *b, int n_path,
                            const int *channels) EQS_CHECK;
/* A non-linear block's maps and gate, from the aggregate to the message. */
eqs_status mace_read_nonlinear(mace_reader *r, int t) EQS_CHECK;
/* Layer t, which reads `features`. */
eqs_status mace_read_layer(mace_reader *r, int t, const layout *features,
                           const radial_basis *b) EQS_CHECK;
eqs_status mace_read_readout(mace_reader *r, const torch_value *v, mace_layer *l) EQS_CHECK;

#endif
