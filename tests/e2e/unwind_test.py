"""Whole: stacks of code without frame pointers reach the program's start, with all their functions in order."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import programs

LEAST_SHARE = 0.99


def check(name, stacks, chain, least=LEAST_SHARE, leaf="burn"):
    """`chain` follows one another in the stacks that have `leaf`, which are not broken. "*" is any one function, "..."
    any number of them."""
    any_function = "[^;]+;"
    pattern = re.compile("".join(
        {"*": any_function, "...": f"({any_function})*"}.get(function, re.escape(function) + ";") for function in chain))
    samples = whole = 0
    odd = {}
    for frames, count in stacks:
        text = ";".join(frames)
        if leaf not in frames:
            if "[broken]" in frames:
                odd[text] = odd.get(text, 0) + count
            continue
        samples += count
        if pattern.search(text + ";") and "[broken]" not in frames:
            whole += count
        else:
            odd[text] = odd.get(text, 0) + count
    everything = sum(count for _, count in stacks)
    broken = sum(count for frames, count in stacks if "[broken]" in frames)
    print(f"{name}: {whole} of {samples} samples whole; {broken} of all {everything} broken", flush=True)
    for text, count in sorted(odd.items(), key=lambda item: -item[1])[:3]:
        print(f"  {count} {text}")
    return samples >= 50 and whole >= least * samples and broken <= (1 - least) * everything


def record(*command, seconds="2s"):
    with programs.Workload(*command) as load:
        return programs.record("--source", "ebpf", "--for", seconds, "--pid", str(load.pid))


def crossings(directory):
    ok = True
    for program in ("crossings", "crossings_no_pie", "crossings_static"):
        path = programs.workload(program)
        # Between them the trampoline, which stripped C libraries have no name for.
        chain = ["main", "outer", "interrupted", "*", "on_signal", "burn"]
        ok &= check(f"{program} signal", record(path, "signal"), chain)
        ok &= check(f"{program} altstack", record(path, "altstack"), chain)
        ok &= check(f"{program} realigned", record(path, "realigned"), ["main", "outer", "realigned", "burn"])
        ok &= check(f"{program} vdso", record(path, "vdso"), ["main", "outer", "read_clock"], leaf="read_clock")
        copy = shutil.copy(path, os.path.join(directory, program))
        ok &= check(f"{program} deleted", record(copy, "deleted"), ["main", "outer", "called_back", "burn"])
    library = programs.workload("libcrossings_library.so")
    # Opened in mid-window; one sample finds its code unmapped.
    stacks = record(programs.workload("crossings"), "dlopen", library, seconds="4s")
    ok &= check("dlopen", stacks, ["main", "outer", "call_back", "called_back", "burn"], least=0.95, leaf="called_back")
    return ok


def go_and_c(directory):
    """Stripped, so C's functions have no names, but are there."""
    ok = True
    # Go 1.18 switches stacks without a frame for runtime.cgocall.
    to_c = ["runtime.goexit", "runtime.main", "main.main", "main.outer", "main._Cfunc_c_outer", "...", "runtime.asmcgocall",
            "*"]
    for version in ("1.18.10", "1.22.12", "1.26.8"):
        program = os.path.join(directory, f"crossings_go-{version}")
        subprocess.run(
            ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "."], check=True,
            env=dict(os.environ, CGO_ENABLED="1", GOTOOLCHAIN=f"go{version}"),
            cwd=os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "workloads", "crossings_go"))
        ok &= check(f"Go {version} to C", record(program), to_c, leaf="runtime.asmcgocall")
        ok &= check(f"Go {version} to C to Go", record(program, "back"), [*to_c, "goBurn", "crosscall2", "...", "main.burn"],
                    leaf="main.burn")
    return ok


def dwarf_stacks(pid):
    """Of perf, by the same debug information but another unwinder; often, so that it sees all that there is."""
    with tempfile.TemporaryDirectory() as directory:
        data = os.path.join(directory, "perf.data")
        subprocess.run(
            ["perf", "record", "-q", "-e", "cpu-clock:u", "-F", "999", "--call-graph", "dwarf,8192", "-o", data,
             "-p", str(pid), "--", "sleep", "4"], check=True, stderr=subprocess.DEVNULL)
        script = subprocess.run(
            ["perf", "script", "-F", "ip,sym", "-i", data], check=True, capture_output=True, text=True).stdout
    stacks = set()
    for block in script.split("\n\n"):
        frames = [line.split(None, 1)[1] for line in block.splitlines() if line.strip()]
        stacks.add(from_main(list(reversed(frames))))
    return stacks


def from_main(frames):
    """Without the C library's start, whose inlined calls perf shows, and with C++ names as both have them."""
    names = [re.sub(r"\(.*", "", frame.replace("(anonymous namespace)::", "")) for frame in frames]
    return tuple(names[names.index("main"):]) if "main" in names else None


def same_as_dwarf():
    """128 call paths of some 23 frames: what we see is what perf sees."""
    program = programs.workload("spin_without_frame_pointers")
    with subprocess.Popen([program, "deep"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
        load.stdout.readline()
        ours = programs.record("--source", "ebpf", "--for", "4s", "--pid", str(load.pid))
        theirs = dwarf_stacks(load.pid)
        load.kill()
    # Only we look at interrupts and system calls.
    seen = {from_main(frames) for frames, _ in ours if frames[-1].endswith("heavy(unsigned long)")}
    print(f"perf --call-graph dwarf: {len(seen & theirs)} of our {len(seen)} stacks are among its own {len(theirs)}")
    for stack in list(seen - theirs)[:3]:
        print("  not there:", stack)
    return len(seen) >= 64 and seen <= theirs


def main():
    with tempfile.TemporaryDirectory() as directory:
        ok = crossings(directory)
        ok &= go_and_c(directory)
    ok &= same_as_dwarf()
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
