#!/bin/bash
# Molecular dynamics of one large cell over the processes of a job, for longer than a job may take:
# two minutes before its end SLURM sends SIGUSR1 to this script, which has the run write its
# checkpoint and stop, and puts the job back in the queue. The next one goes on with the same bits.
# SPDX-License-Identifier: MIT
#SBATCH --job-name=md
#SBATCH --ntasks=64
#SBATCH --cpus-per-task=1
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
  scancel --signal=TERM "$SLURM_JOB_ID" # to the processes of the step, not to this script
}
trap stop USR1

srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  "$equisorb" md --structure "$structure" --model "$model" --temperature 300 --thermostat csvr \
  --steps "${STEPS:-1000000}" --threads 1 --log md.csv --trajectory md.extxyz \
  --checkpoint md.state --checkpoint-every 5000 --continue &
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
