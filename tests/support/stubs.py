"""Python stubs of our protos, made once a run from the protos themselves."""

import atexit
import importlib
import pathlib
import shutil
import sys
import tempfile

from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _generate():
    out = tempfile.mkdtemp(prefix="gateway_stubs_")
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    protos = ROOT / "protos"
    files = [str(p) for p in sorted(protos.rglob("*.proto"))]
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    status = protoc.main(["protoc", f"-I{protos}", f"-I{well_known}",
                          f"--python_out={out}", f"--grpc_python_out={out}",
                          *files])
    assert status == 0, "protoc failed"
    sys.path.insert(0, out)


def load(package):
    """The message and service modules of `agent`, `chat`, …"""
    base = f"gateway.{package}.v1.{package}"
    return (importlib.import_module(base + "_pb2"),
            importlib.import_module(base + "_pb2_grpc"))


_generate()
