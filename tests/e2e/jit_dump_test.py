"""JIT code has the names of a jitdump file, also of what is added to it while it is read."""

import collections
import os
import shutil
import sys
import tempfile

import programs

PROGRAM = """
function inner(n) { let x = 0; for (let i = 0; i < 3000; i++) x += i * n; return x; }
function outer(n) { return inner(n) + inner(n + 1); }
for (let i = 0; i < 3000; i++) outer(i);
// V8 keeps up to 2 MB of the dump to itself: what it compiles anew, around these two, may lack its name.
for (let i = 0; i < 4000; i++) new Function("n", `return n * ${i} + ${i}`)(i);
console.log("ready pid=" + process.pid);
(function turn() { for (let i = 0; i < 300; i++) outer(i); setImmediate(turn); })();
"""
LEAST_NAMED = 0.85


def is_chain(frames):
    """Each of V8's names has its function in front: "JS:*inner /srv/main.js:2:15"."""
    names = [frame.split(" ")[0].lstrip("JS:~*^+") for frame in frames if frame.startswith("JS:")]
    return any(first == "outer" and second == "inner" for first, second in zip(names, names[1:])) or names[-1:] == ["outer"]


def main():
    node = shutil.which("node")
    with tempfile.TemporaryDirectory() as directory:
        script = os.path.join(directory, "load.js")
        with open(script, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        flags = ["--perf-prof", "--interpreted-frames-native-stack", "--no-turbo-inlining"]
        # It leaves the dump where it is.
        with programs.Workload("env", "-C", directory, node, *flags, script) as load:
            stacks = programs.record("--source", "ebpf", "--for", "3s", "--pid", str(load.pid))
    everything = sum(count for _, count in stacks)
    chains = sum(count for frames, count in stacks if is_chain(frames))
    print(f"{chains} of {everything} samples in the chain")
    if chains < LEAST_NAMED * everything:
        print(collections.Counter({";".join(frames[-3:]): count for frames, count in stacks}).most_common(8))
    sys.exit(0 if everything >= 50 and chains >= LEAST_NAMED * everything else 1)


if __name__ == "__main__":
    main()
