"""The Debian package under a real systemd: installed, enabled, upgraded and removed.

systemd runs in a container over a throw-away layer on this machine's own files. Skips where that cannot be made.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from daemons import BUILD, run

SOURCE = os.environ["PILOTLIGHT_SOURCE"]
UNIT = """
[Unit]
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/bash -eux /opt/steps
StandardOutput=append:/opt/log
StandardError=append:/opt/log
"""
STEPS = """
note() { echo "$*" >>/opt/notes; }
states() { note "$1: $(systemctl is-active pilotlight-agent pilotlight-collector | tr '\\n' ' ')"; }
# until_there WHAT COMMAND…: tries for a minute whether it prints that.
until_there() { for _ in $(seq 60); do "${@:2}" 2>&1 | grep -q "$1" && return; sleep 1; done; "${@:2}"; journalctl --no-pager --unit "pilotlight-*"; false; }

dpkg -i /opt/*.deb
states installed
sed -i 's/^FLAGS="/&--capture.interval=2s --capture.duration=1s --capture.max-overhead=0 /' /etc/default/pilotlight-agent
/opt/webshop &
systemctl enable --now pilotlight-collector pilotlight-agent
until_there main.mix pilotlight top --since 5m
note profiled
for name in agent collector; do
  pid=$(systemctl show --property=MainPID --value pilotlight-$name)
  note "$name $(sed -n 's/^CapEff:.//p' /proc/$pid/status) $(stat -c %u /proc/$pid)"
done
systemctl reload pilotlight-collector
states reloaded
before=$(systemctl show --property=MainPID --value pilotlight-agent)
dpkg -i /opt/*.deb
[[ $before != "$(systemctl show --property=MainPID --value pilotlight-agent)" ]] && note restarted
states upgraded
dpkg -r pilotlight
states removed
note "left: $(ls /var/lib/private | tr '\\n' ' ')"
"""


class SystemdTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("systemd-nspawn"):
            raise unittest.SkipTest("there is no systemd-nspawn (Debian: systemd-container)")
        directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        run(os.path.join(SOURCE, "package", "run.sh"), "--out", directory, "deb")
        layers, root = os.path.join(directory, "layers"), os.path.join(directory, "root")
        os.mkdir(layers)
        os.mkdir(root)
        run("mount", "-t", "tmpfs", "tmpfs", layers)
        cls.addClassCleanup(run, "umount", layers)
        os.mkdir(layers + "/upper")
        os.mkdir(layers + "/work")
        try:
            run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={layers}/upper,workdir={layers}/work", root)
        except AssertionError as error:
            raise unittest.SkipTest(f"no layer over /: {error}") from error
        cls.addClassCleanup(run, "umount", root)
        for path, text in (("etc/systemd/system/steps.service", UNIT), ("opt/steps", STEPS)):
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        shutil.copy(glob.glob(directory + "/*.deb")[0], root + "/opt")
        shutil.copy(os.path.join(BUILD, "workloads", "webshop"), root + "/opt")
        subprocess.run(
            ["systemd-nspawn", "--quiet", "--directory", root, "--keep-unit", "--register=no", "--private-network",
             "--capability=all", "--system-call-filter=bpf perf_event_open", "--boot", "--", "--unit=steps.service"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
        with open(root + "/opt/log", encoding="utf-8") as file:
            log = file.read()
        with open(root + "/opt/notes", encoding="utf-8") as file:
            cls.notes = file.read().splitlines()
        assert cls.notes[-1].startswith("left:"), log

    def test_nothing_runs_before_it_is_enabled(self):
        self.assertIn("installed: inactive inactive ", self.notes)

    def test_enabled_they_profile(self):
        self.assertIn("profiled", self.notes)

    def test_they_are_not_root_and_have_the_rights_that_are_documented(self):
        rights = {name: (int(capabilities, 16), int(user)) for name, capabilities, user in (
            note.split() for note in self.notes if re.match("(agent|collector) ", note))}
        self.assertEqual(rights["agent"][0], 1 << 39 | 1 << 38 | 1 << 34 | 1 << 19)  # BPF, PERFMON, SYSLOG, SYS_PTRACE
        self.assertEqual(rights["collector"][0], 0)
        self.assertNotIn(0, (rights["agent"][1], rights["collector"][1]))

    def test_a_reload_and_an_upgrade_leave_them_running(self):
        self.assertIn("reloaded: active active ", self.notes)
        self.assertIn("restarted", self.notes)
        self.assertIn("upgraded: active active ", self.notes)

    def test_removed_it_leaves_profiles_and_spool(self):
        self.assertIn("removed: inactive inactive ", self.notes)
        self.assertIn("left: pilotlight-agent pilotlight-collector ", self.notes)


if __name__ == "__main__":
    unittest.main(verbosity=2)
