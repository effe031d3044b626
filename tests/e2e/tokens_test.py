"""Tokens: who is let in to what, over gRPC and HTTP, and how they are changed while the programs run."""

import base64
import contextlib
import json
import os
import socket
import stat
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from daemons import Agent, Collector, program, run, wait_for
from metrics_text import metric

READ, WRITE, ADMIN = "/metrics", "/push.v1.PusherService/Push", "/-/snapshot"


class TokensTest(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.token_file = os.path.join(self.directory, "tokens.yaml")
        self.entries = {}
        for role in "read", "write", "admin":
            self.add(role)
        self.write()

    def path(self, name):
        return os.path.join(self.directory, f"{name}.token")

    def token(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read().strip()

    def add(self, role, name=None):
        name = name or role
        self.entries[name] = run(program("pilotlight-collector"), "token", "--name", name, "--role", role, "--out",
                                 self.path(name))

    def write(self):
        with open(self.token_file + ".new", "w", encoding="utf-8") as file:
            file.write("".join(self.entries.values()))
        os.rename(self.token_file + ".new", self.token_file)

    def collector(self):
        collector = self.stack.enter_context(Collector(self.directory, f"--auth.token-file={self.token_file}"))
        wait_for("the collector listens", lambda: "gRPC on port" in collector.output(), seconds=20)
        return collector

    def ask(self, collector, path, authorization=None, body=None):
        """The code and the answer; a body makes it a POST of JSON."""
        request = urllib.request.Request(f"http://{collector.http}{path}", body, {"Content-Type": "application/json"})
        if authorization:
            request.add_header("Authorization", authorization)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def code(self, collector, path, name):
        return self.ask(collector, path, f"Bearer {self.token(name)}", None if path == READ else b"{}")[0]

    def refused(self, collector, **labels):
        text = self.ask(collector, "/metrics", f"Bearer {self.token('read')}")[1]
        return metric(text, "pilotlight_auth_refused_total", **labels)

    def cli(self, collector, command, name=None):
        flags = [f"--token-file={self.path(name)}"] if name else []
        return subprocess.run([program("pilotlight"), *command, f"--collector={collector.grpc}", "--timeout=10s", *flags],
                              capture_output=True, text=True, check=False)

    def test_the_token_is_only_in_its_own_file(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.path("read")).st_mode), 0o600)
        self.assertNotIn(self.token("read"), "".join(self.entries.values()))
        again = subprocess.run([program("pilotlight-collector"), "token", "--name=a", "--role=read",
                                f"--out={self.path('read')}"], capture_output=True, check=False)
        self.assertEqual(again.returncode, 1)  # no token is written over

    def test_http(self):
        collector = self.collector()
        for path in READ, WRITE, ADMIN:
            body = None if path == READ else b"{}"
            self.assertEqual(self.ask(collector, path, None, body)[0], 401)
            self.assertEqual(self.ask(collector, path, "Bearer plt_other", body)[0], 401)
        expected = {"read": (200, 403, 403), "write": (403, 200, 403), "admin": (200, 200, 200)}
        for name, codes in expected.items():
            with self.subTest(name):
                self.assertEqual(tuple(self.code(collector, path, name) for path in (READ, WRITE, ADMIN)), codes)
        basic = "Basic " + base64.b64encode(f"anyone:{self.token('read')}".encode()).decode()
        self.assertEqual(self.ask(collector, READ, basic)[0], 200)
        self.assertEqual(self.ask(collector, "/-/healthy")[0], 200)
        self.assertEqual(self.ask(collector, "/-/ready")[0], 200)
        self.assertEqual(self.refused(collector, protocol="http", reason="no_token"), 3)
        self.assertEqual(self.refused(collector, protocol="http", reason="unknown_token"), 3)
        self.assertEqual(self.refused(collector, protocol="http", reason="role"), 4)

    def test_connect_errors(self):
        collector = self.collector()
        code, answer = self.ask(collector, "/pilotlight.v1.Query/LabelNames", None, b"{}")
        self.assertEqual((code, json.loads(answer)["code"]), (401, "unauthenticated"))
        code, answer = self.ask(collector, "/pilotlight.v1.Query/LabelNames", f"Bearer {self.token('write')}", b"{}")
        self.assertEqual((code, json.loads(answer)["code"]), (403, "permission_denied"))

    def test_a_body_of_a_stranger_is_not_waited_for(self):
        collector = self.collector()
        host, port = collector.http.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
            self.assertIn(b" 401 ", connection.recv(4096))

    def test_grpc(self):
        collector = self.collector()
        for name, said in (None, "token"), ("write", "needs a token with the role read"):
            refused = self.cli(collector, ["labels"], name)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(said, refused.stderr)
        self.assertEqual(self.cli(collector, ["labels"], "read").returncode, 0)
        self.assertEqual(self.cli(collector, ["agents"], "read").returncode, 0)
        # Commands to agents are for administrators.
        capture = self.cli(collector, ["capture", "--node=none"], "read")
        self.assertIn("needs a token with the role admin", capture.stderr)
        self.assertIn("no agent of node", self.cli(collector, ["capture", "--node=none"], "admin").stderr)
        self.assertEqual(self.refused(collector, protocol="grpc", reason="no_token"), 1)
        self.assertEqual(self.refused(collector, protocol="grpc", reason="role"), 2)

    def test_an_agent_gets_in_when_its_token_does(self):
        collector = self.collector()
        agent = self.stack.enter_context(Agent(
            self.directory, collector.grpc, "--node.name=here", "--capture.interval=1s", "--capture.duration=200ms",
            f"--collector.token-file={self.path('agent')}"))
        wait_for("there is no such file", lambda: "agent.token" in agent.output())
        with open(self.path("agent"), "w", encoding="utf-8") as file:
            file.write(self.token("read"))
        wait_for("it is refused", lambda: self.refused(collector, protocol="grpc", reason="role"))
        text = self.ask(collector, "/metrics", f"Bearer {self.token('read')}")[1]
        self.assertEqual(metric(text, "pilotlight_ingest_received_bytes_total"), 0)
        os.remove(self.path("agent"))
        self.add("write", "agent")
        self.write()
        wait_for("a window is stored", lambda: metric(
            self.ask(collector, "/metrics", f"Bearer {self.token('read')}")[1], "pilotlight_ingest_windows_total",
            outcome="stored"))

    def test_tokens_are_taken_away(self):
        collector = self.collector()
        self.assertEqual(self.code(collector, READ, "read"), 200)
        del self.entries["read"]
        self.write()
        self.assertEqual(self.code(collector, READ, "read"), 401)
        with open(self.token_file, "w", encoding="utf-8") as file:
            file.write("- name: broken\n")
        self.assertEqual(self.code(collector, READ, "admin"), 200)  # as before

    def test_a_token_that_is_taken_away_ends_the_stream(self):
        collector = self.collector()
        agent = self.stack.enter_context(Agent(
            self.directory, collector.grpc, "--node.name=here", "--capture.interval=1s", "--capture.duration=200ms",
            f"--collector.token-file={self.path('write')}"))
        wait_for("the agent is connected", lambda: "connected to the collector" in agent.output())
        del self.entries["write"]
        self.write()
        wait_for("the stream has ended", lambda: "the token is not known here" in agent.output())
        nodes = self.cli(collector, ["agents", "-o", "json"], "read")
        self.assertNotIn("here", nodes.stdout)

    def test_a_page_of_another_site_changes_nothing(self):
        collector = self.collector()
        for site, code in ("cross-site", 403), ("same-origin", 200):
            request = urllib.request.Request(f"http://{collector.http}{ADMIN}", b"", {
                "Authorization": f"Bearer {self.token('admin')}", "Sec-Fetch-Site": site})
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    self.assertEqual(answer.status, code)
            except urllib.error.HTTPError as error:
                self.assertEqual(error.code, code)

    def test_without_tokens_everyone_is_let_in_and_the_log_says_so(self):
        collector = self.stack.enter_context(Collector(self.directory))
        wait_for("the collector says so", lambda: "open to everyone: no --auth.token-file" in collector.output())
        self.assertEqual(self.ask(collector, READ)[0], 200)

    def test_a_file_that_makes_no_sense_keeps_the_collector_from_starting(self):
        with open(self.token_file, "w", encoding="utf-8") as file:
            file.write("- {name: a, role: root}\n")
        done = subprocess.run([program("pilotlight-collector"), f"--auth.token-file={self.token_file}",
                               "--grpc.listen-address=127.0.0.1:0", "--web.listen-address=127.0.0.1:0",
                               f"--storage.path={self.directory}/data"], capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('"root" is none', done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
