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
pip=("$folder/bin/pip" install -q --no-compile --disable-pip-version-check)
"${pip[@]}" ./bindings/python scipy ipi nbclient ipykernel matplotlib safetensors
"${pip[@]}" --no-deps ase
"$folder/bin/pip" list --disable-pip-version-check 2> /dev/null | grep -qi '^torch' && {
  echo "torch was installed"
  exit 1
}
EQUISORB=$command "$folder/bin/python" -m unittest discover \
  -s tests/python -t tests/python

# The examples, on what cmake/fetch_data.sh fetches.
if [ ! -f data/frameworks/Mg-MOF-74.cif ] || [ ! -f data/SevenNet-0.pth ]; then
  echo "examples: SKIPPED, no data; cmake/fetch_data.sh data fetches them"
  exit
fi
"$folder/bin/python" examples/equation_of_state.py data/SevenNet-0.pth tests/data/cif/periclase.cif
"$folder/bin/jupyter-execute" examples/isotherm.ipynb \
  --output "$PWD/$folder/isotherm.ipynb"
grep -q '"image/png"' "$folder/isotherm.ipynb"
