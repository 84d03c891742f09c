#!/bin/bash
# The whole path on a bare Debian 12 machine, as root or with sudo: installs what is needed, builds,
# fetches six frameworks, and ranks these by their uptake of CO2: pores and classical energies of
# all, the force field that comes with the program (models/README.md) for the best three.
# usage: examples/screen_core_mof.sh [INSERTIONS] [FRAMEWORK...]   (default: the funnel, all six)
# With a number, so many uniform insertions by the force field into every framework instead.
# Results stay in data/results.db and data/results.csv; a second run continues and repeats nothing.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
how=(--best 3 --error 20% --max-energies 3000)
[ $# = 0 ] || how=(--insertions "$1" --min-diameter 0 --pockets keep)
[ $# = 0 ] || shift
data=${EQUISORB_DATA:-data}

cmake/setup.sh run
cmake/build.sh default equisorb_cli
cmake/fetch_data.sh "$data"

frameworks=("$data/frameworks")
if [ $# != 0 ]; then
  frameworks=()
  for name in "$@"; do frameworks+=("$data/frameworks/$name.cif"); done
fi
build/default/equisorb screen "${frameworks[@]}" --model default --gas CO2 \
  --temperature 298 "${how[@]}" --seed 1 --output "$data/results.db" --csv "$data/results.csv"
