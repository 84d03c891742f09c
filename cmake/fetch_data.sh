#!/bin/bash
# usage: fetch_data.sh FOLDER [checkpoints]
# Puts a published model and six well-known frameworks into FOLDER:
#   SevenNet-0 (11 July 2024) from the PyPI package sevenn 0.13.0
#   CoRE MOF 2019 CIFs (all solvent removed) from the PyPI package core-mof 2019.1
# With "checkpoints" also all SevenNet checkpoints of that package, in FOLDER/pretrained_potentials:
# the tests look there if EQS_SEVENNET_DIR names it.
# Only these two files are downloaded: no dependency is installed and nothing of them is run.
# SPDX-License-Identifier: MIT
set -euo pipefail
folder=${1:?usage: fetch_data.sh FOLDER [checkpoints]}
checkpoints=${2:-}
mkdir -p "$folder/download" "$folder/frameworks"
cd "$folder"

# CoRE MOF name, file name here.
frameworks=(
  FUDQIF_clean:SIFSIX-3-Zn
  VOGTIV_clean_h:Mg-MOF-74
  SABVOH01_clean:MIL-53-Al
  EDUSIF_clean:IRMOF-1
  RUBTAK02_SL:UiO-66
  KAXQIL_clean:SBMOF-1
)
model=sevenn/pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth

# $1 requirement, $2 pattern of the file's name
download() {
  compgen -G "download/$2" > /dev/null && return 0
  echo "fetching $1 from PyPI"
  python3 -m pip download -q --no-deps --disable-pip-version-check --only-binary :all: \
    --dest download "$1"
}

# Copies members of ZIP file $1 into folder $2, by way of temporary names: each further argument
# is a member, a colon, and the name to give it.
unpack() {
  python3 - "$@" << 'END'
import os, shutil, sys, zipfile
archive, folder = sys.argv[1:3]
with zipfile.ZipFile(archive) as z:
    for pair in sys.argv[3:]:
        member, target = pair.split(":")
        target = os.path.join(folder, target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with z.open(member) as source, open(target + ".part", "wb") as out:
            shutil.copyfileobj(source, out)
        os.replace(target + ".part", target)
END
}

if [ "$checkpoints" = checkpoints ]; then
  all=(SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth
    SevenNet_0__22May2024/checkpoint_sevennet_0.pth SevenNet_MF_0/checkpoint_sevennet_mf_0.pth
    SevenNet_l3i5/checkpoint_l3i5.pth)
  for one in "${all[@]}"; do
    [ -s "pretrained_potentials/$one" ] && continue
    download sevenn==0.13.0 'sevenn-0.13.0-*.whl'
    unpack download/sevenn-0.13.0-*.whl pretrained_potentials \
      "sevenn/pretrained_potentials/$one:$one"
  done
fi

complete=1
[ -s SevenNet-0.pth ] || complete=0
for pair in "${frameworks[@]}"; do
  [ -s "frameworks/${pair#*:}.cif" ] || complete=0
done
[ $complete = 1 ] && exit 0

download sevenn==0.13.0 'sevenn-0.13.0-*.whl'
[ -s SevenNet-0.pth ] || unpack download/sevenn-0.13.0-*.whl . "$model:SevenNet-0.pth"

download core-mof==2019.1 'core_mof-2019.1-*.whl'
unpack download/core_mof-2019.1-*.whl download CoRE_MOF/data/2019-ASR.tar.xz:2019-ASR.tar.xz
rm -rf download/cifs
mkdir download/cifs
tar -xJf download/2019-ASR.tar.xz -C download/cifs
for pair in "${frameworks[@]}"; do
  source=$(find download/cifs -name "${pair%%:*}.cif" | head -n 1)
  [ -n "$source" ] || { echo "fetch_data: ${pair%%:*}.cif is not in core-mof 2019.1" >&2; exit 1; }
  cp "$source" "frameworks/${pair#*:}.cif"
done
rm -rf download/cifs download/2019-ASR.tar.xz
