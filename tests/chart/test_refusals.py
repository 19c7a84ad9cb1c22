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
