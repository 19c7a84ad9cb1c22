"""Both presets, scaled down to fit a small node."""

import pytest

from cluster import CHART, Namespace, Release
from support import client

SMALL = ["--set", "components.ingress.replicas=2",
         "--set", "components.ingress.resources.requests.cpu=50m",
         "--set", "components.ingress.resources.requests.memory=64Mi"]


@pytest.mark.parametrize("preset", ["support", "codegen"])
def test_a_preset_installs_and_answers(preset):
    namespace = Namespace(f"agent-gateway-test-{preset}")
    try:
        release = Release(namespace, f"agent-gateway-{preset}")
        release.install("-f", CHART / f"presets/{preset}.yaml", *SMALL)
        release.open_to_the_outside()
        release.helm("test", "--timeout=120s")
        for model in ("gpt-5", "gpt-4.5"):
            answer = client.stream(release.http, "/words 50", model)
            assert answer.ended and answer.text == client.words(50)
        release.uninstall()
    finally:
        namespace.remove()
