/* cif.h -- crystal structures from CIF files as they are met in practice.
 *
 * Symmetry operators of the file are applied, images on special positions merged, elements taken
 * from the type symbol or the label. Partly occupied and disordered sites are refused unless the
 * majority is asked for; atoms that overlap are refused always.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CIF_H
#define EQS_CIF_H

#include "io/structure.h"

enum { CIF_MAX_BYTES = 32 << 20, CIF_MAX_OPERATORS = 192 };

/* Appends one frame per data block that has atom sites. Messages begin with the path.
 * EQS_ERR_FILE: cannot be read. EQS_ERR_FORMAT: no usable structure in it, atoms overlap.
 * EQS_ERR_UNSUPPORTED: disorder (lists the sites), an ambiguous space group without operators. */
eqs_status cif_read(const char *path, const eqs_read_options *options,
                    structure_list *out) EQS_CHECK;
/* The same from memory; `name` stands for the file. */
eqs_status cif_read_memory(const char *text, size_t n, const char *name,
                           const eqs_read_options *options, structure_list *out) EQS_CHECK;

#endif
