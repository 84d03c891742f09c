#!/bin/bash
# `equisorb screen` on small made-up hosts: options, rows, the funnel, resuming after kills,
# refusals. The model has random weights: its numbers mean nothing here, their sameness does.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"
model=$data/models/tiny_L1.model

# host FILE X: a made-up host with one atom moved by X.
host() {
  cat > "$1" << XYZ
4
Lattice="7 0 0 1.5 8 0 -1 0.5 9" Properties=species:S:1:pos:R:3 pbc="T T T"
O 0.3 0.2 0.1
C 1.5 0.4 0.1
H 2.2 1.2 0.3
Zn -0.4 1.9 $2
XYZ
}
mkdir cifs
for i in 1 2 3 4 5 6; do host "cifs/host-$i.xyz" "1.0$i"; done
settings=(--gas CO2 --temperature 298 --threads 1)
run=("$equisorb" screen --model "$model" "${settings[@]}")
classical=("$equisorb" screen "${settings[@]}")
all=("${run[@]}" --insertions 200 --seed 7)

check 0 "help" "$equisorb" screen --help
says out "example"
check 2 "no frameworks" "${run[@]}" --output r.db
check 2 "no model" "$equisorb" screen cifs --gas CO2 --temperature 298 --output r.db
check 2 "no gas" "$equisorb" screen cifs --model "$model" --temperature 298 --output r.db
check 2 "no temperature" "$equisorb" screen cifs --model "$model" --gas CO2 --output r.db
check 2 "no output" "${run[@]}" cifs
check 2 "temperature" "$equisorb" screen cifs --model "$model" --gas CO2 --temperature -5 --output r.db
check 2 "insertions" "${run[@]}" cifs --insertions 5 --output r.db
check 2 "replicate" "${run[@]}" cifs --replicate never --output r.db
check 2 "stage" "${run[@]}" cifs --stage all --output r.db
check 2 "best" "${run[@]}" cifs --best 0 --output r.db
check 2 "a diameter" "${run[@]}" cifs --min-diameter wide --output r.db
check 2 "pressures" "${run[@]}" cifs --pressures 1e4,,1e5 --output r.db
check 2 "draws and an error" "${all[@]}" cifs --error 5% --output r.db
check 2 "best without a model" "${classical[@]}" cifs --stage classical --best 3 --output r.db
check 2 "cycles without isotherms" "${run[@]}" cifs --cycles 100 --output r.db
check 2 "a model for pores" "${run[@]}" cifs --stage pores --output r.db
check 2 "a diameter for pores alone" "${classical[@]}" cifs --stage pores --min-diameter 3 --output r.db
check 2 "a classical model" "${classical[@]}" cifs --energy classical --stage model --output r.db
check 1 "unknown gas" "${run[@]}" cifs --gas Xe --output r.db
says err "CO2, N2"
check 1 "a gas the model does not know" "${run[@]}" cifs --gas Ar --output r.db
says err "does not know element 18"
mkdir empty
check 1 "an empty folder" "${run[@]}" empty --output r.db
check 1 "no such model" "$equisorb" screen cifs --model none.model --gas CO2 --temperature 298 \
  --output r.db

check 0 "a run" "${all[@]}" cifs --output r.db --csv r.csv
[ ! -s err ] || fail "not quiet without a terminal: $(cat err)"
cp out first
says first "host-6"
says first "gas-unchecked"
says r.csv "width >= 2 r_max + D"
[ "$(wc -l < r.csv)" = 7 ]
cp r.csv r1.csv
check 0 "the same again" "${all[@]}" cifs --output r.db --csv r.csv
same out first "a second run shows another table"
same r.csv r1.csv "a second run computed again"
check 0 "two threads" "${all[@]}" cifs --output threads.db --threads 2
same out first "threads change the result"
check 0 "one file alone" "${all[@]}" cifs/host-4.xyz --output alone.db
grep host-4 out | cut -c 7- > alone
grep host-4 first | cut -c 7- > among
same alone among "company changes the result"
check 0 "another seed" "${all[@]}" cifs --seed 8 --output r.db
if cmp -s out first; then
  fail "the seed changes nothing"
fi
check 0 "water" "${all[@]}" cifs/host-1.xyz --gas H2O --output r.db --pressure 100
says out "mol/kg at 100 Pa"

# Bad frameworks are rows, not the end.
printf 'not a structure\n' > cifs/bad.cif
sed 's/^Zn/U/' cifs/host-1.xyz > cifs/strange.xyz
sed 's/pbc="T T T"/pbc="F F F"/' cifs/host-1.xyz > cifs/molecule.xyz
check 1 "bad frameworks" "${all[@]}" cifs none.cif --output r.db --csv r.csv
says out "4 of 10 frameworks failed"
says out "cannot open none.cif"
says out "does not know element 92"
says out "periodic in three directions"
[ "$(wc -l < r.csv)" = 11 ]
rm cifs/bad.cif cifs/strange.xyz cifs/molecule.xyz

# Killed at any moment, the next run goes on and ends with the same table.
for pause in 0.05 0.1 0.2 0.3 0.4; do
  "${all[@]}" cifs --output killed.db > out 2> err &
  job=$!
  sleep $pause
  kill -KILL $job 2> /dev/null || true
  wait $job 2> /dev/null || true
done
check 0 "after kills" "${all[@]}" cifs --output killed.db
same out first "kills change the result"

set -m
for signal in INT TERM; do
  "${run[@]}" cifs --insertions 100000000 --output stopped.db > out 2> err &
  job=$!
  sleep 1
  kill -$signal $job
  code=0
  wait $job || code=$?
  [ "$code" = 130 ] || [ "$code" = 143 ] || fail "exit code $code after $signal"
  says err "the same command continues"
done

# Dispersion is another condition: not taken from the rows without it, and said in the row.
check 0 "without dispersion" "${all[@]}" cifs/host-1.xyz --output d3.db --csv d3.csv
cp d3.csv plain.csv
check 0 "with dispersion" "${all[@]}" cifs/host-1.xyz --dispersion d3bj:pbe --output d3.db --csv d3.csv
says out "d3bj:pbe"
says d3.csv "dispersion=d3bj:pbe"
says plain.csv "dispersion=none"

# The funnel. cell FILE STAGE NAME COLUMN: of the first row of that framework with that stage, from
# the CSV file; rows FILE STAGE: how many it has. Both read FILE.cells: stage, name, column, value.
flatten() {
  [ "$1.cells" -nt "$1" ] && return
  python3 -c 'import csv, sys
for r in csv.DictReader(open(sys.argv[1])):
    for k, v in r.items():
        print(r.get("stage", "one"), r["name"], k, v, sep="\t")' "$1" > "$1.cells"
}
cell() {
  flatten "$1"
  awk -F '\t' -v s="$2" -v n="$3" -v k="$4" '$1 == s && $2 == n && $3 == k { print $4; exit }' \
    "$1.cells"
}
rows() {
  flatten "$1"
  awk -F '\t' -v s="$2" '$1 == s && $3 == "name"' "$1.cells" | wc -l
}
# equal GOT WANT WHAT
equal() {
  checks=$((checks + 1))
  [ "$1" = "$2" ] || fail "$3: '$1', not '$2'"
}
# Primitive cubic argon atoms, so far apart that CO2 passes, fits nowhere, or is shut in.
cubic() {
  printf '1\nLattice="%s 0 0 0 %s 0 0 0 %s" Properties=species:S:1:pos:R:3 pbc="T T T"\nC 0 0 0\n' \
    "$2" "$2" "$2" > "$1"
}
mkdir funnel
cp cifs/host-1.xyz cifs/host-2.xyz funnel
cubic funnel/wide.xyz 8
cubic funnel/narrow.xyz 4
printf 'data_x\n_cell_length_a nonsense\n' > funnel/corrupt.cif
check 1 "pores" "${classical[@]}" funnel --stage pores --output funnel.db --csv pores.csv
equal "$(rows pores.csv pores)" 5 "frameworks after the pores"
says out "failed at the stage pores: "
says out "1 of 5 frameworks failed"
equal "$(cell pores.csv pores narrow flags)" narrow "the flag of a framework without a channel"
# Simple cubic spheres of UFF's carbon (3.4309 angstrom): Df = sqrt(2) a - sigma, Di = sqrt(3) a - sigma.
awk -v df="$(cell pores.csv pores wide df)" -v di="$(cell pores.csv pores wide di)" 'BEGIN {
  a = df - (8 * sqrt(2) - 3.4309); b = di - (8 * sqrt(3) - 3.4309)
  exit !(a * a < 4e-4 && b * b < 1e-4) }' || fail "the pores of a cubic array"

check 1 "classical" "${classical[@]}" funnel --stage classical --output funnel.db --csv c.csv
equal "$(rows c.csv classical)" 3 "frameworks after the classical stage"
equal "$(cell c.csv pores narrow stopped | sed -E 's/2\.2[0-9]+/2.2/')" "Df 2.2 angstrom, at least 2.475 go on" \
  "why it ended"
says out "narrow"
equal "$(cell c.csv classical wide surrogate_charges)" EQeq "where charges come from"
equal "$(cell c.csv classical wide df)" "$(cell pores.csv pores wide df)" "pores of the next stage"
check 1 "any diameter" "${classical[@]}" funnel --stage classical --min-diameter 0 \
  --output funnel.db --csv any.csv
equal "$(rows any.csv classical)" 4 "frameworks with any diameter"
equal "$(cell any.csv classical wide classical_henry)" "$(cell c.csv classical wide classical_henry)" \
  "a row in company"
equal "$(cell any.csv classical narrow n_channel)" 0 "channels where the gas finds none"

# Thresholds, and what is left: reasons name the number and the limit.
best=("${run[@]}" funnel --insertions 200 --output funnel.db)
check 1 "the best" "${best[@]}" --best 2 --csv best.csv
equal "$(rows best.csv model)" 2 "frameworks that reach the model"
python3 - << 'PYTHON' || fail "--best takes others"
import csv
c = {r["name"]: float(r["classical_henry"]) for r in csv.DictReader(open("c.csv")) if r["stage"] == "classical"}
want = sorted(c, key=c.get, reverse=True)
got = {r["name"]: r for r in csv.DictReader(open("best.csv"))}
assert {n for n in got if got[n]["stage"] == "model"} == set(want[:2]), (want, got.keys())
for k, n in enumerate(want[2:]):
    assert got[n]["stopped"] == "number %d by classical K_H, 2 go on" % (k + 3), got[n]["stopped"]
PYTHON
limit=$(cell c.csv classical wide classical_henry)
check 1 "a least K_H" "${best[@]}" --min-henry "$limit" --csv least.csv
equal "$(cell least.csv model wide status)" ok "a framework at the limit"
python3 - "$limit" << 'PYTHON' || fail "--min-henry"
import csv, sys
for r in csv.DictReader(open("least.csv")):
    if r["classical_henry"] and float(r["classical_henry"]) < float(sys.argv[1]):
        assert r["stage"] == "classical" and "at least" in r["stopped"], (r["name"], r["stage"])
PYTHON
# An element that the model does not know, a gas that fits nowhere, charges that cannot be had.
sed 's/^C/Kr/' funnel/wide.xyz > strange.xyz
check 1 "a stage that fails" "${run[@]}" strange.xyz --insertions 200 --best 1 --output f.db --csv f.csv
says out "failed at the stage model: "
says out "does not know element 36"
# 8 sqrt(2) less krypton's sigma, 3.6892
equal "$(cell f.csv model strange df | cut -c 1-4)" 7.62 "pores of a failed row"
sed 's/^C/U/' funnel/wide.xyz > uranium.xyz
check 0 "no charges" "${run[@]}" uranium.xyz --best 1 --output f.db --csv u.csv
says out "no-classical"
matches u.csv "has no ionisation energies of element 92"
equal "$(cell u.csv classical uranium stopped)" "there is no classical K_H to rank it by" "why it ended"
cubic dense.xyz 2.5
check 0 "a gas that fits nowhere" "${run[@]}" dense.xyz --min-diameter 0 --error 30% \
  --max-energies 200 --output dense.db --csv dense.csv
matches out "no-weight.* none-open|none-open.* no-weight"
equal "$(cell dense.csv model dense henry)" 0 "K_H where nothing fits"

# The model's stage is that of `widom`, to the bit; pockets beside, from the same energies.
check 0 "importance" "${run[@]}" funnel/wide.xyz --error 30% --max-energies 600 --output i.db --csv i.csv
check 0 "widom" "$equisorb" widom funnel/wide.xyz --model "$model" "${settings[@]}" --error 30% \
  --max-energies 600 --csv w.csv
for name in henry henry_95 qst ess n_hole discarded_share henry_with_pockets n_energy; do
  equal "$(cell i.csv model wide "$name")" "$(cell w.csv one wide "$name")" "$name by widom"
done

# Isotherms of the best; classically no model is needed.
points=("${classical[@]}" --energy classical funnel --isotherms 1 --pressures 1e4,1e5 --cycles 40)
check 1 "isotherms" "${points[@]}" --output funnel.db --csv points.csv
equal "$(rows points.csv isotherm)" 2 "points"
says out "isotherms"
says out "number 2 by classical K_H, 1 go on"
python3 - << 'PYTHON' || fail "points of isotherms"
import csv
c = {r["name"]: float(r["classical_henry"]) for r in csv.DictReader(open("c.csv")) if r["stage"] == "classical"}
p = [r for r in csv.DictReader(open("points.csv")) if r["stage"] == "isotherm"]
assert {r["name"] for r in p} == {max(c, key=c.get)}
assert [float(r["isotherm_pressure"]) for r in p] == [1e4, 1e5]
assert float(p[1]["isotherm_fugacity"]) < 1e5 and float(p[1]["isotherm_uptake"]) >= 0
PYTHON
best=$(awk -F '\t' '$1 == "isotherm" { print $2; exit }' points.csv.cells)
check 0 "gcmc" "$equisorb" gcmc funnel/$best.* "${settings[@]}" --energy classical --pressure 1e5 \
  --cycles 40 --csv g.csv
python3 - << 'PYTHON' || fail "a point is not what gcmc gives"
import csv
p = [r for r in csv.DictReader(open("points.csv")) if r["stage"] == "isotherm"][1]
g = next(csv.DictReader(open("g.csv")))
assert p["isotherm_uptake"] == g["uptake_mol_kg"] and p["isotherm_qst"] == g["qst_kJ_mol"], (p, g)
PYTHON

# Killed in the middle of a row, of either long stage, and wherever: the rows of an uninterrupted
# run, and no file left beside the store. Of a model with a committee, which every row tells of.
whole=("$equisorb" screen --model "$data/models/tiny_committee.safetensors" "${settings[@]}"
  cifs/host-1.xyz cifs/host-2.xyz --best 1 --error 40%
  --max-energies 600 --isotherms 1 --pressures 1e4,1e5 --cycles 300)
plain_rows() { python3 -c 'import csv, sys
for r in csv.DictReader(open(sys.argv[1])):
    print([v for k, v in r.items() if k not in ("seconds", "cpu_seconds", "finished")])' "$1"; }
check 0 "all stages" "${whole[@]}" --output whole.db --csv whole.csv
equal "$(rows whole.csv isotherm)" 2 "points by the model"
says out "how sure the model is"
best=$(awk -F '\t' '$1 == "model" { print $2; exit }' whole.csv.cells)
equal "$(cell whole.csv model "$best" chemistry)" known "atoms like those of the training"
equal "$(cell whole.csv isotherm "$best" henry_factor)" \
  "$(cell whole.csv model "$best" henry_factor)" "the factor of the stage before"
awk -v f="$(cell whole.csv model "$best" henry_factor)" -v q="$(cell whole.csv model "$best" qst_uncertainty)" \
  'BEGIN { exit !(f > 1 && q > 0) }' || fail "the model is sure of everything"
equal "$(cell i.csv model wide chemistry)" "" "a model without a committee"
plain_rows whole.csv > whole.rows
cp out whole.out
# begun KIND: a file of that kind (its first letters) was written: energies of the model, a chain.
begun() {
  local part
  for part in parts.db.*.part; do
    [ "$(head -c 8 "$part" 2> /dev/null | tr -d '\0')" = "$1" ] && return
  done
  return 1
}
for kind in EQSENERG EQSGCMC1; do
  "${whole[@]}" --output parts.db > parts.out 2> err &
  job=$!
  while ! begun "$kind"; do
    kill -0 $job 2> /dev/null || fail "no row of the kind $kind was begun: $(cat err parts.out)"
    sleep 0.1
  done
  kill -KILL $job
  wait $job 2> /dev/null || true
done
check 0 "all stages after kills" "${whole[@]}" --output parts.db --csv parts.csv
plain_rows parts.csv > parts.rows
same parts.rows whole.rows "kills change the rows"
same out whole.out "kills change the table"
! compgen -G '*.part' > /dev/null || fail "a file of a row that is done: $(ls)"

head -c 8192 /dev/urandom > random.db
check 1 "not a results file" "${all[@]}" cifs --output random.db
says err "not an SQLite file"
check 1 "no such folder" "${all[@]}" cifs --output no/such/r.db
check 1 "CSV cannot be written" "${all[@]}" cifs --output r.db --csv no/such/r.csv

# A published model whose isolated CO2 is 0.3 eV off PBE: the warning, above the table and on rows.
published=${EQS_SEVENNET_DIR:-none}/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth
if [ -f "$published" ]; then
  check 0 "SevenNet-0" "$equisorb" screen cifs/host-1.xyz --model "$published" --gas CO2 \
    --temperature 298 --insertions 100 --output seven.db
  [ "$(sed -n '/WARNING/=' out)" -lt "$(sed -n '/^rank/=' out)" ]
  says out "this model gives -22.66"
  grep host-1 out | grep -qF gas-energy
  # The same verdict with D3: it is added to the reference too (0.025 eV for CO2).
  check 0 "SevenNet-0 with D3" "$equisorb" screen cifs/host-1.xyz --model "$published" --gas CO2 \
    --temperature 298 --insertions 100 --dispersion d3bj --output seven.db
  says out "this model gives -22.69"
  says out "-22.999 eV: +0.309"
  # Without a classical potential poses are uniform.
  check 0 "uniform poses" "$equisorb" screen uranium.xyz --model "$published" "${settings[@]}" \
    --error 50% --max-energies 200 --output seven.db --csv u.csv
  says out "no-classical"
  [ -n "$(cell u.csv model uranium henry)" ] || fail "no K_H without a classical potential"
else
  echo "skipped: the warning about the gas needs SevenNet-0; set EQS_SEVENNET_DIR"
fi
echo "screen: $checks checks"
