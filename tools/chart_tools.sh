#!/usr/bin/env bash
# Builds what the tests of the chart need into build/chart_tools, unless it is
# there: chart_tools.sh [--helm3]. Versions stand in tests/chart/tools/go.mod; Go
# itself and the schemas of Kubernetes come with tests/requirements.txt, those of
# routes and of monitoring with the Go modules named here.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$PWD/build/chart_tools
module=tests/chart/tools
newest=1.37
# The oldest that the chart is for, and the newest that this Go reads.
routes=(sigs.k8s.io/gateway-api@v1.2.1 sigs.k8s.io/gateway-api@v1.6.3)
monitoring=github.com/prometheus-operator/prometheus-operator@v0.85.0
export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS="-trimpath -mod=readonly"
unset GOROOT
# What Helm 3 takes for the cluster's version when there is none; the default is
# older than the chart allows. Helm 4 asks its own dependencies.
helm3=helm.sh/helm/v3/pkg
helm3_flags=
for package in chartutil lint/rules; do
  helm3_flags+=" -X $helm3/$package.k8sVersionMajor=${newest%.*}"
  helm3_flags+=" -X $helm3/$package.k8sVersionMinor=${newest#*.}"
done

stamp() {
  cat "$0" $module/go.mod $module/go.sum $module/schemas.py | sha256sum
}

build() {  # build LDFLAGS ARGS...
  (cd $module && ../../../.venv/bin/go build -ldflags "-s -w $1" "${@:2}")
}

folder() {  # folder MODULE@VERSION: where Go keeps it
  (cd $module && ../../../.venv/bin/go mod download -json "$1") |
    sed -nE 's/^\s*"Dir": "(.*)",?$/\1/p'
}

schemas() {  # schemas KUBERNETES ROUTES
  local route monitor
  route=$(folder "$2")
  monitor=$(folder $monitoring)
  .venv/bin/python $module/schemas.py "$out/schemas" "$1" \
    "$route"/config/crd/standard/*_{http,grpc}routes.yaml \
    "$monitor"/example/prometheus-operator-crd/*_podmonitors.yaml
}

if [[ $(stamp) != $(cat "$out/stamp" 2>/dev/null) ]]; then
  echo "building what tests the chart"
  rm -rf "$out"
  mkdir -p "$out/bin"
  build "$helm3_flags" -o "$out/bin/" helm.sh/helm/v4/cmd/helm \
    github.com/yannh/kubeconform/cmd/kubeconform \
    github.com/helm-unittest/helm-unittest/cmd/helm-unittest
  schemas 1.28 "${routes[0]}"
  schemas $newest "${routes[1]}"
  stamp >"$out/stamp"
fi
if [[ ${1:-} == --helm3 && ! -x $out/bin/helm3 ]]; then
  build "$helm3_flags" -o "$out/bin/helm3" helm.sh/helm/v3/cmd/helm
fi
