#!/bin/bash
# The job scripts of examples/slurm without SLURM: their syntax, and their commands run for real on
# made-up hosts, with stand-ins for srun, scancel and scontrol. tests/slurm/test.sh has a real SLURM.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"
scripts=$EQS_SOURCE_DIR/examples/slurm
for script in "$scripts"/*.sh; do
  check 0 "syntax of $script" bash -n "$script"
  matches "$script" '^#SBATCH --requeue$'
done

# srun runs the command once; scancel sends the signal to it; scontrol notes what is asked of it.
mkdir bin cifs
cat > bin/srun << 'STUB'
#!/bin/bash
while [[ $1 == --* ]]; do shift; done
"$@" &
echo $! > srun.pid
trap 'kill -TERM $!' TERM
wait $!
STUB
cat > bin/scancel << 'STUB'
#!/bin/bash
[ "$*" = "--signal=TERM 7" ] && kill -TERM "$(cat srun.pid)"
STUB
cat > bin/scontrol << 'STUB'
#!/bin/bash
echo "$*" >> scontrol.txt
STUB
chmod +x bin/*
export PATH=$work/bin:$PATH EQUISORB=$equisorb MODEL=$data/models/tiny_L1.model FRAMEWORKS=cifs
export SLURM_JOB_ID=7 SLURM_ARRAY_TASK_COUNT=2 SLURM_CPUS_PER_TASK=1 OMP_NUM_THREADS=1

# With the numbers that a user changes.
run() { # SCRIPT
  sed -e 's/--best 50/--insertions 100 --best 1/' -e 's/--isotherms 5/--isotherms 1 --cycles 10/' \
    -e 's/--threads 0/--threads 1/' "$scripts/$1" > "$1"
  bash "$1"
}
write_host
for i in 1 2; do sed "s/1.0$/1.0$i/" host.xyz > cifs/host-$i.xyz; done
for i in 1 2; do check 0 "shard $i" env SLURM_ARRAY_TASK_ID=$i bash -c "$(declare -f run); scripts=$scripts run screen_array.sh"; done
says out "waits for the other shards"
check 0 "merging" run merge_shards.sh
says out "2 stores"
sed 1d out > merged
cp co2.csv merged.csv
check 0 "ranks" run screen_ranks.sh
same out merged "the table of shards"
same co2.csv merged.csv "rows are computed again"

cat > runs.yaml << YAML
structure: [cifs/host-1.xyz, cifs/host-2.xyz]
model: $MODEL
temperature: 300 K
steps: 5
checkpoint: "{structure}-{temperature}.state"
continue: true
YAML
for i in 1 2; do
  export SLURM_ARRAY_TASK_ID=$i
  check 0 "runs of shard $i" run md_runs.sh
  [ "$(ls -- *-300.state | wc -l)" = $i ] || fail "the runs of shard $i: $(ls)"
done

# A cell that ends, and one that is asked to stop: its checkpoint is there, the job goes back.
version=$("$equisorb" --version)
export STRUCTURE=host.xyz DEVICE=host STEPS=20
for script in md_cell.sh md_gpus.sh; do
  if [ $script = md_gpus.sh ] && [[ $version != *hdf5* ]]; then continue; fi
  rm -f md.state
  check 0 "$script" run $script
  checks=$((checks + 1))
  [ ! -e scontrol.txt ] || fail "a run that was done is requeued"
  [ -s md.state ] || fail "no checkpoint"
done
export STEPS=100000000
rm -f md.*
run md_cell.sh > out 2> err &
job=$!
for _ in $(seq 200); do
  [ -s md.state ] && break
  sleep 0.05
done
sleep 0.3
kill -USR1 "$(awk '{ print $1 }' "/proc/$job/task/$job/children")"
wait $job || true
says err "stopped after"
says scontrol.txt "requeue 7"

echo "slurm scripts: $checks checks"
