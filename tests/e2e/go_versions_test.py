"""Complete: stripped Go programs of each version are named whole, and agree with `go tool pprof`.

The workload `stages` spends its time in twenty functions. Its eBPF profile must name every user frame, show the
inlined call, and have the same top 20 functions as the process's own pprof profile, each share within noise.
"""

import argparse
import collections
import re
import subprocess
import sys

import programs

SECONDS = 5
# Standard errors: of 200 comparisons of twenty functions in ten programs, chance alone makes one exceed it in
# one run of a thousand.
NOISE = 4.5


def top_of_samples(stacks):
    """Samples by the leaf's function; kernel frames below it do not count, as pprof has none."""
    flat = collections.Counter()
    for frames, count in stacks:
        stages = [frame for frame in frames if frame.startswith("main.stage")]
        flat[stages[-1] if stages else frames[-1]] += count
    return flat


def top_of_pprof(load):
    """The same from `go tool pprof`, whose -traces are the stacks with the leaf first."""
    output = subprocess.run(
        ["go", "tool", "pprof", "-traces", "-sample_index=samples", f"{load.url}/debug/pprof/profile?seconds={SECONDS}"],
        check=True, capture_output=True, text=True).stdout
    flat = collections.Counter()
    for block in output.split("-----------+")[1:]:
        lines = block.split("\n")[1:]
        head = re.match(r"\s*(\d+)\s+(\S.*)", lines[0]) if lines else None
        if not head:
            continue
        frames = [re.sub(r" \((partial-)?inline\)$", "", f.strip()) for f in [head.group(2), *lines[1:]] if f.strip()]
        stages = [frame for frame in frames if frame.startswith("main.stage")]
        flat[stages[0] if stages else frames[0]] += int(head.group(1))
    return flat


def check(version, mode):
    errors = []
    with programs.Workload(programs.build_go("stages", version, mode)) as load:
        stacks = programs.record("--source", "ebpf", "--pid", str(load.pid), "--for", f"{SECONDS}s")
        theirs = top_of_pprof(load)
    ours = top_of_samples(stacks)
    unnamed = {frame for frames, _ in stacks for frame in frames if re.search(r"\+0x[0-9a-f]+$|^\[unknown\]$", frame)}
    if unnamed:
        errors.append(f"frames without a name: {sorted(unnamed)[:5]}")
    if not any("main.score" in frames for frames, _ in stacks):
        errors.append("the inlined main.score is not shown")
    top_ours = {function for function, _ in ours.most_common(20)}
    top_theirs = {function for function, _ in theirs.most_common(20)}
    if top_ours != top_theirs:
        errors.append(f"top 20 differ: ours only {top_ours - top_theirs}, pprof only {top_theirs - top_ours}")
    for function in top_ours & top_theirs:
        distance = programs.two_proportions(ours[function], sum(ours.values()),
                                            theirs[function], sum(theirs.values()))
        if abs(distance) > NOISE:
            errors.append(f"{function}: ours {ours[function]}, pprof {theirs[function]} samples")
    print(f"Go {version} {mode}: {sum(ours.values())} samples, pprof {sum(theirs.values())}:",
          "; ".join(errors) or "ok", flush=True)
    return not errors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="+")
    versions = parser.parse_args().versions
    results = [check(version, mode) for version in versions for mode in ("exe", "pie")]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
