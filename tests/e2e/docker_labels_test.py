"""What runs in a container of a real Docker is profiled under the container's name and image, and nothing of its environment."""

import json
import subprocess
import tempfile

import programs
from containers import Docker
from daemons import Agent, Collector, get, wait_for

IMAGE = "localhost/waiters:1.4"


def series(collector):
    output = subprocess.run(
        [programs.PILOTLIGHT, "query", "--collector", collector.grpc, "--by", "service_name,container,image,pod", "-n", "0",
         "--since=10m", "-o", "json"], check=True, capture_output=True, text=True).stdout
    return [{name: value for name, value in one["labels"].items() if value} for one in json.loads(output)["series"]]


def main():
    waiters = programs.build_go("waiters", "1.26.8")
    expected = {"service_name": "shop-web", "container": "shop-web", "image": IMAGE}
    with tempfile.TemporaryDirectory() as directory, Docker(directory) as docker, Collector(directory) as collector, \
            docker.container("shop-web", IMAGE, waiters, "--env=PASSWORD=hush"), \
            Agent(directory, collector.grpc, "--capture.duration=1s", "--capture.interval=3s", "--trigger.interval=0s",
                  "--capture.max-overhead=0", "--log.level=debug", f"--container.runtime-endpoint=docker://{docker.socket}") as agent:
        wait_for("the collector", lambda: get(f"http://{collector.http}/-/ready"))
        wait_for("the container's labels", lambda: expected in series(collector))
        assert 'container_lookups_total{result="found"} 0' not in get(f"http://{agent.http}/metrics")
        assert "hush" not in agent.output() and "hush" not in json.dumps(series(collector))


if __name__ == "__main__":
    main()
