#!/bin/bash
# The command's outer behaviour: help, exit codes, messages; info and evaluate on small files.
# SPDX-License-Identifier: MIT
set -euo pipefail
equisorb=${EQUISORB:?the path of the command}
models=${EQS_SOURCE_DIR:?}/tests/data/models
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checks=0

# check CODE WHAT COMMAND...: the exit code, and nothing of a crash.
check() {
  local want=$1 what=$2 code=0
  shift 2
  "$@" > "$work/out" 2> "$work/err" < /dev/null || code=$?
  checks=$((checks + 1))
  if [ "$code" != "$want" ]; then
    echo "FAILED: $what: exit code $code, not $want"
    cat "$work/out" "$work/err"
    exit 1
  fi
}
# says FILE TEXT: one of the last check's outputs holds it.
says() {
  checks=$((checks + 1))
  grep -qF -- "$2" "$work/$1" || {
    echo "FAILED: '$2' is not in what was written to $1:"
    cat "$work/$1"
    exit 1
  }
}

check 2 "no command" "$equisorb"
check 0 "help" "$equisorb" --help
says out evaluate
says out "exit codes"
check 0 "version" "$equisorb" --version
says out "equisorb 0."
check 2 "unknown command" "$equisorb" evalute
says err "did you mean 'evaluate'"
check 2 "far from any command" "$equisorb" zzzzzzzzzzzz
for command in info evaluate screen pores isotherm; do
  check 0 "$command --help" "$equisorb" "$command" --help
  says out example
  check 2 "$command, unknown option" "$equisorb" "$command" --nonsense
done
check 2 "info without a file" "$equisorb" info
check 1 "info, no such file" "$equisorb" info "$work/none.cif"
says err none.cif
printf 'not a structure\n' > "$work/bad.cif"
check 1 "info, bad CIF" "$equisorb" info "$work/bad.cif"
says err bad.cif
printf 'PK\3\4 truncated' > "$work/bad.model"
check 1 "info, bad model" "$equisorb" info "$work/bad.model"
says err bad.model

cat > "$work/water.xyz" << 'END'
3
water
O 0.0 0.0 0.1173
H 0.0 0.7572 -0.4692
H 0.0 -0.7572 -0.4692
END
cat > "$work/two.extxyz" << 'END'
3
Properties=species:S:1:pos:R:3 Lattice="9 0 0 0 9.5 0 1 0 10" pbc="T T T"
O 0.0 0.0 0.1173
H 0.0 0.7572 -0.4692
H 0.0 -0.7572 -0.4692
3
Properties=species:S:1:pos:R:3 pbc="F F F"
O 0.0 0.0 0.1173
H 0.0 0.7572 -0.4692
H 0.0 -0.7572 -0.4692
END
check 0 "info on a structure" "$equisorb" info "$work/water.xyz"
says out H2O
check 0 "info on a structure, JSON" "$equisorb" info "$work/water.xyz" --json
for key in atoms formula cell density charge shortest_contact components warnings; do
  says out "\"$key\""
done
check 0 "info, second frame" "$equisorb" info "$work/two.extxyz" --frame 2
check 1 "info, no third frame" "$equisorb" info "$work/two.extxyz" --frame 3

model=$models/tiny_L0.model
check 0 "info on a model" "$equisorb" info "$model"
says out cutoff
check 0 "info on a model, JSON" "$equisorb" info "$model" --json
for key in architecture elements cutoff layers channels precision heads parameters; do
  says out "\"$key\""
done

run=("$equisorb" evaluate --model "$model" --threads 1)
check 2 "evaluate without output" "${run[@]}" "$work/water.xyz"
check 2 "evaluate without structures" "${run[@]}" --output "$work/o.extxyz"
check 2 "evaluate without a model" "$equisorb" evaluate "$work/water.xyz" --output -
check 2 "precision" "${run[@]}" --precision half "$work/water.xyz" --output -
check 2 "threads" "${run[@]}" --threads many "$work/water.xyz" --output -
check 2 "output is an input" "${run[@]}" "$work/water.xyz" --output "$work/water.xyz"
check 1 "a bad structure among good ones" "${run[@]}" "$work/water.xyz" "$work/bad.cif" --output -
check 1 "output cannot be written" "${run[@]}" "$work/water.xyz" --output "$work/no/such/folder"
check 0 "evaluate" "${run[@]}" "$work/water.xyz" "$work/two.extxyz" --json \
  --output "$work/o.extxyz"
says err '"peak_memory_mb"'
[ "$(grep -c 'energy=' "$work/o.extxyz")" = 3 ]
[ "$(wc -l < "$work/o.extxyz")" = 15 ]
[ "$(grep -c 'Lattice=' "$work/o.extxyz")" = 1 ]
[ "$(grep -c 'stress=' "$work/o.extxyz")" -ge 1 ]
check 0 "evaluate to standard output" "${run[@]}" "$work/water.xyz" "$work/two.extxyz" --output -
cmp "$work/out" "$work/o.extxyz"
check 0 "the output is input" "${run[@]}" "$work/o.extxyz" --output -
cmp "$work/out" "$work/o.extxyz"

# Threads do not change a bit; a stopped run leaves whole frames.
for ((i = 0; i < 3000; i++)); do cat "$work/two.extxyz"; done > "$work/many.extxyz"
check 1 "dispersion without a functional" "${run[@]}" --dispersion d3bj "$work/water.xyz" --output -
says err "d3bj:pbe"
check 1 "dispersion of an unknown functional" "${run[@]}" --dispersion d3bj:lda "$work/water.xyz" --output -
check 2 "dispersion twice" "${run[@]}" --dispersion d3bj:pbe --dispersion d3bj:pbe "$work/water.xyz" \
  --output -
check 0 "dispersion" "${run[@]}" --dispersion d3bj:pbe "$work/water.xyz" --output -
cp "$work/out" "$work/with"
check 0 "dispersion none" "${run[@]}" --dispersion none "$work/water.xyz" --output -
! cmp -s "$work/out" "$work/with" || { echo "FAILED: dispersion changed nothing"; exit 1; }
check 0 "info with dispersion" "$equisorb" info "$model" --dispersion d3bj:PBE --json
says out '"dispersion": "d3bj:pbe"'

check 0 "one thread" "$equisorb" evaluate --model "$model" --threads 1 "$work/two.extxyz" --output -
cp "$work/out" "$work/one"
check 0 "two threads" "$equisorb" evaluate --model "$model" --threads 2 "$work/two.extxyz" --output -
cmp "$work/out" "$work/one"
set -m
"${run[@]}" --precision double "$work/many.extxyz" --output "$work/stopped.extxyz" 2> "$work/err" &
job=$!
for ((i = 0; i < 200; i++)); do
  [ -s "$work/stopped.extxyz" ] && break
  sleep 0.05
done
kill -INT $job 2> /dev/null || true
code=0
wait $job || code=$?
if [ $code != 130 ] && [ $code != 0 ]; then
  echo "FAILED: exit code $code after an interrupt"
  cat "$work/err"
  exit 1
fi
[ $(($(wc -l < "$work/stopped.extxyz") % 5)) = 0 ]
echo "command: $checks checks, interrupt gave $code"
