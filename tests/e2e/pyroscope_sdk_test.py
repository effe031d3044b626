"""Grafana Pyroscope's SDK for Go sends to the collector; its tags can be asked for."""

import json
import os
import subprocess
import tempfile

import programs
from daemons import Collector, wait_for


def top(collector, selector):
    """Nanoseconds of CPU, and the functions."""
    answer = subprocess.run([programs.PILOTLIGHT, "top", "-o", "json", "-n", "0", "--since=5m", f"--selector={selector}",
                             f"--collector={collector.grpc}"], check=False, capture_output=True, text=True)
    if answer.returncode != 0:
        return 0, []
    profile = json.loads(answer.stdout)
    return profile["total"]["value"], [row["function"] for row in profile["rows"]]


def main():
    with tempfile.TemporaryDirectory() as directory, Collector(directory) as collector:
        program = f"{directory}/pyroscope_sdk"
        source = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests/e2e/pyroscope_sdk")
        subprocess.run(["go", "build", "-o", program, "."], cwd=source, check=True)
        with subprocess.Popen([program, f"http://{collector.http}"], stdin=subprocess.PIPE) as sdk:
            for path in ("/cart", "/checkout"):
                selector = f'{{service_name="sdk-shop", region="north", http_route="{path}"}}'
                wait_for(f"CPU of {path}", lambda selector=selector: top(collector, selector)[0] > 0)
                assert "main.work" in top(collector, selector)[1]
            sdk.stdin.close()
            assert sdk.wait() == 0
        whole, _ = top(collector, '{service_name="sdk-shop"}')
        parts = [top(collector, f'{{service_name="sdk-shop", http_route="{path}"}}')[0] for path in ("/cart", "/checkout")]
        print(f"{whole * 1e-9:.2f} s of CPU, {[f'{part * 1e-9:.2f}' for part in parts]} with the tags of the two paths")
        assert sum(parts) <= whole and min(parts) > 0.2 * whole, (whole, parts)


if __name__ == "__main__":
    main()
