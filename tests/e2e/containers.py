"""A containerd of the test's own, images without a registry, and pods as a kubelet starts them."""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile

from daemons import Daemon, wait_for

CLIENT = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "e2e", "cri_client")

# restrict_oom_score_adj: runc may not be allowed to lower it.
CONFIGURATION = """version = 2
root = "{directory}/root"
state = "{directory}/state"
[grpc]
  address = "{directory}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "{directory}/cni"
"""

PAUSE = """#include <signal.h>
#include <unistd.h>
static void stop(int number) { (void)number; _exit(0); }
int main(void) {
  signal(SIGTERM, stop);
  for (;;) pause();
}
"""


def write_image(path, name, program):
    """An OCI image of one layer that has one file, /program, in a tar file."""
    blobs = {}

    def add_blob(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return f"sha256:{digest}", len(data)

    def add_json(kind, value):
        digest, size = add_blob(json.dumps(value).encode())
        return {"mediaType": f"application/vnd.oci.image.{kind}.v1+json", "digest": digest, "size": size}

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(program, "program")
    digest, size = add_blob(layer.getvalue())
    config = add_json("config", {
        "architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/program"]},
        "rootfs": {"type": "layers", "diff_ids": [digest]}})
    manifest = add_json("manifest", {
        "schemaVersion": 2, "config": config,
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size}]})
    manifest["annotations"] = {"io.containerd.image.name": name}
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
             "index.json": json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode(), **blobs}
    with tarfile.open(path, "w") as tar:
        for member, data in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def unmount_below(directory):
    with open("/proc/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1] for line in file]
    for mount in reversed(mounts):
        if mount.startswith(directory + "/"):
            subprocess.run(["umount", "--lazy", mount], check=False)


def wait_until_it_answers(daemon, question):
    def answers():
        if daemon.process.poll() is not None:
            raise AssertionError(f"it has ended: {daemon.output()[-2000:]}")
        return subprocess.run(question, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0

    try:
        wait_for(question[0], answers)
    except BaseException:
        daemon.__exit__()
        raise


class Containerd(Daemon):
    """Touches nothing of one that runs already. Its pods must be gone when it ends."""

    def __init__(self, directory):
        self.directory = os.path.join(directory, "containerd")
        os.makedirs(self.directory)
        self.socket = f"{self.directory}/containerd.sock"
        configuration = f"{self.directory}/config.toml"
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(directory=self.directory))
        self.client = os.path.join(self.directory, "cri_client")
        subprocess.run(["go", "build", "-o", self.client, "."], cwd=CLIENT, check=True)
        super().__init__(self.directory, "containerd", "--config", configuration)
        wait_until_it_answers(self, ["ctr", "--address", self.socket, "version"])
        pause = os.path.join(self.directory, "pause")
        subprocess.run(["cc", "-static", "-Os", "-x", "c", "-", "-o", pause], input=PAUSE, text=True, check=True)
        self.add_image("localhost/pause:1", pause)

    def __exit__(self, *_):
        self.terminate()
        self.take_away_what_failed_tests_leave()

    @contextlib.contextmanager
    def hanging(self):
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def take_away_what_failed_tests_leave(self):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                    arguments = file.read().split("\0")
                if "containerd-shim" in arguments[0] and self.socket in arguments:
                    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
                        children = file.read().split()
                    for process in [*children, pid]:
                        os.kill(int(process), signal.SIGKILL)
        unmount_below(self.directory)

    def add_image(self, name, program):
        path = os.path.join(self.directory, "image.tar")
        write_image(path, name, program)
        subprocess.run(["ctr", "--address", self.socket, "--namespace", "k8s.io", "images", "import", path], check=True,
                       stdout=subprocess.DEVNULL)


class PodOfOne:
    """A running pod with one container on the node's own network; `id` is the container's."""

    def __init__(self, containerd, description):
        # Not below /kubepods, where a kubelet ends what it does not know.
        self.cgroup_parent = f"/pilotlight-test/kubepods/burstable/pod{description['UID']}"
        logs = os.path.join(containerd.directory, "logs", description["Name"])
        os.makedirs(logs)
        description = dict(description, CgroupParent=self.cgroup_parent, LogDirectory=logs)
        self.process = subprocess.Popen(
            [containerd.client, "-socket", containerd.socket, "-pod", json.dumps(description)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.id = self.process.stdout.readline().strip()
        if not self.id:
            raise AssertionError(f"no pod {description['Name']}; containerd says: {containerd.output()[-4000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=60)
        for hierarchy in ("", *os.listdir("/sys/fs/cgroup")):
            parent = os.path.join("/sys/fs/cgroup", hierarchy, self.cgroup_parent[1:])
            with contextlib.suppress(OSError):  # not there, or in use by others
                os.removedirs(parent)


class Docker(Daemon):
    """Touches nothing of one that runs already. Its containers must be gone when it ends."""

    def __init__(self, directory):
        self.directory = os.path.join(directory, "docker")
        os.makedirs(self.directory)
        self.socket = f"{self.directory}/docker.sock"
        super().__init__(
            self.directory, "dockerd", f"--host=unix://{self.socket}", f"--data-root={self.directory}/data",
            f"--exec-root={self.directory}/exec", f"--pidfile={self.directory}/pid", "--bridge=none", "--iptables=false",
            "--ip6tables=false", "--containerd-namespace=pilotlight-test", "--containerd-plugins-namespace=pilotlight-test-plugins")
        wait_until_it_answers(self, self.command("version"))

    def __exit__(self, *_):
        self.terminate()
        unmount_below(self.directory)  # the network namespace of its own, which it leaves

    def command(self, *arguments):
        return ["docker", "--host", f"unix://{self.socket}", *arguments]

    @contextlib.contextmanager
    def container(self, name, image, program, *flags):
        """A running container of an image that has the program alone; yields its ID."""
        path = os.path.join(self.directory, "root.tar")
        with tarfile.open(path, "w") as tar:
            tar.add(program, "program")
        subprocess.run(self.command("import", "--change", 'ENTRYPOINT ["/program"]', path, image), check=True,
                       stdout=subprocess.DEVNULL)
        started = subprocess.run(self.command("run", "--detach", "--network=host", f"--name={name}", *flags, image), check=True,
                                 capture_output=True, text=True)
        try:
            yield started.stdout.strip()
        finally:
            subprocess.run(self.command("rm", "--force", name), check=True, stdout=subprocess.DEVNULL)
