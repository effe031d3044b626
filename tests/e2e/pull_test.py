"""Profiles other than of CPU are pulled from a Go program inside its pod, and mean what they say.

What is there (goroutines, memory in use) is not added up over windows; what happens (allocations, contention) is.
"""

import json
import re
import subprocess
import tempfile

import programs
from daemons import Agent, Collector, get, wait_for

GOROUTINES = "goroutine:goroutine:count:goroutine:count"
IN_USE = "memory:inuse_space:bytes:space:bytes"
ALLOCATED = "memory:alloc_space:bytes:space:bytes"
MUTEX = "mutex:delay:nanoseconds:contentions:count"
BLOCK = "block:delay:nanoseconds:contentions:count"
MIB = 1 << 20


def value_of(collector, kind, function):
    """(cumulative value, quality) of a function in the waiters' profile of this type."""
    output = subprocess.run(
        [programs.PILOTLIGHT, "top", "--collector", collector.grpc, "-s", '{service="waiters-1.26.8-exe"}', "--type", kind,
         "-n", "0", "-o", "json", "--since=10m"], check=True, capture_output=True, text=True).stdout
    answer = json.loads(output)
    values = {row["function"]: row["cumulative"]["value"] for row in answer["rows"]}
    return values.get(function, 0), answer["quality"]


def main():
    path = programs.build_go("waiters", "1.26.8")
    with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector, \
            programs.Workload("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0"', path), \
            Agent(directory, collector.grpc, "--capture.duration=1s", "--capture.interval=3s", "--capture.max-overhead=0",
                  "--pprof.discover=goroutine,heap,mutex,block") as agent:
        pulls = 'pilotlight_capture_windows_total{outcome="ok",source="pull"} '
        wait_for("five pulls", lambda: any(
            line.startswith(pulls) and float(line.split()[-1]) >= 5 for line in get(f"http://{agent.http}/metrics").split("\n")))
        wait_for("contention", lambda: value_of(collector, MUTEX, "main.contend")[0])
        goroutines, quality = value_of(collector, GOROUTINES, "main.waitForEver")
        print(f"{goroutines} goroutines wait, {quality}", flush=True)
        assert goroutines == 25, goroutines
        in_use, _ = value_of(collector, IN_USE, "main.keep")
        assert 7.9 * MIB < in_use < 8.2 * MIB, in_use
        allocated, _ = value_of(collector, ALLOCATED, "main.allocate")
        assert allocated > 10 * MIB and value_of(collector, ALLOCATED, "main.keep")[0] == 0, allocated
        blocked, _ = value_of(collector, BLOCK, "main.contend")
        assert blocked > 1e9, blocked
        status = get(f"http://{agent.http}/")
        # Others may run on this machine.
        found = re.search(r"GC pauses of (\d+) processes, from their memory", status)
        assert found and int(found[1]) >= 1 and re.search(r"from [1-9]\d* pprof endpoints", status), status
        more = wait_for("more of it", lambda: value_of(collector, ALLOCATED, "main.allocate")[0] > 1.5 * allocated)
        assert more and value_of(collector, GOROUTINES, "main.waitForEver")[0] == 25


if __name__ == "__main__":
    main()
