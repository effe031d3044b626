"""What the agent costs, on a machine that should be idle otherwise.

    python3 tests/bench/agent_cost.py [--only PART] [--windows N] [--pairs N]

Needs root, for the kernel's BPF statistics. Prints one figure a line, with its target
where there is one. Two cores are kept busy under stacks of depth 23, 200 different ones each: one C++ program
with frame pointers and one stripped Go program.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BPF_STATS = "/proc/sys/kernel/bpf_stats_enabled"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(HERE, "../../build/release"))
    parser.add_argument("--windows", type=int, default=6, help="windows of 10 s at continuous 99 Hz (default 6)")
    parser.add_argument("--only", choices=("continuous", "between", "pull", "paired"), help="one part")
    parser.add_argument("--pairs", type=int, default=20, help="paired runs with and without, at least 2 (default 20)")
    arguments = parser.parse_args()
    arguments.pairs = max(2, arguments.pairs)
    return arguments


ARGUMENTS = parse_arguments()
os.environ["PILOTLIGHT_BUILD"] = os.path.abspath(ARGUMENTS.build)
sys.path.insert(0, os.path.join(HERE, "../e2e"))
from daemons import BUILD, Agent, Collector, Daemon, cpu_seconds, get, wait_for  # noqa: E402


def workload(name):
    return os.path.join(BUILD, "workloads", name)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def memory_mib(pid, field):
    return int(re.search(field + r":\s+(\d+) kB", read(f"/proc/{pid}/status")).group(1)) / 1024


def bpf_run(pid):
    """Runs and nanoseconds of the BPF programs that the process holds."""
    programs = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            found = re.search(r"prog_id:\s+(\d+)", read(f"/proc/{pid}/fdinfo/{fd}"))
        except FileNotFoundError:
            continue  # closed meanwhile
        if found:
            programs.add(found.group(1))
    runs = nanoseconds = 0
    for program in programs:
        shown = json.loads(subprocess.run(["bpftool", "-j", "prog", "show", "id", program], check=True,
                                          capture_output=True, text=True).stdout)
        runs += shown.get("run_cnt", 0)
        nanoseconds += shown.get("run_time_ns", 0)
    return runs, nanoseconds


def metric(agent, name):
    """The sum over its label sets."""
    values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", get(f"http://{agent.http}/metrics"), re.M)
    return sum(float(value) for value in values)


def windows(agent):
    return metric(agent, "pilotlight_capture_windows_total")


def await_windows(agent, count):
    wait_for(f"{count} windows", lambda: windows(agent) >= count, seconds=120 + 60 * count, every=0.5)


def report(what, value, unit, target=None):
    verdict = "" if target is None else f"   target {target} {unit}: {'ok' if value <= target else 'MISSED'}"
    print(f"{what:<58} {value:9.3f} {unit}{verdict}", flush=True)


def continuous(directory, collector):
    with Daemon(directory, workload("deep_stacks"), "1"), Daemon(directory, workload("deep_stacks_go")), \
            Agent(directory, collector.grpc, "--capture.duration=10s", "--capture.interval=10s") as agent:
        pid = agent.process.pid
        with subprocess.Popen(["dd", "if=/dev/zero", "of=/dev/null", "bs=4k"], stderr=subprocess.DEVNULL) as in_kernel:
            await_windows(agent, 2)  # the first ones read symbols, of the kernel too
            in_kernel.terminate()
        await_windows(agent, 3)
        samples, cpu, start = metric(agent, "pilotlight_capture_samples_total"), cpu_seconds(pid), time.monotonic()
        runs, nanoseconds = bpf_run(pid)
        time.sleep(ARGUMENTS.windows * 10 + 2)  # a look at /metrics costs some 0.5 ms, so none meanwhile
        more_runs, more_nanoseconds = bpf_run(pid)
        elapsed = time.monotonic() - start
        used = cpu_seconds(pid) - cpu
        samples = metric(agent, "pilotlight_capture_samples_total") - samples
        print(f"Continuous 99 Hz, {ARGUMENTS.windows} windows of 10 s, {samples:.0f} samples:")
        report("  kernel, per run of the BPF program",
               (more_nanoseconds - nanoseconds) / max(1, more_runs - runs) / 1000, "µs", 4)
        report("  user space, of one core", used / elapsed * 100, "%", 0.3)
        report("  user space, per sample", used / max(1, samples) * 1e6, "µs", 15)
        report("  resident memory", memory_mib(pid, "VmRSS"), "MiB", 40)
        report("  resident memory, highest", memory_mib(pid, "VmHWM"), "MiB")
        report("  CPU overhead by its own metric, of the node",
               metric(agent, "pilotlight_capture_overhead_ratio") * 100, "%")


def between_windows(directory, collector):
    with Daemon(directory, workload("deep_stacks"), "1"), Daemon(directory, workload("deep_stacks_go")), \
            Agent(directory, collector.grpc, "--capture.duration=2s", "--capture.interval=30s") as agent:
        pid = agent.process.pid
        await_windows(agent, 1)
        time.sleep(2)  # the window goes to the collector
        runs, _ = bpf_run(pid)
        cpu, start = cpu_seconds(pid), time.monotonic()
        time.sleep(20)
        used = (cpu_seconds(pid) - cpu) / (time.monotonic() - start)
        after, _ = bpf_run(pid)
        print("Between windows, 20 s:")
        report("  runs of the BPF program", after - runs, "", 0)
        report("  user space, of one core", used * 100, "%", 0.1)


def pull(directory, collector):
    seconds = 20

    def cores(*flags):
        """(the agent's, the program's)"""
        with Daemon(directory, workload("waiters")) as program, \
                Agent(directory, collector.grpc, "--capture.duration=500ms", "--capture.interval=2s",
                      "--capture.max-overhead=0", *flags) as agent:
            await_windows(agent, 4)
            pids = (agent.process.pid, program.process.pid)
            before = [cpu_seconds(pid) for pid in pids]
            time.sleep(seconds)
            return [(cpu_seconds(pid) - used) / seconds for pid, used in zip(pids, before)]

    without, with_pull = cores(), cores("--pprof.discover=goroutine,heap,mutex,block")
    print(f"Pulling four kinds of profiles from one small Go program every 2 s, {seconds} s with and without:")
    report("  the agent's CPU time for one pull", (with_pull[0] - without[0]) * 2 * 1e3, "ms")
    report("  the program's own use without", without[1] * 100, "%")
    report("  the program's own use with", with_pull[1] * 100, "%")


def fixed_work(units):
    """CPU and wall seconds."""
    output = subprocess.run([workload("deep_stacks"), "2", str(units)], check=True, capture_output=True,
                            text=True).stdout
    return (int(re.search(r"cpu_ns=(\d+)", output).group(1)) * 1e-9,
            int(re.search(r"wall_ns=(\d+)", output).group(1)) * 1e-9)


def paired(directory, collector):
    """At the default share of time, one sixth, in windows of 1 s: ten times as many as by default."""
    cycle = 6
    cpu, _ = fixed_work(2000)
    units = int(2000 * cycle / (cpu / 2))

    def without_agent():
        return fixed_work(units)

    def with_agent():
        with Agent(directory, collector.grpc, "--capture.duration=1s", f"--capture.interval={cycle}s") as agent:
            await_windows(agent, 1)  # so that its start is not part of the run
            return fixed_work(units)

    pairs = []
    for pair in range(ARGUMENTS.pairs):
        if pair % 2 == 0:
            off, on = without_agent(), with_agent()
        else:
            on, off = with_agent(), without_agent()
        pairs.append((off, on))
        print(f"\r  pair {pair + 1} of {ARGUMENTS.pairs}", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr)
    cpu_changes, wall_changes = ([(on[clock] / off[clock] - 1) * 100 for off, on in pairs] for clock in (0, 1))
    print(f"A fixed amount of work on two cores, {ARGUMENTS.pairs} interleaved pairs with and without:")
    report("  CPU time, median change", statistics.median(cpu_changes), "%", 0.3)
    lower, _, upper = statistics.quantiles(cpu_changes, n=4)
    report("  CPU time, lower quartile", lower, "%")
    report("  CPU time, upper quartile", upper, "%")
    report("  wall time, median change", statistics.median(wall_changes), "%")


def main():
    if os.geteuid() != 0:
        sys.exit("agent_cost: needs root, for the kernel's BPF statistics")
    before = read(BPF_STATS)
    with open(BPF_STATS, "w", encoding="utf-8") as file:
        file.write("1\n")
    try:
        with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector:
            wait_for("the collector", lambda: get(f"http://{collector.http}/-/ready"))
            parts = {"continuous": continuous, "between": between_windows, "pull": pull, "paired": paired}
            for name, part in parts.items():
                if ARGUMENTS.only in (None, name):
                    part(directory, collector)
    finally:
        with open(BPF_STATS, "w", encoding="utf-8") as file:
            file.write(before)


if __name__ == "__main__":
    main()
