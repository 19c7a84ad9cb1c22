#!/usr/bin/env bash
# What is too long for every run: test_full.sh [PART...], all by default.
#   asan   unit and integration tests under AddressSanitizer and UBSan
#   tsan   the tests without gRPC and RocksDB under ThreadSanitizer
#   clang  thread annotations, as errors
#   mesh   the mesh tests three times over, on the release build
set -euo pipefail
cd "$(dirname "$0")/.."

asan() { cmake --workflow --preset asan; }
tsan() { cmake --workflow --preset tsan; }
clang() { cmake --workflow --preset clang; }

mesh() {
  cmake --preset release >/dev/null
  cmake --build --preset release
  ctest --preset release -L mesh --repeat until-fail:3
}

for part in "${@:-asan tsan clang mesh}"; do
  # shellcheck disable=SC2086  # one word a part
  for name in $part; do
    case $name in
      asan | tsan | clang | mesh) echo "== $name"; "$name" ;;
      *) echo "no such part: $name; asan, tsan, clang, mesh" >&2; exit 64 ;;
    esac
  done
done
