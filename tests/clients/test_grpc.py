"""grpcio with stubs made from our protos, against the public AgentService."""

import time

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase)
from grpc_status import rpc_status

from support import stubs
from support.processes import wait_until

agent, agent_grpc = stubs.load("agent")
chat, _ = stubs.load("chat")
router, _ = stubs.load("model_router")
batches, _ = stubs.load("batch_aggregator")


@pytest.fixture
def channel(gateway):
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        yield channel


@pytest.fixture
def service(channel):
    return agent_grpc.AgentServiceStub(channel)


def user(text):
    return chat.Message(role=chat.ROLE_USER, content=[
        chat.ContentPart(text=chat.TextPart(text=text))])


def request_for(model, text="Hello there"):
    return chat.ChatRequest(model=model, messages=[user(text)])


def text_of(message):
    return "".join(part.text.text for part in message.content)


def events_of(stream):
    return [event for response in stream for event in response.events]


def detail_of(error):
    """Our ErrorDetail, and the types of all details of a status."""
    from gateway.common.v1 import error_pb2
    status = rpc_status.from_call(error)
    detail = error_pb2.ErrorDetail()
    for any_detail in status.details:
        if any_detail.Is(error_pb2.ErrorDetail.DESCRIPTOR):
            any_detail.Unpack(detail)
    return detail


def test_chat(service, provider):
    answer, call = service.Chat.with_call(
        agent.ChatRequest(chat=request_for("fake-echo")), timeout=20)
    choice = answer.chat.choices[0]
    assert "Hello there" in text_of(choice.message)
    assert choice.finish_reason == chat.FINISH_REASON_STOP
    line = provider.log_lines()[-1]
    usage = answer.chat.usage
    assert usage.uncached_input_tokens == line["prompt_tokens"]
    assert usage.output_tokens == line["tokens_sent"]
    assert answer.cost.priced
    assert answer.cost.pico_usd == (usage.uncached_input_tokens * 1_000_000 +
                                    usage.output_tokens * 2_000_000)
    metadata = dict(call.initial_metadata())
    assert metadata["x-request-id"] == answer.request_id


def test_stream(service):
    events = events_of(service.StreamChat(
        agent.StreamChatRequest(chat=request_for("fake-50x0")), timeout=20))
    assert events[0].WhichOneof("event") == "started"
    assert events[0].started.provider == "fake"
    assert events[-1].WhichOneof("event") == "completed"
    deltas = [e.delta for e in events if e.WhichOneof("event") == "delta"]
    assert sum(bool(d.text) for d in deltas) == 50
    assert events[-1].completed.usage.output_tokens == 50


def test_stream_of_tool_calls(service):
    events = events_of(service.StreamChat(
        agent.StreamChatRequest(chat=request_for("fake-tools")), timeout=20))
    calls = {}
    for event in events:
        if event.delta.HasField("tool_call"):
            piece = event.delta.tool_call
            call = calls.setdefault(piece.index, ["", ""])
            call[0] += piece.id
            call[1] += piece.arguments
    assert sorted(calls) == [0, 1]
    assert all(call_id and arguments for call_id, arguments in calls.values())
    assert (events[-1].completed.finish_reason ==
            chat.FINISH_REASON_TOOL_CALLS)


def test_errors_carry_a_detail(service):
    with pytest.raises(grpc.RpcError) as caught:
        service.Chat(agent.ChatRequest(chat=request_for("nonsense")),
                     timeout=20)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert detail_of(caught.value).reason == "model_not_found"

    with pytest.raises(grpc.RpcError) as caught:
        service.Chat(agent.ChatRequest(chat=request_for("fault-refuse-429")),
                     timeout=20)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert detail_of(caught.value).reason == "rate_limit_exceeded"
    assert "grpc-retry-pushback-ms" in dict(caught.value.trailing_metadata())

    with pytest.raises(grpc.RpcError) as caught:
        service.Chat(agent.ChatRequest(chat=chat.ChatRequest(
            model="fake-echo")), timeout=20)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert detail_of(caught.value).param


def test_a_broken_stream_ends_in_failed_and_the_same_status(service):
    events = []
    with pytest.raises(grpc.RpcError) as caught:
        for response in service.StreamChat(agent.StreamChatRequest(
                chat=request_for("fault-cut-after-3")), timeout=20):
            events += response.events
    assert any(e.delta.text for e in events)
    failed = events[-1].failed
    assert failed.code == caught.value.code().value[0]
    assert failed.detail.reason == detail_of(caught.value).reason


def test_deadline(service):
    begin = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        list(service.StreamChat(agent.StreamChatRequest(
            chat=request_for("fake-20x20")), timeout=0.15))
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - begin < 1


def test_a_client_that_leaves_ends_the_providers_stream(service, provider):
    provider.log_lines(clear=True)
    stream = service.StreamChat(agent.StreamChatRequest(
        chat=request_for("fake-20x20")), timeout=20)
    next(stream)
    stream.cancel()
    wait_until(lambda: provider.log_lines()[-1]["outcome"] == "client_gone",
               2, "the provider's stream to be cancelled")


def test_converse_runs_turns_side_by_side(service):
    def start(turn, model):
        return agent.ConverseRequest(turn_id=turn, start=agent.
                                     StreamChatRequest(
                                         chat=request_for(model)))
    ends, order = {}, []
    for response in service.Converse(iter([
            start("slow", "fake-20x20"), start("quick", "fake-echo"),
            start("wrong", "nonsense")]), timeout=20):
        for event in response.events:
            kind = event.WhichOneof("event")
            if kind in ("completed", "failed"):
                ends[response.turn_id] = kind
                order.append(response.turn_id)
    assert ends == {"slow": "completed", "quick": "completed",
                    "wrong": "failed"}
    assert order[-1] == "slow"


def test_converse_cancels_one_turn(service):
    def requests():
        yield agent.ConverseRequest(turn_id="a", start=agent.StreamChatRequest(
            chat=request_for("fake-20x20")))
        yield agent.ConverseRequest(turn_id="b", start=agent.StreamChatRequest(
            chat=request_for("fake-20x20")))
        time.sleep(0.1)
        yield agent.ConverseRequest(turn_id="a", cancel=agent.CancelTurn())

    ends = {}
    for response in service.Converse(requests(), timeout=20):
        for event in response.events:
            if event.WhichOneof("event") in ("completed", "failed"):
                ends[response.turn_id] = event
    assert ends["a"].failed.code == grpc.StatusCode.CANCELLED.value[0]
    assert ends["b"].WhichOneof("event") == "completed"


def test_models(service):
    models = service.ListModels(agent.ListModelsRequest(), timeout=20).models
    ids = [model.id for model in models]
    assert "fake-echo" in ids and ids == sorted(ids)


def test_sessions(service):
    name = f"grpc-{time.time_ns()}"
    session = agent.SessionRef(session_id=name, create_if_absent=True)
    first = service.Chat(agent.ChatRequest(
        chat=request_for("fake-echo"), session=session), timeout=20)
    assert first.session.turn_count == 0
    second = service.Chat(agent.ChatRequest(
        chat=request_for("fake-echo", "Once more"), session=session),
        timeout=20)
    assert second.session.turn_count == 1
    assert "count=3" in text_of(second.chat.choices[0].message)

    found = service.GetSession(agent.GetSessionRequest(session_id=name),
                               timeout=20)
    assert found.turn_count == 2
    turns = service.ListTurns(agent.ListTurnsRequest(session_id=name),
                              timeout=20).turns
    assert [text_of(t.turn.request_messages[0]) for t in turns] == [
        "Hello there", "Once more"]
    service.DeleteSession(agent.DeleteSessionRequest(session_id=name),
                          timeout=20)
    service.DeleteSession(agent.DeleteSessionRequest(session_id=name),
                          timeout=20)
    with pytest.raises(grpc.RpcError) as caught:
        service.GetSession(agent.GetSessionRequest(session_id=name),
                           timeout=20)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        service.Chat(agent.ChatRequest(
            chat=request_for("fake-echo"),
            session=agent.SessionRef(session_id=name)), timeout=20)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_session_continues_from_http_to_grpc(gateway, service):
    import openai
    name = f"both-{time.time_ns()}"
    openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none").chat.\
        completions.create(model="fake-echo", extra_headers={
            "x-session-id": name},
            messages=[{"role": "user", "content": "Over HTTP"}])
    answer = service.Chat(agent.ChatRequest(
        chat=request_for("fake-echo", "Over gRPC"),
        session=agent.SessionRef(session_id=name)), timeout=20)
    assert "count=3" in text_of(answer.chat.choices[0].message)


def batch_of(models, key=""):
    yield agent.SubmitBatchRequest(header=agent.SubmitBatchHeader(
        idempotency_key=key))
    for i, model in enumerate(models):
        yield agent.SubmitBatchRequest(item=batches.BatchItem(
            custom_id=f"item-{i}", typed=request_for(model, f"Number {i}")))


def test_batch(service):
    models = ["fake-echo"] * 40 + ["fault-refuse-400"]
    key = f"key-{time.time_ns()}"
    batch = service.SubmitBatch(batch_of(models, key), timeout=20)
    assert batch.total_items == 41
    again = service.SubmitBatch(batch_of(models, key), timeout=20)
    assert again.batch_id == batch.batch_id

    results = {r.result.custom_id: r.result for r in
               service.StreamBatchResults(agent.StreamBatchResultsRequest(
                   batch_id=batch.batch_id, follow=True), timeout=60)}
    assert len(results) == 41
    assert results["item-40"].error.code == \
        grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "Number 7" in text_of(
        results["item-7"].answer.typed.choices[0].message)
    ended = service.GetBatch(agent.GetBatchRequest(batch_id=batch.batch_id),
                             timeout=20)
    assert ended.state == batches.BATCH_STATE_SUCCEEDED
    assert (ended.succeeded_items, ended.failed_items) == (40, 1)
    # From the middle, once more.
    cursors = [r.cursor for r in service.StreamBatchResults(
        agent.StreamBatchResultsRequest(batch_id=batch.batch_id), timeout=20)]
    rest = list(service.StreamBatchResults(agent.StreamBatchResultsRequest(
        batch_id=batch.batch_id, cursor=cursors[20]), timeout=20))
    assert len(rest) == 20


def test_batch_with_a_bad_item_is_refused_whole(service):
    with pytest.raises(grpc.RpcError) as caught:
        service.SubmitBatch(iter([
            agent.SubmitBatchRequest(header=agent.SubmitBatchHeader()),
            agent.SubmitBatchRequest(item=batches.BatchItem(
                custom_id="a", typed=request_for("fake-echo"))),
            agent.SubmitBatchRequest(item=batches.BatchItem(
                custom_id="a", typed=request_for("fake-echo"))),
        ]), timeout=20)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "custom_id" in detail_of(caught.value).param


def test_reflection_names_the_service(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "gateway.agent.v1.AgentService" in database.get_services()
