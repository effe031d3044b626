"""Stacks that went over to g0 show the goroutine that they left.

Each kind of the workload `blockers` calls runtime.mcall or morestack at one known place. Of the samples with that
function in their stack 95 % must show who called it, within the 95 % interval, and that must be the known place in
every one of them. Whoever called systemstack is shown too, and it is always the runtime itself.
"""

import argparse
import sys

import programs

SECONDS = 5
HERTZ = 499
MCALL = "runtime.mcall"
KINDS = {"channel": (MCALL, "main.waitOnChannel"), "mutex": (MCALL, "main.waitOnMutex"),
         "timer": (MCALL, "main.waitOnTimer"), "select": (MCALL, "main.waitOnSelect"),
         "network": (MCALL, "main.waitOnNetwork"), "yield": (MCALL, "main.yield"),
         "stack": ("runtime.morestack", "main.growInGoroutine")}


def callers_of(function, stacks):
    return [(frames[:frames.index(function)], count) for frames, count in stacks if function in frames]


def is_wrong(callers, place):
    """Frames between the known place and the function are there once, but for those of a recursion."""
    if place not in callers:
        return True
    between = [frame for frame in callers[callers.index(place):] if frame != "main.growStack"]
    return len(set(between)) != len(between)


def check(path, version, kind, function, place):
    with programs.Workload(path, kind) as load:
        stacks = programs.record("--source", "ebpf", "--pid", str(load.pid), "--for", f"{SECONDS}s",
                                 "--hz", str(HERTZ))
    switches = callers_of(function, stacks)
    total = sum(count for _, count in switches)
    joined = sum(count for callers, count in switches if callers)
    wrong = [";".join(callers) for callers, _ in switches if callers and is_wrong(callers, place)]
    # A thread that is just entering systemstack has not written its frame yet.
    in_systemstack = [(frames, count) for frames, count in stacks if frames[-1] != "runtime.systemstack"]
    wrong += [";".join(callers) for callers, _ in callers_of("runtime.systemstack", in_systemstack)
              if callers and (not callers[-1].startswith("runtime.") or callers[-1] == "runtime.goexit")]
    print(f"Go {version} {kind}: {joined} of {total} joined, wrong: {wrong or 'none'}", flush=True)
    return not wrong and total >= 30 and programs.wilson(joined, total).upper >= 0.95


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="+")
    good = []
    for version in parser.parse_args().versions:
        path = programs.build_go("blockers", version)
        good += [check(path, version, kind, *known) for kind, known in KINDS.items()]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
