#!/bin/bash
# A SLURM cluster of one node, this machine, that lives in a folder: sourced by test.sh, or
#   tests/slurm/cluster.sh FOLDER COMMAND...   runs COMMAND with it and stops it.
# As root, with Debian's packages slurm-wlm and munge. It uses nothing of an installed cluster's
# configuration, and ends only the processes that it has started.
# SPDX-License-Identifier: MIT
set -euo pipefail

cluster_ready() {
  [ "$(id -u)" = 0 ] || { echo "a cluster of one's own needs root"; return 1; }
  local program
  for program in munged slurmctld slurmd sbatch; do
    command -v $program > /dev/null || { echo "$program is missing: apt-get install slurm-wlm munge"; return 1; }
  done
}

# cluster_write FOLDER: its configuration, with four processors and GPUs whatever there is.
cluster_write() {
  local home=$1 port=$((20000 + RANDOM % 20000))
  mkdir -p "$home/state" "$home/spool"
  chmod 755 "$home"
  (umask 077 && head -c 128 /dev/urandom > "$home/munge.key")
  touch "$home/gpu0" "$home/gpu1" "$home/gpu2" "$home/gpu3" # in name only: what scripts ask for
  echo "Name=gpu File=$home/gpu[0-3]" > "$home/gres.conf"
  cat > "$home/slurm.conf" << CONF
ClusterName=test
SlurmctldHost=$(hostname -s)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$home/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
GresTypes=gpu
NodeName=$(hostname -s) CPUs=4 CoresPerSocket=4 Gres=gpu:4 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

# cluster_start FOLDER: exports SLURM_CONF. Fails with the logs if no node comes up.
cluster_start() {
  local home=$1
  cluster_write "$home"
  export SLURM_CONF=$home/slurm.conf
  munged --force --key-file="$home/munge.key" --socket="$home/munge.socket" \
    --pid-file="$home/munged.pid" --log-file="$home/munged.log" --seed-file="$home/munged.seed"
  slurmctld -f "$SLURM_CONF"
  slurmd -f "$SLURM_CONF"
  for _ in $(seq 100); do
    [ "$(sinfo -h -o %T 2> /dev/null)" = idle ] && return
    sleep 0.1
  done
  tail -n 20 "$home"/*.log
  return 1
}

cluster_stop() {
  local home=$1 name pid
  scancel --quiet --user=root 2> /dev/null || true
  for name in slurmd slurmctld munged; do
    pid=$(cat "$home/$name.pid" 2> /dev/null || true)
    [ -z "$pid" ] || kill "$pid" 2> /dev/null || true
  done
  for name in slurmd slurmctld munged; do
    pid=$(cat "$home/$name.pid" 2> /dev/null || true)
    for _ in $(seq 50); do
      [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null || break
      sleep 0.1
    done
  done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  folder=${1:?usage: cluster.sh FOLDER COMMAND...}
  shift
  cluster_ready
  folder=$(realpath -m "$folder")
  mkdir -p "$folder"
  trap 'cluster_stop "$folder"' EXIT
  cluster_start "$folder"
  "$@"
fi
