"""Off-CPU profiles give each wait of a program the time and the reason that the program itself says."""

import json
import math
import subprocess
import tempfile

import programs
from daemons import Agent, Collector, wait_for

OFF_CPU = "off_cpu:off_cpu:nanoseconds:off_cpu:nanoseconds"
REASONS = {"SleepAWhile": "[sleep]", "WaitForLock": "[lock]", "ReceiveNothing": "[io]", "PollNothing": "[poll]"}
PERIOD = 10101010  # 99 Hz


def recorded():
    """A program that waits in four ways, by `record`: shares, reasons and the kernel's frames."""
    with programs.Workload(programs.workload("waits")) as load:
        before = load.truth()
        stacks = programs.record("--type", "off_cpu", "--pid", str(load.pid), "--for", "5s")
        after = load.truth()
    waited = {function: after[function] - before[function] for function in REASONS}
    samples = dict.fromkeys(REASONS, 0)
    for frames, nanoseconds in stacks:
        found = [function for function in REASONS if any(f"{function}(" in frame for frame in frames)]
        if not found:
            continue  # the thread that answers
        samples[found[0]] += nanoseconds // PERIOD
        assert frames[-1] == REASONS[found[0]], frames
        assert "do_syscall_64" in frames or "el0_svc" in frames, frames
    total, all_samples = sum(waited.values()), sum(samples.values())
    print(f"waited {waited}, samples {samples}", flush=True)
    for function in REASONS:
        # By chance at most; and a share of the time in which the recording was not yet, or no longer, on.
        expected = waited[function] / total
        deviation = math.sqrt(expected * (1 - expected) / all_samples)
        assert abs(samples[function] / all_samples - expected) < 5 * deviation + 0.02, (function, samples, waited)


def collected():
    """The same by agent and collector."""
    with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector, \
            programs.Workload(programs.workload("waits")), \
            Agent(directory, collector.grpc, "--capture.duration=2s", "--capture.interval=4s", "--capture.max-overhead=0",
                  "--capture.off-cpu-frequency=99"):

        def top():
            done = subprocess.run(
                [programs.PILOTLIGHT, "top", "--collector", collector.grpc, "-s", "waits", "--type", OFF_CPU, "-n", "0", "-o",
                 "json", "--since=10m"], capture_output=True, text=True, check=False)
            return json.loads(done.stdout)["rows"] if done.returncode == 0 else None  # before the first one

        rows = wait_for("an off-CPU profile", top)
        reasons = {row["function"]: row["flat"]["value"] for row in rows if row["flat"]["value"] > 0}
        print(f"collected {reasons}", flush=True)
        assert set(REASONS.values()) <= set(reasons), reasons


def main():
    recorded()
    collected()


if __name__ == "__main__":
    main()
