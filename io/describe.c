/* describe.c -- a structure as one JSON object: composition, cell, density, contacts, components.
 * Strings are escaped after RFC 8259; bytes that are not UTF-8 are replaced by "?".
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"
#include "io/fields.h"
#include "io/structure.h"

typedef struct text {
  char *s;
  size_t n, capacity;
} text;

static eqs_status put(text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3))) EQS_CHECK;
static eqs_status put(text *t, const char *format, ...) {
  va_list args;
  char piece[1200];
  va_start(args, format);
  int length = vsnprintf(piece, sizeof piece, format, args);
  va_end(args);
  size_t n = length < 0 ? 0 : (size_t)length < sizeof piece ? (size_t)length : sizeof piece - 1;
  if (t->n + n + 1 > t->capacity) {
    size_t capacity = 2 * (t->n + n + 1);
    char *grown = realloc(t->s, capacity);
    if (!grown) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: description of a structure");
    t->s = grown;
    t->capacity = capacity;
  }
  memcpy(t->s + t->n, piece, n + 1);
  t->n += n;
  return EQS_OK;
}

static eqs_status put_string(text *t, const char *s) {
  EQS_TRY(put(t, "\""));
  for (const unsigned char *p = (const unsigned char *)s; *p;) {
    int n = utf8_length(p);
    if (n == 0) EQS_TRY(put(t, "?"));
    else if (*p == '"' || *p == '\\') EQS_TRY(put(t, "\\%c", *p));
    else if (*p < 0x20) EQS_TRY(put(t, "\\u%04x", *p));
    else EQS_TRY(put(t, "%.*s", n, (const char *)p));
    p += n ? n : 1;
  }
  return put(t, "\"");
}

static eqs_status put_cell(text *t, const structure *s) {
  if (!structure_is_periodic(s)) return put(t, "null");
  double p[6];
  structure_cell_parameters(s->cell, p);
  return put(t, "[%.10g, %.10g, %.10g, %.10g, %.10g, %.10g]", p[0], p[1], p[2], p[3], p[4], p[5]);
}

static eqs_status put_optional(text *t, const char *key, int known, double value) {
  if (!known || !isfinite(value)) return put(t, ", \"%s\": null", key);
  return put(t, ", \"%s\": %.10g", key, value);
}

static eqs_status put_components(text *t, const structure *s, const structure_components_list *c) {
  enum { MAX_LISTED = 1000 };
  char formula[400];
  EQS_TRY(put(t, ", \"components\": ["));
  for (int i = 0; i < c->n && i < MAX_LISTED; i++) {
    structure_formula(s, c->member + c->first[i], c->atoms[i], formula, sizeof formula);
    EQS_TRY(put(t, "%s{\"atoms\": %d, \"formula\": \"%s\", \"dimension\": %d}", i ? ", " : "",
                c->atoms[i], formula, c->dimension[i]));
  }
  return put(t, "]");
}

/* Pieces that hang on nothing while there is something extended: one sentence for each formula. */
static eqs_status warn_floating(const structure *s, const structure_components_list *c,
                                structure *warnings) {
  enum { MAX_KINDS = 8, FORMULA = 100 };
  char kind[MAX_KINDS][FORMULA];
  int count[MAX_KINDS] = {0}, kinds = 0, others = 0;
  if (c->n == 0 || c->dimension[0] == 0) return EQS_OK;
  for (int i = 1; i < c->n && others < 1000; i++) {
    if (c->dimension[i] > 0) continue;
    char formula[FORMULA];
    structure_formula(s, c->member + c->first[i], c->atoms[i], formula, sizeof formula);
    int k = 0;
    while (k < kinds && strcmp(kind[k], formula) != 0) k++;
    if (k == MAX_KINDS) {
      others++;
      continue;
    }
    if (k == kinds) memcpy(kind[kinds++], formula, sizeof formula);
    count[k]++;
  }
  for (int k = 0; k < kinds; k++)
    EQS_TRY(structure_warn(warnings, "%d x %s not bound to the framework", count[k], kind[k]));
  if (others) EQS_TRY(structure_warn(warnings, "more unbound species of other formulas"));
  return EQS_OK;
}

static eqs_status put_warnings(text *t, const structure *a, const structure *b) {
  const structure *const from[2] = {a, b};
  int count = 0;
  EQS_TRY(put(t, ", \"warnings\": ["));
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < from[k]->n_warning; i++) {
      if (count++) EQS_TRY(put(t, ", "));
      EQS_TRY(put_string(t, from[k]->warning[i]));
    }
  return put(t, "]}\n");
}

eqs_status eqs_structures_describe(const eqs_structures *handle, int i, char **json) {
  LOCALE_C();
  const structure *s = structures_frame(handle, i);
  if (!s || !json)
    EQS_FAIL(EQS_ERR_ARGUMENT, "frame %d does not exist: there are %d", i,
             eqs_structures_count(handle));
  text t = {0};
  structure found = {0};
  structure_components_list components = {0};
  char formula[400];
  double contact, density = structure_density(s);
  eqs_status status = EQS_OK;
  structure_formula(s, NULL, 0, formula, sizeof formula);
  EQS_TRY_DONE(structure_shortest_contact(s, &contact));
  EQS_TRY_DONE(structure_components(s, &components));
  EQS_TRY_DONE(warn_floating(s, &components, &found));
  EQS_TRY_DONE(put(&t, "{\"atoms\": %d, \"formula\": \"%s\", \"cell\": ", s->n, formula));
  EQS_TRY_DONE(put_cell(&t, s));
  EQS_TRY_DONE(put_optional(&t, "density", density > 0.0, density));
  double charge = round(structure_net_charge(s) * 1e9) / 1e9 + 0.0; /* no 1e-15, no -0 */
  EQS_TRY_DONE(put_optional(&t, "charge", s->charge != NULL, charge));
  EQS_TRY_DONE(put_optional(&t, "shortest_contact", contact > 0.0, contact));
  EQS_TRY_DONE(put_components(&t, s, &components));
  EQS_TRY_DONE(put_warnings(&t, s, &found));
  *json = t.s;
  t.s = NULL;
done:
  free(t.s);
  structure_free(&found);
  structure_components_free(&components);
  return status == EQS_OK ? EQS_OK : status_prefix(status, "%s", s->name ? s->name : "structure");
}
