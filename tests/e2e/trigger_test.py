"""Extra captures: a spike of CPU between two windows is caught within 2 s of its start, and a person gets one, and a
look at the node."""

import json
import re
import subprocess
import sys
import tempfile
import time

from daemons import Agent, Collector, Daemon, get, program, wait_for
from metrics_text import series_value
from programs import workload

SPIKE_SECONDS = 3
INTERVAL_SECONDS = 45
# A fifth of a core: a node without any work has windows without any sample.
SOME_WORK = """
import time
while True:
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        pass
    time.sleep(0.08)
"""
WARM_UP_SECONDS = 13  # after a window: of the detector, and of the last second that it looks at


def metric(agent, series):
    return series_value(get(f"http://{agent.http}/metrics"), series)


def pilotlight(collector, *arguments):
    return subprocess.run([program("pilotlight"), *arguments, "--collector", collector.grpc], capture_output=True,
                          text=True)


def windows(collector, selector):
    return json.loads(pilotlight(collector, "top", "-s", selector, "-o", "json").stdout)["quality"]["windows"]


def spike_is_caught(directory, collector, agent):
    before = agent.output().count("extra capture")
    with Daemon(directory, workload("deep_stacks"), "1"):
        start = time.monotonic()
        wait_for("an extra capture", lambda: agent.output().count("extra capture") > before, every=0.02)
        delay = time.monotonic() - start
        time.sleep(max(0, SPIKE_SECONDS - delay))
    assert delay < 2, delay
    reason = re.findall(r"extra capture: (.*)", agent.output())[-1]
    print(f"caught after {delay:.2f} s: {reason}", flush=True)
    selector = '{trigger="cpu"}'
    wait_for("its window", lambda: windows(collector, selector) > 0)
    services = pilotlight(collector, "labels", "service_name", "-s", selector).stdout.split()
    assert "deep_stacks" in services, services
    assert windows(collector, '{trigger=""}') > 0


def a_person_gets_one(collector, node):
    listed = json.loads(pilotlight(collector, "agents", "-o", "json").stdout)
    assert [agent["node"] for agent in listed] == [node], listed
    answer = pilotlight(collector, "capture", "--node", node, "--for", "2s", "-o", "json")
    assert answer.returncode == 0, answer
    quality = json.loads(answer.stdout)["quality"]
    # Each label set has watched for the whole capture.
    assert 1.9 < quality["watched_seconds"] / quality["windows"] < 2.5, quality
    doctor = pilotlight(collector, "doctor", "--node", node, "--json")
    assert doctor.returncode == 0, doctor
    assert "pilotlight-agent" in [program["service"] for program in json.loads(doctor.stdout)["programs"]], doctor
    unknown = pilotlight(collector, "capture", "--node", "nowhere")
    assert unknown.returncode == 1 and 'no agent of node "nowhere"' in unknown.stderr, unknown
    assert pilotlight(collector, "capture", "--node", node, "--for", "2m").returncode == 2


def main():
    with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector, \
            Daemon(directory, sys.executable, "-c", SOME_WORK), \
            Agent(directory, collector.grpc, "--node.name=here", "--capture.duration=1s",
                  f"--capture.interval={INTERVAL_SECONDS}s") as agent:
        ok = 'pilotlight_capture_windows_total{outcome="ok",source="ebpf"}'
        wait_for("the first window", lambda: metric(agent, ok) >= 1, seconds=INTERVAL_SECONDS + 20)
        time.sleep(WARM_UP_SECONDS)
        spike_is_caught(directory, collector, agent)
        wait_for("the next window", lambda: metric(agent, ok) >= 3, seconds=INTERVAL_SECONDS + 20)
        a_person_gets_one(collector, "here")
        captured = 'pilotlight_capture_triggers_total{outcome="captured",trigger="cpu"}'
        assert metric(agent, captured) >= 1


if __name__ == "__main__":
    main()
