#!/bin/bash
# `equisorb evaluate`, `md` and `relax` under mpirun: what one process gives, checkpoints that go on
# with the same bits, and failures that end all ranks with one message.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

if ! command -v mpirun > /dev/null; then
  echo "skipped: there is no mpirun"
  exit 0
fi
if [ ! -e "$(dirname "$equisorb")/libequisorb_mpi.so" ]; then
  echo "skipped: built without MPI"
  exit 0
fi
# Open MPI refuses root, and a machine with fewer cores than ranks, unless it is told not to; what it
# leaves allocated at its end is not ours.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_base_warn_component_unused=0
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
ranks() { # N ARGUMENTS...
  local n=$1
  shift
  timeout 120 mpirun -n "$n" "$equisorb" "$@"
}

model=$data/models/tiny_L1.model
write_host
arguments=(--model "$model" --precision double --threads 1)

# Numbers of two files that differ by more than 1e-10.
close() { # FILE FILE WHAT
  checks=$((checks + 1))
  awk 'NR == FNR { for (i = 1; i <= NF; i++) want[FNR, i] = $i; rows = FNR; next }
       { for (i = 1; i <= NF; i++) {
           if ($i !~ /^-?[0-9.]+(e[-+][0-9]+)?$/) { if ($i != want[FNR, i] && FNR != 2) bad++ }
           else { d = $i - want[FNR, i]; if (d * d > 1e-20) bad++; numbers++ } } }
       END { exit bad || rows != FNR || numbers < 10 }' "$1" "$2" && return
  diff "$1" "$2" || true
  fail "$3"
}

check 0 "one process" "$equisorb" evaluate "${arguments[@]}" host.xyz --output one.xyz
for n in 2 3; do
  check 0 "$n ranks" ranks $n evaluate "${arguments[@]}" host.xyz --output "of$n.xyz"
  close one.xyz "of$n.xyz" "forces of $n ranks"
done
check 0 "dispersion" "$equisorb" evaluate "${arguments[@]}" --dispersion d3bj:pbe host.xyz \
  --output one.xyz
check 0 "dispersion, 3 ranks" ranks 3 evaluate "${arguments[@]}" --dispersion d3bj:pbe host.xyz \
  --output of3.xyz
close one.xyz of3.xyz "forces of 3 ranks with dispersion"
check 0 "help of two ranks" ranks 2 md --help
checks=$((checks + 1))
[ "$(grep -c '^usage' out)" = 1 ] || fail "every rank gives help"

md=(md --structure host.xyz "${arguments[@]}" --temperature 600 --thermostat csvr)
check 0 "100 steps, one process" "$equisorb" "${md[@]}" --steps 100 --trajectory one.extxyz
check 0 "100 steps, two ranks" ranks 2 "${md[@]}" --steps 100 --trajectory two.extxyz \
  --log two.csv --checkpoint two.state
checks=$((checks + 1))
awk 'NR == FNR { x[FNR] = $2; next } FNR > 8 && NF == 7 && ($2 - x[FNR]) ^ 2 > 1e-18 { bad++ }
     END { exit bad || FNR < 9 }' one.extxyz two.extxyz || fail "a trajectory of two ranks"

# Stopped and continued: the same bits.
run=("${md[@]}" --trajectory half.extxyz --log half.csv --checkpoint half.state --continue)
check 0 "60 steps" ranks 2 "${run[@]}" --steps 60
check 0 "40 more" ranks 2 "${run[@]}" --steps 100
same two.csv half.csv "the log of a run that was continued"
same two.extxyz half.extxyz "the trajectory of a run that was continued"

check 0 "relaxation" ranks 2 relax "${arguments[@]}" host.xyz --max-steps 300 --force 0.05 \
  --output relaxed.xyz
says err "largest force"

# A run that explodes leaves all atoms of the step before: its last frame.
check 1 "an explosion" ranks 2 "${md[@]}" --steps 1000 --barostat full --barostat-time 10 \
  --compressibility 6e-9 --trajectory boom.extxyz --trajectory-every 1 --final boom.xyz
says err "the state before that step is in boom.xyz"
tail -n 6 boom.extxyz > last.xyz
same last.xyz boom.xyz "what is left of a run that exploded"
checks=$((checks + 1))
[ "$(wc -l < boom.extxyz)" -gt 18 ] || fail "it exploded at once"

# Every failure ends all ranks, and is told once.
once() { # TEXT
  checks=$((checks + 1))
  [ "$(grep -cF -- "$1" err)" = 1 ] && return
  cat err
  fail "'$1' is not told once"
}
check 2 "an unknown option" ranks 2 "${md[@]}" --stepss 3
once "--stepss"
check 1 "no structure" ranks 2 md --structure none.xyz "${arguments[@]}" --steps 3
once "none.xyz"
check 1 "no model" ranks 2 md --structure host.xyz --model none.model --steps 3
once "none.model"
check 1 "another model on one rank" timeout 120 mpirun -n 1 "$equisorb" "${md[@]}" --steps 3 : \
  -n 1 "$equisorb" "${md[@]}" --steps 3 --model "$data/models/tiny_L0.model"
once "rank 1: the model is not the one that rank 0 has loaded"
check 1 "a model missing on one rank" timeout 120 mpirun -n 1 "$equisorb" "${md[@]}" --steps 3 : \
  -n 1 "$equisorb" "${md[@]}" --steps 3 --model none.model
once "rank 1: none.model"
check 1 "dispersion on one rank alone" timeout 120 mpirun -n 1 "$equisorb" "${md[@]}" --steps 3 : \
  -n 1 "$equisorb" "${md[@]}" --steps 3 --dispersion d3bj:pbe
once "rank 1: the model is not the one that rank 0 has loaded"

# A rank that is killed takes the others with it; SIGUSR1 writes a checkpoint. Continued, the run has
# the bits of one that was left alone.
long=("${md[@]}" --barostat full --log-every 1 --trajectory-every 7)
timeout 120 mpirun -n 2 "$equisorb" "${long[@]}" --steps 100000000 --checkpoint long.state \
  --checkpoint-every 100000000 --log long.csv --trajectory long.extxyz > out 2> err < /dev/null &
job=$!
for _ in $(seq 100); do
  [ -e long.state ] && break
  sleep 0.1
done
[ -e long.state ] || fail "no checkpoint of the start"
launcher=$(awk '{ print $1 }' "/proc/$job/task/$job/children")
cp long.state before.state
kill -USR1 "$launcher"
for _ in $(seq 100); do
  cmp -s long.state before.state || break
  sleep 0.1
done
cmp -s long.state before.state && fail "SIGUSR1 has written no checkpoint"
rank=$(awk '{ print $2 }' "/proc/$launcher/task/$launcher/children")
kill -KILL "$rank"
code=0
wait "$job" || code=$?
checks=$((checks + 2))
[ "$code" = 137 ] || fail "after the end of a rank: exit code $code"
steps=$(($(grep -c '^[0-9]' long.csv) + 20))
check 0 "to go on after that" ranks 2 "${long[@]}" --steps $steps --checkpoint long.state --continue \
  --log long.csv --trajectory long.extxyz
check 0 "a run that is left alone" ranks 2 "${long[@]}" --steps $steps --log calm.csv \
  --trajectory calm.extxyz
same calm.csv long.csv "the log of a run that was killed"
same calm.extxyz long.extxyz "the trajectory of a run that was killed"

echo "ranks: $checks checks"
