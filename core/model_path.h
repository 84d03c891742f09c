/* model_path.h -- models that are asked for by name.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MODEL_PATH_H
#define EQS_MODEL_PATH_H

#include "core/status.h"

/* The file that `path` means: itself, or for a bare name (letters, digits, - and _) that is no file
 * here, NAME.safetensors in the first folder that has it: those of EQUISORB_MODELS (separated by
 * colons), models/ beside the library, share/equisorb/models of the installation it belongs to.
 * *out is freed by free(). EQS_ERR_FILE says where it was looked for. */
eqs_status model_path_find(const char *path, char **out) EQS_CHECK;

#endif
