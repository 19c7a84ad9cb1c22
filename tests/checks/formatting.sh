#!/usr/bin/env bash
# Every C++ file is as clang-format leaves it. `./dev format` mends it.
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files '*.h' '*.cc' | xargs clang-format --dry-run --Werror
