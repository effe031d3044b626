"""What operators install: made twice it is the same, and its programs start.

Images hold no shell; the Debian package names what it needs; its units keep to their rights.
"""

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

from daemons import BUILD, run

SOURCE = os.environ["PILOTLIGHT_SOURCE"]


def make(directory):
    """What it says it has made."""
    return run(os.path.join(SOURCE, "package", "run.sh"), "--out", directory)


class Image:
    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
        index = json.loads(self.files["index.json"])
        assert len(index["manifests"]) == 1, index
        self.manifest = self.json(index["manifests"][0])
        self.config = self.json(self.manifest["config"])
        assert len(self.manifest["layers"]) == 1, self.manifest
        self.layer = gzip.decompress(self.blob(self.manifest["layers"][0]))

    def blob(self, descriptor):
        return self.files["blobs/" + descriptor["digest"].replace(":", "/")]

    def json(self, descriptor):
        return json.loads(self.blob(descriptor))

    def members(self):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as layer:
            return layer.getmembers()

    def unpack(self, directory):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as layer:
            layer.extractall(directory)


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.made = make(cls.directory)
        cls.version = run(os.path.join(BUILD, "bin", "pilotlight"), "--version").split()[1]
        cls.images = {name: Image(os.path.join(cls.directory, f"{name}-{cls.version}.oci.tar"))
                      for name in ("pilotlight-agent", "pilotlight-collector")}

    def unpacked_deb(self):
        root = self.enterContext(tempfile.TemporaryDirectory())
        run("dpkg-deb", "-x", os.path.join(self.directory, f"pilotlight_{self.version}_amd64.deb"), root)
        return root

    def assert_starts(self, program, *command):
        self.assertEqual(run(*command, "--version"), f"{program} {self.version}\n")

    def test_made_twice_it_is_the_same(self):
        with tempfile.TemporaryDirectory() as again:
            self.assertEqual(make(again), self.made)
            self.assertEqual(sorted(os.listdir(again)), sorted(os.listdir(self.directory)))
            for name in os.listdir(again):
                with open(os.path.join(again, name), "rb") as one, open(os.path.join(self.directory, name), "rb") as two:
                    self.assertEqual(one.read(), two.read(), name)

    def test_programs_of_the_images_start(self):
        for name, programs in (("pilotlight-agent", ["pilotlight-agent"]),
                               ("pilotlight-collector", ["pilotlight-collector", "pilotlight"])):
            with tempfile.TemporaryDirectory() as root:
                self.images[name].unpack(root)
                for program in programs:
                    self.assert_starts(program, "/usr/sbin/chroot", root, f"/usr/bin/{program}")

    def test_programs_of_the_debian_package_and_the_tarball_start(self):
        with tempfile.TemporaryDirectory() as tarball:
            name = f"pilotlight-{self.version}-linux-amd64"
            run("tar", "-C", tarball, "-xf", os.path.join(self.directory, name + ".tar.gz"))
            for usr in (os.path.join(self.unpacked_deb(), "usr"), os.path.join(tarball, name)):
                for program in ("pilotlight-agent", "pilotlight-collector", "pilotlight"):
                    self.assert_starts(program, os.path.join(usr, "bin", program))

    def test_the_debian_package_needs_what_its_programs_are_linked_with(self):
        root = self.unpacked_deb()
        needed = set(run("dpkg-deb", "-f", os.path.join(self.directory, f"pilotlight_{self.version}_amd64.deb"),
                         "Depends").replace(",", " ").split())
        libraries = set()
        for program in os.listdir(os.path.join(root, "usr", "bin")):
            dynamic = run("readelf", "--dynamic", os.path.join(root, "usr", "bin", program))
            libraries |= set(re.findall(r"NEEDED.*\[(\S+)\]", dynamic))
        self.assertIn("libgrpc++.so.1.51", libraries)
        for library in libraries:
            owners = {line.split(":")[0] for line in run("dpkg-query", "-S", "*/" + library).splitlines()}
            provides = {name for owner in owners for name in [owner, *re.findall(
                r"[a-z0-9.+-]+", run("dpkg-query", "-W", "-f", "${Provides}", owner))]}
            self.assertTrue(provides & needed, f"{library} of {owners}")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd")
    def test_the_units_are_right_and_keep_to_their_rights(self):
        root = self.unpacked_deb()
        for unit, exposure in (("pilotlight-agent.service", 30), ("pilotlight-collector.service", 15)):
            path = os.path.join(root, "usr", "lib", "systemd", "system", unit)
            complaints = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True,
                                        check=False).stderr.splitlines()
            self.assertEqual([line for line in complaints if "is not executable" not in line], [])
            run("systemd-analyze", "security", "--offline=yes", f"--threshold={exposure}", path)

    def test_images_hold_programs_libraries_and_no_shell(self):
        for name, image in self.images.items():
            executables = {member.name for member in image.members()
                           if member.isfile() and member.mode & 0o111 and ".so" not in member.name}
            programs = {"usr/bin/" + name} | ({"usr/bin/pilotlight"} if name == "pilotlight-collector" else set())
            self.assertEqual(executables, programs)
            self.assertEqual({(member.uid, member.gid) for member in image.members()}, {(0, 0)})
            self.assertEqual([member.name for member in image.members() if member.mode & 0o6000], [])

    def test_the_collector_is_not_root(self):
        self.assertEqual(self.images["pilotlight-collector"].config["config"]["User"], "65532:65532")

    def test_the_bill_of_materials_names_each_package_that_has_a_library_in_the_image(self):
        for name, image in self.images.items():
            with open(os.path.join(self.directory, f"{name}-{self.version}.spdx.json"), encoding="utf-8") as file:
                document = json.load(file)
            listed = {package["name"] for package in document["packages"] if "externalRefs" in package}
            self.assertIn("libc6", listed)
            copyrights = {member.name.split("/")[3] for member in image.members() if member.name.endswith("/copyright")}
            self.assertEqual(copyrights, listed)
            contained = {relation["relatedSpdxElement"] for relation in document["relationships"]
                         if relation["relationshipType"] == "CONTAINS"}
            self.assertEqual(contained | {"SPDXRef-Image"}, {package["SPDXID"] for package in document["packages"]})


if __name__ == "__main__":
    unittest.main(verbosity=2)
