#!/bin/bash
# The Python package as a user gets it: built by pip into a fresh environment, without torch, and
# its tests with ASE. The command's tests of `serve` are among them: ASE and i-PI drive it.
# usage: check_python.sh BUILD   (BUILD holds the command)
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
command=$PWD/${1:?usage: check_python.sh BUILD}/equisorb
folder=build/python
rm -rf "$folder"
python3 -m venv "$folder"
# Of ASE's dependencies only what is needed here; matplotlib is half a minute of installing.
pip=("$folder/bin/pip" install -q --no-compile --disable-pip-version-check)
"${pip[@]}" ./bindings/python scipy ipi
"${pip[@]}" --no-deps ase
"$folder/bin/pip" list --disable-pip-version-check 2> /dev/null | grep -qi '^torch' && {
  echo "torch was installed"
  exit 1
}
EQUISORB=$command "$folder/bin/python" -m unittest discover \
  -s tests/python -t tests/python
