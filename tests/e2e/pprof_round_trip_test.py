"""What Go programs serve comes back from us as it was, as `go tool pprof -raw` shows it, up to the order.

Compared are the samples: their values and stacks of functions, files, lines, inlined calls and binaries. Addresses are
not kept, nor are labels of samples.
"""

import collections
import os
import re
import subprocess
import tempfile
import unittest
import urllib.request

import programs


def raw(path):
    return subprocess.run(["go", "tool", "pprof", "-raw", path], check=True, capture_output=True, text=True).stdout


def samples_of(text):
    """Yields (column names, stack, values). A stack is its locations, each its binary and its lines."""
    samples_part, rest = text.split("Samples:\n", 1)[1].split("Locations\n", 1)
    locations_part, mappings_part = rest.split("Mappings\n", 1)
    mappings = {}
    for line in mappings_part.splitlines():
        match = re.match(r"(\d+): \S+ (\S*)", line.strip())
        if match:
            mappings[match.group(1)] = match.group(2)
    locations = {}
    for line in locations_part.splitlines():
        head = re.match(r"\s*(\d+): 0x[0-9a-f]+ (?:M=(\d+) )?(.*)", line)
        if head:
            number, lines = head.group(1), [head.group(3)]
            locations[number] = (mappings.get(head.group(2), ""), lines)
        else:
            lines.append(line.strip())
    columns, *rows = samples_part.splitlines()
    for row in rows:
        match = re.match(r"\s*([-\d ]+): ([\d ]*)$", row)
        if not match:
            continue  # labels
        stack = tuple((locations[n][0], *(re.sub(r":\d+ s=\d+\S*$", "", part) for part in locations[n][1]))
                      for n in match.group(2).split())
        # `go tool pprof -top` loses a sample without a location, so ours is written with one.
        stack = stack or (("", "[unknown] :0"),)
        yield columns.split(), stack, tuple(int(v) for v in match.group(1).split())


def totals(text, wanted):
    """Stack → sums of the columns `wanted`, without stacks that have none."""
    sums = collections.defaultdict(lambda: [0] * len(wanted))
    for columns, stack, values in samples_of(text):
        names = [column.split("[")[0] for column in columns]
        for i, name in enumerate(wanted):
            sums[stack][i] += values[names.index(name)]
    return {stack: tuple(values) for stack, values in sums.items() if any(values)}


class PprofRoundTripTest(unittest.TestCase):
    def check(self, name, wanted, query=""):
        with tempfile.TemporaryDirectory() as directory:
            before, after = os.path.join(directory, "before"), os.path.join(directory, "after.pb.gz")
            urllib.request.urlretrieve(f"{self.load.url}/debug/pprof/{name}{query}", before)
            subprocess.run([programs.PILOTLIGHT, "flame", before, "-o", "pprof", "--out", after], check=True)
            expected, actual = totals(raw(before), wanted), totals(raw(after), wanted)
        self.assertTrue(expected, f"the {name} profile is empty")
        self.assertEqual(actual, expected)

    @classmethod
    def setUpClass(cls):
        cls.load = cls.enterClassContext(programs.Workload(programs.workload("webshop"), "--busy", "1"))

    def test_cpu(self):
        self.check("profile", ["samples/count", "cpu/nanoseconds"], "?seconds=3")

    def test_heap(self):
        self.check("heap", ["inuse_objects/count", "inuse_space/bytes"])

    def test_goroutines(self):
        self.check("goroutine", ["goroutine/count"])


if __name__ == "__main__":
    unittest.main()
