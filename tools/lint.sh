#!/usr/bin/env bash
# What a compiler or a reader of text can find without running anything.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/checks/formatting.sh
python3 tests/checks/layering.py .
python3 tests/checks/registered.py .
python3 tests/checks/coroutines.py .
# Thread annotations, by clang's analysis alone; nothing is linked.
cmake --preset clang >/dev/null
cmake --build --preset clang
