#!/bin/bash
# The command's outer behaviour: help, exit codes, messages; info and evaluate on small files.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"
models=$data/models

check 2 "no command" "$equisorb"
check 0 "help" "$equisorb" --help
says out evaluate
says out "exit codes"
check 0 "version" "$equisorb" --version
says out "equisorb 0."
check 2 "unknown command" "$equisorb" evalute
says err "did you mean 'evaluate'"
check 2 "far from any command" "$equisorb" zzzzzzzzzzzz
for command in info evaluate screen merge pores isotherm; do
  check 0 "$command --help" "$equisorb" "$command" --help
  says out example
  check 2 "$command, unknown option" "$equisorb" "$command" --nonsense
done
check 2 "info without a file" "$equisorb" info
check 1 "info, no such file" "$equisorb" info none.cif
says err none.cif
printf 'not a structure\n' > bad.cif
check 1 "info, bad CIF" "$equisorb" info bad.cif
says err bad.cif
printf 'PK\3\4 truncated' > bad.model
check 1 "info, bad model" "$equisorb" info bad.model
says err bad.model

cat > water.xyz << 'END'
3
water
O 0.0 0.0 0.1173
H 0.0 0.7572 -0.4692
H 0.0 -0.7572 -0.4692
END
cat > two.extxyz << 'END'
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
check 0 "info on a structure" "$equisorb" info water.xyz
says out H2O
check 0 "info on a structure, JSON" "$equisorb" info water.xyz --json
for key in atoms formula cell density charge shortest_contact components warnings; do
  says out "\"$key\""
done
check 0 "info, second frame" "$equisorb" info two.extxyz --frame 2
check 1 "info, no third frame" "$equisorb" info two.extxyz --frame 3

model=$models/tiny_L0.model
check 0 "info on a model" "$equisorb" info "$model"
says out cutoff
check 0 "info on a model, JSON" "$equisorb" info "$model" --json
for key in architecture elements cutoff layers channels precision heads parameters; do
  says out "\"$key\""
done

run=("$equisorb" evaluate --model "$model" --threads 1)
check 2 "evaluate without output" "${run[@]}" water.xyz
check 2 "evaluate without structures" "${run[@]}" --output o.extxyz
check 2 "evaluate without a model" "$equisorb" evaluate water.xyz --output -
check 2 "precision" "${run[@]}" --precision half water.xyz --output -
check 2 "threads" "${run[@]}" --threads many water.xyz --output -
check 2 "output is an input" "${run[@]}" water.xyz --output water.xyz
check 1 "a bad structure among good ones" "${run[@]}" water.xyz bad.cif --output -
check 1 "output cannot be written" "${run[@]}" water.xyz --output no/such/folder
check 0 "evaluate" "${run[@]}" water.xyz two.extxyz --json --output o.extxyz
says err '"peak_memory_mb"'
[ "$(grep -c 'energy=' o.extxyz)" = 3 ]
[ "$(wc -l < o.extxyz)" = 15 ]
[ "$(grep -c 'Lattice=' o.extxyz)" = 1 ]
[ "$(grep -c 'stress=' o.extxyz)" -ge 1 ]
check 0 "evaluate to standard output" "${run[@]}" water.xyz two.extxyz --output -
cmp out o.extxyz
check 0 "the output is input" "${run[@]}" o.extxyz --output -
cmp out o.extxyz

# Threads do not change a bit; a stopped run leaves whole frames.
for ((i = 0; i < 3000; i++)); do cat two.extxyz; done > many.extxyz
check 1 "dispersion without a functional" "${run[@]}" --dispersion d3bj water.xyz --output -
says err "d3bj:pbe"
check 1 "dispersion of an unknown functional" "${run[@]}" --dispersion d3bj:lda water.xyz --output -
check 2 "dispersion twice" "${run[@]}" --dispersion d3bj:pbe --dispersion d3bj:pbe water.xyz \
  --output -
check 0 "dispersion" "${run[@]}" --dispersion d3bj:pbe water.xyz --output -
cp out with
check 0 "dispersion none" "${run[@]}" --dispersion none water.xyz --output -
! cmp -s out with || fail "dispersion changed nothing"
check 0 "info with dispersion" "$equisorb" info "$model" --dispersion d3bj:PBE --json
says out '"dispersion": "d3bj:pbe"'

check 0 "uncertainty" "$equisorb" evaluate --model "$data/models/tiny_committee.safetensors" \
  --threads 1 --uncertainty two.extxyz --output -
matches out 'energies:R:1:novelty:R:1 energy=[^ ]+ uncertainty=[0-9.e-]+ '
check 0 "uncertainty as JSON" "$equisorb" evaluate --threads 1 --uncertainty --json --output o.extxyz \
  --model "$data/models/tiny_committee.safetensors" two.extxyz
matches err '"unknown_frames": [0-9]+, "novelty_max": [0-9.e-]+\}$'
check 1 "uncertainty without a committee" "${run[@]}" --uncertainty water.xyz --output -
says err "the model has no committee"
check 0 "one thread" "$equisorb" evaluate --model "$model" --threads 1 two.extxyz --output -
cp out one
check 0 "two threads" "$equisorb" evaluate --model "$model" --threads 2 two.extxyz --output -
cmp out one
set -m
"${run[@]}" --precision double many.extxyz --output stopped.extxyz 2> err &
job=$!
for ((i = 0; i < 200; i++)); do
  [ -s stopped.extxyz ] && break
  sleep 0.05
done
kill -INT $job 2> /dev/null || true
code=0
wait $job || code=$?
if [ $code != 130 ] && [ $code != 0 ]; then
  cat err
  fail "exit code $code after an interrupt"
fi
[ $(($(wc -l < stopped.extxyz) % 5)) = 0 ]
echo "command: $checks checks, interrupt gave $code"
