"""Starts the programs under test, and waits for what they do."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

BUILD = os.environ["PILOTLIGHT_BUILD"]  # the CMake build directory


def program(name):
    return os.path.join(BUILD, "bin", name)


def run(*command, **options):
    """Its standard output; the error says what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def post_json(url, message):
    request = urllib.request.Request(url, json.dumps(message).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def wait_for(what, condition, seconds=60, every=0.1):
    """The first true value of `condition()`, which may raise while it is too early."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (OSError, urllib.error.URLError) as error:
            last = error
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {what}; last: {last!r}")


def cpu_seconds(pid):
    """Of all threads, those that have ended too, to the nanosecond (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


class Daemon:
    """A running program with its output in `log`. Ends with the `with` block."""

    def __init__(self, directory, *command):
        self.log = os.path.join(directory, os.path.basename(command[0]) + ".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def output(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def terminate(self):
        """The exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


class Collector(Daemon):
    def __init__(self, directory, *flags):
        self.grpc = f"127.0.0.1:{free_port()}"
        self.http = f"127.0.0.1:{free_port()}"
        super().__init__(directory, program("pilotlight-collector"), f"--grpc.listen-address={self.grpc}",
                         f"--web.listen-address={self.http}", f"--storage.path={directory}/data", *flags)


class Agent(Daemon):
    def __init__(self, directory, collector, *flags):
        self.http = f"127.0.0.1:{free_port()}"
        super().__init__(directory, program("pilotlight-agent"), f"--collector.address={collector}",
                         f"--web.listen-address={self.http}", f"--spool.path={directory}/spool", *flags)
