#!/bin/bash
# A screening as an array of independent jobs, one per shard of the frameworks, each with a store of
# its own; merge_shards.sh puts them together. Any job may be killed, requeued or submitted again:
# it goes on. To be copied, and its #SBATCH lines and names changed:
#   job=$(sbatch --parsable screen_array.sh)
#   sbatch --dependency=afterany:"$job" merge_shards.sh
# SPDX-License-Identifier: MIT
#SBATCH --job-name=screen
#SBATCH --array=1-8
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

equisorb=${EQUISORB:-equisorb}
frameworks=${FRAMEWORKS:-cifs} model=${MODEL:-sevennet_0.pth}
# The same in all jobs, and in merge_shards.sh.
settings=(--gas CO2 --temperature 298 --best 50 --isotherms 5)

"$equisorb" screen "$frameworks" --model "$model" "${settings[@]}" \
  --shard "$SLURM_ARRAY_TASK_ID/${SHARDS:-$SLURM_ARRAY_TASK_COUNT}" --threads 0 \
  --output "co2-$SLURM_ARRAY_TASK_ID.shard.db"
