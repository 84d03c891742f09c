/* model_keys.c -- what format version 1 of model files keeps of a model's tree: the names that the
 * readers of the families ask for. Files are written and read by these tables.
 *
 * '#' stands for a number; '=' before a name: everything below it is kept as it stands. The names
 * are those of mace-torch 0.3, e3nn 0.4 and sevenn 0.9 to 0.13.
 *
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "io/model_file.h"

static const char *const mace[] = {
    /* the model */
    "r_max", "num_interactions", "heads", "atomic_numbers", "use_so3", "node_embedding",
    "radial_embedding", "spherical_harmonics", "interactions", "products", "readouts",
    "scale_shift", "atomic_energies_fn", "pair_repulsion_fn",
    /* modules of e3nn and torch, and what is in them */
    "#", "class", "irreps_in", "irreps_out", "irreps_in1", "irreps_in2", "instructions", "weight",
    "bias", "eps", "layer#", "h_in", "var_in", "var_out", "act", "acts", "f", "cst", "_is_id",
    "net", "_lmax", "normalize", "normalization",
    /* embeddings of distances and elements, energies */
    "linear", "cutoff_fn", "apply_cutoff", "bessel_fn", "bessel_weights", "gaussian_weights", "n",
    "prefactor", "coeff", "distance_transform", "covalent_radii", "a", "b", "c", "p", "q", "alpha",
    "beta", "a_exp", "a_prefactor", "scale", "shift", "atomic_energies",
    /* interactions */
    "linear_up", "linear_down", "linear_1", "linear_2", "linear_res", "linear_mid", "conv_tp",
    "conv_tp_weights", "density_fn", "skip_tp", "skip_linear", "avg_num_neighbors",
    "source_embedding", "target_embedding", "equivariant_nonlin", "_act_scalar", "_scalar_cst",
    "_act_gate", "_gate_cst", "act_scalars", "act_gates", "_layout_is_ir_mul",
    /* products and readouts */
    "symmetric_contractions", "contractions", "correlation", "U_matrix_#", "weights", "weights_max",
    "use_sc", "non_linearity",
    /* what says how sure the model is */
    "committee", "limit", NULL};

static const char *const sevennet[] = {"version",
                                       "_model_type",
                                       "interaction_type",
                                       "act_radial",
                                       "act_scalar",
                                       "act_gate",
                                       "e",
                                       "o",
                                       "radial_basis",
                                       "radial_basis_name",
                                       "bessel_basis_num",
                                       "cutoff",
                                       "cutoff_function",
                                       "cutoff_function_name",
                                       "cutoff_on",
                                       "poly_cut_p_value",
                                       "is_parity",
                                       "use_bias_in_linear",
                                       "readout_as_fcn",
                                       "cuequivariance_config",
                                       "use",
                                       "self_connection_type",
                                       "num_convolution_layer",
                                       "lmax",
                                       "lmax_edge",
                                       "irreps_manual",
                                       "weight_nn_hidden_neurons",
                                       "_normalize_sph",
                                       "=_type_map",
                                       "use_modality",
                                       "=_modal_map",
                                       "default_modal",
                                       "use_modal_node_embedding",
                                       "use_modal_self_inter_intro",
                                       "use_modal_self_inter_outro",
                                       "use_modal_output_block",
                                       "use_modal_wise_shift",
                                       "use_modal_wise_scale",
                                       NULL};

static int matches(const char *pattern, const char *key) {
  for (; *pattern; pattern++) {
    if (*pattern != '#') {
      if (*key++ != *pattern) return 0;
      continue;
    }
    if (!isdigit((unsigned char)*key)) return 0;
    while (isdigit((unsigned char)*key)) key++;
  }
  return !*key;
}

int model_key(model_family f, const char *key) {
  for (const char *const *name = f == FAMILY_MACE ? mace : sevennet; *name; name++) {
    int whole = **name == '=';
    if (matches(*name + whole, key)) return 1 + whole;
  }
  return 0;
}
