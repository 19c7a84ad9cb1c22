#!/usr/bin/env python3
"""Who may include whom. The rules stand in docs/architecture.md.

Usage: layering.py ROOT      exit 1 and a line for each forbidden include
       layering.py --self-test
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)

# A folder of common/ may include folders of its own rank and below.
RANK = {
    "pch": 0, "status": 0, "time": 0, "concurrency": 0, "usage": 0,
    "log": 1, "storage": 1, "metrics": 1, "trace": 1, "config": 1,
    "resilience": 2,
    "dialect": 3, "http": 3, "rpc": 3,
    "clients": 4, "telemetry": 5, "process": 5,
}

# Of equal rank, yet apart: bytes and messages never meet a socket.
APART = {("dialect", "http"), ("dialect", "rpc"), ("http", "dialect"),
         ("http", "rpc"), ("rpc", "http"), ("rpc", "dialect")}

# A heavy or foreign library, and the only files that may include it.
CONFINED = [
    ("Beast and Asio's TLS",
     re.compile(r"^boost/(beast|asio/ssl)"),
     re.compile(r"^common/http/[^/]+\.cc$")),
    ("sockets",
     re.compile(r"^(boost/asio/ip/|boost/asio/(local|generic)/|sys/socket\.h)"),
     re.compile(r"^common/(http|concurrency|process)/")),
    ("gRPC",
     re.compile(r"^(grpcpp/|grpc/|.*\.grpc\.pb\.h$)"),
     re.compile(r"^(common/(pch|rpc)/|common/status/grpc_|common/clients/grpc_"
                r"|services/[^/]+/(server\.cc|[^/]*grpc[^/]*)$)")),
    ("RocksDB",
     re.compile(r"^rocksdb/"),
     re.compile(r"^(common/storage/|services/[^/]+/rocksdb_[^/]+$)")),
    ("prometheus-cpp",
     re.compile(r"^prometheus/"),
     re.compile(r"^(common/(metrics|process)/"
                r"|services/[^/]+/(metrics|server)\.(h|cc)$)")),
]

# How many files may carry the slowest includes.
MOST_SLOW_FILES = 4


def includes_of(path):
    return INCLUDE.findall(path.read_text(errors="replace"))


def common_folder(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "common" and len(parts) > 2 else None


def faults_of(file, includes):
    """The forbidden includes of one file, as sentences."""
    here = file.split("/")
    for include in includes:
        there = include.split("/")
        if here[0] == "common":
            if there[0] in ("services", "tests"):
                yield f"{file}: common may not include {include}"
            folder, other = common_folder(file), common_folder(include)
            if folder and folder not in RANK:
                yield f"{file}: give common/{folder} a rank in layering.py"
            elif folder and other and other != folder:
                if other not in RANK or RANK[other] > RANK[folder]:
                    yield f"{file}: common/{folder} is below {include}"
                elif (folder, other) in APART:
                    yield f"{file}: common/{folder} may not know {include}"
        if here[0] == "services":
            if there[0] == "tests":
                yield f"{file}: services may not include {include}"
            if (there[0] == "services" and there[1] != here[1]
                    and here[1] != "agent_gateway"):
                yield f"{file}: services never include each other: {include}"
        for what, includes_it, allowed in CONFINED:
            if includes_it.match(include) and not allowed.match(file):
                yield f"{file}: {what} is confined: {include}"


def check(root):
    faults = []
    slow = set()
    for top in ("common", "services"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            file = path.relative_to(root).as_posix()
            includes = includes_of(path)
            faults += faults_of(file, includes)
            if any(CONFINED[0][1].match(i) for i in includes):
                slow.add(file)
    if len(slow) > MOST_SLOW_FILES:
        faults.append(f"more than {MOST_SLOW_FILES} files include Beast or "
                      f"Asio's TLS: {', '.join(sorted(slow))}")
    return faults


def self_test():
    forbidden = [
        ("common/http/server.cc", "services/ingress/exchange.h"),
        ("common/status/error.cc", "common/http/server.h"),
        ("common/dialect/openai_chat/stream.cc", "common/http/sse_reader.h"),
        ("common/unknown/x.cc", "common/status/error.h"),
        ("services/ingress/exchange.cc", "services/model_router/catalogue.h"),
        ("services/ingress/exchange.cc", "grpcpp/grpcpp.h"),
        ("services/ingress/exchange.h", "boost/beast/core.hpp"),
        ("services/session_store/session_tree.cc", "rocksdb/db.h"),
        ("services/ingress/exchange.cc", "prometheus/counter.h"),
        ("services/ingress/exchange.cc", "tests/fakes/fake_model_router.h"),
        ("services/model_router/attempt.cc", "boost/asio/ip/tcp.hpp"),
    ]
    allowed = [
        ("common/http/server.cc", "boost/asio/ssl.hpp"),
        ("common/clients/grpc_model_router.cc", "grpcpp/grpcpp.h"),
        ("services/agent_gateway/server.cc", "services/ingress/server.h"),
        ("services/ingress/exchange.cc", "boost/asio/steady_timer.hpp"),
        ("services/session_store/rocksdb_session_repository.cc", "rocksdb/db.h"),
        ("services/ingress/metrics.cc", "prometheus/counter.h"),
    ]
    for file, include in forbidden:
        assert list(faults_of(file, [include])), (file, include)
    for file, include in allowed:
        assert not list(faults_of(file, [include])), (file, include)


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    faults = check(pathlib.Path(sys.argv[1]))
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


main()
