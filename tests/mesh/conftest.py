"""Five real processes, made afresh for each test that breaks them."""

import concurrent.futures
import http.client
import json
import pathlib
import sys

import grpc
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import stubs  # noqa: E402
from support.processes import FakeProvider, Gateway  # noqa: E402

collector, collector_grpc = stubs.load("metrics_collector")

MODELS = ["fake-echo", "fake-8x0", "fake-20x100", "fake-40x20", "fake-200x20",
          "fake-200x100", "fake-200000x0", "fault-cut-after-3"]


@pytest.fixture
def provider(tmp_path):
    program = FakeProvider(tmp_path)
    yield program
    program.stop()


@pytest.fixture
def make_mesh(tmp_path, provider):
    """Starts a mesh over the fake provider; `config` is merged on top."""
    started = []

    def make(config=None, settings=(), replicas=None):
        merged = {
            "providers": {"fake": {"baseUrl": f"{provider.origin}/v1"}},
            "models": {name: {"targets": [{
                "provider": "fake",
                "price": {"input": 1_000_000, "output": 2_000_000}}]}
                for name in MODELS},
            **(config or {}),
        }
        mesh = Gateway(tmp_path, "mesh", merged, settings, replicas).start()
        started.append(mesh)
        return mesh

    yield make
    for mesh in started:
        assert set(mesh.stop().values()) <= {0}


@pytest.fixture
def mesh(make_mesh):
    return make_mesh()


class Reply:
    """An HTTP answer, whole."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        try:
            self.body = response.read()
            self.broken = False
        except (http.client.HTTPException, OSError):
            self.body = b""
            self.broken = True

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json()["error"]["code"]


def chat(mesh, model="fake-8x0", stream=False, headers=None, content="Hello",
         timeout=30):
    """One chat over HTTP; raises OSError where no answer came at all."""
    connection = http.client.HTTPConnection("127.0.0.1", mesh.http_port,
                                            timeout=timeout)
    body = json.dumps({"model": model, "stream": stream, "messages": [
        {"role": "user", "content": content}]})
    try:
        connection.request("POST", "/v1/chat/completions", body,
                           {"content-type": "application/json",
                            **(headers or {})})
        return Reply(connection.getresponse())
    finally:
        connection.close()


def side_by_side(count, function):
    """Runs function(i) for each i at once; returns results or exceptions."""
    def guarded(i):
        try:
            return function(i)
        except (OSError, http.client.HTTPException) as error:
            return error
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(guarded, range(count)))


def ledger(mesh, **filters):
    """Every row of the ledger."""
    rows, token = [], ""
    target = f"127.0.0.1:{mesh.grpc_ports['metrics-collector']}"
    with grpc.insecure_channel(target) as channel:
        service = collector_grpc.QueryServiceStub(channel)
        while True:
            answer = service.QueryUsage(collector.QueryUsageRequest(
                include_rows=True, page_size=1000, page_token=token,
                **filters), timeout=10)
            rows += answer.rows
            token = answer.next_page_token
            if not token:
                return rows


def request_log(mesh, **filters):
    """Every record of the request log."""
    records, token = [], ""
    target = f"127.0.0.1:{mesh.grpc_ports['metrics-collector']}"
    with grpc.insecure_channel(target) as channel:
        service = collector_grpc.QueryServiceStub(channel)
        while True:
            answer = service.QueryRequests(collector.QueryRequestsRequest(
                page_size=1000, page_token=token, **filters), timeout=10)
            records += answer.records
            token = answer.next_page_token
            if not token:
                return records
