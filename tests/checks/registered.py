#!/usr/bin/env python3
"""Every source is built and every test is run.

A .cc file of common/, services/ or tests/ must be named in the CMakeLists.txt
of its folder or of one above it; else it would rot unseen.

Usage: registered.py ROOT    exit 1 and a line for each forgotten file
       registered.py --self-test
"""

import pathlib
import re
import sys
import tempfile


def is_named(root, path):
    folder = path.parent
    while True:
        lists = folder / "CMakeLists.txt"
        if lists.exists():
            name = path.relative_to(folder).as_posix()
            if re.search(rf"(^|[\s(]){re.escape(name)}([\s)]|$)",
                         lists.read_text(), re.M):
                return True
        if folder == root:
            return False
        folder = folder.parent


def check(root):
    return [f"{path.relative_to(root)}: in no CMakeLists.txt"
            for top in ("common", "services", "tests")
            for path in sorted((root / top).rglob("*.cc"))
            if not is_named(root, path)]


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "common" / "a").mkdir(parents=True)
        (root / "common" / "a" / "CMakeLists.txt").write_text(
            "gateway_library(common_a SOURCES named.cc)\n")
        (root / "common" / "a" / "named.cc").touch()
        assert check(root) == []
        (root / "common" / "a" / "forgotten.cc").touch()
        assert check(root) == ["common/a/forgotten.cc: in no CMakeLists.txt"]


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    faults = check(pathlib.Path(sys.argv[1]))
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


main()
