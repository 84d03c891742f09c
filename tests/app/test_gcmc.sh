#!/bin/bash
# `equisorb gcmc`: options, refusals, the same rows for any number of threads and over a kill.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

host=$data/cif/sodalite.cif
model=$data/models/tiny_L1.model
classical=("$equisorb" gcmc "$host" --energy classical --temperature 300)

check 0 "help" "$equisorb" gcmc --help
says out "example"
check 2 "no framework" "$equisorb" gcmc --gas CO2 --temperature 300 --pressure 1e5
check 2 "no gas" "${classical[@]}" --pressure 1e5
check 2 "no pressure" "${classical[@]}" --gas CO2
check 2 "a pressure of nothing" "${classical[@]}" --gas CO2 --pressure 1e5,
check 2 "a negative pressure" "${classical[@]}" --gas CO2 --pressure -1
check 2 "a mixture without fractions" "${classical[@]}" --gas CO2,N2 --pressure 1e5
check 2 "no model" "$equisorb" gcmc "$host" --gas CO2 --temperature 300 --pressure 1e5
says err "--model"
check 2 "an energy that does not exist" "${classical[@]}" --energy quantum --gas CO2 --pressure 1
check 1 "an unknown gas" "${classical[@]}" --gas XeF6 --pressure 1e5
says err "unknown gas"
check 1 "fractions that do not add up" "${classical[@]}" --gas CO2:0.5,N2:0.1 --pressure 1e5
check 1 "no such file" "$equisorb" gcmc none.cif --gas CO2 --temperature 300 --pressure 1 \
  --energy classical
check 1 "an unknown field" "${classical[@]}" --gas CO2 --pressure 1e5 --field opls
says err "opls"

# Rows: a table, CSV, JSON; a mixture; several pressures.
short=("${classical[@]}" --pockets keep --cycles 20 --moves 10 --trials 4 --seed 3)
check 0 "a mixture" "${short[@]}" --gas CO2:0.15,N2:0.85 --pressure 1e5,1e6 --csv mix.csv
says out "CO2"
says out "N2"
[ "$(wc -l < mix.csv)" = 5 ] || { cat mix.csv; fail "rows of mix.csv"; }
check 0 "json" "${short[@]}" --gas CH4 --pressure 1e5 --json
python3 -c 'import json; r = json.load(open("out")); assert r["n_moves"] == 400, r' ||
  fail "the JSON"

# Closed boxes of carbon: all is pocket, and by default empty. The excess is then minus the gas
# outside: rho V_helium / m.
python3 - > box.xyz << 'PYTHON'
at = [(i, j, k) for i in range(7) for j in range(7) for k in range(7) if 0 in (i, j, k)]
print(len(at))
print('Lattice="14 0 0 0 14 0 0 0 14" Properties=species:S:1:pos:R:3 pbc="T T T"')
for x in at:
    print("C", *(2.0 * c for c in x))
PYTHON
box=("$equisorb" gcmc box.xyz --energy classical --temperature 300 --gas CH4 --pressure 1e6
  --cycles 10 --moves 10 --trials 4)
check 2 "a rule for pockets that does not exist" "${box[@]}" --pockets fill
check 0 "pockets kept" "${box[@]}" --pockets keep --csv kept.csv
check 0 "pockets blocked" "${box[@]}" --csv blocked.csv
says err "no channel"
says err "1 pocket"
"$equisorb" pores box.xyz --csv pores.csv > out 2> err
python3 - << 'PYTHON' || { cat kept.csv blocked.csv; fail "pockets or excess"; }
import csv
kept, blocked = (next(csv.DictReader(open(n))) for n in ("kept.csv", "blocked.csv"))
pores = next(csv.DictReader(open("pores.csv")))
assert float(kept["uptake_mol_kg"]) > 0.1 and float(blocked["uptake_mol_kg"]) == 0
assert int(blocked["overlaps"]) > int(kept["overlaps"])
outside = float(kept["uptake_mol_kg"]) - float(kept["excess_mol_kg"])
volume = float(pores["helium_pore_volume_cm3_g"])  # dm3/kg
ideal = 1e6 / (8.314462618 * 300) / 1000  # mol/dm3
assert abs(outside + float(blocked["excess_mol_kg"])) < 1e-9
assert 1 < outside / (ideal * volume) < 1.05, (outside, ideal, volume)  # methane: Z = 0.98
PYTHON
checks=$((checks + 1))

# Threads do not matter, nor does being stopped.
check 0 "one thread" "${short[@]}" --gas CO2 --pressure 1e6 --csv one.csv --threads 1
check 0 "two threads" "${short[@]}" --gas CO2 --pressure 1e6 --csv two.csv --threads 2
same one.csv two.csv "one thread and two"
long=("${classical[@]}" --pockets keep --cycles 400 --moves 10 --trials 4 --seed 3 --gas CO2 --pressure 1e6)
check 0 "without a stop" "${long[@]}" --csv whole.csv --checkpoint whole.state
for _ in 1 2 3 4 5 6 7 8; do
  code=0
  timeout --signal=INT 0.7 "${long[@]}" --csv part.csv --checkpoint part.state \
    > out 2> err < /dev/null || code=$?
  [ "$code" = 0 ] && break
  { [ "$code" = 124 ] || [ "$code" = 130 ]; } || { cat err; fail "code $code"; }
done
check 0 "continued" "${long[@]}" --csv part.csv --checkpoint part.state
same whole.csv part.csv "a run that was stopped and continued"
check 1 "a checkpoint of another run" "${long[@]}" --seed 4 --checkpoint whole.state
head -c 100 whole.state > broken.state
check 1 "a broken checkpoint" "${long[@]}" --checkpoint broken.state

# With a model: its weights are random, but it must run through every kind of energy.
write_host
for energy in model sum; do
  check 0 "$energy" "$equisorb" gcmc host.xyz --model "$model" --gas H2O \
    --temperature 600 --pressure 1e6 --energy $energy --scale 0.1 --cycles 20 --moves 10 --trials 2
  says out "H2O"
done

# A flexible framework: hybrid moves are made, and what does not go with them is refused.
moving=("$equisorb" gcmc host.xyz --model "$model" --gas H2O --temperature 600 --pressure 1e6
  --cycles 20 --moves 10 --trials 2)
check 0 "flexible" "${moving[@]}" --flexible --timestep 0.2 --md-steps 3 --json
python3 - << 'PYTHON' || { cat out; fail "hybrid moves"; }
import json
r = json.load(open("out"))
moves = r["moves"]["hybrid"]
assert moves["tried"] > 0 and moves["accepted"] > 0 and moves["energies"] == 4 * moves["tried"], moves
assert r["surrogate_energies"] == 0
PYTHON
checks=$((checks + 1))
check 2 "flexible with a checkpoint" "${moving[@]}" --flexible --checkpoint moving.state
says err "cannot be continued"
check 2 "flexible with a sum" "${moving[@]}" --flexible --energy sum
says err "--energy model"
check 2 "steps without --flexible" "${moving[@]}" --md-steps 3
echo "$checks checks passed"
