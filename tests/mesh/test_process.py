"""What every program does beside its service: signals, drain, reload, admin."""

import json
import os
import signal
import subprocess
import threading
import time

import grpc
import pytest
import yaml

from conftest import chat
from support.processes import BUILD, Gateway, wait_until

MODELS = {"mock": {"targets": [{"provider": "mock"}]},
          "slow": {"targets": [{"provider": "slow"}]}}
PROVIDERS = {"mock": {"dialect": "mock"},
             "slow": {"dialect": "mock",
                      "mock": {"tokenInterval": "200ms"}}}


@pytest.fixture
def make_gateway(tmp_path):
    started = []

    def make(config=None, shape="one"):
        gateway = Gateway(tmp_path, shape, {
            "providers": PROVIDERS, "models": MODELS, **(config or {})}).start()
        started.append(gateway)
        return gateway

    yield make
    for gateway in started:
        for program in gateway.programs.values():
            if program.is_running():
                program.kill()


NAME = "agent-gateway"


def process(gateway):
    return gateway.programs[NAME]


def write(gateway, **keys):
    """Replaces keys of the config file, as an editor does."""
    gateway.config.update(keys)
    new = gateway.config_file.with_suffix(".new")
    new.write_text(yaml.safe_dump(gateway.config))
    os.rename(new, gateway.config_file)


def in_background(function, *args, **kwargs):
    results = []
    thread = threading.Thread(
        target=lambda: results.append(function(*args, **kwargs)))
    thread.start()

    def result():
        thread.join(30)
        return results[0]
    return result


def run(gateway, *args):
    return subprocess.run(
        [BUILD / "bin" / NAME, "--config", gateway.config_file, *args],
        capture_output=True, text=True, timeout=30)


# --- drain


def test_a_signal_announces_waits_and_ends(make_gateway):
    gateway = make_gateway({"shutdown": {"preDrainDelay": 1,
                                         "drainTimeout": 30}})
    begin = time.monotonic()
    process(gateway).process.send_signal(signal.SIGTERM)
    wait_until(lambda: gateway.ready_status(NAME) == 503, 5, "announced")
    # Alive, and work is still accepted.
    status, _ = gateway.admin(NAME, "/logging")
    assert status == 200
    assert gateway.metric(NAME, "agentgw_draining") == 1
    assert chat(gateway, "mock").status == 200
    # Nothing runs: it ends long before the timeout.
    assert process(gateway).process.wait(10) == 0
    assert 0.9 < time.monotonic() - begin < 8


def test_a_stream_finishes_while_new_work_is_refused(make_gateway):
    gateway = make_gateway({"shutdown": {"preDrainDelay": 0,
                                         "drainTimeout": 30}})
    stream = in_background(chat, gateway, "slow", stream=True)
    time.sleep(0.6)
    process(gateway).process.send_signal(signal.SIGTERM)
    wait_until(lambda: gateway.ready_status(NAME) != 200, 5, "announced")
    time.sleep(0.1)
    with pytest.raises(OSError):
        chat(gateway, "mock")
    assert stream().body.endswith(b"data: [DONE]\n\n")
    assert process(gateway).process.wait(10) == 0


@pytest.mark.parametrize("hurried", [False, True])
def test_what_is_left_is_cut_with_an_error(make_gateway, hurried):
    gateway = make_gateway({
        "shutdown": {"preDrainDelay": 0, "drainTimeout": 60 if hurried else 1},
        "providers": {**PROVIDERS, "slow": {
            "dialect": "mock", "mock": {"tokenInterval": "5s"}}}})
    stream = in_background(chat, gateway, "slow", stream=True)
    time.sleep(0.6)
    process(gateway).process.send_signal(signal.SIGTERM)
    if hurried:
        time.sleep(0.3)
        assert process(gateway).is_running()
        process(gateway).process.send_signal(signal.SIGTERM)
    body = stream().body
    assert b'"code":"draining"' in body and b"[DONE]" not in body, body
    assert process(gateway).process.wait(10) == 0
    assert "ending what is left" in process(gateway).output()


# --- the admin port


def test_a_drain_can_be_taken_back(make_gateway):
    gateway = make_gateway({"shutdown": {"preDrainDelay": 60,
                                         "drainTimeout": 1}})
    assert gateway.admin(NAME, "/undrain", "POST")[0] == 409
    assert gateway.admin(NAME, "/drain", "POST")[0] == 200
    assert gateway.ready_status(NAME) == 503
    assert gateway.admin(NAME, "/undrain", "POST")[0] == 200
    wait_until(lambda: gateway.ready_status(NAME) == 200, 5, "ready again")
    assert chat(gateway, "mock").status == 200


def test_the_drain_command_waits_for_the_end(make_gateway):
    gateway = make_gateway({"shutdown": {"preDrainDelay": 1,
                                         "drainTimeout": 5}})
    late = run(gateway, "drain", "--set", "shutdown.preDrainDelay=0",
               "--timeout", "1")
    assert late.returncode in (0, 1), late
    done = run(gateway, "drain")
    assert process(gateway).process.wait(10) == 0
    assert done.returncode in (0, 1)
    again = run(gateway, "drain")
    assert again.returncode == 1 and "nothing listens" in again.stderr


def test_the_pages_of_the_admin_port(make_gateway):
    gateway = make_gateway({"keys": [{"id": "k", "tenant": "t",
                                      "sha256": "ab" * 32}]})
    status, dump = gateway.admin(NAME, "/config_dump")
    assert status == 200
    dumped = yaml.safe_load(dump)
    assert dumped["keys"][0]["sha256"] == "<redacted>"
    assert dumped["session"]["ttl"] == "24h"
    peers = json.loads(gateway.admin(NAME, "/peers")[1])["peers"]
    assert {"name": "model-router", "target": "in process",
            "state": "ok"} in peers
    assert json.loads(gateway.admin(NAME, "/sessions/stats")[1])[
        "sessions"] == 0
    assert json.loads(gateway.admin(NAME, "/memory")[1])["rss"] > 1 << 20
    assert gateway.admin(NAME, "/reload")[0] == 405
    assert gateway.admin(NAME, "/nothing")[0] == 404
    assert gateway.admin(NAME, "/logging?level=loud", "POST")[0] == 400


def test_the_logs_level_is_set_for_a_while(make_gateway):
    gateway = make_gateway()
    assert gateway.admin(NAME, "/logging?level=error&for=1s", "POST")[0] == 200
    write(gateway, streaming=False)
    gateway.admin(NAME, "/reload", "POST")
    assert "config reloaded" not in process(gateway).output()
    wait_until(lambda: json.loads(gateway.admin(NAME, "/logging")[1])[
        "level"] == "info", 5, "the level to come back")
    gateway.admin(NAME, "/reload", "POST")
    process(gateway).wait_for_output("config reloaded")


# --- reload


@pytest.mark.parametrize("cause", ["SIGHUP", "file", "admin"])
def test_a_reload_applies_what_is_hot(make_gateway, cause):
    gateway = make_gateway()
    if cause != "file":
        gateway.config_file.write_text(yaml.safe_dump(
            {**gateway.config, "models": {**MODELS, "new": {"targets": [
                {"provider": "mock"}]}}}))
    if cause == "SIGHUP":
        process(gateway).process.send_signal(signal.SIGHUP)
    elif cause == "admin":
        assert gateway.admin(NAME, "/reload", "POST")[0] == 200
    else:
        write(gateway, models={**MODELS, "new": {"targets": [
            {"provider": "mock"}]}})
    wait_until(lambda: chat(gateway, "new").status == 200, 10, "the new model")
    assert chat(gateway, "mock").status == 200


def test_keys_prices_limits_and_level_are_hot(make_gateway):
    gateway = make_gateway()
    assert chat(gateway, "mock").status == 200
    # SHA-256 of `secret`.
    digest = subprocess.run("printf secret | sha256sum", shell=True,
                            capture_output=True, text=True).stdout.split()[0]
    write(gateway, keys=[{"id": "k", "tenant": "t", "sha256": digest}],
          log={"level": "debug"})
    wait_until(lambda: chat(gateway, "mock").status == 401, 10, "keys")
    assert chat(gateway, "mock", headers={
        "authorization": "Bearer secret"}).status == 200
    wait_until(lambda: json.loads(gateway.admin(NAME, "/logging")[1])[
        "level"] == "debug", 5, "the level")
    write(gateway, keys=[], limits={"maxRequestsInFlight": 1})
    wait_until(lambda: chat(gateway, "mock").status == 200, 10, "no keys")
    stream = in_background(chat, gateway, "slow", stream=True)
    # Before another takes the only place.
    wait_until(lambda: gateway.metric(
        NAME, 'agentgw_requests_in_flight{service="ingress"}'), 5, "the stream")
    assert chat(gateway, "mock").status == 503
    assert stream().status == 200


def test_a_stream_ends_as_it_began(make_gateway):
    gateway = make_gateway()
    stream = in_background(chat, gateway, "slow", stream=True)
    time.sleep(0.6)
    write(gateway, models={"mock": MODELS["mock"]},
          providers={"mock": PROVIDERS["mock"]})
    wait_until(lambda: chat(gateway, "slow").status == 404, 10, "the reload")
    assert stream().body.endswith(b"data: [DONE]\n\n")


def test_a_bad_config_leaves_the_last_good_one(make_gateway):
    gateway = make_gateway()
    series = "agentgw_config_last_reload_successful"
    assert gateway.metric(NAME, series) == 1
    write(gateway, routing={"fallbackModel": "gone"})
    wait_until(lambda: gateway.metric(NAME, series) == 0, 10, "the refusal")
    assert chat(gateway, "mock").status == 200
    status, body = gateway.admin(NAME, "/reload", "POST")
    assert status == 422 and "routing.fallbackModel" in body
    write(gateway, routing={"fallbackModel": "mock"})
    wait_until(lambda: gateway.metric(NAME, series) == 1, 10, "a good one")


def test_what_needs_a_restart_is_reported(make_gateway):
    gateway = make_gateway()
    gateway.config_file.write_text(yaml.safe_dump(
        {**gateway.config, "session": {"ttl": 60}, "streaming": False}))
    time.sleep(0.5)  # the change of the file itself
    process(gateway).wait_for_output("some keys change at the next start only")
    dumped = yaml.safe_load(gateway.admin(NAME, "/config_dump")[1])
    assert dumped["session"]["ttl"] == "24h"
    assert dumped["streaming"] is False


# --- health

# grpc.health.v1, written by hand: a name is field 1, as is a status.
HEALTH = "/grpc.health.v1.Health/"
SERVING, NOT_SERVING = 1, 2


def health_request(name):
    return b"\x0a" + bytes([len(name)]) + name.encode() if name else b""


def health_status(answer):
    return answer[1] if answer else 0


def test_grpc_health_of_a_process(make_gateway):
    gateway = make_gateway({"shutdown": {"preDrainDelay": 60,
                                         "drainTimeout": 1}})
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        def check(name):
            return channel.unary_unary(
                HEALTH + "Check", health_request, health_status)(name, timeout=5)

        names = ["", "readiness", "gateway.agent.v1.AgentService"]
        for name in [*names, "liveness"]:
            assert check(name) == SERVING, name
        with pytest.raises(grpc.RpcError) as unknown:
            check("nobody")
        assert unknown.value.code() == grpc.StatusCode.NOT_FOUND
        watch = channel.unary_stream(
            HEALTH + "Watch", health_request, health_status)(
                "readiness", timeout=30)
        assert next(watch) == SERVING
        gateway.admin(NAME, "/drain", "POST")
        assert next(watch) == NOT_SERVING
        for name in names:
            assert check(name) == NOT_SERVING, name
        assert check("liveness") == SERVING
        gateway.admin(NAME, "/undrain", "POST")
        assert next(watch) == SERVING


# --- commands


def test_config_prints_what_is_in_use(make_gateway, tmp_path):
    gateway = make_gateway()
    effective = run(gateway, "config", "effective", "--set", "batch.size=7",
                    "--log-level", "error")
    assert effective.returncode == 0, effective.stderr
    printed = yaml.safe_load(effective.stdout)
    assert printed["batch"]["size"] == 7
    assert printed["log"]["level"] == "error"
    assert printed["models"]["mock"]["targets"][0]["provider"] == "mock"
    # It is a config.
    file = tmp_path / "effective.yaml"
    file.write_text(effective.stdout)
    again = subprocess.run([BUILD / "bin" / NAME, "--config", file, "check"],
                           capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert yaml.safe_load(run(gateway, "config", "default").stdout)[
        "batch"]["size"] == 32
    schema = json.loads(run(gateway, "config", "schema").stdout)
    assert schema["properties"]["session"]["x-restart"] is True


@pytest.mark.parametrize("args, code, said", [
    (["nonsense"], 64, ""),
    (["--set", "sesion.ttl=1", "check"], 78, "did you mean"),
    (["--set", "ingress.listen.http=127.0.0.1:1", "check"], 78,
     "not read by agent-gateway"),
    (["--set", "agentGateway.listen.admin=0.0.0.0:9901", "check"], 78,
     "127.0.0.1"),
    (["check"], 0, ""),
    (["healthcheck"], 0, ""),
])
def test_exit_codes(make_gateway, args, code, said):
    done = run(make_gateway(), *args)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


def test_the_log_has_its_format_from_the_config(make_gateway):
    gateway = make_gateway({"log": {"format": "text"}, "threads": 3})
    process(gateway).wait_for_output("info +process: serving")
    threads = os.listdir(f"/proc/{process(gateway).pid}/task")
    names = [open(f"/proc/{process(gateway).pid}/task/{t}/comm").read().strip()
             for t in threads]
    assert sum(name.startswith("io-") for name in names) == 3
    assert {"ops", "admin", "health"} <= set(names)


# --- smoke


def smoke(mesh, *args):
    return subprocess.run(
        [BUILD / "bin/ingress", "smoke", "--config", mesh.config_file,
         "--timeout", "5", *args], capture_output=True, text=True, timeout=60)


def test_smoke_tries_a_running_mesh(make_gateway):
    gateway = make_gateway()
    targets = ["--http-target", f"127.0.0.1:{gateway.http_port}",
               "--grpc-target", gateway.grpc_target]
    done = smoke(gateway, *targets)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "answer over HTTP: ok", "stream over HTTP: ok",
        "stream over gRPC: ok", "session of two turns: ok"]
    # It leaves nothing behind.
    wait_until(lambda: json.loads(gateway.admin(NAME, "/sessions/stats")[1])[
        "sessions"] == 0, 10, "its session to go")
    gone = smoke(gateway, *targets, "--model", "gone")
    assert gone.returncode == 1
    assert "answer over HTTP: status 404" in gone.stderr
    nobody = smoke(gateway, "--http-target", "127.0.0.1:1")
    assert nobody.returncode == 1 and "answer over HTTP" in nobody.stderr
    assert smoke(gateway, "--http-target", "nonsense:x").returncode == 64
    assert smoke(gateway, "--key-file", "/nowhere").returncode == 64


def test_smoke_has_a_key(make_gateway, tmp_path):
    digest = subprocess.run("printf secret | sha256sum", shell=True,
                            capture_output=True, text=True).stdout.split()[0]
    gateway = make_gateway({"keys": [{"id": "k", "tenant": "t",
                                      "sha256": digest}]})
    targets = ["--http-target", f"127.0.0.1:{gateway.http_port}",
               "--grpc-target", gateway.grpc_target]
    refused = smoke(gateway, *targets)
    assert refused.returncode == 1 and "status 401" in refused.stderr
    file = tmp_path / "key"
    file.write_text("secret\n")
    assert smoke(gateway, *targets, "--key-file", file).returncode == 0
