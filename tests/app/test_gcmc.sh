#!/bin/bash
# `equisorb gcmc`: options, refusals, the same rows for any number of threads and over a kill.
# SPDX-License-Identifier: MIT
set -euo pipefail
equisorb=${EQUISORB:?the path of the command}
data=${EQS_SOURCE_DIR:?}/tests/data
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
checks=0

# check CODE WHAT COMMAND...: the exit code.
check() {
  local want=$1 what=$2 code=0
  shift 2
  "$@" > out 2> err < /dev/null || code=$?
  checks=$((checks + 1))
  [ "$code" = "$want" ] && return
  echo "FAILED: $what: exit code $code, not $want"
  cat out err
  exit 1
}
says() {
  checks=$((checks + 1))
  grep -qF -- "$2" "$1" && return
  echo "FAILED: '$2' is not in $1:"
  cat "$1"
  exit 1
}
same() {
  checks=$((checks + 1))
  cmp "$1" "$2" && return
  echo "FAILED: $3"
  exit 1
}

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
short=("${classical[@]}" --cycles 20 --moves 10 --trials 4 --seed 3)
check 0 "a mixture" "${short[@]}" --gas CO2:0.15,N2:0.85 --pressure 1e5,1e6 --csv mix.csv
says out "CO2"
says out "N2"
[ "$(wc -l < mix.csv)" = 5 ] || { echo "FAILED: rows of mix.csv"; cat mix.csv; exit 1; }
check 0 "json" "${short[@]}" --gas CH4 --pressure 1e5 --json
python3 -c 'import json; r = json.load(open("out")); assert r["n_moves"] == 400, r' ||
  { echo "FAILED: the JSON"; exit 1; }

# Threads do not matter, nor does being stopped.
check 0 "one thread" "${short[@]}" --gas CO2 --pressure 1e6 --csv one.csv --threads 1
check 0 "two threads" "${short[@]}" --gas CO2 --pressure 1e6 --csv two.csv --threads 2
same one.csv two.csv "one thread and two"
long=("${classical[@]}" --cycles 400 --moves 10 --trials 4 --seed 3 --gas CO2 --pressure 1e6)
check 0 "without a stop" "${long[@]}" --csv whole.csv --checkpoint whole.state
for _ in 1 2 3 4 5 6 7 8; do
  code=0
  timeout --signal=INT 0.7 "${long[@]}" --csv part.csv --checkpoint part.state \
    > out 2> err < /dev/null || code=$?
  [ "$code" = 0 ] && break
  { [ "$code" = 124 ] || [ "$code" = 130 ]; } || { echo "FAILED: code $code"; cat err; exit 1; }
done
check 0 "continued" "${long[@]}" --csv part.csv --checkpoint part.state
same whole.csv part.csv "a run that was stopped and continued"
check 1 "a checkpoint of another run" "${long[@]}" --seed 4 --checkpoint whole.state
head -c 100 whole.state > broken.state
check 1 "a broken checkpoint" "${long[@]}" --checkpoint broken.state

# With a model: its weights are random, but it must run through every kind of energy.
cat > host.xyz << XYZ
4
Lattice="9 0 0 1.5 9.5 0 -1 0.5 10" Properties=species:S:1:pos:R:3 pbc="T T T"
O 0.3 0.2 0.1
C 1.5 0.4 0.1
H 2.2 1.2 0.3
Zn -0.4 1.9 1.0
XYZ
for energy in model sum; do
  check 0 "$energy" "$equisorb" gcmc host.xyz --model "$model" --gas H2O \
    --temperature 600 --pressure 1e6 --energy $energy --scale 0.1 --cycles 20 --moves 10 --trials 2
  says out "H2O"
done
echo "$checks checks passed"
