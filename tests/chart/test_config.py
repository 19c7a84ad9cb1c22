"""The config of the chart, held against the services that read it."""

import json
import os
import pathlib
import subprocess

import pytest
import yaml

import chart

BINARIES = pathlib.Path(
    os.environ.get("TEST_BUILD_DIR", chart.ROOT / "build/release")) / "bin"
# What the pods mount there; the test has a folder of its own.
PROVIDER_KEYS = "/etc/agent-gateway/providers"
# A section of the one-process form, which the chart does not install.
NOT_INSTALLED = {"agentGateway"}


def check(component, config, variables):
    return subprocess.run(
        [BINARIES / component, "check", "--config", config],
        env=variables, capture_output=True, text=True, timeout=30)


def installed(manifests):
    labels = [pod["metadata"]["labels"]["app.kubernetes.io/component"]
              for pod in chart.pods(manifests).values()]
    return [name for name in chart.COMPONENTS if name in labels]


# Without the set whose config is not the chart's.
@pytest.mark.parametrize("name", sorted(
    set(chart.VALUE_SETS) - {"ci-existing-config"}))
def test_the_services_accept_what_their_pods_are_given(name, tmp_path):
    manifests = chart.value_set(name)
    text = chart.config_file(manifests).replace(PROVIDER_KEYS, str(tmp_path))
    for provider in (yaml.safe_load(text) or {}).get("providers", {}).values():
        if isinstance(key := (provider or {}).get("key"), dict):
            pathlib.Path(key["file"]).write_text("secret")
    config = tmp_path / "config.yaml"
    config.write_text(text)
    components = installed(manifests)
    assert "ingress" in components
    for component in components:
        done = check(component, config,
                     chart.environment(manifests, component))
        assert done.returncode == 0, done.stderr
        assert "unknown" not in done.stderr, done.stderr


def test_the_check_refuses_what_is_wrong(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(chart.config_file(chart.value_set("support")))
    for variables in ({"GATEWAY_TTL": "soon"},
                      {"GATEWAY_FALLBACK_MODEL": "nowhere"}):
        done = check("model-router", config, variables)
        assert done.returncode == 78, done.stderr


def restart_keys(schema, path=()):
    """Paths of the schema that are marked; what is below one is covered."""
    for name, inner in schema.get("properties", {}).items():
        if inner.get("x-restart"):
            yield ".".join((*path, name))
        else:
            yield from restart_keys(inner, (*path, name))


def test_pods_are_replaced_for_exactly_the_keys_that_need_it():
    done = subprocess.run([BINARIES / "ingress", "config", "schema"],
                          capture_output=True, text=True, check=True)
    listed = yaml.safe_load(
        (chart.CHART / "files/restart-keys.yaml").read_text())
    marked = set(restart_keys(json.loads(done.stdout)))
    assert set(listed) == marked - NOT_INSTALLED
