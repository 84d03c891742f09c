#!/bin/bash
# After screen_array.sh: the stores of all shards become one, and the same command without --shard
# does what ranks all frameworks (--best, isotherms) on several processes, and what shards have left.
# SPDX-License-Identifier: MIT
#SBATCH --job-name=merge
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

equisorb=${EQUISORB:-equisorb}
frameworks=${FRAMEWORKS:-cifs} model=${MODEL:-sevennet_0.pth}
settings=(--gas CO2 --temperature 298 --best 50 --isotherms 5)

"$equisorb" merge co2.db co2-*.shard.db
srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  "$equisorb" screen "$frameworks" --model "$model" "${settings[@]}" --threads 0 \
  --output co2.db --csv co2.csv
