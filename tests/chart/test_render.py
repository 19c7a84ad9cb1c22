"""Each set of values renders what is kept, and Kubernetes takes it.

After a change of the chart: UPDATE_GOLDEN=1 pytest tests/chart/test_render.py,
then read the difference.
"""

import os
import pathlib
import re
import subprocess
import tarfile

import pytest

import chart

GOLDEN = pathlib.Path(__file__).parent / "golden"


@pytest.fixture(params=chart.VALUE_SETS)
def values(request):
    return request.param


def test_lints(values):
    files, _ = chart.VALUE_SETS[values]
    said = chart.helm("lint", ".", "--strict",
                      *[flag for file in files for flag in ("-f", file)])
    assert "[WARNING]" not in said and "[ERROR]" not in said


def test_renders_what_is_kept(values):
    # Between Helm 3 and 4 only the order of the documents differs.
    documents = re.split(r"^---\n", chart.value_set(values), flags=re.M)
    text = "---\n".join(sorted(document.strip() + "\n"
                               for document in documents if document.strip()))
    file = GOLDEN / f"{values}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


def test_every_golden_has_its_values():
    assert {file.stem for file in GOLDEN.glob("*.yaml")} == set(
        chart.VALUE_SETS)


def conforms(manifests, version):
    done = subprocess.run(
        [chart.TOOLS / "bin/kubeconform", "-strict", "-summary",
         "-kubernetes-version", f"{version}.0",
         "-schema-location", f"{chart.TOOLS}/schemas/v{version}.0-strict/"
         "{{.ResourceKind}}{{.KindSuffix}}.json"],
        input=manifests, capture_output=True, text=True, timeout=60)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.28", "1.37"])
def test_kubernetes_takes_it(values, version):
    fits, said = conforms(chart.value_set(values), version)
    assert fits, said
    assert "Valid: 0," not in said


@pytest.mark.parametrize("version", ["1.28", "1.37"])
@pytest.mark.parametrize("kind, right, wrong, said", [
    ("Deployment", "enableServiceLinks:", "enableServiceLink:",
     "enableServiceLink"),
    ("StatefulSet", "replicas: 1", 'replicas: "1"', "/spec/replicas"),
    ("HTTPRoute", "backendRequest: 0s", "backendRequests: 0s",
     "backendRequests"),
    ("HTTPRoute", "request: 0s", "request: never", "/timeouts/request"),
    ("GRPCRoute", "port: 50051", "port: grpc", "/backendRefs/0/port"),
    ("PodMonitor", "scrapeTimeout: ", "scrapeTimeouts: ", "scrapeTimeouts"),
])
def test_the_schemas_find_what_is_wrong(version, kind, right, wrong, said):
    (document, *_) = [document for document
                      in chart.value_set("ci-full").split("---\n")
                      if f"\nkind: {kind}\n" in document]
    assert right in document
    fits, heard = conforms(document.replace(right, wrong), version)
    assert not fits and "1 resource" in heard and said in heard, heard


@pytest.mark.parametrize("release", ["y", "on", "1", "1e3", "null"])
def test_a_release_may_have_a_name_that_yaml_reads_as_another_thing(release):
    manifests = chart.render("ci/full.yaml", release=release)
    fits, said = conforms(manifests, "1.37")
    assert fits, said
    for document in chart.objects(manifests).values():
        for label, value in document["metadata"].get("labels", {}).items():
            assert isinstance(value, str), label
    # PyYAML and Kubernetes do not agree on which words are booleans.
    for line in manifests.splitlines():
        if "app.kubernetes.io/instance:" in line:
            assert line.endswith(f'instance: "{release}"')


def test_names_of_the_longest_release_fit():
    manifests = chart.render(release="a" * 53)
    for (kind, name), _ in chart.objects(manifests).items():
        # A StatefulSet's pods carry its name and a hash in a label.
        assert len(name) <= (52 if kind == "StatefulSet" else 63), name


def test_the_oldest_kubernetes_is_what_the_chart_says():
    chart.render(args=["--kube-version", "1.28.0"])
    with pytest.raises(chart.Refused, match="incompatible"):
        chart.render(args=["--kube-version", "1.27.9"])


def test_versions_are_those_of_the_project():
    project = re.search(r"project\(agent_gateway VERSION ([\d.]+)",
                        (chart.ROOT / "CMakeLists.txt").read_text())[1]
    described = chart.load((chart.CHART / "Chart.yaml").read_text())
    assert described["version"] == described["appVersion"] == project
    assert f"## {project}" in (chart.CHART / "CHANGELOG.md").read_text()


def test_templates_neither_ask_a_cluster_nor_draw_lots():
    """Offline there is nobody to ask, and a rollout would change a secret."""
    for path in (chart.CHART / "templates").rglob("*.*"):
        found = re.search(r"\.Capabilities|\b(lookup|rand\w+|gen\w+|now)\b",
                          re.sub(r"{{- /\*.*?\*/}}", "", path.read_text()))
        assert not found, f"{path.name}: {found[0]}"


def test_the_package_leaves_its_tests_out(tmp_path):
    chart.helm("package", ".", "--destination", tmp_path)
    (package,) = tmp_path.iterdir()
    with tarfile.open(package) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"values.schema.json", "presets/support.yaml", "README.md",
            "files/restart-keys.yaml", "templates/tests/smoke.yaml"} <= names
    assert not {name for name in names if name.startswith(("ci/", "tests/"))}


def test_no_pod_needs_more_than_restricted_pod_security(values):
    manifests = chart.value_set(values)
    for name, pod in chart.pods(manifests).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert "runAsUser" not in spec["securityContext"], name
        assert spec["securityContext"]["seccompProfile"] == {
            "type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert not any("hostPort" in port
                           for port in container.get("ports", [])), name
        for volume in spec["volumes"]:
            assert volume.keys() - {"name"} <= {
                "configMap", "emptyDir", "projected", "secret",
                "persistentVolumeClaim"}, name


def test_no_object_stands_for_rights_or_secrets(values):
    kinds = {kind for kind, name in chart.objects(chart.value_set(values))
             if not name.endswith("-text")}
    assert not kinds & {"Secret", "Role", "RoleBinding", "ClusterRole",
                        "ClusterRoleBinding", "ServiceAccount"}


def test_every_variable_stands_once_and_in_order(values):
    manifests = chart.value_set(values)
    for name, pod in chart.pods(manifests).items():
        for container in pod["spec"]["containers"]:
            names = [variable["name"] for variable in container.get("env", [])]
            assert names == sorted(set(names)), name
            for variable in container.get("env", []):
                assert isinstance(variable.get("value", ""), str), variable
                # Its name would be one of those that Kubernetes makes up.
                assert not re.fullmatch(r"GATEWAY_(PORT|.*_SERVICE_HOST)",
                                        variable["name"])


def test_selectors_and_claims_carry_nothing_that_changes(values):
    stable = {"app.kubernetes.io/name", "app.kubernetes.io/instance",
              "app.kubernetes.io/component"}
    for (kind, _), document in chart.objects(chart.value_set(values)).items():
        spec = document.get("spec", {})
        if kind in ("Deployment", "StatefulSet"):
            assert spec["selector"]["matchLabels"].keys() == stable
            labels = spec["template"]["metadata"]["labels"]
            assert spec["selector"]["matchLabels"].items() <= labels.items()
            assert "helm.sh/chart" not in labels
        if kind == "Service":
            assert spec["selector"].keys() == stable
        for claim in spec.get("volumeClaimTemplates", []):
            assert claim["metadata"]["labels"].keys() == stable


def test_the_config_is_mounted_as_a_folder(values):
    manifests = chart.value_set(values)
    for name, pod in chart.pods(manifests).items():
        for container in pod["spec"]["containers"]:
            for mount in container.get("volumeMounts", []):
                # A file by itself never changes in a running pod.
                assert "subPath" not in mount, name


def test_the_grace_of_a_pod_holds_its_drain(values):
    manifests = chart.value_set(values)
    for component in chart.COMPONENTS:
        if values == "ci-small" and component == "batch-aggregator":
            continue
        env = chart.environment(manifests, component)
        section = f"GATEWAY__{component.upper().replace('-', '_')}__SHUTDOWN__"
        pod = chart.of_component(manifests, component)["spec"]["template"]
        assert pod["spec"]["terminationGracePeriodSeconds"] == (
            int(env[section + "PRE_DRAIN_DELAY"])
            + int(env[section + "DRAIN_TIMEOUT"]) + 10)


def allowed(manifests, caller, callee):
    """Whether network policies let the caller reach the callee's gRPC port."""
    def names(rules, field):
        return {peer["podSelector"]["matchLabels"]
                ["app.kubernetes.io/component"]
                for rule in rules for peer in rule.get(field, [])
                if "podSelector" in peer}
    policy = policies_of(manifests)
    return (callee in names(policy[caller]["egress"], "to")
            and caller in names(policy[callee]["ingress"], "from"))


def policies_of(manifests):
    return {document["metadata"]["labels"]["app.kubernetes.io/component"]:
            document["spec"]
            for (kind, _), document in chart.objects(manifests).items()
            if kind == "NetworkPolicy"}


def test_network_policies_let_through_who_is_called_and_nobody_else():
    manifests = chart.value_set("ci-full")
    for caller in chart.COMPONENTS:
        env = chart.environment(manifests, caller)
        called = {callee for callee in chart.COMPONENTS
                  if f"GATEWAY__{callee.upper().replace('-', '_')}__TARGET"
                  in env}
        reached = {callee for callee in chart.COMPONENTS
                   if allowed(manifests, caller, callee)}
        assert called == reached, caller
    policies = policies_of(manifests)
    assert all(policy["policyTypes"] == ["Ingress", "Egress"]
               for policy in policies.values())
    outside = {component for component, policy in policies.items()
               if any("ipBlock" in peer for rule in policy["egress"]
                      for peer in rule.get("to", []))}
    assert outside == {"model-router"}


def test_targets_are_services_without_an_address_of_their_own():
    manifests = chart.value_set("defaults")
    services = {name: document["spec"]
                for (kind, name), document in chart.objects(manifests).items()
                if kind == "Service"}
    for component in chart.COMPONENTS:
        for name, value in chart.environment(manifests, component).items():
            if name.endswith("__TARGET"):
                host = re.fullmatch("dns:///(.*):50051", value)[1]
                assert services[host]["clusterIP"] == "None"
                assert services[host]["publishNotReadyAddresses"] is False


CONFIG = {"session": {"maxTurns": 5}, "limits": {"maxRequestsInFlight": 7}}


@pytest.mark.parametrize("change, restarts", [
    ({"session": {"maxTurns": 6}}, True),
    ({"limits": {"maxHeaderBytes": 1024}}, True),
    ({"threads": 3}, True),
    ({"limits": {"maxRequestsInFlight": 8}}, False),
    ({"models": {"m": {"targets": [{"provider": "p"}]}},
      "providers": {"p": {"dialect": "mock"}}}, False),
])
def test_a_hot_key_leaves_the_pods_alone(change, restarts):
    before = chart.render(values={"config": CONFIG})
    after = chart.render(values={"config": chart.merged(CONFIG, change)})
    assert chart.config_file(before) != chart.config_file(after)
    for component in chart.COMPONENTS:
        template, other = (chart.of_component(manifests, component)
                           ["spec"]["template"] for manifests in (before, after))
        assert (template != other) == restarts, component
