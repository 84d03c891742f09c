#!/bin/bash
# `equisorb elastic`: options, and that the constants of a made-up crystal under pressure are the
# curvature of the energies that `relax` gives for the same crystal in strained cells: with x (1 + e)
# that is dE/de = V0 stress_xx along xx, and V0 (stress_yz - e (stress_yy + stress_zz)/4) under shear.
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
with=(--model "$model" --precision double)
elastic=("$equisorb" elastic host.xyz "${with[@]}")
tight=(--force 1e-5 --stress "0.01 MPa" --strain 0.002 --pressure "20 GPa")

check 0 "help" "$equisorb" elastic --help
says out "example"
check 2 "no structure" "$equisorb" elastic "${with[@]}"
check 2 "odd points" "${elastic[@]}" --points 5
check 2 "output over input" "${elastic[@]}" --output host.xyz
check 1 "no such cell" "${elastic[@]}" --cell round
check 1 "too few steps" "${elastic[@]}" --max-steps 2
says err "not relaxed"
sed 's/Lattice="[^"]*"/x=1/; s/pbc="T T T"/pbc="F F F"/' host.xyz > molecule.xyz
check 1 "no crystal" "$equisorb" elastic molecule.xyz "${with[@]}" --cell fixed
says err "periodic"

check 0 "text" "${elastic[@]}" "${tight[@]}" --output rest.extxyz
says out "point group"
says out "Young's modulus"
check 0 "json" "$equisorb" elastic rest.extxyz "${with[@]}" "${tight[@]}" --json
cp out elastic.json

# Components xx and yz, by energies of relaxed atoms.
python3 - << 'PYTHON'
import re

lines = open("rest.extxyz").read().splitlines()
cell = [float(x) for x in re.search('Lattice="([^"]*)"', lines[1]).group(1).split()]
rows = [cell[0:3], cell[3:6], cell[6:9]]
atoms = [(r.split()[0], [float(x) for x in r.split()[1:4]]) for r in lines[2:6]]
for name, a, b in (("xx", 0, 0), ("yz", 1, 2)):
    for sign, e in (("up", 0.002), ("down", -0.002), ("rest", 0)):
        deform = [[float(i == j) for j in range(3)] for i in range(3)]
        deform[a][b] += e / 2
        deform[b][a] += e / 2
        bend = lambda x: [sum(x[i] * deform[i][j] for i in range(3)) for j in range(3)]
        with open("%s-%s.xyz" % (name, sign), "w") as out:
            out.write('4\nLattice="%s" Properties=species:S:1:pos:R:3 pbc="T T T"\n' %
                      " ".join("%.17g" % x for r in rows for x in bend(r)))
            for s, x in atoms:
                out.write("%s %.17g %.17g %.17g\n" % (s, *bend(x)))
PYTHON
for name in xx-up xx-down yz-up yz-down xx-rest; do
  check 0 "$name" "$equisorb" relax $name.xyz "${with[@]}" --force 1e-5 --output $name.extxyz
done
python3 - << 'PYTHON' || fail "not the curvature of the energy"
import json
import re


def energy(name):
    return float(re.search(r" energy=(\S+)", open(name + ".extxyz").read()).group(1))


c = [float(x) for x in re.search('Lattice="([^"]*)"', open("xx-rest.extxyz").read()).group(1).split()]
volume = abs(c[0] * (c[4] * c[8] - c[5] * c[7]) - c[1] * (c[3] * c[8] - c[5] * c[6]) +
             c[2] * (c[3] * c[7] - c[4] * c[6]))
r = json.load(open("elastic.json"))
rest = energy("xx-rest")
for k, name in ((0, "xx"), (3, "yz")):
    want = (energy(name + "-up") + energy(name + "-down") - 2 * rest) / 0.002 ** 2 / volume * 160.21766
    want -= 10 if name == "yz" else 0
    assert abs(r["measured"][k][k] - want) < 0.005 * abs(want) + 0.01, (name, r["measured"][k][k], want)
assert r["stable"] and r["bulk_reuss"]["value"] < r["bulk_voigt"]["value"]
PYTHON
checks=$((checks + 1))
echo "$checks checks passed"
