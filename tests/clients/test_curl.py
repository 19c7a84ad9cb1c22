"""curl, for what is on the wire itself."""

import json
import subprocess

BODY = {"model": "fake-50x0", "stream": True,
        "messages": [{"role": "user", "content": "Hello there"}]}


def curl(*args, body=None):
    """Returns (status, headers, body) of one request."""
    command = ["curl", "-sS", "-N", "--max-time", "20", "-D", "-", *args]
    if body is not None:
        command += ["-H", "content-type: application/json", "-H", "expect:",
                    "--data-binary", "@-"]
    done = subprocess.run(command, check=True, capture_output=True,
                          input=None if body is None else body)
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, rest


def chat(gateway, body, *args):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return curl(*args, f"{gateway.url}/v1/chat/completions", body=raw)


def error_of(body):
    error = json.loads(body)["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    return error


def test_a_stream_on_the_wire(gateway):
    status, headers, body = chat(gateway, BODY)
    assert status == 200
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"].startswith("req_")
    events = body.decode().split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") for event in events)
    assert events[-1] == "data: [DONE]"
    assert b"id:" not in body.replace(b'"id":', b"")


def test_a_whole_answer_passes_byte_for_byte(gateway, provider):
    body = b'{ "model" :"fake-json","messages":[{"role":"user",' \
           b'"content":"caf\xc3\xa9"}], "x_unknown":[1.0e2,{}] ,"seed":7}'
    status, headers, answer = chat(gateway, body)
    assert status == 200
    assert headers["content-type"].startswith("application/json")
    # Nothing but the model's name may differ, and here it is the same.
    assert provider.last_body() == body
    assert json.loads(answer)["choices"][0]["message"]["content"]


def test_a_broken_stream_has_no_done(gateway):
    _, _, body = chat(gateway, {**BODY, "model": "fault-cut-after-3"})
    events = body.decode().strip().split("\n\n")
    assert "[DONE]" not in body.decode()
    error_of(events[-1].removeprefix("data: "))


def test_bad_input(gateway):
    cases = [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, None),
        (b'{"messages":[{"role":"user","content":"a"}]}', 400, None),
        (b'{"model":"fake-echo","model":"fake-echo","messages":'
         b'[{"role":"user","content":"a"}]}', 400, "duplicate_key"),
        (b'{"model":"fake-echo","mod\\u0065l":"fake-echo","messages":'
         b'[{"role":"user","content":"a"}]}', 400, "duplicate_key"),
        (b'{"model":"nonsense","messages":[{"role":"user","content":"a"}]}',
         404, "model_not_found"),
    ]
    for body, expected, code in cases:
        status, headers, answer = chat(gateway, body)
        assert status == expected, body
        error = error_of(answer)
        assert code is None or error["code"] == code, body
        assert "x-request-id" in headers


def test_paths_and_methods(gateway):
    status, _, body = curl(f"{gateway.url}/v1/nothing")
    assert status == 404
    error_of(body)
    status, headers, body = curl(f"{gateway.url}/v1/chat/completions")
    assert status == 405
    assert error_of(body)["code"] == "method_not_allowed"
    assert headers["allow"] == "post"
    status, _, body = curl(f"{gateway.url}/v1/models/fake-echo")
    assert status == 200 and json.loads(body)["id"] == "fake-echo"


def test_too_large(gateway):
    status, _, body = chat(gateway, b'{"x":"' + b"a" * (33 << 20) + b'"}')
    assert status == 413
    assert error_of(body)["code"] == "request_too_large"
    status, _, body = curl(f"{gateway.url}/v1/models", "-H",
                           "x-large: " + "a" * 70_000)
    assert status == 431
    assert error_of(body)["code"] == "headers_too_large"
