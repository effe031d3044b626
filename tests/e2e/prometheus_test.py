"""A real Prometheus scrapes a real agent and a real collector, and answers questions about them."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from daemons import BUILD, Agent, Collector, Daemon, get, post_json, wait_for
from prometheus import Prometheus

HELM = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "helm", "pilotlight")


def dashboard():
    with open(os.path.join(HELM, "grafana", "dashboard.json"), encoding="utf-8") as file:
        return json.load(file)


class PrometheusTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        webshop = shutil.copy(os.path.join(BUILD, "workloads", "webshop"), cls.directory + "/shop")
        cls.webshop = cls.enterClassContext(Daemon(cls.directory, webshop, "--busy", "0.5"))
        cls.collector = cls.enterClassContext(Collector(cls.directory))
        cls.agent = cls.enterClassContext(
            Agent(cls.directory, cls.collector.grpc, "--capture.duration=2s", "--capture.interval=2s",
                  "--capture.max-overhead=0"))
        cls.prometheus = cls.enterClassContext(Prometheus(cls.directory, {"agent": cls.agent.http, "collector": cls.collector.http},
                       os.path.join(HELM, "prometheus", "rules.yaml")))

    def wait_for_value(self, expression):
        return wait_for(expression, lambda: self.prometheus.value(expression))

    def test_both_are_up(self):
        wait_for("up", lambda: sorted(self.prometheus.query("up").values()) == [1, 1])

    def test_cores_of_a_go_service(self):
        # The workload and its own clients are kept to half a core; how much they get on a busy machine
        # varies.
        cores = self.wait_for_value('pilotlight_cpu_cores{service="shop"} > 0')
        self.assertLess(cores, 2)

    def test_shares_with_their_lower_bound(self):
        for name in ("mcall_ratio", "gc_cpu_ratio", "lock_ratio", "syscall_ratio"):
            selector = f'pilotlight_go_{name}{{service="shop"}}'
            self.wait_for_value(f"{selector} >= bool 0")
            ratio = self.prometheus.value(selector)
            lower = self.prometheus.value(f'pilotlight_go_{name}_lower{{service="shop"}}')
            self.assertLessEqual(0, lower)
            self.assertLessEqual(lower, 1)
            self.assertLessEqual(ratio, 1)

    def test_classes_add_up_to_all_go_samples(self):
        self.wait_for_value('sum(pilotlight_go_cpu_samples_total{service="shop"}) > 50')
        # One scrape sees both, so equality is exact; samples without a Go frame are rare in a Go program.
        share = self.prometheus.value('sum(pilotlight_go_cpu_samples_total{service="shop"})'
                                      ' / sum(pilotlight_cpu_samples_total{service="shop"})')
        self.assertGreater(share, 0.9)
        self.assertLessEqual(share, 1)

    def test_a_stripped_go_program_is_named_completely(self):
        self.wait_for_value('pilotlight_frames_total{service="shop",symbolized="true"} > 500')
        unnamed = self.prometheus.value('pilotlight_frames_total{service="shop",symbolized="false"}')
        self.assertEqual(unnamed, 0)

    def test_windows_reach_the_collector(self):
        self.wait_for_value("pilotlight_uplink_acknowledged_windows_total > 2")
        self.assertEqual(self.prometheus.value('pilotlight_capture_windows_total{outcome="failed"}'), 0)
        self.assertEqual(self.prometheus.value("sum(pilotlight_uplink_dropped_windows_total)"), 0)

    def test_the_cost_is_a_metric(self):
        self.assertGreater(self.wait_for_value("pilotlight_capture_overhead_ratio > 0"), 0)

    def test_the_rules_judge_the_service(self):
        lower = self.wait_for_value('service_class:pilotlight_go_cpu_ratio_lower:10m{service="shop",class="user"} > 0')
        ratio = self.prometheus.value('service_class:pilotlight_go_cpu_ratio:10m{service="shop",class="user"}')
        self.assertLess(lower, 1)
        self.assertLessEqual(ratio, 1)
        self.assertEqual(self.prometheus.query('ALERTS{service="shop"}'), {})

    def test_the_dashboard_asks_what_can_be_answered(self):
        self.wait_for_value('service:pilotlight_cpu_cores:avg10m{service="shop"} > 0')
        self.wait_for_value('service_class:pilotlight_go_cpu_ratio:10m{service="shop",class="user"} > 0')
        targets = [target for panel in dashboard()["panels"] for target in panel.get("targets", [])]
        asked = [target["expr"] for target in targets if target["datasource"]["type"] == "prometheus"]
        self.assertGreater(len(asked), 10)
        for expression in asked:
            for variable, value in (("$namespace", ".*"), ("$service", "shop"), ("$__rate_interval", "1m")):
                expression = expression.replace(variable, value)
            self.assertNotIn("$", expression)
            answer = self.prometheus.query(expression)  # an error of Prometheus raises
            if "gc_pause" not in expression and "0.1" not in expression:  # those may have nothing to show
                self.assertTrue(answer, expression)

    def test_the_flame_graphs_of_the_dashboard_have_frames(self):
        self.wait_for_value("pilotlight_uplink_acknowledged_windows_total > 2")
        panels = [panel for panel in dashboard()["panels"] if panel["type"] == "flamegraph"]
        self.assertTrue(panels)
        for panel in panels:
            for target in panel["targets"]:
                self.assertEqual(target["datasource"], {"type": "grafana-pyroscope-datasource", "uid": "${profiles}"})
                self.assertEqual(target["queryType"], "profile")
                # What Grafana's data source sends for it.
                now_ms = int(time.time() * 1000)
                answer = post_json(
                    f"http://{self.collector.http}/querier.v1.QuerierService/SelectMergeStacktraces",
                    {"profileTypeID": target["profileTypeId"], "start": now_ms - 600_000, "end": now_ms,
                     "labelSelector": target["labelSelector"].replace("${service:regex}", "shop")})
                self.assertIn("net/http.(*conn).serve", answer["flamegraph"]["names"])

    def test_the_links_of_the_dashboard_lead_to_the_collector(self):
        self.wait_for_value("pilotlight_uplink_acknowledged_windows_total > 2")
        links = dashboard()["links"] + [
            link for panel in dashboard()["panels"]
            for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links", [])]
        addresses = {link["url"] for link in links if link["url"].startswith("${collector}/")}
        self.assertEqual(len(addresses), 3)
        now = int(time.time())
        for address in addresses:
            for variable, value in (("${collector}", f"http://{self.collector.http}"), ("${__from:date:seconds}", now - 600),
                                    ("${__to:date:seconds}", now), ("${service:regex}", "shop"),
                                    ("${__field.labels.service}", "shop")):
                address = address.replace(variable, str(value))
            self.assertNotIn("$", address)
            path, _, query = address.partition("?")
            # The page asks for what it shows with the same parameters.
            path = path if path.endswith("flamegraph.svg") else path + "flamegraph.svg"
            self.assertIn("net/http.(*conn).serve", get(f"{path}?{urllib.parse.quote(query, safe='=&')}"))

    def test_promtool_has_nothing_to_say(self):
        for address in (self.agent.http, self.collector.http):
            text = get(f"http://{address}/metrics")
            check = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                   capture_output=True, check=False)
            self.assertEqual(check.stdout + check.stderr, "")
            self.assertEqual(check.returncode, 0)

    def test_the_series_of_a_vanished_target_vanish(self):
        # Under a name of its own: another one may run on the machine.
        short_lived = shutil.copy(os.path.join(BUILD, "workloads", "cruncher"), self.directory + "/short_lived")
        selector = '{service="short_lived",job="agent"}'
        with Daemon(self.directory, short_lived, "0.2"):
            wait_for("its series", lambda: self.prometheus.query(selector))
        wait_for("no series of it", lambda: not self.prometheus.query(selector))


if __name__ == "__main__":
    unittest.main(verbosity=2)
