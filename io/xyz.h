/* xyz.h -- XYZ and extended XYZ, the format ASE reads and writes.
 *
 * A frame is a line with the number of atoms, a comment line of key=value pairs (Lattice,
 * Properties, pbc), and one line per atom. Plain XYZ has symbols and positions only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_XYZ_H
#define EQS_XYZ_H

#include <stdio.h>

#include "io/structure.h"

/* Appends all frames. A frame that the file ends in is left out, and the one before has a warning;
 * the first one must be whole. Messages name path and line. EQS_ERR_FILE, EQS_ERR_FORMAT. */
eqs_status xyz_read(const char *path, structure_list *out) EQS_CHECK;
/* The same from memory; `name` stands for the file. */
eqs_status xyz_read_memory(const char *text, size_t n, const char *name,
                           structure_list *out) EQS_CHECK;

/* One frame after the other, none of them kept. */
typedef struct xyz_stream xyz_stream;
typedef struct xyz_values {
  double time;  /* ps, of the comment's "time"; NAN without */
  double share; /* of the file's bytes that is read */
  int cut;      /* 1: the file ends within this frame, which is left out */
} xyz_values;

/* EQS_ERR_FILE: also what is no regular file. */
eqs_status xyz_open(const char *path, xyz_stream **out) EQS_CHECK;
/* The next frame in the place of the one before; *found = 0 at the end, whole or cut. */
eqs_status xyz_next(xyz_stream *s, structure *frame, xyz_values *values, int *found) EQS_CHECK;
void xyz_close(xyz_stream **s);

/* What else a frame may say: more of the comment line ("step=3"), momenta [n][3] in ASE's unit,
 * sqrt(u eV). NULL = nothing. */
typedef struct xyz_extra {
  const char *info;
  const double *momenta;
} xyz_extra;

/* Frames as eqs_extxyz_write writes them, within LOCALE_C(); errors are left in the stream. */
void xyz_write_frames(FILE *file, const eqs_systems *systems, const eqs_result *result,
                      const xyz_extra *extra);

#endif
