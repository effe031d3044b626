"""The lines of a function cost what `go tool pprof -list` says, out of a file and out of the collector; their text is found
in a checkout that is elsewhere than where the program was built."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

import daemons
import programs

SOURCES = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "workloads", "labelled")
MODULE = "pilotlight.dev/workloads/labelled"
FUNCTIONS = r"^main\.(total|step|\(\*shop\))"


def by_pprof(path):
    """(function, line) → (flat, cum) in nanoseconds, of lines that have some."""
    text = subprocess.run(["go", "tool", "pprof", "-unit=ns", f"-source_path={SOURCES}", f"-trim_path={MODULE}", "-list", FUNCTIONS, path],
                          check=True, capture_output=True, text=True).stdout
    lines = {}
    for row in text.splitlines():
        head = re.match(r"ROUTINE =+ (\S+) in ", row)
        if head:
            function = head.group(1)
        cost = re.match(r"\s*(\S+)\s+(\S+)\s+(\d+):", row)
        if cost and cost.group(1, 2) != (".", "."):
            lines[function, int(cost.group(3))] = tuple(0 if c == "." else int(c.removesuffix("ns")) for c in cost.group(1, 2))
    return lines


def by_us(*arguments):
    answer = json.loads(daemons.run(programs.PILOTLIGHT, "list", FUNCTIONS, "-n", "0", "-o", "json", *arguments))
    return {(function["function"], line["line"]): (line["flat"]["value"], line["cumulative"]["value"])
            for function in answer["functions"] for line in function["lines"]}


class ListTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.checkout = shutil.copytree(SOURCES, os.path.join(cls.directory, "checkout"))
        cls.profile = os.path.join(cls.directory, "cpu.pb.gz")
        program = os.path.join(cls.directory, "labelled")
        subprocess.run(["go", "build", "-trimpath", "-o", program, "."], check=True, cwd=SOURCES)
        with programs.Workload(program) as load:
            urllib.request.urlretrieve(f"{load.url}/debug/pprof/profile?seconds=2", cls.profile)
        cls.expected = by_pprof(cls.profile)

    def test_files(self):
        self.assertTrue(any(flat for flat, _ in self.expected.values()))
        self.assertEqual(by_us(self.profile), self.expected)

    def test_the_collector(self):
        with daemons.Collector(self.directory) as collector:
            daemons.wait_for("the collector", lambda: daemons.get(f"http://{collector.http}/-/ready"))
            daemons.run(programs.PILOTLIGHT, "push", f"--collector={collector.grpc}", "--service=labelled", self.profile)
            self.assertEqual(by_us("-s", "labelled", f"--collector={collector.grpc}"), self.expected)

    def test_the_text_is_found_in_a_checkout(self):
        text = daemons.run(programs.PILOTLIGHT, "list", r"main\.total", self.profile, "--source-path", f"{self.directory}/none:{self.checkout}")
        self.assertRegex(text, r"s +\d+  +x = step\(x\)\n")
        self.assertNotIn("note:", text)


if __name__ == "__main__":
    unittest.main()
