"""TLS on all ports: who is refused, by which side, and how certificates are renewed while the programs run."""

import base64
import contextlib
import os
import socket
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request
import warnings

from authorities import Authority, client_context
from daemons import Agent, Collector, get, program, wait_for
from metrics_text import metric

# "secret", by bcrypt.
PASSWORD_HASH = "$2y$04$.Xsqo8wAYGd5SVyFmtzqOOxTaV5nFHaErqFIxg4szRjI4uI/Jiz1S"


def https_get(address, path, context, user=None):
    request = urllib.request.Request(f"https://{address}{path}")
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        return answer.read().decode()


def shown_serial(address, context):
    """Of the certificate that a new connection is shown."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection, \
            context.wrap_socket(connection, server_hostname="localhost") as tls:
        return int(tls.getpeercert()["serialNumber"], 16)


def handshake(address, context):
    """The version agreed on; a refusal by the server may come only with the first answer (TLS 1.3)."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection, \
            context.wrap_socket(connection, server_hostname="localhost") as tls:
        tls.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        if not tls.recv(1):
            raise ssl.SSLError("closed without an answer")
        return tls.version()


class TlsTest(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.authority = Authority(self.directory, "authority")
        self.other = Authority(self.directory, "other")
        self.server = self.authority.sign("server")
        self.client = self.authority.sign("client")

    def web_config(self, text="", client_ca=False):
        path = os.path.join(self.directory, "web.yaml")
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n")
            if client_ca:
                file.write("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: authority.crt\n")
            file.write(text)
        os.rename(path + ".new", path)
        subprocess.run(["promtool", "check", "web-config", path], check=True, capture_output=True)
        return path

    def collector(self, *flags, mutual=False):
        flags = [f"--grpc.tls.cert-file={self.server.cert}", f"--grpc.tls.key-file={self.server.key}", *flags]
        if mutual:
            flags.append(f"--grpc.tls.client-ca-file={self.authority.path}")
        collector = self.stack.enter_context(Collector(self.directory, *flags))
        wait_for("the collector listens", lambda: "gRPC on port" in collector.output(), seconds=20)
        return collector

    def cli(self, collector, *flags):
        return subprocess.run([program("pilotlight"), "agents", f"--collector={collector.grpc}", "--timeout=10s", *flags],
                              capture_output=True, text=True, check=False)

    def agent(self, collector, *flags):
        return self.stack.enter_context(Agent(
            self.directory, collector.grpc, "--node.name=here", "--capture.interval=1s", "--capture.duration=200ms",
            f"--collector.tls.ca-file={self.authority.path}", *flags))

    def test_http_of_the_collector(self):
        collector = self.collector(f"--web.config.file={self.web_config()}")
        good = client_context(self.authority)
        self.assertIn("healthy", https_get(collector.http, "/-/healthy", good))
        with self.assertRaises(urllib.error.URLError) as wrong:
            https_get(collector.http, "/-/healthy", client_context(self.other))
        self.assertIn("CERTIFICATE_VERIFY_FAILED", str(wrong.exception))
        # The client told why it went.
        wait_for("the refusal is counted", lambda: metric(
            https_get(collector.http, "/metrics", good), "pilotlight_auth_refused_total", protocol="http",
            reason="tls") == 1)

    def test_versions(self):
        collector = self.collector(f"--web.config.file={self.web_config()}")
        for address in collector.http, collector.grpc:
            for version in ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    context = client_context(self.authority, version=version)
                with self.subTest(address=address, version=version), self.assertRaises(OSError) as refused:
                    handshake(address, context)
                # By the server, not by this side; gRPC closes the connection without its alert.
                self.assertRegex(str(refused.exception), "alert protocol version|EOF occurred|reset by peer")
            for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
                context = client_context(self.authority, version=version)
                context.set_alpn_protocols(["h2"] if address == collector.grpc else ["http/1.1"])
                with self.subTest(address=address, version=version):
                    self.assertEqual(handshake(address, context), version.name.replace("_", "."))
        https_get(collector.http, "/-/healthy", client_context(self.authority))

    def test_clients_need_a_certificate(self):
        collector = self.collector(f"--web.config.file={self.web_config(client_ca=True)}", mutual=True)
        good = client_context(self.authority, self.client)
        expired = self.authority.sign("expired", days=-1)
        foreign = self.other.sign("foreign")
        self.assertIn("healthy", https_get(collector.http, "/-/healthy", good))
        for name, certificate in ("none", None), ("expired", expired), ("foreign", foreign):
            with self.subTest(name, port="http"), self.assertRaises(OSError):
                handshake(collector.http, client_context(self.authority, certificate))
            flags = [f"--tls-ca-file={self.authority.path}"]
            if certificate:
                flags += [f"--tls-cert-file={certificate.cert}", f"--tls-key-file={certificate.key}"]
            refused = self.cli(collector, *flags)
            with self.subTest(name, port="grpc"):
                self.assertEqual(refused.returncode, 1, refused.stderr)
        accepted = self.cli(collector, f"--tls-ca-file={self.authority.path}", f"--tls-cert-file={self.client.cert}",
                            f"--tls-key-file={self.client.key}")
        self.assertEqual(accepted.returncode, 0, accepted.stderr)
        text = https_get(collector.http, "/metrics", good)
        self.assertEqual(metric(text, "pilotlight_auth_refused_total", protocol="http", reason="tls"), 3)
        self.assertGreaterEqual(metric(text, "pilotlight_auth_refused_total", protocol="grpc", reason="tls"), 3)

    def test_clients_refuse_the_wrong_collector(self):
        collector = self.collector()
        wrong = self.cli(collector, f"--tls-ca-file={self.other.path}")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("CERTIFICATE_VERIFY_FAILED", wrong.stderr.upper().replace(" ", "_"), wrong.stderr)
        named = self.cli(collector, f"--tls-ca-file={self.authority.path}", "--tls-server-name=elsewhere")
        self.assertEqual(named.returncode, 1)
        plain = self.cli(collector)
        self.assertEqual(plain.returncode, 1)
        self.authority.sign("server", days=-1)  # expired
        expired = self.cli(collector, f"--tls-ca-file={self.authority.path}")
        self.assertEqual(expired.returncode, 1)
        self.authority.sign("server")
        right = self.cli(collector, f"--tls-ca-file={self.authority.path}")
        self.assertEqual(right.returncode, 0, right.stderr)

    def test_renewal_of_the_server_drops_no_stream(self):
        collector = self.collector(f"--web.config.file={self.web_config()}")
        agent = self.agent(collector)
        context = client_context(self.authority)
        stored = lambda: metric(https_get(collector.http, "/metrics", context), "pilotlight_ingest_windows_total",
                                outcome="stored")
        wait_for("a window is stored", stored)
        grpc_context = client_context(self.authority)
        grpc_context.set_alpn_protocols(["h2"])
        before = self.server.serial()
        self.assertEqual(shown_serial(collector.http, context), before)
        self.assertEqual(shown_serial(collector.grpc, grpc_context), before)

        # A key without its certificate yet: what was there goes on.
        self.authority.sign("next")
        os.rename(os.path.join(self.directory, "next.key"), self.server.key)
        self.assertEqual(shown_serial(collector.http, context), before)
        self.assertEqual(shown_serial(collector.grpc, grpc_context), before)
        os.rename(os.path.join(self.directory, "next.crt"), self.server.cert)
        after = self.server.serial()
        self.assertNotEqual(after, before)
        self.assertEqual(shown_serial(collector.http, context), after)
        self.assertEqual(shown_serial(collector.grpc, grpc_context), after)

        count = stored()
        wait_for("more windows are stored", lambda: stored() > count)
        text = get(f"http://{agent.http}/metrics")
        self.assertEqual(metric(text, "pilotlight_uplink_reconnects_total"), 0)

    def test_renewal_of_the_agent(self):
        collector = self.collector(mutual=True)
        certificate = self.authority.sign("agent", days=-1)  # expired
        agent = self.agent(collector, f"--collector.tls.cert-file={certificate.cert}",
                           f"--collector.tls.key-file={certificate.key}")
        stored = lambda: metric(get(f"http://{collector.http}/metrics"), "pilotlight_ingest_windows_total",
                                outcome="stored")
        wait_for("the agent was refused", lambda: "no stream to the collector" in agent.output())
        self.assertEqual(stored(), 0)
        self.authority.sign("agent")
        wait_for("a window is stored", stored)

    def test_users(self):
        collector = self.collector(
            f"--web.config.file={self.web_config('basic_auth_users: {ada: ' + PASSWORD_HASH + '}')}")
        context = client_context(self.authority)
        self.assertIn("healthy", https_get(collector.http, "/-/healthy", context))
        for user in None, "ada:wrong", "eve:secret":
            with self.subTest(user), self.assertRaises(urllib.error.HTTPError) as refused:
                https_get(collector.http, "/metrics", context, user)
            self.assertEqual(refused.exception.code, 401)
        text = https_get(collector.http, "/metrics", context, "ada:secret")
        self.assertEqual(metric(text, "pilotlight_auth_refused_total", protocol="http", reason="password"), 3)

    def test_agent_serves_its_metrics_by_tls(self):
        collector = self.collector()
        agent = self.agent(collector, f"--web.config.file={self.web_config(client_ca=True)}")
        good = client_context(self.authority, self.client)
        wait_for("the agent answers", lambda: https_get(agent.http, "/metrics", good))
        with self.assertRaises(OSError):
            handshake(agent.http, client_context(self.authority))
        text = https_get(agent.http, "/metrics", good)
        self.assertEqual(metric(text, "pilotlight_auth_refused_total", protocol="http", reason="tls"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
