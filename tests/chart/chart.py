"""The chart as the tests see it: rendered, and taken apart."""

import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm"
TOOLS = pathlib.Path(os.environ.get("CHART_TOOLS", ROOT / "build/chart_tools"))
# The other Helm is tried by naming it here.
HELM = os.environ.get("CHART_HELM", str(TOOLS / "bin/helm"))
COMPONENTS = ["ingress", "model-router", "batch-aggregator", "session-store",
              "metrics-collector"]
STORES = COMPONENTS[2:]
# Every set of values that is kept with the chart, by name: its files, and the
# release that it is for.
VALUE_SETS = {
    "defaults": ([], "agent-gateway"),
    "support": (["presets/support.yaml"], "agent-gateway-support"),
    "codegen": (["presets/codegen.yaml"], "agent-gateway-codegen"),
    **{f"ci-{path.stem}": ([f"ci/{path.name}"], "test")
       for path in sorted((CHART / "ci").glob("*.yaml"))},
}

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text):
    return yaml.load(text, Loader)


class Refused(Exception):
    """Helm's own words on why it does not render."""


def helm(*args):
    """Runs helm; what it says if it fails is in the exception."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [HELM, *map(str, args)], capture_output=True, text=True, cwd=CHART,
            timeout=60,
            # Less work for the garbage collector: it is a third of a run.
            env={"PATH": os.environ["PATH"], "HOME": home, "GOGC": "400"})
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def render(*files, values=None, release="test", args=()):
    """The manifests as text. `values` come after the files."""
    flags = [flag for file in files for flag in ("-f", file)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        if values is not None:
            json.dump(values, file)
            file.flush()
            flags += ["-f", file.name]
        return helm("template", release, ".", "--namespace", "here", *flags,
                    *args)


@functools.cache
def value_set(name):
    files, release = VALUE_SETS[name]
    return render(*files, release=release)


def objects(manifests):
    """By kind and name; no two may be one."""
    found = {}
    for document in yaml.load_all(manifests, Loader):
        if document is None:
            continue
        key = document["kind"], document["metadata"]["name"]
        assert key not in found, f"{key} twice"
        found[key] = document
    return found


def of_component(manifests, component, kinds=("Deployment", "StatefulSet")):
    """The one object of these kinds that belongs to the component."""
    found = [document for (kind, _), document in objects(manifests).items()
             if kind in kinds and document["metadata"]["labels"]
             ["app.kubernetes.io/component"] == component]
    assert len(found) == 1, f"{len(found)} of {kinds} for {component}"
    return found[0]


def pods(manifests):
    """Every pod's metadata and spec, by the name of its object."""
    found = {}
    for (kind, name), document in objects(manifests).items():
        if kind in ("Deployment", "StatefulSet"):
            found[name] = document["spec"]["template"]
        elif kind == "Pod":
            found[name] = document
    return found


def container(manifests, component):
    workload = of_component(manifests, component)
    return workload["spec"]["template"]["spec"]["containers"][0]


def environment(manifests, component):
    """Variables with plain values."""
    return {variable["name"]: variable["value"]
            for variable in container(manifests, component)["env"]
            if "value" in variable}


def config_file(manifests):
    (document,) = [document for (kind, name), document
                   in objects(manifests).items()
                   if kind == "ConfigMap" and name.endswith("-config")]
    return document["data"]["config.yaml"]


def merged(*trees):
    """The later wins; maps key by key, as Helm does it."""
    result = {}
    for tree in trees:
        for key, value in tree.items():
            if isinstance(value, dict) and isinstance(result.get(key), dict):
                result[key] = merged(result[key], value)
            else:
                result[key] = value
    return result


def at(path, value):
    """{a: {b: value}} of a path (a, b)."""
    for key in reversed(path):
        value = {key: value}
    return value


def leaves(tree, path=()):
    """(path, value) of every value that is not a map with keys."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, path + (key,))
        else:
            yield path + (key,), value


def camel(component):
    """sessionStore of session-store."""
    return re.sub("-(.)", lambda match: match[1].upper(), component)
