/* equisorb_models.h -- the public interface to model files of this program's own format
 * (docs/models.md) and to the places where models are looked for. A part of equisorb.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQUISORB_MODELS_H
#define EQUISORB_MODELS_H

/* Metadata of such a file, in the file's order: *key and *value belong to the model; both are NULL
 * where i is not below their number, and for every i of a model that came from another kind of
 * file. The configuration (the key "config") is among them. EQS_ERR_ARGUMENT: no model. */
EQS_API eqs_status eqs_model_metadata(const eqs_model *m, int i, const char **key,
                                      const char **value) EQS_CHECK;

typedef struct eqs_model_write_options {
  size_t size;
  int overwrite; /* 1: a file that is there is replaced */
  /* Metadata to be set: keys of a-z, 0-9 and _ that begin with a letter; an empty value takes one
   * away. "functional" (also by libxc's identifiers) and "dispersion" ("none", "d3bj:pbe") are
   * used when the file is loaded; "name", "licence", "attribution", "training_data" and every other
   * key are shown. */
  int n;
  const char *const *keys, *const *values; /* [n] */
} eqs_model_write_options;

/* Writes a loaded model, all its heads or channels, as one safetensors file: the same tensors with
 * the same bits, whatever it was loaded with (head, precision, dispersion, wall). Written beside
 * `path` and put there when it is whole. Metadata of a model that came from such a file are kept.
 * options may be NULL. EQS_ERR_FILE: it cannot be written, or is there already. EQS_ERR_ARGUMENT: a
 * key or value. EQS_ERR_UNSUPPORTED: something that the format cannot hold. */
EQS_API eqs_status eqs_model_write(const eqs_model *m, const char *path,
                                   const eqs_model_write_options *options) EQS_CHECK;

#endif
