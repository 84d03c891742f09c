/* cif_parts.h -- what the files of the CIF reader say to each other.
 *
 * cif_gemmi.cpp tokenises, cif.c collects the wanted columns of a data block, cif_symmetry.c makes
 * operators of them, cif_sites.c sites, cif_expand.c atoms; cif_clean.c repairs text.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CIF_PARTS_H
#define EQS_CIF_PARTS_H

#include "io/cif.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Receives a document: a block, then its items in order; a single item is a loop of one value.
 * Values are unquoted; "" stands for the nulls "." and "?". A failure ends the parse. */
typedef struct cif_sink {
  void *user;
  eqs_status (*block)(void *user, const char *name);
  int (*wanted)(void *user, const char *tag); /* loops without a wanted tag are not delivered */
  eqs_status (*loop)(void *user, int line, size_t n_tag, const char *const *tag, size_t n_value,
                     const char *const *value);
} cif_sink;

/* Strict parse of CIF 1.1. EQS_ERR_FORMAT with "line N: ...". */
eqs_status cif_gemmi_parse(const char *text, size_t n, const cif_sink *sink);

/* Operators of a tabulated space group as "x,y,z" strings, by Hall symbol or, if that is NULL, by
 * Hermann-Mauguin symbol (the angles choose between rhombohedral and hexagonal axes) or number.
 * EQS_ERR_FORMAT: unknown. EQS_ERR_UNSUPPORTED: the name leaves the origin open. */
eqs_status cif_gemmi_operators(const char *hall, const char *name, double alpha, double gamma,
                               void *user, eqs_status (*add)(void *user, const char *triplet));

#ifdef __cplusplus
}
#else

typedef enum cif_tag {
  CIF_CELL, /* a b c alpha beta gamma: six tags */
  CIF_NAME_HM = CIF_CELL + 6,
  CIF_NAME_HALL,
  CIF_NUMBER,
  CIF_OPERATOR,
  CIF_LABEL,
  CIF_TYPE,
  CIF_X, /* x y z: three tags */
  CIF_OCCUPANCY = CIF_X + 3,
  CIF_ASSEMBLY,
  CIF_GROUP,
  CIF_CHARGE,
  CIF_N_TAG
} cif_tag;

typedef struct cif_column {
  char **value; /* [n] */
  size_t n;
  int loop; /* columns of one loop have the same number, counted from 1 */
} cif_column;

typedef struct cif_block {
  char *name;
  cif_column column[CIF_N_TAG];
} cif_block;

/* -1 if the tag is not one of ours; case ignored, "." as good as "_" inside. */
int cif_tag_find(const char *tag, size_t n);
/* A number with an optional standard uncertainty, "20.022(3)"; 0 if it is none or not finite. */
int cif_number(const char *text, double *out);

/* Repairs what strict parsers refuse: a missing data_ header, quotes in items that are not needed,
 * operators without quotes. Every line keeps its number. *out is freed by free(). */
eqs_status cif_clean(const char *text, size_t n, const char *name, char **out,
                     size_t *n_out) EQS_CHECK;

typedef struct cif_operator {
  int r[3][3]; /* fractional coordinates: x' = r x + t */
  double t[3];
} cif_operator;

typedef struct cif_symmetry {
  int n;
  cif_operator op[CIF_MAX_OPERATORS];
} cif_symmetry;

/* Reads "1/2-x, y+.5, -Z". EQS_ERR_FORMAT. */
eqs_status cif_operator_parse(const char *text, cif_operator *out) EQS_CHECK;
/* The block's operators; warnings go to s. s->cell is set. EQS_ERR_FORMAT, EQS_ERR_UNSUPPORTED. */
eqs_status cif_symmetry_read(const cif_block *block, const double cell_parameters[6],
                             cif_symmetry *out, structure *s) EQS_CHECK;
void cif_apply(const cif_operator *op, const double x[3], double out[3]);
/* Distance (angstrom) of two fractional points modulo the lattice; exact where it is small. */
double cif_distance(const double cell[9], const double a[3], const double b[3]);

typedef struct cif_site {
  char label[24], assembly[12], group[12];
  int number;
  double x[3]; /* fractional */
  double occupancy, charge;
  int drop;
} cif_site;

/* Sites of the block, disorder resolved; *out is freed by free(). */
eqs_status cif_sites_read(const cif_block *block, const cif_symmetry *symmetry, int disorder_major,
                          structure *s, cif_site **out, int *n) EQS_CHECK;
/* All atoms of the cell into s, overlaps refused. */
eqs_status cif_expand(const cif_site *site, int n, const cif_symmetry *symmetry,
                      structure *s) EQS_CHECK;

/* Contacts closer than this share of the sum of covalent radii do not occur in matter: the
 * shortest real ones (uranyl, quadruple Mo-Mo bonds) are at 0.66 to 0.68, bonds to hydrogen as
 * X-rays misplace it above 0.62. */
#define CIF_OVERLAP 0.60

#endif
#endif
