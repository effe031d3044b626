"""The Helm chart as it is rendered, over a matrix of values: valid, with real flags, rules and dashboard."""

import json
import os
import re
import tempfile
import unittest

from cluster import SOURCE, tool
from daemons import program, run

CHART = os.path.join(SOURCE, "helm", "pilotlight")
# Kinds whose schemas do not come with Kubernetes.
FOREIGN_KINDS = ["HTTPRoute", "PodMonitor", "PrometheusRule", "ServiceMonitor"]
EVERYTHING = {
    "imageRegistry": "registry.example.com/team", "imagePullSecrets": [{"name": "pull"}],
    "agent": {"tenant": "team'a", "privateBinaries": True, "deletedLibraries": True, "pprofDiscover": ["goroutine", "heap"],
              "spool": {"hostPath": "/var/lib/pilotlight-agent"}, "extraArgs": ["--capture.frequency=49"],
              "extraEnv": [{"name": "A", "value": "1"}], "extraVolumes": [{"name": "more", "emptyDir": {}}],
              "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}], "podAnnotations": {"a": "b"},
              "podLabels": {"team": "x"}, "priorityClassName": "system-node-critical",
              "securityContext": {"seLinuxOptions": {"type": "spc_t"}}, "image": {"digest": "sha256:" + "0" * 64},
              "serviceAccount": {"annotations": {"a": "b"}}, "web": {"configSecret": "web", "tls": True}},
    "collector": {"rules": [{"name": "json", "selector": "{namespace=\"shop\"}", "focus": "^encoding/json\\."}],
                  "extraArgs": ["--storage.retention.windows=4d"], "podAnnotations": {"a": "b"},
                  "persistence": {"storageClass": "fast", "annotations": {"a": "b"}, "whenDeleted": "Delete",
                                  "dataSource": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot",
                                                 "name": "old"}},
                  "extraEnv": [{"name": "A", "value": "1"}], "extraVolumes": [{"name": "more", "emptyDir": {}}],
                  "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}], "service": {"type": "LoadBalancer"},
                  "tolerations": [{"operator": "Exists"}], "podDisruptionBudget": {"enabled": True},
                  "affinity": {"nodeAffinity": {}}, "web": {"configSecret": "web", "tls": True}},
    "tls": {"existingSecret": "grpc", "agentSecret": "agents"},
    "auth": {"tokensSecret": "tokens", "agentTokenSecret": "write", "readTokenSecret": "read", "tenantHeader": True},
    "ingress": {"enabled": True, "className": "nginx", "tls": [{"hosts": ["pilotlight.example.com"],
                                                                "secretName": "tls"}]},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": ["pilotlight.example.com"]},
    "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {}}], "grpcFrom": [{"podSelector": {}}]},
    "prometheusOperator": {"monitors": True, "rules": True, "labels": {"release": "p"}, "interval": "15s",
                           "tlsConfig": {"serverName": "pilotlight"}},
    "grafana": {"dashboard": {"enabled": True, "annotations": {"folder": "p"}}, "datasource": {"enabled": True}},
}
MATRIX = {
    "nothing set": {},
    "everything set": EVERYTHING,
    "agents alone": {"collector": {"enabled": False}, "agent": {"collectorAddress": "profiles.example.com:7171"},
                     "prometheusOperator": {"monitors": True}, "networkPolicy": {"enabled": True}},
    "collector alone": {"agent": {"enabled": False}, "prometheusOperator": {"monitors": True},
                        "networkPolicy": {"enabled": True}},
    "no volume": {"collector": {"persistence": {"enabled": False}, "rules": [{"name": "all"}]}},
    "a volume that is there": {"collector": {"persistence": {"existingClaim": "data"}}},
    "no rights but the least": {"agent": {"kernelNames": False}},
    "other names": {"nameOverride": "n" * 80, "agent": {"serviceAccount": {"name": "mine"}}},
    "certificates by cert-manager": {"tls": {"certManagerIssuer": {"kind": "Issuer", "name": "ca"}}},
    "one other name": {"fullnameOverride": "flame"},
}


def run_tool(name, *arguments, **options):
    return run(tool(name), *arguments, **options)


def render(values, *flags):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        return run_tool("helm", "template", "pilotlight", CHART, "--namespace", "profiling", "--values", file.name, *flags)


def indented_below(text, line):
    """The lines below `line` that are further to the right, moved to the left."""
    lines = text.splitlines()
    begin = next(i for i, one in enumerate(lines) if one.strip() == line)
    indent = len(lines[begin]) - len(lines[begin].lstrip())
    below = []
    for one in lines[begin + 1:]:
        if one.strip() and len(one) - len(one.lstrip()) <= indent:
            break
        below.append(one)
    return "\n".join(one[indent + 2:] for one in below) + "\n"


class ChartTest(unittest.TestCase):
    def test_lint_has_nothing_to_say(self):
        run_tool("helm", "lint", "--strict", CHART)

    def test_its_own_tests_pass(self):
        run_tool("helm-unittest", "--strict", CHART)

    def test_what_is_rendered_is_valid(self):
        for name, values in MATRIX.items():
            with self.subTest(name):
                run_tool("kubeconform", "-strict", "-skip", ",".join([*FOREIGN_KINDS, "Certificate"]), "-schema-location",
                     tool("schemas/{{.ResourceKind}}{{.KindSuffix}}.json"), input=render(values))

    def test_objects_of_the_prometheus_operator_and_the_gateway_api_have_no_strange_fields(self):
        self.assertEqual(sorted(run_tool("foreign", input=render(EVERYTHING)).split()), FOREIGN_KINDS)

    def test_kube_score_has_nothing_critical(self):
        # How images are pulled is a value; a CPU limit would only delay windows; what is written goes to volumes; and
        # capabilities are for root alone.
        ignored = ["container-image-pull-policy", "container-ephemeral-storage-request-and-limit",
                   "container-security-context-user-group-id"]
        for name in ("nothing set", "everything set"):
            with self.subTest(name):
                run_tool("kube-score", "score", "--kubernetes-version=v1.35", "--ignore-container-cpu-limit",
                     "--enable-optional-test=container-seccomp-profile", *(f"--ignore-test={one}" for one in ignored),
                     "-", input=render(MATRIX[name] | {"networkPolicy": {"enabled": True}}, "--skip-tests"))

    def test_its_flags_are_flags_of_the_programs(self):
        text = render(EVERYTHING)
        for component in ("agent", "collector"):
            used = set(re.findall(r"^ *- \"?(--[a-z.-]+)(?:=|$)", indented_below(
                text.split(f"- name: {component}\n", 1)[1], "args:"), re.MULTILINE))
            known = set(re.findall(r"--[a-z.-]+", run(program(f"pilotlight-{component}"), "--help")))
            self.assertTrue(used)
            self.assertEqual(used - known, set())

    def test_its_version_is_that_of_the_programs(self):
        with open(os.path.join(CHART, "Chart.yaml"), encoding="utf-8") as file:
            versions = set(re.findall(r"^(?:appV|v)ersion: (.*)$", file.read(), re.MULTILINE))
        self.assertEqual(versions, {run(program("pilotlight"), "--version").split()[1]})

    def test_its_alert_rules_are_right(self):
        text = render({"prometheusOperator": {"rules": True}}, "--show-only=templates/prometheus.yaml")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(indented_below(text, "spec:"))
            file.flush()
            found = run("promtool", "check", "rules", file.name)
        with_source = run("promtool", "check", "rules", os.path.join(CHART, "prometheus", "rules.yaml"))
        self.assertEqual(re.findall(r"(\d+) rules found", found), re.findall(r"(\d+) rules found", with_source))

    def test_its_dashboard_is_the_one_that_is_tested(self):
        text = render({"grafana": {"dashboard": {"enabled": True}}}, "--show-only=templates/grafana.yaml")
        with open(os.path.join(CHART, "grafana", "dashboard.json"), encoding="utf-8") as file:
            self.assertEqual(json.loads(indented_below(text, "pilotlight.json: |-")), json.load(file))

    def test_its_dashboard_is_as_grafana_defines_dashboards(self):
        with open(os.path.join(CHART, "grafana", "dashboard.json"), encoding="utf-8") as file:
            dashboard = file.read()
        with tempfile.TemporaryDirectory() as directory:
            checker = os.path.join(directory, "dashboard_schema")
            run("go", "build", "-o", checker, ".", cwd=os.path.join(SOURCE, "tests", "e2e", "dashboard_schema"))
            run(checker, input=dashboard)
            for name in ("labelSelector", "legendFormat", "showPoints", "gridPos"):
                with self.subTest(name), self.assertRaisesRegex(AssertionError, "unexpected field 'other'"):
                    run(checker, input=dashboard.replace(f'"{name}"', '"other"'))

    def test_a_value_that_is_none_is_refused(self):
        for values, complaint in (
                ({"agent": {"extraArg": []}}, "additional properties 'extraArg' not allowed"),
                ({"agent": {"pprofDiscover": ["trace"]}}, "value must be one of"),
                ({"agent": {"tenant": "a/b"}}, "does not match pattern"),
                ({"tls": {"agentSecret": "a"}}, "tls.agentSecret without tls.existingSecret"),
                ({"collector": {"persistence": {"whenDeleted": "Maybe"}}}, "value must be one of"),
                ({"collector": {"enabled": False}}, "agents without a collector: set agent.collectorAddress"),
                ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs names no gateway")):
            with self.subTest(complaint):
                with self.assertRaises(AssertionError) as refusal:
                    render(values)
                self.assertIn(complaint, str(refusal.exception))

    def test_its_readme_has_all_values(self):
        run(os.path.join(SOURCE, "package", "chart_readme.py"), "--check")


if __name__ == "__main__":
    unittest.main(verbosity=2)
