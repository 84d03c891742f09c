#!/bin/bash
# Many runs of one run file (several structures or temperatures) as an array: each job does a shard
# of them, and goes on where it was stopped.
# SPDX-License-Identifier: MIT
#SBATCH --job-name=md-runs
#SBATCH --array=1-8
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

# The run file has `checkpoint: "{structure}-{temperature}.state"` and `continue: true`.
"${EQUISORB:-equisorb}" md "${RUN:-runs.yaml}" \
  --shard "$SLURM_ARRAY_TASK_ID/${SHARDS:-$SLURM_ARRAY_TASK_COUNT}" --threads 0 &
asked=0
# shellcheck disable=SC2317
stop() {
  asked=1
  kill -TERM "$run" # all checkpoints are written
}
run=$!
trap stop USR1
# A signal ends a wait, not the run.
while true; do
  code=0
  wait $run || code=$?
  kill -0 $run 2> /dev/null || break
done

if [ $asked = 1 ] && [ "$code" != 0 ]; then
  exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
