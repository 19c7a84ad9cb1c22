#!/usr/bin/env bash
# The five services as five processes on loopback: mesh.sh up|status|down
#   up [--config FILE]   starts them and waits until all are ready
# Service n listens on 50051+n, ops 18081+n, admin 9901+n; ingress serves HTTP on 8080. Data,
# logs and pid files are under .run/mesh.
set -euo pipefail
cd "$(dirname "$0")/.."

services=(ingress model-router batch-aggregator session-store metrics-collector)
run=.run/mesh

key_of() {  # session-store -> sessionStore
  sed -E 's/-(.)/\U\1/g' <<<"$1"
}

# Whether the process that the pid file names is still this service.
is_up() {
  [[ -f $run/$1.pid &&
    $(readlink "/proc/$(<"$run/$1.pid")/exe") == */bin/$1* ]]
}

start() {  # start SERVICE NUMBER ARGS...
  local service=$1 n=$2 settings=()
  shift 2
  for i in 1 2 3 4; do
    settings+=(--set
      "$(key_of "${services[$i]}").target=127.0.0.1:$((50051 + i))")
  done
  if [[ $service == ingress ]]; then
    settings+=(--set ingress.listen.http=127.0.0.1:8080)
  else
    settings+=(--set "$(key_of "$service").dataDir=$PWD/$run/$service")
  fi
  mkdir -p "$run/$service"
  setsid build/release/bin/"$service" "${settings[@]}" \
    --set "$(key_of "$service").listen.grpc=127.0.0.1:$((50051 + n))" \
    --set "$(key_of "$service").listen.ops=127.0.0.1:$((18081 + n))" \
    --set "$(key_of "$service").listen.admin=127.0.0.1:$((9901 + n))" \
    --set shutdown.preDrainDelay=0 "$@" \
    >"$run/$service.log" 2>&1 </dev/null &
  echo $! >"$run/$service.pid"
}

up() {
  mkdir -p "$run"
  for n in "${!services[@]}"; do
    is_up "${services[$n]}" || start "${services[$n]}" "$n" "$@"
  done
  local end=$((SECONDS + 60))
  for n in "${!services[@]}"; do
    until curl -fs -o /dev/null "http://127.0.0.1:$((18081 + n))/readyz"; do
      is_up "${services[$n]}" && ((SECONDS < end)) || {
        echo "${services[$n]} is not ready:" >&2
        tail -5 "$run/${services[$n]}.log" >&2
        exit 1
      }
      sleep 0.05
    done
  done
  status
}

status() {
  local all=0
  for n in "${!services[@]}"; do
    if is_up "${services[$n]}"; then
      echo "${services[$n]} pid $(<"$run/${services[$n]}.pid")" \
        "grpc 127.0.0.1:$((50051 + n)) ops 127.0.0.1:$((18081 + n))"
    else
      echo "${services[$n]} down"
      all=1
    fi
  done
  return $all
}

down() {
  for service in "${services[@]}"; do
    is_up "$service" && kill -TERM "$(<"$run/$service.pid")"
  done
  for service in "${services[@]}"; do
    while is_up "$service"; do sleep 0.05; done
    rm -f "$run/$service.pid"
  done
}

case ${1:-} in
  up | status | down) "$@" ;;
  *) echo "mesh.sh up [--config FILE] | status | down" >&2; exit 64 ;;
esac
