"""Stacks that went over to g0 show the goroutine that they left.

Each kind of the workload `blockers` calls runtime.mcall or morestack at one known place. Of the samples with that
function in their stack 95 % must show who called it (90 % up to Go 1.21, see below), within the 95 % interval, and that
must be the known place in every one of them. Whoever called systemstack is shown too, and it is always the runtime itself.
"""

import argparse
import sys

import programs

SECONDS = 5
HERTZ = 499
MCALL = "runtime.mcall"
MORESTACK = "runtime.morestack"
LEAST_JOINED = 0.95
# A goroutine that another CPU has taken on is left alone, which is worst for mutexes of 1.18: 92.9 to 94.0 % were seen.
LEAST_JOINED_BEFORE_1_22 = 0.90
KINDS = {"channel": (MCALL, "main.waitOnChannel"), "mutex": (MCALL, "main.waitOnMutex"),
         "timer": (MCALL, "main.waitOnTimer"), "select": (MCALL, "main.waitOnSelect"),
         "network": (MCALL, "main.waitOnNetwork"), "yield": (MCALL, "main.yield"),
         "stack": (MORESTACK, "main.growInGoroutine")}


def callers_of(function, stacks):
    return [(frames[:frames.index(function)], count) for frames, count in stacks if function in frames]


def is_wrong(callers, place):
    """Frames between the known place and the function are there once, but for those of a recursion."""
    if place not in callers:
        return True
    between = [frame for frame in callers[callers.index(place):] if frame != "main.growStack"]
    return len(set(between)) != len(between)


def shows_why(frames, function):
    """Goroutines are preempted by morestack too, wherever they are: only what copies a stack is known to grow one."""
    return function != MORESTACK or "runtime.copystack" in frames


def called_by_runtime(frames, function):
    caller = frames[frames.index(function, 1) - 1]
    return caller.startswith("runtime.") and caller != "runtime.goexit"


def check(path, version, kind, function, place):
    with programs.Workload(path, kind) as load:
        stacks = programs.record("--source", "ebpf", "--pid", str(load.pid), "--for", f"{SECONDS}s",
                                 "--hz", str(HERTZ))
    switches = callers_of(function, stacks)
    total = sum(count for _, count in switches)
    joined = sum(count for callers, count in switches if callers)
    wrong = [frames for frames, _ in stacks
             if frames[0] != function and function in frames and shows_why(frames, function)
             and is_wrong(frames[:frames.index(function)], place)]
    # A thread that is just entering systemstack has not written its frame yet.
    wrong += [frames for frames, _ in stacks
              if "runtime.systemstack" in frames[1:-1] and not called_by_runtime(frames, "runtime.systemstack")]
    wrong = [";".join(frames) for frames in wrong]
    print(f"Go {version} {kind}: {joined} of {total} joined, wrong: {wrong or 'none'}", flush=True)
    least = LEAST_JOINED if int(version.split(".")[1]) >= 22 else LEAST_JOINED_BEFORE_1_22
    return not wrong and total >= 30 and programs.wilson(joined, total).upper >= least


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
