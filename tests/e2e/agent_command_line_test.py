"""What the agent says when it cannot do what it is told."""

import os
import socket
import subprocess
import tempfile
import unittest

from daemons import Agent, free_port, get, program, wait_for


def run(*flags, prefix=()):
    command = [*prefix, program("pilotlight-agent"), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class UsageTest(unittest.TestCase):
    def check(self, expected, *flags):
        result = run(*flags)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn(expected, result.stderr)

    def test_an_unknown_flag(self):
        self.check("--capture.rate", "--capture.rate=9")

    def test_an_unknown_source(self):
        self.check("--capture.source", "--capture.source=dtrace")

    def test_two_sources_of_the_same_processes(self):
        self.check("choose one", "--capture.source=ebpf,perf")

    def test_pprof_without_a_target(self):
        self.check("--pprof.target", "--capture.source=pprof")

    def test_a_target_that_is_none(self):
        self.check("--pprof.target", "--pprof.target=shop=ftp://localhost")

    def test_a_window_longer_than_its_interval(self):
        self.check("--capture.interval", "--capture.duration=20s", "--capture.interval=10s")

    def test_what_is_no_duration(self):
        self.check("duration", "--capture.duration=ten")

    def test_a_rate_out_of_range(self):
        self.check("--capture.frequency", "--capture.frequency=0")

    def test_an_unknown_log_level(self):
        self.check("--log.level", "--log.level=loud")

    def test_a_container_runtime_that_is_no_path(self):
        self.check("--container.runtime-endpoint", "--container.runtime-endpoint=localhost:1234")

    def test_rules_of_relabelling_that_make_no_sense(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("relabel_configs:\n  - action: drop\n    regex: '('\n")
            file.flush()
            self.check(f"{file.name}:3: regex: missing )", f"--labels.relabel-config={file.name}")

    def test_rules_of_relabelling_that_are_not_there(self):
        self.check("/nowhere.yaml", "--labels.relabel-config=/nowhere.yaml")

    def test_help_and_version_are_no_errors(self):
        self.assertEqual(run("--help").returncode, 0)
        version = run("--version")
        self.assertEqual(version.returncode, 0)
        self.assertRegex(version.stdout, r"pilotlight-agent \d+\.\d+")


class FailureTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.spool = f"--spool.path={self.directory}/spool"
        self.web = f"--web.listen-address=127.0.0.1:{free_port()}"

    def check(self, expected, *flags, prefix=()):
        result = run(*flags, prefix=prefix)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(expected, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)

    def test_a_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.check("in use", self.spool, f"--web.listen-address=127.0.0.1:{port}")

    def test_a_directory_that_cannot_be_made(self):
        self.check("/proc/spool", "--spool.path=/proc/spool", self.web)

    def test_a_collector_address_that_is_none(self):
        self.check("collector", self.spool, self.web, "--collector.address=nonsense:x")

    def test_a_spool_that_another_agent_has(self):
        with Agent(self.directory, "127.0.0.1:1") as agent:
            wait_for("ready", lambda: get(f"http://{agent.http}/-/ready"))
            self.check("spool", self.spool, self.web)

    def test_missing_rights(self):
        os.chmod(self.directory, 0o777)
        nobody = ("setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
        self.check("CAP_", self.spool, self.web, prefix=nobody)


class AddressTest(unittest.TestCase):
    def test_serves_its_pages_while_the_collector_is_away(self):
        with tempfile.TemporaryDirectory() as directory, Agent(directory, "127.0.0.1:1") as agent:
            wait_for("ready", lambda: get(f"http://{agent.http}/-/ready"))
            self.assertEqual(get(f"http://{agent.http}/-/healthy"), "healthy\n")
            page = get(f"http://{agent.http}/")
            self.assertIn("127.0.0.1:1", page)
            self.assertIn("10s of every 1m at 99 Hz", page)
            self.assertEqual(agent.terminate(), 0, agent.output())


if __name__ == "__main__":
    unittest.main(verbosity=2)
