/* model_file.h -- this program's own model files: safetensors with a configuration in the metadata
 * (docs/models.md has the format).
 *
 * A file of this kind becomes the same tree of values that a torch.save file becomes, so that one
 * reader of each family serves both containers: objects with their class and attributes, tensors at
 * their dotted names. What format version 1 keeps of such a tree is said in one table, by which
 * files are written and read.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MODEL_FILE_H
#define EQS_MODEL_FILE_H

#include "io/torch_archive.h"

#include "io/pickle.h"

enum { MODEL_FILE_VERSION = 1 };

typedef enum model_family { FAMILY_MACE, FAMILY_SEVENNET, FAMILIES } model_family;
const char *model_family_name(model_family f); /* "mace", "sevennet" */

/* Whether version 1 has the key in a configuration (its digits may be any): 0 no, 1 yes, 2 yes with
 * all that is below it. */
int model_key(model_family f, const char *key);

/* From the bytes of a safetensors file; everything lives in `arena` and views `bytes`. `metadata`
 * is the DICT of strings. EQS_ERR_FORMAT: not of this format, damaged (its checksum tells), numbers
 * that are not finite. EQS_ERR_UNSUPPORTED: a later version, an unknown family or key. */
eqs_status model_file_decode(const void *bytes, size_t n, pickle_arena *arena,
                             const torch_value **root, const torch_value **metadata) EQS_CHECK;

typedef struct model_file_pair {
  const char *key, *value;
} model_file_pair;

/* Writes the model whose tree is `root` with n pairs of metadata beside those that the format
 * itself needs. EQS_ERR_FILE: see safetensors_write. EQS_ERR_UNSUPPORTED names what the format
 * cannot hold. */
eqs_status model_file_write(const torch_value *root, model_family family, const char *path,
                            int overwrite, const model_file_pair *pair, size_t n) EQS_CHECK;

#endif
