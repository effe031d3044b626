"""Profiles itself for a second, into the file that is named."""

import sys
import threading

from zprofile.cpu_profiler import CPUProfiler


def price(count):
    return sum(i * i for i in range(count))


def checkout():
    return [price(1000) for _ in range(100)]


def work(done):
    while not done.is_set():
        checkout()


profiler = CPUProfiler()
ended = threading.Event()
threading.Thread(target=work, args=(ended,)).start()
with open(sys.argv[1], "wb") as file:
    file.write(profiler.profile(1))
ended.set()
