"""The Go compiler takes our profiles for its optimizations (PGO), and finds the same calls hot as in the program's own.

A program that writes its own profile is watched by eBPF meanwhile. Its own profile is pushed to a collector, and comes back
from there. With each of the three the compiler builds the program, and says which calls it inlines because they are hot.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

import daemons
import programs

SOURCE = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "workloads", "hot_calls")
# Too large to be inlined otherwise.
HOT = {"main.(*table).add", "main.mix"}


def hot_calls(version, profile, program):
    """(function, place, caller) of the calls that this Go inlines by the profile."""
    built = subprocess.run(
        ["go", "build", f"-pgo={profile}", "-gcflags=-d=pgodebug=1", "-o", program, "."], cwd=SOURCE, check=False,
        env=dict(os.environ, GOTOOLCHAIN=f"go{version}", CGO_ENABLED="0"), capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    found = set(re.findall(r"hot-budget check allows inlining for call (.*) \(cost \d+\) at (.*) in function (.*)", built.stderr))
    assert HOT <= {function for function, _, _ in found}, built.stderr
    return found


def edges(profile):
    """Samples by (caller, callee, lines from the start of the caller), as the compiler will read them."""
    lines = subprocess.run(["go", "tool", "preprofile", "-i", profile], check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[0].startswith("GO PREPROFILE"), lines[:1]
    weights = collections.Counter()
    for caller, callee, numbers in zip(lines[1::3], lines[2::3], lines[3::3]):
        offset, weight = map(int, numbers.split())
        # The runtime leaves out of names what a generic function is made for.
        weights[re.sub(r"\[.*\]", "[...]", caller), re.sub(r"\[.*\]", "[...]", callee), offset] += weight
    return weights


def with_share(weights, share):
    return {edge for edge, weight in weights.items() if weight >= share * sum(weights.values())}


def check(version, directory, collector):
    own, ours, pushed = (os.path.join(directory, f"{name}-{version}.pgo") for name in ("own", "ours", "pushed"))
    with programs.Workload(programs.build_go("hot_calls", version), own) as load:
        daemons.run(programs.PILOTLIGHT, "record", "--source", "ebpf", "--pid", str(load.pid), "--for", "3s", "--out", ours)
        load.process.stdin.close()
        load.process.wait()
        load.process.stdin = None  # communicate() would flush it
    service = f"go{version}"
    daemons.run(programs.PILOTLIGHT, "push", f"--collector={collector.grpc}", f"--service={service}", own)
    query = urllib.parse.urlencode({"selector": f'{{service_name="{service}"}}'})
    urllib.request.urlretrieve(f"http://{collector.http}/debug/pprof/merge?{query}", pushed)

    theirs, seen = edges(own), edges(ours)
    assert theirs and edges(pushed) == theirs, service
    assert with_share(theirs, 0.1) <= with_share(seen, 0.05) and with_share(seen, 0.1) <= with_share(theirs, 0.05), (theirs, seen)
    program = os.path.join(directory, "program")
    expected = hot_calls(version, own, program)
    assert hot_calls(version, pushed, program) == expected, service
    found = hot_calls(version, ours, program)
    assert found == expected, f"{service}: only in ours: {found - expected}, only in its own: {expected - found}"
    print(f"{service}: hot calls: {', '.join(f'{function} at {place}' for function, place, _ in sorted(found))}", flush=True)


def main():
    with tempfile.TemporaryDirectory() as directory, daemons.Collector(directory) as collector:
        daemons.wait_for("the collector", lambda: daemons.get(f"http://{collector.http}/-/ready"))
        for version in sys.argv[1:]:
            check(version, directory, collector)


if __name__ == "__main__":
    main()
