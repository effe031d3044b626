"""Alerts end to end: real programs, a real Prometheus with our rules, and a real Alertmanager.

A service that gives up the CPU all the time and one that makes garbage alert, each with its name; an idle one, whose
little CPU is nearly all the scheduler's, does not.
"""

import os
import shutil
import tempfile
import unittest

import programs
from daemons import Agent, Collector, get, wait_for
from prometheus import Alertmanager, Prometheus

GO_VERSION = "1.26.8"
RULES = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "helm", "pilotlight", "prometheus", "rules.yaml")


def hasty_rules(directory):
    """The same rules, judging by 20 s in place of ten minutes."""
    with open(RULES, encoding="utf-8") as file:
        rules = file.read()
    assert "[10m]" in rules and "for: 10m" in rules
    path = os.path.join(directory, "rules.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(rules.replace("[10m]", "[20s]").replace("for: 10m", "for: 3s"))
    return path


class AlertsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.collector = cls.enterClassContext(Collector(cls.directory))
        cls.agent = cls.enterClassContext(
            Agent(cls.directory, cls.collector.grpc, "--capture.duration=1s", "--capture.interval=1s",
                  "--capture.max-overhead=0"))
        cls.alertmanager = cls.enterClassContext(Alertmanager(cls.directory))
        cls.prometheus = cls.enterClassContext(
            Prometheus(cls.directory, {"agent": cls.agent.http}, hasty_rules(cls.directory), cls.alertmanager,
                       external_labels={"pilotlight_url": f"http://{cls.collector.http}"}))

    def start(self, workload, service, *arguments):
        path = shutil.copy(programs.build_go(workload, GO_VERSION), os.path.join(self.directory, service))
        return self.enterContext(programs.Workload(path, *arguments))

    def wait_for_alert(self, name, service):
        """Its annotations."""
        def there():
            for alert in self.alertmanager.alerts():
                if (alert["labels"]["alertname"], alert["labels"].get("service")) == (name, service):
                    return alert["annotations"]
            return None
        return wait_for(f"{name} of {service}", there, seconds=120, every=0.5)

    def test_a_service_that_blocks_all_the_time_alerts_and_an_idle_one_does_not(self):
        self.start("blockers", "pingpong", "yield")
        self.start("blockers", "idle", "idle")
        annotations = self.wait_for_alert("PilotlightGoMcallShareHigh", "pingpong")
        page = annotations["pilotlight_window_url"]
        self.assertIn("<html", get(page))
        # The page asks with the same words.
        graph = get(page.replace("/?", "/flamegraph.svg?"))
        self.assertIn("runtime.mcall", graph)
        self.assertNotIn("wasteful", graph)
        # Its share is high enough, and not by chance.
        wait_for("the idle one's share", lambda: (self.prometheus.value(
            'service_class:pilotlight_go_cpu_ratio_lower:10m{service="idle",class="mcall"}') or 0) > 0.2, seconds=120)
        self.assertLess(self.prometheus.value('service:pilotlight_cpu_cores:avg10m{service="idle"}'), 0.1)
        self.assertEqual(self.prometheus.query('ALERTS{service="idle"}'), {})
        self.assertFalse([alert for alert in self.alertmanager.alerts() if alert["labels"].get("service") == "idle"])

    def test_a_service_that_makes_garbage_alerts(self):
        self.start("garbage", "wasteful").ask("allocate")
        self.wait_for_alert("PilotlightGoGcShareHigh", "wasteful")


if __name__ == "__main__":
    unittest.main(verbosity=2)
