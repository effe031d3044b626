"""What OpenTelemetry's own exporter packages send is there with its names and totals.

Built twice: with the package of the current schema, and with that of the one before.
"""

import os
import subprocess
import tempfile
import unittest
import urllib.parse

import daemons

CLIENT = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "e2e", "otlp_client")
MODULES = {"current": "go.mod", "previous": "previous.mod"}
WAYS = {
    "grpc": [],
    "grpc_gzip": ["-gzip"],
    "http": ["-http"],
    "http_gzip": ["-http", "-gzip"],
    "http_json": ["-http", "-json"],
}
EXPECTED = {
    # Samples with timestamps alone, with values alone, and with both.
    "process_cpu:cpu:nanoseconds:cpu:nanoseconds": [
        "main.main;libshop.so+0x1234 2", "main.main;shop.List[go.shape.int] 5", "main.main;shop.Sum;shop.add 3"],
    "memory:alloc_space:bytes::": ["main.main;shop.List[go.shape.int] 4096"],
    "off_cpu:off_cpu:nanoseconds::": ["main.main;shop.Sum;shop.add 3000"],
}

OF_CART = "main.main;shop.List[go.shape.int] 5"  # the samples of the CPU profile that have the attribute http.route


class OtlpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        for schema, module in MODULES.items():
            subprocess.run(["go", "build", f"-modfile={module}", "-o", os.path.join(cls.directory, schema), "."],
                           cwd=CLIENT, check=True)
        cls.collector = cls.enterClassContext(daemons.Collector(cls.directory))
        daemons.wait_for("the collector", lambda: daemons.get(f"http://{cls.collector.http}/-/ready"))

    def send(self, schema, service, *flags, collector=None):
        collector = collector or self.collector
        to = [f"-http=http://{collector.http}"] if "-http" in flags else [f"-grpc={collector.grpc}"]
        return subprocess.run(
            [os.path.join(self.directory, schema), f"-service={service}", *to, *(f for f in flags if f != "-http")],
            check=True, capture_output=True, text=True).stdout.strip()

    def folded(self, service, profile_type, more=""):
        query = urllib.parse.urlencode({
            "selector": f'{{service_name="{service}", namespace="shops", pod="shop-1", '
                        f'deployment_environment_name="test"{more}}}',
            "type": profile_type})
        return daemons.get(f"http://{self.collector.http}/folded?{query}").splitlines()

    def test_what_is_sent_is_there(self):
        for schema in MODULES:
            for way, flags in WAYS.items():
                with self.subTest(schema=schema, way=way):
                    service = f"{schema}-{way}"
                    self.assertEqual(self.send(schema, service, *flags), "rejected 0:")
                    for profile_type, stacks in EXPECTED.items():
                        self.assertEqual(self.folded(service, profile_type), stacks)
                    cpu, stacks = next(iter(EXPECTED.items()))
                    self.assertEqual(self.folded(service, cpu, ', http_route="/cart"'), [OF_CART])
                    self.assertEqual(self.folded(service, cpu, ', http_route="", thread_name=""'),
                                     [stack for stack in stacks if stack != OF_CART])

    def test_a_refused_profile_leaves_the_others(self):
        for schema in MODULES:
            for flags in ([], ["-http"], ["-http", "-json"]):
                with self.subTest(schema=schema, flags=flags):
                    service = f"broken-{schema}{''.join(flags)}"
                    self.assertEqual(self.send(schema, service, "-broken", *flags),
                                     "rejected 1: the dictionary has no stack 1000")
                    cpu, stacks = next(iter(EXPECTED.items()))
                    self.assertEqual(self.folded(service, cpu), stacks)
        self.assertIn('pilotlight_ingest_refused_windows_total{reason="not_decodable"}',
                      daemons.get(f"http://{self.collector.http}/metrics"))

    def test_each_tenant_has_its_own(self):
        with tempfile.TemporaryDirectory() as directory, daemons.Collector(directory, "--auth.tenant-header") as collector:
            daemons.wait_for("the collector", lambda: daemons.get(f"http://{collector.http}/-/ready"))
            for way, flags in WAYS.items():
                sent = self.send("current", f"{way}-service", f"-tenant={way.replace('_', '-')}", *flags, collector=collector)
                self.assertEqual(sent, "rejected 0:")
            for tenant, services in [(way.replace("_", "-"), [f"{way}-service"]) for way in WAYS] + [("anonymous", [])]:
                found = daemons.run(os.path.join(daemons.BUILD, "bin", "pilotlight"), "labels", "service_name",
                                    f"--collector={collector.grpc}", f"--tenant={tenant}").split()
                self.assertEqual(found, services, tenant)
            # No tenant is one that cannot be a folder's name.
            self.assertIn("error: ", self.send("current", "shop", "-tenant=../a", collector=collector))

    def test_other_versions_are_refused_by_name(self):
        for version in ("v1experimental", "v1"):
            answer = self.send("current", "shop", f"-version={version}")
            self.assertRegex(answer, f"error: .*Unimplemented.*OTLP profiles {version} are not taken; taken are ")


if __name__ == "__main__":
    unittest.main()
