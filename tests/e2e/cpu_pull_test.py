"""CPU profiles and GC pauses of Go programs, where nothing may sample the node.

Programs inside their pods are found and asked in turn. A program that is named by its URL tells its GC pauses too.
"""

import contextlib
import json
import subprocess
import tempfile

import programs
from daemons import Agent, Collector, get, wait_for
from metrics_text import series_value

KINDS = ("cpu", "garbage")


def metric(agent, name):
    return series_value(get(f"http://{agent.http}/metrics"), name) or 0


def check_pods(directory, collector, stack):
    stack.enter_context(Agent(directory, collector.grpc, "--capture.source=pprof", "--pprof.discover=cpu",
                              "--capture.duration=2s", "--capture.interval=2s", "--capture.max-overhead=0"))
    # Both programs are one service here; what they do tells them apart.
    def functions():
        done = subprocess.run(
            [programs.PILOTLIGHT, "top", "--collector", collector.grpc, "-s", '{service="classes-1.26.8-exe"}', "--cum",
             "-n", "0", "-o", "json", "--since=10m"], check=False, capture_output=True, text=True)
        return {row["function"] for row in json.loads(done.stdout)["rows"]} if done.returncode == 0 else set()

    wait_for("both programs", lambda: {"main.cpu", "main.garbage", "runtime.gcBgMarkWorker"} <= functions())


def check_target(directory, collector, path):
    with programs.Workload(path, "garbage") as load, \
            Agent(directory, collector.grpc, "--capture.source=pprof", f"--pprof.target=waste={load.url}",
                  "--capture.duration=1s", "--capture.interval=1s", "--capture.max-overhead=0") as agent:
        count = 'pilotlight_go_gc_pause_seconds_count{service="waste"}'
        wait_for("GC pauses", lambda: metric(agent, count) > 20)
        assert metric(agent, 'pilotlight_go_gc_pause_seconds_sum{service="waste"}') > 0
        assert metric(agent, 'pilotlight_go_cpu_samples_total{class="gc",service="waste"}') > 0
        status = get(f"http://{agent.http}/")
        assert "of 1 from their pprof endpoints" in status, status


def main():
    path = programs.build_go("classes", "1.26.8")
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other, Collector(one) as collector:
        with contextlib.ExitStack() as stack:
            for kind in KINDS:
                stack.enter_context(programs.Workload("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$1"',
                                                      path, kind))
            check_pods(one, collector, stack)
        check_target(other, collector, path)


if __name__ == "__main__":
    main()
