"""The caller behind mcall: stacks below runtime.mcall show the goroutine that gave up the CPU.

Each kind of the workload `blockers` blocks at one known place. At least 95 % of the samples with runtime.mcall must
show a caller, 90 % of each kind, and that must be the known place in every one of them.
"""

import argparse
import sys

import programs

SECONDS = 5
KINDS = {"channel": "main.waitOnChannel", "mutex": "main.waitOnMutex", "timer": "main.waitOnTimer",
         "select": "main.waitOnSelect", "network": "main.waitOnNetwork", "yield": "main.yield"}


def check(path, version, kind, place):
    with programs.Workload(path, kind) as load:
        stacks = programs.record("--source", "ebpf", "--pid", str(load.pid), "--for", f"{SECONDS}s")
    mcall = [(frames[:frames.index("runtime.mcall")], count) for frames, count in stacks if "runtime.mcall" in frames]
    total = sum(count for _, count in mcall)
    joined = sum(count for callers, count in mcall if callers)
    wrong = [";".join(callers) for callers, _ in mcall if callers and place not in callers]
    print(f"Go {version} {kind}: {joined} of {total} joined, wrong: {wrong or 'none'}", flush=True)
    # Of few samples, three may fall into the switch itself.
    return not wrong and total >= 10 and joined >= min(0.9 * total, total - 3), joined, total


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="+")
    results = []
    for version in parser.parse_args().versions:
        path = programs.build_go("blockers", version)
        results += [check(path, version, kind, place) for kind, place in KINDS.items()]
    good, joined, total = zip(*results)
    sys.exit(0 if all(good) and sum(joined) >= 0.95 * sum(total) else 1)


if __name__ == "__main__":
    main()
