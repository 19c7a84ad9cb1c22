# One image for all six binaries; docs/containers.md tells how it is used.
#
#   docker build .                  the image
#   docker build --target debug .   the same, with the symbols of its binaries

# What the image runs on: anything with Debian 12's C and C++ libraries.
ARG BASE_IMAGE=debian:bookworm-slim
# Where its binaries come from: `compiled` here, or `prebuilt`, the context's
# folder of that name (tools/image.sh).
ARG BINARIES=compiled

FROM debian:bookworm-slim AS packages
# Keep what is fetched: it lies in a cache, not in a layer.
RUN rm -f /etc/apt/apt.conf.d/docker-clean
COPY .ci/packages /src/.ci/packages
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      $(awk '$1 == "run" {print $2}' /src/.ci/packages)

FROM packages AS compiled
WORKDIR /src
COPY . .
ARG REVISION=""
RUN --mount=type=cache,target=/ccache \
    export CCACHE_DIR=/ccache && \
    case $(uname -m) in x86_64) \
      export CFLAGS=-march=x86-64-v2 CXXFLAGS=-march=x86-64-v2;; esac && \
    cmake --preset release -DBUILD_TESTING=OFF \
      -DGATEWAY_SPLIT_DWARF=OFF -DGATEWAY_REVISION="$REVISION" && \
    cmake --build --preset release --target mesh_binaries agent-gateway && \
    mkdir /binaries && cp build/release/bin/* /binaries

FROM scratch AS prebuilt
COPY prebuilt /binaries

FROM ${BINARIES} AS binaries

FROM packages AS files
COPY tools/image_files.sh /src/tools/
COPY --from=binaries /binaries /binaries
RUN /src/tools/image_files.sh /binaries /files

FROM ${BASE_IMAGE} AS runtime
COPY --from=files /files/runtime /
COPY --from=files --chown=65532:65532 /files/data /var/lib/agent-gateway
USER 65532:65532
EXPOSE 50051 8080 8081
ENTRYPOINT ["/usr/local/bin/agent-gateway"]
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="agent-gateway" \
      org.opencontainers.image.description="An API gateway between AI agents and model providers" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

FROM runtime AS debug
COPY --from=files /files/debug /

FROM runtime AS image
