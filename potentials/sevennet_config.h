/* sevennet_config.h -- what the configuration in a SevenNet checkpoint says of the network.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SEVENNET_CONFIG_H
#define EQS_SEVENNET_CONFIG_H

#include "io/elements.h"
#include "potentials/sevennet.h"

enum { SEVENNET_HIDDEN_MAX = NETWORK_LAYERS_MAX - 1, SEVENNET_MODALS_MAX = 64 };

typedef struct sevennet_config {
  int sorted; /* radial columns in the order of the slots (0.11.0 on) */
  int n_layer, lmax, normalize;
  layout x[SEVENNET_LAYERS_MAX + 1];         /* features before and after each layer */
  radial_basis basis;                        /* wave numbers are in the parameters */
  int n_hidden, hidden[SEVENNET_HIDDEN_MAX]; /* widths of the radial network */
  int n_element, element[ELEMENT_MAX];       /* ascending */
  int type[ELEMENT_MAX];                     /* row of each in the file's tables */
  int n_modal, modal; /* channels, and the one asked for; n_modal = 0: none */
  const char *modal_name[SEVENNET_MODALS_MAX]; /* in the order of their numbers; the archive's */
  int modal_intro, modal_outro, modal_output, modal_shift, modal_scale;
  const char *functional; /* of the labels, NULL if the file does not tell */
} sevennet_config;

/* EQS_ERR_UNSUPPORTED names what is not implemented. */
eqs_status sevennet_config_read(const torch_value *config, const eqs_model_options *o,
                                sevennet_config *out) EQS_CHECK;

#endif
