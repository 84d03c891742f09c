/* cif_symmetry.c -- symmetry operators of a CIF block, and their action on points.
 *
 * The operators listed in the file always win, because a Hermann-Mauguin symbol leaves origin and
 * axes open; the tables serve only files without a list. Every operator is checked: integer
 * rotation of determinant +-1 that keeps the metric of the cell, W^T G W = G.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/cif_parts.h"

/* Translations of space groups are multiples of 1/24; files round them. */
static double snap(double t) {
  double k = round(t * 24.0);
  if (fabs(t * 24.0 - k) < 0.05) t = k / 24.0;
  t -= floor(t);
  return t;
}

static int determinant(const int r[3][3]) {
  return r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) -
         r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
         r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
}

/* One of the three parts, "-x+1/2"; stops at a comma or the end. 0 if malformed. */
static int parse_part(const char **text, int row[3], double *t) {
  const char *p = *text;
  int terms = 0;
  *t = 0.0;
  row[0] = row[1] = row[2] = 0;
  for (;; terms++) {
    while (isspace((unsigned char)*p)) p++;
    if (*p == 0 || *p == ',') break;
    int sign = 1;
    if (*p == '+' || *p == '-') sign = *p++ == '-' ? -1 : 1;
    else if (terms > 0) return 0;
    while (isspace((unsigned char)*p)) p++;
    int axis = tolower((unsigned char)*p) - 'x';
    if (axis >= 0 && axis < 3) {
      row[axis] += sign;
      p++;
    } else if (isdigit((unsigned char)*p) || *p == '.') {
      char *end;
      double value = strtod(p, &end), divisor = 1.0;
      if (end == p || terms > 8) return 0;
      if (*end == '/') {
        p = end + 1;
        if (!isdigit((unsigned char)*p)) return 0;
        divisor = strtod(p, &end);
      }
      if (!(divisor > 0.0) || !(value / divisor < 100.0)) return 0;
      *t += sign * value / divisor;
      p = end;
    } else {
      return 0;
    }
  }
  *text = p;
  return terms > 0 && terms <= 8;
}

eqs_status cif_operator_parse(const char *text, cif_operator *out) {
  const char *p = text;
  for (int k = 0; k < 3; k++) {
    if (!parse_part(&p, out->r[k], &out->t[k]) || *p != (k < 2 ? ',' : 0))
      EQS_FAIL(EQS_ERR_FORMAT, "symmetry operator '%.60s' is not of the form 'x,y,z'", text);
    out->t[k] = snap(out->t[k]);
    if (k < 2) p++;
  }
  int det = determinant((const int(*)[3])out->r);
  if (det != 1 && det != -1)
    EQS_FAIL(EQS_ERR_FORMAT, "symmetry operator '%.60s' has determinant %d, not 1 or -1", text,
             det);
  return EQS_OK;
}

void cif_apply(const cif_operator *op, const double x[3], double out[3]) {
  for (int k = 0; k < 3; k++)
    out[k] = op->r[k][0] * x[0] + op->r[k][1] * x[1] + op->r[k][2] * x[2] + op->t[k];
}

double cif_distance(const double cell[9], const double a[3], const double b[3]) {
  double d[3], v[3];
  for (int k = 0; k < 3; k++) d[k] = b[k] - a[k] - round(b[k] - a[k]);
  for (int k = 0; k < 3; k++) v[k] = d[0] * cell[k] + d[1] * cell[3 + k] + d[2] * cell[6 + k];
  return sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
}

static int same(const cif_operator *a, const cif_operator *b) {
  if (memcmp(a->r, b->r, sizeof a->r) != 0) return 0;
  for (int k = 0; k < 3; k++) {
    double d = a->t[k] - b->t[k];
    if (fabs(d - round(d)) > 1e-3) return 0;
  }
  return 1;
}

static int contains(const cif_symmetry *s, const cif_operator *op) {
  for (int i = 0; i < s->n; i++)
    if (same(&s->op[i], op)) return 1;
  return 0;
}

static eqs_status add(void *user, const char *text) {
  cif_symmetry *s = user;
  cif_operator op;
  EQS_TRY(cif_operator_parse(text, &op));
  if (contains(s, &op)) return EQS_OK;
  if (s->n == CIF_MAX_OPERATORS)
    EQS_FAIL(EQS_ERR_FORMAT, "more than %d symmetry operators", (int)CIF_MAX_OPERATORS);
  s->op[s->n++] = op;
  return EQS_OK;
}

/* Largest deviation of W G W^T from G (rows are lattice vectors), relative to the longest axis. */
static double misfit(const cif_operator *op, const double cell[9]) {
  double g[3][3], worst = 0.0, scale = 0.0;
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++)
      g[i][j] = cell[3 * i] * cell[3 * j] + cell[3 * i + 1] * cell[3 * j + 1] +
                cell[3 * i + 2] * cell[3 * j + 2];
  for (int i = 0; i < 3; i++) scale = fmax(scale, g[i][i]);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      double sum = 0.0; /* (r^T g r)_ij: images of the lattice vectors are the columns of r */
      for (int k = 0; k < 3; k++)
        for (int l = 0; l < 3; l++) sum += op->r[k][i] * g[k][l] * op->r[l][j];
      worst = fmax(worst, fabs(sum - g[i][j]) / scale);
    }
  return worst;
}

static int is_group(const cif_symmetry *s) {
  for (int i = 0; i < s->n; i++)
    for (int j = 0; j < s->n; j++) {
      const cif_operator *a = &s->op[i], *b = &s->op[j];
      cif_operator c = {0};
      cif_apply(a, b->t, c.t);
      for (int k = 0; k < 3; k++)
        for (int l = 0; l < 3; l++)
          for (int m = 0; m < 3; m++) c.r[k][l] += a->r[k][m] * b->r[m][l];
      if (!contains(s, &c)) return 0;
    }
  return 1;
}

static eqs_status check(cif_symmetry *s, const cif_column *text, structure *out) {
  static const cif_operator identity = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {0.0, 0.0, 0.0}};
  double worst = 0.0;
  if (!contains(s, &identity)) {
    if (s->n == CIF_MAX_OPERATORS)
      EQS_FAIL(EQS_ERR_FORMAT, "the symmetry operators lack x,y,z and are too many");
    s->op[s->n++] = identity;
    EQS_TRY(structure_warn(out, "the symmetry operators lack x,y,z: added"));
  }
  for (int i = 0; i < s->n; i++) worst = fmax(worst, misfit(&s->op[i], out->cell));
  if (worst > 0.02)
    EQS_FAIL(EQS_ERR_FORMAT,
             "the symmetry operators do not fit the cell (off by %.0f %%): wrong axes or angles?",
             100.0 * worst);
  if (worst > 1e-3)
    EQS_TRY(structure_warn(out, "the cell fits its symmetry operators only within %.1f %%",
                           100.0 * worst));
  if (!is_group(s))
    EQS_TRY(structure_warn(out, "the %d symmetry operators%s do not form a group", s->n,
                           text->n ? " of the file" : ""));
  return EQS_OK;
}

static const char *single(const cif_block *block, int tag) {
  const cif_column *c = &block->column[tag];
  return c->n >= 1 && c->value[0][0] ? c->value[0] : NULL;
}

/* Space-group names go to table lookups: only plain short text. */
static const char *plain(const char *name) {
  if (!name || strlen(name) > 40) return NULL;
  for (const char *p = name; *p; p++)
    if (*p < ' ' || *p > '~') return NULL;
  return name;
}

static eqs_status count_operator(void *user, const char *text) {
  (void)text;
  (*(int *)user)++;
  return EQS_OK;
}

/* The symbol may contradict the list: say so. */
static eqs_status compare_with_name(const cif_block *block, const double p[6],
                                    const cif_symmetry *s, structure *out) {
  const char *name = plain(single(block, CIF_NAME_HM));
  int order = 0;
  if (!name || cif_gemmi_operators(NULL, name, p[3], p[5], &order, count_operator) != EQS_OK)
    return EQS_OK;
  if (order == s->n) return EQS_OK;
  return structure_warn(out,
                        "space group '%s' has %d operators but the file lists %d: the list is used",
                        name, order, s->n);
}

eqs_status cif_symmetry_read(const cif_block *block, const double p[6], cif_symmetry *out,
                             structure *s) {
  const cif_column *list = &block->column[CIF_OPERATOR];
  const char *hall = plain(single(block, CIF_NAME_HALL));
  const char *name = plain(single(block, CIF_NAME_HM));
  const char *number = plain(single(block, CIF_NUMBER));
  out->n = 0;
  for (size_t i = 0; i < list->n; i++)
    if (list->value[i][0]) EQS_TRY(add(out, list->value[i]));
  if (out->n > 0) {
    EQS_TRY(check(out, list, s));
    return compare_with_name(block, p, out, s);
  }
  if (!hall && !name && !number) {
    EQS_TRY(structure_warn(s, "no symmetry operators and no space group: taken as P 1"));
    return add(out, "x,y,z");
  }
  /* A Hall symbol that is not understood is no reason to fail as long as there is a name. */
  if (!hall || cif_gemmi_operators(hall, NULL, p[3], p[5], out, add) != EQS_OK) {
    out->n = 0;
    if (!name && !number) EQS_FAIL(EQS_ERR_FORMAT, "unknown Hall symbol '%s'", hall);
    EQS_TRY(cif_gemmi_operators(NULL, name ? name : number, p[3], p[5], out, add));
  }
  if (out->n > 1)
    EQS_TRY(structure_warn(s, "no symmetry operators in the file: taken from the space group '%s'",
                           hall   ? hall
                           : name ? name
                                  : number));
  return check(out, list, s);
}
