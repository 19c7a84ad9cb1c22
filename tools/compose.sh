#!/usr/bin/env bash
# Compose v2, as a plugin of docker or, without one, built here: compose.sh ARGS
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if docker compose version --short 2>/dev/null | grep -q '^v\?[2-9]'; then
  exec docker compose "$@"
fi
compose=$root/.run/tools/docker-compose
"$root/.ci/go_tool" "$compose" github.com/docker/compose/v2@v2.40.3 ./cmd \
  '' >&2
exec "$compose" "$@"
