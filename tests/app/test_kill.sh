#!/bin/bash
# Runs that are killed (SIGKILL) at random moments, again and again: whatever is on the disk can be
# read after each kill, and what is continued ends with the files of a run that never stopped.
# EQS_KILLS: how often each of the three runs is killed.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

kills=${EQS_KILLS:-5}
model=$data/models/tiny_L1.model
command -v python3 > /dev/null || fail "python3 is not here"

# killed COMMAND...: is killed after 20 to 270 ms, now and then when it has ended already.
killed() {
  "$@" > out 2> err < /dev/null &
  local child=$! code=0
  sleep "0.$(printf '%03d' $((RANDOM % 250 + 20)))"
  kill -KILL $child 2> /dev/null || true
  wait $child 2> /dev/null || code=$?
  [ "$code" = 137 ] || [ "$code" = 0 ] || fail "code $code of a run to be killed: $(cat err)"
  [ "$code" = 0 ] || deaths=$((deaths + 1))
  checks=$((checks + 1))
}
# Every line of a log is whole: all have as many fields as the first.
whole_lines() {
  [ ! -s "$1" ] || awk -F, 'NR == 1 { n = NF } NF != n { exit 1 }' "$1" ||
    fail "a line of $1 is cut: $(tail -1 "$1")"
  [ ! -s "$1" ] || [ -z "$(tail -c 1 "$1")" ] || fail "the last line of $1 is cut"
}
readable() { [ ! -s "$1" ] || check 0 "to read $1" "$equisorb" info "$1"; }

# Dynamics. The host is large enough for frames of several pages.
python3 - << 'PYTHON'
import random
random.seed(4)
with open("host.xyz", "w") as f:
    f.write('96\nLattice="14 0 0 1.5 13 0 -1 0.5 15" Properties=species:S:1:pos:R:3 pbc="T T T"\n')
    for i in range(96):
        a, b, c = (i % 4 + 0.5) / 4, (i // 4 % 4 + 0.5) / 4, (i // 16 + 0.5) / 6
        x = (14 * a + 1.5 * b - c, 13 * b + 0.5 * c, 15 * c)
        place = " ".join("%.6f" % (u + random.uniform(-0.1, 0.1)) for u in x)
        f.write(f"{random.choice('OCH')} {place}\n")
PYTHON
md=("$equisorb" md --structure host.xyz --model "$model" --temperature 300 --thermostat csvr
  --barostat isotropic --seed 5 --threads 1 --log-every 3 --trajectory-every 2
  --checkpoint-every 11)
dynamics() { # TRAJECTORY STEPS
  local of=$1 steps=$2 turn
  check 0 "without a stop" "${md[@]}" --steps "$steps" --log whole.csv --trajectory "whole.$of" \
    --final whole.last.xyz
  for turn in $(seq "$kills"); do
    killed "${md[@]}" --steps "$steps" --log part.csv --trajectory "part.$of" \
      --final part.last.xyz --checkpoint part.state --continue
    whole_lines part.csv
    readable part.last.xyz
    if [ "$of" = extxyz ]; then readable part.extxyz
    elif [ -s part.h5 ]; then
      check 0 "to read the trajectory after kill $turn" \
        "$equisorb" analyze part.h5 --rdf O-C --rdf-distance 4 --output part
    fi
  done
  check 0 "continued" "${md[@]}" --steps "$steps" --log part.csv --trajectory "part.$of" \
    --final part.last.xyz --checkpoint part.state --continue
  same whole.csv part.csv "log of a run that was killed"
  same whole.last.xyz part.last.xyz "end of a run that was killed"
}
deaths=0
dynamics extxyz 600
same whole.extxyz part.extxyz "trajectory of a run that was killed"
rm -f part.*
code=0
"${md[@]}" --steps 1 --trajectory try.h5 > out 2> err || code=$?
if [ "$code" = 0 ]; then
  dynamics h5 600
  for name in whole part; do
    check 0 "the trajectory" "$equisorb" analyze $name.h5 --rdf O-C --output $name
  done
  same whole-rdf.csv part-rdf.csv "trajectory of a run that was killed"
else
  says err "built without HDF5"
fi
of_dynamics=$deaths

# Screening, all stages, with energies and chains that are continued within a row.
deaths=0
mkdir cifs
for i in 1 2 3; do
  cat > cifs/host-$i.xyz << XYZ
4
Lattice="7 0 0 1.5 8 0 -1 0.5 9" Properties=species:S:1:pos:R:3 pbc="T T T"
O 0.3 0.2 0.1
C 1.5 0.4 0.1
H 2.2 1.2 0.3
Zn -0.4 1.9 1.0$i
XYZ
done
screen=("$equisorb" screen cifs --model "$model" --gas CO2 --temperature 298 --seed 3 --threads 1
  --error 40% --max-energies 300 --best 1 --isotherms 1 --pressures 1e4,1e5 --cycles 80)
rows() { python3 -c 'import csv, sys
for r in csv.DictReader(open(sys.argv[1])):
    print([v for k, v in r.items() if k not in ("seconds", "cpu_seconds", "finished")])' "$1"; }
check 0 "without a stop" "${screen[@]}" --output whole.db --csv whole.csv
cp out whole.out
for turn in $(seq "$kills"); do
  killed "${screen[@]}" --output part.db --csv part.csv
  [ ! -s part.csv ] || rows part.csv > part.rows || fail "the table after kill $turn"
  [ ! -s part.db ] || python3 - << 'PYTHON' || fail "the store after kill $turn"
import sqlite3
assert sqlite3.connect("part.db").execute("pragma integrity_check").fetchall() == [("ok",)]
PYTHON
done
check 0 "continued" "${screen[@]}" --output part.db --csv part.csv
rows whole.csv > whole.rows
rows part.csv > part.rows
same whole.rows part.rows "rows of a screening that was killed"
same whole.out out "table of a screening that was killed"
! compgen -G '*.part*' > /dev/null || fail "files of rows that are done: $(ls)"
[ $((of_dynamics + deaths)) -gt $((kills / 2)) ] || fail "hardly any run was killed"
echo "$checks checks passed, $of_dynamics kills of dynamics, $deaths of screening"
