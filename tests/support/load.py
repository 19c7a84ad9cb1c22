"""A load that goes on while instances of a mesh come and go.

One event loop on a thread of its own drives every client. Over HTTP they go
through `Balancer`, which does what a load balancer does: it follows `/readyz`,
leaves an instance that is not ready, and takes another where nobody listens.
Over gRPC the channel does the same by itself, through gRPC's own health.
"""

import asyncio
import collections
import dataclasses
import itertools
import json
import re
import select
import threading
import time

import grpc
from grpc_status import rpc_status

from support import stubs

agent, agent_grpc = stubs.load("agent")
batches, _ = stubs.load("batch_aggregator")
collector, collector_grpc = stubs.load("metrics_collector")
from gateway.common.v1 import error_pb2  # noqa: E402
types, _ = stubs.load("chat")

CHANNEL = [
    ("grpc.service_config", json.dumps({
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": "readiness"}})),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


@dataclasses.dataclass
class Outcome:
    """What came of one request."""
    kind: str
    begun: float = dataclasses.field(default_factory=time.monotonic)
    ended: float = 0.0
    complete: bool = False
    front: str = ""  # the instance, where the client chose it
    request_id: str = ""
    status: object = None  # HTTP's number or gRPC's code
    reason: str = ""  # of a typed error
    hint: bool = False  # the error says when to try again
    said: str = ""  # for a person who reads a failed assertion


class Reply:
    """An HTTP answer, as much of it as came."""

    def __init__(self):
        self.status = None
        self.headers = {}
        self.body = b""
        self.whole = False


async def read_reply(reader, reply):
    """Raises OSError or IncompleteReadError where it breaks off."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    reply.status = int(head[0].split()[1])
    for line in head[1:-2]:
        name, value = line.split(":", 1)
        reply.headers[name.lower()] = value.strip()
    if reply.headers.get("transfer-encoding") != "chunked":
        reply.body = await reader.readexactly(
            int(reply.headers["content-length"]))
    else:
        size = None
        while size != 0:
            size = int(await reader.readuntil(b"\r\n"), 16)
            reply.body += (await reader.readexactly(size + 2))[:-2]
    reply.whole = True


def is_open(writer):
    """Whether the other end of an idle connection has not closed it."""
    poll = select.poll()
    poll.register(writer.get_extra_info("socket"), select.POLLIN)
    return not poll.poll(0)


class Balancer:
    """Spreads requests over the ingresses that are ready."""

    def __init__(self, mesh):
        self._fronts = list(mesh.http_ports)
        self._http = mesh.http_ports
        self._ops = mesh.ops_ports
        self._ready = set(self._fronts)
        self._idle = collections.defaultdict(list)
        self._turn = itertools.count()
        # How often nobody listened where it went.
        self.refused = 0

    async def watch(self):
        while True:
            await asyncio.gather(*(self._look(f) for f in self._fronts))
            await asyncio.sleep(0.1)

    async def _look(self, front):
        try:
            reader, writer = await self._connect(self._ops[front])
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nhost: x\r\n"
                             b"connection: close\r\n\r\n")
                ready = b" 200 " in await reader.readline()
            finally:
                writer.close()
        except OSError:
            ready = False
        if ready:
            self._ready.add(front)
        else:
            self._leave(front)

    def _leave(self, front):
        self._ready.discard(front)
        for _, writer in self._idle.pop(front, ()):
            writer.close()

    @staticmethod
    async def _connect(port):
        return await asyncio.open_connection("127.0.0.1", port)

    async def _connection(self):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            ready = [f for f in self._fronts if f in self._ready]
            if not ready:
                await asyncio.sleep(0.02)
                continue
            front = ready[next(self._turn) % len(ready)]
            while self._idle[front]:
                reader, writer = self._idle[front].pop()
                if is_open(writer):
                    return front, reader, writer
                writer.close()
            try:
                return front, *await self._connect(self._http[front])
            except OSError:
                self.refused += 1
                self._leave(front)
        raise AssertionError("no ingress was ready for 10 s")

    async def post(self, outcome, body, headers=()):
        front, reader, writer = await self._connection()
        outcome.front = front
        reply = Reply()
        body = json.dumps(body).encode()
        lines = ["POST /v1/chat/completions HTTP/1.1", "host: x",
                 "content-type: application/json",
                 f"content-length: {len(body)}",
                 *(f"{k}: {v}" for k, v in dict(headers).items())]
        try:
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            await read_reply(reader, reply)
        except (OSError, asyncio.IncompleteReadError):
            pass
        if (reply.whole and front in self._ready and
                reply.headers.get("connection") != "close"):
            self._idle[front].append((reader, writer))
        else:
            writer.close()
        return reply


def message(text):
    return types.Message(role=types.ROLE_USER, content=[
        types.ContentPart(text=types.TextPart(text=text))])


def words(count):
    """What the fake provider says."""
    return " ".join(f"word{i}" for i in range(count))


def note_http_error(outcome, reply, error):
    outcome.reason = error.get("code") or ""
    outcome.hint = int(reply.headers.get("retry-after", 0)) >= 1


def note_grpc_error(outcome, error):
    outcome.status = error.code()
    outcome.said = error.details()
    trailers = dict(error.trailing_metadata() or ())
    outcome.hint = int(trailers.get("grpc-retry-pushback-ms", -1)) >= 0
    status = rpc_status.from_call(error)
    for packed in status.details if status else ():
        detail = error_pb2.ErrorDetail()
        if packed.Unpack(detail):
            outcome.reason = detail.reason


class Load:
    """Clients that begin again whenever they end, until the context ends.

    `streams` are paced answers of `model`, two thirds over server-sent events
    and a third over gRPC; `chats` whole answers; `sessions` turns of as many
    sessions; `batches` and `queries` say whether these are asked for too.
    """

    def __init__(self, mesh, streams, model="fake-20x100", chats=4, sessions=0,
                 batches=False, queries=False):
        self._mesh = mesh
        self._model = model
        self._answer = words(int(re.match(r"fake-(\d+)x", model)[1]))
        self._pace = int(re.search(r"x(\d+)", model)[1]) / 1000
        self._counts = {"sse": streams - streams // 3, "grpc": streams // 3,
                        "chat": chats, "session": sessions,
                        "submit": batches, "batch": batches, "query": queries}
        self._streams = streams
        self.balancer = Balancer(mesh)
        self.outcomes = []
        self.open = 0  # streams
        self.fewest = streams  # of them, at any time since all were open
        self._session_turns = 0
        self.turns = collections.defaultdict(list)  # acknowledged, by session
        self.batches = {}  # custom ids of what was acknowledged
        self._stopping = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._failure = None

    def __enter__(self):
        self._thread.start()
        end = time.monotonic() + 30
        while self.open < self._streams:
            assert self._thread.is_alive(), self._failure
            assert time.monotonic() < end, f"{self.open} streams"
            time.sleep(0.05)
        self.fewest = self.open
        return self

    def __exit__(self, *failed):
        self.stop()
        if self._failure and not any(failed):
            raise self._failure

    def stop(self):
        """Begins nothing more, and waits for what runs."""
        self._stopping = True
        self._thread.join(120)
        assert not self._thread.is_alive(), "requests that never end"

    def failed(self, *kinds):
        return [o for o in self.outcomes if not o.complete and
                (not kinds or o.kind in kinds)]

    def begun(self, *kinds, since, until):
        """How many requests of these kinds began then."""
        return sum(o.kind in kinds and since < o.begun < until
                   for o in self.outcomes)

    def works(self, *kinds, since):
        """Whether of each kind a request that began then has succeeded."""
        worked = {o.kind for o in self.outcomes
                  if o.complete and o.begun > since}
        return worked.issuperset(kinds)

    def away(self, *kinds, since, until):
        """For how long requests failed: from the first to the last."""
        failed = [o for o in self.failed(*kinds) if since <= o.begun <= until]
        return (max(o.ended for o in failed) - min(o.begun for o in failed)
                if failed else 0)

    async def _run(self):
        try:
            front = self._mesh.target("ingress")
            async with grpc.aio.insecure_channel(front, CHANNEL) as channel, \
                    grpc.aio.insecure_channel(self._mesh.target(
                        "metrics-collector"), CHANNEL[1:]) as collectors:
                self._agent = agent_grpc.AgentServiceStub(channel)
                self._ledger = collector_grpc.QueryServiceStub(collectors)
                watch = asyncio.create_task(self.balancer.watch())
                # grpc.aio reports INTERNAL where a stream of requests is
                # refused before its end.
                with grpc.insecure_channel(front, CHANNEL) as blocking:
                    self._blocking = agent_grpc.AgentServiceStub(blocking)
                    await asyncio.gather(*self._clients())
                watch.cancel()
        except BaseException as failure:
            self._failure = failure
            raise

    def _clients(self):
        spread = len(self._answer.split()) * self._pace
        for kind, count in self._counts.items():
            for i in range(int(count)):
                yield self._client(kind, i, spread * i / count)

    async def _client(self, kind, i, delay):
        await asyncio.sleep(delay)
        while not self._stopping:
            outcome = Outcome(kind)
            pause = await getattr(self, "_" + kind)(outcome, i)
            outcome.ended = time.monotonic()
            self.outcomes.append(outcome)
            if pause or not outcome.complete:
                await asyncio.sleep(pause or 0.05)

    def _began(self):
        self.open += 1

    def _ended(self):
        # Another begins at once.
        self.open -= 1
        if not self._stopping:
            self.fewest = min(self.fewest, self.open)

    async def _sse(self, outcome, _):
        self._began()
        reply = await self.balancer.post(outcome, {
            "model": self._model, "stream": True,
            "messages": [{"role": "user", "content": "Hello"}]})
        self._ended()
        outcome.status = reply.status
        outcome.request_id = reply.headers.get("x-request-id", "")
        text = ""
        for event in re.findall(rb"^data: (\{.*\})$", reply.body, re.M):
            event = json.loads(event)
            if "error" in event:
                note_http_error(outcome, reply, event["error"])
            for choice in event.get("choices", ()):
                text += choice["delta"].get("content") or ""
        if reply.status != 200 and reply.whole:
            note_http_error(outcome, reply, json.loads(reply.body)["error"])
        outcome.complete = (reply.whole and text == self._answer and
                            reply.body.endswith(b"data: [DONE]\n\n"))
        if not outcome.complete:
            outcome.said = reply.body[-200:].decode()

    async def _grpc(self, outcome, _):
        self._began()
        request = agent.StreamChatRequest(chat=types.ChatRequest(
            model=self._model, messages=[message("Hello")]))
        text, completed = "", False
        call = self._agent.StreamChat(request, timeout=120)
        try:
            async for response in call:
                for event in response.events:
                    if event.HasField("delta"):
                        text += event.delta.text
                    completed |= event.HasField("completed")
            outcome.complete = completed and text == self._answer
        except grpc.RpcError as error:
            note_grpc_error(outcome, error)
        self._ended()
        head = dict(await call.initial_metadata() or ())
        outcome.request_id = head.get("x-request-id", "")

    async def _chat(self, outcome, _, content="Hello", **headers):
        reply = await self.balancer.post(outcome, {
            "model": "fake-8x0",
            "messages": [{"role": "user", "content": content}]}, headers)
        outcome.status = reply.status
        outcome.request_id = reply.headers.get("x-request-id", "")
        outcome.complete = reply.whole and reply.status == 200
        if reply.whole and not outcome.complete:
            note_http_error(outcome, reply, json.loads(reply.body)["error"])
            outcome.said = reply.body[-200:].decode()
        return 0.05

    async def _session(self, outcome, i):
        # A fresh one from time to time: the longer, the slower.
        self._session_turns += 1
        session = f"session-{i}-{self._session_turns // 200}"
        said = f"turn {outcome.begun}"
        pause = await self._chat(outcome, i, content=said,
                                 **{"x-session-id": session})
        if outcome.complete:
            self.turns[session].append(said)
        return pause

    async def _submit(self, outcome, _):
        names = [f"{outcome.begun}-{i}" for i in range(4)]
        requests = [agent.SubmitBatchRequest(header=agent.SubmitBatchHeader())]
        requests += [agent.SubmitBatchRequest(item=batches.BatchItem(
            custom_id=name, typed=types.ChatRequest(
                model="fake-8x0", messages=[message(name)])))
            for name in names]
        batch = await self._call(outcome, asyncio.to_thread(
            self._blocking.SubmitBatch, iter(requests), timeout=10))
        if batch:
            self.batches[batch.batch_id] = names
        return 0.2

    async def _batch(self, outcome, _):
        if self.batches:
            await self._call(outcome, self._agent.GetBatch(
                agent.GetBatchRequest(batch_id=next(reversed(self.batches))),
                timeout=10))
        else:
            outcome.complete = True
        return 0.05


    async def _query(self, outcome, _):
        await self._call(outcome, self._ledger.QueryUsage(
            collector.QueryUsageRequest(page_size=1), timeout=10))
        return 0.05

    async def _call(self, outcome, call):
        try:
            answer = await call
            outcome.complete = True
            return answer
        except grpc.RpcError as error:
            note_grpc_error(outcome, error)
