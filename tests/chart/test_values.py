"""No value is inert: each, changed, changes what is rendered."""

import concurrent.futures
import functools
import json

import pytest

import chart

DEFAULTS = chart.load((chart.CHART / "values.yaml").read_text())
BASE = "ci/full.yaml"

KUBERNETES = {
    "resources": {"requests": {"cpu": "7m"}},
    "limits": {"memory": "7Gi"},
    "requests": {"memory": "7Mi"},
    "strategy": {"type": "RollingUpdate", "rollingUpdate": None},
    "startup": {"tcpSocket": {"port": "ops"}},
    "readiness": {"tcpSocket": {"port": "ops"}},
    "liveness": {"tcpSocket": {"port": "ops"}},
    "affinity": {"podAntiAffinity": {}},
    "behavior": {"scaleUp": {"selectPolicy": "Min"}},
}
ON = chart.merged(DEFAULTS, chart.load((chart.CHART / BASE).read_text()))
# Tried over the defaults: the base has `config`, or has its own of it.
WITHOUT_BASE = {"existingConfigMap", "defaults.autoscaling.enabled"}
# A value that differs from the default and is of its kind, by the end of a path.
OTHERS = {
    "pullPolicy": "Always",
    "digest": "sha256:" + "1" * 64,
    "type": "NodePort",
    "externalTrafficPolicy": "Cluster",
    "accessModes": ["ReadWriteMany"],
    "size": "7Gi",
    "ttl": 7,
    "streaming": True,
    "monitoring": True,
    "fallbackModel": "large",
    "batchSize": 7,
    "grpc": 30007,
    "http": 30008,
    "env": {"A": "b"},
    "nodeSelector": {"a": "b"},
    "podLabels": {"a": "b"},
    "podAnnotations": {"a": "b"},
    "annotations": {"a": "b"},
    "labels": {"a": "b"},
    "hostnames": ["other.example.test"],
    "hosts": ["other.example.test"],
    "loadBalancerSourceRanges": ["192.0.2.0/24"],
    "dnsPorts": [5300],
    "drop": ["NET_RAW"],
    "config": {"threads": 7},
    "providers": {"local": {"existingSecret": "local", "key": "k"}},
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap",
                      "metadata": {"name": "other"}}],
    **KUBERNETES,
}
# What else a value needs in order to matter.
WITH = {
    # The digest wins over it.
    "image.tag": {"image": {"digest": ""}},
    # That of `global` wins over it.
    "image.registry": {"global": {"imageRegistry": ""}},
    # A store cannot have these.
    "defaults.autoscaling.enabled": {"components": {
        store: {"autoscaling": {"enabled": False}} for store in chart.STORES}},
    "defaults.replicas": {"components": {
        store: {"replicas": 1} for store in chart.STORES}},
    # Both have autoscalers, which decide, in the base.
    "components.ingress.replicas": {"components": {"ingress": {
        "autoscaling": {"enabled": False}}}},
    "components.model-router.replicas": {"components": {"model-router": {
        "autoscaling": {"enabled": False}}}},
    # Routes lead to ingress.
    "defaults.enabled": {"components": {"ingress": {"enabled": True}}},
}

def other(path, value):
    if path[-1] in OTHERS:
        return OTHERS[path[-1]]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [{"name": "other"}]
    if isinstance(value, dict):
        return {"a": {"b": "c"}}
    return "other"


@functools.cache
def unchanged(base, common):
    return chart.render(*base, values=json.loads(common))


def differs(path, value):
    """Whether the manifests change by this value, and by nothing else."""
    name = ".".join(path)
    if name == "defaults.replicas":
        # Each component has its own; a component that had none would take this.
        without = {"components": {"ingress": {
            "replicas": None, "autoscaling": {"enabled": False}}}}
        common = chart.merged(WITH[name], without)
    else:
        common = WITH.get(name, {})
    base = [] if name in WITHOUT_BASE else [BASE]
    if base and isinstance(value, bool):
        value = functools.reduce(lambda tree, key: tree[key], path, ON)
    try:
        after = chart.render(*base, values=chart.merged(
            common, chart.at(path, other(path, value))))
    except chart.Refused as refused:
        raise AssertionError(f"{name}: {refused}") from refused
    return after != unchanged(tuple(base), json.dumps(common))


def test_every_value_changes_what_is_rendered():
    every = list(chart.leaves(DEFAULTS))
    assert len(every) > 100
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        changed = pool.map(differs, *zip(*every))
        inert = [".".join(path) for (path, _), did in zip(every, changed)
                 if not did]
    assert inert == []


@pytest.mark.parametrize("component", chart.COMPONENTS)
def test_a_component_takes_each_of_its_keys_over_the_defaults(component):
    """The schema says which keys it has; each is read for it alone."""
    schema = chart.load((chart.CHART / "values.schema.json").read_text())
    definitions = schema["definitions"]

    def resolved(node):
        while "$ref" in node:
            node = definitions[node["$ref"].rsplit("/")[-1]]
        return node

    def takes(path):
        node = schema
        for key in path:
            node = resolved(node).get("properties", {}).get(key)
            if node is None:
                return False
        return True

    tops = sorted({path[:2] for path, _ in chart.leaves(
        {"defaults": DEFAULTS["defaults"]})})
    # One render with everything of the component set, and what it shows.
    tried = 0
    own = {}
    for (_, key) in tops:
        for path, value in chart.leaves({key: DEFAULTS["defaults"][key]}):
            whole = ("components", component) + path
            if not takes(whole) or path[0] in ("enabled", "autoscaling",
                                               "replicas"):
                continue
            tried += 1
            own = chart.merged(own, chart.at(whole, other(path, value)))
    assert tried > 20
    before = chart.objects(chart.render())
    after = chart.objects(chart.render(values=own))
    changed = {key for key in before if before[key] != after.get(key)}
    labels = {before[key]["metadata"]["labels"]["app.kubernetes.io/component"]
              for key in changed}
    # The smoke test runs as ingress does.
    assert labels - {"smoke"} == {component}
    for kind in ("Deployment", "StatefulSet"):
        for key in changed:
            if key[0] == kind:
                shown = after[key]["spec"]["template"]["spec"]
                first = shown["containers"][0]
                assert first["startupProbe"] == OTHERS["startup"]
                assert first["readinessProbe"] == OTHERS["readiness"]
                assert first["livenessProbe"] == OTHERS["liveness"]
                assert {"name": "A", "value": "b"} in first["env"]
                assert shown["affinity"] == OTHERS["affinity"]
                assert shown["nodeSelector"] == {"a": "b"}
                assert shown["priorityClassName"] == "other"
