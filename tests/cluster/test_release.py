"""A release from its install to its end, each test where the last one left it."""

import json
import time

import pytest

from cluster import WORKLOADS, Namespace, Release, Streams
from support import client
from support.processes import wait_until

# A word each 100 ms: a stream of 100 takes 10 s.
SLOW = {"config": {
    "providers": {
        "mock": {"dialect": "mock"},
        "slow": {"dialect": "mock", "mock": {"tokenInterval": "100ms"}}},
    "models": {"mock": {"targets": [{"provider": "mock"}]},
               "slow": {"targets": [{"provider": "slow"}]}}}}


@pytest.fixture(scope="module")
def namespace():
    made = Namespace("agent-gateway-test")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def release(namespace):
    """Installed with no values at all; its name is a word that YAML knows."""
    made = Release(namespace, "y")
    made.install()
    made.open_to_the_outside()
    return made


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    file = tmp_path_factory.mktemp("values") / "values.json"
    file.write_text(json.dumps(SLOW))
    return file


@pytest.fixture
def streams(release):
    """Twenty, half of them over gRPC; none may break."""
    load = Streams(release, "/words 100", "slow", 20)
    yield load
    load.stop()


def assert_none_broke(streams):
    streams.stop()
    assert not streams.broken, streams.broken[:5]
    assert streams.ended >= 20


def test_an_install_without_values_is_ready(release):
    for service, kind in WORKLOADS.items():
        status = release.namespace.get(*release.workload(service).split("/"))[
            "status"]
        want = 2 if kind == "deployment" else 1
        assert status["readyReplicas"] == want, service
        for pod in release.pods(service):
            assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_helm_test(release):
    release.helm("test", "--timeout=120s")


def test_streams_from_outside(release):
    for stream, address in ((client.stream, release.http),
                            (client.grpc_stream, release.grpc)):
        answer = stream(address, "/words 1000")
        assert answer.ended and answer.text == client.words(1000)


def test_upgrade_changes_the_config(release, values):
    assert client.chat(release.http, model="slow").status == 404
    release.upgrade("-f", values)
    release.wait_for_model("slow")
    assert client.chat(release.http, "/words 1", "slow").status == 200


def test_upgrade_cuts_no_stream(release, values, streams):
    def uids():
        return {pod["metadata"]["uid"] for service in WORKLOADS
                for pod in release.pods(service)}
    before = uids()
    release.upgrade("-f", values, "--set", "config.threads=3")
    for service in WORKLOADS:
        release.wait_for_one_generation(service)
    after = uids()
    assert before.isdisjoint(after) and len(after) == len(before) == 7
    assert_none_broke(streams)


@pytest.mark.parametrize("service", WORKLOADS)
def test_a_rolling_restart_cuts_no_stream(release, streams, service):
    before = {pod["metadata"]["uid"] for pod in release.pods(service)}
    release.namespace.kubectl("rollout", "restart", release.workload(service))
    release.wait_for_one_generation(service)
    after = {pod["metadata"]["uid"] for pod in release.pods(service)}
    assert before.isdisjoint(after) and len(after) == len(before)
    assert_none_broke(streams)


def test_a_killed_pod_costs_no_session(release):
    session = {"x_session_id": "kept"}
    assert "Messages: 1." in client.chat(release.http, **session).text
    time.sleep(0.2)  # a turn is on the disk within 50 ms
    for service in ("session-store", "ingress", "model-router"):
        pod = release.pods(service)[0]
        release.namespace.kubectl(
            "delete", "pod", pod["metadata"]["name"], "--grace-period=0",
            "--force", "--wait=false")

        def replaced():
            pods = release.pods(service)
            return pod["metadata"]["uid"] not in {
                p["metadata"]["uid"] for p in pods} and all(
                any(c["type"] == "Ready" and c["status"] == "True"
                    for c in p["status"].get("conditions", []))
                for p in pods)
        wait_until(replaced, 120, f"another pod of {service}")

    def kept():
        answer = client.chat(release.http, **session)
        return answer.status == 200 and "Messages: 3." in answer.text
    wait_until(kept, 30, "the session")


def test_rollback(release):
    release.helm("rollback", "1", "--wait", "--timeout=240s")
    for service in WORKLOADS:
        release.wait_for_one_generation(service)

    def gone():
        return client.chat(release.http, model="slow").status == 404
    wait_until(gone, 120, "the model to be gone")
    assert "Messages: 5." in client.chat(release.http, x_session_id="kept").text


def test_uninstall_leaves_the_claims_alone(release):
    namespace = release.namespace
    namespace.kubectl("delete", "service", f"{release.name}-outside")
    release.uninstall()
    selector = f"app.kubernetes.io/instance={release.name}"

    def left():
        kinds = namespace.kubectl("api-resources", "--verbs=list",
                                  "--namespaced", "-o", "name").split()
        kinds = [kind for kind in kinds if not kind.startswith("events")]
        return set(namespace.kubectl(
            "get", ",".join(kinds), "-l", selector, "-o", "name",
            "--ignore-not-found").split())

    def only_claims():
        return all(name.startswith("persistentvolumeclaim/")
                   for name in left())
    wait_until(only_claims, 60, "all but the claims to be gone")
    assert len(left()) == 3
