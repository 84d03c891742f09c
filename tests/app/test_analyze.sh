#!/bin/bash
# `equisorb analyze`: the same walk written wrapped, unwrapped and as frames that say no time gives
# the diffusion coefficient it was made with; a drifting framework, a cell that breathes, molecules
# across the boundary; several trajectories; files cut short; and H5MD as extended XYZ.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

# A chain of carbon along x that drifts, and 6 N2 molecules that walk with D = 1 angstrom^2/ps
# about it, in a skewed cell.
python3 - << 'PYTHON'
import math
import random

random.seed(7)
base = [[12.6, 0, 0], [3, 14, 0], [-4, 2, 15]]
guests = 6
frames = 1500
dt = 0.5  # ps


def solve(cell, x):
    """Fractional coordinates by Cramer's rule."""
    def det(m):
        return (m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
                m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
                m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]))
    whole = det(cell)
    return [det([x if i == k else cell[i] for i in range(3)]) / whole for k in range(3)]


def wrap(cell, x):
    f = solve(cell, x)
    return [x[a] - sum(math.floor(f[k]) * cell[k][a] for k in range(3)) for a in range(3)]


def write(out, cell, atoms, extra):
    out.write("%d\n" % len(atoms))
    out.write('Lattice="%s" Properties=species:S:1:pos:R:3 %spbc="T T T"\n' %
              (" ".join("%.12g" % x for row in cell for x in row), extra))
    for s, x in atoms:
        out.write("%s %.12g %.12g %.12g\n" % (s, *x))


def walk(name, seed, breathing=0, drift=0.02):
    rng = random.Random(seed)
    # in the frame of the chain; a fluctuating cell scales everything
    at = [[rng.uniform(0, 10) for k in range(3)] for g in range(guests)]
    at[0][1] = at[0][2] = 5
    for g in range(1, guests):
        at[g] = [at[0][a] + 4.1 * [g % 2, g // 2 % 2, g // 4][a] for a in range(3)]
    files = {k: open("%s-%s.extxyz" % (name, k), "w") for k in ("wrapped", "unwrapped", "timeless")}
    for f in range(frames):
        scale = 1 + breathing * rng.uniform(-1, 1)
        cell = [[scale * x for x in row] for row in base]
        shift = [drift * f, -0.5 * drift * f, 0.3 * drift * f]
        atoms = [("C", [scale * 1.4 * i + shift[0], shift[1], shift[2]]) for i in range(9)]
        for g in range(guests):
            turn = rng.uniform(0, 6.28)
            for sign in (1, -1):
                end = [0.55 * sign * math.cos(turn), 0.55 * sign * math.sin(turn), 0]
                atoms.append(("N", [at[g][a] + shift[a] + end[a] for a in range(3)]))
            at[g] = [x + rng.gauss(0, math.sqrt(2 * dt)) for x in at[g]]
        time = "time=%.10g " % (3 + dt * f)
        wrapped = [(s, wrap(cell, x)) for s, x in atoms]
        write(files["wrapped"], cell, wrapped, time)
        write(files["unwrapped"], cell, atoms, time)
        write(files["timeless"], cell, wrapped, "")
    for f in files.values():
        f.close()


walk("one", 1)
walk("two", 2)
walk("breathing", 3, breathing=0.01)
lines = open("one-wrapped.extxyz").read().splitlines(True)
open("cut.extxyz", "w").write("".join(lines[:-3]) + lines[-3][:9])
open("other.extxyz", "w").write("".join(lines).replace("C ", "B "))
ragged = "".join(lines).replace("time=8 ", "time=8.2 ")
open("ragged.extxyz", "w").write(ragged)
PYTHON

analyze=("$equisorb" analyze)
check 0 "help" "${analyze[@]}" --help
says out "example"
check 2 "no trajectory" "${analyze[@]}" --rdf all
check 2 "nothing asked" "${analyze[@]}" one-wrapped.extxyz
check 2 "a time of no unit" "${analyze[@]}" one-wrapped.extxyz --rdf all --skip "3 bar"
check 1 "no such file" "${analyze[@]}" none.extxyz --rdf all
check 1 "no such group" "${analyze[@]}" one-wrapped.extxyz --diffusion CO2
says err "there are: N2"
check 1 "no such pair" "${analyze[@]}" one-wrapped.extxyz --rdf Zn-O
check 1 "all skipped" "${analyze[@]}" one-wrapped.extxyz --rdf all --skip "1 ns"
check 1 "no time" "${analyze[@]}" one-timeless.extxyz --diffusion N2
says err "interval"
check 1 "times that jump" "${analyze[@]}" ragged.extxyz --diffusion N2
says err "frame 11"
check 1 "other atoms" "${analyze[@]}" one-wrapped.extxyz other.extxyz --diffusion N2

run() {
  local name=$1
  shift
  check 0 "$name" "${analyze[@]}" --diffusion N2 --json "$@"
  cp out "$name.json"
}
run wrapped one-wrapped.extxyz
run whole one-wrapped.extxyz --blocks 1
run unwrapped one-unwrapped.extxyz --unwrapped --blocks 1
run timeless one-timeless.extxyz --interval "500 fs" --blocks 1
run range one-wrapped.extxyz --diffusion 10-21:2 --blocks 1
run cut cut.extxyz
run skipped one-wrapped.extxyz --skip "20 ps"
run drifting one-wrapped.extxyz --drift none --diffusion C
run held one-wrapped.extxyz --diffusion C
run both one-wrapped.extxyz two-wrapped.extxyz
run breathing breathing-wrapped.extxyz
check 0 "one thread" "${analyze[@]}" one-wrapped.extxyz --diffusion N2,C --rdf all --density N2 \
  --threads 1 --output first --skip "5 ps"
mv out first.txt
check 0 "three threads" "${analyze[@]}" one-wrapped.extxyz --diffusion N2,C --rdf all --density N2 \
  --threads 3 --output second --skip "5 ps"
same out first.txt "other threads, other table"
for what in diffusion.csv msd.csv rdf.csv density.cube; do
  same first-$what second-$what "other threads, other $what"
done
says first.txt "diffusion of N2"
says first.txt "not diffusive" # the framework, whose drift is removed

python3 - << 'PYTHON' || fail "wrong figures"
import csv
import json


def load(name):
    return json.load(open(name + ".json"))


def group(name):
    return load(name)["diffusion"][0]


one = group("wrapped")
assert one["diffusive"] and one["centres"] == 6 and one["blocks"] == 5, one
for name in ("wrapped", "skipped", "both", "breathing", "cut"):
    d = group(name)["D_m2_s"]
    assert abs(d["mean"] - 1e-8) < 1.5 * d["ci95"] and d["ci95"] < 3e-9, (name, d)
assert group("both")["blocks"] == 6
for name in ("unwrapped", "timeless", "range"):
    other = group(name)
    for a, b in zip(group("whole")["msd"], other["msd"]):
        assert abs(a[0] - b[0]) < 1e-9 and abs(a[1] - b[1]) < 1e-6 * a[1], (name, a, b)
assert load("cut")["frames"] == 1499 and "within a frame" in load("cut")["warnings"][0]
# drift of 0.02 (1, -0.5, 0.3) angstrom per 0.5 ps: v^2 t^2 on top
speed2 = 0.04 ** 2 * (1 + 0.25 + 0.09)
drifting, held = group("drifting"), group("held")
assert not drifting["diffusive"] and not held["diffusive"]
for p, q in zip(drifting["msd"], held["msd"]):
    assert abs(p[1] - speed2 * p[0] ** 2) < 1e-6 * p[1] and q[1] < 1e-9, (p, q)
# the molecule's ends, 1.1 apart, and its map
rows = [r for r in csv.DictReader(open("first-rdf.csv")) if r["pair"] == "N-N"]
near = [r for r in rows if float(r["r_A"]) < 1.2][-1]
assert abs(float(near["coordination"]) - 1) < 0.05, near
lines = open("first-density.cube").read().split("\n")
atoms = int(lines[2].split()[0])
assert atoms == 9
rows = [[float(x) for x in lines[k].split()] for k in (3, 4, 5)]
a, b, c = [r[1:] for r in rows]
volume = abs(a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) +
             a[2] * (b[0] * c[1] - b[1] * c[0]))
total = sum(float(x) for line in lines[6 + atoms:] for x in line.split()) * volume
assert abs(total - 12) < 1e-4, total
PYTHON
checks=$((checks + 1))

# A run's H5MD and its extended XYZ say the same.
model=$data/models/tiny_L1_dens_agnesi_zbl.model
write_host
for file in run.h5 run.extxyz; do
  code=0
  "$equisorb" md --structure host.xyz --model "$model" --steps 60 --temperature 300 \
    --trajectory $file --trajectory-every 1 > out 2> err < /dev/null || code=$?
  if [ "$code" != 0 ] && grep -q "built without HDF5" err; then
    echo "skipped: H5MD, built without HDF5"
    echo "$checks checks passed"
    exit 0
  fi
  [ "$code" = 0 ] || fail "the run for $file"
  check 0 "$file" "${analyze[@]}" $file --diffusion O,C,H --rdf all --json --drift none
  cp out $file.json
done
python3 - << 'PYTHON' || fail "H5MD and extended XYZ differ"
import json
a, b = (json.load(open(f + ".json")) for f in ("run.h5", "run.extxyz"))
for x, y in zip(a["diffusion"], b["diffusion"]):
    assert len(x["msd"]) == len(y["msd"]) > 3
    for p, q in zip(x["msd"], y["msd"]):
        assert abs(p[1] - q[1]) <= 1e-9 * abs(p[1]), (p, q)
assert a["rdf"] == b["rdf"] and a["frames"] == b["frames"] == 61
PYTHON
checks=$((checks + 1))
echo "$checks checks passed"
