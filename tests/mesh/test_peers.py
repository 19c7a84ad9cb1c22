"""A peer that is away costs only the requests that need it."""

import json
import time

import pytest

from conftest import chat, ledger, request_log
from support.processes import get_json, wait_until


def is_well(mesh, **kwargs):
    reply = chat(mesh, **kwargs)
    return reply.status == 200 and not reply.broken


def test_session_store_away(mesh):
    session = {"x-session-id": "s"}
    assert is_well(mesh, headers=session)
    mesh.kill("session-store")
    # The first call may still have to find out that the connection is gone.
    chat(mesh, headers=session)
    for _ in range(5):
        begin = time.monotonic()
        reply = chat(mesh, headers=session)
        assert time.monotonic() - begin < 0.1
        assert (reply.status, reply.code) == (503, "session_unavailable")
        assert int(reply.headers["retry-after"]) >= 1
        assert is_well(mesh), "a stateless chat does not need it"
    assert mesh.ready_status("ingress") == 200
    mesh.start("session-store")
    wait_until(lambda: is_well(mesh, headers=session), 5, "reconnect")
    # The turn that was acknowledged before the kill is still there.
    assert chat(mesh, headers=session).headers["x-session-turn"] != "0"


def test_metrics_collector_away(mesh, provider):
    assert is_well(mesh)
    mesh.kill("metrics-collector")
    begin = time.monotonic()
    for i in range(20):
        assert is_well(mesh, stream=i % 2 == 0)
    assert time.monotonic() - begin < 5, "nobody waits for it"
    for service in ("ingress", "model-router"):
        assert mesh.ready_status(service) == 200
    assert mesh.metric("model-router", "agentgw_usage_spool_bytes") > 0
    mesh.start("metrics-collector")
    wait_until(lambda: len(ledger(mesh)) == 21, 20, "the spool's rows")
    wait_until(lambda: len(request_log(mesh)) == 21, 20, "the records")
    time.sleep(1)
    rows = ledger(mesh)
    assert len({(r.request_id, r.attempt) for r in rows}) == len(rows) == 21
    sent = sum(line["tokens_sent"] for line in provider.log_lines())
    assert sum(row.usage.output_tokens for row in rows) == sent
    assert len(request_log(mesh)) == 21
    assert mesh.metric("model-router", "agentgw_usage_spool_dropped_rows") == 0
    assert mesh.metric("ingress", "agentgw_telemetry_dropped_total") == 0


def test_model_router_away(mesh):
    mesh.kill("model-router")
    chat(mesh)
    begin = time.monotonic()
    reply = chat(mesh)
    assert time.monotonic() - begin < 1
    assert reply.status == 503
    assert "retry-after" in reply.headers
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    mesh.start("model-router")
    wait_until(lambda: is_well(mesh), 5, "reconnect")


def test_each_request_has_one_record(mesh):
    for i in range(10):
        assert is_well(mesh, stream=i % 2 == 0)
    assert chat(mesh, model="nonsense").status == 404
    chat(mesh, model="fault-cut-after-3", stream=True)
    wait_until(lambda: len(request_log(mesh)) == 12, 15, "the records")
    records = request_log(mesh)
    assert len({r.request_id for r in records}) == 12
    assert sorted(r.error_class for r in records) == (
        [""] * 10 + ["caller", "provider"])


def test_contents_are_kept_as_told(make_mesh):
    mesh = make_mesh({"monitoring": {"contents": "all"}})
    assert is_well(mesh, content="remember me")
    record = wait_until(lambda: request_log(mesh), 15, "the record")[0]
    assert b"remember me" in record.request_content
    assert json.loads(record.answer_content)["choices"]
    for name, program in mesh.programs.items():
        assert "remember me" not in program.output(), name


def test_covert_mode_keeps_no_person(make_mesh):
    mesh = make_mesh({"monitoring": {"enabled": False, "contents": "all"}})
    assert is_well(mesh, content="forget me", headers={
        "x-session-id": "hidden", "x-user-id": "ann"})
    record = wait_until(lambda: request_log(mesh), 15, "the record")[0]
    assert record.account.user == record.session_id == ""
    assert record.request_content == record.answer_content == b""
    row = wait_until(lambda: ledger(mesh), 15, "the row")[0]
    assert row.account.user == "" and row.usage.output_tokens == 8
    for name, program in mesh.programs.items():
        output = program.output()
        for secret in ("forget me", "hidden", "ann\""):
            assert secret not in output, name


MISSED_BY = {
    "model-router": {"ingress", "batch-aggregator"},
    "batch-aggregator": {"ingress"},
    "session-store": {"ingress", "batch-aggregator"},
    "metrics-collector": {"ingress", "model-router"},
}


@pytest.mark.parametrize("peer", MISSED_BY)
def test_whoever_calls_a_peer_says_that_it_is_away(mesh, peer):
    mesh.kill(peer)

    def missed_by():
        return {service for service in mesh.programs
                if readiness(mesh, service)["checks"].get(peer, "ok") != "ok"}

    wait_until(lambda: missed_by() == MISSED_BY[peer], 5, f"{peer} is missed")
    for service in mesh.programs:
        missed = service in MISSED_BY[peer]
        assert mesh.ready_status(service) == 200
        assert readiness(mesh, service)["status"] == (
            "degraded" if missed else "ok")
        peers = json.loads(mesh.admin(service, "/peers")[1])["peers"]
        assert {p["state"] for p in peers if p["name"] == peer} == (
            {"not reached"} if missed else set())
    mesh.start(peer)
    wait_until(mesh.is_whole, 10, f"{peer} is found again")


def readiness(mesh, service):
    return get_json(mesh.ops(service, "/readyz"))
