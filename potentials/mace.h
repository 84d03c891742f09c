/* mace.h -- MACE and ScaleShiftMACE (Batatia et al. 2022), from the published `.model` files.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MACE_H
#define EQS_MACE_H

#include "io/torch_archive.h"
#include "potentials/potential.h"

/* True if the root of an archive is a pickled MACE module. */
int mace_is(const torch_value *root);

/* Builds the potential. The archive must outlive it: element-dependent weights are read when a
 * system first holds the element. EQS_ERR_UNSUPPORTED names what is missing. */
eqs_status mace_load(const torch_archive *a, const eqs_model_options *options, const kernel_ops *k,
                     potential **out) EQS_CHECK;

#endif
