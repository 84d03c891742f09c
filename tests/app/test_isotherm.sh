#!/bin/bash
# `equisorb isotherm` on made-up data: text, JSON, CSV, refusals.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"

# n = 3 b P / (1 + b P) at 298.15 K: b = 1e-4/Pa for CO2, 2e-6/Pa for N2; kPa, every factor of two.
{
  echo "gas,Pressure (kPa),loading"
  awk 'BEGIN {
    for (i = 0; i < 12; i++) {
      p = 100 * 2 ^ i
      printf "CO2,%.9g,%.9g\n", p / 1000, 3 * 1e-4 * p / (1 + 1e-4 * p)
      printf "N2,%.9g,%.9g\n", p, 3 * 2e-3 * p / (1 + 2e-3 * p)
    }
  }'
} > data.csv
run=("$equisorb" isotherm data.csv --temperature 298.15)

check 0 "help" "$equisorb" isotherm --help
matches out example
check 2 "no file" "$equisorb" isotherm
check 2 "two files" "$equisorb" isotherm data.csv data.csv
check 2 "unknown option" "$equisorb" isotherm --nonsense
check 2 "sites" "${run[@]}" --sites 3
check 2 "temperature" "$equisorb" isotherm data.csv --temperature cold
check 1 "no such file" "$equisorb" isotherm none.csv
matches err none.csv
check 1 "no temperature" "$equisorb" isotherm data.csv
matches err "--temperature"
check 1 "heat of an unknown gas" "${run[@]}" --heat H2=3
matches err "'H2', which is not in data.csv"
check 1 "heat without a value" "${run[@]}" --heat CO2
matches err "GAS=VALUE"
check 1 "no place for the CSV" "${run[@]}" --csv no/such/o.csv
sed 's/^CO2,0.2,.*/CO2,0.2,lots/' data.csv > bad.csv
check 1 "a bad cell" "$equisorb" isotherm bad.csv --temperature 298
matches err "bad.csv:4: the loading 'lots'"
head -4 data.csv > short.csv
check 1 "too few points" "$equisorb" isotherm short.csv --temperature 298
matches err "short.csv, gas CO2: 2 points are too few"

check 0 "text" "${run[@]}" --csv o.csv
matches out "q1 +3 "
matches out "b1 +0.0001 "
matches out "note: TSA: other temperatures"
matches o.csv "^isotherm,CO2,sites,1,"
matches o.csv "^isotherm,N2,Henry coefficient,(6e-06|5\.9999|6\.0000)"
matches o.csv "^process,TSA,working capacity,,"
check 0 "JSON" "${run[@]}" --heat CO2=35,N2=15 --json
matches out '"E1": \{"value": 35, '
matches out '"notes": \['
# 0.15 bar CO2 alone: 3 x 1.5 / 2.5 = 1.8; 0.05 bar: 3 x 0.5 / 1.5 = 1
matches out '"adsorbed alone": \{"value": 1.(8|79999|80000)'
matches out '"working capacity": \{"value": 0.(8|79999|80000)'
check 0 "Henry coefficient held" "${run[@]}" --henry CO2=2.9e-4 --sites 2 --csv o.csv
matches o.csv "^isotherm,CO2,Henry coefficient,0.00029,"
echo "isotherm: $checks checks"
