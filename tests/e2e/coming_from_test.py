"""Each pilotlight command that docs/coming-from.md promises does what it says: it ends well and shows something."""

import gzip
import http.server
import os
import re
import subprocess
import tempfile
import threading

import programs
from daemons import Collector, wait_for

SOURCE = os.environ["PILOTLIGHT_SOURCE"]
FOLDED = "main;main.serve;shop.Sum[go.shape.struct { A int; B int }] 70\nmain;ksys_read 20\nmain;json.Unmarshal 10\n"
# Whose output is in a file, or who say nothing when all is well.
OUTPUT = re.compile(r"--out (\S+)|> (\S+)$")


def commands(path):
    """The code of the tables' last columns, and of the text, with a pilotlight command in it."""
    with open(path, encoding="utf-8") as document:
        for line in document:
            text = line.rstrip("\n").replace("\\|", "\0")
            last = text.strip().strip("|").split("|")[-1]
            for code in re.findall(r"`([^`]+)`", last):
                code = code.replace("\0", "|")
                if re.match(r"(perf script \| |cat \S+ \| )?pilotlight [a-z]", code):
                    yield code


class PprofServer(http.server.BaseHTTPRequestHandler):
    """A Go program that serves net/http/pprof, as far as `record --url` sees of it."""

    profile = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.profile)))
        self.end_headers()
        self.wfile.write(self.profile)

    def log_message(self, *_):
        pass


def write_inputs(directory, environment):
    """The files that the page names, in `directory`, which has a program `perf` in bin/, too."""
    def write(name, text):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)

    def run(*command):
        subprocess.run(command, cwd=directory, env=environment, check=True, capture_output=True)

    for name in ("out.folded", "old.folded"):
        write(name, FOLDED)
    write("new.folded", FOLDED.replace("20", "60"))
    run("pilotlight", "push", "--service", "checkout", "--label", "env=test", "out.folded")
    memory = "memory:alloc_space:bytes:space:bytes"
    run("pilotlight", "push", "--service", "checkout", "--type", memory, "out.folded")
    run("pilotlight", "flame", "-s", "checkout", "--out", "cpu.pb.gz")
    run("pilotlight", "flame", "-s", "checkout", "--type", memory, "--out", "heap.pb.gz")
    for name in ("old", "new"):
        run("pilotlight", "flame", "-s", "checkout", "--out", f"{name}.pb.gz")
    recording = os.path.join(SOURCE, "tests", "golden", "perf", "input")
    with open(recording, encoding="utf-8") as file:
        text = file.read().replace("my prog;x", "app")
    for name in ("perf.txt", "old.txt"):
        write(name, text)
    for name, script in {"perf": f"cat {directory}/perf.txt", "dot": "cat"}.items():
        path = os.path.join(directory, "bin", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nexec {script}\n")
        os.chmod(path, 0o755)
    with open(os.path.join(directory, "my-program"), "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho | {programs.workload('spin')} brief\n")
    os.chmod(os.path.join(directory, "my-program"), 0o755)


def check(command, directory, environment, pid, url):
    concrete = command.replace("4711", str(pid)).replace("http://localhost:6060", url)
    concrete = re.sub(r"--for \d+s", "--for 1s", concrete)
    target = OUTPUT.search(concrete)
    name = target and (target.group(1) or target.group(2))
    if name and name != "-" and os.path.exists(os.path.join(directory, name)):
        os.rename(os.path.join(directory, name), os.path.join(directory, "previous"))
    result = subprocess.run(["bash", "-o", "pipefail", "-c", concrete], cwd=directory, env=environment,
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, f"{command}: exit code {result.returncode}: {result.stderr}"
    shown = result.stdout
    if name and name != "-":
        with open(os.path.join(directory, name), "rb") as file:
            data = file.read()
        shown = gzip.decompress(data).decode(errors="replace") if data[:2] == b"\x1f\x8b" else data.decode()
    # The first one is a number, as every answer has; the messages about nothing to show go elsewhere.
    assert re.search(r"[A-Za-z_]{3}", shown), f"{command}: shows nothing: {result.stderr}"
    for nothing in ("Nothing was recorded", "No stack", "No function", "No samples", "is empty"):
        assert nothing not in result.stderr, f"{command}: {result.stderr}"


def main():
    path = os.path.join(SOURCE, "docs", "coming-from.md")
    found = list(commands(path))
    assert len(found) > 40, found
    with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector, \
            programs.Workload(programs.workload("cruncher")) as busy:
        os.mkdir(os.path.join(directory, "bin"))
        environment = dict(os.environ, PILOTLIGHT_COLLECTOR=collector.grpc, PATH=":".join(
            [os.path.join(directory, "bin"), os.path.join(programs.BUILD, "bin"), os.environ["PATH"]]))
        wait_for("the collector", lambda: "gRPC on port" in collector.output())
        write_inputs(directory, environment)
        with open(os.path.join(directory, "cpu.pb.gz"), "rb") as file:
            PprofServer.profile = file.read()
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), PprofServer) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            for command in found:
                check(command, directory, environment, busy.pid, f"http://127.0.0.1:{server.server_port}")
            server.shutdown()
    print(f"{len(found)} commands of docs/coming-from.md")


if __name__ == "__main__":
    main()
