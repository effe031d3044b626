"""What TLS and tokens cost the collector as it takes profiles in, beside the same without them.

    python3 tests/bench/access_cost.py [--pairs N] [--length SPAN]

A load generator of 20 agents sends the same history to a collector in plain text, to one with TLS, and to one with TLS
and 100 tokens, in turns; then one more connects agent after agent, each with a handshake.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile

AGENTS = 300  # that connect
HERE = os.path.dirname(os.path.abspath(__file__))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(HERE, "../../build/release"))
    parser.add_argument("--pairs", type=int, default=5, help="turns (default 5)")
    parser.add_argument("--length", default="2h", help="history of 200 services that is sent in a turn (default 2h)")
    return parser.parse_args()


ARGUMENTS = parse_arguments()
os.environ["PILOTLIGHT_BUILD"] = os.path.abspath(ARGUMENTS.build)
sys.path.insert(0, os.path.join(HERE, "../e2e"))
from authorities import Authority  # noqa: E402
from daemons import BUILD, Collector, cpu_seconds, program, run, wait_for  # noqa: E402


def median_and_range(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


class Access:
    """Flags of the collector and of who connects to it."""

    def __init__(self, name, collector=(), client=()):
        self.name = name
        self.collector = collector
        self.client = client


def make_kinds(directory):
    authority = Authority(directory, "authority")
    certificate = authority.sign("collector")
    tls = Access("TLS", (f"--grpc.tls.cert-file={certificate.cert}", f"--grpc.tls.key-file={certificate.key}"),
                 (f"--tls-ca-file={authority.path}",))
    tokens = os.path.join(directory, "tokens.yaml")
    with open(tokens, "w", encoding="utf-8") as file:
        for number in range(100):
            file.write(run(program("pilotlight-collector"), "token", f"--name=agent-{number}", "--role=write",
                           f"--out={directory}/{number}.token"))
    both = Access("TLS and a token", (*tls.collector, f"--auth.token-file={tokens}"),
                  (*tls.client, f"--token-file={directory}/50.token"))
    return [Access("plain text"), tls, both]


def generate(collector, access, *flags):
    """Microseconds of the collector's CPU for a profile, and seconds of it in all."""
    before = cpu_seconds(collector.process.pid)
    said = run(os.path.join(BUILD, "bench", "load_generator"), f"--collector=localhost:{collector.grpc.split(':')[1]}",
               *access.client, *flags)
    used = cpu_seconds(collector.process.pid) - before
    return used * 1e6 / int(re.search(r"(\d+) profiles acknowledged", said)[1]), used


def main():
    costs = {}
    connecting = {}
    with tempfile.TemporaryDirectory() as directory:
        kinds = make_kinds(directory)
        for turn in range(ARGUMENTS.pairs):
            for access in kinds:
                with tempfile.TemporaryDirectory() as home, Collector(home, *access.collector) as collector:
                    wait_for("it listens", lambda: "gRPC on port" in collector.output())
                    cost, _ = generate(collector, access, f"--length={ARGUMENTS.length}")
                    _, used = generate(collector, access, "--length=1m", f"--agents={AGENTS}", "--services=1",
                                       "--samples=1", "--stacks=1")
                costs.setdefault(access.name, []).append(cost)
                connecting.setdefault(access.name, []).append(used * 1e6 / AGENTS)
            print(f"turn {turn + 1} of {ARGUMENTS.pairs}", file=sys.stderr)
    for access in kinds:
        own, plain = costs[access.name], costs["plain text"]
        more = [100 * (a / b - 1) for a, b in zip(own, plain)]
        print(f"{access.name}: {median_and_range(own)} µs a profile, {median_and_range(more)} % more than plain text; "
              f"{median_and_range(connecting[access.name])} µs for an agent that connects and sends one profile")


if __name__ == "__main__":
    main()
