"""Stops of the world, timed by uprobes, are those that the Go runtime counts itself.

    stop_the_world_test.py [--seconds N] VERSION…

Each collection stops the program twice. Since Go 1.22 the runtime tells the times that it counts, and we must agree to
5 %. Before, we see the wait for the scheduler's lock and the end of the last stop too, which it leaves out, but not the
few microseconds until the first probe reads the clock.
"""

import argparse
import re
import tempfile

import programs
from daemons import Agent, Collector, get, wait_for
from gc_pauses_test import counted, make_garbage
from metrics_text import series_value

FAMILY = "pilotlight_go_gc_stop_the_world_seconds"
WINDOWS = 'pilotlight_capture_windows_total{outcome="ok",source="ebpf"}'


def timed(agent, service):
    """(stops, seconds until they had stopped, seconds that they were stopped)"""
    text = get(f"http://{agent.http}/metrics")
    values = {(name, phase): float(value) for name, phase, value in re.findall(
        rf'^{FAMILY}_(count|sum){{phase="(\w+)",service="{re.escape(service)}"}} (\S+)$', text, re.M)}
    stops = values.get(("count", "stopped"), 0)
    assert stops == values.get(("count", "stopping"), 0)
    return stops, values.get(("sum", "stopping"), 0), values.get(("sum", "stopped"), 0)


def windows(agent):
    return series_value(get(f"http://{agent.http}/metrics"), WINDOWS)


def after_two_windows(agent, service):
    """What there is when all that has happened before is read."""
    before = windows(agent)
    wait_for("two windows", lambda: windows(agent) >= before + 2)
    return timed(agent, service)


def check(version, mode, seconds, agent):
    path = programs.build_go("garbage", version, mode)
    service = path.rsplit("/", 1)[1]
    with programs.Workload(path) as load:
        counted(load, "spin")
        wait_for("the probes", lambda: counted(load, "spin") and timed(agent, service)[0] >= 2)
        cycles, total = counted(load, "spin")
        first = after_two_windows(agent, service)
        more_cycles, more_total = make_garbage(load, agent, service, seconds)
        last = after_two_windows(agent, service)
    stops, stopping, stopped = (b - a for a, b in zip(first, last))
    own_ratio = (stopping + stopped) / ((more_total - total) * 1e-9)
    print(f"Go {version} {mode}: {stops:.0f} stops in {more_cycles - cycles} collections, {stopping * 1e3:.1f} ms until they had "
          f"stopped and {stopped * 1e3:.1f} ms stopped, {own_ratio:.3f} of what the runtime counted", flush=True)
    assert stops == 2 * (more_cycles - cycles), stops
    if int(version.split(".")[1]) >= 22:
        assert 0.95 < own_ratio < 1.05, own_ratio
    else:
        assert own_ratio > 0.85, own_ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of CPU time to make garbage for (default 5)")
    parser.add_argument("versions", nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector, \
            Agent(directory, collector.grpc, "--capture.duration=500ms", "--capture.interval=1s",
                  "--capture.max-overhead=0", "--gc.stop-the-world") as agent:
        for version in arguments.versions:
            check(version, "exe", arguments.seconds, agent)
        check(arguments.versions[-1], "pie", arguments.seconds, agent)
        found = re.search(r"stops of (\d+) executables timed by uprobes", get(f"http://{agent.http}/"))
        assert found and int(found[1]) >= 1


if __name__ == "__main__":
    main()
