"""What Go programs serve comes back from us as it was, as `go tool pprof -raw` shows it, up to the order: out of a file, and
out of the collector that it was pushed to.

Compared are the samples: their values, labels and stacks of functions with their first lines, files, lines, inlined calls
and binaries. Addresses and numbers as labels are not kept.
"""

import collections
import os
import re
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request

import daemons
import programs

NUMBERS = {"bytes"}  # the only label of Go's profiles that is a number: the size of what a heap profile counts
KINDS = {
    "profile": (["samples/count", "cpu/nanoseconds"], "process_cpu:cpu:nanoseconds:cpu:nanoseconds"),
    "heap": (["inuse_objects/count", "inuse_space/bytes"], "memory:inuse_space:bytes:space:bytes"),
    "mutex": (["contentions/count", "delay/nanoseconds"], "mutex:delay:nanoseconds:contentions:count"),
    "block": (["contentions/count", "delay/nanoseconds"], "block:delay:nanoseconds:contentions:count"),
    "goroutine": (["goroutine/count"], "goroutine:goroutine:count:goroutine:count"),
}
LABELS = ("http_route", "region")


def raw(path):
    return subprocess.run(["go", "tool", "pprof", "-raw", path], check=True, capture_output=True, text=True).stdout


def without_system_name(line):
    """One that differs from the name stands at the end; what we write has none, so that names are shown as they are."""
    return line.removesuffix("()")


def samples_of(text):
    """Yields (column names, labels, stack, values). A stack is its locations, each its binary and its lines."""
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
            number, lines = head.group(1), [without_system_name(head.group(3))]
            locations[number] = (mappings.get(head.group(2), ""), lines)
        else:
            lines.append(without_system_name(line.strip()))
    columns, *rows = samples_part.splitlines()
    samples = []
    for row in rows:
        match = re.match(r"\s*([-\d ]+): ([\d ]*)$", row)
        if match:
            # `go tool pprof -top` loses a sample without a location, so ours is written with one.
            stack = tuple((locations[n][0], *locations[n][1]) for n in match.group(2).split())
            values = tuple(int(value) for value in match.group(1).split())
            samples.append((columns.split(), set(), stack or (("", "[unknown] :0:0 s=0"),), values))
        elif row.split(":")[0].strip() not in NUMBERS:
            samples[-1][1].add(row.strip())
    return samples


def totals(text, wanted):
    """(labels, stack) → sums of the columns `wanted`, without stacks that have none."""
    sums = collections.defaultdict(lambda: [0] * len(wanted))
    for columns, labels, stack, values in samples_of(text):
        names = [column.split("[")[0] for column in columns]
        for i, name in enumerate(wanted):
            sums[frozenset(labels), stack][i] += values[names.index(name)]
    return {key: tuple(values) for key, values in sums.items() if any(values)}


def heading(text):
    return re.findall(r"^(?:PeriodType|Period|Time): .*$", text, re.MULTILINE)


class PprofRoundTripTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.maxDiff = None
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.collector = cls.enterClassContext(daemons.Collector(cls.directory))
        program = os.path.join(cls.directory, "labelled")
        subprocess.run(["go", "build", "-o", program, "."], check=True,
                       cwd=os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "workloads", "labelled"))
        cls.texts = {}
        with programs.Workload(program) as load:
            for kind in KINDS:
                query = "?seconds=3" if kind == "profile" else ""
                urllib.request.urlretrieve(f"{load.url}/debug/pprof/{kind}{query}", cls.path(kind))
                cls.texts[kind] = raw(cls.path(kind))
        daemons.wait_for("the collector", lambda: daemons.get(f"http://{cls.collector.http}/-/ready"))

    @classmethod
    def path(cls, name):
        return os.path.join(cls.directory, name)

    def check(self, kind, after):
        columns, _ = KINDS[kind]
        before, after = self.texts[kind], raw(after)
        expected = totals(before, columns)
        self.assertTrue(expected, f"the {kind} profile is empty")
        self.assertTrue(any(re.search(r"s=[1-9]", line) for _, stack in expected for _, *lines in stack for line in lines))
        # Go's profiles of memory and of waiting have no labels that are texts.
        self.assertEqual(len({labels for labels, _ in expected}) > 2, kind in ("profile", "goroutine"))
        self.assertEqual(totals(after, columns), expected)
        self.assertEqual(heading(after), heading(before))

    def test_files(self):
        for kind in KINDS:
            with self.subTest(kind):
                after = self.path(f"{kind}.file.pb.gz")
                subprocess.run([programs.PILOTLIGHT, "flame", self.path(kind), "-o", "pprof", "--out", after], check=True)
                self.check(kind, after)

    def test_the_collector(self):
        for kind, (_, profile_type) in KINDS.items():
            with self.subTest(kind):
                daemons.run(programs.PILOTLIGHT, "push", f"--collector={self.collector.grpc}", f"--service={kind}", self.path(kind))
                after = self.path(f"{kind}.url.pb.gz")
                query = urllib.parse.urlencode({"selector": f'{{service_name="{kind}"}}', "type": profile_type,
                                                "by": ",".join(LABELS)})
                urllib.request.urlretrieve(f"http://{self.collector.http}/debug/pprof/merge?{query}", after)
                self.check(kind, after)
                daemons.run(programs.PILOTLIGHT, "flame", f"--collector={self.collector.grpc}", "-s", kind, "--type", profile_type,
                            "--by", ",".join(LABELS), "--out", after)
                self.check(kind, after)

    def test_labels_stay_with_files_that_are_added_up(self):
        columns, _ = KINDS["profile"]
        after = self.path("both.pb.gz")
        daemons.run(programs.PILOTLIGHT, "flame", self.path("profile"), self.path("profile"), "--out", after)
        once = totals(self.texts["profile"], columns)
        self.assertEqual(totals(raw(after), columns), {key: tuple(2 * value for value in values) for key, values in once.items()})


if __name__ == "__main__":
    unittest.main()
