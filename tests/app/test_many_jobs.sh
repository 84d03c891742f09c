#!/bin/bash
# Many jobs: frameworks and runs taken by the ranks of mpirun, and by the shards of an array whose
# stores are merged. Every way gives the rows, tables and trajectories of one process.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_base_warn_component_unused=0
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
model=$data/models/tiny_L1.model
has_ranks=0
version=$("$equisorb" --version)
if command -v mpirun > /dev/null && [[ $version == *mpi* ]]; then has_ranks=1; fi
ranks() { # N ARGUMENTS...
  local n=$1
  shift
  timeout 120 mpirun -n "$n" "$equisorb" "$@"
}
# What depends on the machine alone is left out; a framework may stand under the path of its twin.
rows() {
  python3 -c 'import csv, sys
for r in csv.DictReader(open(sys.argv[1])):
    print([v for k, v in r.items() if k not in ("seconds", "cpu_seconds", "finished")])' "$1" > "$2"
}

# Hosts, one of them under two names, a file of two frames, of which one is too narrow, a bad one.
host() { # X [COPIES]
  printf '4\nLattice="7 0 0 1.5 8 0 -1 0.5 9" Properties=species:S:1:pos:R:3 pbc="T T T"\n'
  printf 'O 0.3 0.2 0.1\nC 1.5 0.4 0.1\nH 2.2 1.2 0.3\nZn -0.4 1.9 %s\n' "$1"
}
mkdir cifs
for i in 1 2; do host 1.0$i > cifs/host-$i.xyz; done
cp cifs/host-2.xyz cifs/twin.xyz
narrow='1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nC 0 0 0\n'
# shellcheck disable=SC2059
{ host 1.11; printf "$narrow"; } > cifs/many.xyz
printf 'data_x\n_cell_length_a nonsense\n' > cifs/corrupt.cif
screen=(screen cifs --model "$model" --gas CO2 --temperature 298 --threads 1 --insertions 100)
funnel=("${screen[@]}" --best 2 --isotherms 1 --pressures 1e4,1e5 --cycles 10)

check 1 "one process, no stages that rank" "$equisorb" "${screen[@]}" --output plain.db --csv plain.csv
rows plain.csv plain.rows
check 1 "one process" "$equisorb" "${funnel[@]}" --output one.db --csv one.csv
rows one.csv one.rows
cp out one.out
says out "1 of 5 frameworks failed"

if [ $has_ranks = 1 ]; then
  check 1 "three ranks" ranks 3 "${funnel[@]}" --output of3.db --csv of3.csv
  rows of3.csv of3.rows
  same one.rows of3.rows "rows of three ranks"
  same one.out out "the table of three ranks"
  check 1 "the same again" ranks 2 "${funnel[@]}" --output of3.db --csv again.csv
  same of3.csv again.csv "rows are computed again"
  ! compgen -G '*.part' > /dev/null || fail "a file of a row that is done: $(ls)"

  # Stopped by what the launcher passes on, killed, and continued by another number of ranks.
  long=("${screen[@]:0:${#screen[@]}-1}" 3000000)
  timeout 120 mpirun -n 2 "$equisorb" "${long[@]}" --output cut.db > out 2> err < /dev/null &
  job=$!
  for _ in $(seq 100); do
    [ -s cut.db ] && break
    sleep 0.05
  done
  sleep 0.3
  launcher=$(awk '{ print $1 }' "/proc/$job/task/$job/children")
  kill -TERM "$launcher"
  code=0
  wait $job || code=$?
  checks=$((checks + 1))
  [ "$code" != 0 ] || fail "exit code $code after SIGTERM: $(cat err)"
  says err "the same command continues"

  timeout 120 mpirun -n 3 "$equisorb" "${long[@]}" --output cut.db > out 2> err < /dev/null &
  job=$!
  sleep 0.8
  launcher=$(awk '{ print $1 }' "/proc/$job/task/$job/children")
  kill -KILL "$(awk '{ print $2 }' "/proc/$launcher/task/$launcher/children")"
  code=0
  wait $job || code=$?
  checks=$((checks + 1))
  [ "$code" = 137 ] || fail "after the end of a rank: exit code $code: $(cat err)"
  says err "signal 9"
  check 1 "to go on after that" ranks 2 "${screen[@]}" --output cut.db --csv cut.csv
  rows cut.csv cut.rows
  same plain.rows cut.rows "rows after an end of ranks"

  # What is wrong on one rank ends all, and is told once.
  once() { # TEXT
    checks=$((checks + 1))
    [ "$(grep -cF -- "$1" err)" = 1 ] || fail "'$1' is not told once: $(cat err)"
  }
  check 2 "wrong usage" ranks 2 "${funnel[@]}"
  once "--output RESULTS.db is missing"
  check 1 "no frameworks" ranks 2 screen none --stage pores --gas CO2 --temperature 298 --output n.db
  check 1 "another seed on one rank" timeout 120 mpirun -n 1 "$equisorb" "${funnel[@]}" \
    --output two.db : -n 1 "$equisorb" "${funnel[@]}" --output two.db --seed 2
  once "rank 1 has other settings than rank 0"
  check 1 "a store that one rank does not see" timeout 120 mpirun -n 1 "$equisorb" "${funnel[@]}" \
    --output two.db : -n 1 "$equisorb" "${funnel[@]}" --output elsewhere.db
  once "does not see elsewhere.db"
  check 1 "a model missing on one rank" timeout 120 mpirun -n 1 "$equisorb" "${funnel[@]}" \
    --output two.db : -n 1 "$equisorb" "${funnel[@]}" --output two.db --model none.model
  once "rank 1: none.model"
fi

# Shards: together each file once, the largest spread out, all of them merged the rows of one run.
check 2 "no shard" "$equisorb" "${funnel[@]}" --shard 2 --output s.db
check 2 "shard 0" "$equisorb" "${funnel[@]}" --shard 0/3 --output s.db
check 2 "a shard too many" "$equisorb" "${funnel[@]}" --shard 4/3 --output s.db
for i in 1 2 3; do
  code=0
  "$equisorb" "${funnel[@]}" --shard $i/3 --output s$i.db --csv s$i.csv > s$i.out 2> err || code=$?
  [ $code -le 1 ] || fail "shard $i: exit code $code"
done
cat s1.csv s2.csv s3.csv | cut -d , -f 2 | grep -v path | sort | uniq > done.txt
checks=$((checks + 1))
[ "$(wc -l < done.txt)" -ge 4 ] || fail "files of all shards: $(cat done.txt)"
for path in host-1.xyz host-2.xyz many.xyz corrupt.cif; do
  says done.txt "cifs/$path"
done
cat s?.out > all.out
says all.out "waits for the other shards: they are ranked by classical K_H"
checks=$((checks + 1))
! grep -q "stage model\|^isotherms" all.out || fail "a shard ranks its frameworks"
check 0 "merge" "$equisorb" merge all.db s3.db s1.db s2.db
says out "3 stores"
check 0 "merge again" "$equisorb" merge all.db s1.db s2.db s3.db
says out " 0 rows new, 0 better"
check 1 "the rest" "$equisorb" "${funnel[@]}" --output all.db --csv all.csv
rows all.csv all.rows
same one.rows all.rows "rows of shards"
same one.out out "the table of shards"
for i in 1 2; do
  "$equisorb" "${screen[@]}" --shard $i/2 --output p$i.db > /dev/null 2> err || [ $? = 1 ]
done
check 0 "merge of whole shards" "$equisorb" merge p.db p1.db p2.db
count() { sqlite3 p.db "select count(*) from result"; }
count > count
check 1 "nothing left" "$equisorb" "${screen[@]}" --output p.db --csv p.csv
checks=$((checks + 1))
[ "$(count)" = "$(cat count)" ] || fail "rows are left after all shards"
rows p.csv p.rows
same plain.rows p.rows "rows of shards without stages that rank"

# Refusals. A killed merge leaves the store as it was, and the next goes on.
check 2 "nothing to merge" "$equisorb" merge all.db
check 1 "a store into itself" "$equisorb" merge all.db s1.db all.db
says err "is the store to write"
check 1 "no such store" "$equisorb" merge m.db none.db
says err "none.db: there is no such store"
check 0 "another seed" "$equisorb" screen cifs/host-1.xyz --stage classical --gas CO2 \
  --temperature 298 --seed 2 --output seed.db
check 1 "settings that differ" "$equisorb" merge m.db s1.db seed.db
says err "seed=1"
says err "seed=2"
check 0 "mixed" "$equisorb" merge m.db s1.db seed.db --mixed
head -c 8192 /dev/urandom > random.db
check 1 "not a store" "$equisorb" merge m2.db s1.db random.db
says err "random.db is not an SQLite file"
: > empty.db
check 1 "an empty store" "$equisorb" merge m2.db s1.db empty.db
says err "empty.db is empty"
sqlite3 foreign.db "create table result (id)"
check 1 "another program's" "$equisorb" merge m2.db foreign.db
says err "of another program"
cp s1.db view.db
sqlite3 view.db "alter table result rename to r; create view result as select * from r"
check 1 "a view" "$equisorb" merge m2.db view.db
says err "has no table of results"
cp s1.db columns.db
sqlite3 columns.db "alter table result rename column henry to price"
check 1 "other columns" "$equisorb" merge m2.db columns.db
says err "other columns"
cp s1.db nameless.db
sqlite3 nameless.db "update result set file_sha256 = '' where id = 1"
check 1 "a row of nothing" "$equisorb" merge m3.db s2.db nameless.db
says err "nameless.db: row 1 does not say what it is of"
checks=$((checks + 1))
[ "$(sqlite3 m3.db 'select count(*) from result')" = "$(sqlite3 s2.db 'select count(*) from result')" ] ||
  fail "half a store is left"
head -c 9000 s1.db > cut-off.db
check 1 "cut off" "$equisorb" merge m4.db cut-off.db

# Runs of molecular dynamics: shards and ranks take whole ones, whose files are those of one process.
md=(md --model "$model" --precision double --threads 1 --structure cifs/host-1.xyz --structure
  cifs/pair.extxyz --frame all --temperature 200 --temperature 300 --thermostat csvr --steps 12
  --log-every 1)
{ host 1.11; host 1.12; } > cifs/pair.extxyz
files=(--log "{structure}-{frame}-{temperature}-{job}.csv" --checkpoint
  "{structure}-{frame}-{temperature}-{job}.state" --continue)
mkdir alone shards ranks
together() { # FOLDER COMMAND...: in that folder, whose logs are then compared with those of `alone`
  local folder=$1
  shift
  ln -sfn ../cifs "$folder/cifs"
  (cd "$folder" && "$@")
}
check 0 "six runs" together alone "$equisorb" "${md[@]}" "${files[@]}"
for i in 1 2 3; do
  check 0 "runs of shard $i" together shards "$equisorb" "${md[@]}" "${files[@]}" --shard $i/3
  cp out "runs.$i"
done
compare_logs() {
  for log in alone/*.csv; do same "$log" "$1/$(basename "$log")" "a log of $1"; done
  checks=$((checks + 1))
  [ "$(ls "$1"/*.csv | wc -l)" = 6 ] || fail "other runs than six: $(ls "$1")"
}
compare_logs shards
matches runs.1 "^ +1 "
check 0 "a shard without runs" together alone "$equisorb" "${md[@]}" --shard 9/9
if [ $has_ranks = 1 ]; then
  check 0 "runs of three ranks" together ranks ranks 3 "${md[@]}" "${files[@]}"
  compare_logs ranks
  # A checkpoint of all runs when the launcher is asked for one, an end when it is told to end.
  endless=("${md[@]}" --steps 100000000 --temperature 310 --checkpoint "{job}.state" --continue
    --checkpoint-every 100000000)
  rm -f ./*.state
  timeout 120 mpirun -n 2 "$equisorb" "${endless[@]}" > out 2> err < /dev/null &
  job=$!
  for _ in $(seq 100); do
    [ -e 2.state ] && break
    sleep 0.05
  done
  [ -e 2.state ] || fail "no run was begun: $(cat err)"
  cp 2.state before.state
  launcher=$(awk '{ print $1 }' "/proc/$job/task/$job/children")
  sleep 0.3
  kill -USR1 "$launcher"
  for _ in $(seq 100); do
    cmp -s 2.state before.state || break
    sleep 0.05
  done
  cmp -s 2.state before.state && fail "SIGUSR1 has written no checkpoint"
  kill -TERM "$launcher"
  code=0
  wait $job || code=$?
  checks=$((checks + 1))
  [ "$code" != 0 ] || fail "exit code $code of runs that were told to end: $(cat err)"
  says err "stopped after"
  check 1 "another model on one rank" timeout 120 mpirun -n 1 "$equisorb" "${md[@]}" : -n 1 \
    "$equisorb" "${md[@]}" --model "$data/models/tiny_L0.model"
  says err "rank 1 has other runs than rank 0"
  check 1 "a run that cannot be" ranks 2 "${md[@]}" --structure cifs/corrupt.cif
else
  echo "skipped: ranks need mpirun and a build with MPI"
fi

echo "many jobs: $checks checks"
