#!/usr/bin/env bash
# What is too long for every run: test_full.sh [PART...], all by default.
#   asan     unit and integration tests under AddressSanitizer and UBSan
#   tsan     the tests without gRPC and RocksDB under ThreadSanitizer
#   clang    thread annotations, as errors
#   mesh     the mesh tests three times over, on the release build
#   rolling  restarts under load with the delays that the services have
#   helm3    the chart by Helm 3: rendered, and held against what Helm 4 renders
#   docker   image and compose, on the engine that DOCKER_HOST names
#   cluster  the chart, on the cluster that KUBECONFIG names, which has the image
# Without a name, a part whose engine does not answer is left out and said so.
# TEST_BUILD_DIR names a release build to take instead of making one.
set -euo pipefail
cd "$(dirname "$0")/.."

parts=(asan tsan clang mesh rolling helm3 docker cluster)

part_asan() { cmake --workflow --preset asan; }
part_tsan() { cmake --workflow --preset tsan; }
part_clang() { cmake --workflow --preset clang; }

part_mesh() {
  cmake --preset release >/dev/null
  cmake --build --preset release
  ctest --preset release -L mesh --repeat until-fail:3
}

binaries() {
  [[ -z ${TEST_BUILD_DIR:-} ]] || return 0
  cmake --preset release >/dev/null
  cmake --build --preset release --target mesh_binaries agent-gateway
}

part_rolling() {
  binaries
  ROLLING=real .venv/bin/python -m pytest -q -p no:cacheprovider \
    --durations=5 tests/mesh/test_rolling.py
}

part_helm3() {
  tools/chart_tools.sh --helm3
  binaries
  CHART_HELM=$PWD/build/chart_tools/bin/helm3 .venv/bin/python -m pytest -q \
    -p no:cacheprovider --durations=5 tests/chart
}

part_docker() {
  docker info >/dev/null
  binaries
  .venv/bin/python -m pytest -q -p no:cacheprovider --durations=5 tests/docker
}

part_cluster() {
  kubectl get --raw /readyz >/dev/null
  tools/chart_tools.sh
  .venv/bin/python -m pytest -q -x -p no:cacheprovider --durations=5 \
    tests/cluster
}

answers() {  # whether what a part needs of this machine is there
  case $1 in
    docker) docker info >/dev/null 2>&1 ;;
    cluster) kubectl get --raw /readyz >/dev/null 2>&1 ;;
  esac
}

for part in "$@"; do
  [[ " ${parts[*]} " == *" $part "* ]] || {
    echo "no such part: $part; ${parts[*]}" >&2
    exit 64
  }
done
for part in "${@:-${parts[@]}}"; do
  echo "== $part"
  if [[ $# == 0 ]] && ! answers "$part"; then
    echo "left out: no $part answers"
    continue
  fi
  "part_$part"
done
