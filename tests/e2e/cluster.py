"""A real single-node Kubernetes on loopback: etcd, API server, controller manager, scheduler, containerd, kubelet.

It has no registry and no kube-proxy: images are imported, and the names of services lead to their pods. Root only.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile

from daemons import Daemon, free_port, run, wait_for
from service_names import ServiceNames

SOURCE = os.environ["PILOTLIGHT_SOURCE"]
NODE = "localhost"  # The API server reaches the kubelet by this name.
GATEWAY = "10.244.0.1"
PAUSE = """
#include <signal.h>
#include <unistd.h>
static void stop(int s) { (void)s; _exit(0); }
int main(void) { signal(SIGTERM, stop); signal(SIGINT, stop); for (;;) pause(); }
"""
CONTAINERD = """
version = 2
root = "{directory}/containerd/root"
state = "{directory}/containerd/state"
[grpc]
  address = "{directory}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/pause:1"
  # Where root has no CAP_SYS_RESOURCE, as in some virtual machines, runc cannot lower oom_score_adj.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{directory}/cni"
"""
KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
    "failCgroupV1": False, "failSwapOn": False, "cgroupDriver": "cgroupfs",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"}, "address": "127.0.0.1", "readOnlyPort": 0,
    "localStorageCapacityIsolation": False,
}


def tool(name):
    """Of those that tests/kubernetes/build.sh builds."""
    return os.path.join(SOURCE, "build", "kubernetes", name)


class Cluster(contextlib.ExitStack):
    def __init__(self):
        super().__init__()
        self.bridge = f"pl{os.getpid()}"
        self.environment = dict(os.environ)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def start(self):
        self.directory = self.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        self.logs = self.path("logs")
        os.mkdir(self.logs)
        self.callback(self.clean_up_containers)
        self.api = free_port()
        self.environment["KUBECONFIG"] = self.path("kubeconfig")
        with open(self.path("kubeconfig"), "w", encoding="utf-8") as file:
            json.dump({
                "apiVersion": "v1", "kind": "Config", "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": f"https://127.0.0.1:{self.api}",
                                                          "insecure-skip-tls-verify": True}}],
                "users": [{"name": "admin", "user": {"token": "test"}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}]}, file)
        with open(self.path("tokens.csv"), "w", encoding="utf-8") as file:
            file.write('test,admin,admin,"system:masters"\n')
        run("openssl", "genrsa", "-out", self.path("sa.key"), "2048")
        run("openssl", "rsa", "-in", self.path("sa.key"), "-pubout", "-out", self.path("sa.pub"))
        self.start_control_plane()
        self.start_containerd()
        self.start_kubelet()

    def path(self, name):
        return os.path.join(self.directory, name)

    def daemon(self, *command):
        return self.enter_context(Daemon(self.logs, *command))

    def start_control_plane(self):
        etcd, peers = free_port(), free_port()
        self.daemon("etcd", f"--data-dir={self.path('etcd')}", f"--listen-client-urls=http://127.0.0.1:{etcd}",
                    f"--advertise-client-urls=http://127.0.0.1:{etcd}", f"--listen-peer-urls=http://127.0.0.1:{peers}",
                    "--unsafe-no-fsync")
        self.daemon(
            tool("kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={self.api}", f"--cert-dir={self.path('certs')}",
            f"--service-account-key-file={self.path('sa.pub')}",
            f"--service-account-signing-key-file={self.path('sa.key')}",
            "--service-account-issuer=https://kubernetes.default.svc", f"--token-auth-file={self.path('tokens.csv')}",
            "--authorization-mode=Node,RBAC", "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none", "--allow-privileged=false",
            "--kubelet-preferred-address-types=Hostname")
        wait_for("the API server", lambda: self.is_ready("/readyz"), seconds=120)
        self.daemon(tool("kube-controller-manager"), f"--kubeconfig={self.path('kubeconfig')}",
                    "--bind-address=127.0.0.1", f"--secure-port={free_port()}", "--leader-elect=false",
                    f"--service-account-private-key-file={self.path('sa.key')}",
                    f"--root-ca-file={self.path('certs/apiserver.crt')}")
        self.daemon(tool("kube-scheduler"), f"--kubeconfig={self.path('kubeconfig')}", "--bind-address=127.0.0.1",
                    f"--secure-port={free_port()}", "--leader-elect=false")

    def is_ready(self, path):
        return subprocess.run([tool("kubectl"), "get", "--raw", path], env=self.environment, capture_output=True,
                              check=False).returncode == 0

    def start_containerd(self):
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "address", "add", GATEWAY + "/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        self.callback(ServiceNames(GATEWAY, self.pods_of).close)
        os.mkdir(self.path("cni"))
        with open(self.path("cni/10-bridge.conflist"), "w", encoding="utf-8") as file:
            json.dump({"cniVersion": "0.4.0", "name": "test", "plugins": [{
                "type": "bridge", "bridge": self.bridge, "isGateway": True, "ipMasq": False,
                "ipam": {"type": "host-local", "dataDir": self.path("addresses"),
                         "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}, file)
        with open(self.path("containerd.toml"), "w", encoding="utf-8") as file:
            file.write(CONTAINERD.format(directory=self.directory))
        self.daemon("containerd", "-c", self.path("containerd.toml"))
        wait_for("containerd", lambda: os.path.exists(self.path("containerd.sock")))
        with open(self.path("pause.c"), "w", encoding="utf-8") as file:
            file.write(PAUSE)
        run("gcc", "-static", "-Os", "-o", self.path("pause"), self.path("pause.c"))
        self.import_program("pause:1", self.path("pause"))

    def start_kubelet(self):
        with open(self.path("kubelet.yaml"), "w", encoding="utf-8") as file:
            json.dump(KUBELET | {"containerRuntimeEndpoint": f"unix://{self.path('containerd.sock')}",
                                 "port": free_port(), "healthzPort": free_port(),
                                 "podLogsDir": self.path("pod-logs"),
                                 "clusterDNS": [GATEWAY], "clusterDomain": "cluster.local"}, file)
        self.daemon(tool("kubelet"), f"--kubeconfig={self.path('kubeconfig')}", f"--config={self.path('kubelet.yaml')}",
                    f"--root-dir={self.path('kubelet')}", f"--hostname-override={NODE}")
        wait_for("the node", lambda: self.kubectl_json("get", "nodes")["items"], seconds=120)
        self.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=120s")

    def pods_of(self, namespace, service):
        slices = self.kubectl_json("get", "endpointslices", "-n", namespace, "-l", f"kubernetes.io/service-name={service}")
        return [address for one in slices["items"] for endpoint in one["endpoints"] or []
                if endpoint["conditions"]["ready"] for address in endpoint["addresses"]]

    def import_image(self, archive):
        run("ctr", "--address", self.path("containerd.sock"), "--namespace", "k8s.io", "images", "import", archive)

    def import_program(self, name, path):
        """As the image `name`, NAME:VERSION."""
        name, version = name.split(":")
        run(os.path.join(SOURCE, "package", "image.py"), "--name", name, "--version", version, "--revision", "test",
            "--title", name, "--user", "0:0", "--out", self.directory, path,
            env=self.environment | {"SOURCE_DATE_EPOCH": "0"})
        self.import_image(self.path(f"{name}-{version}.oci.tar"))

    def kubectl(self, *arguments, **options):
        return run(tool("kubectl"), *arguments, env=self.environment, **options)

    def kubectl_json(self, *arguments):
        return json.loads(self.kubectl(*arguments, "-o", "json"))

    def apply(self, *objects):
        self.kubectl("apply", "-f", "-", input="\n---\n".join(map(json.dumps, objects)))

    def helm(self, *arguments):
        return run(tool("helm"), *arguments, env=self.environment)

    def pod(self, namespace, component):
        """The only one of that component of the chart, once no other is going or coming."""
        def only_one():
            pods = self.kubectl_json("get", "pods", "-n", namespace, "-l",
                                     f"app.kubernetes.io/component={component}")["items"]
            return pods[0] if len(pods) == 1 and "deletionTimestamp" not in pods[0]["metadata"] else None
        return wait_for(f"the pod of the {component}", only_one, seconds=120)

    def pid(self, pod):
        """Of its only container's first process."""
        container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        for line in run("ctr", "--address", self.path("containerd.sock"), "--namespace", "k8s.io", "tasks",
                        "list").splitlines():
            if line.startswith(container):
                return int(line.split()[1])
        raise AssertionError(f"no task of {container}")

    def log(self, namespace, pod):
        """What its containers have printed, also those that were restarted."""
        text = ""
        for directory, _, files in sorted(os.walk(self.path("pod-logs"))):
            if os.path.relpath(directory, self.path("pod-logs")).startswith(f"{namespace}_{pod}_"):
                for name in sorted(files):
                    with open(os.path.join(directory, name), encoding="utf-8") as file:
                        text += file.read()
        return text

    def clean_up_containers(self):
        """Of a containerd that has ended: its containers, what it has mounted, their bridge."""
        for process in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    command = file.read().decode(errors="replace").split("\0")
                if "containerd-shim" in command[0] and f"{self.directory}/containerd.sock" in command:
                    for child in children(process):
                        os.kill(int(child), signal.SIGKILL)
                    os.kill(int(process), signal.SIGKILL)
        with open("/proc/mounts", encoding="utf-8") as file:
            mounts = sorted((line.split()[1] for line in file), reverse=True)
        for mount in mounts:
            if mount.startswith(self.directory + "/"):
                subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True, check=False)


def children(process):
    with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
        return file.read().split()
