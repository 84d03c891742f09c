/* xyz.h -- XYZ and extended XYZ, the format ASE reads and writes.
 *
 * A frame is a line with the number of atoms, a comment line of key=value pairs (Lattice,
 * Properties, pbc), and one line per atom. Plain XYZ has symbols and positions only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_XYZ_H
#define EQS_XYZ_H

#include "io/structure.h"

/* Appends all frames. Messages name path and line. EQS_ERR_FILE, EQS_ERR_FORMAT. */
eqs_status xyz_read(const char *path, structure_list *out) EQS_CHECK;
/* The same from memory; `name` stands for the file. */
eqs_status xyz_read_memory(const char *text, size_t n, const char *name,
                           structure_list *out) EQS_CHECK;

#endif
