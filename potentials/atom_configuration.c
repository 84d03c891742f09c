/* atom_configuration.c -- ground configurations of the neutral atoms, as in the NIST tables of
 * Kotochigova et al., Phys. Rev. A 55, 191 (1997). SPDX-License-Identifier: MIT */
#include <string.h>

#include "potentials/atom.h"

/* What an atom has beyond the noble gas before it: shell by shell nl and its electrons. */
static const char *const valence[ATOM_LAST + 1] = {
    "",
    "1s1",
    "1s2",
    "2s1",
    "2s2",
    "2s2 2p1",
    "2s2 2p2",
    "2s2 2p3",
    "2s2 2p4",
    "2s2 2p5",
    "2s2 2p6",
    "3s1",
    "3s2",
    "3s2 3p1",
    "3s2 3p2",
    "3s2 3p3",
    "3s2 3p4",
    "3s2 3p5",
    "3s2 3p6",
    "4s1",
    "4s2",
    "3d1 4s2",
    "3d2 4s2",
    "3d3 4s2",
    "3d5 4s1",
    "3d5 4s2",
    "3d6 4s2",
    "3d7 4s2",
    "3d8 4s2",
    "3d10 4s1",
    "3d10 4s2",
    "3d10 4s2 4p1",
    "3d10 4s2 4p2",
    "3d10 4s2 4p3",
    "3d10 4s2 4p4",
    "3d10 4s2 4p5",
    "3d10 4s2 4p6",
    "5s1",
    "5s2",
    "4d1 5s2",
    "4d2 5s2",
    "4d4 5s1",
    "4d5 5s1",
    "4d5 5s2",
    "4d7 5s1",
    "4d8 5s1",
    "4d10",
    "4d10 5s1",
    "4d10 5s2",
    "4d10 5s2 5p1",
    "4d10 5s2 5p2",
    "4d10 5s2 5p3",
    "4d10 5s2 5p4",
    "4d10 5s2 5p5",
    "4d10 5s2 5p6",
    "6s1",
    "6s2",
    "5d1 6s2",
    "4f1 5d1 6s2",
    "4f3 6s2",
    "4f4 6s2",
    "4f5 6s2",
    "4f6 6s2",
    "4f7 6s2",
    "4f7 5d1 6s2",
    "4f9 6s2",
    "4f10 6s2",
    "4f11 6s2",
    "4f12 6s2",
    "4f13 6s2",
    "4f14 6s2",
    "4f14 5d1 6s2",
    "4f14 5d2 6s2",
    "4f14 5d3 6s2",
    "4f14 5d4 6s2",
    "4f14 5d5 6s2",
    "4f14 5d6 6s2",
    "4f14 5d7 6s2",
    "4f14 5d9 6s1",
    "4f14 5d10 6s1",
    "4f14 5d10 6s2",
    "4f14 5d10 6s2 6p1",
    "4f14 5d10 6s2 6p2",
    "4f14 5d10 6s2 6p3",
    "4f14 5d10 6s2 6p4",
    "4f14 5d10 6s2 6p5",
    "4f14 5d10 6s2 6p6",
    "7s1",
    "7s2",
    "6d1 7s2",
    "6d2 7s2",
    "5f2 6d1 7s2",
    "5f3 6d1 7s2",
    "5f4 6d1 7s2",
    "5f6 7s2",
};

static const int noble[] = {0, 2, 10, 18, 36, 54, 86};

static int add_shells(const char *text, int polarised, atom_orbital *orbital) {
  static const char letters[] = "spdf";
  int n = 0;
  for (const char *s = text; *s; n++) {
    int electrons = 0;
    atom_orbital o = {.n = s[0] - '0', .l = (int)(strchr(letters, s[1]) - letters)};
    for (s += 2; *s >= '0' && *s <= '9'; s++) electrons = 10 * electrons + (*s - '0');
    if (*s == ' ') s++;
    int most = 2 * o.l + 1, up = electrons < most ? electrons : most;
    o.occupation[0] = polarised ? up : electrons;
    o.occupation[1] = polarised ? electrons - up : 0;
    orbital[n] = o;
  }
  return n;
}

int atom_configuration(int z, int polarised, atom_orbital orbital[ATOM_ORBITALS]) {
  int n = 0;
  for (int i = 1; i < (int)(sizeof noble / sizeof *noble) && noble[i] < z; i++)
    n += add_shells(valence[noble[i]], polarised, orbital + n);
  return n + add_shells(valence[z], polarised, orbital + n);
}
