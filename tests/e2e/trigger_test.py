"""Extra captures: a spike of CPU between two windows is caught within 2 s of its start."""

import json
import re
import subprocess
import tempfile
import time

from daemons import Agent, Collector, Daemon, get, program, wait_for
from programs import workload

SPIKE_SECONDS = 3
INTERVAL_SECONDS = 45
WARM_UP_SECONDS = 13  # after a window: of the detector, and of the last second that it looks at


def metric(agent, series):
    found = re.search(rf"^{re.escape(series)} (\S+)$", get(f"http://{agent.http}/metrics"), re.M)
    return float(found.group(1))


def top(collector, selector):
    answer = subprocess.run([program("pilotlight"), "top", "--collector", collector.grpc, "-s", selector, "-o", "json"],
                            check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


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
    wait_for("its window", lambda: top(collector, selector)["quality"]["windows"] > 0)
    services = subprocess.run([program("pilotlight"), "labels", "service_name", "--collector", collector.grpc, "-s", selector],
                              check=True, capture_output=True, text=True).stdout.split()
    assert "deep_stacks" in services, services
    assert top(collector, '{trigger=""}')["quality"]["windows"] > 0


def main():
    with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector, \
            Agent(directory, collector.grpc, "--capture.duration=1s", f"--capture.interval={INTERVAL_SECONDS}s") as agent:
        ok = 'pilotlight_capture_windows_total{outcome="ok",source="ebpf"}'
        wait_for("the first window", lambda: metric(agent, ok) >= 1, seconds=INTERVAL_SECONDS + 20)
        time.sleep(WARM_UP_SECONDS)
        spike_is_caught(directory, collector, agent)
        wait_for("the next window", lambda: metric(agent, ok) >= 3, seconds=INTERVAL_SECONDS + 20)
        captured = 'pilotlight_capture_triggers_total{outcome="captured",trigger="cpu"}'
        assert metric(agent, captured) >= 1


if __name__ == "__main__":
    main()
