"""IRMOF-1 by formula, as extended XYZ: 424 atoms (conventional cell) or 106 (primitive).

Fm-3m, a = 25.832 angstrom, sites of M. Eddaoudi et al., Science 295 (2002) 469. Atoms are displaced
at random by 0.05 angstrom per direction, so that no force vanishes by symmetry.

usage: irmof1.py conventional|primitive OUT.xyz
SPDX-License-Identifier: MIT
"""
import itertools
import random
import sys

A = 25.832
SITES = [("Zn", 0.2934, 0.2066, 0.2066), ("O", 0.25, 0.25, 0.25), ("O", 0.2819, 0.2181, 0.1340),
         ("C", 0.25, 0.25, 0.1113), ("C", 0.25, 0.25, 0.0538), ("C", 0.2829, 0.2171, 0.0269),
         ("H", 0.3049, 0.1951, 0.0448)]
CENTRES = [(0, 0, 0), (0, .5, .5), (.5, 0, .5), (.5, .5, 0)]


def orbit(site):
    """All images of a site under the 48 operations of m-3m and the F translations, in [0, 1)."""
    found = {}
    for order in itertools.permutations(range(3)):
        for sign in itertools.product((1, -1), repeat=3):
            for centre in CENTRES:
                x = [(sign[k] * site[order[k]] + centre[k]) % 1.0 for k in range(3)]
                found.setdefault(tuple(round(v, 6) % 1.0 for v in x), x)
    return [found[key] for key in sorted(found)]


def build(kind):
    """Returns (symbols, positions, cell)."""
    cell = [[A, 0, 0], [0, A, 0], [0, 0, A]]
    if kind == "primitive":
        cell = [[0, A / 2, A / 2], [A / 2, 0, A / 2], [A / 2, A / 2, 0]]
    symbols, positions = [], []
    for symbol, *site in SITES:
        for x in orbit(site):
            if kind == "primitive":
                # fractional along (b+c)/2, ...: keep one of the four copies
                f = [-x[0] + x[1] + x[2], x[0] - x[1] + x[2], x[0] + x[1] - x[2]]
                if any(round(v, 6) < 0 or round(v, 6) >= 1 for v in f):
                    continue
            symbols.append(symbol)
            positions.append([A * v for v in x])
    rng = random.Random(2024)
    positions = [[v + rng.gauss(0, 0.05) for v in x] for x in positions]
    return symbols, positions, cell


def write(kind, path):
    symbols, positions, cell = build(kind)
    with open(path, "w") as out:
        lattice = " ".join("%.10g" % v for row in cell for v in row)
        out.write('%d\nLattice="%s" Properties=species:S:1:pos:R:3 pbc="T T T"\n'
                  % (len(symbols), lattice))
        for symbol, x in zip(symbols, positions):
            out.write("%-2s %16.10f %16.10f %16.10f\n" % (symbol, *x))
    return len(symbols)


if __name__ == "__main__":
    print(write(sys.argv[1], sys.argv[2]), "atoms")
