#!/bin/bash
# What the compilers and the formatter do not see; docs/building.md explains each rule.
#   - files have at most 800 lines, functions at most 60 (files whose first lines say "generated"
#     are exempt), lines at most 100 columns, no tabs
#   - every source names its licence in its first comment (bindings/lammps has the one of LAMMPS);
#     no TODO or FIXME
#   - no loop over channels outside kernels/: a for or while whose condition names channels or
#     multiplicities. Loops that run once, when a model is loaded, are exempt: in files called
#     *_read*.c and *_prepare*.c, and where the line says "load time".
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(find app bindings benchmarks core io kernels potentials tests -type f \
  \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) \
  2> /dev/null | sort)

awk '
function fault(line, text) { printf "%s:%d: %s\n", file, line, text; faults++ }
# The condition of a loop: the second part of a for, all of a while.
function over_channels(line, part, n) {
  if (line ~ /for *\(/) {
    sub(/^.*for *\(/, "", line)
    n = split(line, part, ";")
    line = n > 1 ? part[2] : line
  } else if (line !~ /while *\(/) return 0
  return line ~ /[<>].*(channel|multiplicity|n_chan([^g]|$))/ || line ~ /[<>].*[^a-z_]mul([^a-z_]|$)/
}
function finish() {
  if (file == "") return
  if (!licence) fault(1, "the first comment names no licence (SPDX-License-Identifier: ...)")
  if (!generated && count > 800) fault(count, "more than 800 lines")
}
FNR == 1 {
  finish()
  file = FILENAME; licence = 0; generated = 0; start = 0
  channels_allowed = file ~ /^(kernels|tests|benchmarks)\// || file ~ /_(read|prepare)[a-z_]*\.c$/
}
{ count = FNR }
FNR <= 20 && /SPDX-License-Identifier: MIT/ { licence = file !~ /^bindings\/lammps\// }
FNR <= 20 && /SPDX-License-Identifier: GPL-2.0-only/ { licence = file ~ /^bindings\/lammps\// }
FNR <= 12 && /[Gg]enerated (by|from|at)/ { generated = 1 }
/\t/ { fault(FNR, "a tab") }
length($0) > 100 && !generated { fault(FNR, "longer than 100 columns") }
/TODO|FIXME|XXX/ { fault(FNR, "unfinished work in a comment") }
/^[A-Za-z_].*\)[^;]*\{$/ && !/^(typedef|struct|enum|union)/ { start = FNR }
/^\}/ {
  if (start && FNR - start + 1 > 60 && !generated) fault(start, "a function of more than 60 lines")
  start = 0
}
!channels_allowed && !/load time/ && over_channels($0) {
  fault(FNR, "a loop over channels outside kernels/ (or, if it runs once per model: load time?)")
}
END { finish(); printf "style: %d faults\n", faults; exit faults > 0 }
' "${files[@]}"
