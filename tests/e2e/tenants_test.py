"""Tenants: what one of them stores, asks, runs and breaks, over every port and API, is nobody else's."""

import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from daemons import Agent, Collector, program, run, wait_for
from metrics_text import metric

FILES = ("/folded", "/flamegraph.svg", "/flamegraph.json", "/speedscope.json", "/cpuprofile", "/callgraph.dot",
         "/debug/pprof/merge")
OTLP = {"dictionary": {
    "stringTable": ["", "cpu", "nanoseconds", "otlp_function", "samples", "count"],
    "functionTable": [{}, {"nameStrindex": 3}],
    "locationTable": [{}, {"lines": [{"functionIndex": 1}]}],
    "stackTable": [{}, {"locationIndices": [1]}],
    "mappingTable": [{}], "linkTable": [{}], "attributeTable": [{}]}}


class TenantsTest(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.token_file = os.path.join(self.directory, "tokens.yaml")
        self.collector = None

    def start(self, *flags):
        self.collector = self.stack.enter_context(Collector(self.directory, *flags))
        wait_for("the collector listens", lambda: "gRPC on port" in self.collector.output(), seconds=20)

    def path(self, token):
        return os.path.join(self.directory, f"{token}.token")

    def make_tokens(self):
        """a-read, a-write, …, and operator, of no tenant."""
        with open(self.token_file, "w", encoding="utf-8") as file:
            for tenant in "a", "b":
                for role in "read", "write", "admin":
                    file.write(run(program("pilotlight-collector"), "token", f"--name={tenant}-{role}", f"--role={role}",
                                   f"--tenant={tenant}", f"--out={self.path(f'{tenant}-{role}')}"))
            file.write(run(program("pilotlight-collector"), "token", "--name=operator", "--role=admin",
                           f"--out={self.path('operator')}"))

    def ask(self, path, token=None, tenants=(), body=None, content_type="application/json"):
        """The code and the answer. A body makes it a POST; each of `tenants` a header."""
        connection = http.client.HTTPConnection(self.collector.http, timeout=30)
        connection.putrequest("GET" if body is None else "POST", path)
        if body is not None:
            connection.putheader("Content-Type", content_type)
            connection.putheader("Content-Length", str(len(body)))
        if token:
            with open(self.path(token), encoding="utf-8") as file:
                connection.putheader("Authorization", f"Bearer {file.read().strip()}")
        for tenant in tenants:
            connection.putheader("X-Scope-OrgID", tenant)
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, text

    def connect(self, method, message, **who):
        return self.ask(f"/{method}", body=json.dumps(message).encode(), **who)

    def push(self, service, **who):
        return self.ask(f"/ingest?name={service}", body=f"main;work_of_{service} 3\n".encode(), content_type="text/plain",
                        **who)

    def push_otlp(self, service, **who):
        now = str(int(time.time() - 5) * 10**9)
        profile = {"timeUnixNano": now, "durationNano": "1000000000", "sampleType": {"typeStrindex": 4, "unitStrindex": 5},
                   "periodType": {"typeStrindex": 1, "unitStrindex": 2}, "period": "10000000",
                   "samples": [{"stackIndex": 1, "values": ["2"]}]}
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        return self.connect("v1development/profiles", OTLP | {
            "resourceProfiles": [{"resource": resource, "scopeProfiles": [{"profiles": [profile]}]}]}, **who)

    def services(self, **who):
        code, text = self.connect("pilotlight.v1.Query/LabelValues", {"name": "service_name"}, **who)
        self.assertEqual(code, 200, text)
        return json.loads(text).get("values", [])

    def metrics(self, name, **labels):
        token = "operator" if os.path.exists(self.token_file) else None
        return metric(self.ask("/metrics", token=token)[1], name, **labels)

    def cli(self, *command, token=None, **environment):
        flags = [f"--token-file={self.path(token)}"] if token else []
        return subprocess.run([program("pilotlight"), *command, f"--collector={self.collector.grpc}", "--timeout=10s",
                               *flags], capture_output=True, text=True, check=False, env=os.environ | environment)

    def test_each_api_answers_with_the_tokens_tenant_alone(self):
        self.make_tokens()
        self.start(f"--auth.token-file={self.token_file}")
        folded = os.path.join(self.directory, "folded.txt")
        with open(folded, "w", encoding="utf-8") as file:
            file.write("main;work_of_pushed 4\n")
        for tenant in "a", "b":
            who = {"token": f"{tenant}-write"}
            self.assertEqual(self.push(f"ingested-{tenant}", **who)[0], 200)
            self.assertEqual(self.push_otlp(f"otlp-{tenant}", **who)[0], 200)
            pushed = self.cli("push", f"--service=pushed-{tenant}", folded, token=f"{tenant}-write")  # push.v1 over gRPC
            self.assertEqual(pushed.returncode, 0, pushed.stderr)
        now = int(time.time())
        span = {"start": str((now - 3600) * 1000), "end": str((now + 60) * 1000)}
        for mine, other in ("a", "b"), ("b", "a"):
            with self.subTest(mine):
                who = {"token": f"{mine}-read"}
                services = [f"{how}-{mine}" for how in ("ingested", "otlp", "pushed")]
                self.assertEqual(self.services(**who), services)
                for method, message in (
                        ("querier.v1.QuerierService/LabelValues", {"name": "service_name"} | span),
                        ("querier.v1.QuerierService/Series", span),
                        ("pilotlight.v1.Query/Series", {"groupBy": ["service_name"]}),
                        ("pilotlight.v1.Query/FlameGraph", {}), ("pilotlight.v1.Query/Top", {}),
                        ("pilotlight.v1.Query/Peek", {"function": "main"})):
                    code, text = self.connect(method, message, **who)
                    self.assertEqual(code, 200, text)
                    self.assertRegex(text, f"ed-{mine}|work_of", method)
                    self.assertNotIn(f"ed-{other}", text, method)
                for path in FILES:
                    query = urllib.parse.quote(f'{{service_name="ingested-{mine}"}}')
                    self.assertEqual(self.ask(f"{path}?selector={query}", **who)[0], 200, path)
                    query = urllib.parse.quote(f'{{service_name="ingested-{other}"}}')
                    code, text = self.ask(f"{path}?selector={query}", **who)
                    self.assertEqual(code, 404, path)
                    self.assertNotIn(f"otlp-{other}", text)
                self.assertNotIn(f"work_of_ingested-{other}", self.ask("/diff.json", **who)[1])
                self.assertEqual(self.ask("/", **who)[0], 200)
                self.assertEqual(self.cli("labels", "service_name", **who).stdout.split(), services)
                self.assertIn(f"work_of_ingested-{mine}", self.cli("top", **who).stdout)
                out = self.cli("flame", "-o", "folded", **who).stdout  # Export
                self.assertIn(f"work_of_ingested-{mine}", out)
                self.assertNotIn(f"work_of_ingested-{other}", out)
        self.assertEqual(self.services(token="operator"), [])  # what is of no tenant
        self.assertEqual(sorted(os.listdir(os.path.join(self.directory, "data", "tenants"))), ["a", "b"])
        self.assertEqual(self.metrics("pilotlight_tenants"), 3)
        self.assertGreater(self.metrics("pilotlight_tenant_disk_bytes", tenant="a"), 0)
        self.assertEqual(self.metrics("pilotlight_auth_refused_total", reason="tenant"), 0)

    def test_another_tenants_is_refused_and_counted(self):
        self.make_tokens()
        self.start(f"--auth.token-file={self.token_file}")
        self.assertEqual(self.push("shop", token="b-write")[0], 200)
        for path in FILES + ("/", "/diff.json"):
            self.assertEqual(self.ask(path, "a-read", ["b"])[0], 403, path)
        for method in "pilotlight.v1.Query/Top", "querier.v1.QuerierService/LabelNames":
            code, text = self.connect(method, {}, token="a-read", tenants=["b"])
            self.assertEqual((code, json.loads(text)["code"]), (403, "permission_denied"))
        self.assertEqual(self.push("shop", token="a-write", tenants=["b"])[0], 403)
        self.assertEqual(self.connect("push.v1.PusherService/Push", {}, token="a-write", tenants=["b"])[0], 403)
        self.assertEqual(self.push_otlp("shop", token="a-write", tenants=["b"])[0], 403)
        self.assertEqual(self.ask("/folded", "a-read", ["a", "b"])[0], 403)
        for path in "/metrics", "/-/reload", "/-/snapshot":  # of all tenants
            self.assertEqual(self.ask(path, "a-admin", body=None if path == "/metrics" else b"")[0], 403)
        self.assertEqual(self.metrics("pilotlight_auth_refused_total", protocol="http", reason="tenant"), 18)
        for command in ["labels"], ["top"], ["agents"], ["flame", "-o", "folded"], ["capture", "--node=x"]:
            refused = self.cli(*command, token="a-admin", PILOTLIGHT_TENANT="b")
            self.assertEqual(refused.returncode, 1)
            self.assertIn('the token is of the tenant "a"', refused.stderr)
        self.assertEqual(self.metrics("pilotlight_auth_refused_total", protocol="grpc", reason="tenant"), 5)
        self.assertEqual(self.services(token="b-read"), ["shop"])
        self.assertEqual(os.listdir(os.path.join(self.directory, "data", "tenants")), ["b"])

    def test_agents_are_of_their_tokens_tenant(self):
        self.make_tokens()
        self.start(f"--auth.token-file={self.token_file}")
        for tenant in "a", "b":
            home = os.path.join(self.directory, tenant)
            os.mkdir(home)
            self.stack.enter_context(Agent(
                home, self.collector.grpc, f"--node.name=node-{tenant}", "--capture.interval=1s", "--capture.duration=200ms",
                f"--collector.token-file={self.path(f'{tenant}-write')}"))
        for tenant in "a", "b":
            wait_for("windows are stored", lambda: self.services(token=f"{tenant}-read"))
            agents = json.loads(self.cli("agents", "-o", "json", token=f"{tenant}-read").stdout)
            self.assertEqual([agent["node"] for agent in agents], [f"node-{tenant}"])
            nodes = self.connect("pilotlight.v1.Query/LabelValues", {"name": "node"}, token=f"{tenant}-read")[1]
            self.assertEqual(json.loads(nodes)["values"], [f"node-{tenant}"])
        for command in ["capture", "--for=100ms"], ["doctor"]:
            refused = self.cli(*command, "--node=node-b", token="a-admin")
            self.assertIn('no agent of node "node-b" among the 1 ', refused.stderr)
            mine = self.cli(*command, "--node=node-a", token="a-admin")
            self.assertEqual(mine.returncode, 0, mine.stderr)
        self.assertNotIn("node-", self.cli("agents", token="operator").stdout)

    def test_the_header_counts_where_it_is_taken(self):
        self.start("--auth.tenant-header")
        self.assertEqual(self.push("shop-a", tenants=["a"])[0], 200)
        self.assertEqual(self.push("shop-0")[0], 200)
        self.assertEqual(self.services(tenants=["a"]), ["shop-a"])
        self.assertEqual(self.services(), ["shop-0"])
        self.assertEqual(self.services(tenants=["anonymous"]), ["shop-0"])
        self.assertEqual(self.services(tenants=["nobody"]), [])  # which makes nothing
        self.assertEqual(self.cli("labels", "service_name", "--tenant=a").stdout.split(), ["shop-a"])
        wrong = self.cli("labels", "--tenant=../a")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("no name of a tenant", wrong.stderr)
        for tenants in ["../a"], [".."], ["a|b"], ["x" * 151]:
            self.assertEqual(self.push("shop", tenants=tenants)[0], 400)
            code, text = self.connect("pilotlight.v1.Query/LabelNames", {}, tenants=tenants)
            self.assertEqual((code, json.loads(text)["code"]), (400, "invalid_argument"))
        self.assertEqual(self.metrics("pilotlight_auth_refused_total", protocol="http", reason="tenant"), 8)
        self.stack.enter_context(Agent(self.directory, self.collector.grpc, "--node.name=n", "--capture.interval=1s",
                                       "--capture.duration=200ms", "--collector.tenant=a"))
        wait_for("windows are stored", lambda: len(self.services(tenants=["a"])) > 1)
        self.assertEqual(self.services(), ["shop-0"])
        self.assertRegex(self.cli("agents", "--tenant=a").stdout, "(?m)^n ")
        self.assertEqual(os.listdir(os.path.join(self.directory, "data", "tenants")), ["a"])

    def test_the_header_is_ignored_otherwise(self):
        self.start()
        self.assertEqual(self.push("shop", tenants=["../a"])[0], 200)
        self.assertEqual(self.services(tenants=["b"]), ["shop"])
        self.assertFalse(os.path.exists(os.path.join(self.directory, "data", "tenants")))

    def test_limits_and_rules_are_of_each_tenant(self):
        rules = os.path.join(self.directory, "rules.yaml")
        with open(rules, "w", encoding="utf-8") as file:
            file.write("rules: [{name: all}]\n")
        self.start("--auth.tenant-header", "--tenants.max=2", "--tenants.max-bytes-per-second=1", "--tenants.max-series=1",
                   f"--config.file={rules}")
        for _ in range(5):  # 18 bytes each: 60 are saved up, and the fourth is on credit
            code, text = self.push("s1", tenants=["a"])
        self.assertEqual(code, 429)
        self.assertIn("--tenants.max-bytes-per-second", text)
        self.assertGreaterEqual(self.metrics("pilotlight_tenant_limited_total", tenant="a"), 1)
        self.assertEqual(self.push("s1", tenants=["b"])[0], 200)
        self.assertEqual(self.push("s2", tenants=["b"])[0], 200)
        self.assertEqual(self.metrics("pilotlight_store_overflow_samples_total", tenant="b", limit="series"), 3)
        for _ in range(5):
            self.assertEqual(self.push("s1")[0], 200)
        code, text = self.push("s1", tenants=["c"])
        self.assertEqual(code, 429)
        self.assertIn("--tenants.max", text)
        self.assertEqual(self.metrics("pilotlight_tenants_refused_total"), 1)
        self.assertEqual(self.metrics("pilotlight_rule_samples_total", tenant="b", service="s1"), 3)
        text = self.ask("/metrics")[1]
        self.assertIn('pilotlight_rule_samples_total{rule="all",service="s1"} 15', text)

    def test_a_snapshot_has_all_tenants_and_is_checked_with_them(self):
        self.start("--auth.tenant-header")
        for tenants in [], ["a"]:
            self.assertEqual(self.push("shop", tenants=tenants)[0], 200)
        name = json.loads(self.ask("/-/snapshot", body=b"")[1])["name"]
        snapshot = os.path.join(self.directory, "data", "snapshots", name)
        check = json.loads(run(program("pilotlight-collector"), "check", f"--storage.path={snapshot}", "-o", "json"))
        self.assertTrue(check["clean"] and check["tenants"]["a"]["clean"])
        self.assertEqual(check["tenants"]["a"]["records"]["windows"], 1)
        tenant = os.path.join(snapshot, "tenants", "a")
        table = next(name for name in os.listdir(tenant) if name.endswith(".sst"))
        with open(os.path.join(tenant, table), "r+b") as file:
            file.truncate(10)
        checked = subprocess.run([program("pilotlight-collector"), "check", f"--storage.path={snapshot}"],
                                 capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 3, checked.stdout + checked.stderr)
        self.assertIn("Tenant a:", checked.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
