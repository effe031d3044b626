"""A real Prometheus, and a real Alertmanager."""

import json
import os
import urllib.parse

from daemons import Daemon, free_port, get

CONFIG = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
  external_labels: {external_labels}
rule_files: ["{rules}"]
scrape_configs:
{jobs}
alerting:
  alertmanagers:
    - static_configs: [{{targets: [{alertmanager}]}}]
"""
JOB = """
  - job_name: {name}
    static_configs: [{{targets: ["{address}"]}}]
"""
ALERTMANAGER_CONFIG = """
route: {receiver: nobody, group_wait: 0s}
receivers: [{name: nobody}]
"""


class Prometheus(Daemon):
    """Scrapes `jobs`, addresses by name, and evaluates `rules`, a file, each second."""

    def __init__(self, directory, jobs, rules, alertmanager=None, external_labels=None):
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(
                rules=rules, external_labels=json.dumps(external_labels or {}),
                alertmanager=json.dumps(alertmanager.address) if alertmanager else "",
                jobs="".join(JOB.format(name=name, address=address) for name, address in jobs.items())))
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(directory, "prometheus", f"--config.file={config}",
                         f"--storage.tsdb.path={directory}/tsdb", f"--web.listen-address={self.address}")

    def query(self, expression):
        """The values, by the labels as JSON."""
        url = f"http://{self.address}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        result = json.loads(get(url))["data"]["result"]
        return {json.dumps(one["metric"], sort_keys=True): float(one["value"][1]) for one in result}

    def value(self, expression):
        """Of the only series; None without one."""
        values = list(self.query(expression).values())
        assert len(values) <= 1, values
        return values[0] if values else None


class Alertmanager(Daemon):
    def __init__(self, directory):
        config = os.path.join(directory, "alertmanager.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(ALERTMANAGER_CONFIG)
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(directory, "prometheus-alertmanager", f"--config.file={config}",
                         f"--storage.path={directory}/alerts", f"--web.listen-address={self.address}",
                         "--cluster.listen-address=")

    def alerts(self):
        """Each alert that it has: with "labels" and "annotations"."""
        return json.loads(get(f"http://{self.address}/api/v2/alerts"))
