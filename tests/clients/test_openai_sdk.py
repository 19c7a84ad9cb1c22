"""The official openai SDK against the gateway, as a user would call it."""

import json
import time

import openai
import pytest

from support.processes import wait_until

HELLO = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def client(gateway):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none",
                         max_retries=0, timeout=20)


def test_chat(client, provider):
    answer = client.chat.completions.create(model="fake-echo", messages=HELLO)
    assert answer.object == "chat.completion"
    assert answer.choices[0].finish_reason == "stop"
    assert "Hello there" in answer.choices[0].message.content
    line = provider.log_lines()[-1]
    assert answer.usage.prompt_tokens == line["prompt_tokens"]
    assert answer.usage.completion_tokens == line["tokens_sent"]


def test_request_id_header(client):
    raw = client.chat.completions.with_raw_response.create(
        model="fake-echo", messages=HELLO)
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.parse()._request_id == raw.headers["x-request-id"]


def test_stream(client):
    text, finish = "", None
    for chunk in client.chat.completions.create(model="fake-echo",
                                                messages=HELLO, stream=True):
        assert chunk.choices, "no usage chunk without being asked"
        text += chunk.choices[0].delta.content or ""
        finish = chunk.choices[0].finish_reason or finish
    assert finish == "stop"
    assert "Hello there" in text


def test_stream_with_usage(client):
    chunks = list(client.chat.completions.create(
        model="fake-50x0", messages=HELLO, stream=True,
        stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 50
    assert sum(bool(c.choices and c.choices[0].delta.content)
               for c in chunks) == 50


def test_stream_comes_as_it_is_made(client):
    begin = time.monotonic()
    stream = client.chat.completions.create(model="fake-20x20", messages=HELLO,
                                            stream=True)
    times = [time.monotonic() - begin for chunk in stream
             if chunk.choices[0].delta.content]
    assert len(times) == 20
    assert times[0] < 0.25
    assert times[-1] - times[0] > 0.3


def test_tools_whole_and_streamed(client):
    whole = client.chat.completions.create(model="fake-tools", messages=HELLO)
    assert whole.choices[0].finish_reason == "tool_calls"
    calls = whole.choices[0].message.tool_calls
    assert len(calls) == 2
    for call in calls:
        json.loads(call.function.arguments)

    arguments, names = {}, {}
    for chunk in client.chat.completions.create(model="fake-tools",
                                                messages=HELLO, stream=True):
        for delta in chunk.choices[0].delta.tool_calls or []:
            arguments[delta.index] = (arguments.get(delta.index, "") +
                                      (delta.function.arguments or ""))
            if delta.function.name:
                names[delta.index] = delta.function.name
    assert [arguments[i] for i in sorted(arguments)] == [
        call.function.arguments for call in calls]
    assert [names[i] for i in sorted(names)] == [
        call.function.name for call in calls]


def test_models(client):
    listed = [model.id for model in client.models.list()]
    assert "fake-echo" in listed and listed == sorted(listed)
    assert client.models.retrieve("fake-echo").owned_by == "fake"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nonsense")


@pytest.mark.parametrize("model,error,code", [
    ("fault-refuse-400", openai.BadRequestError, None),
    # The provider refuses our key: that is our fault, not the caller's.
    ("fault-refuse-401", openai.InternalServerError, "upstream_bad_response"),
    ("fault-refuse-429", openai.RateLimitError, "rate_limit_exceeded"),
    ("fault-refuse-500", openai.InternalServerError, None),
    ("nonsense", openai.NotFoundError, "model_not_found"),
])
def test_errors(client, model, error, code):
    for stream in (False, True):
        with pytest.raises(error) as caught:
            client.chat.completions.create(model=model, messages=HELLO,
                                           stream=stream)
        assert caught.value.request_id
        if code:
            assert caught.value.code == code
        assert set(caught.value.body) >= {"message", "type", "param", "code"}


def test_a_cut_stream_is_never_a_complete_answer(client):
    for model in ("fault-cut-after-3", "fault-no-finish",
                  "fault-done-no-finish", "fault-error-after-2"):
        # Before the first event left the gateway it is an HTTP error.
        with pytest.raises(openai.APIError):
            list(client.chat.completions.create(model=model, messages=HELLO,
                                                stream=True))


@pytest.mark.parametrize("model", [
    "fault-bad-json-2", "fault-null-content", "fault-usage-extra",
    "fault-no-usage", "fault-close-after-stream"])
def test_habits_of_other_servers_cost_no_request(client, model):
    for _ in range(3):
        chunks = list(client.chat.completions.create(
            model=model, messages=HELLO, stream=True))
        assert any(c.choices and c.choices[0].finish_reason for c in chunks)


def test_bad_requests_name_the_field(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="fake-echo", messages=[])
    assert caught.value.param == "messages"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=7, messages=HELLO)
    assert caught.value.param == "model"


def test_retries_do_what_the_headers_say(gateway, provider):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none",
                           max_retries=2, timeout=20)
    provider.log_lines(clear=True)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="fault-refuse-400",
                                       messages=HELLO)
    assert len(provider.log_lines()) == 1


def test_an_early_close_reaches_the_provider(client, provider):
    provider.log_lines(clear=True)
    stream = client.chat.completions.create(model="fake-20x20", messages=HELLO,
                                            stream=True)
    next(iter(stream))
    stream.close()
    wait_until(lambda: provider.log_lines()[-1]["outcome"] == "client_gone",
               2, "the provider's stream to be cancelled")


def test_a_session_remembers(client):
    session = {"x-session-id": f"sdk-{time.time_ns()}"}
    client.chat.completions.create(model="fake-echo", messages=HELLO,
                                   extra_headers=session)
    raw = client.chat.completions.with_raw_response.create(
        model="fake-echo", extra_headers=session,
        messages=[{"role": "user", "content": "And again"}])
    assert raw.headers["x-session-mode"] == "new"
    assert raw.headers["x-session-turn"] == "1"
    # The provider saw the stored turn in front of the new message.
    assert ("count=3 roles=user,assistant,user"
            in raw.parse().choices[0].message.content)


def test_a_session_is_stored_before_a_streams_end_is_seen(client):
    session = {"x-session-id": f"sdk-{time.time_ns()}"}
    for turn in range(5):
        stream = client.chat.completions.with_raw_response.create(
            model="fake-echo", messages=HELLO, stream=True,
            extra_headers=session)
        assert stream.headers["x-session-turn"] == str(turn)
        list(stream.parse())
