/* isotherm_report.c -- renders named numbers: a block per name, nested objects, or a row each.
 *
 * Names and units are the program's own or checked by the reader: letters, digits, and what needs
 * no quotes. Numbers that are not known are "-", null, and an empty cell.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/isotherm_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"

eqs_status report_add(report_list *r, const char *section, const char *name, const char *quantity,
                      double value, double sigma, const char *unit) {
  if (r->n == r->capacity) {
    int capacity = r->capacity ? 2 * r->capacity : 64;
    report_item *more = realloc(r->item, (size_t)capacity * sizeof *more);
    if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: report");
    r->item = more;
    r->capacity = capacity;
  }
  report_item *i = &r->item[r->n++];
  *i = (report_item){.value = value, .sigma = sigma};
  snprintf(i->section, sizeof i->section, "%s", section);
  snprintf(i->name, sizeof i->name, "%s", name);
  snprintf(i->quantity, sizeof i->quantity, "%s", quantity);
  snprintf(i->unit, sizeof i->unit, "%s", unit);
  return EQS_OK;
}

eqs_status report_note(report_list *r, const char *format, ...) {
  LOCALE_C();
  char text[300];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  for (int i = 0; i < r->n_note; i++)
    if (!strcmp(r->note[i], text)) return EQS_OK;
  char **list = realloc(r->note, (size_t)(r->n_note + 1) * sizeof *list);
  if (list) r->note = list;
  char *copy = list ? strdup(text) : NULL;
  if (!copy) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: report");
  r->note[r->n_note++] = copy;
  return EQS_OK;
}

static int is_new(const report_list *r, int i, int section_only) {
  if (!i || strcmp(r->item[i].section, r->item[i - 1].section) != 0) return 1;
  return !section_only && strcmp(r->item[i].name, r->item[i - 1].name) != 0;
}

static void put_text(FILE *f, const report_list *r) {
  for (int i = 0; i < r->n; i++) {
    const report_item *x = &r->item[i];
    if (is_new(r, i, 0)) fprintf(f, "%s%s %s\n", i ? "\n" : "", x->section, x->name);
    fprintf(f, "  %-24s", x->quantity);
    if (isfinite(x->value)) fprintf(f, " %12.6g", x->value);
    else fprintf(f, " %12s", "-");
    if (isinf(x->sigma)) fprintf(f, "  +- %-10s", "unknown");
    else if (x->sigma > 0) fprintf(f, "  +- %-10.3g", x->sigma);
    else fprintf(f, "  %13s", "");
    fprintf(f, "  %s\n", x->unit);
  }
  for (int i = 0; i < r->n_note; i++) fprintf(f, "%snote: %s\n", i ? "" : "\n", r->note[i]);
}

static void put_json_number(FILE *f, const char *key, double x) {
  if (isfinite(x)) fprintf(f, "\"%s\": %.10g", key, x);
  else fprintf(f, "\"%s\": null", key);
}

static void put_json(FILE *f, const report_list *r) {
  fputc('{', f);
  for (int i = 0; i < r->n; i++) {
    const report_item *x = &r->item[i];
    if (is_new(r, i, 1)) fprintf(f, "%s\"%s\": {", i ? "}},\n " : "", x->section);
    else if (is_new(r, i, 0)) fputs("},\n  ", f);
    else fputs(", ", f);
    if (is_new(r, i, 0)) fprintf(f, "\"%s\": {", x->name);
    fprintf(f, "\"%s\": {", x->quantity);
    put_json_number(f, "value", x->value);
    if (x->sigma != 0) {
      fputs(", ", f);
      put_json_number(f, "sigma", x->sigma);
    }
    fprintf(f, ", \"unit\": \"%s\"}", x->unit);
  }
  fprintf(f, "%s\"notes\": [", r->n ? "}},\n " : "");
  for (int i = 0; i < r->n_note; i++) fprintf(f, "%s\"%s\"", i ? ", " : "", r->note[i]);
  fputs("]}\n", f);
}

static void put_csv(FILE *f, const report_list *r) {
  fputs("section,name,quantity,value,sigma,unit\n", f);
  for (int i = 0; i < r->n; i++) {
    const report_item *x = &r->item[i];
    fprintf(f, "%s,%s,%s,", x->section, x->name, x->quantity);
    if (isfinite(x->value)) fprintf(f, "%.10g", x->value);
    fputc(',', f);
    if (isfinite(x->sigma) && x->sigma > 0) fprintf(f, "%.10g", x->sigma);
    fprintf(f, ",%s\n", x->unit);
  }
}

eqs_status report_render(const report_list *r, eqs_format format, char **text) {
  LOCALE_C();
  size_t size = 0;
  *text = NULL;
  FILE *f = open_memstream(text, &size);
  if (!f) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: report");
  if (format == EQS_FORMAT_JSON) put_json(f, r);
  else if (format == EQS_FORMAT_CSV) put_csv(f, r);
  else put_text(f, r);
  if (fclose(f)) {
    free(*text);
    *text = NULL;
    EQS_FAIL(EQS_ERR_MEMORY, "out of memory: report");
  }
  return EQS_OK;
}

void report_free(report_list *r) {
  for (int i = 0; i < r->n_note; i++) free(r->note[i]);
  free(r->note);
  free(r->item);
  *r = (report_list){0};
}
