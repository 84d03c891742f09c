#!/bin/bash
# usage: build.sh PRESET [TARGET...]   Configures and builds one preset in build/PRESET.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: build.sh PRESET [TARGET...]}
shift
targets=()
[ $# = 0 ] || targets=(--target "$@")
cmake --preset "$preset" > "/tmp/equisorb-configure-$$.log" 2>&1 || {
  cat "/tmp/equisorb-configure-$$.log" >&2
  rm -f "/tmp/equisorb-configure-$$.log"
  exit 1
}
rm -f "/tmp/equisorb-configure-$$.log"
cmake --build --preset "$preset" --parallel "$(nproc)" "${targets[@]}"
