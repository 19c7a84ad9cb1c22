"""A Kubernetes cluster, as KUBECONFIG names it, and a release of the chart.

CLUSTER_NODE is an address by which this machine reaches a node (127.0.0.1), and
CHART_HELM another Helm than the fourth.
"""

import contextlib
import json
import os
import pathlib
import re
import tempfile
import threading

import yaml

from support import client
from support.command import run
from support.processes import Program, get, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm"
NODE = os.environ.get("CLUSTER_NODE", "127.0.0.1")
HELM = os.environ.get("CHART_HELM", ROOT / "build/chart_tools/bin/helm")

# Deployments, in the order in which work flows, and StatefulSets.
WORKLOADS = {"ingress": "deployment", "model-router": "deployment",
             "batch-aggregator": "statefulset", "session-store": "statefulset",
             "metrics-collector": "statefulset"}


class Namespace:
    """One in which the restricted Pod Security standard is enforced."""

    def __init__(self, name):
        self.name = name
        self.kubectl("create", "namespace", name)
        self.kubectl("label", "namespace", name,
                     "pod-security.kubernetes.io/enforce=restricted")

    def kubectl(self, *args, **kwargs):
        return run("kubectl", "--namespace", self.name, *args, **kwargs)

    def get(self, *args):
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def names(self, kinds):
        return self.kubectl("get", kinds, "-o", "name").split()

    def apply(self, *objects):
        # Not as YAML: PyYAML leaves a bare y, which Kubernetes takes for true.
        self.kubectl("apply", "-f", "-", input="".join(
            json.dumps(o) for o in objects))

    def remove(self):
        # By itself it would wait for the grace of pods that a failure leaves.
        self.kubectl("delete", "deployments,statefulsets", "--all")
        self.kubectl("delete", "pods", "--all", "--grace-period=1",
                     "--timeout=120s")
        self.kubectl("delete", "namespace", self.name, "--timeout=120s")


class Release:
    """The chart, installed."""

    def __init__(self, namespace, name):
        self.namespace = namespace
        self.name = name
        self.fullname = (name if "agent-gateway" in name
                         else f"{name}-agent-gateway")
        self.http = self.grpc = None

    def helm(self, verb, *args, **kwargs):
        return run(HELM, verb, self.name, *args,
                   "--namespace", self.namespace.name, **kwargs)

    def install(self, *args):
        self.helm("install", CHART, "--wait", "--timeout=240s", *args)

    def upgrade(self, *args):
        self.helm("upgrade", CHART, "--wait", "--timeout=240s", *args)

    def uninstall(self):
        """Until no pod is left: some end after what made them is gone."""
        self.helm("uninstall", "--wait", "--timeout=240s")
        self.namespace.kubectl(
            "wait", "--for=delete", "pod", "--timeout=240s",
            "-l", f"app.kubernetes.io/instance={self.name}")

    def workload(self, service):
        return f"{WORKLOADS[service]}/{self.fullname}-{service}"

    def pods(self, service):
        """Those that run or end, oldest first."""
        return sorted(self.namespace.get(
            "pods", "-l", f"app.kubernetes.io/instance={self.name},"
            f"app.kubernetes.io/component={service}")["items"],
            key=lambda pod: pod["metadata"]["creationTimestamp"])

    def open_to_the_outside(self):
        """Ports of the node for ingress; what an operator's load balancer is."""
        name = f"{self.name}-outside"
        self.namespace.apply({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": "NodePort", "selector": {
                "app.kubernetes.io/instance": self.name,
                "app.kubernetes.io/component": "ingress"},
                "ports": [{"name": port, "port": number, "targetPort": port}
                          for port, number in (("http", 8080),
                                               ("grpc", 50051))]}})
        ports = {port["name"]: port["nodePort"] for port in
                 self.namespace.get("service", name)["spec"]["ports"]}
        self.http = f"{NODE}:{ports['http']}"
        self.grpc = f"{NODE}:{ports['grpc']}"

        def reached():
            try:
                return get(f"http://{self.http}/v1/models")
            except OSError:
                return False
        wait_until(reached, 30, "ingress from outside")

    @contextlib.contextmanager
    def forwarded(self, pod, port):
        """Where a port of a pod's loopback is on this machine."""
        with tempfile.TemporaryDirectory() as folder:
            forward = Program(
                ["kubectl", "--namespace", self.namespace.name, "port-forward",
                 f"pod/{pod['metadata']['name']}", f":{port}"],
                pathlib.Path(folder) / "log")
            try:
                yield forward.wait_for_output(r"(127.0.0.1:\d+) ->")[1]
            finally:
                forward.stop()

    def wait_for_model(self, model, seconds=180):
        """Until every pod that answers chats knows it.

        A pod that runs gets a changed file within a minute or so, each at a
        time of its own; an ingress is told by a model-router.
        """
        for service, port, path in (("model-router", 9901, "/config_dump"),
                                    ("ingress", 8080, "/v1/models")):
            for pod in self.pods(service):
                with self.forwarded(pod, port) as address:
                    wait_until(
                        lambda url=f"http://{address}{path}":
                        re.search(rb"\b%s\b" % model.encode(), get(url)),
                        seconds, f"{pod['metadata']['name']}'s {model}")

    def wait_for_one_generation(self, service, seconds=120):
        """Until a rollout has ended and its last old pod is gone."""
        self.namespace.kubectl("rollout", "status", self.workload(service),
                               f"--timeout={seconds}s")
        wait_until(lambda: not any(
            "deletionTimestamp" in pod["metadata"]
            for pod in self.pods(service)), seconds, f"{service}'s old pods")


class Streams:
    """Streams that are open all the time, a new one whenever one ended."""

    def __init__(self, release, text, model, count):
        self._release, self._text, self._model = release, text, model
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.ended = 0
        self.broken = []
        self.want = client.words(int(text.split()[1]))
        begun = threading.Barrier(count + 1)
        self._threads = [threading.Thread(
            target=self._run, args=(client.grpc_stream if i % 2 else
                                    client.stream, begun), daemon=True)
            for i in range(count)]
        for thread in self._threads:
            thread.start()
        try:
            begun.wait(30)
        except threading.BrokenBarrierError:
            self.stop()
            raise AssertionError(
                f"not all streams began: {self.broken[0]}") from None

    def _run(self, stream, begun):
        address = (self._release.grpc if stream is client.grpc_stream
                   else self._release.http)
        first = begun.wait
        while not self._stop.is_set():
            try:
                answer = stream(address, self._text, self._model, begun=first)
                whole = answer.ended and answer.text == self.want
                fault = None if whole else (
                    f"{answer.status} after {len(answer.text)} bytes: "
                    f"{answer.body.decode()}")
            except Exception as error:  # whatever it is, it is counted
                fault = f"{stream.__name__}: {error!r}"
            with self._lock:
                self.ended += fault is None
                if fault:
                    self.broken.append(fault)
            if fault and first:
                begun.abort()
            first = None

    def stop(self):
        """Lets the last ones end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
