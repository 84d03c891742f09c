#!/bin/bash
# `equisorb pores` on made-up frameworks with known pores: table, JSON, CSV, blocking spheres,
# refusals.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

# A simple cubic array of argon: with van der Waals radii of 1.88, Di = sqrt(3) a - 3.76 = 13.5605
# and Df = sqrt(2) a - 3.76 = 10.3821 for a = 10; with UFF's 1.7230, Di = 13.8745.
cat > argon.xyz << 'END'
1
Lattice="10 0 0 0 10 0 0 0 10" Properties=species:S:1:pos:R:3 pbc="T T T"
Ar 1 2 3
END
sed 's/pbc="T T T"/pbc="T T F"/' argon.xyz > slab.xyz
sed 's/^Ar/Rf/' argon.xyz > heavy.xyz
cat argon.xyz argon.xyz > two.xyz
printf 'not a structure\n' > bad.cif

check 0 "help" "$equisorb" pores --help
matches out example
check 2 "no file" "$equisorb" pores
check 2 "unknown option" "$equisorb" pores --nonsense
check 2 "probe" "$equisorb" pores argon.xyz --probe -1
check 2 "spacing" "$equisorb" pores argon.xyz --spacing 0
check 2 "radii" "$equisorb" pores argon.xyz --radii large
check 2 "value missing" "$equisorb" pores argon.xyz --probe
check 2 "spheres of several frameworks" "$equisorb" pores argon.xyz two.xyz --block b
check 2 "spheres of several frames" "$equisorb" pores two.xyz --block b
check 1 "no such file" "$equisorb" pores none.cif
matches err none.cif
check 1 "bad file" "$equisorb" pores bad.cif
check 1 "a slab" "$equisorb" pores slab.xyz
matches err "periodic in three directions"
check 1 "no radius" "$equisorb" pores heavy.xyz
matches err "element 104"
check 1 "too fine a grid" "$equisorb" pores argon.xyz --spacing 0.02
matches err "ask for"
check 1 "no place for the table" "$equisorb" pores argon.xyz --csv no/such/p.csv

check 0 "a table" "$equisorb" pores argon.xyz --radii vdw --csv p.csv
matches out " 13\.56[01] +10\.38[0-9] +13\.56[01] "
matches out "1 x 3-D"
[ ! -s err ] || fail "not quiet without a terminal: $(cat err)"
[ "$(wc -l < p.csv)" = 2 ]
matches p.csv "^argon,argon.xyz,1,1.82,0.15,vdw,1000,39.948,"
check 0 "uff" "$equisorb" pores argon.xyz
matches out " 13\.87[45] "
check 0 "JSON" "$equisorb" pores argon.xyz two.xyz --json
[ "$(grep -c '"name"' out)" = 3 ]
matches out '"kind": "channel", "dimension": 3'
cp out one
check 0 "threads" "$equisorb" pores argon.xyz two.xyz --json --threads 3
cmp out one
check 0 "a pocket" "$equisorb" pores argon.xyz --radii vdw --probe 5.5 --block b --json
matches out '"kind": "pocket", "dimension": 0'
matches out '"pockets": 1'
matches b "^[1-9]"
[ "$(wc -l < b)" = $(($(head -1 b) + 1)) ]
matches b "^0\.[56]"
check 1 "a bad file among good ones" "$equisorb" pores bad.cif argon.xyz --csv p.csv
matches out "argon"
[ "$(wc -l < p.csv)" = 2 ]
check 1 "only bad files, JSON" "$equisorb" pores bad.cif --json
matches out '^\[\]$'

# A stop ends the run with what is done.
for ((i = 0; i < 300; i++)); do cat argon.xyz; done > many.xyz
set -m
"$equisorb" pores many.xyz --spacing 0.05 > out 2> err &
job=$!
sleep 1
kill -INT $job 2> /dev/null || true
code=0
wait $job || code=$?
[ "$code" = 130 ] || fail "exit code $code after an interrupt"
matches err "stopped after"
echo "pores: $checks checks"
