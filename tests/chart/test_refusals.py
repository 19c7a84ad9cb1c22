"""What the chart refuses, and the key that it names."""

import re

import pytest

import chart

REFUSALS = {
    "two stores": (
        {"components": {"session-store": {"replicas": 2}}},
        "RocksDB.*set components.session-store.replicas to 1"),
    "two stores by defaults": (
        {"defaults": {"replicas": 2}}, "set components.[a-z-]+.replicas to 1"),
    "an autoscaled store": (
        {"components": {"batch-aggregator": {"autoscaling": {"enabled": True}}}},
        "set components.batch-aggregator.autoscaling.enabled to false"),
    "replicas that cross": (
        {"components": {"ingress": {"autoscaling": {
            "enabled": True, "minReplicas": 5, "maxReplicas": 4}}}},
        "set components.ingress.autoscaling.maxReplicas"),
    "a share of no CPU": (
        {"components": {"ingress": {"autoscaling": {"enabled": True}}},
         "defaults": {"resources": None}},
        "set components.ingress.resources.requests.cpu"),
    "a variable of the five": (
        {"defaults": {"env": {"GATEWAY_TTL": 5}}}, "set gateway.ttl instead"),
    "a drain by variable": (
        {"components": {"ingress": {"env": {
            "GATEWAY__INGRESS__SHUTDOWN__DRAIN_TIMEOUT": 5}}}},
        "set components.ingress.shutdown instead"),
    "a target by variable": (
        {"components": {"ingress": {"env": {
            "GATEWAY__SESSION_STORE__TARGET": "x"}}}},
        "set enabled to false under components.session-store"),
    "a drain by config": (
        {"config": {"shutdown": {"drainTimeout": 5}}}, "set defaults.shutdown"),
    "a drain of one by config": (
        {"config": {"ingress": {"shutdown": {"drainTimeout": 5}}}},
        "config.ingress.shutdown .*set components.ingress.shutdown"),
    "listeners": (
        {"config": {"modelRouter": {"listen": {"grpc": "0.0.0.0:1"}}}},
        "config.modelRouter.listen .* remove it"),
    "a target": (
        {"config": {"sessionStore": {"target": "dns:///x:1"}}},
        "config.sessionStore.target .* remove it"),
    "a data folder": (
        {"config": {"sessionStore": {"dataDir": "/x"}}},
        "config.sessionStore.dataDir .* remove it"),
    "two configs": (
        {"existingConfigMap": "x", "config": {"threads": 1}},
        "existingConfigMap takes the place of config"),
    "no secret": (
        {"existingConfigMap": "x", "providers": {"openai": {"key": "k"}}},
        "set providers.openai.existingSecret"),
    "no key of a secret": (
        {"existingConfigMap": "x",
         "providers": {"openai": {"existingSecret": "s"}}},
        "set providers.openai.key"),
    "the key of no provider": (
        {"providers": {"openai": {"existingSecret": "s", "key": "k"}}},
        "set config.providers.openai"),
    "the key of a mock": (
        {"config": {"providers": {"openai": {"dialect": "mock"}}},
         "providers": {"openai": {"existingSecret": "s", "key": "k"}}},
        "config.providers.openai.dialect is mock"),
    "two keys": (
        {"config": {"providers": {"openai": {"key": {"env": "X"}}}},
         "providers": {"openai": {"existingSecret": "s", "key": "k"}}},
        "config.providers.openai.key and providers.openai"),
    "a route of no gateway": (
        {"route": {"http": {"enabled": True}}}, "set route.http.parentRefs"),
    "a gRPC route of no gateway": (
        {"route": {"grpc": {"enabled": True}}}, "set route.grpc.parentRefs"),
    "an Ingress for no host": (
        {"route": {"ingress": {"enabled": True}}}, "set route.ingress.hosts"),
    "a route to nobody": (
        {"route": {"ingress": {"enabled": True, "hosts": ["x"]}},
         "components": {"ingress": {"enabled": False}}},
        "set components.ingress.enabled"),
    "a smoke test's key": (
        {"smoke": {"existingSecret": "s"}}, "set smoke.key"),
}
# By the schema: kinds of values, and keys that are not there.
UNFIT = {
    "unknown at the root": {"replicaCount": 3},
    "unknown of a component": {"components": {"ingress": {"replica": 3}}},
    "unknown component": {"components": {"router": {}}},
    "persistence of ingress": {"components": {"ingress": {
        "persistence": {"enabled": True}}}},
    "a budget for one replica": {"components": {"session-store": {
        "podDisruptionBudget": {"enabled": True}}}},
    "a type of a headless service": {"components": {"model-router": {
        "service": {"type": "NodePort"}}}},
    "unknown probe": {"defaults": {"probes": {"ready": {}}}},
    "unknown under image": {"image": {"name": "x"}},
    "unknown under gateway": {"gateway": {"batch_size": 3}},
    "unknown under providers": {"providers": {"x": {"secret": "y"}}},
    "unknown under route": {"route": {"tcp": {}}},
    "unknown under networkPolicy": {"networkPolicy": {"from": []}},
    "unknown under monitoring": {"monitoring": {"serviceMonitor": {}}},
    "a number of text": {"defaults": {"replicas": "2"}},
    "an empty batch": {"gateway": {"batchSize": 0}},
    "a time without a unit that is known": {"gateway": {"ttl": "1 day"}},
    "a name that is no variable": {"defaults": {"env": {"a-b": "c"}}},
    "a list of variables": {"defaults": {"env": [{"name": "A"}]}},
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refuses(case):
    values, said = REFUSALS[case]
    with pytest.raises(chart.Refused) as refused:
        chart.render(values=values)
    assert re.search(said, str(refused.value), re.S), refused.value


def test_every_refusal_is_tried():
    """Each `fail` of the templates is what one of the cases runs into."""
    source = "".join(path.read_text()
                     for path in (chart.CHART / "templates").rglob("*"
                                                                    ".yaml"))
    assert source.count("fail (") + source.count('fail "') <= len(REFUSALS)


@pytest.mark.parametrize("case", UNFIT)
def test_the_schema_refuses(case):
    with pytest.raises(chart.Refused, match="schema"):
        chart.render(values=UNFIT[case])


def test_what_a_parent_chart_passes_is_taken():
    chart.render(values={"enabled": True, "global": {"theirs": {"x": 1}}})
