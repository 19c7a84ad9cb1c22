"""docker-compose.yml: the mesh, and what an operator does with it."""

import json
import os
import threading
import time

import pytest
import yaml

import engine
from support import client
from support.processes import SERVICES, get_json, wait_until

# A word each 100 ms.
CONFIG = {
    "providers": {
        "mock": {"dialect": "mock"},
        "slow": {"dialect": "mock", "mock": {"tokenInterval": "100ms"}}},
    "models": {"mock": {"targets": [{"provider": "mock"}]},
               "slow": {"targets": [{"provider": "slow"}]}},
    "shutdown": {"preDrainDelay": 1},
}
PORTS = {"ingress": ["8080", "50051", "8081"],
         **{name: ["8081"] for name in SERVICES[1:]}}


class Yaml(yaml.SafeDumper):
    """With compose's own tag for what replaces and does not add."""


class Override(list):
    pass


Yaml.add_representer(Override, lambda dumper, data: dumper.represent_sequence(
    "!override", data))


@pytest.fixture(scope="module")
def compose(image, tmp_path_factory):
    """The project on free ports, with the config above, and nothing running.

    Everything else is what docker-compose.yml says.
    """
    folder = tmp_path_factory.mktemp("compose")
    (folder / "config").mkdir(mode=0o755)
    folder.chmod(0o755)
    (folder / "config/gateway.yaml").write_text(yaml.safe_dump(CONFIG))
    override = folder / "override.yml"
    override.write_text(yaml.dump({"services": {
        name: {"image": image,
               "ports": Override(f"127.0.0.1::{port}" for port in ports),
               "volumes": [f"{folder}/config:/etc/agent-gateway:ro"]}
        for name, ports in PORTS.items()} | {"smoke": {"image": image}}},
        Dumper=Yaml))
    project = engine.Compose("agent-gateway-test", override=override)
    yield project
    project("--profile=*", "down", "--volumes", "--timeout=5")


@pytest.fixture
def mesh(compose):
    """All five up and healthy."""
    compose("up", "--wait", "--wait-timeout=120", "--no-build")
    return compose


def http(mesh):
    return mesh.address("ingress", 8080)


def test_up_waits_until_all_are_healthy(mesh):
    for service in SERVICES:
        container = mesh.container(service)
        assert container["State"]["Health"]["Status"] == "healthy", service
        assert container["Config"]["Healthcheck"]["Test"][0] == "CMD"
        ops = mesh.address(service, 8081)
        assert get_json(f"http://{ops}/version")["service"] == service

        def found_its_peers():
            return get_json(f"http://{ops}/readyz")["status"] == "ok"
        wait_until(found_its_peers, 20, f"{service} to miss nobody")


def test_every_container_has_the_least_rights(mesh):
    for service in SERVICES:
        container = mesh.container(service)
        host = container["HostConfig"]
        assert container["Config"]["User"] == "65532:65532"
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert list(host["Tmpfs"]) == ["/tmp"]
        assert not host["Ulimits"] and not host["Privileged"]
        assert container["Config"]["StopTimeout"] == 330
        writable = [m["Destination"] for m in container["Mounts"] if m["RW"]]
        assert writable == ([] if service == "ingress" else
                            ["/var/lib/agent-gateway"])


def test_every_port_is_of_this_machine_alone():
    project = json.loads(engine.Compose("ports")(
        "--profile=*", "config", "--format=json"))
    ports = {(name, port["target"]): (port["host_ip"], port["published"])
             for name, service in project["services"].items()
             for port in service.get("ports", [])}
    assert {host for host, _ in ports.values()} == {"127.0.0.1"}
    assert ports["ingress", 8080][1] == "8080"
    assert ports["ingress", 50051][1] == "50051"
    assert [ports[name, 8081][1] for name in SERVICES] == [
        "18081", "18082", "18083", "18084", "18085"]


def test_streams_over_http_and_grpc(mesh):
    for stream, address in ((client.stream, http(mesh)),
                            (client.grpc_stream,
                             mesh.address("ingress", 50051))):
        answer = stream(address, "/words 10", "slow")
        assert answer.ended and answer.text == client.words(10)
        assert answer.arrivals[-1] - answer.arrivals[0] > 0.5


def test_the_smoke_client_goes_through(mesh):
    said = mesh("run", "--rm", "--no-deps", "smoke")
    assert "session of two turns: ok" in said


def test_stop_lets_a_stream_end_and_takes_no_longer(mesh):
    # Fifteen seconds: Docker's own grace is ten.
    begun = threading.Event()
    answer = client.in_background(client.stream, http(mesh), "/words 150",
                                  "slow", begun=begun.set)
    assert begun.wait(20)
    begin = time.monotonic()
    mesh("stop")
    took = time.monotonic() - begin
    assert answer.result(1).ended and answer.result().text == client.words(150)
    assert 12 < took < 40
    for service in SERVICES:
        state = mesh.container(service)["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), service


def test_sessions_outlive_containers(mesh):
    session = {"x_session_id": "kept"}
    assert "Messages: 1." in client.chat(http(mesh), **session).text
    mesh("restart", "session-store")
    mesh("up", "--wait", "--wait-timeout=120", "--no-build")
    assert "Messages: 3." in client.chat(http(mesh), **session).text
    mesh("down", "--timeout=30")
    mesh("up", "--wait", "--wait-timeout=120", "--no-build")
    assert "Messages: 5." in client.chat(http(mesh), **session).text


def test_a_container_that_is_killed_comes_back(mesh):
    container = mesh.container("session-store")
    os.kill(container["State"]["Pid"], 9)

    def back():
        now = mesh.container("session-store")
        return (now["RestartCount"] == container["RestartCount"] + 1 and
                now["State"]["Health"]["Status"] == "healthy")
    wait_until(back, 60, "session-store to come back")


def test_variables_reach_the_services(mesh):
    mesh.environment |= {"GATEWAY_STREAMING": "false", "GATEWAY_TTL": "2"}
    try:
        mesh("up", "--wait", "--wait-timeout=120", "--no-build")
        answer = client.stream(http(mesh), "/words 20", "slow")
        assert answer.ended and answer.text == client.words(20)
        assert answer.arrivals[-1] - answer.arrivals[0] < 0.5
        session = {"x_session_id": "brief"}
        assert "Messages: 1." in client.chat(http(mesh), **session).text
        assert "Messages: 3." in client.chat(http(mesh), **session).text
        time.sleep(2.5)
        assert "Messages: 1." in client.chat(http(mesh), **session).text
        # Each of the five is handed on, to each service.
        mesh.environment |= {"GATEWAY_MONITORING": "a",
                             "GATEWAY_FALLBACK_MODEL": "b",
                             "GATEWAY_BATCH_SIZE": "c"}
        project = json.loads(mesh("config", "--format=json"))
        for service in SERVICES:
            assert project["services"][service]["environment"] == {
                "GATEWAY_STREAMING": "false", "GATEWAY_TTL": "2",
                "GATEWAY_MONITORING": "a", "GATEWAY_FALLBACK_MODEL": "b",
                "GATEWAY_BATCH_SIZE": "c"}
    finally:
        mesh.environment = dict(os.environ)


def test_the_config_that_is_shipped_is_valid(image):
    for binary in engine.BINARIES:
        engine.docker(
            "run", "--rm", f"--entrypoint=/usr/local/bin/{binary}",
            f"--volume={engine.ROOT}/config:/etc/agent-gateway:ro", image,
            "check", "--config=/etc/agent-gateway/gateway.yaml")
