"""Streams over real sockets: back-pressure, size, drain."""

import json
import signal
import socket
import threading
import time

import grpc

from conftest import chat
from support import stubs
from support.processes import wait_until

agent, agent_grpc = stubs.load("agent")
types, _ = stubs.load("chat")

MIB = 1 << 20


def open_stream(mesh, model):
    """A socket on which a stream has been asked for, and nothing read yet."""
    body = json.dumps({"model": model, "stream": True, "messages": [
        {"role": "user", "content": "Hello"}]}).encode()
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    s.connect(("127.0.0.1", mesh.http_port))
    s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
              b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
              % len(body) + body)
    return s


def test_a_reader_that_stops_stops_the_provider(mesh, provider):
    chat(mesh, stream=True)  # warm
    before = {name: mesh.programs[name].rss_bytes()
              for name in ("ingress", "model-router")}
    with open_stream(mesh, "fake-200000x0") as s:
        s.recv(1000)

        def sent():
            return provider.log_lines()[-1]["bytes_sent"]

        # It goes on until every buffer on the way is full, and then rests.
        last = -1
        while last != sent():
            last = sent()
            time.sleep(0.5)
        assert last < 20 * MIB, "the whole answer is some 40 MiB"
        for name, rss in before.items():
            grown = mesh.programs[name].rss_bytes() - rss
            assert grown < 8 * MIB, (name, grown)
    wait_until(lambda: provider.log_lines()[-1]["outcome"] == "client_gone",
               3, "the provider's stream to be cancelled")


def test_a_prompt_of_five_mebibytes(mesh, provider):
    text = "word " * MIB
    reply = chat(mesh, "fake-echo", content=text)
    assert reply.status == 200
    assert provider.log_lines()[-1]["prompt_tokens"] == MIB
    options = [("grpc.max_send_message_length", 64 * MIB)]
    with grpc.insecure_channel(mesh.grpc_target, options) as channel:
        answer = agent_grpc.AgentServiceStub(channel).Chat(agent.ChatRequest(
            chat=types.ChatRequest(model="fake-8x0", messages=[types.Message(
                role=types.ROLE_USER, content=[types.ContentPart(
                    text=types.TextPart(text=text))])])), timeout=30)
    assert answer.chat.usage.uncached_input_tokens == MIB


def test_a_drain_lets_streams_finish(mesh):
    replies = []
    stream = threading.Thread(target=lambda: replies.append(
        chat(mesh, "fake-40x20", stream=True)))
    stream.start()
    time.sleep(0.3)
    for name in ("ingress", "model-router"):
        mesh.programs[name].process.send_signal(signal.SIGTERM)
    stream.join()
    assert replies[0].body.endswith(b"data: [DONE]\n\n")
    for name in ("ingress", "model-router"):
        assert mesh.programs[name].stop() == 0


def test_a_drain_ends_what_is_left_with_an_error(make_mesh):
    mesh = make_mesh({"shutdown": {"preDrainDelay": 0, "drainTimeout": 1}})
    replies = []
    stream = threading.Thread(target=lambda: replies.append(
        chat(mesh, "fake-200x20", stream=True)))
    stream.start()
    time.sleep(0.3)
    begin = time.monotonic()
    assert mesh.programs["ingress"].stop() == 0
    assert time.monotonic() - begin < 3
    stream.join()
    body = replies[0].body.decode()
    assert "[DONE]" not in body
    error = json.loads(body.strip().split("\n\n")[-1].removeprefix("data: "))
    assert error["error"]["code"] == "draining"
