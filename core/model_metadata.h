/* model_metadata.h -- what the metadata of a model file of this program's own say to the engine.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MODEL_METADATA_H
#define EQS_MODEL_METADATA_H

#include "core/engine.h"

/* The value under a key; NULL if there is none, or the model came from another kind of file. */
const char *model_metadata_get(const eqs_model *m, const char *key);
/* Right after the potential was built: checks that the metadata fit it, and puts what only they
 * know into its info. */
eqs_status model_metadata_apply(eqs_model *m) EQS_CHECK;

#endif
