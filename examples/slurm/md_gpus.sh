#!/bin/bash
# The same as md_cell.sh on GPUs: a process and a GPU each. Of several structures or temperatures
# every process would take whole runs on its GPU instead.
# SPDX-License-Identifier: MIT
#SBATCH --job-name=md-gpus
#SBATCH --ntasks=8
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

equisorb=${EQUISORB:-equisorb}
structure=${STRUCTURE:-big.extxyz} model=${MODEL:-sevennet_0.pth}

asked=0
# shellcheck disable=SC2317
stop() {
  asked=1
  scancel --signal=TERM "$SLURM_JOB_ID"
}
trap stop USR1

srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  --gpus-per-task=1 "$equisorb" md --structure "$structure" --model "$model" \
  --device "${DEVICE:-cuda:0}" --temperature 300 --thermostat csvr --steps "${STEPS:-1000000}" \
  --threads 0 --log md.csv --trajectory md.h5 --checkpoint md.state --checkpoint-every 5000 \
  --continue &
run=$!
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
