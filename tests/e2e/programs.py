"""Runs the programs under test and reads what they print."""

import collections
import json
import math
import os
import re
import subprocess
import urllib.request

BUILD = os.environ["PILOTLIGHT_BUILD"]  # the CMake build directory
PILOTLIGHT = os.path.join(BUILD, "bin", "pilotlight")

Interval = collections.namedtuple("Interval", "lower upper")


def workload(name):
    return os.path.join(BUILD, "workloads", name)


def build_go(name, version, mode="exe"):
    """The path of a stripped Go workload, built by that version of Go, which is fetched when it is not there."""
    output = workload(f"{name}-{version}-{mode}")
    environment = dict(os.environ, GOTOOLCHAIN=f"go{version}", CGO_ENABLED="0")
    subprocess.run(
        ["go", "build", f"-buildmode={mode}", "-trimpath", "-ldflags=-s -w", "-o", output, "."],
        cwd=os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "workloads", name), env=environment, check=True)
    return output


class Workload:
    """A running workload: it has printed `ready pid=… [url=…]`."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        self.pid = int(re.search(r"pid=(\d+)", ready).group(1))
        url = re.search(r"url=(\S+)", ready)
        self.url = url.group(1) if url else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def ask(self, line):
        """Its answer to a line of its standard input, without the newline."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def truth(self):
        """CPU nanoseconds by function, by the process's own clocks, and their "total"."""
        if self.url:
            with urllib.request.urlopen(self.url + "/truth") as answer:
                return json.load(answer)
        return json.loads(self.ask(""))


def record(*arguments):
    """Folded stacks of one capture: a list of (frames with the root first, samples)."""
    output = subprocess.run(
        [PILOTLIGHT, "record", "-o", "folded", *arguments], check=True, capture_output=True, text=True).stdout
    stacks = []
    for line in output.splitlines():
        frames, count = line.rsplit(" ", 1)
        stacks.append((frames.split(";"), int(count)))
    return stacks


def two_proportions(hits, total, other_hits, other_total):
    """The difference of two shares in standard errors, pooled: the z of the two-proportion test."""
    pooled = (hits + other_hits) / (total + other_total)
    if pooled in (0, 1):
        return 0
    return (hits / total - other_hits / other_total) / math.sqrt(
        pooled * (1 - pooled) * (1 / total + 1 / other_total))


def wilson(hits, total):
    """The 95 % score interval of a proportion."""
    z = 1.959964
    share = hits / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return Interval((centre - spread) / scale, (centre + spread) / scale)
