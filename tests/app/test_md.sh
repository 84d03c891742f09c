#!/bin/bash
# `equisorb md`: run files and their complaints, logs and trajectories, the same bits for any number
# of threads and over kills, runs that explode.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

model=$data/models/tiny_L1.model
write_host
md=("$equisorb" md --structure host.xyz --model "$model")

check 0 "help" "$equisorb" md --help
says out "example"
check 2 "no structure" "$equisorb" md --model "$model" --steps 3
check 2 "no steps" "${md[@]}"
says err "--steps"
check 2 "two run files" "${md[@]}" --steps 3 a.yaml b.yaml
check 1 "no such run file" "${md[@]}" none.yaml
check 2 "a temperature below zero" "${md[@]}" --steps 3 --temperature -1
check 2 "a unit that is none" "${md[@]}" --steps 3 --timestep "1 fortnight"
says err "fs, ps, ns"
check 2 "to continue from nothing" "${md[@]}" --steps 3 --continue
check 1 "an unknown thermostat" "${md[@]}" --steps 3 --thermostat berendsen
check 1 "a barostat alone" "${md[@]}" --steps 3 --temperature 300 --barostat full
says err "thermostat"

# Run files: every fault has its line.
fault() { # LINE TEXT SAYS
  printf 'structure: host.xyz\nmodel: %s\nsteps: 20\n%b\n' "$model" "$2" > fault.yaml
  check 2 "run file: $2" "$equisorb" md fault.yaml
  says err "line $1"
  says err "$3"
}
fault 4 'temprature: 300 K' "did you mean 'temperature'"
fault 4 'temperature: 300 fs' "no unit 'fs'"
fault 4 'timestep: soon' "wants a number"
fault 4 'steps: 30' "twice"
fault 4 'steps-: 30' "did you mean 'steps'"
fault 4 'log-every: 2.5' "2.5"
fault 4 'precision: half' "precision"
fault 5 '# a remark\nunwrapped: perhaps' "true or false"
fault 4 'timestep: [1, 2]' "one value"
fault 4 'temperature: [300, [310]]' "list of values"
fault 4 'temperature: []' "empty"
fault 4 'temperature: [300, 310 bar]' "no unit 'bar'"
fault 4 'temperature:' "no value"
fault 4 'log: "never closed' "not YAML"
fault 4 '- a list' "line"
printf -- '- 1\n- 2\n' > list.yaml
check 2 "a list" "$equisorb" md list.yaml
says err "mapping"
: > empty.yaml
check 2 "an empty file" "$equisorb" md empty.yaml
printf 'steps: &a 3\nlog-every: *a\n' > alias.yaml
check 2 "an alias" "$equisorb" md alias.yaml

check 2 "a log over the structure" "${md[@]}" --steps 3 --log host.xyz
says err "one of the inputs"
for file in log trajectory final checkpoint; do
  check 1 "a folder that is not there, $file" "${md[@]}" --steps 1000000000 --$file none/there
  says err "none/there"
done
check 1 "a frame that is not there" "${md[@]}" --steps 3 --frame 2
check 2 "two outputs in one" "${md[@]}" --steps 3 --log a.csv --final a.csv
says err "two outputs"

# A file and flags mean the same; flags come first.
cat > run.yaml << YAML
# constant energy
structure: host.xyz
model: $model
steps: 60
timestep: 0.0005 ps
temperature: 300 K
precision: double
wall: off
log: file.csv
trajectory: file.extxyz
trajectory-every: 20
unwrapped: true
YAML
check 0 "a run file" "$equisorb" md run.yaml
says out "drift"
check 0 "flags" "${md[@]}" --steps 60 --timestep 0.5 --temperature 300 --precision double --wall off \
  --log flags.csv --trajectory flags.extxyz --trajectory-every 20 --unwrapped
same file.csv flags.csv "a run file and flags"
same file.extxyz flags.extxyz "a run file and flags: trajectory"
check 0 "a flag over the file" "$equisorb" md run.yaml --steps 40 --log less.csv --trajectory less.extxyz
[ "$(wc -l < less.csv)" = 6 ] || fail "rows of less.csv"
[ "$(grep -c Lattice file.extxyz)" = 4 ] || fail "frames"
python3 - << 'PYTHON' || { cat file.csv; fail "what is conserved, or momenta"; }
import csv
rows = list(csv.DictReader(open("file.csv")))
total = [float(r["conserved_eV"]) for r in rows]
kinetic = [float(r["kinetic_eV"]) for r in rows]
assert max(total) - min(total) < 0.01 * (max(kinetic) - min(kinetic)), total
for r, e, k in zip(rows, total, kinetic):
    assert abs(float(r["kinetic_eV"]) + float(r["potential_eV"]) - e) < 1e-9
# the last frame's momenta (ASE's unit) give the kinetic energy of its row
mass = {"O": 15.999, "C": 12.011, "H": 1.008, "Zn": 65.38}
last = open("file.extxyz").read().splitlines()[-4:]
energy = 0
for line in last:
    f = line.split()
    energy += sum(float(x) ** 2 for x in f[4:7]) / 2 / mass[f[0]]
assert abs(energy - kinetic[-1]) < 1e-9, (energy, kinetic[-1])
assert float(rows[-1]["time_ps"]) == 0.03
PYTHON
checks=$((checks + 1))

# The error of the energy falls as the square of the step: forces are those of the energy. Under the
# barostat, so are stresses: what neither heat nor work accounts for is little.
for step in 0.4 0.2; do
  check 0 "a step of $step fs" "${md[@]}" --precision double --temperature 300 --timestep $step \
    --steps "$(python3 -c "print(round(40 / $step))")" --log step-$step.csv --log-every 1
done
check 0 "work" "${md[@]}" --precision double --temperature 300 --timestep 0.2 --steps 400 \
  --thermostat csvr --barostat full --barostat-time "20 fs" --compressibility "0.3 1/GPa" \
  --log work.csv --log-every 1
python3 - << 'PYTHON' || fail "the order of the step, or stresses"
import csv


def spans(path):
    rows = list(csv.DictReader(open(path)))
    return [max(x) - min(x) for x in ([float(r[k]) for r in rows] for k in
                                      ("conserved_eV", "potential_eV", "volume_A3"))]


coarse, fine, work = spans("step-0.4.csv"), spans("step-0.2.csv"), spans("work.csv")
assert 3.5 < coarse[0] / fine[0] < 4.5, (coarse, fine)
assert work[2] > 20 and work[0] < 0.02 * work[1], work
PYTHON
checks=$((checks + 1))

# Every ensemble runs; threads do not matter.
for ensemble in "csvr none" "nose-hoover isotropic" "langevin full"; do
  set -- $ensemble
  kind=("${md[@]}" --steps 40 --temperature 200 --thermostat "$1" --barostat "$2"
    --pressure "1 bar" --thermostat-time "20 fs")
  check 0 "$ensemble" "${kind[@]}" --threads 1 --log one.csv --final one.extxyz
  check 0 "$ensemble, two threads" "${kind[@]}" --threads 2 --log two.csv --final two.extxyz
  same one.csv two.csv "$ensemble: one thread and two"
  same one.extxyz two.extxyz "$ensemble: one thread and two"
done

# Killed at any moment, a run ends as if it had never stopped.
long=("${md[@]}" --steps 12000 --temperature 300 --thermostat csvr --barostat full --seed 5
  --log-every 7 --trajectory-every 50 --checkpoint-every 90 --unwrapped)
check 0 "without a stop" "${long[@]}" --log whole.csv --trajectory whole.extxyz --final whole.last
kills=0
for turn in {1..12}; do
  case $((turn % 6)) in 1) signal=TERM ;; 3) signal=USR1 ;; 5) signal=INT ;; *) signal=KILL ;; esac
  "${long[@]}" --log part.csv --trajectory part.extxyz --final part.last --checkpoint part.state \
    --continue > out 2> err < /dev/null &
  child=$!
  sleep "0.0$((RANDOM % 7 + 3))"
  kill -$signal $child 2> /dev/null && kills=$((kills + 1))
  sleep 0.02
  if [ $signal = USR1 ]; then kill -KILL $child 2> /dev/null || true; fi
  code=0
  wait $child 2> /dev/null || code=$?
  case "$code" in
    0) break ;;
    137 | 143 | 130) ;;
    138) [ $signal = USR1 ] || fail "code 138" ;; # it came before the program listens
    *) cat err; fail "code $code after $signal" ;;
  esac
done
check 0 "continued" "${long[@]}" --log part.csv --trajectory part.extxyz --final part.last \
  --checkpoint part.state --continue
same whole.csv part.csv "log of a run killed $kills times"
same whole.extxyz part.extxyz "trajectory of a run killed $kills times"
same whole.last part.last "end of a run killed $kills times"
check 0 "a run that is done" "${long[@]}" --log part.csv --checkpoint part.state --continue
check 1 "a checkpoint in the way" "${long[@]}" --log other.csv --checkpoint part.state
says err "exists"
check 1 "of another run" "${long[@]}" --checkpoint part.state --continue --seed 6
says err "other settings"
head -c 100 part.state > broken.state
check 1 "a broken checkpoint" "${long[@]}" --checkpoint broken.state --continue
head -c 100 part.csv > short.csv
check 1 "a log cut short" "${long[@]}" --log short.csv --checkpoint part.state --continue
says err "shorter"

# H5MD, where the program was built with it.
h5=("${md[@]}" --temperature 300 --trajectory-every 10 --trajectory part.h5 --checkpoint h5.state)
code=0
"${h5[@]}" --steps 55 > out 2> err || code=$?
if [ "$code" = 0 ]; then
  check 0 "further" "${h5[@]}" --steps 80 --continue
  cp part.h5 far.h5
  command -v h5dump > /dev/null &&
    { h5dump -d /particles/all/position/step far.h5 | grep -q '(0): 0, 10, 20, 30, 40, 50, 60, 70, 80' ||
      fail "frames of the H5MD trajectory"; }
  printf 'no HDF5' > part.h5
  check 1 "a trajectory that is none" "${h5[@]}" --steps 90 --continue
  says err "part.h5"
else
  says err "built without HDF5"
fi

# SIGTERM writes a checkpoint between those on schedule.
"${long[@]}" --steps 1000000 --checkpoint term.state --checkpoint-every 100000000 --log term.csv \
  > out 2> err &
child=$!
for _ in {1..300}; do
  [ -s term.csv ] && [ "$(wc -l < term.csv)" -gt 3 ] && break
  sleep 0.1
done
kill -TERM $child
code=0
wait $child || code=$?
[ "$code" = 143 ] || fail "code $code after SIGTERM"
[ -s term.state ] || fail "no checkpoint after SIGTERM"
says err "continue with the checkpoint"

# Explosions: the step, the atom, the last good state.
check 1 "a step too long" "${md[@]}" --steps 2000 --timestep 90 --temperature 3000 \
  --final good.extxyz --checkpoint bang.state --checkpoint-every 1
matches err "step [0-9]+: .*atom [0-9]"
says err "good.extxyz"
check 0 "the last good state" "$equisorb" info good.extxyz
check 1 "a limit on the temperature" "${md[@]}" --steps 100 --temperature 300 \
  --limit-temperature 100
says err "beyond the limit of 100"
check 1 "a limit on forces" "${md[@]}" --steps 100 --temperature 300 --limit-force 1e-3
says err "eV/angstrom"

# From where another run has ended: the same way, to rounding (velocities go through momenta).
check 0 "all of it" "${md[@]}" --steps 40 --temperature 300 --precision double --final all.extxyz
check 0 "half of it" "${md[@]}" --steps 20 --temperature 300 --precision double --final half.extxyz
check 0 "the other half" "$equisorb" md --structure half.extxyz --model "$model" --steps 20 \
  --precision double --velocities file --final halves.extxyz
python3 - << 'PYTHON' || fail "other ways"
def numbers(name):
    return [[float(x) for x in line.split()[1:]] for line in open(name).read().splitlines()[2:]]


a, b, half = numbers("all.extxyz"), numbers("halves.extxyz"), numbers("half.extxyz")
worst = max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p, q))
moved = max(abs(x - y) for p, q in zip(a, half) for x, y in zip(p, q))
assert worst < 1e-10 and moved > 1e-2, (worst, moved)
PYTHON
checks=$((checks + 1))
check 1 "no velocities in the file" "${md[@]}" --steps 3 --velocities file
says err "momenta"
check 1 "velocities from nowhere" "${md[@]}" --steps 3 --velocities guess
moving=("$equisorb" md --structure half.extxyz --model "$model" --checkpoint file.state)
check 0 "to be continued" "${moving[@]}" --steps 3 --velocities file
check 1 "other velocities" "${moving[@]}" --steps 5 --continue

# A rigid guest: its shape stays, a run that was stopped ends as one that was not.
sed 's/^4$/7/' host.xyz > guest.xyz
printf 'C 5 5 5\nO 5.9 5.6 5.4\nO 4.1 4.4 4.6\n' >> guest.xyz
rigid=("$equisorb" md --structure guest.xyz --model "$model" --temperature 300 --thermostat csvr)
check 0 "a rigid guest" "${rigid[@]}" --rigid CO2 --steps 60 --log rigid.csv \
  --trajectory rigid.extxyz --trajectory-every 20 --unwrapped
check 0 "some of it" "${rigid[@]}" --rigid CO2 --steps 30 --log stop.csv --checkpoint rigid.state
check 1 "another body" "${rigid[@]}" --rigid 6-7:2 --steps 60 --checkpoint rigid.state --continue
says err "other settings"
check 0 "the rest" "${rigid[@]}" --rigid CO2 --steps 60 --log stop.csv --checkpoint rigid.state \
  --continue --threads 3
same rigid.csv stop.csv "a rigid guest, stopped and continued"
python3 - << 'PYTHON' || fail "the guest has bent"
frames = open("rigid.extxyz").read().split("\n7\n")
assert len(frames) == 4
shapes = []
for f in frames:
    x = [[float(v) for v in line.split()[1:4]] for line in f.strip().splitlines()[-3:]]
    shapes.append([sum((a - b) ** 2 for a, b in zip(x[i], x[j])) ** 0.5
                   for i, j in ((0, 1), (0, 2), (1, 2))])
worst = max(abs(a - b) for s in shapes for a, b in zip(s, shapes[0]))
moved = [float(v) for v in frames[0].strip().splitlines()[-1].split()[1:4]]
end = [float(v) for v in frames[-1].strip().splitlines()[-1].split()[1:4]]
assert worst < 1e-10 and max(abs(a - b) for a, b in zip(moved, end)) > 1e-2, (worst, moved, end)
PYTHON
checks=$((checks + 1))
check 1 "no such guest" "${rigid[@]}" --rigid N2 --steps 3
check 1 "a rigid guest under pressure" "${rigid[@]}" --rigid CO2 --steps 3 --barostat full
says err "rigid"

# Several runs side by side: each as it is alone, also after a stop, and when one of them explodes.
sed 's/^C .*/C 1.6 0.3 0.2/' host.xyz > other.xyz
cat host.xyz other.xyz > frames.xyz
cat > batch.yaml << YAML
structure: [host.xyz, other.xyz]
temperature: [300 K, 450]
model: $model
steps: 60
thermostat: csvr
log: "{structure}-{temperature}.csv"
trajectory: "{structure}-{temperature}.extxyz"
trajectory-every: 20
YAML
check 0 "four runs" "$equisorb" md batch.yaml
says out "   4 "
for s in host other; do
  for t in 300 450; do
    check 0 "alone: $s $t" "$equisorb" md --structure $s.xyz --temperature $t --model "$model" \
      --steps 60 --thermostat csvr --log one.csv --trajectory one.extxyz --trajectory-every 20
    same one.csv $s-$t.csv "the log of $s at $t K is not that of a run alone"
    same one.extxyz $s-$t.extxyz "the trajectory of $s at $t K is not that of a run alone"
  done
done
frames=("$equisorb" md --structure frames.xyz --frame all --model "$model" --thermostat csvr)
check 0 "some steps of all frames" "${frames[@]}" --steps 25 --temperature 450 \
  --log "f{frame}-{job}.csv" --checkpoint "f{frame}.state" --continue
check 0 "and the others" "${frames[@]}" --steps 60 --temperature 450 \
  --log "f{frame}-{job}.csv" --checkpoint "f{frame}.state" --continue --threads 3
same f1-1.csv host-450.csv "frame 1, stopped and continued"
same f2-2.csv other-450.csv "frame 2, stopped and continued"
check 1 "one run explodes" "$equisorb" md batch.yaml --temperature 300 --temperature 900000 \
  --limit-temperature 20000 --log "bang-{structure}-{temperature}.csv" --trajectory "{job}.extxyz"
says err "run 2, host.xyz: step 1:"
says err "run 4, other.xyz: step 1:"
says out "not at its end"
same bang-host-300.csv host-300.csv "a run beside one that explodes"
same bang-other-300.csv other-300.csv "a run beside one that explodes"
both=("$equisorb" md --structure host.xyz --model "$model" --temperature 300 --temperature 450
  --thermostat csvr --log "term-{temperature}.csv" --checkpoint "{temperature}.state" --continue)
"${both[@]}" --steps 100000000 > out 2> err < /dev/null &
child=$!
while [ ! -s term-450.csv ] || [ "$(wc -l < term-450.csv)" -lt 8 ]; do sleep 0.1; done
kill -TERM $child
code=0
wait $child || code=$?
[ "$code" = 143 ] || fail "code $code after SIGTERM of two runs"
says err "run 2, host.xyz: stopped after"
check 0 "two runs that were stopped" "${both[@]}" --steps $(($(tail -1 term-450.csv | cut -d, -f1) + 60))
head -8 term-450.csv | cmp - <(head -8 host-450.csv) || fail "a run that was stopped beside another"
check 2 "one log for two runs" "$equisorb" md batch.yaml --log one.csv
says err "several runs"
check 2 "a word of no meaning" "$equisorb" md batch.yaml --log "{pressure}.csv"
says err "no {pressure}"
check 2 "an input by its pattern" "$equisorb" md batch.yaml --log "{structure}.xyz"
says err "one of the inputs"
check 1 "no such structure" "$equisorb" md batch.yaml --structure none.xyz

# Molecules and layers.
printf '2\n\nC 0 0 0\nO 0 0 1.3\n' > molecule.xyz
check 0 "a molecule" "$equisorb" md --structure molecule.xyz --model "$model" --steps 20 \
  --temperature 300 --thermostat langevin --log molecule.csv
sed 's/T T T/T T F/' host.xyz > layer.xyz
check 0 "a layer" "$equisorb" md --structure layer.xyz --model "$model" --steps 20 --temperature 300
check 1 "a layer under pressure" "$equisorb" md --structure layer.xyz --model "$model" --steps 20 \
  --temperature 300 --thermostat csvr --barostat full
echo "$checks checks passed, $kills kills"
