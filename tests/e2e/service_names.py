"""The DNS of the test cluster: the names of its services are the addresses of their pods, as there is no kube-proxy."""

import contextlib
import re
import socket
import struct
import threading

A, TTL_SECONDS = 1, 1
NO_ERROR, NO_SUCH_NAME = 0, 3


class ServiceNames(threading.Thread):
    """Answers at `address`, UDP port 53, until it is closed. `pods_of(namespace, service)`: addresses."""

    def __init__(self, address, pods_of):
        super().__init__(daemon=True)
        self.pods_of = pods_of
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.start()

    def close(self):
        with contextlib.suppress(OSError):  # It is not connected; run() ends all the same.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self.socket.close()

    def run(self):
        with contextlib.suppress(OSError):  # It was closed.
            while True:
                query, sender = self.socket.recvfrom(512)
                if not query:
                    return
                self.socket.sendto(self.answer(query), sender)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack_from("!H", query, at + 1)[0]
        service = re.fullmatch(r"([^.]+)\.([^.]+)\.svc\.cluster\.local", ".".join(labels).lower())
        pods = self.pods_of(service[2], service[1]) if service else []
        records = [struct.pack("!HHHIH", 0xC00C, A, 1, TTL_SECONDS, 4) + socket.inet_aton(pod)
                   for pod in pods if kind == A]
        flags = 0x8580 | (NO_ERROR if pods else NO_SUCH_NAME)
        header = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
        return header + query[12:at + 5] + b"".join(records)
