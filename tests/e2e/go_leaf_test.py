"""Go functions that call none have no frame of their own; their callers are shown all the same, of 99 % of the samples
within the 95 % interval.

    go_leaf_test.py VERSION…
"""

import argparse
import sys

import programs

# Kinds of the workload `classes`: functions at the end of its stacks, and who calls them.
LEAVES = {"cpu": {"main.mix": {"main.cpu"}},
          "mem": {"runtime.memmove": {"main.copyAndZero"}},
          "garbage": {"runtime.memclrNoHeapPointers": {"runtime.mallocgc", "runtime.mallocgcSmallScanNoHeader",
                                                       "runtime.(*mspan).initHeapBits", "runtime.mallocgcLarge"}}}
SECONDS = 3
MIN_SAMPLES = 50


def check(path, version, kind, leaves):
    with programs.Workload(path, kind) as load:
        stacks = programs.record("--source", "ebpf", "--pid", str(load.pid), "--for", f"{SECONDS}s", "--hz", "499")
    good = True
    for leaf, callers in leaves.items():
        ends = [(frames[-2] if len(frames) > 1 else "", count) for frames, count in stacks if frames[-1] == leaf]
        total = sum(count for _, count in ends)
        known = sum(count for caller, count in ends if caller in callers)
        print(f"Go {version} {kind}: {known} of {total} samples in {leaf} show its caller; others show",
              sorted({caller for caller, _ in ends} - callers), flush=True)
        good = good and total >= MIN_SAMPLES and programs.wilson(known, total).upper >= 0.99
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="+")
    good = []
    for version in parser.parse_args().versions:
        path = programs.build_go("classes", version)
        good += [check(path, version, kind, leaves) for kind, leaves in LEAVES.items()]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
