"""Instances of a mesh that come and go while 200 streams are open.

ingress and model-router have two instances, each of which may hold what both
hold: the load is half of the capacity. ROLLING=real takes the delays that the
services have by default, longer streams, and more rounds.
"""

import concurrent.futures
import json
import os
import signal
import threading
import time

import grpc
import pytest

from conftest import chat, ledger, request_log
from support import stubs
from support.load import Load, Outcome, message, note_grpc_error
from support.processes import wait_until

agent, agent_grpc = stubs.load("agent")
batches, _ = stubs.load("batch_aggregator")
types, _ = stubs.load("chat")

REAL = os.environ.get("ROLLING") == "real"
ROUNDS = 5 if REAL else 3
MODEL = "fake-200x100" if REAL else "fake-20x100"
STREAMS = 200
REPLICAS = {"ingress": 2, "model-router": 2}


@pytest.fixture
def rolling(make_mesh):
    """Starts such a mesh; `config` is merged on top."""
    started = []

    def make(config=None):
        mesh = make_mesh({
            "shutdown": {} if REAL else {"preDrainDelay": 1,
                                         "drainTimeout": 20},
            # What one instance alone must carry while the other is away, and
            # a little: an answer's end is seen before its place is free.
            "limits": {"maxRequestsInFlight": STREAMS + 40},
            "batch": {"wait": 1},
            **(config or {})}, replicas=REPLICAS)
        started.append(mesh)
        return mesh

    yield make
    # The second signal, which make_mesh sends, spares the delays.
    for mesh in started:
        for program in mesh.programs.values():
            program.process.send_signal(signal.SIGTERM)


def restart(mesh, instance):
    """As a rolling update does: it drains to its end, then another is ready."""
    assert mesh.programs[instance].stop(330) == 0
    mesh.start(instance)


def carries_streams(mesh, instance):
    """Whether the mesh has found it again."""
    streams = ("agentgw_streams_active"
               if instance in mesh.instances["ingress"] else
               "agentgw_upstream_inflight")
    return mesh.metric(instance, streams) > 5


def all_rows(mesh, provider):
    """The ledger, once it has a row for each call the provider has answered."""
    lines = provider.log_lines()

    def whole():
        rows = ledger(mesh)
        return len(rows) >= len(lines) and rows
    rows = wait_until(whole, 30, "the ledger to catch up")
    return lines, rows


def check_ledger(mesh, provider):
    """Each call that the provider has answered is booked once, to the token."""
    lines, rows = all_rows(mesh, provider)
    assert {line["outcome"] for line in lines} == {"complete"}
    assert len(rows) == len(lines)
    assert sorted((r.request_id, r.usage.output_tokens) for r in rows) == (
        sorted((line["request_id"], line["tokens_sent"]) for line in lines))


def check_turns(mesh, load):
    """The sessions hold each turn that was acknowledged, in order."""
    assert sum(map(len, load.turns.values())) > 50
    with grpc.insecure_channel(mesh.grpc_target) as channel:
        service = agent_grpc.AgentServiceStub(channel)
        for session, acknowledged in load.turns.items():
            turns, token = [], ""
            while True:
                page = service.ListTurns(agent.ListTurnsRequest(
                    session_id=session, page_size=1000, page_token=token),
                    timeout=10)
                turns += page.turns
                token = page.next_page_token
                if not token:
                    break
            said = [turn.turn.request_messages[-1].content[0].text.text
                    for turn in turns]
            kept = set(acknowledged)
            assert [text for text in said if text in kept] == acknowledged


def check_batches(mesh, load):
    """Each item that was acknowledged has its result, once."""
    assert len(load.batches) > 10
    with grpc.insecure_channel(mesh.grpc_target) as channel:
        service = agent_grpc.AgentServiceStub(channel)
        for batch, names in load.batches.items():
            wait_until(lambda batch=batch: service.GetBatch(
                agent.GetBatchRequest(batch_id=batch), timeout=10).state ==
                batches.BATCH_STATE_SUCCEEDED, 30, batch)
            results = [r.result.custom_id for r in service.StreamBatchResults(
                agent.StreamBatchResultsRequest(batch_id=batch), timeout=10)]
            assert sorted(results) == sorted(names)


def test_ingress_and_model_router(rolling, provider):
    mesh = rolling()
    with Load(mesh, STREAMS, MODEL, sessions=2, batches=True) as load:
        for service in ("model-router", "ingress"):
            for i in range(ROUNDS):
                instance = mesh.instances[service][i % 2]
                restart(mesh, instance)
                # Peers try to connect each 0.5 s; all must have come back
                # before the other goes, within the real delay or this.
                time.sleep(0 if REAL else 1)
                wait_until(lambda i=instance: carries_streams(mesh, i), 5,
                           f"{instance} to be used again")
    assert load.failed() == []
    # A balancer that follows readiness never finds a closed door.
    assert load.balancer.refused == 0
    assert load.fewest >= STREAMS - 5
    assert sum(o.kind == "sse" for o in load.outcomes) > STREAMS
    check_turns(mesh, load)
    check_batches(mesh, load)
    check_ledger(mesh, provider)


# Requests that need a store, and for how long it announces its end.
STORES = {"session-store": (["session"], 5 if REAL else 1),
          "batch-aggregator": (["submit", "batch"], 10 if REAL else 1),
          "metrics-collector": (["query"], 0 if REAL else 1)}


def test_stores(rolling, provider):
    mesh = rolling()
    with Load(mesh, STREAMS, MODEL, sessions=4, batches=True,
              queries=True) as load:
        for _ in range(ROUNDS):
            for store, (kinds, delay) in STORES.items():
                begin = time.monotonic()
                restart(mesh, store)
                ready = time.monotonic()
                wait_until(lambda: load.works(*kinds, since=ready), 5, store)
                away = load.away(*kinds, since=begin, until=time.monotonic())
                assert away <= 3, [store, ready - begin,
                                   *load.failed(*kinds)[-50:]]
                assert load.begun(*kinds, since=begin, until=ready)
                # While it announced its end it still did its work.
                assert not [o for o in load.failed(*kinds)
                            if begin < o.ended < begin + delay - 0.1], store
    assert load.failed("sse", "grpc", "chat") == []
    assert load.fewest >= STREAMS - 5
    for failed in load.failed("session"):
        assert failed.status == 503 and failed.hint, failed
        assert failed.reason in ("session_unavailable", "draining"), failed
    for failed in load.failed("submit", "batch"):
        assert failed.status == grpc.StatusCode.UNAVAILABLE, failed
        assert failed.hint and failed.reason, failed
    for failed in load.failed("query"):
        # CANCELLED is what gRPC's server says of a call that comes as it shuts
        # down; the mesh's own clients take it for UNAVAILABLE.
        assert failed.status in (grpc.StatusCode.UNAVAILABLE,
                                 grpc.StatusCode.CANCELLED), failed
    check_turns(mesh, load)
    check_batches(mesh, load)
    check_ledger(mesh, provider)


@pytest.mark.parametrize("victim", ["model-router-2", "ingress-2"])
def test_a_killed_instance_costs_what_it_held(rolling, provider, victim):
    mesh = rolling()
    with Load(mesh, STREAMS, MODEL, sessions=2) as load:
        begin = time.time()
        mesh.kill(victim)
        killed = time.monotonic()
        time.sleep(1)
        mesh.start(victim)
        wait_until(lambda: carries_streams(mesh, victim), 5, "to be used again")
    failed = load.failed()
    assert failed
    for o in failed:
        if o.reason == "session_busy":
            # A turn that it held keeps its session until the lease runs out.
            assert o.kind == "session" and o.hint, o
            continue
        assert o.begun < killed, o
        if victim in mesh.http_ports and o.kind != "grpc":
            # Its clients lose the connection; others notice nothing.
            assert o.front == victim, o
        elif victim in mesh.http_ports:
            assert o.status == grpc.StatusCode.UNAVAILABLE, o
        else:
            assert o.reason == "unavailable", o
            assert o.status in (200 if o.kind == "sse" else 503, 503,
                                grpc.StatusCode.UNAVAILABLE), o
            assert o.hint or o.status == 200, o
    # They are those that it held: their calls of the provider ended with it.
    lines, rows = all_rows(mesh, provider)
    calls = {line["request_id"]: line for line in lines}
    for o in failed:
        if o.reason == "session_busy":
            continue
        call = calls.get(o.request_id)
        assert call is None or call["outcome"] == "client_gone" or (
            call["ended"] > begin - 0.5), o
    # Each call is booked, once.
    booked = [row.request_id for row in rows]
    assert len(set(booked)) == len(booked)
    assert set(calls) <= set(booked)


class Cut:
    """Streams that are longer than the drain that ends them."""

    def __init__(self, mesh):
        pool = concurrent.futures.ThreadPoolExecutor(2)
        self._sse = pool.submit(chat, mesh, "fake-200x100", stream=True)
        self._grpc = pool.submit(self._call, mesh)
        pool.shutdown(wait=False)
        self.begun = threading.Event()

    def _call(self, mesh):
        with grpc.insecure_channel(mesh.grpc_target) as channel:
            call = agent_grpc.AgentServiceStub(channel).StreamChat(
                agent.StreamChatRequest(chat=types.ChatRequest(
                    model="fake-200x100", messages=[message("Hello")])))
            events = []
            try:
                for response in call:
                    events += response.events
                    self.begun.set()
            except grpc.RpcError as error:
                return events, error

    def check(self):
        """Each has its proper end: what came, and then why it ended."""
        body = self._sse.result(20).body.decode()
        assert "word0" in body and "[DONE]" not in body
        last = json.loads(body.strip().split("\n\n")[-1].removeprefix("data: "))
        assert last["error"]["code"] == "draining"
        events, error = self._grpc.result(20)
        assert events[-1].failed.detail.reason == "draining"
        outcome = Outcome("grpc")
        note_grpc_error(outcome, error)
        assert outcome.status == grpc.StatusCode.UNAVAILABLE
        assert outcome.reason == "draining" and outcome.hint


DRAINED = [f'agentgw_streams_total{{end="drained",protocol="{protocol}"}}'
           for protocol in ("sse", "grpc")]


def test_what_a_router_cannot_finish_is_told_and_counted(make_mesh, provider):
    mesh = make_mesh({"shutdown": {"preDrainDelay": 0, "drainTimeout": 1}})
    cut = Cut(mesh)
    cut.begun.wait(10)
    begin = time.monotonic()
    assert mesh.programs["model-router"].stop() == 0
    assert 1 <= time.monotonic() - begin < 5
    cut.check()
    for series in DRAINED:
        assert mesh.metric("ingress", series) == 1, series
    # What came is paid for.
    rows = wait_until(lambda: len(ledger(mesh)) == 2 and ledger(mesh), 10,
                      "the rows")
    assert all(0 < row.usage.output_tokens < 200 for row in rows)


def test_what_an_ingress_cannot_finish_is_told_and_logged(make_mesh):
    mesh = make_mesh({"shutdown": {"preDrainDelay": 0, "drainTimeout": 1}})
    cut = Cut(mesh)
    cut.begun.wait(10)
    ingress = mesh.programs["ingress"]
    assert ingress.stop() == 0
    cut.check()
    line = json.loads(ingress.wait_for_output(".*ending what is left.*")[0])
    assert line["active"] == 2
    records = wait_until(lambda: len(request_log(mesh)) == 2 and
                         request_log(mesh), 10, "the records")
    assert [r.reason for r in records] == ["draining"] * 2


def test_rows_that_a_router_cannot_deliver_are_logged(make_mesh):
    mesh = make_mesh({"shutdown": {"preDrainDelay": 0, "drainTimeout": 1}})
    mesh.kill("metrics-collector")
    for _ in range(3):
        assert chat(mesh).status == 200
    begin = time.monotonic()
    router = mesh.programs["model-router"]
    assert router.stop() == 0
    # Its timeout, and 5 s.
    assert 5.5 < time.monotonic() - begin < 9
    line = json.loads(router.wait_for_output(
        r'.*usage rows were not delivered.*')[0])
    assert line["rows"] == 3 and line["level"] == "warning"
    # They are in its folder, and the next run delivers them.
    mesh.start("model-router", "metrics-collector")
    rows = wait_until(lambda: len(ledger(mesh)) == 3 and ledger(mesh), 15,
                      "the rows")
    assert sum(row.usage.output_tokens for row in rows) == 24
