"""Images of the agent and the collector: made twice they are the same, hold no shell, and their programs start."""

import gzip
import io
import json
import os
import subprocess
import tarfile
import tempfile
import unittest

from daemons import BUILD

SOURCE = os.environ["PILOTLIGHT_SOURCE"]


def make(directory):
    """The digests, by name:tag."""
    output = subprocess.run([os.path.join(SOURCE, "package", "run.sh"), "--out", directory, "images"], check=True,
                            capture_output=True, text=True).stdout
    return dict(line.split() for line in output.splitlines())


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


class ImagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.digests = make(cls.directory)
        cls.version = subprocess.run([os.path.join(BUILD, "bin", "pilotlight"), "--version"], check=True,
                                     capture_output=True, text=True).stdout.split()[1]
        cls.images = {name: Image(os.path.join(cls.directory, f"{name}-{cls.version}.oci.tar"))
                      for name in ("pilotlight-agent", "pilotlight-collector")}

    def test_made_twice_they_are_the_same(self):
        with tempfile.TemporaryDirectory() as again:
            self.assertEqual(make(again), self.digests)
            self.assertEqual(sorted(os.listdir(again)), sorted(os.listdir(self.directory)))
            for name in os.listdir(again):
                with open(os.path.join(again, name), "rb") as one, open(os.path.join(self.directory, name), "rb") as two:
                    self.assertEqual(one.read(), two.read(), name)

    def test_their_programs_start(self):
        for name, programs in (("pilotlight-agent", ["pilotlight-agent"]),
                               ("pilotlight-collector", ["pilotlight-collector", "pilotlight"])):
            with tempfile.TemporaryDirectory() as root:
                self.images[name].unpack(root)
                for program in programs:
                    output = subprocess.run(["/usr/sbin/chroot", root, f"/usr/bin/{program}", "--version"], check=True,
                                            capture_output=True, text=True).stdout
                    self.assertEqual(output, f"{program} {self.version}\n")

    def test_they_hold_programs_libraries_and_no_shell(self):
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
