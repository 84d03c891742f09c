#!/bin/bash
# All tests on a bare Debian 12 machine, as root or with sudo: installs what is needed, builds, and
# ends with ctest's count. Tests that need the SevenNet checkpoints take them from EQS_SEVENNET_DIR.
# usage: cmake/test.sh [PRESET [CTEST OPTION...]]   (default: default)
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-default}
[ $# = 0 ] || shift
cmake/setup.sh test
cmake/build.sh "$preset"
export CTEST_OUTPUT_ON_FAILURE=1
# Tests run side by side, each with threads of its own: waiting threads must not hold the cores.
export OMP_WAIT_POLICY=passive
ctest --preset "$preset" --no-tests=error --parallel "$(nproc)" "$@" < /dev/null
