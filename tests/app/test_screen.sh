#!/bin/bash
# `equisorb screen` on small made-up hosts: options, rows, resuming after kills, refusals.
# The model has random weights: its numbers mean nothing here, their sameness does.
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
run=("$equisorb" screen --model "$model" --gas CO2 --temperature 298 --threads 1)
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
else
  echo "skipped: the warning about the gas needs SevenNet-0; set EQS_SEVENNET_DIR"
fi
echo "screen: $checks checks"
