"""True: the shares of a flame graph against what the process measured of itself, for each capture source.

Each workload books the CPU time of its functions by its thread's CPU clock. The true share of each function
must lie in the 95 % interval of its share of the samples in at least 95 % of 40 windows.
"""

import argparse
import collections
import sys

import programs

WINDOWS = 40
SECONDS = "1s"


def window(load, source):
    """Of one window, a line on each function whose true share is outside of the interval, by its name; and the
    number of samples."""
    target = ["--url", load.url] if source == "pprof" else ["--pid", str(load.pid)]
    before = load.truth()
    stacks = programs.record("--source", source, "--for", SECONDS, *target)
    after = load.truth()
    total_time = after["total"] - before["total"]
    samples = sum(count for _, count in stacks)
    if samples == 0:
        return {function: "no samples at all" for function in before.keys() - {"total"}}, 0
    outside = {}
    for function in before.keys() - {"total"}:
        true_share = (after[function] - before[function]) / total_time
        hits = sum(count for frames, count in stacks if function in frames)
        interval = programs.wilson(hits, samples)
        if not interval.lower <= true_share <= interval.upper:
            outside[function] = f"true {true_share:.3f}, {hits} of {samples} samples"
    return outside, samples


def run(source, name, command):
    misses = collections.Counter()
    least_samples = None
    with programs.Workload(*command) as load:
        for _ in range(WINDOWS):
            outside, samples = window(load, source)
            misses.update(outside.keys())
            least_samples = samples if least_samples is None else min(samples, least_samples)
            for function, line in outside.items():
                print(f"  outside: {function}: {line}", flush=True)
        functions = load.truth().keys() - {"total"}
    for function in sorted(functions):
        print(f"{source} {name} {function}: {WINDOWS - misses[function]} of {WINDOWS} windows true")
    print(f"{source} {name}: at least {least_samples} samples a window", flush=True)
    return max(misses.values(), default=0) <= 0.05 * WINDOWS


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", choices=["ebpf", "perf", "pprof"])
    source = parser.parse_args().source
    ok = run(source, "webshop", [programs.workload("webshop"), "--busy", "1"])
    if source != "pprof":
        ok &= run(source, "cruncher", [programs.workload("cruncher"), "1"])
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
