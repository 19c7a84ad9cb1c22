"""The image: what it is made of, and that it needs nothing else."""

import gzip
import http.server
import io
import json
import re
import ssl
import subprocess
import tarfile
import threading

import pytest

import engine
from engine import docker, inspect
from support import client
from support.processes import free_ports, get, wait_until

GZIP = b"\x1f\x8b"

# As much as a base without a shell, a package manager or anything else has.
BARE_BASE = """
FROM debian:bookworm-slim AS libraries
RUN mkdir -p /bare/tmp && cd / && for package in libc6 libgcc-s1 libstdc++6; do \
      dpkg -L $package | grep -E '^(/usr)?/lib(64)?/.*so'; done | sort -u | \
    while read f; do [ -d $f ] || echo $f; done | \
    xargs tar -c | tar -x -C /bare
FROM scratch
COPY --from=libraries /bare /
"""


@pytest.fixture(scope="session")
def bare_image(tmp_path_factory):
    """The image on a base that has no shell."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "Dockerfile").write_text(BARE_BASE)
    (folder / "compose.yml").write_text(
        "services: {base: {build: ., image: agent-gateway-bare-base}}\n")
    engine.run(engine.ROOT / "tools/compose.sh", "-p", "agent-gateway-bare",
               "-f", folder / "compose.yml", "build", "--quiet")
    return engine.build("agent-gateway-test-bare",
                        BASE_IMAGE="agent-gateway-bare-base")


def files_of(image, folder):
    """What lies below a folder of an image: path to tar member."""
    container = docker("create", image).strip()
    try:
        packed = subprocess.run(["docker", "cp", f"{container}:{folder}", "-"],
                                check=True, stdout=subprocess.PIPE).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            return {member.name: member for member in tar}
    finally:
        docker("rm", container)


def compressed_bytes(image):
    """Of all layers, as a registry would hold them."""
    saved = subprocess.run(["docker", "save", image], check=True,
                           stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json"))
        layers = [tar.extractfile(name).read() for name in manifest["Layers"]]
    assert layers
    return sum(len(layer if layer.startswith(GZIP) else
                   gzip.compress(layer, 6)) for layer in layers)


@pytest.mark.parametrize("binary", engine.BINARIES)
def test_each_binary_runs_as_anybody_without_any_right(image, binary):
    said = docker("run", "--rm", "--network=none", "--read-only",
                  "--cap-drop=ALL", "--user=12345:23456",
                  f"--entrypoint=/usr/local/bin/{binary}", image, "--version")
    assert said.startswith(f"{binary} ")
    assert "build RelWithDebInfo" in said


def test_it_says_what_it_is(image):
    config = inspect(image)["Config"]
    version = re.search(r"project\(agent_gateway VERSION (\S+)",
                        (engine.ROOT / "CMakeLists.txt").read_text())[1]
    said = docker("run", "--rm", image, "--version")
    labels = {key.removeprefix("org.opencontainers.image."): value
              for key, value in config["Labels"].items()}
    assert labels["title"] == "agent-gateway"
    assert labels["version"] == version
    assert f"agent-gateway {version}\n" in said
    assert f"revision {labels['revision']}\n" in said
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/local/bin/agent-gateway"]
    assert set(config["ExposedPorts"]) == {"50051/tcp", "8080/tcp", "8081/tcp"}


def test_the_data_folder_belongs_to_the_user(image):
    folder = files_of(image, "/var/lib/agent-gateway")["agent-gateway"]
    assert (folder.uid, folder.gid, folder.mode & 0o777) == (65532, 65532,
                                                             0o755)


def test_it_is_small(image):
    size = compressed_bytes(image)
    print(f"{size / 1e6:.1f} MB compressed")
    assert size < 60e6


def test_scanners_learn_each_package(image):
    records = files_of(image, "/var/lib/dpkg/status.d")
    assert {"status.d/libgrpc29", "status.d/librocksdb7.8", "status.d/libssl3",
            "status.d/ca-certificates"} <= set(records)


def test_the_symbols_are_in_an_image_of_their_own(image):
    debug = engine.build("agent-gateway-test-debug", "debug")
    symbols = [name for name in files_of(debug, "/usr/lib/debug")
               if name.endswith(".debug")]
    assert len(symbols) == len(engine.BINARIES)
    assert docker("run", "--rm", debug, "--version") == \
        docker("run", "--rm", image, "--version")
    stripped = sum(m.size for m in files_of(image, "/usr/local/bin").values())
    build = engine.build_dir()
    assert stripped < sum((build / "bin" / b).stat().st_size
                          for b in engine.BINARIES)


def test_it_needs_no_shell_and_writes_to_its_data_alone(bare_image):
    shell = docker("run", "--rm", "--entrypoint=/bin/sh", bare_image, "-c",
                   "true", check=False)
    assert shell.returncode == 127
    container = docker(
        "run", "-d", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL",
        "--security-opt=no-new-privileges", "--publish=127.0.0.1::8081",
        "--volume=/var/lib/agent-gateway", bare_image,
        "--set", "shutdown.preDrainDelay=0").strip()
    try:
        def healthy():
            return docker("exec", container, "/usr/local/bin/agent-gateway",
                          "healthcheck", check=False).returncode == 0
        wait_until(healthy, 30, "healthy")
        ops = docker("port", container, "8081").strip()
        assert b'"agent-gateway"' in get(f"http://{ops}/version")
        # SIGTERM reaches it, for there is no shell in front of it.
        docker("stop", "--time=60", container)
        state = inspect(container)["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
        assert '"msg":"stopped"' in docker("logs", container, check=False).stderr
    finally:
        docker("rm", "-fv", container)


class Completion(http.server.BaseHTTPRequestHandler):
    """A provider that knows one answer."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({
            "id": "1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {
                "role": "assistant", "content": "by TLS"}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1,
                      "total_tokens": 2}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def tls_provider(tmp_path):
    """An HTTPS server, and the file of the authority that speaks for it."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    engine.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
               "-days=1", "-subj=/CN=localhost",
               "-addext=subjectAltName=DNS:localhost",
               "-keyout", key, "-out", cert)
    cert.chmod(0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Completion)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], cert
    server.shutdown()


@pytest.mark.parametrize("trusted", [True, False])
def test_the_authorities_of_the_image_are_those_of_the_system(
        bare_image, tls_provider, tmp_path, trusted):
    port, cert = tls_provider
    config = tmp_path / "gateway.yaml"
    config.write_text(f"""
providers: {{tls: {{baseUrl: "https://localhost:{port}/v1"}}}}
models: {{m: {{targets: [{{provider: tls}}]}}}}
""")
    config.chmod(0o644)
    listen = free_ports(3)
    container = docker(
        "run", "-d", "--network=host", f"--volume={config}:/gateway.yaml:ro",
        *([f"--volume={cert}:/etc/ssl/certs/ca-certificates.crt:ro"]
          if trusted else []),
        bare_image, "--config=/gateway.yaml", *(
            f"--set=agentGateway.listen.{name}=127.0.0.1:{number}"
            for name, number in zip(("http", "grpc", "ops"), listen))).strip()
    try:
        def ready():
            try:
                return get(f"http://127.0.0.1:{listen[2]}/readyz")
            except OSError:
                return False
        wait_until(ready, 30, "ready")
        answer = client.chat(f"127.0.0.1:{listen[0]}", model="m")
        assert answer.status == (200 if trusted else 503), answer.body
        assert answer.text == ("by TLS" if trusted else "")
    finally:
        docker("rm", "-fv", container)
