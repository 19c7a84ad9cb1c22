"""A Docker engine, as DOCKER_HOST or Docker's own default names it."""

import json
import os
import pathlib

from support.command import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = ["agent-gateway", "ingress", "model-router", "batch-aggregator",
            "session-store", "metrics-collector"]


def docker(*args, **kwargs):
    return run("docker", *args, **kwargs)


def inspect(name):
    return json.loads(docker("inspect", name))[0]


def build_dir():
    return pathlib.Path(os.environ.get("TEST_BUILD_DIR",
                                       ROOT / "build/release"))


def build(tag, target="image", **environment):
    """The image of the binaries that are built already."""
    run(ROOT / "tools/image.sh", build_dir() / "bin", tag, target,
        env={**os.environ, **environment})
    return tag


class Compose:
    """A project of its own, from a docker-compose.yml and what overrides it."""

    def __init__(self, project, folder=ROOT, override=None):
        self.project = project
        self.folder = folder
        self.files = ["-f", folder / "docker-compose.yml"]
        if override:
            self.files += ["-f", override]
        self.environment = dict(os.environ)

    def __call__(self, *args, **kwargs):
        return run(ROOT / "tools/compose.sh", "-p", self.project, *self.files,
                   *args, env=self.environment, **kwargs)

    def command(self, *args):
        """For a process that runs beside the test."""
        return [str(a) for a in (ROOT / "tools/compose.sh", "-p", self.project,
                                 *self.files, *args)]

    def address(self, service, port):
        """Where a port of a service is on this machine."""
        return self("port", service, port).strip()

    def container(self, service):
        return inspect(self("ps", "-aq", service).strip())
