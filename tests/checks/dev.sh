#!/usr/bin/env bash
# ./dev takes the path of a config as the caller means it, in whatever folder.
set -euo pipefail
dev=$(realpath "$(dirname "$0")/../../dev")

folder=$(realpath "$(mktemp -d)")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# The real one among programs that do nothing, or print what they are given.
mkdir -p repository/{.ci,tools,build/release} bin elsewhere
cp "$dev" repository/
touch repository/build/release/build.ninja
for program in repository/.ci/install bin/cmake; do
  printf '#!/bin/sh\n' >$program
done
for program in repository/tools/{run,mesh}.sh; do
  printf '#!/bin/sh\necho "$@"\n' >$program
done
chmod +x repository/.ci/install repository/tools/* bin/*
export PATH=$folder/bin:$PATH

expect() {  # expect WORDS ARGS...
  local said
  said=$(../repository/dev "${@:2}")
  [[ $said == "$1" ]] || {
    echo "dev ${*:2}: gave on '$said', not '$1'" >&2
    exit 1
  }
}
cd elsewhere
expect "--config $folder/elsewhere/x.yaml" run --config x.yaml
expect "--config=$folder/x.yaml --set a=b" run --config=../x.yaml --set a=b
expect "up --config /x.yaml" mesh up --config /x.yaml
expect "" run
