/* test_cif.c -- the CIF reader: published crystals (atom counts, bond lengths of the papers), every
 * spelling of operators and labels, disorder, overlaps, damaged and hostile files, and the real
 * files of the shared collection where it is present.
 *
 * SPDX-License-Identifier: MIT */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/cif.h"
#include "io/cif_parts.h"
#include "io/elements.h"

#define OWN EQS_SOURCE_DIR "/tests/data/cif/"
#define CELL(a, angle)                                                                             \
  "_cell_length_a " a "\n_cell_length_b " a "\n_cell_length_c " a "\n_cell_angle_alpha " angle     \
  "\n_cell_angle_beta " angle "\n_cell_angle_gamma " angle "\n"
#define SITES                                                                                      \
  "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
#define HEAD "data_t\n" CELL("9", "90")

static eqs_status parse(const char *text, int major, structure_list *out) {
  eqs_read_options options = {.size = sizeof options, .disorder_major = major};
  return cif_read_memory(text, strlen(text), "t.cif", &options, out);
}

static int has_warning(const structure *s, const char *part) {
  for (int i = 0; i < s->n_warning; i++)
    if (strstr(s->warning[i], part)) return 1;
  return 0;
}

/* Shortest distance between two elements, by brute force over 5 x 5 x 5 images. */
static double bond(const structure *s, const char *a, const char *b) {
  double best = 1e9;
  int za = element_find(a, strlen(a)), zb = element_find(b, strlen(b));
  for (int i = 0; i < s->n; i++)
    for (int j = 0; j < s->n; j++)
      for (int k = 0; k < 125; k++) {
        int shift[3] = {k % 5 - 2, k / 5 % 5 - 2, k / 25 - 2};
        double r2 = 0.0;
        if (s->number[i] != za || s->number[j] != zb || (i == j && k == 62)) continue;
        for (int d = 0; d < 3; d++) {
          double v = s->position[j][d] - s->position[i][d];
          for (int m = 0; m < 3; m++) v += shift[m] * s->cell[3 * m + d];
          r2 += v * v;
        }
        best = fmin(best, sqrt(r2));
      }
  return best;
}

static const struct crystal {
  const char *file, *formula;
  int atoms;
  struct {
    const char *a, *b;
    double length; /* angstrom, as the papers state or by hand from a and x */
  } bonds[3];
} crystals[] = {
    {"periclase.cif", "Mg4O4", 8, {{"Mg", "O", 2.1056}, {"O", "O", 2.9778}}},
    {"quartz.cif", "O6Si3", 9, {{"Si", "O", 1.605}}},
    {"calcite.cif", "C6Ca6O18", 30, {{"C", "O", 0.2578 * 4.99}}},
    {"sodalite.cif",
     "Al6Cl2Na8O24Si6",
     46,
     {{"Si", "O", 1.620}, {"Al", "O", 1.742}, {"Na", "Cl", 2.735}}},
    {"halite_p1.cif", "Cl4Na4", 8, {{"Na", "Cl", 2.82028}}},
    {"broken.cif", "Mg4O4", 8, {{"Mg", "O", 2.1056}}},
};

Test(cif, published_crystals_have_their_bonds) {
  for (size_t i = 0; i < sizeof crystals / sizeof *crystals; i++) {
    const struct crystal *c = &crystals[i];
    char path[512], formula[100];
    structure_list list = {0};
    snprintf(path, sizeof path, "%s%s", OWN, c->file);
    cr_assert_eq(cif_read(path, NULL, &list), EQS_OK, "%s", eqs_error());
    cr_assert_eq(list.n, 1);
    structure_formula(&list.frame[0], NULL, 0, formula, sizeof formula);
    cr_assert_eq(list.frame[0].n, c->atoms, "%s: %d atoms", c->file, list.frame[0].n);
    cr_assert_str_eq(formula, c->formula);
    for (int b = 0; b < 3 && c->bonds[b].a; b++) {
      double length = bond(&list.frame[0], c->bonds[b].a, c->bonds[b].b);
      cr_assert_float_eq(length, c->bonds[b].length, 1e-3, "%s: %s-%s %.4f", c->file, c->bonds[b].a,
                         c->bonds[b].b, length);
    }
    structure_list_free(&list);
  }
}

Test(cif, rhombohedral_axes_give_the_same_calcite) {
  structure_list list = {0}, hexagonal = {0};
  cr_assert_eq(cif_read(OWN "calcite.cif", NULL, &hexagonal), EQS_OK);
  cr_assert_eq(
      parse("data_c\n" CELL("6.37511",
                            "46.0773") "_space_group_name_H-M_alt 'R -3 c'\n" SITES
                                       "Ca 0 0 0\nC 0.25 0.25 0.25\nO 0.5078 -0.0078 0.25\n",
            0, &list),
      EQS_OK, "%s", eqs_error());
  cr_assert_eq(list.frame[0].n, 10);
  cr_assert_float_eq(bond(&list.frame[0], "C", "O"), 0.2578 * 4.99, 1e-4);
  cr_assert_float_eq(bond(&list.frame[0], "Ca", "O"), bond(&hexagonal.frame[0], "Ca", "O"), 1e-4);
  structure_list_free(&list);
  structure_list_free(&hexagonal);
}

Test(cif, origin_must_be_known) {
  structure_list list = {0};
  cr_assert_eq(
      parse("data_d\n" CELL("3.5668", "90") "_symmetry_space_group_name_H-M 'F d -3 m'\n" SITES
                                            "C .125 .125 .125\n",
            0, &list),
      EQS_ERR_UNSUPPORTED);
  cr_assert(strstr(eqs_error(), "origin"), "%s", eqs_error());
  structure_list_free(&list);
  const char *good[] = {"_symmetry_space_group_name_H-M 'F d -3 m:2'\n",
                        "_symmetry_space_group_name_H-M 'F d -3 m'\n"
                        "_symmetry_space_group_name_Hall '-F 4vw 2vw 3'\n"};
  for (int i = 0; i < 2; i++) {
    char text[800];
    snprintf(text, sizeof text, "data_d\n%s%s%s", CELL("3.5668", "90"), good[i],
             SITES "C .125 .125 .125\n");
    cr_assert_eq(parse(text, 0, &list), EQS_OK, "%s", eqs_error());
    cr_assert_eq(list.frame[0].n, 8);
    cr_assert_float_eq(bond(&list.frame[0], "C", "C"), 3.5668 * sqrt(3.0) / 4.0, 1e-9);
    structure_list_free(&list);
  }
}

Test(cif, listed_operators_win_over_the_name) {
  structure_list list = {0};
  cr_assert_eq(parse(HEAD "_symmetry_space_group_name_H-M 'F m -3 m'\nloop_\n"
                          "_symmetry_equiv_pos_as_xyz\nx,y,z\n-x,-y,-z\n" SITES "C 0.1 0.2 0.3\n",
                     0, &list),
               EQS_OK, "%s", eqs_error());
  cr_assert_eq(list.frame[0].n, 2);
  cr_assert(has_warning(&list.frame[0], "192"));
  structure_list_free(&list);
}

Test(cif, operator_spellings) {
  const char *same[] = {"1/2-x,y+1/4,-z",    " 0.5-X , 1/4 + Y , - Z ", "-x+.5,+y+0.25,-z",
                        "-x+1/2,y+0.25,0-z", "3/2-x,y-3/4,-z+1",        "-x+12/24, y + 6/24 ,-z"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    cif_operator op;
    cr_assert_eq(cif_operator_parse(same[i], &op), EQS_OK, "%s", eqs_error());
    cr_assert(op.r[0][0] == -1 && op.r[1][1] == 1 && op.r[2][2] == -1, "%s", same[i]);
    cr_assert(op.r[0][1] == 0 && op.r[1][0] == 0 && op.r[2][0] == 0);
    cr_assert(op.t[0] == 0.5 && op.t[1] == 0.25 && op.t[2] == 0.0, "%s: %g %g %g", same[i], op.t[0],
              op.t[1], op.t[2]);
  }
  cif_operator hexagonal;
  cr_assert_eq(cif_operator_parse("-x+y, -x, z+.6667", &hexagonal), EQS_OK);
  cr_assert_eq(hexagonal.t[2], 2.0 / 3.0);
  const char *bad[] = {"",        "x,y",     "x,y,z,x",  "x,y,w",    "x,x,z",     "2x,y,z",
                       "x y,y,z", "x,y,1/0", "x,y,",     "x+,y,z",   "x,y,1e999", "x/2,y,z",
                       "x,y,z;",  "x-x,y,z", "x,y,z+1/", "x,y,z+nan"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    cr_assert_eq(cif_operator_parse(bad[i], &hexagonal), EQS_ERR_FORMAT, "'%s'", bad[i]);
}

Test(cif, numbers_with_uncertainties) {
  const struct {
    const char *text;
    int ok;
    double value;
  } cases[] = {{"20.022(3)", 1, 20.022},
               {"+9.0e1", 1, 90.0},
               {"90.", 1, 90.0},
               {".5", 1, 0.5},
               {"-0.00370(7)", 1, -0.0037},
               {"1.5(12)", 1, 1.5},
               {"", 0, 0},
               {"x", 0, 0},
               {"1.5(", 0, 0},
               {"1.5()", 0, 0},
               {"1.5(3)4", 0, 0},
               {"nan", 0, 0},
               {"inf", 0, 0},
               {"0x10", 0, 0},
               {"1e999", 0, 0},
               {"1.5.2", 0, 0},
               {"--1", 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double value = -1.0;
    cr_assert_eq(cif_number(cases[i].text, &value), cases[i].ok, "'%s'", cases[i].text);
    if (cases[i].ok) cr_assert_eq(value, cases[i].value);
  }
}

Test(cif, elements_out_of_labels) {
  const struct {
    const char *label;
    int number, ambiguous;
  } cases[] = {{"C12", 6, 0},  {"Zn2+", 30, 0}, {"O1W", 8, 0}, {"Oa", 8, 1},  {"Cl1", 17, 0},
               {"CL1", 17, 1}, {"Ho1", 67, 1},  {"Co", 27, 1}, {"Si", 14, 0}, {"H1A", 1, 0},
               {"D3", 1, 0},   {"Dy1", 66, 0},  {"Xx", 0, 0},  {"1C", 0, 0},  {"", 0, 0},
               {"Og", 118, 0}, {"n", 7, 0},     {"Wat", 74, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int ambiguous = 0;
    cr_assert_eq(element_from_label(cases[i].label, &ambiguous), cases[i].number, "'%s'",
                 cases[i].label);
    cr_assert_eq(ambiguous, cases[i].ambiguous, "'%s'", cases[i].label);
  }
  cr_assert_float_eq(element_mass(6), 12.011, 1e-9);
  cr_assert_float_eq(element_radius(30), 1.22, 1e-9);
  cr_assert_str_eq(element_symbol(0), "");
  cr_assert_str_eq(element_symbol(119), "");
}

Test(cif, disorder_is_refused_or_resolved) {
  const struct {
    const char *file, *site, *formula;
  } cases[] = {{"disorder_groups.cif", "H2B", "C2H2"}, {"solid_solution.cif", "Fe1", "Mg4O4"}};
  for (int i = 0; i < 2; i++) {
    char path[512], formula[100];
    structure_list list = {0};
    eqs_read_options major = {.size = sizeof major, .disorder_major = 1};
    snprintf(path, sizeof path, "%s%s", OWN, cases[i].file);
    cr_assert_eq(cif_read(path, NULL, &list), EQS_ERR_UNSUPPORTED);
    cr_assert(strstr(eqs_error(), cases[i].site) && strstr(eqs_error(), cases[i].file));
    structure_list_free(&list);
    cr_assert_eq(cif_read(path, &major, &list), EQS_OK, "%s", eqs_error());
    structure_formula(&list.frame[0], NULL, 0, formula, sizeof formula);
    cr_assert_str_eq(formula, cases[i].formula);
    cr_assert(has_warning(&list.frame[0], cases[i].site));
    structure_list_free(&list);
  }
}

Test(cif, overlap_names_the_pair_and_the_distance) {
  structure_list list = {0};
  cr_assert_eq(cif_read(OWN "overlap.cif", NULL, &list), EQS_ERR_FORMAT);
  const char *parts[] = {"overlap.cif", "C7", "H12", "0.450", "atom 1", "atom 3"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    cr_assert(strstr(eqs_error(), parts[i]), "no '%s' in: %s", parts[i], eqs_error());
  structure_list_free(&list);
}

Test(cif, special_positions_and_duplicates) {
  structure_list list = {0};
  /* 0.3333, 0.6667 on a threefold axis: one atom in the hexagonal cell, moved onto the axis */
  cr_assert_eq(parse("data_s\n_cell_length_a 9\n_cell_length_b 9\n_cell_length_c 9\n"
                     "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 120\n"
                     "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-y,x-y,z\n-x+y,-x,z\n" SITES
                     "N 0.3333 0.6667 0.5\nC 0 0 0\nC 1 0 0\n",
                     0, &list),
               EQS_OK, "%s", eqs_error());
  const structure *s = &list.frame[0];
  cr_assert_eq(s->n, 2);
  cr_assert(has_warning(s, "twice"));
  cr_assert_float_eq(s->position[0][0], 0.0, 1e-12); /* (a + 2 b) / 3 */
  cr_assert_float_eq(s->position[0][1], 9.0 / sqrt(3.0), 1e-12);
  structure_list_free(&list);
  cr_assert_eq(parse(HEAD SITES "N1 0 0 0\nC1 1 0 0.001\n", 0, &list), EQS_ERR_FORMAT);
  cr_assert(strstr(eqs_error(), "N1") && strstr(eqs_error(), "C1"));
  structure_list_free(&list);
}

Test(cif, charges_and_blocks) {
#define CHARGED                                                                                    \
  "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"          \
  "_atom_site_charge\n"
  structure_list list = {0};
  cr_assert_eq(parse(HEAD CHARGED "Si 0 0 0 1.5\nO .2 0 0 -1\n"
                                  "data_u\n" CELL("9", "90") CHARGED
                     "Si 0 0 0 0\nO .2 0 0 0.0\n"
                     "data_empty\n_cell_length_a 3\n"
                     "data_v\n" CELL("9", "90") CHARGED "Si 0 0 0 1\nO .2 0 0 -1.0\n",
                     0, &list),
               EQS_OK, "%s", eqs_error());
  cr_assert_eq(list.n, 3);
  cr_assert_str_eq(list.frame[2].name, "t#3");
  cr_assert(has_warning(&list.frame[0], "+0.500"));
  cr_assert_null(list.frame[1].charge);
  cr_assert(has_warning(&list.frame[1], "all charges are 0"));
  cr_assert(list.frame[2].charge && structure_net_charge(&list.frame[2]) == 0.0);
  cr_assert_not(has_warning(&list.frame[2], "add up"));
  structure_list_free(&list);
}

static const struct bad_file {
  const char *text, *expected;
} bad_files[] = {
    {"", "no atom sites"},
    {"data_x\n", "no atom sites"},
    {"hello world\n", "no atom sites"},
    {"data_x\n" SITES "C 0 0 0\n", "_cell_length_a is missing"},
    {"data_x\n" CELL("0", "90") SITES "C 0 0 0\n", "cell length a"},
    {"data_x\n" CELL("1e6", "90") SITES "C 0 0 0\n", "cell length a"},
    {"data_x\n" CELL("nan", "90") SITES "C 0 0 0\n", "not a number"},
    {"data_x\n" CELL("?", "90") SITES "C 0 0 0\n", "not a number"},
    {"data_x\n" CELL("9", "180") SITES "C 0 0 0\n", "cell angle"},
    {"data_x\n" CELL("9", "150") SITES "C 0 0 0\n", "no volume"},
    {HEAD SITES "C nan 0 0\n", "coordinate x"},
    {HEAD SITES "C ? ? ?\n", "coordinate x"},
    {HEAD SITES "C 0 0 1e300\n", "coordinate z"},
    {HEAD SITES "C 0 0\n", "line"},
    {HEAD SITES "Xx1 0 0 0\n", "has no element"},
    {HEAD SITES "? 0 0 0\n", "has no element"},
    {HEAD "loop_\n_atom_site_label\n_atom_site_fract_x\nC 0\n", "_atom_site_fract_y"},
    {HEAD "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,2z\n" SITES "C 0 0 0\n", "x,y,2z"},
    {HEAD "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,x\n" SITES "C 0 0 0\n", "determinant 0"},
    {HEAD "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-y,x-y,z\n" SITES "C 0 0 0\n", "fit the cell"},
    {HEAD "_symmetry_space_group_name_H-M 'Q 7'\n" SITES "C 0 0 0\n", "space group 'Q 7'"},
    {HEAD "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
          "_atom_site_occupancy\nC 0 0 0 2.5\n",
     "occupancy"},
    {HEAD ";\nunterminated\n" SITES "C 0 0 0\n", "line 8"},
    {"data_x\n" CELL("0.5", "90") SITES "C 0 0 0\n", "cell"},
};

Test(cif, bad_files_are_named_errors) {
  for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
    structure_list list = {0};
    eqs_status status = parse(bad_files[i].text, 0, &list);
    cr_assert_eq(status, EQS_ERR_FORMAT, "case %zu: status %d", i, (int)status);
    cr_assert_eq(strncmp(eqs_error(), "t.cif: ", 7), 0, "case %zu: %s", i, eqs_error());
    cr_assert(strstr(eqs_error(), bad_files[i].expected), "case %zu: %s", i, eqs_error());
    structure_list_free(&list);
  }
  structure_list list = {0};
  cr_assert_eq(cif_read_memory("data_\0x", 7, "t.cif", NULL, &list), EQS_ERR_FORMAT);
  cr_assert(strstr(eqs_error(), "zero byte"));
  cr_assert_eq(cif_read("/nowhere/at all.cif", NULL, &list), EQS_ERR_FILE);
  cr_assert_eq(cif_read(OWN, NULL, &list), EQS_ERR_FILE, "a folder");
  structure_list_free(&list);
}

Test(cif, too_many_operators_and_sites) {
  enum { LINES = 5000 };
  char *text = malloc(64 * LINES + 1000);
  int n = snprintf(text, 1000, "%sloop_\n_symmetry_equiv_pos_as_xyz\n", HEAD);
  for (int i = 0; i < LINES; i++) n += snprintf(text + n, 64, "x,y,z+%d/9973\n", i);
  snprintf(text + n, 900, "%sC 0 0 0\n", SITES);
  structure_list list = {0};
  cr_assert_eq(parse(text, 0, &list), EQS_ERR_FORMAT);
  cr_assert(strstr(eqs_error(), "symmetry operators"), "%s", eqs_error());
  structure_list_free(&list);
  n = snprintf(text, 1000, "%s%s", HEAD, SITES);
  for (int i = 0; i < LINES; i++)
    n += snprintf(text + n, 64, "C 0.%05d 0.%05d 0\n", i * 7919 % 100000, i * 104729 % 100000);
  cr_assert_eq(parse(text, 0, &list), EQS_ERR_FORMAT);
  cr_assert(strstr(eqs_error(), "check the cell lengths"), "%s", eqs_error());
  structure_list_free(&list);
  free(text);
}

static char *load(const char *path, size_t *n) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *text = malloc(1 << 20);
  *n = fread(text, 1, 1 << 20, file);
  fclose(file);
  return text;
}

/* Every prefix, and thousands of damaged copies, of real files: any answer will do, no crash. */
Test(cif, damaged_files_do_not_crash) {
  const char *files[] = {"sodalite.cif", "broken.cif", "disorder_groups.cif", "solid_solution.cif"};
  unsigned state = 12345;
  int refused = 0;
  for (int f = 0; f < 4; f++) {
    char path[512];
    size_t n = 0;
    snprintf(path, sizeof path, "%s%s", OWN, files[f]);
    char *text = load(path, &n), *copy = malloc(n + 1);
    cr_assert(text && n > 100);
    for (size_t k = 0; k < n + 400; k++) {
      structure_list list = {0};
      eqs_read_options options = {.size = sizeof options, .disorder_major = (int)(k & 1)};
      size_t length = k < n ? k : n;
      memcpy(copy, text, n);
      for (int m = 0; k >= n && m < 4; m++) {
        state = state * 1664525u + 1013904223u;
        copy[(state >> 8) % n] = "0159.-+'\"_;# \nxyzC?\xff"[(state >> 3) % 20];
      }
      refused += cif_read_memory(copy, length, "t.cif", &options, &list) != EQS_OK;
      structure_list_free(&list);
    }
    free(text);
    free(copy);
  }
  cr_assert_gt(refused, 1000);
}

Test(cif, description_is_json) {
  const char *text = "data_w\n" CELL("12", "90") SITES
      "C1 0 0 0\nO1 .5 .5 .5\nH1 .58 .5 .5\n"
      "H2 .48 .578 .5\nC2 .125 0 0\nC3 .25 0 0\nC4 .375 0 0\nC5 .5 0 0\n"
      "C6 .625 0 0\nC7 .75 0 0\nC8 .875 0 0\n";
  const char *path = "describe \"quoted\".cif";
  FILE *file = fopen(path, "w");
  cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
  eqs_structures *s = NULL;
  char *json = NULL;
  cr_assert_eq(eqs_structures_read(path, NULL, &s), EQS_OK, "%s", eqs_error());
  remove(path);
  cr_assert_str_eq(eqs_structures_name(s, 0), "describe \"quoted\"");
  cr_assert_eq(eqs_structures_describe(s, 0, &json), EQS_OK, "%s", eqs_error());
  cJSON *root = cJSON_Parse(json);
  cr_assert_not_null(root, "%s", json);
  cr_assert_eq(cJSON_GetObjectItem(root, "atoms")->valueint, 11);
  cr_assert_str_eq(cJSON_GetObjectItem(root, "formula")->valuestring, "C8H2O");
  cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(root, "cell")), 6);
  cr_assert(cJSON_IsNull(cJSON_GetObjectItem(root, "charge")));
  double mass = 8 * 12.011 + 2 * 1.008 + 15.999;
  cr_assert_float_eq(cJSON_GetObjectItem(root, "density")->valuedouble,
                     mass * 1.66053906660 / 1728.0, 1e-9);
  cr_assert_float_eq(cJSON_GetObjectItem(root, "shortest_contact")->valuedouble, 0.96, 1e-9);
  cJSON *parts = cJSON_GetObjectItem(root, "components");
  cr_assert_eq(cJSON_GetArraySize(parts), 2);
  cJSON *chain = cJSON_GetArrayItem(parts, 0), *water = cJSON_GetArrayItem(parts, 1);
  cr_assert_eq(cJSON_GetObjectItem(chain, "dimension")->valueint, 1);
  cr_assert_eq(cJSON_GetObjectItem(chain, "atoms")->valueint, 8);
  cr_assert_eq(cJSON_GetObjectItem(water, "dimension")->valueint, 0);
  cr_assert_str_eq(cJSON_GetObjectItem(water, "formula")->valuestring, "H2O");
  cr_assert(strstr(json, "1 x H2O not bound"));
  cJSON_Delete(root);
  eqs_string_free(&json);
  eqs_structures_free(&s);
  cr_assert_null(s);
}

/* The shared collection: atoms by default (0: refused), with the majority, a part of the warnings
 * or of the reason. */
static const struct real_file {
  const char *file;
  int atoms, major;
  const char *formula, *says;
} real_files[] = {
    {"MFI_SI.cif", 288, 288, "O192Si96", NULL},
    {"FAU_SI.cif", 576, 576, "O384Si192", NULL},
    {"LTA4A_Na_P1.cif", 576, 576, "Al96O384Si96", "are ions missing"},
    {"IRMOF-1_Fm-3m.cif", 424, 424, "C192H96O104Zn32", "all charges are 0"},
    {"Cu-BTC_Fm-3m.cif", 624, 624, "C288H96Cu48O192", NULL},
    {"CALF-20_nodata.cif", 44, 44, "C12H8N12O8Zn4", "data_"},
    {"tobacco-667.cif", 207, 207, "C132H60N12Zn3", NULL},
    {"DDR_hex.cif", 360, 360, "O240Si120", NULL},
    {"LTA_SI_Fm-3c.cif", 576, 576, "O384Si192", NULL},
    {"ITQ-29.cif", 72, 72, "O48Si24", NULL},
    {"RHO.cif", 144, 144, "O96Si48", NULL},
    {"ZnMOF-74_R-3.cif", 162, 162, "C72H18O54Zn18", NULL},
    {"ZIF-8_P1.cif", 276, 276, "C96H120N48Zn12", NULL},
    {"ZIF-7_R-3.cif", 522, 522, "C252H180N72Zn18", NULL},
    {"UIO-66_P1.cif", 432, 432, "C192H96O120Zr24", NULL},
    {"MIL-47_Pnma.cif", 72, 72, "C32H16O20V4", NULL},
    {"IRMOF-3_badquote.cif", 472, 472, "C192H120N24O104Zn32", "unterminated"},
    {"MgMOF74_triclinic_charged.cif", 54, 54, "C24H6Mg6O18", NULL},
    {"NU2000_P1.cif", 116, 116, "C40H52Al4O20", NULL},
    {"SIFSIX-3-Ni.cif", 28, 28, "C8H8F6N4NiSi", NULL},
    {"hkust-1_prim.cif", 156, 156, "C72H24Cu12O48", NULL},
    {"irmof-1_prim.cif", 106, 106, "C48H24O26Zn8", NULL},
    {"mg-mof-74_dacsim.cif", 162, 162, "C72H18Mg18O54", NULL},
    {"MAF-X25ox.cif", 198, 198, "C54H36Cl18Mn18N54O18", NULL},
    {"NIGBOW.cif", 56, 56, "C28H16O10V2", NULL},
    {"UiO_66_water.cif", 435, 435, "C192H98O121Zr24", "1 x H2O not bound"},
    {"HKUST-1_low_symm.cif", 624, 624, "C288H96Cu48O192", NULL},
    {"SBMOF-1_nodata.cif", 120, 120, "C56H32Ca4O24S4", "data_"},
    {"SYN_hkust-1_half_water.cif", 0, 156, "C72H24Cu12O48", "O12W"},
    {"SYN_irmof-1_split_H.cif", 0, 106, "C48H24O26Zn8", "H49B"},
    {"SYN_torture_MFI.cif", 288, 288, "O192Si96", NULL},
};

static void check_real_file(const char *path, const struct real_file *want, int major) {
  eqs_read_options options = {.size = sizeof options, .disorder_major = major};
  int atoms = major ? want->major : want->atoms;
  eqs_structures *s = NULL;
  eqs_systems view;
  char *json = NULL, formula[100];
  eqs_status status = eqs_structures_read(path, &options, &s);
  if (atoms == 0) {
    cr_assert_eq(status, EQS_ERR_UNSUPPORTED, "%s is not refused", path);
    cr_assert(strstr(eqs_error(), want->says), "%s", eqs_error());
    return;
  }
  cr_assert_eq(status, EQS_OK, "%s", eqs_error());
  cr_assert_eq(eqs_structures_count(s), 1);
  cr_assert_eq(eqs_structures_view(s, 0, &view), EQS_OK);
  cr_assert_eq(view.first[1], atoms, "%s: %d atoms", path, view.first[1]);
  cr_assert_eq(eqs_structures_describe(s, 0, &json), EQS_OK, "%s", eqs_error());
  snprintf(formula, sizeof formula, "\"formula\": \"%s\", \"cell\"", want->formula);
  cr_assert(strstr(json, formula), "%s", json);
  cr_assert(strstr(json, "\"dimension\": 3"), "%s", json);
  if (want->says) cr_assert(strstr(json, want->says), "%s", json);
  eqs_string_free(&json);
  eqs_structures_free(&s);
}

Test(cif, shared_collection) {
  const char *shared = getenv("EQS_SHARED");
  char path[1024];
  size_t count = sizeof real_files / sizeof *real_files, seen = 0;
  if (!shared) shared = EQS_SOURCE_DIR "/../shared";
  for (size_t i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/cifs/%s", shared, real_files[i].file);
    FILE *file = fopen(path, "rb");
    if (!file) continue;
    fclose(file);
    seen++;
    check_real_file(path, &real_files[i], 0);
    check_real_file(path, &real_files[i], 1);
  }
  if (seen == 0) cr_skip_test("no files in %s/cifs (set EQS_SHARED)", shared);
  cr_assert_eq(seen, count, "%zu of %zu files are there", seen, count);
}
