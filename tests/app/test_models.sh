#!/bin/bash
# The models that ship: found by name, complete metadata, molecules on the labels' scale (PBE, VASP;
# models/README.md), no attraction far away, unknown elements refused, a committee that answers.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"
unset EQUISORB_MODELS

# frame ELEMENTS "X Y Z"...: one molecule in a box, appended to molecules.xyz.
frame() {
  local elements=($1)
  shift
  printf '%s\nLattice="30 0 0 0 30 0 0 0 30" Properties=species:S:1:pos:R:3 pbc="T T T"\n' \
    "${#elements[@]}" >> molecules.xyz
  for element in "${elements[@]}"; do
    echo "$element $1" >> molecules.xyz
    shift
  done
}
# energies MODEL [OPTION]...: of the frames, one per line.
energies() {
  check 0 "evaluate with $1" "$equisorb" evaluate molecules.xyz --output out.xyz --model "$@"
  sed -n 's/.* energy=\([^ ]*\).*/\1/p' out.xyz > energies
}
# holds WHAT EXPRESSION: of the energies e[1], e[2], ...
holds() {
  checks=$((checks + 1))
  awk -v what="$1" '{ e[NR] = $1 } END { if (!('"$2"')) { print what, "is", '"$3"'; exit 1 } }' \
    energies || fail "$model: $1"
}

frame "C O O" "9 9 9" "9 9 10.1765" "9 9 7.8235"
frame "O H H" "9 9 9" "9 9.7683 9.5951" "9 8.2317 9.5951"
frame "N N" "9 9 9" "9 9 10.112"
frame "C O O C O O" "9 9 9" "9 9 10.1765" "9 9 7.8235" "19 9 9" "19 9 10.1765" "19 9 7.8235"
for model in default teacher; do
  check 0 "info of $model" "$equisorb" info "$model"
  matches out "licence +MIT"
  matches out "functional +PBE"
  matches out "dispersion +d3bj:pbe"
  matches out "attribution +Weights|attribution +Trained"
  energies "$model"
  holds "CO2" "(e[1] + 22.974)^2 < 0.03^2" "e[1]"
  holds "H2O" "(e[2] + 14.242)^2 < 0.03^2" "e[2]"
  holds "N2" "(e[3] + 16.64)^2 < 0.03^2" "e[3]"
  holds "two CO2 at 10 angstrom" "(e[4] - 2 * e[1])^2 < 1e-6" "e[4] - 2 * e[1]"
done

printf '1\nLattice="9 0 0 0 9 0 0 0 9"\nHe 0 0 0\n' > helium.xyz
check 1 "helium" "$equisorb" evaluate helium.xyz --model default --output none.xyz
says err "(He)"
check 0 "how sure" "$equisorb" evaluate molecules.xyz --model default --uncertainty --output sure.xyz
says sure.xyz "uncertainty="
echo "models: $checks checks"
