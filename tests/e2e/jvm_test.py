"""Java without a flag: stacks of the JVM's compiled, interpreted and native code reach their starts, and each
function's caller is one that calls it.

With perf maps, so that compiled functions have names; the JVM keeps no frame pointers. Interpreted functions have
none, and so say nothing about who called.
"""

import os
import re
import subprocess
import sys
import tempfile

import programs

LEAST_WHOLE = 0.99
LEAST_WHOLE_INTERPRETED = 0.97  # between two bytecodes it has no whole frame at times
LEAST_SAMPLES = 50
LEAST_INTERPRETED = 0.9  # with -Xint; the rest are threads of the compiler and the collector

SOURCE = """import java.util.*;
import java.util.zip.Deflater;

public class Chain {
  interface Step { long go(int depth, long seed); }
  static final class Even implements Step {
    public long go(int depth, long seed) { return depth == 0 ? leaf(seed) : odd.go(depth - 1, seed + 1); }
  }
  static final class Odd implements Step {
    public long go(int depth, long seed) { return depth == 0 ? leaf(seed) : third.go(depth - 1, seed + 2); }
  }
  static final class Third implements Step {
    public long go(int depth, long seed) { return depth == 0 ? leaf(seed) : even.go(depth - 1, seed * 3); }
  }
  static Step even = new Even(), odd = new Odd(), third = new Third();
  static final byte[] input = new byte[4096], output = new byte[8192];

  static long leaf(long seed) {
    long sum = 0;
    for (int i = 0; i < 200; i++) sum = sum * 31 + (seed ^ i) % 7;
    return sum;
  }
  static long recurse(int n, long seed) { return n == 0 ? even.go(20, seed) : recurse(n - 1, seed + n); }
  static long compress(long seed) {
    input[(int) (seed & 4095)]++;
    Deflater deflater = new Deflater();
    deflater.setInput(input);
    deflater.finish();
    long length = deflater.deflate(output);
    deflater.end();
    return length;
  }
  static long sort(long seed) {
    List<String> list = new ArrayList<>();
    for (int i = 0; i < 50; i++) list.add("key" + (seed + i));
    Collections.sort(list);
    return list.hashCode();
  }
  static long root(long seed) { return recurse(30, seed) + (seed % 16 == 0 ? compress(seed) : 0) + sort(seed); }
  public static void main(String[] arguments) {
    new Thread(() -> { for (long seed = 0; ; seed++) root(seed); }).start();
    System.out.println("ready pid=" + ProcessHandle.current().pid());
  }
}
"""

CALLERS = {
    "Chain.recurse": {"Chain.recurse", "Chain.root"},
    "Chain$Even.go": {"Chain.recurse", "Chain$Third.go"},
    "Chain$Odd.go": {"Chain$Even.go"},
    "Chain$Third.go": {"Chain$Odd.go"},
    "Chain.leaf": {"Chain$Even.go", "Chain$Odd.go", "Chain$Third.go"},
    "Chain.compress": {"Chain.root"},
    "Chain.sort": {"Chain.root"},
    "Chain.root": {"Chain.lambda$main$0"},
    "java.util.zip.Deflater.deflate": {"Chain.compress", "java.util.zip.Deflater.deflate"},
    "java.util.Collections.sort": {"Chain.sort"},
    "java.util.zip.Deflater.deflateBytesBytes": {"java.util.zip.Deflater.deflate"},
}


def all_callers(function):
    """Those, and their callers: a function between the two may be inlined, which a perf map does not tell."""
    found, new = set(), {function}
    while new:
        new = set().union(*(CALLERS.get(one, set()) for one in new)) - found
        found |= new
    return found


def function_of(frame):
    """The class and name of a frame as perf maps have it; empty when it is none of Java."""
    match = re.search(r"([\w$.]+)\([^)]*\)$", frame)
    return match.group(1) if match else ""


def check(name, directory, *flags):
    command = ["java", *flags, "-cp", directory, "Chain"]
    with programs.Workload(*command) as chain:
        programs.record("--source", "ebpf", "--for", "5s", f"--pid={chain.pid}")  # much of it is compiled by then
        subprocess.run(["jcmd", str(chain.pid), "Compiler.perfmap"], check=True, stdout=subprocess.DEVNULL)
        stacks = []
        while sum(count for _, count in stacks) < LEAST_SAMPLES:  # a busy machine gives it little time
            stacks += programs.record("--source", "ebpf", "--for", "4s", "--hz", "199", f"--pid={chain.pid}")
        os.remove(f"/tmp/perf-{chain.pid}.map")
    everything = sum(count for _, count in stacks)
    broken = sum(count for frames, count in stacks if "[broken]" in frames)
    callers_of = CALLERS.get if "-XX:-Inline" in flags else all_callers
    checked, wrong = 0, []
    for frames, count in stacks:
        for caller, callee in zip(frames, frames[1:]):
            if function_of(callee) not in CALLERS or not function_of(caller):
                continue
            checked += count
            if function_of(caller) not in callers_of(function_of(callee)):
                wrong.append((count, caller, callee))
    native = sum(count for frames, count in stacks
                 if any("libzip" in frame or "deflate" in frame.lower() for frame in frames))
    print(f"{name}: {everything} samples, {broken} broken, {checked} callers checked, {len(wrong)} wrong, "
          f"{native} in the native library", flush=True)
    for frames, count in sorted(stacks, key=lambda stack: -stack[1]):
        if "[broken]" in frames:
            print(f"  {count} {';'.join(frames)[:300]}")
    for one in wrong:
        print("  wrong:", *one)
    compiled = "-Xint" not in flags
    interpreted = sum(count for frames, count in stacks if "[jvm interpreter]" in frames)
    print(f"  {interpreted} in the interpreter or below it")
    least_whole = LEAST_WHOLE if compiled else LEAST_WHOLE_INTERPRETED
    return (broken <= (1 - least_whole) * everything and not wrong and
            (checked >= LEAST_SAMPLES if compiled else interpreted >= LEAST_INTERPRETED * everything) and native > 0)


def main():
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "Chain.java"), "w", encoding="utf-8") as file:
            file.write(SOURCE)
        subprocess.run(["javac", "-d", directory, "Chain.java"], cwd=directory, check=True)
        ok = [check("no flag", directory),
              check("nothing inlined", directory, "-XX:-Inline"),
              check("first compiler", directory, "-XX:TieredStopAtLevel=1"),
              check("interpreter", directory, "-Xint")]
    sys.exit(0 if all(ok) else 1)


if __name__ == "__main__":
    main()
