"""Every cell of the two scenarios."""

import pytest

import chart

CELLS = {
    "support": {
        "replicas": 10,
        "requests": {"cpu": "2000m", "memory": "4Gi"},
        "limits": {"cpu": "4000m", "memory": "8Gi"},
        "GATEWAY_STREAMING": "true",
        "GATEWAY_MONITORING": "true",
        "GATEWAY_FALLBACK_MODEL": "gpt-4.5",
        "GATEWAY_TTL": "3600",
        "GATEWAY_BATCH_SIZE": None,
    },
    "codegen": {
        "replicas": 5,
        "requests": {"cpu": "4000m", "memory": "8Gi"},
        "limits": {"cpu": "8000m", "memory": "16Gi"},
        "GATEWAY_STREAMING": None,
        "GATEWAY_MONITORING": "true",
        "GATEWAY_FALLBACK_MODEL": "gpt-4.5",
        "GATEWAY_TTL": "86400",
        "GATEWAY_BATCH_SIZE": "50",
    },
}


@pytest.mark.parametrize("scenario, cell", [
    (scenario, cell) for scenario in CELLS for cell in CELLS[scenario]])
def test_cell(scenario, cell):
    manifests = chart.value_set(scenario)
    expected = CELLS[scenario][cell]
    if cell == "replicas":
        ingress = chart.of_component(manifests, "ingress")
        assert ingress["spec"]["replicas"] == expected
    elif cell in ("requests", "limits"):
        assert chart.container(manifests, "ingress")["resources"][
            cell] == expected
    else:
        for component in chart.COMPONENTS:
            assert chart.environment(manifests, component).get(
                cell) == expected, component


@pytest.mark.parametrize("scenario", CELLS)
def test_the_release_is_named_as_the_scenario(scenario):
    assert ("Deployment", f"agent-gateway-{scenario}-ingress") in chart.objects(
        chart.value_set(scenario))


@pytest.mark.parametrize("scenario", CELLS)
def test_the_numbers_bind_the_ingress_tier(scenario):
    manifests = chart.value_set(scenario)
    router = chart.of_component(manifests, "model-router")
    assert router["spec"]["replicas"] == 2
    for store in chart.STORES:
        assert chart.of_component(manifests, store)["spec"]["replicas"] == 1
    for other in chart.COMPONENTS[1:]:
        assert chart.container(manifests, other)["resources"] == (
            chart.container(chart.value_set("defaults"), other)["resources"])


@pytest.mark.parametrize("scenario", CELLS)
def test_models_are_answered_by_the_mock_until_a_provider_is_named(scenario):
    config = chart.load(chart.config_file(chart.value_set(scenario)))
    assert config["providers"] == {"primary": {"dialect": "mock"}}
    assert {target["provider"] for model in config["models"].values()
            for target in model["targets"]} == {"primary"}
    assert CELLS[scenario]["GATEWAY_FALLBACK_MODEL"] in config["models"]
    assert len(config["models"]) == 2
    assert config["monitoring"] == {"contents": "all"}


@pytest.mark.parametrize("scenario", CELLS)
def test_one_provider_takes_the_place_of_the_mock(scenario):
    manifests = chart.render(
        f"presets/{scenario}.yaml", values={
            "config": {"providers": {"primary": {
                "dialect": "openai_chat",
                "baseUrl": "https://api.example.test/v1"}}},
            "providers": {"primary": {"existingSecret": "s", "key": "k"}}})
    config = chart.load(chart.config_file(manifests))
    assert config["providers"]["primary"] == {
        "dialect": "openai_chat", "baseUrl": "https://api.example.test/v1",
        "key": {"file": "/etc/agent-gateway/providers/primary"}}
