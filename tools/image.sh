#!/usr/bin/env bash
# The image with binaries that are built already, for tests, which need not
# compile twice: image.sh BINARIES TAG [TARGET]
# BINARIES is a folder (build/release/bin), TARGET a stage of the Dockerfile.
# An image to ship comes from `docker build .`.
set -euo pipefail
cd "$(dirname "$0")/.."
binaries=$1 tag=$2 target=${3:-image}

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/prebuilt"
cp --parents .ci/packages tools/image_files.sh "$context"
for program in agent-gateway ingress model-router batch-aggregator \
  session-store metrics-collector; do
  cp "$binaries/$program" "$context/prebuilt"
done

# By compose, which brings its own BuildKit client; not every docker has one.
tools/compose.sh -f - build --quiet <<YAML
name: agent-gateway-image
services:
  image:
    image: $tag
    build:
      context: $context
      dockerfile: $PWD/Dockerfile
      target: $target
      args:
        BINARIES: prebuilt
        BASE_IMAGE: ${BASE_IMAGE:-debian:bookworm-slim}
        REVISION: "$("$binaries/agent-gateway" --version |
          sed -n 's/^revision //p')"
YAML
