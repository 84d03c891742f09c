#!/bin/bash
# A screening as one job of many processes, which take frameworks as they are done with others. One
# of them writes the store. Killed or out of time, the same job submitted again goes on. Where srun
# has no PMIx (srun --mpi=list), mpirun takes its place.
# SPDX-License-Identifier: MIT
#SBATCH --job-name=screen
#SBATCH --ntasks=32
#SBATCH --cpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

equisorb=${EQUISORB:-equisorb}
frameworks=${FRAMEWORKS:-cifs} model=${MODEL:-sevennet_0.pth}

srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  "$equisorb" screen "$frameworks" --model "$model" --gas CO2 --temperature 298 --best 50 \
  --isotherms 5 --threads 0 --output co2.db --csv co2.csv
