#!/bin/bash
# usage: setup.sh [run | test | ci | arm64]...   Installs the Debian packages for building, and
# besides for the example run (run), the tests (test), all checks (ci) or the preset arm64. Does
# nothing when all are there.
# SPDX-License-Identifier: MIT
set -euo pipefail

packages=(gcc g++ cmake ninja-build gemmi-dev tao-pegtl-dev libsqlite3-dev libsymspg-dev libyaml-dev)
for need in "$@"; do
  case "$need" in
    run) packages+=(ca-certificates python3 python3-pip xz-utils) ;;
    test)
      packages+=(libcriterion-dev libcjson-dev libhdf5-dev libopenmpi-dev libxc-dev locales
                 openmpi-bin pkg-config sqlite3)
      ;;
    ci)
      packages+=(abigail-tools binutils python3-venv clang clang-format clang-tidy libomp-dev llvm
                 valgrind)
      ;;
    arm64) packages+=(gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user) ;;
    *)
      echo "usage: setup.sh [run | test | ci | arm64]..." >&2
      exit 2
      ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} = 0 ]; then
  exit 0
fi

sudo=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo > /dev/null || {
    echo "setup: root or sudo is needed to install: ${missing[*]}" >&2
    exit 1
  }
  sudo=(sudo)
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q < /dev/null
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
  "${missing[@]}" < /dev/null
