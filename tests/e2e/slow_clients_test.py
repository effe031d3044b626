"""Clients that send and take byte by byte: they are given up after a while, and keep nobody out meanwhile."""

import contextlib
import select
import socket
import tempfile
import time
import unittest

from daemons import Collector, wait_for

REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class SlowClientsTest(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.collector = self.stack.enter_context(Collector(self.stack.enter_context(tempfile.TemporaryDirectory())))
        wait_for("the collector listens", lambda: "gRPC on port" in self.collector.output(), seconds=20)

    def connect(self, source):
        host, port = self.collector.http.split(":")
        return self.stack.enter_context(socket.create_connection((host, int(port)), 30, (source, 0)))

    def answer(self, source):
        connection = self.connect(source)
        connection.sendall(REQUEST)
        return connection.makefile("rb").read()

    def test_slow_clients_are_given_up_and_keep_nobody_out(self):
        slow = [self.connect("127.0.0.1") for _ in range(100)]
        body = self.connect("127.0.0.3")
        body.sendall(b"POST /ingest?name=a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        # A header that never ends from each of them, and a body.
        sent = dict.fromkeys([*slow, body], 0)
        trickle = b"GET / HTTP/1.1\r\nX: " + b"x" * 1000
        closed = 0
        begin = time.monotonic()
        while closed < 16 or body in sent:
            self.assertLess(time.monotonic() - begin, 60, f"{closed} of them are closed")
            for connection in select.select(list(sent), [], [], 0.5)[0]:
                del sent[connection]
                closed += connection is not body
            for connection in sent:
                with contextlib.suppress(OSError):
                    connection.send(trickle[sent[connection]:][:1])
                    sent[connection] += 1
            self.assertIn(b" 200 OK", self.answer("127.0.0.2"))
        for connection in slow:
            connection.close()
        self.assertIn(b" 200 OK", self.answer("127.0.0.1"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
