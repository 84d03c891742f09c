#!/bin/bash
# Includes point down only (docs/design.md, section 3), and the command sees the public header only.
# Floors: 1 base, 2 kernels and neighbours, 3 potentials, 4 engine; app and bindings above them.
# Benchmarks measure what they like and nobody includes them. core/equisorb.h and its parts hold the
# public types and include nothing else of the project, so everybody may see them.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."

floor() {
  case "$1" in
    core/status.* | core/asan.* | core/locale_c.* | core/arena.* | core/workspace.*) echo 1 ;;
    core/system.* | core/cell.*) echo 1 ;;
    core/device.* | core/comm.* | core/comm_*) echo 1 ;;
    io/torch_*.* | io/zip.* | io/pickle*.* | io/sha256.* | io/crc32.* | io/elements.*) echo 1 ;;
    io/json.* | io/safetensors* | io/model_file* | io/model_keys.* | io/fields.* | io/whole_file.*) echo 1 ;;
    kernels/* | core/neighbors.* | core/domain.* | core/domain_*) echo 2 ;;
    potentials/*) echo 3 ;;
    core/* | io/*) echo 4 ;;
    app/* | bindings/*) echo 5 ;;
    benchmarks/*) echo 6 ;;
    *) echo 0 ;;
  esac
}

bad=0 seen=0
while IFS= read -r file; do
  here=$(floor "$file")
  [ "$here" = 0 ] && { echo "$file: in no room of docs/design.md"; bad=$((bad + 1)); }
  seen=$((seen + 1))
  while IFS=: read -r line text; do
    [ -n "$line" ] || continue
    target=$(sed -E 's/^[^"]*"([^"]+)".*/\1/' <<< "$text")
    case "$target" in core/equisorb.h | equisorb_*.h) continue ;; esac
    if [ ! -f "$target" ]; then
      # Generated headers live in the build tree and are named generated/...
      case "$target" in generated/* | kernels/generated/*) continue ;; esac
      echo "$file:$line: \"$target\" is not a path from the project root"
      bad=$((bad + 1))
      continue
    fi
    there=$(floor "$target")
    if [ "$there" -gt "$here" ] || { [ "$here" = 5 ] && [ "$there" != 5 ]; }; then
      echo "$file:$line: floor $here includes floor $there: $target"
      bad=$((bad + 1))
    fi
  done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file" || true)
done < <(find app bindings benchmarks core io kernels potentials -type f \
  \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) \
  2> /dev/null | sort)

if grep -hE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' core/equisorb*.h |
  grep -qv '"equisorb_'; then
  echo "core/equisorb*.h: the public header includes nothing of the project but its parts"
  bad=$((bad + 1))
fi
echo "layers: $seen files, $bad faults"
[ "$bad" = 0 ]
