"""What runs in a pod of a real containerd is profiled under the pod's labels, and relabelled by them.

Also where the runtime hangs when the agent starts: capturing goes on meanwhile, and the labels come later.
"""

import contextlib
import json
import os
import subprocess
import tempfile

import programs
from containers import Containerd, PodOfOne
from daemons import Agent, Collector, get, wait_for
from metrics_text import series_value

CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
GOROUTINES = "goroutine:goroutine:count:goroutine:count"
IMAGE = "localhost/waiters:1.4"
LABELS = ["service_name", "namespace", "pod", "container", "image", "workload", "team", "shard", "executable"]
RELABEL = """relabel_configs:
  - source_labels: [__meta_kubernetes_pod_annotation_profiles_example_skip]
    regex: "true"
    action: drop
  - action: labelmap
    regex: __meta_kubernetes_pod_label_(team)
  - source_labels: [__meta_container_id]
    modulus: 1
    target_label: shard
    action: hashmod
  - source_labels: [namespace, __meta_process_executable]
    regex: shops;(/.*)
    target_label: executable
"""

SHOP = {
    "Name": "shop-web-7f9c6d5b8-x2x7k", "Namespace": "shops", "UID": "2f9a1c3e-7b4d-4e5f-8a6b-1234567890ab",
    "Labels": {"pod-template-hash": "7f9c6d5b8", "app.kubernetes.io/name": "shop", "team": "blue"},
    "Container": {"Name": "web", "Image": IMAGE},
}
QUIET = {
    "Name": "quiet-0", "Namespace": "quiets", "UID": "3f9a1c3e-7b4d-4e5f-8a6b-1234567890ab",
    "Labels": {"apps.kubernetes.io/pod-index": "0"}, "Annotations": {"profiles.example/skip": "true"},
    "Container": {"Name": "quiet", "Image": IMAGE},
}


def series(collector, profile_type):
    """The label sets of all profiles of this type, of LABELS those that are there."""
    output = subprocess.run(
        [programs.PILOTLIGHT, "query", "--collector", collector.grpc, "--type", profile_type, "--by", ",".join(LABELS),
         "-n", "0", "--since=10m", "-o", "json"], check=True, capture_output=True, text=True).stdout
    return [{name: value for name, value in one["labels"].items() if value} for one in json.loads(output)["series"]]


def metric(agent, name):
    """The value of one of the agent's metrics, given with its labels; None when it is not there."""
    return series_value(get(f"http://{agent.http}/metrics"), name)


def check_labels(agent, collector):
    expected = {"service_name": "shop", "namespace": "shops", "pod": SHOP["Name"], "container": "web", "image": IMAGE,
                "workload": "shop-web", "team": "blue", "shard": "0", "executable": "/program"}
    for profile_type in (CPU, GOROUTINES):
        wait_for(f"the pod's labels on {profile_type}", lambda kind=profile_type: expected in series(collector, kind))
    print(expected, flush=True)
    target = 'container="web",namespace="shops",pod="shop-web-7f9c6d5b8-x2x7k",service="shop"'
    assert metric(agent, f"pilotlight_cpu_samples_total{{{target}}}"), get(f"http://{agent.http}/metrics")
    assert metric(agent, 'pilotlight_container_lookups_total{result="found"}')
    wait_for("samples that are dropped", lambda: metric(agent, "pilotlight_capture_dropped_samples_total"))
    names = [labels for kind in (CPU, GOROUTINES) for labels in series(collector, kind)]
    assert all(labels.get("namespace") != "quiets" for labels in names), names


def main():
    waiters = programs.build_go("waiters", "1.26.8")
    with contextlib.ExitStack() as running:
        directory = running.enter_context(tempfile.TemporaryDirectory())
        relabel = os.path.join(directory, "relabel.yaml")
        with open(relabel, "w", encoding="utf-8") as file:
            file.write(RELABEL)
        containerd = running.enter_context(Containerd(directory))
        containerd.add_image(IMAGE, waiters)
        running.enter_context(PodOfOne(containerd, SHOP))
        collector = running.enter_context(Collector(directory))
        wait_for("the collector", lambda: get(f"http://{collector.http}/-/ready"))
        with containerd.hanging():
            agent = running.enter_context(Agent(
                directory, collector.grpc, "--capture.duration=1s", "--capture.interval=3s", "--trigger.interval=0s",
                "--capture.max-overhead=0", "--pprof.discover=goroutine", f"--labels.relabel-config={relabel}",
                f"--container.runtime-endpoint=unix://{containerd.socket}"))
            early = wait_for("windows while the runtime hangs", lambda: [
                labels for labels in series(collector, CPU) if labels["service_name"] == "program"])
            assert all("pod" not in labels for labels in early), early
            wait_for("a look-up that is given up", lambda: metric(agent, 'pilotlight_container_lookups_total{result="timeout"}'))
        running.enter_context(PodOfOne(containerd, QUIET))
        check_labels(agent, collector)
        assert agent.terminate() == 0, agent.output()


if __name__ == "__main__":
    main()
