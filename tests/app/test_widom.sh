#!/bin/bash
# `equisorb widom` on a small made-up host: options, both methods, stopping and going on, refusals.
# The model has random weights: its numbers mean nothing here, their sameness does.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"
model=$data/models/tiny_L1.model

# column FILE NAME: of the first row of a CSV file without quoted fields before it.
column() {
  awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) k = NF - i }
    NR == 2 { print $(NF - k) }' "$1"
}

cat > host.xyz << XYZ
4
Lattice="7 0 0 1.5 8 0 -1 0.5 9" Properties=species:S:1:pos:R:3 pbc="T T T"
O 0.3 0.2 0.1
C 1.5 0.4 0.1
H 2.2 1.2 0.3
Zn -0.4 1.9 1.0
XYZ
run=("$equisorb" widom host.xyz --model "$model" --gas CO2 --threads 1)
fast=("${run[@]}" --temperature 298,350 --error 10% --table 20000 --max-energies 1500)

check 0 "help" "$equisorb" widom --help
says out "example"
check 2 "no framework" "$equisorb" widom --model "$model" --gas CO2 --temperature 298
check 2 "two frameworks" "${run[@]}" host.xyz --temperature 298
check 2 "no model" "$equisorb" widom host.xyz --gas CO2 --temperature 298
check 2 "no gas" "$equisorb" widom host.xyz --model "$model" --temperature 298
check 2 "no temperature" "${run[@]}"
check 2 "temperature" "${run[@]}" --temperature 298,,313
check 2 "temperature" "${run[@]}" --temperature 298,-3
check 2 "error" "${run[@]}" --temperature 298 --error 5%%
check 2 "error" "${run[@]}" --temperature 298 --error 1.5
check 2 "method" "${run[@]}" --temperature 298 --method guess
check 2 "pockets" "${run[@]}" --temperature 298 --pockets fill
check 2 "energies" "${run[@]}" --temperature 298 --max-energies 5
check 1 "surrogate" "${run[@]}" --temperature 298 --surrogate charmm
check 1 "unknown gas" "${run[@]}" --temperature 298 --gas Xe
says err "CO2, N2"
check 1 "a gas the model does not know" "${run[@]}" --temperature 298 --gas Ar
says err "does not know element 18"
check 1 "no such file" "$equisorb" widom none.cif --model "$model" --gas CO2 --temperature 298
cat host.xyz host.xyz > two.xyz
check 1 "two frames" "$equisorb" widom two.xyz --model "$model" --gas CO2 --temperature 298
says err "2 frames"

check 0 "a run" "${fast[@]}" --csv a.csv
[ ! -s err ] || fail "not quiet without a terminal: $(cat err)"
cp out first
says first "298.00"
says first "350.00"
says first "uff+trappe"
[ "$(wc -l < a.csv)" = 3 ]
[ "$(column a.csv n_energy)" -le 1500 ]
check 0 "two threads" "${fast[@]}" --threads 2
same out first "threads change the result"
checks=$((checks + 1)) # this host is open: no pockets, both coefficients are one
[ "$(column a.csv henry_with_pockets)" = "$(column a.csv henry)" ]
check 0 "pockets kept" "${fast[@]}" --pockets keep
same out first "a host without pockets depends on the rule for pockets"
check 0 "JSON" "${fast[@]}" --json
says out '"points": ['
says out '"n_energy"'
if command -v python3 > /dev/null; then
  cp out run.json
  check 0 "valid JSON" python3 -m json.tool run.json
fi
check 0 "another seed" "${fast[@]}" --seed 8
if cmp -s out first; then
  fail "the seed changes nothing"
fi

# Other cells of the same host (lattice a, a + b, 2c, turned in space) and other seeds: the same
# coefficients within three times the errors of both. The classical part rules, so that it is smooth.
cat > turned.xyz << XYZ
8
Lattice="-1.528735632 -4.666666667 -4.988505747 -9.396551724 -3.000000000 -6.241379310 4.045977011 13.666666667 -11.218390805" Properties=species:S:1:pos:R:3 pbc="T T T"
O -0.228735632 -0.066666667 -0.288505747
C -0.679310345 -0.800000000 -1.148275862
H -1.535632184 -0.866666667 -1.805747126
Zn -1.450574713 1.566666667 -0.459770115
O 1.794252874 6.766666667 -5.897701149
C 1.343678161 6.033333333 -6.757471264
H 0.487356322 5.966666667 -7.414942529
Zn 0.572413793 8.400000000 -6.068965517
XYZ
smooth=(--model "$model" --gas CO2 --temperature 298 --energy sum --scale 0.02 --error 15%
  --threads 1)
check 0 "one cell" "$equisorb" widom host.xyz "${smooth[@]}" --csv cell.csv
check 0 "another seed" "$equisorb" widom host.xyz "${smooth[@]}" --seed 11 --csv cell_11.csv
check 0 "a turned double cell" "$equisorb" widom turned.xyz "${smooth[@]}" --csv turned.csv
for other in cell_11.csv turned.csv; do
  for name in henry qst; do
    checks=$((checks + 1))
    awk -v a="$(column cell.csv $name)" -v b="$(column $other $name)" \
      -v da="$(column cell.csv ${name}_sigma)" -v db="$(column $other ${name}_sigma)" \
      'BEGIN { exit !(a > 0 && (a - b) ^ 2 <= 9 * (da ^ 2 + db ^ 2) && da < 0.05 * a) }' || {
      fail "$name: $(column cell.csv $name) in one cell, $(column $other $name) in $other"
    }
  done
done

# Energies are kept: the second time none is computed, and the result is the same.
check 0 "with a state" "${fast[@]}" --state run.state
same out first "keeping energies changes the result"
check 0 "from the state" "${fast[@]}" --state run.state
same out first "kept energies change the result"
check 1 "another gas with that state" "${fast[@]}" --gas H2O --state run.state
says err "run.state"
head -c 300 run.state > cut.state
check 1 "a damaged state" "${fast[@]}" --state cut.state
says err "cut.state"

# Plain insertion and screening draw the same poses and mean the same average.
check 0 "plain" "${run[@]}" --temperature 298 --method plain --seed 7 --error 0.01% \
  --max-energies 3000 --precision double --csv plain.csv
says out "error-not-reached"
draws=$(column plain.csv n_draw)
check 0 "screen" "$equisorb" screen host.xyz --model "$model" --gas CO2 --temperature 298 --seed 7 \
  --insertions "$draws" --precision double --threads 1 --output r.db --csv screen.csv
for name in henry henry_sigma qst ess n_overlap; do
  checks=$((checks + 1))
  # the screening row ends with pressure, uptake, uptake_linear; names find their column
  awk -v a="$(column plain.csv $name)" -v b="$(column screen.csv $name)" \
    'BEGIN { d = a - b; if (d < 0) d = -d; if (b < 0) b = -b; exit !(d <= 1e-7 * b) }' || {
    fail "$name: $(column plain.csv $name), by screening $(column screen.csv $name)"
  }
done

# Snapshots of a host that moves: the same host over and over, with its last atom displaced.
for k in $(seq 24); do
  head -5 host.xyz
  awk -v k="$k" 'NR == 6 { print $1, $2 + 0.03 * (k % 5 - 2), $3 + 0.02 * (k % 3 - 1), $4 }' host.xyz
done > moving.xyz
moving=("$equisorb" widom --snapshots moving.xyz --model "$model" --gas CO2 --temperature 298
  --threads 1 --table 5000 --max-energies 3000)
check 0 "snapshots" "${moving[@]}"
says out "24 snapshots"
cp out snapshots
check 0 "snapshots, two threads" "${moving[@]}" --threads 2
same out snapshots "threads change the result of snapshots"
check 0 "snapshots with a state" "${moving[@]}" --state moving.state
same out snapshots "keeping energies changes the result of snapshots"
[ -s moving.state.23 ]
check 0 "snapshots from the state" "${moving[@]}" --state moving.state
same out snapshots "kept energies change the result of snapshots"
check 2 "snapshots and a framework" "${moving[@]}" host.xyz
check 1 "snapshots at two temperatures" "${moving[@]}" --temperature 298,310
says err "temperature"
check 1 "snapshots and a sum" "${moving[@]}" --energy sum --scale 0.1
head -60 moving.xyz > few.xyz
check 1 "few snapshots" "${moving[@]}" --snapshots few.xyz
says err "10 snapshots"
sed '80s/Lattice="7 /Lattice="7.1 /' moving.xyz > cells.xyz
check 1 "snapshots of two cells" "${moving[@]}" --snapshots cells.xyz
says err "frame 14 has another cell"
sed '6s/^Zn/C/' moving.xyz > atoms.xyz
check 1 "snapshots of two frameworks" "${moving[@]}" --snapshots atoms.xyz
says err "frame 2 does not have the atoms"

# Stopped at any moment, the same command goes on to the same table.
set -m
slow=("${run[@]}" --temperature 298 --method plain --error 1% --max-energies 60000)
check 0 "uninterrupted" "${slow[@]}"
cp out whole
for signal in INT TERM INT; do
  "${slow[@]}" --state slow.state > out 2> err &
  job=$!
  sleep 1
  kill -$signal $job 2> /dev/null || true
  code=0
  wait $job || code=$?
  [ "$code" = 130 ] || [ "$code" = 143 ] || [ "$code" = 0 ] || fail "exit code $code after $signal"
  [ "$code" = 0 ] || says err "goes on from slow.state"
done
"${slow[@]}" --state slow.state > out 2> err &
job=$!
sleep 0.7
kill -KILL $job 2> /dev/null || true
wait $job 2> /dev/null || true
check 0 "after signals" "${slow[@]}" --state slow.state
same out whole "interruptions change the result"
check 1 "state cannot be written" "${slow[@]}" --state no/such/state
check 1 "CSV cannot be written" "${fast[@]}" --csv no/such/r.csv
echo "widom: $checks checks"
