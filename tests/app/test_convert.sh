#!/bin/bash
# `equisorb convert` and what reads its files: the same output, metadata shown, nothing overwritten.
# SPDX-License-Identifier: MIT
set -euo pipefail
. "$(dirname "$0")/checks.sh"
model=$data/models/tiny_L1_dens_agnesi_zbl.model
write_host

check 0 "help" "$equisorb" convert --help
says out "example: equisorb convert"
check 2 "no files" "$equisorb" convert
check 2 "one file" "$equisorb" convert "$model"
check 2 "unknown option" "$equisorb" convert "$model" out.safetensors --nonsense
check 2 "no value" "$equisorb" convert "$model" out.safetensors --set
check 2 "no pair" "$equisorb" convert "$model" out.safetensors --set licence
says err "KEY=VALUE"
check 1 "no model" "$equisorb" convert none.model out.safetensors
says err none.model
check 2 "no ending" "$equisorb" convert "$model" out

printf 'ten frameworks,\n"rattled"\n' > data.txt
check 0 "convert" "$equisorb" convert "$model" out.safetensors --licence MIT \
  --set functional=PBE --set dispersion=d3bj --set training_data=@data.txt
says out "6 elements"
cp out.safetensors before
check 1 "twice" "$equisorb" convert "$model" out.safetensors
says err "exists already"
says err "--force"
same before out.safetensors "the file was touched"
check 1 "a wrong functional" "$equisorb" convert "$model" new.safetensors --set dispersion=d4
says err "dispersion"
[ ! -e new.safetensors ] || fail "a file was left behind"
check 0 "once more" "$equisorb" convert out.safetensors new.safetensors --set licence= --set name=x
check 0 "force" "$equisorb" convert new.safetensors new.safetensors --force --set name=y
check 0 "info" "$equisorb" info new.safetensors
matches out "name +y"
matches out "training_data +ten frameworks, ..."
matches out "functional +PBE"
matches out "repulsion +ZBL"
if grep -q licence out; then fail "the licence is still there"; fi
check 0 "info, JSON" "$equisorb" info out.safetensors --json
says out '"licence": "MIT"'
says out '"training_data": "ten frameworks,\u000a\"rattled\""'

check 0 "the original" "$equisorb" evaluate --model "$model" host.xyz --output a.extxyz \
  --dispersion d3bj:pbe
check 0 "the copy" "$equisorb" evaluate --model out.safetensors host.xyz --output b.extxyz \
  --dispersion auto
same a.extxyz b.extxyz "other energies or forces"

# Where systems are simulated, what the file names is added unless something else is asked.
relaxed=(--force 1000 --output)
check 0 "relax as the file says" "$equisorb" relax host.xyz --model out.safetensors \
  "${relaxed[@]}" auto.extxyz
check 0 "relax with D3" "$equisorb" relax host.xyz --model "$model" --dispersion d3bj:pbe \
  "${relaxed[@]}" d3.extxyz
check 0 "relax without" "$equisorb" relax host.xyz --model out.safetensors --dispersion none \
  "${relaxed[@]}" none.extxyz
same auto.extxyz d3.extxyz "D3 of the file is not added"
if cmp -s auto.extxyz none.extxyz; then fail "D3 cannot be left out"; fi

# By name.
mkdir models
mv out.safetensors models/mine.safetensors
export EQUISORB_MODELS=$PWD/models
check 0 "by name" "$equisorb" evaluate --model mine host.xyz --output c.extxyz --dispersion auto
same a.extxyz c.extxyz "other energies or forces"
check 0 "info by name" "$equisorb" info mine
check 1 "none of that name" "$equisorb" evaluate --model nobody host.xyz --output d.extxyz
says err "$PWD/models"
ls ./*.tmp models/*.tmp 2> /dev/null && fail "a temporary file was left behind"
echo "convert: $checks checks"
