"""The systems under test: how each is started in front of the provider."""

import json
import pathlib
import shutil
import sys

from processes import Process

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.ports import free_ports  # noqa: E402

MODELS = ("fake-8x0", "fake-50x0", "fake-50x20", "fake-2x600000")

NGINX_CONFIG = """
daemon off;
worker_processes 2;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/nginx_error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_body_buffer_size 64k;
  client_max_body_size 32m;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  upstream provider {{
    server 127.0.0.1:{provider};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{http} backlog=4096;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 3600s;
    }}
  }}
}}
"""


class System:
    """Something that answers chats on `port`. Its `processes` are measured,
    its `helpers` are not."""

    title = ""
    needs = ()

    def __init__(self, bin_folder, folder, provider_port):
        self.bin = pathlib.Path(bin_folder)
        self.folder = pathlib.Path(folder)
        self.provider_port = provider_port
        self.processes = []
        self.helpers = []
        self.port = 0

    @classmethod
    def missing(cls, bin_folder):
        return [name for name in cls.needs
                if not (pathlib.Path(bin_folder) / name).exists()]

    def start(self):
        """Starts it and returns the seconds until it was ready."""
        raise NotImplementedError

    def stop(self):
        for process in self.processes + self.helpers:
            process.stop()
        self.processes = []
        self.helpers = []

    def gateway_config(self, **services):
        """Writes a config file; JSON is YAML."""
        config = {
            "providers": {"fake": {
                "baseUrl": f"http://127.0.0.1:{self.provider_port}/v1"}},
            "models": {name: {
                "targets": [{"provider": "fake"}],
                # Streams that are held open are silent on purpose.
                "timeouts": {"silence": "600s"},
            } for name in MODELS},
            "shutdown": {"preDrainDelay": "0s", "drainTimeout": "1s"},
            **services,
        }
        path = self.folder / f"{self.title.replace(' ', '_')}.yaml"
        path.write_text(json.dumps(config, indent=1))
        return path

    def serve(self, name, config, ops):
        """Starts a gateway binary and waits until it is ready."""
        process = Process(
            name, [self.bin / name, "serve", "--config", config], self.folder)
        try:
            seconds = process.wait_for_http(f"http://127.0.0.1:{ops}/readyz")
        except BaseException:
            process.stop()
            raise
        return process, seconds


class Direct(System):
    """No proxy: what the client and the provider take by themselves."""

    title = "direct"

    def start(self):
        self.port = self.provider_port
        return 0


class Nginx(System):
    title = "nginx"

    @classmethod
    def missing(cls, bin_folder):
        return [] if cls.program() else ["nginx"]

    @staticmethod
    def program():
        return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

    def start(self):
        self.port, = free_ports(1)
        config = self.folder / "nginx.conf"
        config.write_text(NGINX_CONFIG.format(
            folder=self.folder, provider=self.provider_port, http=self.port))
        process = Process("nginx", [self.program(), "-c", config],
                          self.folder)
        self.processes = [process]
        return process.wait_for_http(f"http://127.0.0.1:{self.port}/_stats")


class OneProcess(System):
    title = "one process"
    needs = ("agent-gateway",)

    def start(self):
        grpc, self.port, ops = free_ports(3)
        data = {name: {"dataDir": str(self.folder / "one" / name)}
                for name in ("modelRouter", "batchAggregator", "sessionStore",
                             "metricsCollector")}
        config = self.gateway_config(
            agentGateway={"listen": listen(grpc, ops, self.port),
                          "dataDir": str(self.folder / "one")}, **data)
        process, seconds = self.serve("agent-gateway", config, ops)
        self.processes = [process]
        return seconds


class TwoProcesses(System):
    """The way of a stateless chat. metrics-collector runs beside it, so that
    the usage spool is delivered as it would be, and is not measured."""

    title = "two processes"
    needs = ("ingress", "model-router", "metrics-collector")

    def start(self):
        ports = free_ports(9)
        self.port = ports[0]
        names = ("ingress", "model-router", "metrics-collector")
        keys = ("ingress", "modelRouter", "metricsCollector")
        services = {}
        for i, key in enumerate(keys):
            grpc, ops = ports[1 + 2 * i], ports[2 + 2 * i]
            services[key] = {
                "listen": listen(grpc, ops, self.port if i == 0 else None)}
            if i > 0:
                services[key] |= {"target": f"127.0.0.1:{grpc}",
                                  "dataDir": str(self.folder / "two" / key)}
        # Not running; a stateless chat does not need them.
        services["sessionStore"] = {"target": f"127.0.0.1:{ports[7]}"}
        services["batchAggregator"] = {"target": f"127.0.0.1:{ports[8]}"}
        config = self.gateway_config(**services)
        seconds = 0
        for i in (2, 1, 0):
            process, took = self.serve(names[i], config, ports[2 + 2 * i])
            (self.helpers if i == 2 else self.processes).append(process)
            seconds = max(seconds, took)
        return seconds


def listen(grpc, ops, http=None):
    addresses = {"grpc": f"127.0.0.1:{grpc}", "ops": f"127.0.0.1:{ops}",
                 "admin": "127.0.0.1:0"}
    if http is not None:
        addresses["http"] = f"127.0.0.1:{http}"
    return addresses


SYSTEMS = {"direct": Direct, "nginx": Nginx, "one": OneProcess,
           "two": TwoProcesses}
