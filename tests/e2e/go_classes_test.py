"""Shares of CPU by class: what eBPF sees of a Go program agrees with its own pprof over the same seconds.

    go_classes_test.py [--seconds N] VERSION…

Two agents watch each kind of the workload `classes`, one by eBPF and one through its pprof endpoint. The 95 % intervals
of a class's two shares must have a value in common, in 95 % of the comparisons, and none may differ beyond noise. The
samples in runtime.sysmon are left out: a Go program cannot sample that thread of its own. The programs have one CPU:
pprof samples at ticks of the scheduler's clock, which all have at the same moment, and what two are doing to each other
is not the same then: one sampler by eBPF's clock saw 11 % of runtime.wakep at ticks and 21 % between them.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile

import programs
from daemons import Agent, Collector, get, wait_for

KINDS = ("cpu", "mutex", "channel", "http", "garbage", "timer", "file", "network", "stack", "mem")
# Standard errors: of 150 comparisons, chance alone makes one exceed it in one run of a thousand.
NOISE = 4.5
SAMPLES = re.compile(r'^pilotlight_go_cpu_samples_total{class="(\w+)",service="([^"]+)"} (\S+)$', re.M)


def pilotlight(command, collector):
    return subprocess.run([programs.PILOTLIGHT, command, "-o", "json", f"--collector={collector.grpc}"], check=True,
                          capture_output=True, text=True)


def counts(agent, service):
    """Samples by class."""
    text = get(f"http://{agent.http}/metrics")
    return {name: int(float(n)) for name, target, n in SAMPLES.findall(text) if target == service}


def sysmon_samples(collector, node):
    folded = subprocess.run([programs.PILOTLIGHT, "flame", "-o", "folded", "--since=5m", f"--selector={{node=\"{node}\"}}",
                             f"--collector={collector.grpc}"], check=True, capture_output=True, text=True).stdout
    return sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines() if "runtime.sysmon" in line)


def watch(collector, load, service, seconds):
    """Samples by class, as eBPF and as pprof have them."""
    node = f"ours-{load.pid}"
    flags = ("--capture.interval=1h", "--trigger.interval=0s", "--capture.max-overhead=0")
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other, \
            Agent(one, collector.grpc, *flags, f"--node.name={node}", "--capture.source=ebpf") as ours, \
            Agent(other, collector.grpc, *flags, "--node.name=theirs", "--capture.source=pprof",
                  f"--pprof.target=theirs={load.url}") as theirs:
        wait_for("both agents", lambda: len(json.loads(pilotlight("agents", collector).stdout)) == 2)
        captures = [subprocess.Popen([programs.PILOTLIGHT, "capture", f"--collector={collector.grpc}", f"--node={node}",
                                      f"--for={seconds}s"], stdout=subprocess.DEVNULL) for node in (node, "theirs")]
        assert [capture.wait() for capture in captures] == [0, 0]
        seen = counts(ours, service)
        # A lock that sysmon takes is of another class.
        seen["scheduler"] = max(0, seen["scheduler"] - sysmon_samples(collector, node))
        return seen, counts(theirs, "theirs")


def check(collector, version, kind, seconds):
    path = programs.build_go("classes", version)
    with programs.Workload("env", "GOMAXPROCS=1", path, kind) as load:
        ours, theirs = watch(collector, load, path.rsplit("/", 1)[1], seconds)
    n, m = sum(ours.values()), sum(theirs.values())
    agreed, shares, errors = [], [], []
    for name in ours:
        if ours[name] + theirs[name] == 0:
            continue
        shares.append(f"{name} {ours[name] / n:.1%}/{theirs[name] / m:.1%}")
        a, b = programs.wilson(ours[name], n), programs.wilson(theirs[name], m)
        agreed.append(a.lower <= b.upper and b.lower <= a.upper)
        if abs(programs.two_proportions(ours[name], n, theirs[name], m)) > NOISE:
            errors.append(name)
    print(f"Go {version} {kind}: {n}/{m} samples: {', '.join(shares)}:",
          f"differ: {errors}" if errors else f"{sum(agreed)} of {len(agreed)} within", flush=True)
    return agreed, errors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--kind", action="append")
    parser.add_argument("versions", nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector:
        results = [check(collector, version, kind, arguments.seconds)
                   for version in arguments.versions for kind in arguments.kind or KINDS]
    agreed = [one for agreed, _ in results for one in agreed]
    errors = [name for _, errors in results for name in errors]
    print(f"{sum(agreed)} of {len(agreed)} shares within each other's intervals")
    sys.exit(1 if errors or sum(agreed) < 0.95 * len(agreed) else 0)


if __name__ == "__main__":
    main()
