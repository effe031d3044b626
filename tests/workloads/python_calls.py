"""Calls by all the ways that CPython has. A line that calls one of these functions names it."""

import asyncio
import functools
import os
import sys
import threading


def burn(rounds):
    total = 0
    for i in range(rounds):
        total += i * i
    return total


def recurse(depth):
    if depth == 0:
        return burn(400)
    return recurse(depth - 1) + 1


def numbers():
    for i in range(4):
        burn(100)
        yield i


def consume():
    return sum(numbers())  # numbers


def by_key(item):
    return burn(40) + item


def sort():
    return sorted(range(8), key=by_key)


def fold(total, item):
    return total + item + burn(40)


def reduce():
    return functools.reduce(fold, range(8))


class Shop:
    def __init__(self):
        self.total = burn(400)

    def __len__(self):
        return burn(400) * 0

    @property
    def open(self):
        return burn(400)


def construct():
    return Shop()  # Shop.__init__


def measure(shop):
    return len(shop)  # Shop.__len__


def look(shop):
    return shop.open  # Shop.open


async def inner():
    await asyncio.sleep(0)
    return burn(400)


async def outer():
    return await inner()


def run_tasks(loop):
    return loop.run_until_complete(outer())  # outer


def churn(number):
    """New code of another name takes the place of the code before."""
    scope = {"burn": burn}
    exec(f"def made_{number}():\n    return burn(300)", scope)  # <module>
    return scope[f"made_{number}"]()  # made_0 made_1


def in_thread():
    while True:
        burn(400)


def main():
    threading.Thread(target=in_thread, daemon=True).start()
    print(f"ready pid={os.getpid()}", flush=True)
    loop = asyncio.new_event_loop()
    shop = Shop()  # Shop.__init__
    while True:
        recurse(10)
        consume()
        sort()
        reduce()
        construct()
        measure(shop)
        look(shop)
        run_tasks(loop)
        churn(0)
        churn(1)


if __name__ == "__main__":
    sys.setswitchinterval(0.001)
    main()
