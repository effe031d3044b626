"""GC pauses: what the agent reads from a stripped Go program's memory is what its own runtime counted.

    gc_pauses_test.py [--seconds N] VERSION…
"""

import argparse
import re
import tempfile

import programs
from daemons import Agent, Collector, get, wait_for
from metrics_text import series_value

FAMILY = "pilotlight_go_gc_pause_seconds"


def metric(agent, name, service):
    """Its value, or None when it is not there."""
    return series_value(get(f"http://{agent.http}/metrics"), f'{name}{{service="{service}"}}')


def counted(load, command):
    """(cycles, sum of their pauses in ns), by the program's runtime."""
    return tuple(int(n) for n in re.fullmatch(r"cycles=(\d+) pause_total_ns=(\d+)", load.ask(command)).groups())


def make_garbage(load, agent, service, seconds):
    """For so many seconds of CPU time; returns what was counted then."""
    counted(load, "allocate")
    before = metric(agent, "pilotlight_cpu_seconds_total", service)
    wait_for(f"{seconds} s of garbage",
             lambda: metric(agent, "pilotlight_cpu_seconds_total", service) - before > seconds,
             seconds=10 * seconds + 60, every=0.5)
    return counted(load, "spin")


def check(version, mode, seconds, agent):
    path = programs.build_go("garbage", version, mode)
    service = path.rsplit("/", 1)[1]
    with programs.Workload(path) as load:
        cycles, total = counted(load, "spin")
        wait_for("the first look", lambda: metric(agent, f"{FAMILY}_count", service) == 0)
        more_cycles, more_total = make_garbage(load, agent, service, seconds)
        expected = more_cycles - cycles
        wait_for(f"{expected} pauses", lambda: metric(agent, f"{FAMILY}_count", service) == expected)
        pauses = metric(agent, f"{FAMILY}_sum", service)
        assert abs(pauses - (more_total - total) * 1e-9) < 1e-9 * expected, (pauses, more_total - total)
        assert metric(agent, "pilotlight_go_gc_pauses_missed_total", service) == 0
        assert expected > 5 * seconds, expected
        print(f"Go {version} {mode}: {expected} pauses, {pauses * 1e3:.3f} ms in all: equal", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of CPU time to make garbage for (default 5)")
    parser.add_argument("versions", nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector, \
            Agent(directory, collector.grpc, "--capture.duration=500ms", "--capture.interval=1s",
                  "--capture.max-overhead=0") as agent:
        for version in arguments.versions:
            for mode in ("exe", "pie"):
                check(version, mode, arguments.seconds, agent)


if __name__ == "__main__":
    main()
