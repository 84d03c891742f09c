/* elements.c -- the periodic table, and elements out of site labels.
 *
 * Masses: J. Meija et al., Pure Appl. Chem. 88, 265 (2016). Covalent radii: B. Cordero et al.,
 * Dalton Trans. 2832 (2008), the sp3 value for carbon, the low-spin values for Mn, Fe, Co.
 *
 * SPDX-License-Identifier: MIT */
#include "io/elements.h"

#include <ctype.h>
#include <string.h>

/* clang-format off */
static const struct element {
  char symbol[4];
  double mass, radius;
} table[ELEMENT_MAX + 1] = {
    {"", 0.0, 0.20},
    {"H", 1.008, 0.31}, {"He", 4.002602, 0.28}, {"Li", 6.94, 1.28}, {"Be", 9.0121831, 0.96},
    {"B", 10.81, 0.84}, {"C", 12.011, 0.76}, {"N", 14.007, 0.71}, {"O", 15.999, 0.66},
    {"F", 18.998403163, 0.57}, {"Ne", 20.1797, 0.58}, {"Na", 22.98976928, 1.66},
    {"Mg", 24.305, 1.41}, {"Al", 26.9815385, 1.21}, {"Si", 28.085, 1.11}, {"P", 30.973761998, 1.07},
    {"S", 32.06, 1.05}, {"Cl", 35.45, 1.02}, {"Ar", 39.948, 1.06}, {"K", 39.0983, 2.03},
    {"Ca", 40.078, 1.76}, {"Sc", 44.955908, 1.70}, {"Ti", 47.867, 1.60}, {"V", 50.9415, 1.53},
    {"Cr", 51.9961, 1.39}, {"Mn", 54.938044, 1.39}, {"Fe", 55.845, 1.32}, {"Co", 58.933194, 1.26},
    {"Ni", 58.6934, 1.24}, {"Cu", 63.546, 1.32}, {"Zn", 65.38, 1.22}, {"Ga", 69.723, 1.22},
    {"Ge", 72.63, 1.20}, {"As", 74.921595, 1.19}, {"Se", 78.971, 1.20}, {"Br", 79.904, 1.20},
    {"Kr", 83.798, 1.16}, {"Rb", 85.4678, 2.20}, {"Sr", 87.62, 1.95}, {"Y", 88.90584, 1.90},
    {"Zr", 91.224, 1.75}, {"Nb", 92.90637, 1.64}, {"Mo", 95.95, 1.54}, {"Tc", 97.90721, 1.47},
    {"Ru", 101.07, 1.46}, {"Rh", 102.9055, 1.42}, {"Pd", 106.42, 1.39}, {"Ag", 107.8682, 1.45},
    {"Cd", 112.414, 1.44}, {"In", 114.818, 1.42}, {"Sn", 118.71, 1.39}, {"Sb", 121.76, 1.39},
    {"Te", 127.6, 1.38}, {"I", 126.90447, 1.39}, {"Xe", 131.293, 1.40}, {"Cs", 132.90545196, 2.44},
    {"Ba", 137.327, 2.15}, {"La", 138.90547, 2.07}, {"Ce", 140.116, 2.04}, {"Pr", 140.90766, 2.03},
    {"Nd", 144.242, 2.01}, {"Pm", 144.91276, 1.99}, {"Sm", 150.36, 1.98}, {"Eu", 151.964, 1.98},
    {"Gd", 157.25, 1.96}, {"Tb", 158.92535, 1.94}, {"Dy", 162.5, 1.92}, {"Ho", 164.93033, 1.92},
    {"Er", 167.259, 1.89}, {"Tm", 168.93422, 1.90}, {"Yb", 173.054, 1.87}, {"Lu", 174.9668, 1.87},
    {"Hf", 178.49, 1.75}, {"Ta", 180.94788, 1.70}, {"W", 183.84, 1.62}, {"Re", 186.207, 1.51},
    {"Os", 190.23, 1.44}, {"Ir", 192.217, 1.41}, {"Pt", 195.084, 1.36}, {"Au", 196.966569, 1.36},
    {"Hg", 200.592, 1.32}, {"Tl", 204.38, 1.45}, {"Pb", 207.2, 1.46}, {"Bi", 208.9804, 1.48},
    {"Po", 208.98243, 1.40}, {"At", 209.98715, 1.50}, {"Rn", 222.01758, 1.50},
    {"Fr", 223.01974, 2.60}, {"Ra", 226.02541, 2.21}, {"Ac", 227.02775, 2.15},
    {"Th", 232.0377, 2.06}, {"Pa", 231.03588, 2.00}, {"U", 238.02891, 1.96},
    {"Np", 237.04817, 1.90}, {"Pu", 244.06421, 1.87}, {"Am", 243.06138, 1.80},
    {"Cm", 247.07035, 1.69}, {"Bk", 247.07031, 2.00}, {"Cf", 251.07959, 2.00},
    {"Es", 252.083, 2.00}, {"Fm", 257.09511, 2.00}, {"Md", 258.09843, 2.00}, {"No", 259.101, 2.00},
    {"Lr", 262.11, 2.00}, {"Rf", 267.122, 2.00}, {"Db", 268.126, 2.00}, {"Sg", 271.134, 2.00},
    {"Bh", 270.133, 2.00}, {"Hs", 269.1338, 2.00}, {"Mt", 278.156, 2.00}, {"Ds", 281.165, 2.00},
    {"Rg", 281.166, 2.00}, {"Cn", 285.177, 2.00}, {"Nh", 286.182, 2.00}, {"Fl", 289.19, 2.00},
    {"Mc", 289.194, 2.00}, {"Lv", 293.204, 2.00}, {"Ts", 293.208, 2.00}, {"Og", 294.214, 2.00},
};
/* clang-format on */

static int known(int number) { return number >= 1 && number <= ELEMENT_MAX; }

const char *element_symbol(int number) { return known(number) ? table[number].symbol : ""; }
double element_mass(int number) { return known(number) ? table[number].mass : 0.0; }
double element_radius(int number) { return table[known(number) ? number : 0].radius; }

static int letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

int element_find(const char *s, size_t n) {
  if (n < 1 || n > 2) return 0;
  char symbol[3] = {(char)toupper((unsigned char)s[0]), 0, 0};
  if (n == 2) symbol[1] = (char)tolower((unsigned char)s[1]);
  for (int z = 1; z <= ELEMENT_MAX; z++)
    if (strcmp(symbol, table[z].symbol) == 0) return z;
  return 0;
}

/* Two-letter symbols that are also a label of hydrogen, carbon, nitrogen, oxygen or sulphur. */
static int doubtful(int number) {
  static const char *const list[] = {"Ho", "Hf", "Co", "Cs", "No", "Os", "Sc", "Sn"};
  for (size_t i = 0; i < sizeof list / sizeof *list; i++)
    if (strcmp(table[number].symbol, list[i]) == 0) return 1;
  return 0;
}

int element_from_label(const char *label, int *ambiguous) {
  size_t run = 0;
  while (letter(label[run])) run++;
  int two = run >= 2 ? element_find(label, 2) : 0;
  int one = run >= 1 ? element_find(label, 1) : 0;
  if (run == 1 && strchr("DTdt", label[0])) one = 1;
  int z = two ? two : one;
  if (ambiguous)
    *ambiguous = z && (run > (two ? 2u : 1u) || (two && doubtful(two)) ||
                       (two && one && label[1] >= 'A' && label[1] <= 'Z'));
  return z;
}
