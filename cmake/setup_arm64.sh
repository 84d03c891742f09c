#!/bin/bash
# Unpacks the arm64 libraries for the preset `arm64` into build/arm64-root, by apt with lists and
# cache of its own: the machine's packages and architectures stay as they are. The compiler and the
# emulator come from `cmake/setup.sh arm64`.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD/build/arm64-root
packages=(libsqlite3-0 libsqlite3-dev libsymspg1 libsymspg-dev libcjson1 libcjson-dev gemmi-dev
  tao-pegtl-dev libyaml-0-2 libyaml-dev)
[ ! -f "$root/complete" ] || exit 0
rm -rf "$root"
mkdir -p "$root/apt/lists/partial" "$root/apt/cache/archives/partial"
options=(-q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State=$root/apt"
  -o Dir::State::status=/dev/null -o "Dir::Cache=$root/apt/cache" -o Debug::NoLocking=1
  -o APT::Sandbox::User=)
apt-get "${options[@]}" update < /dev/null
(cd "$root/apt" && apt-get "${options[@]}" download "${packages[@]}" < /dev/null)
for package in "$root"/apt/*.deb; do
  dpkg -x "$package" "$root"
done
rm -rf "$root/apt"
touch "$root/complete"
