"""Bytes of strangers on the collector's ports, for so many seconds: port_fuzz.py SECONDS [SEED]. It must go on, stay
small, and let nobody in."""

import contextlib
import os
import random
import socket
import sys
import tempfile
import time
import urllib.request

from authorities import Authority, client_context
from daemons import Collector, program, run, wait_for
from metrics_text import metric

MOST_MEMORY = 700 << 20

HTTP = [
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /ingest?name=a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789",
    b"POST /push.v1.PusherService/Push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer plt_x\r\nConnection: close\r\n\r\n",
    b"POST /-/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\r\n",
    b"GET /debug/pprof/merge?selector=%7B%7D HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nRange: bytes=0-9\r\n\r\n",
]


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call(method):
    fields = b"".join(literal(name, value) for name, value in (
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", method), (b":authority", b"x"),
        (b"content-type", b"application/grpc"), (b"te", b"trailers"), (b"authorization", b"Bearer plt_x")))
    return (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, fields) +
            frame(0, 1, 1, b"\x00\x00\x00\x00\x05hello"))


GRPC = [call(b"/pilotlight.v1.Ingest/Stream"), call(b"/pilotlight.v1.Query/Top"), call(b"/push.v1.PusherService/Push"),
        call(b"/grpc.health.v1.Health/Check"), call(b"/pilotlight.v1.Agents/Capture")]
# A ClientHello, cut short.
TLS = [b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00"]


def mutate(seed, text):
    data = bytearray(text)
    for _ in range(seed.choice((0, 1, 1, 2, 4, 16))):
        at = seed.randrange(len(data) + 1)
        how = seed.randrange(6)
        if how == 0 and at < len(data):
            data[at] = seed.randrange(256)
        elif how == 1:
            data[at:at] = seed.randbytes(seed.choice((1, 4, 64, 5000)))
        elif how == 2:
            del data[at:at + seed.choice((1, 4, 64))]
        elif how == 3:
            data[at:at] = data[seed.randrange(len(data) + 1):][:64] * seed.choice((1, 10, 300))
        elif how == 4:
            data[at:at] = seed.choice((b"\r\n", b"\0", b": ", b"Content-Length: 99999999999\r\n", b"\xff\xff\xff\xff"))
        else:
            data = data[:at]
    return bytes(data)


def send(address, data, context):
    """Lets the collector answer, or not; what happens to the connection does not matter here."""
    host, port = address.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.settimeout(0.05)
        stream = connection
        if context:
            connection.settimeout(5)
            stream = context.wrap_socket(connection, server_hostname="localhost")
            stream.settimeout(0.05)
        stream.sendall(data)
        stream.recv(4096)


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main():
    seconds = float(sys.argv[1])
    seed_number = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"seed {seed_number}")
    seed = random.Random(seed_number)
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(directory, "authority")
        server = authority.sign("server")
        tokens = run(program("pilotlight-collector"), "token", "--name=reader", "--role=read",
                     f"--out={directory}/read.token")
        with open(f"{directory}/tokens.yaml", "w", encoding="utf-8") as file:
            file.write(tokens)
        with open(f"{directory}/web.yaml", "w", encoding="utf-8") as file:
            file.write("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
        with open(f"{directory}/read.token", encoding="utf-8") as file:
            reader = {"Authorization": f"Bearer {file.read().strip()}"}
        secure = [f"--grpc.tls.cert-file={server.cert}", f"--grpc.tls.key-file={server.key}",
                  f"--web.config.file={directory}/web.yaml"]
        for flags, share in (([], 0.5), (secure, 0.5)):
            with Collector(directory, f"--auth.token-file={directory}/tokens.yaml", *flags) as collector:
                wait_for("the collector listens", lambda: "gRPC on port" in collector.output(), seconds=20)
                http = client_context(authority) if flags else None
                grpc = client_context(authority) if flags else None
                if grpc:
                    grpc.set_alpn_protocols(["h2"])
                end = time.monotonic() + seconds * share
                sent = 0
                while time.monotonic() < end:
                    address, texts, context = seed.choice(((collector.http, HTTP, http), (collector.grpc, GRPC, grpc)))
                    if flags and seed.random() < 0.3:  # below TLS
                        texts, context = TLS, None
                    send(address, mutate(seed, seed.choice(texts)), context)
                    sent += 1
                    assert collector.process.poll() is None, collector.output()
                memory = resident(collector.process.pid)
                assert memory < MOST_MEMORY, memory
                scheme = "https" if flags else "http"
                request = urllib.request.Request(f"{scheme}://{collector.http}/metrics", headers=reader)
                with urllib.request.urlopen(request, timeout=30, context=http) as answer:
                    text = answer.read().decode()
                assert metric(text, "pilotlight_ingest_received_bytes_total") == 0
                assert metric(text, "pilotlight_queries_total") == 0
                refused = metric(text, "pilotlight_auth_refused_total")
                assert refused > 0
                print(f"{scheme}: {sent} connections, {refused:.0f} refusals, {memory >> 20} MiB, alive")


if __name__ == "__main__":
    main()
