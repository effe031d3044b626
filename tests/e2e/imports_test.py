"""pprof of other makers than Go: of Java by async-profiler and its converter, of Python by zprofile, of Node.js by Datadog's
pprof, made on the spot, gzipped and not, is read from files and pushed, with its hot functions.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import zipfile

import daemons
import programs

SOURCE = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "e2e", "imports")
CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"


def run(*command, **options):
    return daemons.run(*command, timeout=120, **options)


def profile_java(directory, path):
    run("mvn", "-q", "-B", "-f", f"{SOURCE}/java/pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={directory}/jars")
    agent = zipfile.ZipFile(f"{directory}/jars/async-profiler-4.0.jar").extract("linux-x64/libasyncProfiler.so", directory)
    run("javac", "-d", directory, f"{SOURCE}/java/Shop.java")
    run("java", f"-agentpath:{agent}=start,event=itimer,interval=5ms,jfr,file={directory}/shop.jfr", "-cp", directory, "Shop")
    run("java", "-jar", f"{directory}/jars/jfr-converter-4.2.jar", "-o", "pprof", f"{directory}/shop.jfr", path)


def profile_python(directory, path):
    run(sys.executable, "-m", "pip", "install", "-q", "--target", f"{directory}/python", "-r", f"{SOURCE}/python/requirements.txt")
    run(sys.executable, f"{SOURCE}/python/shop.py", path, env=dict(os.environ, PYTHONPATH=f"{directory}/python"))


def profile_node(directory, path):
    for name in ("package.json", "package-lock.json", "shop.js"):
        os.symlink(f"{SOURCE}/node/{name}", f"{directory}/{name}")
    run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=directory)
    run("node", "--preserve-symlinks-main", "shop.js", path, cwd=directory)


# The profiler; the type of what it makes; the hot function and who calls it, with whatever stands between them.
MAKERS = {
    "java": (profile_java, "process_cpu:samples:count:cpu:nanoseconds", "Shop.price", "Shop.checkout"),
    "python": (profile_python, CPU, "price", "checkout"),
    "node": (profile_node, "wall:wall:nanoseconds:wall:nanoseconds", "price", "checkout"),
}


def check_top(what, answer, hot, caller):
    table = json.loads(answer)
    rows = {row["function"]: row for row in table["rows"]}
    total = table["total"]["value"]
    assert rows[hot]["cumulative"]["value"] > 0.5 * total, f"{what}: {answer}"
    assert rows[caller]["cumulative"]["value"] >= rows[hot]["cumulative"]["value"], f"{what}: {answer}"
    assert table["total"]["count"] > 20, f"{what}: {answer}"
    return rows[hot]["cumulative"]["value"] / total


def check(maker, directory, collector):
    profile, profile_type, hot, caller = MAKERS[maker]
    path = os.path.join(directory, f"{maker}.pb.gz")
    profile(directory, path)
    with open(path, "rb") as file:
        data = file.read()
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    for name, content in (("plain.pb", plain), ("gzipped.pb.gz", gzip.compress(plain))):
        file_name = os.path.join(directory, f"{maker}.{name}")
        with open(file_name, "wb") as file:
            file.write(content)
        share = check_top(file_name, run(programs.PILOTLIGHT, "top", "-o", "json", "-n", "0", file_name), hot, caller)
        service = f"{maker}.{name}"
        run(programs.PILOTLIGHT, "push", f"--collector={collector.grpc}", f"--service={service}", "--to=now", file_name)
        check_top(service, run(programs.PILOTLIGHT, "top", "-o", "json", "-n", "0", f"--collector={collector.grpc}",
                               f"--type={profile_type}", f'--selector={{service_name="{service}"}}'), hot, caller)
    print(f"{maker}: {len(plain)} bytes, {share:.0%} in {hot}", flush=True)


def main():
    with tempfile.TemporaryDirectory() as directory, daemons.Collector(directory) as collector:
        daemons.wait_for("the collector", lambda: daemons.get(f"http://{collector.http}/-/ready"))
        for maker in MAKERS:
            work = os.path.join(directory, maker)
            os.mkdir(work)
            check(maker, work, collector)


if __name__ == "__main__":
    main()
