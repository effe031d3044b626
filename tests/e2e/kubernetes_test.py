"""The chart on a real Kubernetes, with the images of this build: what agent and collector may and may not do there."""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from authorities import Authority, client_context
from cluster import NODE, SOURCE, Cluster, tool
from daemons import BUILD, Daemon, get, program, run, wait_for

CHART = os.path.join(SOURCE, "helm", "pilotlight")
CAPABILITIES = {"DAC_READ_SEARCH": 2, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "SYSLOG": 34, "PERFMON": 38, "BPF": 39,
                "CHECKPOINT_RESTORE": 40}
DEFAULT_CAPABILITIES = ["BPF", "PERFMON", "SYS_PTRACE", "SYSLOG"]
SHOP = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop"}, "spec": {"containers": [{
    "name": "shop", "image": "webshop:1", "imagePullPolicy": "Never", "args": ["--busy=0.4"],
    "securityContext": {"runAsUser": 1234}}]}}
LIBRARY = "__attribute__((noinline)) void in_the_library(void) { for (volatile int i = 0; i < 1000000; ++i) {} }\n"
PROGRAM = "void in_the_library(void);\nint main(void) { for (;;) in_the_library(); }\n"


def volume(cluster, name):
    path = cluster.path(name)
    os.mkdir(path)
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
        "capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteOnce"], "local": {"path": path},
        "persistentVolumeReclaimPolicy": "Retain",
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}]}}}}


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip().split(":\t", 1) for line in file if ":\t" in line)


def mask(capabilities):
    return sum(1 << CAPABILITIES[name] for name in capabilities)


def hasty(cluster):
    """Agents that capture all the time, and know where this cluster's runtime listens."""
    return ["--set-json=agent.extraArgs=" + json.dumps(
        ["--capture.interval=2s", "--capture.duration=1s", "--capture.max-overhead=0",
         "--container.runtime-endpoint=" + cluster.path("containerd.sock")]),
            "--set=agent.containerRuntime.socketDirectory=" + cluster.path("")]


def without(capability):
    left = [name for name in DEFAULT_CAPABILITIES if name != capability]
    return "--set-json=agent.securityContext=" + json.dumps({"capabilities": {"drop": ["ALL"], "add": left}})


class Release:
    """Of the chart, in a namespace of its own."""

    def __init__(self, cluster, namespace):
        self.cluster = cluster
        self.namespace = namespace

    def install(self, *flags):
        self.cluster.helm("install", "pilotlight", CHART, "--namespace", self.namespace, "--create-namespace", "--wait",
                          "--timeout=120s", *hasty(self.cluster), *flags)
        self.wait_for("daemonset/pilotlight-agent")

    def upgrade(self, *flags, wait=True):
        """To the values of these flags, with hasty agents."""
        self.cluster.helm("upgrade", "pilotlight", CHART, "--namespace", self.namespace, *hasty(self.cluster), *flags)
        if wait:
            self.wait_for("daemonset/pilotlight-agent")

    def collector_address(self, port):
        return f"{self.cluster.pod(self.namespace, 'collector')['status']['podIP']}:{port}"

    def wait_for(self, what):
        self.cluster.kubectl("rollout", "status", "-n", self.namespace, what, "--timeout=120s")

    def agent_log(self):
        return self.cluster.log(self.namespace, self.cluster.pod(self.namespace, "agent")["metadata"]["name"])

    def stacks(self, **parameters):
        query = urllib.parse.urlencode({"from": "now-10m"} | parameters)
        return get(f"http://{self.collector_address(4040)}/folded?{query}")

    def agent_metric(self, name):
        address = self.cluster.pod(self.namespace, "agent")["status"]["podIP"]
        return sum(float(line.rsplit(" ", 1)[1]) for line in get(f"http://{address}:9177/metrics").splitlines()
                   if re.match(name + r"[ {]", line))

    def wait_for_windows(self, count=2):
        """So many more at the collector."""
        acknowledged = "pilotlight_uplink_acknowledged_windows_total"
        begin = self.agent_metric(acknowledged)
        wait_for(f"{count} windows", lambda: self.agent_metric(acknowledged) >= begin + count)


class KubernetesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster())
        cls.packages = cls.enterClassContext(tempfile.TemporaryDirectory())
        run(os.path.join(SOURCE, "package", "run.sh"), "--out", cls.packages, "images", "manifests")
        for archive in glob.glob(cls.packages + "/*.oci.tar"):
            cls.cluster.import_image(archive)
        cls.cluster.import_program("webshop:1", os.path.join(BUILD, "workloads", "webshop"))
        cls.cluster.apply(SHOP, *(volume(cls.cluster, f"volume{i}") for i in range(5)))
        cls.cluster.kubectl("wait", "--for=condition=Ready", "pod/shop", "--timeout=120s")
        cls.release = Release(cls.cluster, "profiling")
        cls.release.install()

    def run_on_the_node(self, *command, **options):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        return self.enterContext(Daemon(directory, *command, **options))

    def assert_shown(self, name, stacks):
        self.assertTrue(name in stacks, f"{name} is not among {len(stacks.splitlines())} stacks")

    def assert_not_shown(self, name, stacks):
        self.assertFalse(name in stacks, f"{name} is among {len(stacks.splitlines())} stacks")

    def stacks_with(self, *flags):
        """Those of the first windows of an agent with these values."""
        self.addCleanup(self.release.upgrade)
        self.release.upgrade(*flags)
        begin = int(time.time()) + 1
        self.release.wait_for_windows(3)  # The first one may have begun before.
        return self.release.stacks(**{"from": str(begin)})

    def stacks_without(self, capability):
        return self.stacks_with(without(capability))

    def test_it_works_with_certificates_and_tokens(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        namespace = "secure"
        authority = Authority(directory, "ca")
        server = authority.sign("server", host=f"pilotlight-collector.{namespace}.svc")
        client = authority.sign("client")
        entries = ""
        for role in "write", "read":
            entries += run(program("pilotlight-collector"), "token", f"--name={role}", f"--role={role}",
                           f"--out={directory}/{role}")
        with open(f"{directory}/tokens.yaml", "w", encoding="utf-8") as file:
            file.write(entries)
        with open(f"{directory}/web.yaml", "w", encoding="utf-8") as file:
            file.write("tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")
        self.cluster.kubectl("create", "namespace", namespace)
        for name, files in (
                ("grpc", {"tls.crt": server.cert, "tls.key": server.key, "ca.crt": authority.path}),
                ("agents", {"tls.crt": client.cert, "tls.key": client.key}),
                ("web", {"web.yaml": f"{directory}/web.yaml", "tls.crt": server.cert, "tls.key": server.key}),
                ("tokens", {"tokens.yaml": f"{directory}/tokens.yaml"}),
                ("write", {"token": f"{directory}/write"}), ("read", {"token": f"{directory}/read"})):
            self.cluster.kubectl("create", "secret", "generic", name, "-n", namespace,
                                 *(f"--from-file={key}={path}" for key, path in files.items()))
        release = Release(self.cluster, namespace)
        self.addCleanup(self.cluster.helm, "uninstall", "pilotlight", "--namespace", namespace, "--wait")
        release.install("--set=collector.persistence.enabled=false,tls.existingSecret=grpc,tls.agentSecret=agents",
                        "--set=auth.tokensSecret=tokens,auth.agentTokenSecret=write,auth.readTokenSecret=read",
                        "--set=collector.web.configSecret=web,collector.web.tls=true")
        release.wait_for_windows()
        self.cluster.helm("test", "pilotlight", "--namespace", namespace, "--timeout=120s")

        context = client_context(authority)
        context.check_hostname = False  # by the pod's address
        url = f"https://{release.collector_address(4040)}/metrics"
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url, timeout=10, context=context)
        self.assertEqual(refused.exception.code, 401)
        with open(f"{directory}/read", encoding="utf-8") as file:
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {file.read().strip()}"})
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            self.assertRegex(answer.read().decode(), r'pilotlight_ingest_windows_total\{outcome="stored"\} [1-9]')

    def test_the_agent_has_the_rights_that_the_chart_names_and_no_more(self):
        process = status(self.cluster.pid(self.cluster.pod("profiling", "agent")))
        for kind in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(process[kind], 16), mask(DEFAULT_CAPABILITIES), kind)
        self.assertEqual((process["NoNewPrivs"], process["Seccomp"]), ("1", "2"))

    def test_the_collector_is_a_user_without_rights(self):
        process = status(self.cluster.pid(self.cluster.pod("profiling", "collector")))
        self.assertEqual(process["Uid"].split(), ["65532"] * 4)
        for kind in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(process[kind], 16), 0, kind)
        self.assertEqual((process["NoNewPrivs"], process["Seccomp"]), ("1", "2"))

    def test_the_collector_keeps_to_the_restricted_standard_and_the_agent_does_not(self):
        # Says of the pods that are there which ones would break it.
        complaints = subprocess.run(
            [tool("kubectl"), "label", "--dry-run=server", "--overwrite", "namespace", "profiling",
             "pod-security.kubernetes.io/enforce=restricted"], env=self.cluster.environment, capture_output=True,
            text=True, check=True).stderr
        self.assertIn("pilotlight-agent", complaints)
        self.assertNotIn("pilotlight-collector", complaints)

    def test_another_container_is_profiled_within_two_windows(self):
        self.release.wait_for_windows()
        self.assert_shown("main.hashCart", self.release.stacks())

    def test_its_profiles_have_the_labels_of_its_pod(self):
        of_the_pod = '{namespace="default",pod="shop",container="shop",service_name="shop"}'
        wait_for("stacks of the pod", lambda: "main.hashCart" in self.release.stacks(selector=of_the_pod))
        of_the_agent = '{namespace="profiling",workload="pilotlight-agent",service_name="pilotlight"}'
        wait_for("stacks of the agent", lambda: self.release.stacks(selector=of_the_agent))

    def test_relabelling_leaves_a_pod_out(self):
        rules = [{"source_labels": ["pod"], "regex": "shop", "action": "drop"}]
        self.assert_not_shown("main.hashCart", self.stacks_with("--set-json=agent.relabelConfigs=" + json.dumps(rules)))

    def test_gc_pauses_of_other_users_programs_can_be_read(self):
        self.release.wait_for_windows()
        self.assertEqual(self.release.agent_metric("pilotlight_go_gc_unreadable_processes_total"), 0)

    def test_the_plain_manifests_make_a_ready_agent_and_collector(self):
        manifests = glob.glob(self.packages + "/*.yaml")
        self.cluster.kubectl("apply", "-f", *manifests)
        self.addCleanup(self.cluster.kubectl, "delete", "-f", *manifests)
        self.cluster.kubectl("rollout", "status", "-n", "pilotlight", "daemonset/pilotlight-agent", "--timeout=120s")
        self.cluster.kubectl("rollout", "status", "-n", "pilotlight", "statefulset/pilotlight-collector", "--timeout=120s")

    def test_the_commands_of_the_readme_lead_to_profiles(self):
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
            section = file.read().split("## Install on Kubernetes\n")[1].split("```")[1]
        commands = [line for line in section.splitlines() if line.startswith(("helm ", "kubectl "))]
        self.assertEqual(len(commands), 3)
        # The images are on the node already.
        commands[0] = commands[0].replace("--set imageRegistry=registry.example.com/team", shlex.join(hasty(self.cluster)))
        self.addCleanup(self.cluster.helm, "uninstall", "pilotlight", "--namespace", "pilotlight", "--wait")
        environment = self.cluster.environment | {"PATH": f"{tool('')}:{os.environ['PATH']}"}

        def answer(command):
            return run("bash", "-c", command, cwd=SOURCE, env=environment)
        answer(commands[0])
        self.assertIn("Succeeded", answer(commands[1]))
        wait_for("profiles", lambda: "main.mix" in answer(commands[2]))

    def test_it_says_after_installation_what_to_type_next(self):
        self.release.wait_for_windows()
        notes = self.cluster.helm("get", "notes", "pilotlight", "--namespace", "profiling")
        command = re.search(r"kubectl (.* exec .*)", notes)[1]
        self.assertIn("main.mix", self.cluster.kubectl(*command.split()))

    def test_a_restarted_collector_has_its_profiles(self):
        self.release.wait_for_windows()
        end = str(int(time.time()))
        before = self.release.stacks(to=end)
        self.assert_shown("main.hashCart", before)
        self.cluster.kubectl("delete", "-n", "profiling", "pod/pilotlight-collector-0")
        self.release.wait_for("statefulset/pilotlight-collector")
        after = self.release.stacks(to=end)
        self.assertTrue(sorted(after.splitlines()) == sorted(before.splitlines()), "other stacks than before")
        self.release.wait_for_windows()  # The agent finds it again.

    def test_without_bpf_it_samples_by_perf_events(self):
        self.assert_shown("main.hashCart", self.stacks_without("BPF"))
        self.assertIn("capturing with perf instead: ebpf: eBPF needs CAP_BPF", self.release.agent_log())

    def test_without_perfmon_it_ends_and_says_why(self):
        self.addCleanup(self.release.upgrade)
        self.release.upgrade(without("PERFMON"), wait=False)
        wait_for("its last words", lambda: "no capture source works: ebpf: eBPF needs CAP_PERFMON; perf: "
                 in self.release.agent_log())

    def test_without_sys_ptrace_programs_have_no_names(self):
        stacks = self.stacks_without("SYS_PTRACE")
        self.assert_not_shown("main.hashCart", stacks)
        self.assert_shown("[unknown]", stacks)

    def test_without_syslog_the_kernel_has_no_names(self):
        self.release.wait_for_windows()
        self.assert_shown("entry_SYSCALL_64", self.release.stacks())
        stacks = self.stacks_with("--set=agent.kernelNames=false")
        self.assert_shown("main.hashCart", stacks)
        self.assert_not_shown("entry_SYSCALL_64", stacks)
        self.assertIn("kernel frames will have no names", self.release.agent_log())

    def test_private_binaries_have_names_with_dac_read_search(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        os.chmod(directory, 0o755)
        private = shutil.copy(os.path.join(BUILD, "workloads", "webshop"), os.path.join(directory, "private"))
        os.chown(private, 1234, 1234)
        os.chmod(private, 0o700)
        self.run_on_the_node("setpriv", "--reuid=1234", "--clear-groups", private)
        self.assert_names_come("private", "main.hashCart", "agent.privateBinaries")

    def test_deleted_libraries_have_names_with_checkpoint_restore(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        for name, text, flags in (("libhot.so", LIBRARY, ["-shared", "-fPIC"]),
                                  ("deleter", PROGRAM, ["-L.", "-lhot", "-Wl,-rpath,$ORIGIN"])):
            subprocess.run(["gcc", "-O1", "-fno-omit-frame-pointer", "-o", name, "-x", "c", "-", "-x", "none", *flags],
                           input=text, text=True, cwd=directory, check=True)
        process = self.run_on_the_node(os.path.join(directory, "deleter"))
        wait_for("the library", lambda: "libhot.so" in maps(process.process.pid))
        os.remove(os.path.join(directory, "libhot.so"))
        self.assert_names_come("deleter", "in_the_library", "agent.deletedLibraries")

    def assert_names_come(self, service, name, value):
        """With the value set, and not before."""
        selector = f'{{service_name="{service}"}}'
        self.release.wait_for_windows()
        self.assert_not_shown(
            name, wait_for(f"stacks of {service}", lambda: self.release.stacks(selector=selector)))
        self.addCleanup(self.release.upgrade)
        self.release.upgrade(f"--set={value}=true")
        wait_for(f"{name} in {service}", lambda: name in self.release.stacks(selector=selector))

    def test_with_a_spool_on_the_node_an_agent_stays_the_same_one(self):
        def names():
            return [agent["agent"] for agent in json.loads(self.cluster.kubectl(
                "exec", "-n", "profiling", "pilotlight-collector-0", "--", "pilotlight", "agents", "-o", "json"))]
        spool = self.enterContext(tempfile.TemporaryDirectory())
        self.addCleanup(self.release.upgrade)
        self.release.upgrade(f"--set=agent.spool.hostPath={spool}")
        self.release.wait_for_windows(1)
        before = names()
        self.assertEqual(len(before), 1)
        self.cluster.kubectl("rollout", "restart", "-n", "profiling", "daemonset/pilotlight-agent")
        self.release.wait_for("daemonset/pilotlight-agent")
        self.release.wait_for_windows(1)
        self.assertEqual(names(), before)

    def objects(self, namespace):
        """Names of all objects of the namespace and of those that are in none; not what the cluster makes by itself."""
        names = set()
        for where in (["--namespaced=true"], ["--namespaced=false"]):
            kinds = set(self.cluster.kubectl("api-resources", "--verbs=list", "-o", "name", *where).split())
            kinds = ",".join(sorted(kinds - {"events", "events.events.k8s.io", "componentstatuses"}))
            names |= set(self.cluster.kubectl("get", kinds, "-n", namespace, "-o", "name").split())
        return names

    def test_an_uninstalled_release_leaves_its_volume_and_nothing_else(self):
        self.cluster.kubectl("create", "namespace", "short")
        wait_for("what each namespace has", lambda: "serviceaccount/default" in self.objects("short"))
        before = self.objects("short")
        release = Release(self.cluster, "short")
        for flags, left in ((["--set=collector.persistence.whenDeleted=Delete"], set()),
                            ([], {"persistentvolumeclaim/data-pilotlight-collector-0"})):
            release.install(*flags)
            self.assertIn("persistentvolumeclaim/data-pilotlight-collector-0", self.objects("short"))
            self.cluster.helm("uninstall", "pilotlight", "--namespace", "short", "--wait")
            wait_for("the end of the release", lambda expected=before | left: self.objects("short") == expected, every=0.5)

    def test_pprof_endpoints_on_the_localhost_of_a_pod_are_pulled(self):
        self.addCleanup(self.release.upgrade)
        self.release.upgrade('--set-json=agent.pprofDiscover=["goroutine"]')
        goroutines = {"type": "goroutine:goroutine:count:goroutine:count"}
        wait_for("goroutines of the shop", lambda: "net/http.(*Server).Serve" in self.release.stacks(**goroutines))


def maps(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return file.read()


if __name__ == "__main__":
    unittest.main(verbosity=2)
