"""Python's functions: those of a program with known calls, in the right order and at the right lines, none of them wrong;
also with -X perf, by which Python calls each function through code of its own.

Takes Debian's interpreter, and what pyenv has besides.
"""

import glob
import json
import os
import subprocess
import sys

import programs

SUPPORTED = {"3.11", "3.12", "3.13"}
LOAD = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "workloads", "python_calls.py")
FILE = os.path.basename(LOAD)
LEAST_SHARE = 0.98  # a thread that begins has none yet, one that is between two calls a chain that does not fit
MISSING = "[python functions missing]"
# -X perf makes code for each function; where it takes more memory, one sample finds that unmapped.
MOST_BROKEN = {"perf": 0.05}

MAIN = ("<module>", "main")
CHAINS = {
    (*MAIN, *["recurse"] * 11, "burn"),
    (*MAIN, "consume", "numbers", "burn"),
    (*MAIN, "sort", "by_key", "burn"),
    (*MAIN, "reduce", "fold", "burn"),
    (*MAIN, "Shop.__init__", "burn"),
    (*MAIN, "construct", "Shop.__init__", "burn"),
    (*MAIN, "measure", "Shop.__len__", "burn"),
    (*MAIN, "look", "Shop.open", "burn"),
    (*MAIN, "run_tasks", "outer", "inner", "burn"),
    (*MAIN, "churn", "made_0", "burn"),
    (*MAIN, "churn", "made_1", "burn"),
    (*MAIN, "churn", "[python]", "burn"),
    (*MAIN, "churn", "<module>"),
    ("in_thread", "burn"),
}
# One is left within milliseconds, some are of code that comes and goes.
ALWAYS_SEEN = {chain for chain in CHAINS if "churn" not in chain and chain != (*MAIN, "Shop.__init__", "burn")}
PREFIXES = {chain[:length] for chain in CHAINS for length in range(len(chain) + 1)}


def interpreters():
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    found = ["/usr/bin/python3", *sorted(glob.glob(f"{root}/versions/3.1[0-9].*/bin/python3"))]
    by_version = {}
    for path in found:
        by_version.setdefault(version_of(path), path)
    return by_version


def version_of(python):
    return subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], check=True, capture_output=True, text=True).stdout.strip()


def record(pid, seconds, *options):
    """(frames as {name, file, line}, the outermost first; samples)"""
    profile = json.loads(subprocess.run(
        [programs.PILOTLIGHT, "record", "-o", "speedscope", "--source", "ebpf", "--hz", "997", "--for", seconds, "--pid", str(pid), *options],
        check=True, capture_output=True, text=True).stdout)
    frames = profile["shared"]["frames"]
    for part in profile["profiles"]:
        for stack, weight in zip(part["samples"], part["weights"]):
            yield [frames[index] for index in stack], weight


def own_frames(stack):
    """(name, line) of the functions of the program itself, and those that it makes, which may be gone when they are looked
    at."""
    for frame in stack:
        if frame["name"] == "[python]":
            yield "[python]", 0
        for prefix in (f"{FILE}:", "<string>:"):
            if frame["name"].startswith(prefix):
                yield frame["name"][len(prefix):], frame.get("line", 0) if prefix != "<string>:" else 0


def check(python, version, lines, *options):
    with programs.Workload(python, *options, LOAD) as load:
        stacks = list(record(load.pid, "1s"))
    everything = sum(weight for _, weight in stacks)
    with_functions = broken = 0
    seen, wrong = set(), {}
    for stack, weight in stacks:
        if stack[0]["name"] == "[broken]":
            broken += weight
            continue
        if stack[0]["name"] == MISSING:
            continue
        own = list(own_frames(stack))
        chain = tuple(name for name, _ in own)
        at_right_lines = all(
            not line or callee == "[python]" or callee.rsplit(".", 1)[-1] in lines[line - 1] or callee in lines[line - 1]
            for (_, line), (callee, _) in zip(own, own[1:]))
        if chain not in PREFIXES or not at_right_lines:
            wrong[str(own)] = wrong.get(str(own), 0) + weight
        with_functions += weight if chain else 0
        seen.add(chain)
        twice = [frame["name"] for frame in stack if frame["name"].startswith("py::")]
        if twice:
            wrong[twice[0]] = wrong.get(twice[0], 0) + weight
        if stack[0]["name"].startswith("["):
            wrong[stack[0]["name"]] = wrong.get(stack[0]["name"], 0) + weight
    print(f"{version} {' '.join(options)}: {len(CHAINS & seen)} of {len(CHAINS)} chains, {with_functions / everything:.1%} with functions, "
          f"{sum(wrong.values()) / everything:.2%} wrong, {broken / everything:.2%} broken", flush=True)
    for text, weight in sorted(wrong.items(), key=lambda item: -item[1])[:5]:
        print(f"  {weight / everything:.2%} {text}")
    for chain in ALWAYS_SEEN - seen:
        print("  not seen:", chain)
    most_broken = max([MOST_BROKEN.get(option, 0) for option in options], default=0)
    return (not wrong and broken <= most_broken * everything and ALWAYS_SEEN <= seen
            and with_functions >= LEAST_SHARE * (everything - broken))


def check_waits(python, version):
    """Off-CPU stacks are walked from where the thread waits, without the lock of the interpreter."""
    program = "import os, time\ndef nap():\n  time.sleep(0.01)\nprint(f'ready pid={os.getpid()}', flush=True)\nwhile True: nap()"
    with programs.Workload(python, "-c", program) as load:
        stacks = list(record(load.pid, "1s", "--type", "off_cpu"))
    everything = sum(weight for _, weight in stacks)
    napping = sum(weight for stack, weight in stacks if [name for name, _ in own_frames(stack)] == ["<module>", "nap"])
    print(f"{version} waits: {napping / max(1, everything):.1%} in nap()")
    return everything > 0 and napping == everything


def says_unsupported(python, version):
    with programs.Workload(python, LOAD) as load:
        stacks = list(record(load.pid, "1s"))
    notes = {stack[0]["name"] for stack, _ in stacks}
    print(f"{version}: {notes}")
    return notes == {f"[python {version} not supported]"}


def main():
    with open(LOAD, encoding="utf-8") as file:
        lines = file.read().splitlines()
    ok = True
    for version, python in interpreters().items():
        if version in SUPPORTED:
            ok &= check(python, version, lines) and check_waits(python, version)
            if version != "3.11":
                ok &= check(python, version, lines, "-X", "perf")
        else:
            ok &= says_unsupported(python, version)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
