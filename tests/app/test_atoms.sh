#!/bin/bash
# `equisorb atoms` and `equisorb walls`: tables, JSON, CSV, refusals, a small table of walls twice.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

check 0 "help" "$equisorb" atoms --help
matches out example
check 0 "help of walls" "$equisorb" walls --help
matches out example
check 2 "no elements" "$equisorb" atoms
check 2 "an unknown element" "$equisorb" atoms --elements H,Qq
says err "'Qq'"
check 2 "a range that runs backwards" "$equisorb" atoms --elements O-H
check 2 "relativity" "$equisorb" atoms --elements H --relativity full
check 2 "a word too many" "$equisorb" atoms --elements H C
check 2 "no output" "$equisorb" walls
check 2 "elements of walls" "$equisorb" walls --elements 95 --output w.txt

code=0
"$equisorb" atoms --elements H > out 2> err || code=$?
if [ "$code" != 0 ] && grep -q 'built without libxc' err; then
  echo "atoms: built without libxc, the rest is skipped; $checks checks"
  exit 0
fi

# The NIST tables have -0.445671 hartree for hydrogen, -2.834836 for helium.
check 0 "two atoms" "$equisorb" atoms --elements H-He --functional LDA --levels
says out "lda_x+lda_c_vwn, non-relativistic, spin-restricted"
matches out '^H +-12\.127[0-9]* +-0\.44567[01][0-9]* '
matches out '^He +-77\.139[0-9]* +-2\.83483[56][0-9]* '
check 0 "JSON and CSV" "$equisorb" atoms --elements N,o --spin --relativity scalar --json --csv a.csv
python3 - << 'PYTHON'
import csv, json
atoms = json.load(open("out"))
assert [a["element"] for a in atoms] == ["N", "O"], atoms
n = atoms[0]
assert n["functional"] == "gga_x_pbe+gga_c_pbe" and n["relativity"] == "scalar" and n["spins"] == 2
assert abs(n["total_ev"] / n["total_hartree"] - 27.211386245988) < 1e-8
parts = n["kinetic_ev"] + n["hartree_ev"] + n["nuclear_ev"] + n["xc_ev"]
assert abs(parts - n["total_ev"]) < 1e-6
assert sum(level["occupation"] for level in n["levels"]) == 7
rows = list(csv.DictReader(open("a.csv")))
assert len(rows) == len(n["levels"]) + len(atoms[1]["levels"])
assert float(rows[0]["energy_ev"]) == n["levels"][0]["energy_ev"]
PYTHON
checks=$((checks + 1))
check 1 "an element too heavy" "$equisorb" atoms --elements Am
says err "Z = 1 to 94"
check 1 "an unknown functional" "$equisorb" atoms --elements H --functional nonsense
says err "'nonsense' is no functional of libxc"
check 1 "a hybrid" "$equisorb" atoms --elements H --functional pbe0
says err "not an LDA or GGA"
check 1 "no place for the CSV" "$equisorb" atoms --elements H --csv no/such/o.csv

check 0 "walls" "$equisorb" walls --elements 3 --functional RPBE --threads 1 --output one.txt
says one.txt "functional gga_x_rpbe+gga_c_pbe"
check 0 "walls with two threads" "$equisorb" walls --elements 3 --functional RPBE --threads 2 \
  --output two.txt
same one.txt two.txt "walls depend on the threads"
check 1 "no place for the walls" "$equisorb" walls --elements 1 --output no/such/w.txt
says err "no/such/w.txt"
check 1 "a kinetic functional that is none" "$equisorb" walls --elements 1 --kinetic PBE --output w.txt
[ ! -e w.txt ] || fail "a table of walls was written"
echo "atoms: $checks checks"
