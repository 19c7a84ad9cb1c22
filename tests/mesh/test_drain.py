"""What a service finishes before it ends."""

import time

import grpc
import pytest

from conftest import chat, ledger
from support import stubs
from support.processes import wait_until

agent, agent_grpc = stubs.load("agent")
batches, _ = stubs.load("batch_aggregator")


@pytest.fixture
def patient_mesh(make_mesh):
    """Its batches wait for a minute before they are flushed."""
    return make_mesh({"batch": {"wait": "60s"}})


def submit(mesh, *names):
    def parts():
        yield agent.SubmitBatchRequest(header=agent.SubmitBatchHeader())
        for name in names:
            item = batches.BatchItem(custom_id=name)
            item.typed.model = "fake-8x0"
            message = item.typed.messages.add(role="ROLE_USER")
            message.content.add().text.text = name
            yield agent.SubmitBatchRequest(item=item)
    with grpc.insecure_channel(mesh.grpc_target) as channel:
        service = agent_grpc.AgentServiceStub(channel)
        return service.SubmitBatch(parts(), timeout=20).batch_id


def results(mesh, batch_id):
    with grpc.insecure_channel(mesh.grpc_target) as channel:
        service = agent_grpc.AgentServiceStub(channel)
        return {one.result.custom_id: one.result for one in
                service.StreamBatchResults(agent.StreamBatchResultsRequest(
                    batch_id=batch_id), timeout=20)}


def test_items_that_wait_are_answered_first(patient_mesh, provider):
    mesh = patient_mesh
    batch_id = submit(mesh, "a", "b")
    assert provider.log_lines() == []
    assert mesh.programs["batch-aggregator"].stop() == 0
    assert [line["outcome"] for line in provider.log_lines()] == [
        "complete", "complete"]
    mesh.start("batch-aggregator")
    wait_until(mesh.is_whole, 10, "batch-aggregator to be found again")
    answered = results(mesh, batch_id)
    assert set(answered) == {"a", "b"}
    assert not any(result.HasField("error") for result in answered.values())
    assert len(provider.log_lines()) == 2, "nothing is paid for twice"


def test_usage_waits_for_its_ledger(make_mesh):
    mesh = make_mesh({"shutdown": {"preDrainDelay": 0, "drainTimeout": 30}})
    mesh.kill("metrics-collector")
    assert chat(mesh).status == 200
    router = mesh.programs["model-router"]
    router.process.terminate()
    time.sleep(7)
    assert router.is_running()
    mesh.start("metrics-collector")
    assert router.process.wait(20) == 0
    assert "were not delivered" not in router.output()
    assert len(ledger(mesh)) == 1
