"""A clean checkout and an engine are all that the image takes."""

import platform
import re
import subprocess

import pytest
import yaml

import engine
from engine import docker

IMAGE = "agent-gateway-test-checkout"


@pytest.fixture
def checkout(tmp_path):
    """What is committed, and nothing else."""
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=engine.ROOT,
                            check=True, stdout=subprocess.PIPE).stdout
    folder = tmp_path / "checkout"
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
    return folder


def test_compose_builds_the_image_with_nothing_passed_in(checkout):
    services = yaml.safe_load(
        (checkout / "docker-compose.yml").read_text())["services"]
    override = checkout / "override.yml"
    override.write_text(yaml.safe_dump(
        {"services": {name: {"image": IMAGE} for name in services}}))
    project = engine.Compose("agent-gateway-checkout", checkout, override)
    project("build")
    for binary in engine.BINARIES:
        said = docker("run", "--rm", f"--entrypoint=/usr/local/bin/{binary}",
                      IMAGE, "--version")
        assert said.startswith(f"{binary} ")
        assert "build RelWithDebInfo" in said
    if platform.machine() == "x86_64":
        # x86-64-v2: what came with SSE4.1 is used, what came with AVX is not.
        code = subprocess.run(
            ["docker", "run", "--rm", "--entrypoint=/bin/cat", IMAGE,
             "/usr/local/bin/model-router"], check=True,
            stdout=subprocess.PIPE).stdout
        binary = checkout / "model-router"
        binary.write_bytes(code)
        listing = engine.run("objdump", "-d", "--no-show-raw-insn", binary)
        assert re.search(r"\spinsr[bdq]\s", listing)
        assert "%ymm" not in listing
