#!/bin/bash
# Runs a Criterion program built with sanitizers and fails if any of its children left a report:
# Criterion reports "passing" for a test whose leaks were printed.
# SPDX-License-Identifier: MIT
set -u
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export ASAN_OPTIONS="log_path=$logs/report:detect_leaks=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="log_path=$logs/report:print_stacktrace=1"
suppress="$(dirname "$0")/leaks.supp"
export LSAN_OPTIONS="suppressions=$suppress:print_suppressions=0"
"$@"
result=$?
if compgen -G "$logs/report*" > /dev/null; then
  cat "$logs"/report*
  echo "sanitizer reports: see above"
  exit 1
fi
exit $result
