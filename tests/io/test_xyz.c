/* test_xyz.c -- extended XYZ: round trip to the last bit, the spellings ASE accepts, plain XYZ,
 * several frames, and damaged files with their line numbers.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/structure.h"

static void put_file(const char *path, const char *text) {
  FILE *file = fopen(path, "wb");
  cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", path);
}

static eqs_structures *read_text(const char *path, const char *text) {
  eqs_structures *s = NULL;
  put_file(path, text);
  eqs_status status = eqs_structures_read(path, NULL, &s);
  remove(path);
  cr_assert_eq(status, EQS_OK, "%s", eqs_error());
  return s;
}

/* splitmix64; doubles of all magnitudes that a structure can have. */
static double draw(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return ldexp((double)(int64_t)z, -60 - (int)(z % 23));
}

Test(xyz, round_trip_is_exact) {
  enum { N = 7 };
  const char *path = "round_trip.extxyz";
  const int first[4] = {0, 3, 4, N}, number[N] = {1, 6, 118, 92, 17, 8, 8};
  const int pbc[9] = {1, 1, 1, 0, 0, 0, 1, 0, 1};
  double position[3 * N], cell[27] = {0}, energy[3], energies[N], forces[3 * N], stress[27];
  uint64_t state = 7;
  for (int i = 0; i < 3 * N; i++) position[i] = draw(&state);
  for (int i = 0; i < 3 * N; i++) forces[i] = draw(&state);
  for (int i = 0; i < 27; i++) stress[i] = draw(&state);
  for (int i = 0; i < 9; i++) cell[i] = draw(&state), cell[18 + i] = draw(&state);
  for (int i = 0; i < 3; i++) cell[4 * i] += 9.0, cell[18 + 4 * i] += 9.0;
  for (int i = 0; i < N; i++) energies[i] = draw(&state);
  for (int i = 0; i < 3; i++) energy[i] = draw(&state);
  eqs_systems in = {.size = sizeof in,
                    .n_system = 3,
                    .first = first,
                    .number = number,
                    .position = position,
                    .cell = cell,
                    .pbc = pbc},
              out;
  eqs_result result = {.size = sizeof result,
                       .energy = energy,
                       .energies = energies,
                       .forces = forces,
                       .stress = stress};
  cr_assert_eq(eqs_extxyz_write(path, 0, &in, &result), EQS_OK, "%s", eqs_error());
  cr_assert_eq(eqs_extxyz_write(path, 1, &in, NULL), EQS_OK, "%s", eqs_error());
  eqs_structures *s = NULL;
  cr_assert_eq(eqs_structures_read(path, NULL, &s), EQS_OK, "%s", eqs_error());
  remove(path);
  cr_assert_eq(eqs_structures_count(s), 6);
  cr_assert_eq(eqs_structures_view(s, -1, &out), EQS_OK);
  cr_assert_eq(out.n_system, 6);
  for (int copy = 0; copy < 2; copy++) {
    for (int i = 0; i <= 3; i++) cr_assert_eq(out.first[3 * copy + i], copy * N + first[i]);
    cr_assert_arr_eq(out.number + N * copy, number, sizeof number);
    cr_assert_arr_eq(out.position + 3 * N * copy, position, sizeof position);
    cr_assert_arr_eq(out.cell + 27 * copy, cell, sizeof cell);
    cr_assert_arr_eq(out.pbc + 9 * copy, pbc, sizeof pbc);
  }
  cr_assert_eq(eqs_structures_view(s, 4, &out), EQS_OK);
  cr_assert(out.n_system == 1 && out.first[0] == 0 && out.first[1] == 1 && out.number[0] == 92);
  cr_assert_arr_eq(out.position, position + 9, 3 * sizeof(double));
  cr_assert_eq(eqs_structures_view(s, 6, &out), EQS_ERR_ARGUMENT);
  cr_assert_eq(eqs_structures_view(s, -2, &out), EQS_ERR_ARGUMENT);
  cr_assert_str_eq(eqs_structures_name(s, 1), "round_trip#2");
  cr_assert_str_eq(eqs_structures_name(s, 9), "");
  eqs_structures_free(&s);
}

Test(xyz, results_stand_where_ase_looks_for_them) {
  const char *path = "results.extxyz";
  const int first[2] = {0, 1}, number[1] = {2}, pbc[3] = {1, 0, 1};
  const double position[3] = {0.5, -1.25, 2}, cell[9] = {3, 0, 0, 0, 4, 0, 0, 0, 5};
  double energy = -0.1, energies = -0.1, forces[3] = {1, 2, 3},
         stress[9] = {1, 2, 3, 2, 4, 5, 3, 5, 6};
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = number,
                    .position = position,
                    .cell = cell,
                    .pbc = pbc};
  eqs_result result = {.size = sizeof result,
                       .energy = &energy,
                       .energies = &energies,
                       .forces = forces,
                       .stress = stress};
  cr_assert_eq(eqs_extxyz_write(path, 0, &in, &result), EQS_OK);
  char text[1000] = "";
  FILE *file = fopen(path, "rb");
  cr_assert_not_null(file);
  cr_assert_gt(fread(text, 1, sizeof text - 1, file), 0);
  fclose(file);
  remove(path);
  cr_assert_str_eq(text, "1\nLattice=\"3 0 0 0 4 0 0 0 5\" "
                         "Properties=species:S:1:pos:R:3:forces:R:3:energies:R:1 "
                         "energy=-0.10000000000000001 stress=\"1 2 3 2 4 5 3 5 6\" pbc=\"T F T\"\n"
                         "He 0.5 -1.25 2 1 2 3 -0.10000000000000001\n");
}

Test(xyz, comment_lines) {
  /* same two atoms, all told the same */
  const char *comments[] = {
      "Lattice=\"4 0 0 0 5 0 0 0 6\" Properties=species:S:1:pos:R:3 pbc=\"T T F\"",
      "  pbc = \"1 1 0\"   Lattice = \"4, 0, 0, 0, 5, 0, 0, 0, 6\"",
      "lattice={4 0 0 0 5 0 0 0 6} pbc=[True true FALSE]",
      "Lattice='4 0 0 0 5 0 0 0 6' flag note=\"a \\\"b\\\" = Lattice=1\" pbc='T T F' e=1e-3",
      ("\"odd key\"=\"pbc=\" Lattice=\"4 0 0 0 5 0 0 0 6\" z=\"_JSON [[1, 0], [0, 1]]\" "
       "pbc=\"T T F\""),
  };
  for (size_t i = 0; i < sizeof comments / sizeof *comments; i++) {
    char text[500];
    eqs_systems v;
    snprintf(text, sizeof text, "2\n%s\nO 1 2 3\nTi -1e-1 +.5 4.\n", comments[i]);
    eqs_structures *s = read_text("comment.xyz", text);
    cr_assert_eq(eqs_structures_view(s, 0, &v), EQS_OK);
    const double cell[9] = {4, 0, 0, 0, 5, 0, 0, 0, 6}, position[6] = {1, 2, 3, -0.1, 0.5, 4};
    const int pbc[3] = {1, 1, 0}, number[2] = {8, 22};
    cr_assert_arr_eq(v.cell, cell, sizeof cell, "case %zu", i);
    cr_assert_arr_eq(v.position, position, sizeof position, "case %zu", i);
    cr_assert_arr_eq(v.pbc, pbc, sizeof pbc, "case %zu", i);
    cr_assert_arr_eq(v.number, number, sizeof number, "case %zu", i);
    eqs_structures_free(&s);
  }
}

Test(xyz, columns_in_any_order) {
  eqs_structures *s = read_text(
      "columns.extxyz",
      "2\nLattice=\"9 0 0 0 9 0 0 0 9\" Properties=tag:S:1:forces:R:3:pos:R:3:Z:I:1:charge:R:1\n"
      "x 1 1 1 0.1 0.2 0.3 14 2.5\ny 1 1 1 4 5 6 8 -1\n");
  const structure *f = structures_frame(s, 0);
  cr_assert(f->n == 2 && f->number[0] == 14 && f->number[1] == 8);
  cr_assert(f->position[0][2] == 0.3 && f->position[1][0] == 4.0);
  cr_assert(f->charge && f->charge[0] == 2.5 && f->charge[1] == -1.0);
  cr_assert(f->pbc[0] && f->pbc[1] && f->pbc[2], "a Lattice alone means periodic");
  eqs_structures_free(&s);
}

/* ASE: 1 u at 1 angstrom/fs has the momentum sqrt(103.6427) sqrt(u eV). */
Test(xyz, velocities) {
  eqs_structures *s = read_text("v.xyz", "2\nProperties=species:S:1:pos:R:3:momenta:R:3\n"
                                         "He 0 0 0 40.7491 0 -1\nH 1 1 1 0 10.26195 0\n");
  const structure *f = structures_frame(s, 0);
  cr_assert_not_null(f->velocity);
  cr_expect_float_eq(f->velocity[0][0], 40.7491 / 4.0026 / sqrt(103.642696562), 1e-6);
  cr_expect_float_eq(f->velocity[1][1], 1, 1e-6);
  cr_expect_eq(f->velocity[1][2], 0);
  eqs_structures_free(&s);
  s = read_text("v.xyz", "1\nProperties=species:S:1:velo:R:3:pos:R:3\nHe 0.5 -1 2 0 0 0\n"
                         "1\nProperties=species:S:1:pos:R:3\nHe 0 0 0\n");
  cr_expect_eq(structures_frame(s, 0)->velocity[0][2], 2);
  cr_expect_null(structures_frame(s, 1)->velocity);
  eqs_structures_free(&s);
  put_file("v.xyz", "1\nProperties=species:S:1:pos:R:3:momenta:R:3\nHe 0 0 0 1 2 nan\n");
  cr_expect_eq(eqs_structures_read("v.xyz", NULL, &s), EQS_ERR_FORMAT);
  remove("v.xyz");
}

Test(xyz, plain_files_and_detection) {
  const char *text = " 3 \nwater, r = 0.96\r\nO\t0 0 0 extra\nh 0.96 0 0\n1 -.24 .93 0\n\n"
                     "1\n\nAr 1 1 1";
  eqs_structures *s = read_text("plain.data", text);
  const structure *f = structures_frame(s, 0);
  cr_assert_eq(eqs_structures_count(s), 2);
  cr_assert(f->n == 3 && f->number[0] == 8 && f->number[1] == 1 && f->number[2] == 1);
  cr_assert_not(structure_is_periodic(f));
  cr_assert_null(f->charge);
  char *json = NULL;
  cr_assert_eq(eqs_structures_describe(s, 0, &json), EQS_OK, "%s", eqs_error());
  cr_assert(strstr(json, "\"cell\": null, \"density\": null, \"charge\": null"), "%s", json);
  cr_assert(strstr(json, "{\"atoms\": 3, \"formula\": \"H2O\", \"dimension\": 0}"), "%s", json);
  eqs_string_free(&json);
  cr_assert_eq(eqs_structures_describe(s, 1, &json), EQS_OK, "%s", eqs_error());
  cr_assert(strstr(json, "\"shortest_contact\": null"), "%s", json);
  eqs_string_free(&json);
  cr_assert_eq(eqs_structures_describe(s, 2, &json), EQS_ERR_ARGUMENT);
  eqs_structures_free(&s);
}

static const struct bad_file {
  const char *text, *expected;
} bad_files[] = {
    {"", "holds no frame"},
    {"\n\n", "holds no frame"},
    {"x\n", "line 1: 'x' is not a number of atoms"},
    {"2 3\n\n", "line 1"},
    {"0\n\n", "line 1: 0 atoms"},
    {"-4\n\n", "line 1"},
    {"99999999999999999999\n\n", "line 1"},
    {"300000\n\n", "line 1: 300000 atoms"},
    {"1\n", "line 2: the file ends"},
    {"2\n\nH 0 0 0\n", "line 4: the file ends after 1 of 2"},
    {"1\n\nH 0 0\n", "line 3: 3 columns, 4 expected"},
    {"1\n\nH 0 0 nan\n", "line 3: coordinate 'nan'"},
    {"1\n\nH 0 0 1e999\n", "line 3: coordinate"},
    {"1\n\nH 0 0 1x\n", "line 3: coordinate '1x'"},
    {"1\n\nXx 0 0 0\n", "line 3: 'Xx'"},
    {"1\n\n119 0 0 0\n", "line 3: '119'"},
    {"1\nLattice=\"1 2 3\"\nH 0 0 0\n", "line 2: Lattice"},
    {"1\nLattice=\"1 0 0 0 1 0 0 0 inf\"\nH 0 0 0\n", "line 2: Lattice"},
    {"1\nLattice=\"1 0 0 0 1 0 1 1 0\"\nH 0 0 0\n", "line 2: Lattice encloses no volume"},
    {"1\nLattice=\"1 0 0 0 1 0 0 0 1 0\"\nH 0 0 0\n", "line 2: Lattice"},
    {"1\npbc=\"T T T\"\nH 0 0 0\n", "line 2: pbc without"},
    {"1\nLattice=\"1 0 0 0 1 0 0 0 1\" pbc=\"T T\"\nH 0 0 0\n", "line 2: pbc"},
    {"1\nLattice=\"1 0 0 0 1 0 0 0 1\" pbc=\"T T X\"\nH 0 0 0\n", "line 2: pbc"},
    {"1\nProperties=species:S:1\nH 0 0 0\n", "line 2: Properties"},
    {"1\nProperties=species:S:1:pos:R\nH 0 0 0\n", "line 2: Properties"},
    {"1\nProperties=species:S:1:pos:R:3:a:R:999999999\nH 0 0 0\n", "line 2: Properties"},
    {"1\nProperties=species:S:1:pos:R:3:a:R:-5\nH 0 0 0\n", "line 2: Properties"},
    {"1\nProperties=pos:R:3:Z:I:1\n0 0 0 H\n", "line 3: 'H' is not an atomic number"},
    {"1\n\nH 0 0 0\n1\n\nH 0 0 q\n", "line 6"},
};

Test(xyz, bad_files_name_the_line) {
  const char *path = "bad.xyz";
  for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
    eqs_structures *s = NULL;
    put_file(path, bad_files[i].text);
    cr_assert_eq(eqs_structures_read(path, NULL, &s), EQS_ERR_FORMAT, "case %zu", i);
    cr_assert_null(s);
    cr_assert(strstr(eqs_error(), bad_files[i].expected) && strstr(eqs_error(), path),
              "case %zu: %s", i, eqs_error());
  }
  char *longest = malloc(3 << 20);
  memset(longest, 'a', 3 << 20);
  memcpy(longest, "1\n", 2);
  longest[(3 << 20) - 1] = 0;
  put_file(path, longest);
  eqs_structures *s = NULL;
  cr_assert_eq(eqs_structures_read(path, NULL, &s), EQS_ERR_FORMAT);
  cr_assert(strstr(eqs_error(), "line 2: longer"), "%s", eqs_error());
  free(longest);
  remove(path);
  cr_assert_eq(eqs_structures_read("/nowhere/a.xyz", NULL, &s), EQS_ERR_FILE);
  cr_assert_eq(eqs_structures_read("/nowhere/a", NULL, &s), EQS_ERR_FILE);
  cr_assert_eq(eqs_structures_read(NULL, NULL, &s), EQS_ERR_ARGUMENT);
  eqs_structures_free(NULL);
  eqs_structures_free(&s);
}

/* What a run leaves that is killed while it writes: read as far as it is whole. */
Test(xyz, a_file_that_ends_within_a_frame) {
  const char whole[] = "1\nframe one\nH 0 0 0\n2\nframe two\nH 0 0 0\nO 0 0 1.25\n";
  for (size_t n = 21; n < sizeof whole - 1; n++) {
    char text[sizeof whole] = {0};
    memcpy(text, whole, n);
    eqs_structures *s = read_text("cut.xyz", text);
    int both = n >= sizeof whole - 1 - strlen(".25\n"); /* shorter numbers are numbers */
    cr_assert_eq(eqs_structures_count(s), 1 + both, "%zu bytes", n);
    cr_assert_eq(structures_frame(s, 0)->n_warning, 1 - both, "%zu bytes", n);
    eqs_structures_free(&s);
  }
}

Test(xyz, bad_output) {
  const int first[2] = {0, 1}, good = 1, bad = 0;
  const double position[3] = {0, 0, 0};
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = &good,
                    .position = position,
                    .cell = NULL,
                    .pbc = NULL};
  cr_assert_eq(eqs_extxyz_write("/nowhere/a.xyz", 0, &in, NULL), EQS_ERR_FILE);
  cr_assert_eq(eqs_extxyz_write("/dev/full", 0, &in, NULL), EQS_ERR_FILE);
  in.number = &bad;
  cr_assert_eq(eqs_extxyz_write("unused.xyz", 0, &in, NULL), EQS_ERR_ARGUMENT);
  cr_assert_eq(eqs_extxyz_write(NULL, 0, &in, NULL), EQS_ERR_ARGUMENT);
}
