"""Whole: what a node runs besides Go, as Debian builds it, under load: its stacks reach their starts.

Prints a line for each program, for docs/performance.md. All but Rust must be installed.
"""

import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import programs

LEAST_WHOLE = 0.99
SECONDS = "3s"


def wait_for_port(port):
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)


class Load:
    """Processes that run, with their children, until the block ends."""

    def __init__(self):
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def start(self, *command, **options):
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, **options)
        self.processes.append(process)
        return process.pid


def command_line(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return file.read()
    return ""


def children(pid, word, least=1):
    """Those with this word in their command line, when there are so many."""
    while True:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            found = [int(child) for child in file.read().split() if word in command_line(child)]
        if len(found) >= least:
            return found
        time.sleep(0.05)


def redis(load, directory):
    pid = load.start("redis-server", "--port", "7790", "--save", "", cwd=directory)
    wait_for_port(7790)
    load.start("redis-benchmark", "-p", "7790", "-l", "-q", "-P", "8", "-t", "set,get,lpush,lrange_300")
    return [pid]


def nginx(load, directory):
    config = os.path.join(directory, "nginx.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"""worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log /dev/null; user root;
events {{}}
http {{ access_log off; gzip on; gzip_min_length 1; gzip_types *;
        server {{ listen 7791; root /usr/share/doc; autoindex on; }} }}
""")
    pid = load.start("/usr/sbin/nginx", "-c", config)
    wait_for_port(7791)
    load.start("wrk", "-t1", "-c8", "-d60s", "-H", "Accept-Encoding: gzip", "http://127.0.0.1:7791/")
    return children(pid, "worker")


def postgres(load, directory):
    binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    data = os.path.join(directory, "postgres")
    os.mkdir(data)
    shutil.chown(data, "postgres")
    os.chmod(directory, 0o755)

    def as_postgres(*command):
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]

    def run(*command):
        subprocess.run(as_postgres(*command), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run(f"{binaries}/initdb", "-D", data)
    pid = load.start(*as_postgres(f"{binaries}/postgres", "-D", data, "-p", "7792", "-k", "/tmp"))
    wait_for_port(7792)
    with contextlib.suppress(subprocess.CalledProcessError):
        run(f"{binaries}/createdb", "-h", "localhost", "-p", "7792", "bench")
    run(f"{binaries}/pgbench", "-h", "localhost", "-p", "7792", "-i", "-q", "bench")
    load.start(*as_postgres(f"{binaries}/pgbench", "-h", "localhost", "-p", "7792", "-c", "2", "-S", "-T", "60", "bench"))
    return children(pid, "bench", least=2)


def xz(load, directory):
    return [load.start("sh", "-c", "exec xz -9 -T1 -c < /dev/urandom")]


def sqlite(load, directory):
    return [load.start(
        "sqlite3", ":memory:", "with recursive c(x) as (select 1 union all select x+1 from c limit 100000000) "
        "select sum(x*x%7), count(distinct x%1000) from c;")]


def python(load, directory):
    return [load.start(
        "/usr/bin/python3", "-c", "import re, json\nwhile True:\n"
        "  json.loads(json.dumps([re.sub('a', 'b', 'a' * 27)] * 99)); sorted(str(i) for i in range(500))")]


def node(load, directory):
    return [load.start(
        "node", "--perf-basic-prof", "--interpreted-frames-native-stack", "-e",
        "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) };"
        "for (;;) { fib(20); JSON.parse(JSON.stringify({a: [1, 2, 3]})); 'abcabc'.replace(/b/g, 'x') }",
        cwd=directory)]  # where it leaves a log


def start_java(load, directory, *flags):
    with open(os.path.join(directory, "Load.java"), "w", encoding="utf-8") as file:
        file.write("""import java.util.*;
public class Load {
  static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
  public static void main(String[] arguments) {
    Map<String, Integer> counts = new HashMap<>();
    for (int i = 0; ; i++) counts.merge("key" + i % 100, fib(15), Integer::sum);
  }
}
""")
    subprocess.run(["javac", "-d", directory, "Load.java"], cwd=directory, check=True)
    pid = load.start("java", *flags, "-cp", directory, "Load")
    while subprocess.run(["jcmd", str(pid), "Compiler.perfmap"], capture_output=True, check=False).returncode != 0:
        time.sleep(0.2)
    time.sleep(2)  # most of it is compiled by then
    subprocess.run(["jcmd", str(pid), "Compiler.perfmap"], check=True, stdout=subprocess.DEVNULL)
    return [pid]


def java(load, directory):
    return start_java(load, directory)


def java_frame_pointers(load, directory):
    return start_java(load, directory, "-XX:+PreserveFramePointer")


def rust(load, directory):
    with open(os.path.join(directory, "load.rs"), "w", encoding="utf-8") as file:
        file.write("""use std::collections::HashMap;
#[inline(never)] fn fill(map: &mut HashMap<String, usize>, i: usize) { *map.entry(format!("key {}", i % 1000)).or_insert(0) += i; }
fn main() { let mut map = HashMap::new(); for i in 0.. { fill(&mut map, i); } }
""")
    subprocess.run(["rustc", "-O", "load.rs"], cwd=directory, check=True)
    return [load.start(os.path.join(directory, "load"))]


def go(load, directory):
    return [load.start(programs.workload("webshop"), "--busy", "1")]


SOFTWARE = [redis, nginx, postgres, xz, sqlite, python, node, java, java_frame_pointers, rust, go]


def check(software):
    with tempfile.TemporaryDirectory() as directory, Load() as load:
        pids = software(load, directory)
        stacks = programs.record("--source", "ebpf", "--for", SECONDS, *(f"--pid={pid}" for pid in pids))
    everything = sum(count for _, count in stacks)
    broken = sum(count for frames, count in stacks if "[broken]" in frames)
    frames = sum(len(frames) * count for frames, count in stacks)
    unnamed = sum(count for frames, count in stacks for frame in frames if "+0x" in frame or frame in ("[unknown]", "[jit]"))
    print(f"| {software.__name__} | {everything} | {frames / max(1, everything):.1f} | "
          f"{100 * (1 - broken / max(1, everything)):.1f} % | {100 * (1 - unnamed / max(1, frames)):.1f} % |", flush=True)
    for stack, count in sorted(stacks, key=lambda stack: -stack[1]):
        if "[broken]" in stack:
            print(f"  {count} {';'.join(stack)[:400]}")
    return everything >= 50 and broken <= (1 - LEAST_WHOLE) * everything


def main():
    if not shutil.which("rustc"):
        print("rust: left out, there is no rustc")
        SOFTWARE.remove(rust)
    chosen = [software for software in SOFTWARE if len(sys.argv) == 1 or software.__name__ in sys.argv[1:]]
    print("| program | samples | frames a sample | whole stacks | named frames |\n| --- | --- | --- | --- | --- |")
    ok = [check(software) for software in chosen]
    sys.exit(0 if all(ok) else 1)


if __name__ == "__main__":
    main()
