#!/usr/bin/env python3
"""A series belongs to the service where it happens.

No two services expose one name, except the series that each process or each
store has: those of SHARED. What common/ declares is of every service, so it is
SHARED too.

Usage: metric_names.py ROOT    exit 1 and a line for each name in two places
       metric_names.py --self-test
"""

import pathlib
import re
import sys
import tempfile

# As a literal, whole: what a family is built with, or asked for by.
NAME = re.compile(r'"((?:agentgw|gen_ai|process)_[a-z0-9_]+)"')

SHARED = re.compile(
    r"process_.*|agentgw_("
    r"build_info|draining|memory_.*|config_.*|tls_.*|telemetry_dropped_total"
    r"|rpc_.*"       # of a gRPC port
    r"|rocksdb_.*"   # of a store
    r")")


def owners_of(root):
    """Each name that is not shared, with the folders that say it."""
    owners = {}
    for top in ("common", "services"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            folder = "/".join(path.relative_to(root).parts[:2])
            for name in NAME.findall(path.read_text(errors="replace")):
                if not SHARED.fullmatch(name):
                    owners.setdefault(name, set()).add(folder)
    return owners


def check(root):
    faults = []
    for name, folders in sorted(owners_of(root).items()):
        where = ", ".join(sorted(folders))
        if len(folders) > 1:
            faults.append(f"{name}: in more than one service: {where}")
        elif where.startswith("common/"):
            faults.append(f"{name}: of every service, since it is in {where}")
    return faults


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)

        def faults_with(files):
            for top in ("common", "services"):
                (root / top).mkdir(exist_ok=True)
            for file, text in files.items():
                path = root / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check(root)

        assert not faults_with({
            "services/a/metrics.cc": '"agentgw_a_total" "agentgw_rocksdb_x"',
            "services/b/metrics.cc": '"agentgw_b_total" "agentgw_rocksdb_x"',
            "common/process/drain.cc": '"agentgw_draining" "process_fds"'})
        assert not faults_with({"services/a/server.cc": '"agentgw_a_total"'})
        assert len(faults_with({"services/b/x.cc": '"agentgw_a_total"'})) == 1
        assert len(faults_with({"common/x/x.cc": '"agentgw_c_total"'})) == 2


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    root = pathlib.Path(sys.argv[1])
    if not owners_of(root):
        sys.exit("no metric found: is this the repository?")
    faults = check(root)
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
