#!/usr/bin/env bash
# Lays out what the image adds to its base: image_files.sh BINARIES OUT
#   OUT/runtime   the stripped binaries, the libraries that the base lacks, the
#                 certificates; what packages they are of, for scanners
#   OUT/debug     the symbols, where debuggers look for them
#   OUT/data      an empty folder
# Runs on a system where the binaries run.
set -euo pipefail
binaries=$1 runtime=$2/runtime debug=$2/debug
# Every base with C++ has these; two C libraries in one system do not mix.
of_base='^(libc6|libgcc-s1|libstdc\+\+6)$'
programs=(agent-gateway ingress model-router batch-aggregator session-store
  metrics-collector)

mkdir -p "$2/data" "$runtime"/{usr/local/bin,var/lib/dpkg/status.d}

for program in "${programs[@]}"; do
  binary=$binaries/$program
  id=$(readelf -n "$binary" | sed -n 's/ *Build ID: //p')
  symbols=$debug/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
  mkdir -p "$(dirname "$symbols")"
  objcopy --only-keep-debug --compress-debug-sections "$binary" "$symbols"
  strip -o "$runtime/usr/local/bin/$program" "$binary"
done

record() {  # record PACKAGE: what it is and its licence
  local licence=usr/share/doc/$1/copyright
  dpkg -s "$1" >"$runtime/var/lib/dpkg/status.d/$1"
  mkdir -p "$runtime/$(dirname "$licence")"
  cp -L "/$licence" "$runtime/$licence"
}

needed=$(ldd "${programs[@]/#/$binaries/}")
if grep 'not found' <<<"$needed"; then exit 1; fi
for library in $(awk '$2 == "=>" {print $3}' <<<"$needed" | sort -u); do
  # Packages know some files by their path from before /lib was /usr/lib.
  file=$(readlink -f "$library")
  package=$(dpkg -S "$file" 2>/dev/null || dpkg -S "${file#/usr}")
  package=${package%%:*}
  if [[ $package =~ $of_base ]]; then continue; fi
  to=$runtime/usr/${library#/}
  to=${to/"/usr/usr/"/"/usr/"}
  mkdir -p "$(dirname "$to")"
  cp "$file" "$to"
  record "$package"
done

# Certificates of the public authorities, and where OpenSSL looks for them.
mkdir -p "$runtime"/{etc/ssl/certs,usr/lib/ssl}
cp /etc/ssl/certs/ca-certificates.crt "$runtime/etc/ssl/certs/"
ln -s /etc/ssl/certs/ca-certificates.crt "$runtime/usr/lib/ssl/cert.pem"
record ca-certificates
