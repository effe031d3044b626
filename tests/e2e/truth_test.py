"""True: the shares of a flame graph against what the process measured of itself, for each capture source.

Each workload books the CPU time of its functions by its thread's CPU clock. Of 40 windows, in at least 95 %
every function's true share must lie in the 95 % interval of its share of the samples.
"""

import argparse
import sys

import programs

WINDOWS = 40
SECONDS = "2s"


def window(load, source):
    """The functions whose true share is outside of the interval in one window, and the number of samples."""
    target = ["--url", load.url] if source == "pprof" else ["--pid", str(load.pid)]
    before = load.truth()
    stacks = programs.record("--source", source, "--for", SECONDS, *target)
    after = load.truth()
    total_time = after["total"] - before["total"]
    samples = sum(count for _, count in stacks)
    if samples == 0:
        return ["no samples at all"], 0
    outside = []
    for function in before.keys() - {"total"}:
        true_share = (after[function] - before[function]) / total_time
        hits = sum(count for frames, count in stacks if function in frames)
        interval = programs.wilson(hits, samples)
        if not interval.lower <= true_share <= interval.upper:
            outside.append(f"{function}: true {true_share:.3f}, {hits} of {samples} samples")
    return outside, samples


def run(source, name, command):
    good = 0
    least_samples = None
    with programs.Workload(*command) as load:
        for _ in range(WINDOWS):
            outside, samples = window(load, source)
            good += not outside
            least_samples = samples if least_samples is None else min(samples, least_samples)
            for line in outside:
                print(f"  outside: {line}")
    print(f"{source} {name}: {good} of {WINDOWS} windows true, at least {least_samples} samples a window")
    return good >= 0.95 * WINDOWS


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
