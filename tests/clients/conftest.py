"""One gateway of each shape for all the tests of this folder."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.processes import FakeProvider, Gateway, ModelServer  # noqa: E402

FAKE_MODELS = [
    "fake-echo", "fake-50x0", "fake-20x20", "fake-tools", "fake-json",
    "fake-reasoning", "fake-cached", "fault-refuse-400", "fault-refuse-401",
    "fault-refuse-429", "fault-refuse-500", "fault-cut-after-3",
    "fault-no-finish", "fault-done-no-finish", "fault-bad-json-2",
    "fault-null-content", "fault-usage-extra", "fault-no-usage",
    "fault-close-after-stream", "fault-error-code-number", "fault-error-after-2",
]


def config_of(provider_origin, model_origin=None):
    """Every fake model under its own name; `tiny` is the real server's."""
    config = {
        "providers": {"fake": {"baseUrl": f"{provider_origin}/v1"}},
        "models": {name: {"targets": [{
            "provider": "fake",
            "price": {"input": 1_000_000, "output": 2_000_000,
                      "cacheRead": 100_000}}]} for name in FAKE_MODELS},
    }
    if model_origin:
        config["providers"]["llama"] = {"baseUrl": f"{model_origin}/v1"}
        config["models"]["tiny"] = {"targets": [{
            "provider": "llama",
            "price": {"input": 1_000_000, "output": 2_000_000,
                      "cacheRead": 1_000_000}}]}
    return config


@pytest.fixture(scope="session")
def provider(tmp_path_factory):
    program = FakeProvider(tmp_path_factory.mktemp("provider"))
    yield program
    assert program.stop() == 0


@pytest.fixture(scope="session")
def model_server(tmp_path_factory):
    program = ModelServer(tmp_path_factory.mktemp("model_server"))
    yield program
    program.stop()


@pytest.fixture(scope="session", params=["mesh", "one"])
def gateway(request, tmp_path_factory, provider, model_server):
    gateway = Gateway(tmp_path_factory.mktemp(request.param), request.param,
                      config_of(provider.origin, model_server.origin)).start()
    yield gateway
    assert set(gateway.stop().values()) == {0}
