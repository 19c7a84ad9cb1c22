"""Starts the project's programs for a test, and ends them with it.

Each program runs in a folder of its own; its output goes to a log there. Ports
are free ones on loopback. TEST_BUILD_DIR names the build (build/release).
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import yaml

from support.ports import free_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TEST_BUILD_DIR", ROOT / "build/release"))

SERVICES = ["ingress", "model-router", "batch-aggregator", "session-store",
            "metrics-collector"]


def wait_until(condition, seconds=20, what="condition"):
    """Returns the first true value of `condition()`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Program:
    """One process, whose output goes to a log."""

    def __init__(self, args, log, **kwargs):
        self.log = pathlib.Path(log)
        self._file = self.log.open("ab")
        self.process = subprocess.Popen(
            [str(a) for a in args], stdout=self._file, stderr=self._file,
            **kwargs)

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def output(self):
        return self.log.read_text(errors="replace")

    def wait_for_output(self, pattern, seconds=20):
        def look():
            found = re.search(pattern, self.output())
            assert found or self.is_running(), self.output()[-2000:]
            return found
        return wait_until(look, seconds, pattern)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=20):
        """SIGTERM; returns the exit code."""
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.process.args[0]} did not end:\n"
                                 + self.output()[-2000:]) from None
        finally:
            self._file.close()

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


class FakeProvider(Program):
    """tests/fakes/provider: the ground truth."""

    def __init__(self, folder, *args):
        super().__init__([BUILD / "bin/fake_provider", "--port", "0", *args],
                         pathlib.Path(folder) / "fake_provider.log")
        port = self.wait_for_output(r"listening on 127.0.0.1:(\d+)")[1]
        self.origin = f"http://127.0.0.1:{port}"

    def log_lines(self, clear=False):
        return get_json(f"{self.origin}/_log{'?clear=1' if clear else ''}")

    def stats(self):
        return get_json(f"{self.origin}/_stats")

    def last_body(self):
        return get(f"{self.origin}/_last")


class ModelServer(Program):
    """llama.cpp's own server over a tiny model of random weights."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        model = folder / "tiny.gguf"
        scripts = ROOT / "tests/support"
        subprocess.run([sys.executable, scripts / "tiny_model.py", model],
                       check=True, stdout=subprocess.DEVNULL)
        super().__init__([sys.executable, scripts / "model_server.py", model],
                         folder / "model_server.log", stdin=subprocess.PIPE)
        self.origin = self.wait_for_output(r"listening on (http\S+)", 60)[1]

    def stop(self, seconds=20):
        self.process.stdin.close()
        return super().stop(seconds)


class Gateway:
    """The gateway under test: `one` process, or the `mesh` of five.

    `replicas` says of which services there are several: {"ingress": 2} makes
    `ingress` and `ingress-2`. They share the config file; where they listen and
    keep their data, the further ones are told by flags.
    """

    def __init__(self, folder, shape="mesh", config=None, settings=(),
                 replicas=None):
        self.folder = pathlib.Path(folder)
        self.shape = shape
        self.settings = list(settings)
        self.programs = {}
        names = SERVICES if shape == "mesh" else ["agent-gateway"]
        self.instances = {
            name: [name, *(f"{name}-{i + 1}" for i in
                           range(1, (replicas or {}).get(name, 1)))]
            for name in names}
        every = [i for name in names for i in self.instances[name]]
        fronts = self.instances[names[0]]
        ports = free_ports(3 * len(every) + len(fronts))
        self.http_ports = dict(zip(fronts, ports))
        ports = ports[len(fronts):]
        self.grpc_ports = dict(zip(every, ports[0::3]))
        self.ops_ports = dict(zip(every, ports[1::3]))
        self.admin_ports = dict(zip(every, ports[2::3]))
        self.http_port = self.http_ports[fronts[0]]
        self.config = self._with_addresses(config or {}, names)
        self.config_file = self.folder / "gateway.yaml"
        self.config_file.write_text(yaml.safe_dump(self.config))

    def _with_addresses(self, config, names):
        config = json.loads(json.dumps(config))
        config.setdefault("shutdown", {"preDrainDelay": 0, "drainTimeout": 5})
        for name in names:
            section = config.setdefault(key_of(name), {})
            section.update(self._own(name))
            if name not in ("ingress", "agent-gateway"):
                section["target"] = self.target(name)
        return config

    def _own(self, instance):
        """What one instance alone is told."""
        own = {"listen": {
            "grpc": f"127.0.0.1:{self.grpc_ports[instance]}",
            "ops": f"127.0.0.1:{self.ops_ports[instance]}",
            "admin": f"127.0.0.1:{self.admin_ports[instance]}",
        }}
        if instance in self.http_ports:
            own["listen"]["http"] = f"127.0.0.1:{self.http_ports[instance]}"
        if instance not in self.instances.get("ingress", ()):
            own["dataDir"] = str(self.folder / "data" / instance)
        return own

    def target(self, name):
        """Where gRPC finds all instances of a service."""
        addresses = [f"127.0.0.1:{self.grpc_ports[i]}"
                     for i in self.instances[name]]
        scheme = "ipv4:" if len(addresses) > 1 else ""
        return scheme + ",".join(addresses)

    def service_of(self, instance):
        return next(name for name, instances in self.instances.items()
                    if instance in instances)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_target(self):
        front = "ingress" if self.shape == "mesh" else "agent-gateway"
        return f"127.0.0.1:{self.grpc_ports[front]}"

    def start(self, *names):
        """Starts the named instances and waits until they are ready.

        Without names: all, and waits until they have found each other too.
        """
        whole = not names
        names = names or list(self.grpc_ports)
        for name in names:
            service = self.service_of(name)
            args = [BUILD / "bin" / service, "--config", self.config_file]
            settings = list(self.settings)
            if name != service:
                own = self._own(name)
                flat = {f"listen.{k}": v for k, v in own["listen"].items()}
                flat.update({k: v for k, v in own.items() if k != "listen"})
                settings += [f"{key_of(service)}.{key}={value}"
                             for key, value in flat.items()]
            for setting in settings:
                args += ["--set", setting]
            self.programs[name] = Program(args, self.folder / f"{name}.log")
        for name in names:
            self.wait_ready(name)
        if whole:
            wait_until(self.is_whole, 10, "all to have found each other")
        return self

    def is_whole(self):
        """Nobody misses anybody."""
        return all(get_json(self.ops(name, "/readyz"))["status"] == "ok"
                   for name in self.programs)

    def wait_ready(self, name, seconds=30):
        def ready():
            program = self.programs[name]
            assert program.is_running(), program.output()[-2000:]
            return self.ready_status(name) == 200
        wait_until(ready, seconds, f"{name} ready")

    def ready_status(self, name):
        try:
            with urllib.request.urlopen(self.ops(name, "/readyz"),
                                        timeout=5) as r:
                return r.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def ops(self, name, path):
        return f"http://127.0.0.1:{self.ops_ports[name]}{path}"

    def admin(self, name, path, method="GET"):
        """The status and the text of a page of the admin port."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin_ports[name]}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name, series):
        """The value of a series, given as it is exposed; 0 if absent."""
        for line in get(self.ops(name, "/metrics")).decode().splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def kill(self, name):
        self.programs.pop(name).kill()

    def stop(self):
        """Ends all in the order in which work flows; returns exit codes.

        Those that a test killed are left out; those that ended by themselves,
        for example by a crash, are not.
        """
        return {name: program.stop() for name, program in
                self.programs.items()}


def key_of(service):
    return re.sub(r"-(.)", lambda m: m[1].upper(), service)


def get(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read()


def get_json(url):
    return json.loads(get(url))
