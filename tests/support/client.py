"""A client of a gateway that runs elsewhere: its addresses are all it knows."""

import concurrent.futures
import http.client
import json
import time

import grpc

from support import stubs

agent, agent_grpc = stubs.load("agent")
types, _ = stubs.load("chat")


class Answer:
    """What came of one chat."""

    def __init__(self, status, headers):
        self.status = status
        self.headers = headers
        self.text = ""
        self.ended = False  # with the end of the stream that the protocol has
        self.arrivals = []  # of pieces, seconds since the request
        self.body = b""

    def error(self):
        return json.loads(self.body)["error"]


def _post(address, body, headers, timeout):
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    connection.request("POST", "/v1/chat/completions", json.dumps(body),
                       {"content-type": "application/json", **headers})
    return connection, connection.getresponse()


def chat(address, text="Hello", model="mock", timeout=60, **headers):
    """One chat over HTTP, answered whole. Headers as x_session_id=..."""
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    connection, response = _post(address, {
        "model": model, "messages": [{"role": "user", "content": text}]},
        headers, timeout)
    try:
        answer = Answer(response.status, dict(response.getheaders()))
        answer.body = response.read()
        if answer.status == 200:
            choice = json.loads(answer.body)["choices"][0]
            answer.text = choice["message"]["content"]
            answer.ended = True
        return answer
    finally:
        connection.close()


def stream(address, text="Hello", model="mock", timeout=120, begun=None):
    """One chat over server-sent events. `begun` is called at the first."""
    start = time.monotonic()
    connection, response = _post(address, {
        "model": model, "stream": True,
        "messages": [{"role": "user", "content": text}]}, {}, timeout)
    try:
        answer = Answer(response.status, dict(response.getheaders()))
        if answer.status != 200:
            answer.body = response.read()
            return answer
        for line in response:
            if not line.startswith(b"data: "):
                continue
            if line == b"data: [DONE]\n":
                answer.ended = True
                continue
            event = json.loads(line[6:])
            if "error" in event:
                answer.body = line[6:]
                return answer
            if begun and not answer.arrivals:
                begun()
            answer.arrivals.append(time.monotonic() - start)
            for choice in event["choices"]:
                answer.text += choice["delta"].get("content") or ""
        return answer
    finally:
        connection.close()


def grpc_stream(address, text="Hello", model="mock", timeout=120, begun=None):
    """One chat over gRPC; raises grpc.RpcError where that failed."""
    start = time.monotonic()
    answer = Answer(200, {})
    with grpc.insecure_channel(address) as channel:
        request = agent.StreamChatRequest(chat=types.ChatRequest(
            model=model, messages=[types.Message(
                role=types.ROLE_USER, content=[types.ContentPart(
                    text=types.TextPart(text=text))])]))
        for response in agent_grpc.AgentServiceStub(channel).StreamChat(
                request, timeout=timeout):
            if begun and not answer.arrivals:
                begun()
            answer.arrivals.append(time.monotonic() - start)
            for event in response.events:
                if event.WhichOneof("event") == "delta":
                    answer.text += event.delta.text
                answer.ended |= event.WhichOneof("event") == "completed"
    return answer


def words(count):
    """What the mock says when it is asked for so many words."""
    return " ".join(f"word{i}" for i in range(count))


def in_background(function, *args, **kwargs):
    """Starts a call; returns its future."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    future = pool.submit(function, *args, **kwargs)
    pool.shutdown(wait=False)
    return future
