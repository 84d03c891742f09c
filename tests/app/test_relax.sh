#!/bin/bash
# `equisorb relax`: options, and that what it calls relaxed is a minimum of the energy that
# `evaluate` gives, in the atoms and in the cell.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

model=$data/models/tiny_L1_dens_agnesi_zbl.model
cat > host.xyz << XYZ
4
Lattice="5 0 0 0.2 5.2 0 -0.3 0.1 5.1" Properties=species:S:1:pos:R:3 pbc="T T T"
O 0.3 0.2 0.1
C 1.5 0.4 0.1
H 2.2 1.2 0.3
Zn -0.4 1.9 2.0
XYZ
relax=("$equisorb" relax host.xyz --model "$model" --precision double)

check 0 "help" "$equisorb" relax --help
says out "example"
check 2 "no structure" "$equisorb" relax --model "$model" --output out.extxyz
check 2 "no output" "${relax[@]}"
check 2 "output over input" "${relax[@]}" --output host.xyz
check 2 "a force of no unit" "${relax[@]}" --output out.extxyz --force "0.1 N"
check 1 "no such method" "${relax[@]}" --output out.extxyz --method newton
check 1 "no such cell" "${relax[@]}" --output out.extxyz --cell round
check 1 "too few steps" "${relax[@]}" --output few.extxyz --max-steps 2
says err "not relaxed"
check 0 "what was reached" "$equisorb" info few.extxyz

for method in lbfgs fire; do
  check 0 "$method" "${relax[@]}" --output $method.extxyz --method $method --force 1e-4
done
check 0 "the full cell" "${relax[@]}" --output full.extxyz --cell full --force 1e-4 \
  --stress "1 MPa" --pressure "2 GPa"

# Energies of neighbours: atoms moved, and for the cell enthalpies of strained copies.
python3 - << 'PYTHON'
import re


def read(path):
    lines = open(path).read().splitlines()
    cell = [float(x) for x in re.search('Lattice="([^"]*)"', lines[1]).group(1).split()]
    rows = [line.split() for line in lines[2:6]]
    return cell, [r[0] for r in rows], [[float(x) for x in r[1:4]] for r in rows]


def write(out, cell, symbols, places):
    out.write('4\nLattice="%s" Properties=species:S:1:pos:R:3 pbc="T T T"\n' %
              " ".join("%.17g" % x for x in cell))
    for s, x in zip(symbols, places):
        out.write("%s %.17g %.17g %.17g\n" % (s, *x))


def strained(rows, a, b, e):
    return [[x[k] + (e * x[a] if k == b else 0) for k in range(3)] for x in rows]


with open("near.xyz", "w") as out:
    for name in ("lbfgs", "fire"):
        cell, symbols, places = read(name + ".extxyz")
        write(out, cell, symbols, places)
        for i in range(4):
            for k in range(3):
                for d in (-0.02, 0.02):
                    moved = [list(x) for x in places]
                    moved[i][k] += d
                    write(out, cell, symbols, moved)
    cell, symbols, places = read("full.extxyz")
    rows = [cell[0:3], cell[3:6], cell[6:9]]
    write(out, cell, symbols, places)
    for a in range(3):
        for b in range(a, 3):
            for e in (-0.01, 0.01):
                bent = strained(rows, a, b, e)
                write(out, sum(bent, []), symbols, strained(places, a, b, e))
PYTHON
check 0 "neighbours" "$equisorb" evaluate --model "$model" --precision double near.xyz \
  --output near.extxyz
python3 - << 'PYTHON' || fail "not a minimum"
import re
frames = [line for line in open("near.extxyz") if "Lattice" in line]
energy = [float(re.search(r"energy=(\S+)", f).group(1)) for f in frames]
cell = [[float(x) for x in re.search('Lattice="([^"]*)"', f).group(1).split()] for f in frames]


def volume(c):
    return abs(c[0] * (c[4] * c[8] - c[5] * c[7]) - c[1] * (c[3] * c[8] - c[5] * c[6]) +
               c[2] * (c[3] * c[7] - c[4] * c[6]))


h = [e + 2 / 160.21766 * volume(c) for e, c in zip(energy, cell)]
assert len(energy) == 25 + 25 + 13
for start in (0, 25):
    # all displacements that are no translation of everything cost energy
    assert all(e > energy[start] - 1e-9 for e in energy[start + 1:start + 25]), energy[start:start + 25]
assert all(x > h[50] for x in h[51:]), h[50:]
PYTHON
checks=$((checks + 1))
echo "$checks checks passed"
