#!/bin/bash
# The job scripts of examples/slurm under a real SLURM, one node of it on this machine (cluster.sh):
# an array of shards and their merging, a screening over ranks, runs as an array, and one cell over
# ranks that SLURM asks to stop, that is requeued and ends with the bits of a run that was left
# alone. By hand, as root, with Debian's slurm-wlm, munge and openmpi-bin:
#   EQUISORB=build/default/equisorb tests/slurm/test.sh [--limit]
# --limit: once more with the end of a time limit in place of scancel (two minutes).
# SPDX-License-Identifier: MIT
set -euo pipefail
EQUISORB=$(realpath "${EQUISORB:-build/default/equisorb}")
here=$(realpath "$(dirname "$0")")
export EQUISORB EQS_SOURCE_DIR=$here/../..
limit=${1:-}
. "$here/cluster.sh"
. "$here/../app/checks.sh"
cluster_ready || exit 77
scripts=$here/../../examples/slurm
export MODEL=$data/models/tiny_L1.model STRUCTURE=$work/host.xyz FRAMEWORKS=$work/cifs
export OMPI_MCA_btl_base_warn_component_unused=0 OMP_WAIT_POLICY=passive
trap 'cluster_stop "$work/slurm"; rm -rf "$work"' EXIT
begin=$SECONDS
cluster_start "$work/slurm"
echo "a cluster: $((SECONDS - begin)) s"

# Copies of the scripts in a folder of their own, with what a user changes there.
place() { # FOLDER SCRIPT...
  mkdir -p "$1"
  cd "$1"
  shift
  local script
  for script in "$@"; do
    sed -e 's/--best 50/--insertions 100 --best 2/' -e 's/--isotherms 5/--isotherms 1 --cycles 10/' \
      "$scripts/$script" > "$script"
  done
}
submit() { sbatch --parsable --time=10 --cpus-per-task=1 "$@"; }
# The end of jobs; their last states are in `states`.
ended() {
  local job
  : > states
  for job in "$@"; do
    for _ in $(seq 900); do
      [ -z "$(squeue -h -j "$job" -t all -o %T 2> /dev/null | grep -vE 'COMPLETED|FAILED|TIMEOUT|CANCELLED')" ] && break
      sleep 0.1
    done
    squeue -h -j "$job" -t all -o '%F %T' >> states
  done
}
rows() {
  python3 -c 'import csv, sys
for r in csv.DictReader(open(sys.argv[1])):
    print([v for k, v in r.items() if k not in ("seconds", "cpu_seconds", "finished")])' "$1" > "$2"
}

mkdir "$work/cifs"
for i in 1 2 3; do
  sed "s/^Zn.*/Zn -0.4 1.9 1.0$i/" > "$work/cifs/host-$i.xyz" << 'XYZ'
4
Lattice="7 0 0 1.5 8 0 -1 0.5 9" Properties=species:S:1:pos:R:3 pbc="T T T"
O 0.3 0.2 0.1
C 1.5 0.4 0.1
H 2.2 1.2 0.3
Zn
XYZ
done
(cd "$work" && write_host)
"$EQUISORB" screen "$FRAMEWORKS" --model "$MODEL" --gas CO2 --temperature 298 --insertions 100 \
  --best 2 --isotherms 1 --cycles 10 --threads 1 --output "$work/one.db" --csv "$work/one.csv" \
  > /dev/null
rows "$work/one.csv" "$work/one.rows"

begin=$SECONDS
place "$work/array" screen_array.sh merge_shards.sh
array=$(submit --array=1-3 screen_array.sh)
merge=$(submit --ntasks=2 --dependency=afterany:"$array" merge_shards.sh)
ended "$array" "$merge"
[ -e co2.csv ] || fail "no merged results: $(cat states slurm-*.out)"
rows co2.csv all.rows
same "$work/one.rows" all.rows "rows of an array of shards"
says "slurm-$merge.out" "3 stores"
echo "an array of three shards, merged: $((SECONDS - begin)) s"

begin=$SECONDS
place "$work/ranks" screen_ranks.sh
job=$(submit --ntasks=3 screen_ranks.sh)
ended "$job"
[ -e co2.csv ] || fail "no results: $(cat states slurm-*.out)"
rows co2.csv all.rows
same "$work/one.rows" all.rows "rows of ranks"
echo "a screening over three ranks: $((SECONDS - begin)) s"

begin=$SECONDS
place "$work/runs" md_runs.sh
cat > runs.yaml << YAML
structure: [$work/cifs/host-1.xyz, $work/cifs/host-2.xyz, $work/cifs/host-3.xyz]
model: $MODEL
temperature: [200 K, 300 K]
steps: 20
log: "{structure}-{temperature}.csv"
checkpoint: "{structure}-{temperature}.state"
continue: true
YAML
job=$(submit --array=1-2 md_runs.sh)
ended "$job"
mkdir alone
(cd alone && "$EQUISORB" md ../runs.yaml --threads 1 > /dev/null 2>&1)
for log in alone/*.csv; do same "$log" "$(basename "$log")" "a log of an array of runs"; done
[ "$(ls host-*.csv | wc -l)" = 6 ] || fail "other runs than six: $(ls)"
echo "an array of six runs: $((SECONDS - begin)) s"

# One cell over two ranks: left alone, and asked to stop, until both are well beyond that step.
export STEPS=100000000
cell() { # FOLDER SCRIPT ARGUMENTS...: the job's number in `job`
  place "$1" "$2"
  local script=$2
  shift 2
  job=$(submit --ntasks=2 "$@" "$script")
}
lines() { if [ -e "$1" ]; then wc -l < "$1"; else echo 0; fi; }
# reaches FOLDER LINES: of its log.
reaches() {
  for _ in $(seq 1200); do
    [ "$(lines "$1/md.csv")" -ge "$2" ] && return
    sleep 0.1
  done
  fail "no $2 lines in the log of $1: $(cat "$1"/slurm-*.out)"
}
stop_steps() { # JOB
  scancel --signal=TERM "$1"
  ended "$1"
}
# The log as far as both have got, which is beyond line $1.
compare_with_alone() {
  local n m
  n=$(lines md.csv) m=$(lines "$work/alone/md.csv")
  [ "$m" -lt "$n" ] && n=$m
  [ "$n" -gt "$1" ] || fail "$n lines are not beyond line $1"
  head -n "$n" md.csv > log
  head -n "$n" "$work/alone/md.csv" > log.alone
  same log log.alone "$2"
}
begin=$SECONDS
cell "$work/asked" md_cell.sh
reaches . 3
scancel --signal=USR1 --batch "$job"
for _ in $(seq 600); do
  grep -q "stopped after" "slurm-$job.out" && break
  sleep 0.1
done
matches "slurm-$job.out" "stopped after [1-9][0-9]* of $STEPS steps"
stopped=$(lines md.csv)
reaches . $((stopped + 2))
scontrol show job "$job" | grep -q "Restarts=1" || fail "the job was not requeued"
stop_steps "$job"
cell "$work/alone" md_cell.sh
reaches . $((stopped + 2))
stop_steps "$job"
cd "$work/asked"
compare_with_alone "$stopped" "the log of a run that was requeued"
echo "a cell over two ranks, stopped, requeued, against one left alone: $((SECONDS - begin)) s"

begin=$SECONDS
export DEVICE=host
cell "$work/gpus" md_gpus.sh --gpus-per-task=1
reaches . 3
scontrol show job "$job" | grep -q gpu || fail "a job without GPUs"
stop_steps "$job"
compare_with_alone 2 "the log with GPUs in name only"
echo "the script for GPUs: $((SECONDS - begin)) s"

if [ "$limit" = --limit ]; then
  begin=$SECONDS
  cell "$work/limit" md_cell.sh --time=1 --signal=B:USR1@30
  for _ in $(seq 1800); do
    scontrol show job "$job" | grep -q "Restarts=1" && break
    sleep 0.1
  done
  scontrol show job "$job" | grep -q "Restarts=1" || fail "no requeue at the end of the time"
  matches "slurm-$job.out" "stopped after [1-9][0-9]* of $STEPS steps"
  scancel "$job"
  echo "requeued at the end of a time limit of a minute: $((SECONDS - begin)) s"
fi
echo "slurm: $checks checks"
