"""What the chart refuses. Each is tried in helm/tests, by its words; here, that
none is forgotten, and that Helm does as its test program does.
"""

import re

import pytest

import chart

FAIL = re.compile(r'\bfail (?:\(printf )?"([^"]*)"')


@pytest.mark.parametrize("values, said", [
    ({"defaults": {"replicas": 2}}, "set components.[a-z-]+.replicas to 1"),
    ({"replicaCount": 3}, "'replicaCount' not allowed"),
])
def test_helm_refuses(values, said):
    with pytest.raises(chart.Refused, match=said):
        chart.render(values=values)


def test_every_refusal_is_tried():
    source = "".join(path.read_text() for path
                     in (chart.CHART / "templates").rglob("*.yaml"))
    words = FAIL.findall(source)
    assert len(words) == len(re.findall(r"\bfail\b", source)) > 10
    suite = chart.load((chart.CHART / "tests/refusals_test.yaml").read_text())
    tried = [assertion["failedTemplate"]["errorMessage"]
             for test in suite["tests"] for assertion in test["asserts"]
             if "failedTemplate" in assertion]
    for refusal in words:
        pattern = ".*".join(map(re.escape, refusal.split("%s")))
        assert any(re.fullmatch(pattern, message)
                   for message in tried), refusal


def test_every_object_of_the_schema_is_closed():
    """But those that are a parent's, Kubernetes' or the gateway's to judge."""
    schema = chart.load((chart.CHART / "values.schema.json").read_text())
    open_ = []

    def walk(node, path):
        if isinstance(node, list):
            for inner in node:
                walk(inner, path)
        elif isinstance(node, dict):
            if "object" in node.get("type", "") and not (
                    "additionalProperties" in node):
                open_.append(path)
            for key, inner in node.items():
                walk(inner, path + (key,))
    walk(schema, ())
    # An item of extraObjects may be an object.
    assert open_ == [
        ("properties", "global"), ("properties", "config"),
        ("properties", "extraObjects", "items"),
        ("definitions", "kubernetes"),
        ("definitions", "kubernetesList", "items")]
