#!/bin/bash
# usage: test_install.sh BUILD   Installs BUILD into a temporary prefix, builds the ten-line client
# against it with the CMake package and with pkg-config, runs both, and looks at the exported names.
# SPDX-License-Identifier: MIT
set -euo pipefail
build=$(realpath "${1:?usage: test_install.sh BUILD}")
here=$(realpath "$(dirname "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
model=$(find "$here/../data/models" -name 'tiny_L0.model' 2> /dev/null | head -n 1)
expect=good
if [ -z "$model" ]; then model="$work/none" expect=refused; fi

cmake --install "$build" --prefix "$work/prefix" > "$work/log" || { cat "$work/log"; exit 1; }
# A package works from wherever the tree is moved to.
mv "$work/prefix" "$work/moved"

{
  cmake -G Ninja -S "$here" -B "$work/client" -DCMAKE_PREFIX_PATH="$work/moved"
  cmake --build "$work/client"
} > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$work/client/client" "$model" "$expect"

pc=$(dirname "$(find "$work/moved" -name equisorb.pc)")
read -ra flags <<< "$(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs equisorb)"
"${CC:-cc}" -std=c11 -Wall -Wextra -Werror "$here/client.c" -o "$work/plain" "${flags[@]}"
library=$(dirname "$(find "$work/moved" -name 'libequisorb.so')")
LD_LIBRARY_PATH="$library" "$work/plain" "$model" "$expect"

"$work/moved/bin/equisorb" --version
# A model of the installation, by its name.
if [ -f "$model" ]; then
  mkdir -p "$work/moved/share/equisorb/models"
  (cd "$work" && moved/bin/equisorb convert "$model" moved/share/equisorb/models/own.safetensors &&
    moved/bin/equisorb info own | grep -q '^family')
fi
foreign=$(nm -D --defined-only "$library/libequisorb.so" | awk '$2 ~ /^[A-Z]$/ && $3 !~ /^eqs_/')
if [ -n "$foreign" ]; then
  echo "exported, but not part of the interface:"
  echo "$foreign"
  exit 1
fi
echo "install: both clients work"
