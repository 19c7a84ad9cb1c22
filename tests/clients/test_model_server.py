"""A real model server that nobody here wrote, behind the gateway."""

import time

import grpc
import openai

from support import stubs
from support.processes import wait_until

agent, agent_grpc = stubs.load("agent")
chat, _ = stubs.load("chat")
collector, collector_grpc = stubs.load("metrics_collector")


def ledger_rows(gateway, model):
    """All rows of a model, by request id."""
    target = ("metrics-collector" if gateway.shape == "mesh"
              else None)
    assert target, "only the mesh serves queries"
    with grpc.insecure_channel(
            f"127.0.0.1:{gateway.grpc_ports[target]}") as channel:
        response = collector_grpc.QueryServiceStub(channel).QueryUsage(
            collector.QueryUsageRequest(model=model, include_rows=True,
                                        page_size=1000), timeout=20)
    return {row.request_id: row for row in response.rows}


def test_two_turns_over_both_apis_and_the_ledger_agrees(gateway):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none",
                           max_retries=0, timeout=60)
    session = {"x-session-id": f"llama-{time.time_ns()}"}
    usage = {}

    whole = client.chat.completions.with_raw_response.create(
        model="tiny", max_tokens=24, extra_headers=session,
        messages=[{"role": "user", "content": "Tell me of the sea"}])
    answer = whole.parse()
    assert answer.choices[0].finish_reason in ("stop", "length")
    usage[whole.headers["x-request-id"]] = answer.usage

    streamed = client.chat.completions.with_raw_response.create(
        model="tiny", max_tokens=24, stream=True, extra_headers=session,
        stream_options={"include_usage": True},
        messages=[{"role": "user", "content": "And of the hills"}])
    chunks = list(streamed.parse())
    assert streamed.headers["x-session-turn"] == "1"
    usage[streamed.headers["x-request-id"]] = chunks[-1].usage
    # The second prompt holds the first turn.
    assert chunks[-1].usage.prompt_tokens > answer.usage.prompt_tokens

    with grpc.insecure_channel(gateway.grpc_target) as channel:
        reply = agent_grpc.AgentServiceStub(channel).Chat(agent.ChatRequest(
            chat=chat.ChatRequest(model="tiny", max_output_tokens=24, messages=[
                chat.Message(role=chat.ROLE_USER, content=[chat.ContentPart(
                    text=chat.TextPart(text="And of the sky"))])]),
            session=agent.SessionRef(**{
                "session_id": session["x-session-id"]})), timeout=60)
    assert reply.session.turn_count == 2
    assert reply.chat.usage.output_tokens > 0

    if gateway.shape != "mesh":
        return
    wait_until(lambda: {*usage, reply.request_id} <= set(
        ledger_rows(gateway, "tiny")), 15, "the ledger to hold all three")
    rows = ledger_rows(gateway, "tiny")
    for request_id, said in usage.items():
        booked = rows[request_id].usage
        assert (booked.uncached_input_tokens + booked.cached_input_tokens ==
                said.prompt_tokens)
        assert booked.output_tokens == said.completion_tokens
    assert rows[reply.request_id].usage == reply.chat.usage


def test_many_streams_over_closing_connections(gateway):
    """The server closes each connection after a stream: none may be lost."""
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none",
                           max_retries=0, timeout=60)
    for i in range(30):
        chunks = list(client.chat.completions.create(
            model="tiny", max_tokens=4, stream=True,
            messages=[{"role": "user", "content": f"Count {i}"}]))
        assert any(c.choices and c.choices[0].finish_reason for c in chunks)
