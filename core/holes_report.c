/* holes_report.c -- what eqs_holes found, as a table, CSV, JSON and a drawing.
 * SPDX-License-Identifier: MIT */
#include "core/holes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"
#include "io/elements.h"

static int count_holes(const eqs_holes_result *r) {
  int n = 0;
  for (int i = 0; i < r->n; i++) n += r->pair[i].turn > 0;
  return n;
}

static void write_table(FILE *f, const eqs_holes_result *r) {
  fputs("pair    wall 1 eV    on  | hole from  barrier eV  deepest eV     at | below the wall\n",
        f);
  for (int i = 0; i < r->n; i++) {
    const eqs_hole *h = r->pair + i;
    if (!(h->turn > 0)) continue;
    fprintf(f, "%-2s %-2s  %10.3f %6.3f | %9.2f  %10.4g  %10.4g  %5.2f |", element_symbol(h->z1),
            element_symbol(h->z2), h->wall, h->on, h->turn, h->barrier, h->deepest, h->deepest_at);
    if (h->below_from > 0) fprintf(f, " %.2f - %.2f\n", h->below_to, h->below_from);
    else fputs(" nowhere\n", f);
  }
  fprintf(f, "%d of %d pairs have a hole between %.2f angstrom and 0.7 of the covalent radii\n",
          count_holes(r), r->n, r->closest);
}

static void csv_number(FILE *f, double x) {
  if (isfinite(x)) fprintf(f, ",%.6g", x);
  else fputs(isinf(x) ? (x < 0 ? ",-inf" : ",inf") : ",", f);
}

static void write_csv(FILE *f, const eqs_holes_result *r) {
  fputs("z1,z2,pair,wall_A,on_A,hole_from_A,barrier_eV,deepest_eV,deepest_at_A,below_from_A,"
        "below_to_A\n",
        f);
  for (int i = 0; i < r->n; i++) {
    const eqs_hole *h = r->pair + i;
    const double x[] = {h->wall,    h->on,         h->turn,       h->barrier,
                        h->deepest, h->deepest_at, h->below_from, h->below_to};
    fprintf(f, "%d,%d,%s-%s", h->z1, h->z2, element_symbol(h->z1), element_symbol(h->z2));
    for (size_t k = 0; k < sizeof x / sizeof *x; k++) csv_number(f, x[k]);
    fputc('\n', f);
  }
}

static void member(FILE *f, const char *key, double x) {
  if (isfinite(x)) fprintf(f, ", \"%s\": %.6g", key, x);
  else fprintf(f, ", \"%s\": null", key);
}

static void write_json(FILE *f, const eqs_holes_result *r) {
  fprintf(f, "{\"walls\": \"%s\", \"closest\": %.6g, \"holes\": %d, \"pairs\": [", r->functional,
          r->closest, count_holes(r));
  for (int i = 0; i < r->n; i++) {
    const eqs_hole *h = r->pair + i;
    fprintf(f, "%s\n{\"z1\": %d, \"z2\": %d, \"hole\": %s", i ? "," : "", h->z1, h->z2,
            h->turn > 0 ? "true" : "false");
    member(f, "wall", h->wall);
    member(f, "on", h->on);
    member(f, "hole_from", h->turn > 0 ? h->turn : NAN);
    member(f, "barrier", h->barrier);
    member(f, "deepest", h->deepest);
    member(f, "deepest_at", h->deepest_at);
    member(f, "below_from", h->below_from > 0 ? h->below_from : NAN);
    member(f, "below_to", h->below_to > 0 ? h->below_to : NAN);
    fputc('}', f);
  }
  fputs("\n]}\n", f);
}

/* ---- a matrix of all pairs: green, no hole; from yellow to red as holes get deeper */

static void cell_colour(const eqs_hole *h, char out[8]) {
  double depth = isinf(h->deepest) ? 4 : log10(fmax(1, -h->deepest)) / 4 * 4;
  if (!(h->turn > 0)) snprintf(out, 8, "%s", h->below_from > 0 ? "#e3efd0" : "#b7dba5");
  else
    snprintf(out, 8, "#%02x%02x%02x", 245 - (int)(12 * fmin(depth, 4)),
             215 - (int)(48 * fmin(depth, 4)), 110 - (int)(20 * fmin(depth, 4)));
}

static void draw_cell(FILE *f, const eqs_hole *h, int row, int column, int size) {
  char colour[8];
  cell_colour(h, colour);
  fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"><title>%s-%s: ",
          40 + column * size, 60 + row * size, size - 1, size - 1, colour, element_symbol(h->z1),
          element_symbol(h->z2));
  if (h->turn > 0)
    fprintf(f, "falls from %.2f angstrom on, after %.3g eV, to %.3g eV at %.2f", h->turn,
            h->barrier, h->deepest, h->deepest_at);
  else fputs("no hole", f);
  if (h->below_from > 0)
    fprintf(f, "; below the wall from %.2f to %.2f", h->below_from, h->below_to);
  fputs("</title></rect>\n", f);
}

static void write_svg(FILE *f, const eqs_holes_result *r) {
  int n = r->n_element, size = n > 40 ? 10 : 22, side = n * size;
  int wide = side + 60 > 560 ? side + 60 : 560;
  fprintf(f,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
          "font-family=\"sans-serif\" font-size=\"%d\">\n"
          "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
          "<text x=\"10\" y=\"18\" font-size=\"13\">%d of %d pairs of atoms have a hole at short "
          "range</text>\n"
          "<text x=\"10\" y=\"34\" font-size=\"11\">green: none (pale: below the wall "
          "somewhere); yellow, 1 eV deep, to red, 10 000 eV</text>\n",
          wide, side + 70, n > 40 ? 7 : 11, count_holes(r), r->n);
  for (int i = 0; i < n; i++) {
    const char *s = element_symbol(r->element[i]);
    fprintf(f, "<text x=\"36\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
            60 + i * size + 3 * size / 4, s);
    fprintf(f, "<text x=\"%d\" y=\"56\" text-anchor=\"middle\">%s</text>\n",
            40 + i * size + size / 2, s);
  }
  for (int i = 0, k = 0; i < n; i++)
    for (int j = i; j < n; j++, k++) {
      draw_cell(f, r->pair + k, i, j, size);
      if (i != j) draw_cell(f, r->pair + k, j, i, size);
    }
  fputs("</svg>\n", f);
}

eqs_status eqs_holes_text(const eqs_holes_result *r, const char *format, char **text) {
  static const struct {
    const char *name;
    void (*write)(FILE *f, const eqs_holes_result *r);
  } formats[] = {
      {"table", write_table}, {"csv", write_csv}, {"json", write_json}, {"svg", write_svg}};
  size_t size;
  int k = 0;
  *text = NULL;
  while (k < 4 && format && strcmp(format, formats[k].name) != 0) k++;
  if (!r || !format || k == 4)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no result, or a format other than table, csv, json, svg");
  LOCALE_C();
  FILE *f = open_memstream(text, &size);
  if (!f) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: a text");
  formats[k].write(f, r);
  if (!fclose(f)) return EQS_OK;
  free(*text);
  *text = NULL;
  EQS_FAIL(EQS_ERR_MEMORY, "out of memory: a text");
}
