#!/usr/bin/env python3
"""Makes a container image without a registry, a daemon or root, from programs and the shared libraries they load.

The image holds the programs, the libraries that ldd names with their copyrights, CA certificates and the few files of
/etc that the C library reads: no shell. The same programs and packages make the same bytes: members are sorted, owned by
root and as old as SOURCE_DATE_EPOCH. Beside it goes an SPDX document of what is in it.

The archive is an OCI image layout, with the manifest.json that `docker load` of before version 25 looks for.
"""

import argparse
import collections
import datetime
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import uuid

NONROOT = 65532
EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
CREATED = datetime.datetime.fromtimestamp(EPOCH, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
CA_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
ETC = {
    "etc/passwd": f"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:{NONROOT}:{NONROOT}:nonroot:/:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nnonroot:x:{NONROOT}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

# Of Debian; `status` is its entry in dpkg's database.
Package = collections.namedtuple("Package", "name version architecture status")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read(path):
    with open(path, "rb") as file:
        return file.read()


def shared_libraries(program):
    """Paths as the dynamic linker looks for them."""
    ldd = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    if "not a dynamic executable" in ldd.stderr:
        return set()
    output = ldd.stdout
    assert ldd.returncode == 0 and "not found" not in output, output + ldd.stderr
    return set(re.findall(r"(/\S+) \(0x", output))


def packages_of(paths):
    """The Debian packages that have brought the files, sorted."""
    # dpkg knows a file by its path of before or after /usr was merged.
    candidates = {candidate: path for path in paths for real in [os.path.realpath(path)]
                  for candidate in (path, real, real.removeprefix("/usr"), "/usr" + path)}
    found = subprocess.run(["dpkg-query", "-S", *candidates], capture_output=True, text=True, check=False).stdout
    names = {candidates[path]: name for name, path in (line.rsplit(": ", 1) for line in found.splitlines())}
    strangers = set(paths) - set(names)
    if strangers:
        raise SystemExit(f"no Debian package has brought {', '.join(sorted(strangers))}")
    packages = []
    for status in run("dpkg-query", "-s", *set(names.values())).strip().split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture): (.*)$", status, re.MULTILINE))
        packages.append(Package(fields["Package"], fields["Version"], fields["Architecture"], status + "\n"))
    return sorted(packages)


def tar(files, directories=(), links=()):
    """`files`: contents and mode by name."""
    parents = {parent for name in [*files, *directories, *dict(links)] for parent in ancestors(name)}
    members = dict.fromkeys([*parents, *directories], None)
    members.update(links)
    members.update(files)
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members):
            info = tarfile.TarInfo(name)
            info.mtime = EPOCH
            what = members[name]
            if what is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
                archive.addfile(info)
            elif isinstance(what, str):
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, what, 0o777
                archive.addfile(info)
            else:
                contents, info.mode = what
                info.size = len(contents)
                archive.addfile(info, io.BytesIO(contents))
    return output.getvalue()


def ancestors(name):
    parts = name.split("/")[:-1]
    return ["/".join(parts[:i + 1]) for i in range(len(parts))]


def root_file_system(programs):
    """Its members, and the Debian packages that they are of."""
    files = {"usr/bin/" + os.path.basename(program): (read(program), 0o755) for program in programs}
    libraries = set().union(*map(shared_libraries, programs))
    files.update({library[1:]: (read(library), 0o755) for library in libraries})
    files[CA_CERTIFICATES[1:]] = (read(CA_CERTIFICATES), 0o644)
    files["etc/os-release"] = (read("/etc/os-release"), 0o644)
    files.update({name: (text.encode(), 0o644) for name, text in ETC.items()})
    packages = packages_of([*libraries, "/usr/sbin/update-ca-certificates"])
    for package in packages:
        copyright_file = f"usr/share/doc/{package.name}/copyright"
        files[copyright_file] = (read("/" + copyright_file), 0o644)
        # Where scanners for vulnerabilities look for packages in images without dpkg.
        files[f"var/lib/dpkg/status.d/{package.name}"] = (package.status.encode(), 0o644)
    return files, packages


def spdx(arguments, programs, packages):
    """https://spdx.github.io/spdx-spec/v2.3/"""
    unknown = {"downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
               "copyrightText": "NOASSERTION"}
    image = {"SPDXID": "SPDXRef-Image", "name": arguments.name, "versionInfo": arguments.version,
             "primaryPackagePurpose": "CONTAINER", "licenseDeclared": "NOASSERTION", **unknown}
    contents = [{"SPDXID": f"SPDXRef-Program-{os.path.basename(program)}", "name": os.path.basename(program),
                 "versionInfo": arguments.version, "primaryPackagePurpose": "APPLICATION",
                 "checksums": [{"algorithm": "SHA256", "checksumValue": hashlib.sha256(read(program)).hexdigest()}],
                 "licenseDeclared": arguments.license, **unknown} for program in programs]
    for name, version, architecture, _ in packages:
        purl = f"pkg:deb/debian/{name}@{version}?arch={architecture}&distro=debian-12"
        contents.append({
            "SPDXID": "SPDXRef-Debian-" + re.sub(r"[^A-Za-z0-9.-]", "-", name), "name": name,
            "versionInfo": version, "supplier": "Organization: Debian", "licenseDeclared": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": purl.replace("+", "%2B")}], **unknown})
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": arguments.name,
        "creationInfo": {"created": CREATED, "creators": ["Tool: pilotlight-package-image"]},
        "packages": [image, *contents],
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": "SPDXRef-Image"}] +
                         [{"spdxElementId": "SPDXRef-Image", "relationshipType": "CONTAINS",
                           "relatedSpdxElement": content["SPDXID"]} for content in contents]}
    identity = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document))
    document["documentNamespace"] = f"https://spdx.org/spdxdocs/{arguments.name}-{identity}"
    return document


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="of the image; its tag is the version")
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", required=True, help="the commit that the programs are built from")
    parser.add_argument("--title", required=True)
    parser.add_argument("--user", required=True, help="UID:GID")
    parser.add_argument("--license", default="Apache-2.0")
    parser.add_argument("--out", required=True, help="directory; NAME-VERSION.oci.tar and NAME-VERSION.spdx.json go there")
    parser.add_argument("programs", nargs="+", help="the first one is the entry point")
    arguments = parser.parse_args()

    files, packages = root_file_system(arguments.programs)
    layer = tar(files, directories=["proc", "sys", "dev", "tmp"])
    labels = {"org.opencontainers.image.title": arguments.title,
              "org.opencontainers.image.version": arguments.version,
              "org.opencontainers.image.revision": arguments.revision,
              "org.opencontainers.image.licenses": arguments.license,
              "org.opencontainers.image.created": CREATED}
    blobs = {}

    def add(contents, media_type, **more):
        digest = hashlib.sha256(contents).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = (contents, 0o644)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(contents), **more}

    def add_json(value, kind, **more):
        return add(json.dumps(value, sort_keys=True).encode(), f"application/vnd.oci.image.{kind}.v1+json", **more)

    layer_blob = add(gzip.compress(layer, 6, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
    config_blob = add_json({
        "created": CREATED, "architecture": run("dpkg", "--print-architecture").strip(), "os": "linux",
        "config": {"Entrypoint": ["/usr/bin/" + os.path.basename(arguments.programs[0])], "User": arguments.user,
                   "Env": ["PATH=/usr/bin"], "WorkingDir": "/", "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created": CREATED, "created_by": "package/image.py"}]}, "config")
    reference = f"{arguments.name}:{arguments.version}"
    manifest_blob = add_json(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config_blob,
         "layers": [layer_blob], "annotations": labels}, "manifest",
        annotations={"io.containerd.image.name": f"docker.io/library/{reference}",
                     "org.opencontainers.image.ref.name": reference})
    path = {blob["digest"]: "blobs/sha256/" + blob["digest"].removeprefix("sha256:") for blob in (config_blob, layer_blob)}
    top = {"oci-layout": {"imageLayoutVersion": "1.0.0"},
           "index.json": {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                          "manifests": [manifest_blob]},
           "manifest.json": [{"Config": path[config_blob["digest"]], "RepoTags": [reference],
                              "Layers": [path[layer_blob["digest"]]]}]}
    blobs.update({name: (json.dumps(value, sort_keys=True).encode(), 0o644) for name, value in top.items()})

    out = os.path.join(arguments.out, f"{arguments.name}-{arguments.version}")
    with open(out + ".oci.tar", "wb") as file:
        file.write(tar(blobs))
    with open(out + ".spdx.json", "w", encoding="utf-8") as file:
        json.dump(spdx(arguments, arguments.programs, packages), file, indent=1)
    print(f"{reference} {manifest_blob['digest']}")


if __name__ == "__main__":
    main()
