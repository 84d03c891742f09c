#!/bin/bash
# `equisorb tmmc`: options, refusals, isotherms against `gcmc`, the same rows for any number of
# threads and over a kill.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

host=$data/cif/sodalite.cif
model=$data/models/tiny_L1.model
plain=("$equisorb" tmmc "$host" --energy classical)
hot=("${plain[@]}" --temperature 300)

check 0 "help" "$equisorb" tmmc --help
says out "example"
check 2 "no framework" "$equisorb" tmmc --gas CO2 --temperature 300 --pressure 1e5
check 2 "no gas" "${hot[@]}" --pressure 1e5
check 2 "no pressure" "${hot[@]}" --gas CO2
check 2 "no temperature" "${plain[@]}" --gas CO2 --pressure 1e5
check 2 "a temperature of nothing" "${plain[@]}" --gas CO2 --pressure 1e5 --temperature 300,
check 2 "a mixture" "${hot[@]}" --gas CO2:0.5,N2:0.5 --pressure 1e5
says err "one gas"
check 2 "no guests" "${hot[@]}" --gas CO2 --pressure 1e5 --max-guests 0
check 2 "an option of gcmc" "${hot[@]}" --gas CO2 --pressure 1e5 --flexible
check 2 "no model" "$equisorb" tmmc "$host" --gas CO2 --temperature 300 --pressure 1e5
check 1 "an unknown gas" "${hot[@]}" --gas XeF6 --pressure 1e5
check 1 "no such file" "$equisorb" tmmc none.cif --gas CO2 --temperature 300 --pressure 1 \
  --energy classical
check 2 "several temperatures of gcmc" "$equisorb" gcmc "$host" --gas CO2 --pressure 1e5 \
  --energy classical --temperature 300,310
says err "tmmc"

# Closed boxes of carbon with room for a few molecules each.
python3 - > box.xyz << 'PYTHON'
at = [(i, j, k) for i in range(6) for j in range(6) for k in range(6) if 0 in (i, j, k)]
print(len(at))
print('Lattice="12.5 0 0 0 12.5 0 0 0 12.5" Properties=species:S:1:pos:R:3 pbc="T T T"')
for x in at:
    print("C", *(12.5 / 6 * c for c in x))
PYTHON

# One run, three temperatures, three pressures, against plain runs; a temperature that is too far.
run=("$equisorb" tmmc box.xyz --energy classical --pockets keep --gas CH4 --trials 4 --seed 5)
check 0 "isotherms" "${run[@]}" --temperature 300,315,90 --pressure 1e3,1e4,2e4 --max-guests 16 \
  --cycles 4000 --equilibration 500 --csv iso.csv
says out "Henry coefficient at 300 K"
says err "0 to 16 guests"
for t in 300 315; do
  check 0 "plain at $t K" "$equisorb" gcmc box.xyz --energy classical --pockets keep --gas CH4 \
    --trials 4 --seed 6 --temperature "$t" --pressure 1e4 --cycles 4000 --equilibration 500 \
    --csv "plain.$t.csv"
done
python3 - << 'PYTHON' || { echo "FAILED: isotherms"; cat iso.csv plain.*.csv; exit 1; }
import csv, math
rows = {(r["temperature_K"], r["pressure_Pa"]): r for r in csv.DictReader(open("iso.csv"))}
assert len(rows) == 9, rows.keys()
for t in ("300", "315"):
    want, got = next(csv.DictReader(open(f"plain.{t}.csv"))), rows[t, "10000"]
    for key, error in (("uptake_mol_kg", "uptake_95"), ("qst_kJ_mol", "qst_95"),
                       ("excess_mol_kg", "excess_95")):
        both = math.hypot(float(want[error]), float(got[error]))  # of 95 %: two sigma each
        assert abs(float(want[key]) - float(got[key])) < 2 * both, (t, key, want[key], got[key])
    assert want["fugacity_Pa"] == got["fugacity_Pa"]
assert float(rows["300", "10000"]["uptake_95"]) < 0.2 * float(rows["300", "10000"]["uptake_mol_kg"])
assert all("reach" in rows["90", p]["flags"] for p in ("10000", "20000"))
assert all("n-max" not in rows["300", p]["flags"] for p in ("1000", "10000")), rows
PYTHON
checks=$((checks + 1))
check 0 "json" "${run[@]}" --temperature 300 --pressure 1e4 --max-guests 6 --cycles 400 --json
python3 - << 'PYTHON' || { echo "FAILED: the JSON"; cat out; exit 1; }
import json, math
r = json.load(open("out"))
p = [math.exp(x) for x in r["ln_probability"]]
assert len(p) == 7 and abs(sum(p) - 1) < 1e-9
mean = sum(n * x for n, x in enumerate(p)) / r["cells"]
assert abs(mean - r["isotherm"][0]["molecules_per_cell"]["mean"]) < 1e-6 * mean
assert abs(r["energy_eV"][0]) < 1e-9 and r["n_moves"] == 48000, r["n_moves"]
PYTHON
checks=$((checks + 1))

# Two guests at most where more want to be: flagged. Without --max-guests there is room.
check 0 "too few" "${run[@]}" --temperature 300 --pressure 1e5 --max-guests 1 --cycles 200
says out "n-max"
short=("${run[@]}" --temperature 300 --pressure 1e3,1e4 --cycles 600 --equilibration 300)
check 0 "a pilot run" "${short[@]}" --csv one.csv --threads 1
! grep -q n-max one.csv || { echo "FAILED: not enough room"; cat one.csv; exit 1; }

# Threads do not matter, nor does being stopped.
check 0 "two threads" "${short[@]}" --csv two.csv --threads 2
same one.csv two.csv "one thread and two"
for _ in 1 2 3 4 5 6 7 8; do
  code=0
  timeout --signal=INT 0.7 "${short[@]}" --csv part.csv --checkpoint part.state \
    > out 2> err < /dev/null || code=$?
  [ "$code" = 0 ] && break
  { [ "$code" = 124 ] || [ "$code" = 130 ]; } || { echo "FAILED: code $code"; cat err; exit 1; }
done
check 0 "continued" "${short[@]}" --csv part.csv --checkpoint part.state
[ -f part.state.pilot ] || { echo "FAILED: no part.state.pilot"; exit 1; }
check 0 "without a stop" "${short[@]}" --csv whole.csv --checkpoint whole.state
same whole.csv part.csv "a run that was stopped and continued"
check 1 "a checkpoint of another run" "${short[@]}" --seed 4 --checkpoint whole.state
head -c 100 whole.state > broken.state
cp whole.state.pilot broken.state.pilot
check 1 "a broken checkpoint" "${short[@]}" --checkpoint broken.state

# With a model: its weights are random, but it must run through every kind of energy.
write_host
for energy in model sum; do
  check 0 "$energy" "$equisorb" tmmc host.xyz --model "$model" --gas H2O --temperature 600 \
    --pressure 1e5,1e6 --energy $energy --scale 0.1 --cycles 40 --equilibration 40 --moves 10 \
    --trials 2
  says out "600"
done
echo "$checks checks passed"
